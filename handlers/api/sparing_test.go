package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// slowSigners takes its time over each preview.
type slowSigners struct {
	decision.Store
	takes time.Duration

	mu          sync.Mutex
	asked, most int // now, and at most at once
}

func (s *slowSigners) Signer(ctx context.Context, _ inventory.SignerID, _ time.Time) (inventory.Signer, error) {
	s.mu.Lock()
	s.asked++
	s.most = max(s.most, s.asked)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.asked--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(s.takes):
		return inventory.Signer{}, errDone
	case <-ctx.Done():
		return inventory.Signer{}, ctx.Err()
	}
}

var errDone = errors.New("it was worked out")

func viewer(n int) inventory.Actor {
	return inventory.Actor{Kind: inventory.UserActor, Name: fmt.Sprint("Maya ", n), Subject: fmt.Sprint("i|", n), Role: inventory.Viewer}
}

// throttled is how long to wait, as the problem says it; 0 when the error is none
// of those.
func throttled(t *testing.T, err error) (wait time.Duration) {
	t.Helper()
	if inventory.KindOf(err) != inventory.Throttled {
		return 0
	}
	p := API{Log: slog.New(slog.DiscardHandler)}.problem(t.Context(), "id", "a call", err)
	if p.Status != http.StatusTooManyRequests || p.GetHeaders().Get("Retry-After") == "" {
		t.Errorf("the problem is %+v with %v", p, p.GetHeaders())
	}
	return p.after
}

// TestSparing_oneAtATime has one person ask for many previews at once: one is
// worked out after the other, those who would wait long are told so, and somebody
// else has theirs.
func TestSparing_oneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signers := &slowSigners{takes: 2 * time.Second}
		s := NewSparing(decision.Door{Signers: signers}, time.Now)
		s.places = make(chan struct{}, 2)
		var all sync.WaitGroup
		var mu sync.Mutex
		done, refused := 0, 0
		for range 20 {
			all.Go(func() {
				_, err := s.Preview(t.Context(), viewer(1), decision.SignerRequest{})
				mu.Lock()
				defer mu.Unlock()
				if wait := throttled(t, err); wait > 0 {
					refused++
				} else if errors.Is(err, errDone) {
					done++
				}
			})
		}
		synctest.Wait()
		if signers.asked != 1 {
			t.Errorf("%d previews are worked out for one person at once", signers.asked)
		}
		if _, err := s.Preview(t.Context(), viewer(2), decision.SignerRequest{}); !errors.Is(err, errDone) {
			t.Errorf("somebody else hears %v", err)
		}
		all.Wait()
		// One at once, one after two seconds; the third has waited long enough then.
		if done != 2 || refused != 18 {
			t.Errorf("%d were answered and %d refused", done, refused)
		}
		if _, err := s.Preview(t.Context(), viewer(1), decision.SignerRequest{}); !errors.Is(err, errDone) {
			t.Errorf("once it is over, the next preview is %v", err)
		}
	})
}

// TestSparing_aBrowserThatAsksAnewHasItsPreview: who gives a request up and sends
// another one isn't refused.
func TestSparing_aBrowserThatAsksAnewHasItsPreview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSparing(decision.Door{Signers: &slowSigners{takes: 2 * time.Second}}, time.Now)
		for range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			go s.Preview(ctx, viewer(1), decision.SignerRequest{})
			synctest.Wait()
			cancel()
		}
		if _, err := s.Preview(t.Context(), viewer(1), decision.SignerRequest{}); !errors.Is(err, errDone) {
			t.Errorf("the eleventh request is answered with %v", err)
		}
	})
}

// TestSparing_fewAtOnce has many people ask at once: no more previews are worked
// out than there are places.
func TestSparing_fewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signers := &slowSigners{takes: time.Second}
		s := NewSparing(decision.Door{Signers: signers}, time.Now)
		s.places = make(chan struct{}, 2)
		var all sync.WaitGroup
		for n := range 50 {
			all.Go(func() { _, _ = s.Preview(t.Context(), viewer(n), decision.SignerRequest{}) })
		}
		all.Wait()
		if signers.most != 2 {
			t.Errorf("%d previews were worked out at once", signers.most)
		}
	})
}

// TestSparing_aLoopIsSlowedDown has a program ask for one preview after the other
// for an hour: it gets a fifth of a processor's time, and what it is told to wait
// is enough.
func TestSparing_aLoopIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signers := &slowSigners{takes: time.Second}
		s := NewSparing(decision.Door{Signers: signers}, time.Now)
		began, worked, refusals := time.Now(), 0, 0
		for time.Since(began) < time.Hour {
			_, err := s.Preview(t.Context(), viewer(1), decision.SignerRequest{})
			if errors.Is(err, errDone) {
				worked++
				continue
			}
			refusals++
			wait := throttled(t, err)
			if wait <= 0 {
				t.Fatalf("it is answered with %v", err)
			}
			time.Sleep(wait)
			if _, err := s.Preview(t.Context(), viewer(1), decision.SignerRequest{}); !errors.Is(err, errDone) {
				t.Fatalf("after %s it is answered with %v", wait, err)
			}
			worked++
		}
		if worked < 600 || worked > 800 || refusals == 0 {
			t.Errorf("%d previews of a second each were worked out within an hour, %d were refused", worked, refusals)
		}
		if _, err := s.Preview(t.Context(), viewer(2), decision.SignerRequest{}); !errors.Is(err, errDone) {
			t.Errorf("somebody else hears %v", err)
		}
	})
}

// TestSparing_forgetsPeople: what is remembered is bounded.
func TestSparing_forgetsPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSparing(decision.Door{Signers: &slowSigners{takes: time.Millisecond}}, time.Now)
		for n := range 2 * maxPreviewers {
			_, _ = s.Preview(t.Context(), viewer(n), decision.SignerRequest{})
			time.Sleep(10 * time.Millisecond)
		}
		if len(s.persons) > maxPreviewers {
			t.Errorf("%d people are remembered", len(s.persons))
		}
	})
}
