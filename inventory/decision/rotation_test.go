package decision_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// TestRotate_givesTheSuccessorTheScopeInOneDecision follows a key that replaces
// another: one decision and one entry, how far the fleet has moved, and the end
// of the old one's approval.
func TestRotate_givesTheSuccessorTheScopeInOneDecision(t *testing.T) {
	s := newStock(t, 1, "app", "pay/api", "pay/web", "shop/cart")
	s.look("app", found(1, by(1, nil)))
	s.look("pay/api", found(2, by(1, nil)), found(3, by(1, nil), by(2, nil)))
	s.look("pay/web", found(4, by(1, nil)))
	s.look("shop/cart", found(5, by(2, nil)))
	for _, scope := range []inventory.Glob{"local/pay/**", "local/app"} {
		if _, err := s.decide(dana, s.request(1, inventory.Approve, scope)); err != nil {
			t.Fatal(err)
		}
	}
	until := s.clock.Add(48 * time.Hour)
	ask := s.request(2, inventory.Approve)
	ask.Replaces, ask.ReplacedUntil = keySigner(1), &until
	impact := s.preview(dana, ask)
	if images, _ := impact.Changed(); images != 0 || impact.Images != 2 { // 3 is trusted through the other, and 5 is out of scope
		t.Errorf("%+v", impact)
	}
	before := len(s.entries())
	ask.Basis = impact.Basis
	made, err := s.decide(dana, ask)
	if err != nil || made.State != inventory.StateActive || made.Replaces != keySigner(1) || !slices.Equal(made.Repositories, []inventory.Glob{"local/app", "local/pay/**"}) {
		t.Fatalf("%+v, %v", made, err)
	}
	if n := len(s.entries()); n != before+1 {
		t.Errorf("%d entries", n-before)
	}
	if e := s.entries()[0]; e.Action != "signer.rotate" || e.Object != string(keySigner(2)) || !strings.Contains(e.Before, string(keySigner(1))) || !strings.Contains(e.After, `"replaces":"`+string(keySigner(1))) || !strings.Contains(e.After, `"replaced_until"`) {
		t.Errorf("%+v", e)
	}
	old, err := s.store.Signer(t.Context(), keySigner(1), s.clock)
	if err != nil || old.Revision != 3 || old.Standing != inventory.Approved || !old.Decisions[0].ExpiresAt.Equal(until) || !old.Decisions[1].ExpiresAt.Equal(until) {
		t.Errorf("the old one is %+v, %v", old, err)
	}
	for _, id := range []inventory.SignerID{keySigner(1), keySigner(2)} {
		list, err := s.store.Rotations(t.Context(), id, s.clock)
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		r := list[0]
		if r.Old.ID != keySigner(1) || r.New.ID != keySigner(2) || r.Images != 5 || r.Moved != 2 || r.Done() || r.Repositories != 4 || r.MovedRepositories != 2 || !slices.Equal(r.Left, []string{"local/app", "local/pay/web"}) {
			t.Errorf("%+v", r)
		}
	}
	// Everything is signed anew; then the old one's end comes, and it is over.
	s.clock = s.clock.Add(time.Minute)
	s.look("app", found(1, by(1, nil), by(2, nil)))
	s.look("pay/api", found(2, by(2, nil)), found(3, by(1, nil), by(2, nil)))
	s.look("pay/web", found(4, by(2, nil)))
	if list, err := s.store.Rotations(t.Context(), keySigner(1), s.clock); err != nil || len(list) != 1 || !list[0].Done() || list[0].Left != nil {
		t.Errorf("%+v, %v", list, err)
	}
	s.look("pay/web", found(4, by(1, nil))) // except for one
	s.clock = until
	if _, err := s.syncer.Rejudge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.statuses(); got[inventory.Trusted] != 3 || got[inventory.Unapproved] != 2 {
		t.Errorf("%v", got)
	}
	if list, err := s.store.Rotations(t.Context(), keySigner(1), s.clock); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	s.settled()
}

