package decision_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/inventory/store"
)

var (
	now  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	dana = inventory.Actor{Kind: inventory.UserActor, Name: "Dana", Subject: "idp|dana", Role: inventory.Reviewer, Address: "192.0.2.1"}
	eric = inventory.Actor{Kind: inventory.UserActor, Name: "Eric", Subject: "idp|eric", Role: inventory.Reviewer}
	vera = inventory.Actor{Kind: inventory.UserActor, Name: "Vera", Subject: "idp|vera", Role: inventory.Viewer}
)

const signer = inventory.SignerID("key:sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")

// desk is a door over a real database with one registered key.
type desk struct {
	t testing.TB
	decision.Door
	store *store.DB
}

func newDesk(t testing.TB, approvers int) *desk {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Whatever was decided, the log says it of what is stored.
		if err := db.AuditClaims(context.Background()); err != nil {
			t.Errorf("the log is contradicted: %v", err)
		}
		db.Close()
	})
	d := &desk{t, decision.Door{Signers: db, Quarantines: db, Registries: db, Tokens: db, Approvers: approvers, Clock: func() time.Time { return now }}, db}
	if _, err := d.RegisterKey(t.Context(), dana, inventory.Signer{ID: signer, Name: "pipeline", PublicKey: "PEM"}); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) signer() inventory.Signer {
	d.t.Helper()
	s, err := d.store.Signer(d.t.Context(), signer, now)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *desk) entries() []inventory.AuditEntry {
	d.t.Helper()
	entries, _, err := d.store.AuditEntries(d.t.Context(), inventory.Page{})
	if err != nil {
		d.t.Fatal(err)
	}
	return entries
}

// ask is a request for the signer as it stands now.
func (d *desk) ask(verb inventory.Verb, scope ...inventory.Glob) decision.SignerRequest {
	d.t.Helper()
	return decision.SignerRequest{Signer: signer, Verb: verb, Repositories: scope, Reason: "compared in person", Revision: d.signer().Revision}
}

func (d *desk) decide(actor inventory.Actor, r decision.SignerRequest) (inventory.Decision, error) {
	return d.Decide(d.t.Context(), actor, r)
}

// refuse expects an error of a kind that says something.
func (d *desk) refuse(err error, kind inventory.Kind, says string) {
	d.t.Helper()
	if inventory.KindOf(err) != kind || err == nil || !strings.Contains(err.Error(), says) {
		d.t.Errorf("got %v (%s), want %s and %q", err, inventory.KindOf(err), kind, says)
	}
}

func TestDecide_approvalCountsAndIsAudited(t *testing.T) {
	d := newDesk(t, 1)
	made, err := d.decide(dana, d.ask(inventory.Approve, "local/b/**", "local/a/**", "local/b/**"))
	if err != nil {
		t.Fatal(err)
	}
	if made.State != inventory.StateActive || len(made.Repositories) != 2 || made.Revision != 1 {
		t.Errorf("the decision is %+v", made)
	}
	if s := d.signer(); s.Standing != inventory.Approved || len(s.Decisions) != 1 || s.Decisions[0].DecidedBy[0].Name != "Dana" {
		t.Errorf("the signer is %+v", s)
	}
	e := d.entries()[0]
	if e.Action != "signer.approve" || e.Object != string(signer) || e.Actor.Name != "Dana" || e.Reason != "compared in person" || e.Address != "192.0.2.1" ||
		!strings.Contains(e.Before, "pending") || !strings.Contains(e.After, "local/a/**") {
		t.Errorf("the audit entry is %+v", e)
	}
}

func TestDecide_refusesWithoutTheRole(t *testing.T) {
	d := newDesk(t, 1)
	for _, actor := range []inventory.Actor{vera, {}} {
		_, err := d.decide(actor, d.ask(inventory.Approve, "**"))
		if kind := inventory.KindOf(err); kind != inventory.Forbidden && kind != inventory.Unauthorized {
			t.Errorf("%q got %v", actor.Name, err)
		}
		if e := d.entries()[0]; e.Action != "access.refused" || e.Actor.Name != actor.Name {
			t.Errorf("the refusal isn't in the audit log: %+v", e)
		}
	}
	if s := d.signer(); s.Standing != inventory.Pending {
		t.Errorf("the signer is %s", s.Standing)
	}
}

