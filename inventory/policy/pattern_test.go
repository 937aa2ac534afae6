package policy

import (
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

const github = "https://token.actions.githubusercontent.com"

func tag(name string) inventory.SignerID {
	return inventory.KeylessID(github, "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/"+name)
}

// TestJudge_patterns holds what an approval of v1 with a pattern means for v2.
func TestJudge_patterns(t *testing.T) {
	v2 := inventory.Signer{ID: tag("v2"), Kind: inventory.KeylessSigner, Name: "v2"}
	lent := func(change ...func(*inventory.Decision)) inventory.Decision {
		d := decided(inventory.Approve, "**", nil)
		d.Signer, d.Identities = tag("v1"), "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*"
		d.DecidedBy = []inventory.Decider{{Name: "Dana", At: time.Date(2026, 5, 3, 9, 0, 0, 0, time.UTC)}}
		for _, f := range change {
			f(&d)
		}
		return d
	}
	own := func(verb inventory.Verb, scope inventory.Glob, expires *time.Time) inventory.Decision {
		d := decided(verb, scope, expires)
		d.Signer = v2.ID
		return d
	}
	state := func(s inventory.DecisionState) func(*inventory.Decision) {
		return func(d *inventory.Decision) { d.State = s }
	}
	scope := func(g inventory.Glob) func(*inventory.Decision) {
		return func(d *inventory.Decision) { d.Repositories = []inventory.Glob{g} }
	}
	until := func(at time.Time) func(*inventory.Decision) { return func(d *inventory.Decision) { d.ExpiresAt = &at } }
	goesBy := func(roots ...string) func(*inventory.Decision) {
		return func(d *inventory.Decision) { d.Roots = roots }
	}
	for name, test := range map[string]struct {
		decisions []inventory.Decision
		status    inventory.Status
		reason    inventory.Reason
		standing  inventory.Standing
		says      string
	}{
		"it counts":                       {[]inventory.Decision{lent()}, inventory.Trusted, inventory.ReasonOK, inventory.Approved, "by the pattern https://github.com/acme/api/.github/workflows/release.yml@refs/tags/* of Dana, 3 May 2026."},
		"it goes by the root":             {[]inventory.Decision{lent(goesBy("public-good", "ours"))}, inventory.Trusted, inventory.ReasonOK, inventory.Approved, "Dana"},
		"it goes by another root":         {[]inventory.Decision{lent(goesBy("other", "more"))}, inventory.Unapproved, inventory.ReasonSignerNotApproved, inventory.Approved, `where the root "other" or "more" vouches for it, and here the root "ours" does.`},
		"for another repository":          {[]inventory.Decision{lent(scope("other/**"))}, inventory.Unapproved, inventory.ReasonOutOfScope, inventory.Approved, "Dana"},
		"it ran out":                      {[]inventory.Decision{lent(until(past))}, inventory.Unapproved, inventory.ReasonApprovalExpired, inventory.Expired, "the approval by the pattern"},
		"it was revoked":                  {[]inventory.Decision{lent(state(inventory.StateRevoked))}, inventory.Unapproved, inventory.ReasonApprovalRevoked, inventory.Revoked, "was revoked."},
		"it was revoked, for others":      {[]inventory.Decision{lent(state(inventory.StateRevoked), scope("other/**"))}, inventory.Unapproved, inventory.ReasonSignerNotApproved, inventory.Revoked, "nobody"},
		"one was revoked, one stands":     {[]inventory.Decision{lent(state(inventory.StateRevoked)), lent()}, inventory.Trusted, inventory.ReasonOK, inventory.Approved, "Dana"},
		"one stands, one was revoked":     {[]inventory.Decision{lent(), lent(state(inventory.StateRevoked))}, inventory.Trusted, inventory.ReasonOK, inventory.Approved, "Dana"},
		"it is only proposed":             {[]inventory.Decision{lent(state(inventory.StateProposed))}, inventory.Unapproved, inventory.ReasonSignerNotApproved, inventory.Pending, "nobody"},
		"it was proposed and rejected":    {[]inventory.Decision{lent(state(inventory.StateRejected))}, inventory.Unapproved, inventory.ReasonSignerNotApproved, inventory.Pending, "nobody"},
		"its own rejection wins":          {[]inventory.Decision{own(inventory.Reject, "**", nil), lent()}, inventory.Unapproved, inventory.ReasonSignerRejected, inventory.Rejected, "rejected"},
		"its own revocation wins":         {[]inventory.Decision{own(inventory.Revoke, "**", nil), lent()}, inventory.Unapproved, inventory.ReasonApprovalRevoked, inventory.Revoked, "revoked"},
		"its own approval after a reject": {[]inventory.Decision{own(inventory.Approve, "other/**", nil), own(inventory.Reject, "**", nil), lent()}, inventory.Unapproved, inventory.ReasonOutOfScope, inventory.Approved, "not for this repository"},
		"its own approval is narrower":    {[]inventory.Decision{own(inventory.Approve, "other/**", nil), lent()}, inventory.Trusted, inventory.ReasonOK, inventory.Approved, "Dana"},
		"its own approval ran out":        {[]inventory.Decision{own(inventory.Approve, "**", &past), lent()}, inventory.Trusted, inventory.ReasonOK, inventory.Approved, "Dana"},
		"its own approval lasts for good": {[]inventory.Decision{own(inventory.Approve, "**", nil), lent(until(past))}, inventory.Trusted, inventory.ReasonOK, inventory.Approved, "for this repository."},
		"a root, and a revocation before": {[]inventory.Decision{func() inventory.Decision {
			d := own(inventory.Approve, "**", nil)
			d.Roots = []string{"other"}
			return d
		}(), own(inventory.Revoke, "**", nil)}, inventory.Unapproved, inventory.ReasonSignerNotApproved, inventory.Approved, `here the root "ours" does.`},
		"a root that nobody gave a name": {[]inventory.Decision{lent(goesBy(""))}, inventory.Unapproved, inventory.ReasonSignerNotApproved, inventory.Approved, "a root without a name"},
	} {
		t.Run(name, func(t *testing.T) {
			sig := by(v2)
			sig.Domain = "ours"
			v := verdict(Facts{Repository: "local/a", Checked: true, Signatures: []inventory.Signature{sig}, Decisions: map[inventory.SignerID][]inventory.Decision{v2.ID: test.decisions}})
			if v.Status != test.status || v.Reason != test.reason || !strings.Contains(v.Message, test.says) {
				t.Errorf("got %s, %s: %s", v.Status, v.Reason, v.Message)
			}
			if got := inventory.StandingAt(test.decisions, now); got != test.standing {
				t.Errorf("it is %s", got)
			}
		})
	}
}

// TestJudge_rootsOfEachSignature: of two signatures by one identity, the one that
// the approved root vouches for counts.
func TestJudge_rootsOfEachSignature(t *testing.T) {
	s := inventory.Signer{ID: tag("v1"), Name: "v1"}
	d := decided(inventory.Approve, "**", nil)
	d.Signer, d.Roots = s.ID, []string{"public-good"}
	rogue, good := by(s), by(s)
	rogue.Domain, good.Domain = "private", "public-good"
	for _, test := range []struct {
		signatures []inventory.Signature
		want       inventory.Status
	}{{[]inventory.Signature{rogue}, inventory.Unapproved}, {[]inventory.Signature{good}, inventory.Trusted}, {[]inventory.Signature{rogue, good}, inventory.Trusted}} {
		v := verdict(Facts{Repository: "local/a", Checked: true, Signatures: test.signatures, Decisions: map[inventory.SignerID][]inventory.Decision{s.ID: {d}}})
		if v.Status != test.want {
			t.Errorf("got %+v", v)
		}
	}
}
