package inventory

import (
	"slices"
	"time"
)

// Verb is what a decision about a signer says.
type Verb string

const (
	Approve Verb = "approve"
	Reject  Verb = "reject"
	Revoke  Verb = "revoke" // ends every approval of the signer
)

// ParseVerb accepts the three verbs.
func ParseVerb(s string) (Verb, error) {
	switch v := Verb(s); v {
	case Approve, Reject, Revoke:
		return v, nil
	}
	return "", Errorf(Invalid, "%q is not a decision: use approve, reject or revoke", clip(s, 40))
}

// DecisionState is where a decision stands.
type DecisionState string

const (
	StateProposed DecisionState = "proposed" // waits for a second reviewer; counts for nothing
	StateActive   DecisionState = "active"
	StateRejected DecisionState = "rejected"
	StateRevoked  DecisionState = "revoked" // ended by a later decision
	StateExpired  DecisionState = "expired"
)

// Decider is a person who took part in a decision, and when.
type Decider struct {
	Name    string    `json:"name"`
	Subject string    `json:"subject,omitempty"` // the provider's stable id; two names can be alike, this can't
	At      time.Time `json:"at"`
}

// Decision is what somebody decided about a signer: a verb, the repositories
// it covers, until when, and why. A reason is always there.
type Decision struct {
	ID           string   `json:"id"`
	Signer       SignerID `json:"signer"`
	Verb         Verb     `json:"decision"`
	Repositories []Glob   `json:"repositories"` // over "registry/repository"; reject and revoke cover everything
	// Identities is the pattern of an approval that covers more identities of the
	// signer's issuer than the signer itself; empty for the signer alone.
	Identities IdentityPattern `json:"identities,omitempty"`
	// Roots are the roots of trust, as configured, whose word an approval of a
	// keyless signer goes by; empty for any.
	Roots []string `json:"roots,omitempty"`
	// Replaces is the signer whose place an approved one takes, with its scope;
	// ReplacedUntil is when the approvals of that one end at the latest, nil where
	// they are left as they are.
	Replaces      SignerID      `json:"replaces,omitempty"`
	ReplacedUntil *time.Time    `json:"replaced_until,omitempty"`
	Reason        string        `json:"reason"`
	ExpiresAt     *time.Time    `json:"expires_at"`
	State         DecisionState `json:"state"`
	DecidedBy     []Decider     `json:"decided_by"`
	Revision      int64         `json:"revision"` // the signer's revision that this decision made
}

// StateAt is the state at a moment: an active decision past its expiry is
// expired even while the row still says active.
func (d Decision) StateAt(now time.Time) DecisionState {
	if d.State == StateActive && d.ExpiresAt != nil && !now.Before(*d.ExpiresAt) {
		return StateExpired
	}
	return d.State
}

// DecidedAt is when the decision was made, by the last who took part in it.
func (d Decision) DecidedAt() time.Time {
	if len(d.DecidedBy) == 0 {
		return time.Time{}
	}
	return d.DecidedBy[len(d.DecidedBy)-1].At
}

// Accepts reports whether the decision goes by the word of a root of trust,
// given as Signature.Domain.
func (d Decision) Accepts(root string) bool {
	return len(d.Roots) == 0 || slices.Contains(d.Roots, root)
}

// Covers reports whether the decision's scope holds the repository, given as
// "registry/repository".
func (d Decision) Covers(repository string) bool { return MatchAny(d.Repositories, repository) }