func TestDecide_refusesWhatMakesNoSense(t *testing.T) {
	d := newDesk(t, 1)
	past, never := now, now.AddDate(9000, 0, 0)
	for name, change := range map[string]func(r *decision.SignerRequest){
		"no reason":         func(r *decision.SignerRequest) { r.Reason = "  \n" },
		"an endless reason": func(r *decision.SignerRequest) { r.Reason = strings.Repeat("x", 3000) },
		"no scope":          func(r *decision.SignerRequest) { r.Repositories = nil },
		"an expiry now":     func(r *decision.SignerRequest) { r.ExpiresAt = &past },
		"an expiry never":   func(r *decision.SignerRequest) { r.ExpiresAt = &never },
		"another verb":      func(r *decision.SignerRequest) { r.Verb = "bless" },
	} {
		r := d.ask(inventory.Approve, "**")
		change(&r)
		if _, err := d.decide(dana, r); inventory.KindOf(err) != inventory.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := d.decide(dana, d.ask(inventory.Revoke))
	d.refuse(err, inventory.Conflict, "no approval of this signer to revoke")
	r := d.ask(inventory.Approve, "**")
	r.Signer = inventory.KeyID(inventory.DigestOf([]byte("nobody")))
	_, err = d.decide(dana, r)
	d.refuse(err, inventory.NotFound, "")
}

func TestDecide_refusesWhenDecidedMeanwhile(t *testing.T) {
	d := newDesk(t, 1)
	seen := d.ask(inventory.Approve, "**")
	if _, err := d.decide(eric, d.ask(inventory.Reject)); err != nil {
		t.Fatal(err)
	}
	_, err := d.decide(dana, seen)
	d.refuse(err, inventory.Conflict, "Eric rejected this signer while you were reading")
	if s := d.signer(); s.Standing != inventory.Rejected {
		t.Errorf("the signer is %s", s.Standing)
	}
}

// TestDecide_oneOfManyWins has twenty people decide the same at once: one
// decision and one audit entry come of it, everybody else is told.
func TestDecide_oneOfManyWins(t *testing.T) {
	d := newDesk(t, 1)
	r := d.ask(inventory.Approve, "**")
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		won   int
	)
	for range 20 {
		group.Go(func() {
			_, err := d.decide(dana, r)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if inventory.KindOf(err) != inventory.Conflict {
				t.Errorf("got %v", err)
			}
		})
	}
	group.Wait()
	approvals := 0
	for _, e := range d.entries() {
		if e.Action == "signer.approve" {
			approvals++
		}
	}
	if won != 1 || approvals != 1 || len(d.signer().Decisions) != 1 {
		t.Errorf("%d won, %d audit entries, %d decisions", won, approvals, len(d.signer().Decisions))
	}
}

