package policy

import (
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

var (
	now     = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	past    = now.Add(-time.Hour)
	future  = now.Add(time.Hour)
	dana    = inventory.Signer{ID: "key:sha256:dana", Kind: inventory.KeySigner, Name: "Dana's key"}
	eve     = inventory.Signer{ID: "key:sha256:eve", Kind: inventory.KeySigner, Name: "eve"}
	outage  = &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "The registry does not answer."}
	verdict = func(f Facts) inventory.Verdict { return Judge(f, now) }
)

func by(s inventory.Signer) inventory.Signature {
	return inventory.Signature{Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK, Signer: &s}
}

func found(o inventory.Outcome, r inventory.Reason) inventory.Signature {
	return inventory.Signature{Outcome: o, Reason: r, Message: "Something about it."}
}

func decided(verb inventory.Verb, scope inventory.Glob, expires *time.Time) inventory.Decision {
	return inventory.Decision{Verb: verb, Repositories: []inventory.Glob{scope}, ExpiresAt: expires, State: inventory.StateActive}
}

// TestJudge holds every status of the contract, and every way to it.
func TestJudge(t *testing.T) {
	approve := func(scope inventory.Glob, expires *time.Time) inventory.Decision {
		return decided(inventory.Approve, scope, expires)
	}
	revoke, reject := decided(inventory.Revoke, "**", nil), decided(inventory.Reject, "**", nil)
	ended := approve("**", nil)
	ended.State = inventory.StateRevoked
	proposed := approve("**", nil)
	proposed.State = inventory.StateProposed

	type decisions = []inventory.Decision
	tests := []struct {
		name       string
		signatures []inventory.Signature
		dana       decisions
		failure    *inventory.LookError
		status     inventory.Status
		reason     inventory.Reason
	}{
		{"nothing found anywhere", nil, nil, nil, inventory.Unsigned, inventory.ReasonNoSignature},
		{"nothing found, but not everything read", nil, nil, outage, inventory.Unknown, inventory.ReasonRegistryUnreachable},
		{"approved everywhere", []inventory.Signature{by(dana)}, decisions{approve("**", nil)}, nil, inventory.Trusted, inventory.ReasonOK},
		{"approved for this registry", []inventory.Signature{by(dana)}, decisions{approve("local/**", &future)}, nil, inventory.Trusted, inventory.ReasonOK},
		{"approved, and another place not read", []inventory.Signature{by(dana)}, decisions{approve("**", nil)}, outage, inventory.Trusted, inventory.ReasonOK},
		{"approved, and another signature failed", []inventory.Signature{found(inventory.OutcomeInvalid, inventory.ReasonDigestMismatch), by(dana)}, decisions{approve("**", nil)}, nil, inventory.Trusted, inventory.ReasonOK},
		{"approved, and another signer unknown", []inventory.Signature{by(eve), by(dana)}, decisions{approve("**", nil)}, nil, inventory.Trusted, inventory.ReasonOK},
		{"nobody decided", []inventory.Signature{by(dana)}, nil, nil, inventory.Unapproved, inventory.ReasonSignerNotApproved},
		{"only proposed", []inventory.Signature{by(dana)}, decisions{proposed}, nil, inventory.Unapproved, inventory.ReasonSignerNotApproved},
		{"approved for another repository", []inventory.Signature{by(dana)}, decisions{approve("local/team-b/**", nil)}, nil, inventory.Unapproved, inventory.ReasonOutOfScope},
		{"approval ran out", []inventory.Signature{by(dana)}, decisions{approve("**", &past)}, nil, inventory.Unapproved, inventory.ReasonApprovalExpired},
		{"approval runs out this instant", []inventory.Signature{by(dana)}, decisions{approve("**", &now)}, nil, inventory.Unapproved, inventory.ReasonApprovalExpired},
		{"one ran out, one stands", []inventory.Signature{by(dana)}, decisions{approve("**", &past), approve("local/**", nil)}, nil, inventory.Trusted, inventory.ReasonOK},
		{"revoked", []inventory.Signature{by(dana)}, decisions{revoke, ended}, nil, inventory.Unapproved, inventory.ReasonApprovalRevoked},
		{"revoked, though an older row still says active", []inventory.Signature{by(dana)}, decisions{revoke, approve("**", nil)}, nil, inventory.Unapproved, inventory.ReasonApprovalRevoked},
		{"revoked, then approved again", []inventory.Signature{by(dana)}, decisions{approve("**", nil), revoke, ended}, nil, inventory.Trusted, inventory.ReasonOK},
		{"revoked, then proposed again", []inventory.Signature{by(dana)}, decisions{proposed, revoke, ended}, nil, inventory.Unapproved, inventory.ReasonApprovalRevoked},
		{"revoked, then approved elsewhere", []inventory.Signature{by(dana)}, decisions{approve("other/**", nil), revoke}, nil, inventory.Unapproved, inventory.ReasonOutOfScope},
		{"rejected", []inventory.Signature{by(dana)}, decisions{reject}, nil, inventory.Unapproved, inventory.ReasonSignerRejected},
		{"rejected after an approval", []inventory.Signature{by(dana)}, decisions{reject, approve("**", nil)}, nil, inventory.Unapproved, inventory.ReasonSignerRejected},
		{"key unknown", []inventory.Signature{found(inventory.OutcomeUnverifiable, inventory.ReasonKeyUnknown)}, nil, nil, inventory.Unverifiable, inventory.ReasonKeyUnknown},
		{"key unknown beside a failure", []inventory.Signature{found(inventory.OutcomeInvalid, inventory.ReasonSignatureMismatch), found(inventory.OutcomeUnverifiable, inventory.ReasonKeyUnknown)}, nil, nil, inventory.Unverifiable, inventory.ReasonKeyUnknown},
		{"every signature failed", []inventory.Signature{found(inventory.OutcomeInvalid, inventory.ReasonDigestMismatch)}, nil, nil, inventory.Failed, inventory.ReasonDigestMismatch},
		{"every signature read failed, but not all were read", []inventory.Signature{found(inventory.OutcomeInvalid, inventory.ReasonDigestMismatch)}, nil, outage, inventory.Unknown, inventory.ReasonRegistryUnreachable},
		{"a signature could not be read", []inventory.Signature{found(inventory.OutcomeError, inventory.ReasonTooLarge)}, nil, nil, inventory.Unknown, inventory.ReasonTooLarge},
		{"an outcome nobody set", []inventory.Signature{{Reason: inventory.ReasonNotChecked}}, nil, nil, inventory.Unknown, inventory.ReasonNotChecked},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := verdict(Facts{
				Repository: "local/team-a/api", Checked: true, Failure: test.failure, Signatures: test.signatures,
				Decisions: map[inventory.SignerID][]inventory.Decision{dana.ID: test.dana},
			})
			if v.Status != test.status || v.Reason != test.reason {
				t.Errorf("got %s, %s (%s); want %s, %s", v.Status, v.Reason, v.Message, test.status, test.reason)
			}
			if !strings.HasSuffix(v.Message, ".") || strings.Contains(v.Message, "..") {
				t.Errorf("the message is not a sentence: %q", v.Message)
			}
		})
	}
}

