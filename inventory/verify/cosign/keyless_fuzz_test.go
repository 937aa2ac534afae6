package cosign_test

import (
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
	"signboard/inventory/verify/sigstore"
)

// checker knows the instance that the fixtures were made with.
func checker(tb testing.TB) *cosign.Checker {
	domains := []*sigstore.Domain{private(tb, nil)}
	return cosign.New(func() []*sigstore.Domain { return domains })
}

// bySomebody holds that nothing verifies but as one of those who really signed.
func bySomebody(t *testing.T, f verify.Findings) {
	t.Helper()
	settled(t, f)
	for _, s := range f.Signatures {
		if s.Outcome == verified && s.Signer.ID != "keyless:http://127.0.0.1:5556/dex|dev@example.com" {
			t.Errorf("verified as %s", s.Signer.ID)
		}
	}
	for _, a := range f.Attestations {
		if a.Outcome == verified && a.Signer.ID != "keyless:http://127.0.0.1:5556/dex|dev@example.com" {
			t.Errorf("verified as %s", a.Signer.ID)
		}
	}
}

// A bundle with everything that a whole Sigstore puts into one.
func FuzzKeylessBundle(f *testing.F) {
	r := fixture(f, "keyless-bundle-rekor2")
	s := r.Subject(f, "v1")
	for _, name := range []string{"keyless-bundle-rekor1", "keyless-bundle-rekor2", "keyless-bundle-timestamp-only", "keyless-attest-rekor1", "logged-bundle-rekor2-p256"} {
		f.Add(bundleOf(f, fixture(f, name)))
	}
	c := checker(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		i := item(r.Blobs[s.Manifest.Digest], s, nil, "", inventory.Descriptor{MediaType: bundleType}, raw)
		bySomebody(t, c.Check(t.Context(), i))
	})
}

// The annotations that come along with a keyless signature.
func FuzzAnnotations(f *testing.F) {
	r := fixture(f, "keyless-legacy-timestamp")
	s := r.Subject(f, "v1")
	for _, name := range []string{"keyless-legacy-timestamp", "keyless-legacy", "logged-legacy-p256"} {
		from := fixture(f, name)
		m, _ := attached(f, from)
		a := m.Layers[0].Annotations
		f.Add(from.Blobs[m.Layers[0].Digest], a["dev.cosignproject.cosign/signature"], a[certificateKey], a["dev.sigstore.cosign/chain"], a[entryKey], a[stampKey])
	}
	c := checker(f)
	f.Fuzz(func(t *testing.T, payload []byte, signature, certificate, chain, entry, stamp string) {
		i := item(r.Blobs[s.Manifest.Digest], s, nil, ".sig", inventory.Descriptor{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Annotations: map[string]string{
			"dev.cosignproject.cosign/signature": signature, certificateKey: certificate, "dev.sigstore.cosign/chain": chain, entryKey: entry, stampKey: stamp,
		}}, payload)
		bySomebody(t, c.Check(t.Context(), i))
	})
}

// An envelope under an .att tag, with what came along.
func FuzzEnvelope(f *testing.F) {
	r := fixture(f, "keyless-att-dsse")
	s := r.Subject(f, "v1")
	for _, name := range []string{"keyless-att-dsse", "keyless-att-intoto", "keyless-att-timestamp-only", "logged-att"} {
		from := fixture(f, name)
		m, err := from.Manifest(f.Context(), "", from.Tags["v1"].TagPrefix()+".att")
		must(f, err)
		a := m.Layers[0].Annotations
		f.Add(from.Blobs[m.Layers[0].Digest], a[certificateKey], a[entryKey], a[stampKey])
	}
	c := checker(f)
	f.Fuzz(func(t *testing.T, raw []byte, certificate, entry, stamp string) {
		i := item(r.Blobs[s.Manifest.Digest], s, nil, ".att", inventory.Descriptor{MediaType: "application/vnd.dsse.envelope.v1+json",
			Annotations: map[string]string{certificateKey: certificate, entryKey: entry, stampKey: stamp}}, raw)
		found := c.Check(t.Context(), i)
		bySomebody(t, found)
		if len(found.Signatures) > 0 {
			t.Error("an attestation counts as an image signature")
		}
	})
}
