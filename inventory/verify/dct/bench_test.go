package dct_test

import (
	"fmt"
	"testing"
	"time"
)

// One reading of a repository with many tags: four requests on loopback, four
// signatures, and the whole list.
func BenchmarkLook(b *testing.B) {
	for _, tags := range []int{10, 1000, 20000} {
		b.Run(fmt.Sprintf("tags=%d", tags), func(b *testing.B) {
			r := newRepo(b)
			for i := range tags {
				r.sign("targets", fmt.Sprintf("release-%06d", i), fmt.Sprintf("image %d", i))
			}
			s := serve(b, r.gun, r.publish())
			c := &clock{at: noon}
			b.ReportAllocs()
			for b.Loop() {
				if found, err := place(s, nil, c).Look(b.Context(), img("image 7")); err != nil || len(found.Signatures) != 1 {
					b.Fatal(found, err)
				}
			}
		})
	}
}

// The next image of the same repository within the minute.
func BenchmarkLook_again(b *testing.B) {
	r := newRepo(b)
	s := serve(b, r.gun, r.publish())
	p := place(s, nil, &clock{at: noon})
	verified(b, p, img("one"))
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		if _, err := p.Look(b.Context(), img("one")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "looks/s")
}
