package cosign_test

import (
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
)

// Key signatures verified per second, read from memory, evidence and all.
func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{"legacy-p256", "legacy-p384", "legacy-rsa", "legacy-ed25519", "legacy-other", "bundle-p256", "bundle-rsa"} {
		b.Run(name, func(b *testing.B) {
			r := fixture(b, name)
			s := r.Subject(b, "v1")
			ring := keyring(b, strings.TrimPrefix(strings.TrimPrefix(name, "legacy-"), "bundle-"))
			if name == "legacy-other" { // nobody's: every key is tried
				ring = keyring(b, registered...)
			}
			in := verify.NewInspector(r, func() *verify.Keyring { return ring }, cosign.New(nil))
			a := in.Discover(b.Context(), s)
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
