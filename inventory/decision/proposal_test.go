package decision_test

import (
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
)

func TestEndProposal_isAuditedAndOnce(t *testing.T) {
	for _, c := range []struct {
		who    inventory.Actor
		action string
	}{{dana, "signer.withdraw"}, {eric, "signer.decline"}} {
		d := newDesk(t, 2)
		made, err := d.decide(dana, d.ask(inventory.Approve, "local/**"))
		if err != nil {
			t.Fatal(err)
		}
		ask := decision.ProposalRequest{Signer: signer, ID: made.ID, Reason: "a mistake", Revision: made.Revision}
		for kind, change := range map[inventory.Kind]func(r *decision.ProposalRequest){
			inventory.Invalid:  func(r *decision.ProposalRequest) { r.Reason = " " },
			inventory.NotFound: func(r *decision.ProposalRequest) { r.ID = "another" },
			inventory.Conflict: func(r *decision.ProposalRequest) { r.Revision-- },
		} {
			wrong := ask
			change(&wrong)
			if _, err := d.EndProposal(t.Context(), c.who, wrong); inventory.KindOf(err) != kind {
				t.Errorf("%v, want %s", err, kind)
			}
		}
		if _, err := d.EndProposal(t.Context(), vera, ask); inventory.KindOf(err) != inventory.Forbidden || d.entries()[0].Action != "access.refused" {
			t.Errorf("a viewer: %v", err)
		}
		ended, err := d.EndProposal(t.Context(), c.who, ask)
		if err != nil || ended.State != inventory.StateRejected {
			t.Fatal(ended, err)
		}
		e := d.entries()[0]
		if e.Action != c.action || e.Object != string(signer) || e.Reason != "a mistake" || e.Actor.Name != c.who.Name || !strings.Contains(e.Before, `"proposed"`) || !strings.Contains(e.After, `"rejected"`) {
			t.Errorf("the entry is %+v", e)
		}
		if s := d.signer(); s.Standing != inventory.Pending || s.Decisions[0].State != inventory.StateRejected || s.Revision != 2 {
			t.Errorf("the signer is %+v", s)
		}
		// It can't be confirmed or ended any more; who still has the page is told.
		old := d.ask(inventory.Approve, "local/**")
		old.Revision = 1
		_, err = d.decide(eric, old)
		d.refuse(err, inventory.Conflict, "was taken back or declined while you were reading")
		ask.Revision = 2
		_, err = d.EndProposal(t.Context(), c.who, ask)
		d.refuse(err, inventory.Conflict, "no longer waits")
		if again, err := d.decide(eric, d.ask(inventory.Approve, "local/**")); err != nil || again.State != inventory.StateProposed {
			t.Errorf("asked again it is %+v, %v", again, err)
		}
	}
}

// A confirmation and a withdrawal at once: one of them is told.
func TestEndProposal_orConfirmed(t *testing.T) {
	d := newDesk(t, 2)
	made, err := d.decide(dana, d.ask(inventory.Approve, "local/**"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.decide(eric, d.ask(inventory.Approve, "local/**")); err != nil {
		t.Fatal(err)
	}
	_, err = d.EndProposal(t.Context(), dana, decision.ProposalRequest{Signer: signer, ID: made.ID, Reason: "a mistake", Revision: made.Revision})
	d.refuse(err, inventory.Conflict, "")
	if s := d.signer(); s.Standing != inventory.Approved {
		t.Errorf("%+v", s)
	}
}

func TestProposals_areThoseThatWait(t *testing.T) {
	d := newDesk(t, 2)
	soon := now.Add(time.Hour)
	r := d.ask(inventory.Approve, "local/a/**")
	r.ExpiresAt = &soon
	if _, err := d.decide(dana, r); err != nil {
		t.Fatal(err)
	}
	if _, err := d.decide(eric, d.ask(inventory.Approve, "local/b/**")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.decide(dana, d.ask(inventory.Approve, "local/c/**")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.decide(eric, d.ask(inventory.Approve, "local/c/**")); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Time]int{now: 2, soon: 1} {
		list, err := d.store.Proposals(t.Context(), at)
		if err != nil || len(list) != want || list[0].Signer.Name != "pipeline" || list[len(list)-1].Decision.DecidedBy[0].Name != "Eric" {
			t.Errorf("at %s there are %+v, %v", at, list, err)
		}
	}
}
