package policy

import (
	"math/rand/v2"
	"testing"
	"time"

	"signboard/inventory"
)

// TestJudge_holdsUntilItsReview judges random facts at every hour of some days: a
// verdict is what it was for as long as it said it would be. What is stored is
// judged again at that moment and at no other.
func TestJudge_holdsUntilItsReview(t *testing.T) {
	const hours = 12
	changed := 0
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 0))
		end := func() *time.Time {
			if r.IntN(3) == 0 {
				return nil
			}
			at := now.Add(time.Duration(r.IntN(hours)) * time.Hour)
			return &at
		}
		facts := Facts{Repository: "local/app", Checked: true, Decisions: map[inventory.SignerID][]inventory.Decision{}}
		for _, who := range []inventory.Signer{dana, eve}[:1+r.IntN(2)] {
			s := by(who)
			s.Domain = "ours"
			if at := end(); at != nil && r.IntN(3) == 0 {
				s.Expires = &inventory.Expiry{At: *at, Reason: inventory.ReasonSignatureExpired, Message: "It ran out."}
			}
			facts.Signatures = append(facts.Signatures, s)
			own := r.IntN(5)
			for n := range own + r.IntN(3) {
				d := decided([]inventory.Verb{inventory.Approve, inventory.Approve, inventory.Approve, inventory.Reject, inventory.Revoke}[r.IntN(5)],
					[]inventory.Glob{"**", "local/**", "other/**"}[r.IntN(3)], end())
				if d.Verb != inventory.Approve {
					d.ExpiresAt = nil
				}
				if r.IntN(6) == 0 {
					d.State = inventory.StateProposed
				}
				if d.Verb == inventory.Approve && r.IntN(4) == 0 {
					d.Roots = []string{"theirs"}
				}
				d.Signer = who.ID
				if n >= own { // another signer's pattern lends it
					d.Signer, d.Identities = "keyless:https://issuer.test|somebody", "**"
					if r.IntN(3) == 0 {
						d.State = inventory.StateRevoked
					}
				}
				facts.Decisions[who.ID] = append(facts.Decisions[who.ID], d)
			}
		}
		said := Judge(facts, now)
		for hour := range hours + 2 {
			at := now.Add(time.Duration(hour) * time.Hour)
			is := Judge(facts, at)
			if said.ReviewAt != nil && !at.Before(*said.ReviewAt) {
				if is.Reason != said.Reason {
					changed++
				}
				said = is
			}
			if is.Status != said.Status || is.Reason != said.Reason || is.Message != said.Message {
				t.Fatalf("seed %d: after %d hours it is %s, %s (%s); what was to hold until %v is %s, %s (%s)\nof %+v",
					seed, hour, is.Status, is.Reason, is.Message, said.ReviewAt, said.Status, said.Reason, said.Message, facts.Decisions)
			}
		}
	}
	if changed < 1000 {
		t.Errorf("only %d verdicts changed with time", changed)
	}
}