// settled holds that nothing counts otherwise than a recount.
func (s *stock) settled() {
	s.t.Helper()
	drift, err := s.store.Recount(s.t.Context(), s.clock)
	if err != nil || len(drift) > 0 {
		s.t.Errorf("%q, %v", drift, err)
	}
}

func TestRotate_refuses(t *testing.T) {
	s := newStock(t, 1, "app")
	s.look("app", found(1, by(1, nil)), found(2, by(2, nil)), found(3, by(3, nil)))
	if _, err := s.decide(dana, s.request(1, inventory.Approve, "local/app")); err != nil {
		t.Fatal(err)
	}
	past := s.clock
	for name, c := range map[string]struct {
		change func(r *decision.SignerRequest)
		kind   inventory.Kind
		says   string
	}{
		"a scope of its own": {func(r *decision.SignerRequest) { r.Repositories = []inventory.Glob{"**"} }, inventory.Invalid, "** isn't in the scope"},
		"itself":             {func(r *decision.SignerRequest) { r.Replaces, r.Repositories = r.Signer, []inventory.Glob{"**"} }, inventory.Invalid, "An approval may take the place"},
		"nobody":             {func(r *decision.SignerRequest) { r.Replaces = keySigner(99) }, inventory.NotFound, "isn't known"},
		"one without an approval": {func(r *decision.SignerRequest) {
			r.Replaces, r.Repositories = keySigner(3), []inventory.Glob{"local/app"}
		}, inventory.Conflict, "no approval to take over"},
		"a rejection":         {func(r *decision.SignerRequest) { r.Verb, r.Repositories = inventory.Reject, nil }, inventory.Invalid, ""},
		"an end that is gone": {func(r *decision.SignerRequest) { r.ReplacedUntil = &past }, inventory.Invalid, "in the future"},
	} {
		ask := s.request(2, inventory.Approve)
		ask.Replaces = keySigner(1)
		c.change(&ask)
		_, err := s.decide(dana, ask)
		if inventory.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Preview(t.Context(), dana, ask); inventory.KindOf(err) != c.kind {
			t.Errorf("a preview of %s: %v", name, err)
		}
	}
	if s.request(2, inventory.Approve).Revision != 0 {
		t.Error("and it was decided")
	}
}

func TestRotate_takesTwoWhereTwoAreAsked(t *testing.T) {
	s := newStock(t, 2, "app")
	s.look("app", found(1, by(1, nil)), found(2, by(2, nil)))
	for _, who := range []inventory.Actor{dana, eric} {
		if _, err := s.decide(who, s.request(1, inventory.Approve, "local/app")); err != nil {
			t.Fatal(err)
		}
	}
	until := s.clock.Add(time.Hour)
	rotate := func() decision.SignerRequest {
		ask := s.request(2, inventory.Approve, "local/app")
		ask.Replaces, ask.ReplacedUntil = keySigner(1), &until
		return ask
	}
	made, err := s.decide(dana, rotate())
	if err != nil || made.State != inventory.StateProposed || s.entries()[0].Action != "signer.propose" {
		t.Fatalf("%+v, %v", made, err)
	}
	if old, _ := s.store.Signer(t.Context(), keySigner(1), s.clock); old.Decisions[0].ExpiresAt != nil {
		t.Error("a proposal ends something")
	}
	plain := rotate()
	plain.Replaces, plain.ReplacedUntil = "", nil
	_, err = s.decide(eric, plain)
	s.refuse(err, inventory.Conflict, "Confirm it as it was proposed")
	if made, err = s.decide(eric, rotate()); err != nil || made.State != inventory.StateActive || s.entries()[0].Action != "signer.rotate" {
		t.Fatalf("%+v, %v", made, err)
	}
	if old, _ := s.store.Signer(t.Context(), keySigner(1), s.clock); old.Decisions[0].ExpiresAt == nil || !old.Decisions[0].ExpiresAt.Equal(until) {
		t.Errorf("%+v", old.Decisions)
	}
	list, err := s.store.Successors(t.Context(), keySigner(1), s.clock)
	if err != nil || len(list) != 2 || list[0].ID != keySigner(2) || list[1].ID != signer { // the one seen there, and the registered key
		t.Errorf("%+v, %v", list, err)
	}
}
