package cosign_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgo "github.com/sigstore/sigstore-go/pkg/verify"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
	"signboard/inventory/verify/sigstore"
	"signboard/inventory/verify/verifytest"
)

// Key signatures verified per second, read from memory, evidence and all.
func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{"legacy-p256", "legacy-p384", "legacy-rsa", "legacy-ed25519", "legacy-other", "bundle-p256", "bundle-rsa"} {
		b.Run(name, func(b *testing.B) {
			ring := keyring(b, strings.TrimPrefix(strings.TrimPrefix(name, "legacy-"), "bundle-"))
			if name == "legacy-other" { // nobody's: every key is tried
				ring = keyring(b, registered...)
			}
			in, s, a := discovered(b, name, ring)
			b.ReportAllocs()
			for b.Loop() {
				e := in.Verify(b.Context(), s, a)
				if len(e.Signatures) != 1 || (e.Signatures[0].Outcome == inventory.OutcomeVerified) == (name == "legacy-other") {
					b.Fatalf("%+v", e)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
		})
	}
}

// The check of one manifest alone, without what an Inspector does around it.
func BenchmarkCheck(b *testing.B) {
	for _, name := range []string{"legacy-p256", "bundle-p256"} {
		b.Run(name, func(b *testing.B) {
			ring, r := keyring(b, "p256"), fixture(b, name)
			s := r.Subject(b, "v1")
			m, via := attached(b, r)
			c := cosign.New(nil)
			b.ReportAllocs()
			for b.Loop() {
				f := c.Check(b.Context(), verify.NewItem(r, s, via, m, ring))
				if len(f.Signatures) != 1 || f.Signatures[0].Outcome != inventory.OutcomeVerified {
					b.Fatalf("%+v", f)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
		})
	}
}

// Keyless signatures, as this package checks them and as nothing but sigstore-go
// does: the same bundles, parsed and verified each time.
func BenchmarkKeyless(b *testing.B) {
	for _, name := range []string{"keyless-bundle-rekor1", "keyless-bundle-rekor2"} {
		d := private(b, nil)
		b.Run(name+"/here", func(b *testing.B) {
			r := fixture(b, name)
			s := r.Subject(b, "v1")
			m, via := attached(b, r)
			c := cosign.New(func() []*sigstore.Domain { return []*sigstore.Domain{d} })
			b.ReportAllocs()
			for b.Loop() {
				f := c.Check(b.Context(), verify.NewItem(r, s, via, m, nil))
				if len(f.Signatures) != 1 || f.Signatures[0].Outcome != inventory.OutcomeVerified {
					b.Fatalf("%+v", f)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
		})
		b.Run(name+"/bare", func(b *testing.B) {
			trusted, err := os.ReadFile(filepath.Join("..", "testdata", "domains", "private.json"))
			must(b, err)
			material, err := root.NewTrustedRootFromJSON(trusted)
			must(b, err)
			v, err := sgo.NewVerifier(material, sgo.WithTransparencyLog(1), sgo.WithObserverTimestamps(1), sgo.WithSignedCertificateTimestamps(1), sgo.WithoutStatementPredicate())
			must(b, err)
			raw, sum := bundleOf(b, fixture(b, name)), decodeHex(b, fixture(b, name).Tags["v1"].Hex())
			b.ReportAllocs()
			for b.Loop() {
				var p bundle.Bundle
				must(b, p.UnmarshalJSON(raw))
				_, err := v.Verify(&p, sgo.NewPolicy(sgo.WithArtifactDigest("sha256", sum), sgo.WithoutIdentitiesUnsafe()))
				must(b, err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
		})
	}
}

// An image with 100,000 signatures costs no more memory than one with as many as
// are read.
func TestCheck_aHundredThousandSignaturesCostBoundedMemory(t *testing.T) {
	h, r := newHand(t, false), fixture(t, "unsigned")
	payload := []byte(simple(r.Tags["v1"]))
	blob := r.PutBlob(payload)
	layer := inventory.Descriptor{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Digest: blob.Digest, Size: blob.Size,
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64Of(h.sign(t, payload))}}
	m := inventory.Manifest{MediaType: inventory.MediaTypeOCIManifest, Digest: inventory.DigestOf([]byte("many")), Layers: make([]inventory.Descriptor, 100_000)}
	for i := range m.Layers {
		m.Layers[i] = layer
	}
	s := r.Subject(t, "v1")
	c := cosign.New(nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f := c.Check(context.Background(), verify.NewItem(r, s, inventory.Attachment{Via: "tag", Tag: ".sig"}, m, h.ring(t)))
	runtime.ReadMemStats(&after)
	if n := len(f.Signatures); n != verify.MaxSignatures+1 || f.Signatures[n-1].Reason != inventory.ReasonTooMany {
		t.Fatalf("%d signatures", n)
	}
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 16<<20 {
		t.Errorf("%d bytes were allocated", spent)
	}
}

func discovered(b *testing.B, name string, ring *verify.Keyring) (*verify.Inspector, inventory.Subject, inventory.Attached) {
	b.Helper()
	r := fixture(b, name)
	s := r.Subject(b, "v1")
	in := verify.NewInspector(r, func() *verify.Keyring { return ring }, cosign.New(nil))
	in.Now = func() time.Time { return signedAt }
	return in, s, in.Discover(b.Context(), s)
}

// attached is the single signature manifest of a fixture's v1.
func attached(tb testing.TB, r *verifytest.Repo) (inventory.Manifest, inventory.Attachment) {
	tb.Helper()
	if tag := r.Tags["v1"].TagPrefix() + ".sig"; r.Tags[tag] != "" {
		m, err := r.Manifest(tb.Context(), "", tag)
		must(tb, err)
		return m, inventory.Attachment{Via: "tag", Tag: tag}
	}
	refs, _, err := r.Referrers(tb.Context(), "", r.Tags["v1"])
	must(tb, err)
	if len(refs) != 1 {
		tb.Fatal(fmt.Sprint(refs))
	}
	m, err := r.Manifest(tb.Context(), "", string(refs[0].Digest))
	must(tb, err)
	return m, inventory.Attachment{Via: "referrers"}
}
