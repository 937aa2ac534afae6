package notation_test

import (
	"net/http"
	"testing"

	"signboard/inventory/verify/notation"
)

// Signatures checked per second, read from memory, evidence and all.
func BenchmarkCheck(b *testing.B) {
	for _, name := range []string{"jws-ec", "jws-sub", "jws-rsa", "jws-stamped", "cose-ec", "cose-sub", "cose-rsa", "cose-stamped"} {
		b.Run(name, func(b *testing.B) {
			r, s := fixture(b, name)
			trusted := stores(b, "ec-root", "rsa-root", "tsa")
			checker := notation.New(trusted, http.DefaultClient)
			i := item(r, s, envelopes(b, r, s)[0].MediaType, r.Blobs[envelopes(b, r, s)[0].Digest])
			i.Now = soon(b, r, s)
			b.ReportAllocs()
			for b.Loop() {
				f := checker.Check(b.Context(), i)
				if len(f.Signatures) != 1 || f.Signatures[0].Outcome != verified {
					b.Fatalf("%+v", f)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
		})
	}
}

// The same with notation-go's own verifier, for comparison.
func BenchmarkReference(b *testing.B) {
	for _, name := range []string{"jws-sub", "cose-sub"} {
		b.Run(name, func(b *testing.B) {
			r, s := fixture(b, name)
			trusted := stores(b, "ec-root")
			layer := envelopes(b, r, s)[0]
			b.ReportAllocs()
			for b.Loop() {
				if err := refuses(b, trusted, nil, layer.MediaType, r.Blobs[layer.Digest], s.Manifest); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
		})
	}
}
