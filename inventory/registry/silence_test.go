package registry

import (
	"fmt"
	"testing"
)

func TestSilence(t *testing.T) {
	clock := newClock()
	fresh := func() *silence { return &silence{now: clock.Now} }

	t.Run("of one repository is its own", func(t *testing.T) {
		s := fresh()
		for n := range patientRequests {
			if s.holds("a") {
				t.Fatalf("after %d requests it isn't asked any more", n)
			}
			s.note("a", true)
		}
		if !s.holds("a") || s.holds("b") {
			t.Errorf("a: %v, b: %v; want only a", s.holds("a"), s.holds("b"))
		}
		clock.advance(silencePause)
		if s.holds("a") {
			t.Error("it is never asked again")
		}
	})
	t.Run("of several in a row is the registry's", func(t *testing.T) {
		s := fresh()
		for n := range patientScopes {
			if s.holds("z") {
				t.Fatalf("after %d repositories nothing is asked any more", n)
			}
			s.note(fmt.Sprint(n), true)
		}
		if !s.holds("z") {
			t.Error("it goes on asking a registry that is silent")
		}
		s.note("z", true) // a request that was under way
		clock.advance(silencePause)
		if s.holds("z") {
			t.Error("nothing is ever asked again")
		}
	})
	t.Run("ends with any answer", func(t *testing.T) {
		s := fresh()
		for range 10 * patientRequests {
			s.note("a", true)
			s.note("a", false)
			s.note("b", true)
			s.note("c", false)
		}
		if s.holds("a") || s.holds("c") {
			t.Error("a registry that answers counts as silent")
		}
	})
	t.Run("is remembered of a bounded number", func(t *testing.T) {
		s := fresh()
		for n := range 3 * maxSilent {
			s.note(fmt.Sprint(n), true)
		}
		if len(s.scopes) > maxSilent {
			t.Errorf("%d are remembered", len(s.scopes))
		}
	})
}
