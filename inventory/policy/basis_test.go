package policy

import (
	"testing"
	"time"

	"signboard/inventory"
)

func TestJudge_saysWhatItRestsOn(t *testing.T) {
	named := func(id string, d inventory.Decision) inventory.Decision {
		d.ID = id
		return d
	}
	approve := func(id string, scope inventory.Glob, expires *time.Time) inventory.Decision {
		return named(id, decided(inventory.Approve, scope, expires))
	}
	revoke := named("revoke", decided(inventory.Revoke, "**", nil))
	reject := named("reject", decided(inventory.Reject, "**", nil))
	later := future.Add(time.Hour)
	marked := func(s inventory.Signature, place int) inventory.Signature {
		s.Index = place
		return s
	}
	ends := func(s inventory.Signature, at time.Time) inventory.Signature {
		s.Expires = &inventory.Expiry{At: at, Reason: inventory.ReasonSignatureExpired, Message: "The signature ran out."}
		return s
	}
	tests := []struct {
		name       string
		signatures []inventory.Signature
		dana, eve  []inventory.Decision
		status     inventory.Status
		place      int // of the signature; -1 for none
		decision   string
	}{
		{"an approval", []inventory.Signature{by(dana)}, []inventory.Decision{approve("a", "**", nil)}, nil, inventory.Trusted, 0, "a"},
		{"of two approvals the one that lasts", []inventory.Signature{by(dana)}, []inventory.Decision{approve("short", "**", &future), approve("long", "**", &later)}, nil, inventory.Trusted, 0, "long"},
		{"of two approvals the one without an end", []inventory.Signature{by(dana)}, []inventory.Decision{approve("short", "**", &future), approve("good", "**", nil)}, nil, inventory.Trusted, 0, "good"},
		{"the approval that covers the repository", []inventory.Signature{by(dana)}, []inventory.Decision{approve("elsewhere", "other/**", nil), approve("here", "local/**", nil)}, nil, inventory.Trusted, 0, "here"},
		{"the signer who is approved", []inventory.Signature{marked(by(dana), 0), marked(by(eve), 1)}, nil, []inventory.Decision{approve("a", "**", nil)}, inventory.Trusted, 1, "a"},
		{"the signature that lasts", []inventory.Signature{marked(ends(by(dana), future), 0), marked(by(dana), 1)}, []inventory.Decision{approve("a", "**", nil)}, nil, inventory.Trusted, 1, "a"},
		{"nobody decided", []inventory.Signature{by(dana)}, nil, nil, inventory.Unapproved, 0, ""},
		{"an approval that ran out", []inventory.Signature{by(dana)}, []inventory.Decision{approve("a", "**", &past)}, nil, inventory.Unapproved, 0, "a"},
		{"an approval for another repository", []inventory.Signature{by(dana)}, []inventory.Decision{approve("a", "other/**", nil)}, nil, inventory.Unapproved, 0, "a"},
		{"a revocation", []inventory.Signature{by(dana)}, []inventory.Decision{revoke, approve("a", "**", nil)}, nil, inventory.Unapproved, 0, "revoke"},
		{"a rejection", []inventory.Signature{by(dana)}, []inventory.Decision{reject}, nil, inventory.Unapproved, 0, "reject"},
		{"a signature whose key isn't known", []inventory.Signature{marked(found(inventory.OutcomeInvalid, inventory.ReasonDigestMismatch), 0), marked(found(inventory.OutcomeUnverifiable, inventory.ReasonKeyUnknown), 1)}, nil, nil, inventory.Unverifiable, 1, ""},
		{"a signature that failed", []inventory.Signature{found(inventory.OutcomeInvalid, inventory.ReasonDigestMismatch)}, nil, nil, inventory.Failed, 0, ""},
		{"a signature that ran out", []inventory.Signature{ends(by(dana), past)}, []inventory.Decision{approve("a", "**", nil)}, nil, inventory.Failed, 0, ""},
		{"nothing", nil, nil, nil, inventory.Unsigned, -1, ""},
		{"what could not be read", []inventory.Signature{found(inventory.OutcomeError, inventory.ReasonTooLarge)}, nil, nil, inventory.Unknown, -1, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := verdict(Facts{Repository: "local/app", Checked: true, Signatures: test.signatures,
				Decisions: map[inventory.SignerID][]inventory.Decision{dana.ID: test.dana, eve.ID: test.eve}})
			if v.Status != test.status {
				t.Errorf("it is %s", v.Status)
			}
			place, decision := -1, ""
			if s := v.Basis.Signature; s != nil {
				place = s.Index
			}
			if d := v.Basis.Decision; d != nil {
				decision = d.ID
			}
			if place != test.place || decision != test.decision {
				t.Errorf("it rests on signature %d and decision %q, want %d and %q", place, decision, test.place, test.decision)
			}
		})
	}
}

// What is judged from what is kept beside the evidence comes in another order
// than the evidence: history must not read that as a change.
func TestJudge_orderOfSignaturesSaysNothing(t *testing.T) {
	approval := decided(inventory.Approve, "**", nil)
	decisions := map[inventory.SignerID][]inventory.Decision{dana.ID: {approval}, eve.ID: {approval}}
	one := verdict(Facts{Repository: "local/app", Checked: true, Signatures: []inventory.Signature{by(dana), by(eve)}, Decisions: decisions})
	other := verdict(Facts{Repository: "local/app", Checked: true, Signatures: []inventory.Signature{by(eve), by(dana)}, Decisions: decisions})
	if one.Message != other.Message || one.Basis.Signature.Signer.ID != other.Basis.Signature.Signer.ID {
		t.Errorf("%q in one order, %q in the other", one.Message, other.Message)
	}
}
