package notation_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/notaryproject/notation-go/verifier/truststore"

	"signboard/inventory"
	"signboard/inventory/verify/notation"
)

func TestParseStore_refusesWhatDoesNotBelong(t *testing.T) {
	root := authority(t, "Root", nil)
	sub := authority(t, "Sub", &root)
	leaf, alone := signer(t, "build", &root), signer(t, "alone", nil)
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	for name, c := range map[string]struct {
		store, kind string
		text        []byte
		want        string // part of the error; empty: none
	}{
		"a root":                          {"acme", "ca", pemOf(root.root()), ""},
		"two":                             {"acme", "ca", pemOf(root.root(), sub.certificate()), ""},
		"an intermediate":                 {"acme", "ca", pemOf(sub.certificate()), ""},
		"a signer that signs itself":      {"acme", "ca", pemOf(alone.certificate()), ""},
		"DER":                             {"acme", "ca", root.root().Raw, ""},
		"a comment":                       {"acme", "ca", append([]byte("our root\n"), pemOf(root.root())...), ""},
		"a signing authority's":           {"acme", "signingAuthority", pemOf(root.root()), ""},
		"a timestamp authority's":         {"acme", "tsa", pemOf(root.root()), ""},
		"no name":                         {"", "ca", pemOf(root.root()), "needs a name"},
		"another type":                    {"acme", "CA", pemOf(root.root()), "use ca, signingAuthority or tsa"},
		"nothing":                         {"acme", "ca", nil, "-----BEGIN CERTIFICATE----- was expected"},
		"text":                            {"acme", "ca", []byte("hello"), "-----BEGIN CERTIFICATE----- was expected"},
		"a private key":                   {"acme", "ca", key, "holds a PRIVATE KEY"},
		"a private key behind":            {"acme", "ca", append(pemOf(root.root()), key...), "holds a PRIVATE KEY"},
		"a broken certificate":            {"acme", "ca", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "certificate 1 of it is malformed"},
		"a signer's":                      {"acme", "ca", pemOf(leaf.certificate()), "a certificate authority's or one signed by itself was expected"},
		"a signer's behind a root":        {"acme", "ca", pemOf(root.root(), leaf.certificate()), "a certificate authority's or one signed by itself was expected"},
		"an intermediate for timestamps":  {"acme", "tsa", pemOf(sub.certificate()), "a tsa store needs root certificates"},
		"a signer itself, for timestamps": {"acme", "tsa", pemOf(alone.certificate()), "a tsa store needs root certificates"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := notation.ParseStore(c.store, c.kind, c.text)
			switch {
			case c.want == "" && (err != nil || len(s.Certificates) == 0 || s.Name != c.store || s.Type != c.kind):
				t.Errorf("%+v, %v", s, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || inventory.KindOf(err) != inventory.Invalid):
				t.Errorf("the error is %v, want %s", err, c.want)
			}
		})
	}
	// The same certificates pass notation's own demand.
	for _, c := range []*x509.Certificate{root.root(), sub.certificate(), alone.certificate(), leaf.certificate()} {
		_, err := notation.ParseStore("acme", "ca", pemOf(c))
		if reference := truststore.ValidateCertificates([]*x509.Certificate{c}); (err == nil) != (reference == nil) {
			t.Errorf("%s: %v here, %v there", c.Subject, err, reference)
		}
	}
}

// The revision is the same after a restart, and another one with other roots.
func TestFamily_revisionNamesTheRoots(t *testing.T) {
	first, second := authority(t, "First", nil), authority(t, "Second", nil)
	one := []notation.Store{store(t, "ca", "acme", first.root())}
	revision := func(stores []notation.Store, client *http.Client) string {
		return notation.New(stores, client).Family().Revision
	}
	if revision(one, nil) != revision([]notation.Store{store(t, "ca", "acme", first.root())}, nil) {
		t.Error("the same stores have two revisions")
	}
	seen := map[string]string{revision(one, nil): "one"}
	for name, r := range map[string]string{
		"none":               revision(nil, nil),
		"another root":       revision([]notation.Store{store(t, "ca", "acme", second.root())}, nil),
		"two":                revision([]notation.Store{store(t, "ca", "acme", first.root(), second.root())}, nil),
		"another name":       revision([]notation.Store{store(t, "ca", "acne", first.root())}, nil),
		"another type":       revision([]notation.Store{store(t, "tsa", "acme", first.root())}, nil),
		"revocation checked": revision(one, http.DefaultClient),
	} {
		if other, ok := seen[r]; ok {
			t.Errorf("%s has the revision of %s", name, other)
		}
		seen[r] = name
	}
}

func TestTrustRoots_areShownWithTheirAge(t *testing.T) {
	root, old := authority(t, "Root", nil), authority(t, "Old", nil, over)
	file := store(t, "ca", "acme", root.root(), old.root())
	file.Source = "acme-root.pem"
	roots := notation.TrustRoots([]notation.Store{file, store(t, "tsa", "stamps", old.root())})
	if len(roots) != 2 || roots[0].Kind != "notation" || roots[0].Name != "acme" || roots[0].Source != "acme-root.pem" || roots[0].Stale || len(roots[0].Facts) != 7 {
		t.Fatalf("%+v", roots)
	}
	if !roots[1].Stale || roots[1].Failure == nil || roots[1].Failure.Reason != inventory.ReasonTrustRootStale {
		t.Errorf("%+v", roots[1])
	}
}

// A signature is listed as likely by its type, whichever way a registry tells.
func TestFamily_recognisesItsOwn(t *testing.T) {
	f := notation.New(nil, nil).Family()
	if !f.Likely(inventory.Descriptor{ArtifactType: artifact}) || f.Likely(inventory.Descriptor{ArtifactType: "text/plain"}) || len(f.Companions) != 0 {
		t.Errorf("%+v", f)
	}
}
