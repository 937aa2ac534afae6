package decision_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// counting is an inventory that counts how often a signer's images are walked.
type counting struct {
	decision.ImpactStore
	walks *int
}

func (c counting) SignedImages(ctx context.Context, id inventory.SignerID, before int64, limit int, now time.Time) ([]inventory.SignedImage, error) {
	if before == 0 {
		*c.walks++
	}
	return c.ImpactStore.SignedImages(ctx, id, before, limit, now)
}

// seen is a request of somebody who looked at what it changes.
func (s *stock) seen(actor inventory.Actor, r decision.SignerRequest) decision.SignerRequest {
	s.t.Helper()
	r.Basis = s.preview(actor, r).Basis
	return r
}

// TestDecide_isBoundToWhatWasSeen holds for the first of two approvers as well:
// what they see is what it comes to once it counts.
func TestDecide_isBoundToWhatWasSeen(t *testing.T) {
	for approvers, state := range map[int]inventory.DecisionState{1: inventory.StateActive, 2: inventory.StateProposed} {
		t.Run(string(state), func(t *testing.T) { boundToWhatWasSeen(t, approvers, state) })
	}
}

func boundToWhatWasSeen(t *testing.T, approvers int, state inventory.DecisionState) {
	walks := 0
	s := newStock(t, approvers, "app", "pay/api", "shop/cart")
	s.Door.Impact = counting{s.store, &walks}
	s.look("app", found(1, by(1, nil)))
	s.look("pay/api", found(2, by(1, nil)))
	ask := s.seen(dana, s.request(1, inventory.Approve, "local/**"))
	walks = 0

	// A sync finds more.
	s.look("pay/api", found(2, by(1, nil)), found(3, by(1, nil)), found(4, by(1, nil)))
	before := len(s.entries())
	_, err := s.decide(dana, ask)
	s.refuse(err, inventory.Conflict, "When you looked, 2 images in 1 team or in none would become trusted; now it is 4 in 1 team or in none: 2 more in payments.")
	moved, ok := errors.AsType[*decision.MovedError](err)
	if !ok {
		t.Fatalf("it is %T", err)
	}
	was, _ := moved.Seen.Changed()
	is, _ := moved.Now.Changed()
	if was != 2 || is != 4 || !moved.SeenAt.Equal(s.clock) || moved.Now.State != state || len(moved.Now.Examples) == 0 {
		t.Errorf("%+v", moved)
	}
	if len(s.entries()) != before || s.request(1, inventory.Reject).Revision != 0 {
		t.Error("and it was decided")
	}
	// What the refusal shows is what the next try is bound to, and while nothing
	// moves nothing is worked out again.
	walks, ask.Basis = 0, moved.Now.Basis
	if made, err := s.decide(dana, ask); err != nil || made.State != state || walks != 0 {
		t.Errorf("%+v, %v after %d walks", made, err, walks)
	}
}

