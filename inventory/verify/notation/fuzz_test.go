package notation_test

import (
	"bytes"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ocsp"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/notation"
	"signboard/inventory/verify/verifytest"
)

// item hangs a manifest with one envelope on an image.
func item(r *verifytest.Repo, s inventory.Subject, mediaType string, envelope []byte) *verify.Item {
	layer := r.PutBlob(envelope)
	layer.MediaType = mediaType
	return verify.NewItem(r, s, inventory.Attachment{Via: "referrers"}, inventory.Manifest{MediaType: inventory.MediaTypeOCIManifest,
		Digest: inventory.DigestOf(envelope), ArtifactType: artifact, Layers: []inventory.Descriptor{layer}, Subject: &s.Manifest}, nil)
}

// fuzz feeds envelopes. The root is known, so one may verify, but only for the
// image of the fixture it began as: on another image nothing ever does.
func fuzz(f *testing.F, form, mediaType string) {
	names, err := filepath.Glob(filepath.Join("testdata", form+"-*"))
	must(f, err)
	for _, name := range names {
		r, s := fixture(f, filepath.Base(name))
		for _, layer := range envelopes(f, r, s) {
			f.Add(r.Blobs[layer.Digest])
		}
	}
	f.Add([]byte("{}"))
	f.Add([]byte{0xd2, 0x84, 0x40, 0xa0, 0x40, 0x40})
	checker := notation.New(stores(f, "ec-root", "rsa-root", "self", "tsa"), nil)
	r, s := subject(f)
	f.Fuzz(func(t *testing.T, envelope []byte) {
		clear(r.Blobs)
		for _, signature := range checker.Check(t.Context(), item(r, s, mediaType, envelope)).Signatures {
			consistent(t, signature)
			if signature.Outcome == verified {
				t.Errorf("verified: %+v", signature)
			}
		}
	})
}

func FuzzJWS(f *testing.F) { fuzz(f, "jws", jws) }

func FuzzCOSE(f *testing.F) { fuzz(f, "cose", cose) }

// The payload, signed by somebody who is trusted.
func FuzzPayload(f *testing.F) {
	root := authority(f, "Root", nil)
	leaf := signer(f, "build", &root)
	checker := notation.New([]notation.Store{store(f, "ca", "acme", root.root())}, nil)
	r, s := subject(f)
	f.Add(payload(s.Manifest))
	f.Add([]byte(`{"targetArtifact":{"digest":"sha256:00","annotations":{"a":"b"}},"targetartifact":null}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		clear(r.Blobs)
		for _, signature := range checker.Check(t.Context(), item(r, s, jws, forge(t, leaf, content, nil))).Signatures {
			consistent(t, signature)
		}
	})
}

// A countersignature on a signature that is in order, and whose certificate has
// run out: only a timestamp of an authority that is known could save it.
func FuzzTimestamp(f *testing.F) {
	root, tsaRoot, strange := authority(f, "Root", nil), authority(f, "Time root", nil), authority(f, "Strange root", nil)
	old, tsa := signer(f, "old", &root, over), stamper(f, "Stamps", &strange)
	checker := notation.New([]notation.Store{store(f, "ca", "acme", root.root()), store(f, "tsa", "stamps", tsaRoot.root())}, nil)
	r, s := subject(f)
	envelope := forge(f, old, payload(s.Manifest), nil)
	f.Add(token(f, []byte("another"), tsa, epoch))
	f.Fuzz(func(t *testing.T, stamp []byte) {
		clear(r.Blobs)
		raw := edit(t, envelope, func(e map[string]any) {
			e["header"].(map[string]any)["io.cncf.notary.timestampSignature"] = stamp
		})
		for _, signature := range checker.Check(t.Context(), item(r, s, jws, raw)).Signatures {
			consistent(t, signature)
			if signature.Outcome == verified {
				t.Errorf("verified: %+v", signature)
			}
		}
	})
}

// What the server of an authority answers. The certificate names a list and a
// responder whose answers nobody signed, so it is never found good.
func FuzzRevocation(f *testing.F) {
	root, other := authority(f, "Root", nil), authority(f, "Other", nil)
	list := transport(nil)
	leaf := signer(f, "build", &root, func(c *x509.Certificate) {
		c.OCSPServer, c.CRLDistributionPoints = []string{"http://a.example/ocsp"}, []string{"http://b.example/crl"}
	})
	server := newResponder(f)
	for _, h := range []http.HandlerFunc{server.list(other, extended(scope(point{Name: named("http://b.example/crl")})), extended(freshest("http://b.example/delta"))),
		server.list(other, revoking(leaf.certificate()), extended(delta(1)))} {
		f.Add(served(h, nil))
	}
	question, err := ocsp.CreateRequest(leaf.certificate(), root.root(), nil)
	must(f, err)
	f.Add(served(says(other, other, ocsp.Response{Status: ocsp.Good}), question))
	f.Add(ocsp.UnauthorizedErrorResponse)
	r, s := subject(f)
	envelope := sign(f, jws, leaf, payload(s.Manifest))
	stores := []notation.Store{store(f, "ca", "acme", root.root())}
	f.Fuzz(func(t *testing.T, answer []byte) {
		clear(r.Blobs)
		list = answer
		checker := notation.New(stores, &http.Client{Transport: &list})
		for _, signature := range checker.Check(t.Context(), item(r, s, jws, envelope)).Signatures {
			consistent(t, signature)
			expect(t, signature, unread, inventory.ReasonTrustRootStale)
		}
	})
}

// transport answers every request with itself.
type transport []byte

func (b *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(bytes.NewReader(*b))}, nil
}

// served is what a handler answers to a body.
func served(h http.HandlerFunc, question []byte) []byte {
	w := httptest.NewRecorder()
	h(w, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(question)))
	return w.Body.Bytes()
}