func TestJudge_zeroFactsAreUnknown(t *testing.T) {
	if v := verdict(Facts{}); v.Status != inventory.Unknown || v.Reason != inventory.ReasonNotChecked {
		t.Errorf("got %+v", v)
	}
}

func TestJudge_verifiedWithoutSignerIsNoSignature(t *testing.T) {
	v := verdict(Facts{Checked: true, Signatures: []inventory.Signature{{Outcome: inventory.OutcomeVerified}}})
	if v.Status != inventory.Unknown {
		t.Errorf("got %+v", v)
	}
}

func TestJudge_trustedSaysWhatElseFailed(t *testing.T) {
	v := verdict(Facts{
		Repository: "local/a", Checked: true, Failure: outage,
		Signatures: []inventory.Signature{by(dana), found(inventory.OutcomeInvalid, inventory.ReasonSignatureMismatch)},
		Decisions:  map[inventory.SignerID][]inventory.Decision{dana.ID: {decided(inventory.Approve, "**", nil)}},
	})
	if v.Status != inventory.Trusted {
		t.Fatalf("got %+v", v)
	}
	for _, want := range []string{"One other signature failed", "Not everything could be read"} {
		if !strings.Contains(v.Message, want) {
			t.Errorf("%q does not say %q", v.Message, want)
		}
	}
}

func TestJudge_asksToBeAskedAgainWhenAnApprovalRunsOut(t *testing.T) {
	later := future.Add(time.Hour)
	f := Facts{
		Repository: "local/a", Checked: true, Signatures: []inventory.Signature{by(dana)},
		Decisions: map[inventory.SignerID][]inventory.Decision{dana.ID: {
			decided(inventory.Approve, "**", &future), decided(inventory.Approve, "local/*", &later),
		}},
	}
	v := verdict(f)
	if v.ReviewAt == nil || !v.ReviewAt.Equal(later) {
		t.Fatalf("ReviewAt = %v, want %v", v.ReviewAt, later)
	}
	if v := Judge(f, later); v.Status != inventory.Unapproved || v.Reason != inventory.ReasonApprovalExpired {
		t.Errorf("at that moment: %+v", v)
	}
}

func TestJudge_namesAreMadeVisible(t *testing.T) {
	odd := eve
	odd.Name = "dana\u202e\nexample"
	v := verdict(Facts{Checked: true, Signatures: []inventory.Signature{by(odd)}})
	if strings.ContainsAny(v.Message, "\u202e\n") {
		t.Errorf("%q hides characters", v.Message)
	}
}

func TestJudge_signatureThatRanOutCountsNoMore(t *testing.T) {
	at := future
	signature := by(dana)
	signature.Expires = &inventory.Expiry{At: at, Reason: inventory.ReasonSignatureExpired, Message: "The signature ran out."}
	facts := Facts{Repository: "local/app", Checked: true, Signatures: []inventory.Signature{signature},
		Decisions: map[inventory.SignerID][]inventory.Decision{dana.ID: {decided(inventory.Approve, "**", nil)}}}

	v := Judge(facts, at.Add(-time.Nanosecond))
	if v.Status != inventory.Trusted || v.ReviewAt == nil || !v.ReviewAt.Equal(at) {
		t.Errorf("before it runs out: %s, to be judged again at %v; want trusted until %v", v.Status, v.ReviewAt, at)
	}
	v = Judge(facts, at)
	if v.Status != inventory.Failed || v.Reason != inventory.ReasonSignatureExpired || v.Message != "The signature ran out." {
		t.Errorf("when it ran out: %s (%s) %q", v.Status, v.Reason, v.Message)
	}
	if facts.Signatures[0].Outcome != inventory.OutcomeVerified {
		t.Error("judging changed the evidence")
	}
}