func TestDecide_revokeEndsEveryApproval(t *testing.T) {
	d := newDesk(t, 1)
	for _, scope := range []inventory.Glob{"local/a", "local/b"} {
		if _, err := d.decide(dana, d.ask(inventory.Approve, scope)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.decide(eric, d.ask(inventory.Revoke)); err != nil {
		t.Fatal(err)
	}
	s := d.signer()
	if s.Standing != inventory.Revoked || len(s.Decisions) != 3 {
		t.Fatalf("the signer is %+v", s)
	}
	for _, old := range s.Decisions[1:] {
		if old.State != inventory.StateRevoked {
			t.Errorf("an approval is still %s", old.State)
		}
	}
}

func TestDecide_twoApproversMustDiffer(t *testing.T) {
	d := newDesk(t, 2)
	first, err := d.decide(dana, d.ask(inventory.Approve, "local/a", "local/b"))
	if err != nil || first.State != inventory.StateProposed || d.entries()[0].Action != "signer.propose" {
		t.Fatalf("got %+v, %v", first, err)
	}
	if s := d.signer(); s.Standing != inventory.Pending {
		t.Errorf("one of two approvals makes the signer %s", s.Standing)
	}
	_, err = d.decide(dana, d.ask(inventory.Approve, "local/b", "local/a"))
	d.refuse(err, inventory.Conflict, "second reviewer")
	alias := dana
	alias.Name = "Dana with another name"
	_, err = d.decide(alias, d.ask(inventory.Approve, "local/b", "local/a"))
	d.refuse(err, inventory.Conflict, "second reviewer")

	other, err := d.decide(eric, d.ask(inventory.Approve, "**"))
	if err != nil || other.State != inventory.StateProposed {
		t.Errorf("another scope is another proposal: %+v, %v", other, err)
	}
	second, err := d.decide(eric, d.ask(inventory.Approve, "local/b", "local/a"))
	if err != nil || second.State != inventory.StateActive || len(second.DecidedBy) != 2 {
		t.Fatalf("got %+v, %v", second, err)
	}
	if s := d.signer(); s.Standing != inventory.Approved {
		t.Errorf("both approved, and the signer is %s", s.Standing)
	}
}

// TestDecide_confirmedAsItWasProposed repeats a proposal word for word: with the
// revision from before it, which nothing but the proposal has changed.
func TestDecide_confirmedAsItWasProposed(t *testing.T) {
	d := newDesk(t, 2)
	soon, later := now.Add(24*time.Hour), now.Add(48*time.Hour)
	request := d.ask(inventory.Approve, "local/a")
	request.ExpiresAt = &soon
	if _, err := d.decide(dana, request); err != nil {
		t.Fatal(err)
	}
	_, err := d.decide(dana, request)
	d.refuse(err, inventory.Conflict, "second reviewer")
	other := request
	other.Repositories = []inventory.Glob{"**"}
	_, err = d.decide(eric, other)
	d.refuse(err, inventory.Conflict, "while you were reading")
	request.ExpiresAt = &later
	made, err := d.decide(eric, request)
	if err != nil || made.State != inventory.StateActive || made.Revision != 2 {
		t.Fatalf("got %+v, %v", made, err)
	}
	if made.ExpiresAt == nil || !made.ExpiresAt.Equal(soon) {
		t.Errorf("it ends %v, longer than both agreed", made.ExpiresAt)
	}
	_, err = d.decide(eric, request)
	d.refuse(err, inventory.Conflict, "while you were reading")
}

func TestDecide_proposalsRunOut(t *testing.T) {
	d := newDesk(t, 2)
	soon := now.Add(time.Hour)
	request := d.ask(inventory.Approve, "local/a")
	request.ExpiresAt = &soon
	if _, err := d.decide(dana, request); err != nil {
		t.Fatal(err)
	}
	d.Clock = func() time.Time { return now.Add(2 * time.Hour) }
	if made, err := d.decide(eric, d.ask(inventory.Approve, "local/a")); err != nil || made.State != inventory.StateProposed {
		t.Errorf("a proposal that ran out is confirmed: %+v, %v", made, err)
	}
}

func TestDecide_rejectingNeedsOnePerson(t *testing.T) {
	d := newDesk(t, 2)
	if _, err := d.decide(dana, d.ask(inventory.Approve, "**")); err != nil {
		t.Fatal(err)
	}
	if made, err := d.decide(eric, d.ask(inventory.Reject)); err != nil || made.State != inventory.StateActive {
		t.Fatalf("got %+v, %v", made, err)
	}
	_, err := d.decide(eric, d.ask(inventory.Approve, "**"))
	if err != nil {
		t.Fatal(err)
	}
	if s := d.signer(); s.Standing != inventory.Rejected {
		t.Errorf("the proposal from before the rejection still counted: %s", s.Standing)
	}
}

func TestRegisterKey_refuses(t *testing.T) {
	d := newDesk(t, 1)
	other := inventory.KeyID(inventory.DigestOf([]byte("other")))
	for name, test := range map[string]struct {
		actor inventory.Actor
		s     inventory.Signer
		kind  inventory.Kind
	}{
		"a viewer":        {vera, inventory.Signer{ID: other, Name: "x", PublicKey: "PEM"}, inventory.Forbidden},
		"the same key":    {dana, inventory.Signer{ID: signer, Name: "x", PublicKey: "PEM"}, inventory.Conflict},
		"no name":         {dana, inventory.Signer{ID: other, Name: " ", PublicKey: "PEM"}, inventory.Invalid},
		"a hidden name":   {dana, inventory.Signer{ID: other, Name: "a\u202eb", PublicKey: "PEM"}, inventory.Invalid},
		"a look-alike":    {dana, inventory.Signer{ID: other, Name: "p\u0430yments", PublicKey: "PEM"}, inventory.Invalid},
		"no key":          {dana, inventory.Signer{ID: other, Name: "x"}, inventory.Invalid},
		"an identity":     {dana, inventory.Signer{ID: "keyless:https://i|x@example.com", Name: "x", PublicKey: "PEM"}, inventory.Invalid},
		"not a digest id": {dana, inventory.Signer{ID: "key:sha256:zz", Name: "x", PublicKey: "PEM"}, inventory.Invalid},
	} {
		if _, err := d.RegisterKey(t.Context(), test.actor, test.s); inventory.KindOf(err) != test.kind {
			t.Errorf("%s: got %v, want %s", name, err, test.kind)
		}
	}
}

func TestQuarantine_holdsAndIsReleasedOnce(t *testing.T) {
	d := newDesk(t, 1)
	digest := inventory.DigestOf([]byte("image"))
	q, err := d.Quarantine(t.Context(), dana, decision.QuarantineRequest{Digest: digest, Reason: "leaks"})
	if err != nil {
		t.Fatal(err)
	}
	if e := d.entries()[0]; e.Action != "image.quarantine" || e.Object != string(digest) || e.Reason != "leaks" {
		t.Errorf("the audit entry is %+v", e)
	}
	d.refuse(d.Release(t.Context(), vera, q.ID, "fine"), inventory.Forbidden, "Vera")
	d.refuse(d.Release(t.Context(), eric, q.ID, ""), inventory.Invalid, "Say why")
	if err := d.Release(t.Context(), eric, q.ID, "fixed"); err != nil {
		t.Fatal(err)
	}
	d.refuse(d.Release(t.Context(), eric, q.ID, "again"), inventory.Conflict, "no longer stands")
	d.refuse(d.Release(t.Context(), eric, "nothing", "x"), inventory.NotFound, "")
}

func TestQuarantine_refuses(t *testing.T) {
	d := newDesk(t, 1)
	digest := inventory.DigestOf([]byte("image"))
	past := now.Add(-time.Hour)
	for name, r := range map[string]decision.QuarantineRequest{
		"nothing":             {Reason: "x"},
		"no reason":           {Digest: digest},
		"both":                {Digest: digest, Repository: "a/b", Tag: "v1", Reason: "x"},
		"a tag of nothing":    {Tag: "v1", Reason: "x"},
		"half a digest":       {Digest: "sha256:abc", Reason: "x"},
		"an expiry long gone": {Digest: digest, Reason: "x", ExpiresAt: &past},
		"a tag of nowhere":    {Repository: "nowhere/b", Tag: "v1", Reason: "x"},
	} {
		if _, err := d.Quarantine(t.Context(), dana, r); inventory.KindOf(err) != inventory.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := d.Quarantine(t.Context(), vera, decision.QuarantineRequest{Digest: digest, Reason: "x"})
	d.refuse(err, inventory.Forbidden, "Vera")
}