// What moved without changing a number refuses nobody.
func TestDecide_boundIsWorkedOutAgainOnlyWhenSomethingMoved(t *testing.T) {
	walks := 0
	s := newStock(t, 1, "app", "pay/api", "shop/cart")
	s.Door.Impact = counting{s.store, &walks}
	s.look("pay/api", found(1, by(1, nil)))
	s.look("shop/cart", found(9, by(2, nil)))
	for name, c := range map[string]struct {
		move  func()
		walks int
	}{
		"nothing":                {func() {}, 0},
		"another signer's image": {func() { s.look("shop/cart", found(10, by(2, nil))) }, 0},
		"another look":           {func() { s.clock = s.clock.Add(time.Minute); s.look("pay/api", found(1, by(1, nil))) }, 1},
		"another decision": {func() {
			if _, err := s.decide(eric, s.request(2, inventory.Reject)); err != nil {
				t.Fatal(err)
			}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			ask := s.seen(dana, s.request(1, inventory.Approve, "local/**"))
			c.move()
			walks = 0
			if _, err := s.decide(dana, ask); err != nil || walks != c.walks {
				t.Errorf("%v after %d walks, want %d", err, walks, c.walks)
			}
			if _, err := s.decide(dana, s.request(1, inventory.Revoke)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestDecide_boundSeesEveryWayOfMoving(t *testing.T) {
	for name, c := range map[string]struct {
		move func(s *stock)
		says string
	}{
		"another signer of the image is approved": {func(s *stock) {
			if _, err := s.decide(eric, s.request(2, inventory.Approve, "**")); err != nil {
				s.t.Fatal(err)
			}
		}, "When you looked, 3 images in 2 teams would become trusted; now it is 2 in 1: 1 fewer in shop."},
		"an image is quarantined": {func(s *stock) {
			if _, err := s.Quarantine(s.t.Context(), eric, decision.QuarantineRequest{Digest: found(2).Digest, Reason: "bad"}); err != nil {
				s.t.Fatal(err)
			}
		}, "now 3 images in 2 teams would become trusted: 1 of them quarantined, not 0"},
		"a quarantine ends by itself": {func(s *stock) { s.clock = s.clock.Add(2 * time.Hour) },
			"0 of them quarantined, not 1"},
		"a signature ends by itself": {func(s *stock) { s.clock = s.clock.Add(4 * time.Hour) },
			"now it is 2 in 2: 1 fewer in payments"},
		"an image is gone":       {func(s *stock) { s.look("pay/api", found(1, by(1, nil))) }, "now it is 2 in 2"},
		"everything is gone":     {func(s *stock) { s.look("pay/api"); s.look("shop/cart") }, "now no image would change its status: 2 fewer in payments, 1 fewer in shop"},
		"the registry is silent": {func(s *stock) { s.fail("pay/api", 1, 2) }, "now it is 1 in 1: 2 fewer in payments"},
		"repositories change hands": {func(s *stock) {
			s.configure(inventory.Team{Name: "payments", Repositories: []inventory.Glob{"local/**"}})
		}, "1 fewer in shop"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStock(t, 1, "pay/api", "shop/cart")
			late := now.Add(3 * time.Hour)
			s.look("pay/api", found(1, by(1, nil)), found(2, by(1, &late)))
			s.look("shop/cart", found(3, by(1, nil), by(2, nil)))
			if strings.HasPrefix(name, "a quarantine") {
				soon := now.Add(time.Hour)
				if _, err := s.Quarantine(t.Context(), eric, decision.QuarantineRequest{Digest: found(1).Digest, Reason: "bad", ExpiresAt: &soon}); err != nil {
					t.Fatal(err)
				}
			}
			ask := s.seen(dana, s.request(1, inventory.Approve, "**"))
			c.move(s)
			_, err := s.decide(dana, ask)
			s.refuse(err, inventory.Conflict, c.says)
			// Without a basis it is the signer's revision that counts, as ever.
			ask.Basis = ""
			if _, err := s.decide(dana, ask); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDecide_theBasisIsOfTheSameDecision(t *testing.T) {
	s := newStock(t, 1, "pay/api")
	s.look("pay/api", found(1, by(1, nil)), found(2, by(2, nil)))
	ask := s.seen(dana, s.request(1, inventory.Approve, "local/pay/**"))
	for name, change := range map[string]func(r *decision.SignerRequest){
		"another scope":  func(r *decision.SignerRequest) { r.Repositories = []inventory.Glob{"**"} },
		"another verb":   func(r *decision.SignerRequest) { r.Verb = inventory.Reject },
		"another signer": func(r *decision.SignerRequest) { r.Signer = keySigner(2) },
	} {
		other := ask
		change(&other)
		if _, err := s.decide(dana, other); inventory.KindOf(err) != inventory.Conflict || !strings.Contains(err.Error(), "isn't the decision") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, nonsense := range []string{"x", "!", "AAAA", ask.Basis[1:], ask.Basis[:len(ask.Basis)/2], ask.Basis + strings.Repeat("A", decision.MaxBasis)} {
		other := ask
		other.Basis = nonsense
		if _, err := s.decide(dana, other); inventory.KindOf(err) != inventory.Invalid {
			t.Errorf("%.20s: %v", nonsense, err)
		}
	}
	// The reason and the order of the lines aren't what was looked at.
	ask.Reason, ask.Repositories = "another", []inventory.Glob{"local/pay/**", "local/pay/**"}
	if _, err := s.decide(dana, ask); err != nil {
		t.Error(err)
	}
}

func TestDecide_theSecondPersonIsBoundToo(t *testing.T) {
	s := newStock(t, 2, "pay/api")
	s.look("pay/api", found(1, by(1, nil)))
	if made, err := s.decide(dana, s.seen(dana, s.request(1, inventory.Approve, "local/pay/**"))); err != nil || made.State != inventory.StateProposed {
		t.Fatal(made, err)
	}
	ask := s.seen(eric, s.request(1, inventory.Approve, "local/pay/**"))
	s.look("pay/api", found(1, by(1, nil)), found(2, by(1, nil)))
	_, err := s.decide(eric, ask)
	s.refuse(err, inventory.Conflict, "When you looked, 1 image in 1 team would become trusted; now it is 2 in 1: 1 more in payments.")
	if made, err := s.decide(eric, s.seen(eric, ask)); err != nil || made.State != inventory.StateActive {
		t.Error(made, err)
	}
}
