package decision

import (
	"cmp"
	"context"
	"slices"
	"time"

	"signboard/inventory"
)

// SignerRequest is what somebody asks to be decided about a signer.
type SignerRequest struct {
	Signer       inventory.SignerID
	Verb         inventory.Verb
	Repositories []inventory.Glob // of an approval; over "registry/repository"
	ExpiresAt    *time.Time       // of an approval; nil: until revoked
	// Identities is the pattern by which an approval of a keyless identity covers
	// others of its issuer; empty for the one. Acknowledged: whoever asks has seen
	// how wide it is, which wide ones need.
	Identities   inventory.IdentityPattern
	Acknowledged bool
	// Roots are the roots of trust whose word an approval of a keyless identity
	// goes by: some of those that its signatures came through so far; empty for
	// all of them.
	Roots    []string
	Reason   string
	Revision int64 // of the signer, as the person saw it
	// Replaces is the signer whose place an approved one takes, with the scope of
	// its approvals that hold: Repositories may be empty then. ReplacedUntil ends
	// those approvals; nil: they stay as they are.
	Replaces      inventory.SignerID
	ReplacedUntil *time.Time
	// Basis is that of the impact that the person saw; empty when they saw none.
	// With one the decision is refused when it would change something else.
	Basis string
}

// Decide approves, rejects or revokes a signer. A rejection or a revocation
// counts at once and ends every approval; an approval counts once as many
// different people as Approvers have asked for the same verb, scope and pattern.
// It fails with Forbidden, Invalid, NotFound, or with Conflict when the signer
// changed since the person saw it, or what the decision changes did: that is a
// MovedError.
func (d Door) Decide(ctx context.Context, actor inventory.Actor, r SignerRequest) (inventory.Decision, error) {
	now := d.now()
	if err := require(ctx, d.Signers.RecordRefusal, actor, inventory.DecideSigner, now, string(r.Signer)); err != nil {
		return inventory.Decision{}, err
	}
	signer, err := d.Signers.Signer(ctx, r.Signer, now)
	if err != nil {
		return inventory.Decision{}, err
	}
	if r, err = d.inherit(ctx, r, now); err != nil {
		return inventory.Decision{}, err
	}
	if signer.Revision != r.Revision {
		if !repeats(signer, r, now) {
			return inventory.Decision{}, stale(signer)
		}
		r.Revision = signer.Revision
	}
	o, err := decide(signer, actor, r, d.Approvers, now)
	if err != nil {
		return inventory.Decision{}, err
	}
	if err := d.understood(ctx, r, now); err != nil {
		return inventory.Decision{}, err
	}
	if o, err = d.rotate(ctx, signer, o, r, now); err != nil {
		return inventory.Decision{}, err
	}
	if err := d.holds(ctx, actor, signer, r, now); err != nil {
		return inventory.Decision{}, err
	}
	if err := d.Signers.RecordDecision(ctx, o.decision, r.Revision, o.ended, o.entry); err != nil {
		return inventory.Decision{}, err
	}
	d.decided()
	return o.decision, nil
}

// repeats reports whether a request says word for word what was proposed, of a
// signer that nothing but the proposal has changed since.
func repeats(s inventory.Signer, r SignerRequest, now time.Time) bool {
	if r.Revision != s.Revision-1 {
		return false
	}
	p := proposed(s, inventory.Decision{Verb: r.Verb, Repositories: normal(r.Repositories), Identities: r.Identities, Roots: normal(r.Roots)}, now)
	return p != nil && p.Revision == s.Revision
}

// stale says what changed while somebody was reading.
func stale(s inventory.Signer) error {
	var last inventory.Decision
	for i, d := range s.Counting() {
		if i == 0 || d.State == inventory.StateActive && d.DecidedAt().After(last.DecidedAt()) {
			last = d
		}
	}
	if len(last.DecidedBy) == 0 {
		return inventory.Errorf(inventory.Conflict, "This signer changed while you were reading. Look again, then decide.")
	}
	if last.State == inventory.StateRejected && last.Verb == inventory.Approve {
		return inventory.Errorf(inventory.Conflict, "The proposal to approve this signer was taken back or declined while you were reading. Look again, then decide.")
	}
	verb := map[inventory.Verb]string{inventory.Approve: "approved", inventory.Reject: "rejected", inventory.Revoke: "revoked"}[last.Verb]
	if last.State == inventory.StateProposed {
		verb = "proposed to approve"
	}
	how := ""
	if last.Lends(s.ID) {
		how = ", by a pattern,"
		if last.State != inventory.StateActive {
			return inventory.Errorf(inventory.Conflict, "This signer changed while you were reading. Look again, then decide.")
		}
	}
	who := last.DecidedBy[len(last.DecidedBy)-1].Name
	return inventory.Errorf(inventory.Conflict, "%s %s%s this signer while you were reading. Look again, then decide.", inventory.Visible(who), verb, how)
}

// outcome is a decision with what it ends and its audit entry.
type outcome struct {
	decision inventory.Decision
	ended    []string // ids of decisions it ends
	roots    []string // that were asked for
	entry    inventory.AuditEntry
}

// decide is the pure part: from a signer and a request to an outcome, or a
// refusal.
func decide(s inventory.Signer, actor inventory.Actor, r SignerRequest, approvers int, now time.Time) (outcome, error) {
	why, err := reason(r.Reason)
	if err != nil {
		return outcome{}, err
	}
	decision := inventory.Decision{
		ID: newID(), Signer: s.ID, Verb: r.Verb, Reason: why, State: inventory.StateActive, Revision: s.Revision + 1,
		DecidedBy: []inventory.Decider{{Name: actor.Name, Subject: actor.Subject, At: now}},
	}
	o := outcome{}
	action := "signer." + string(r.Verb)
	switch r.Verb {
	case inventory.Approve:
		if len(r.Repositories) == 0 {
			return outcome{}, inventory.Errorf(inventory.Invalid, "Say which repositories the approval covers; ** covers every one.")
		}
		if decision.ExpiresAt, err = expiry(r.ExpiresAt, now); err != nil {
			return outcome{}, err
		}
		decision.Repositories = normal(r.Repositories)
		if decision.Identities, err = pattern(s, r.Identities); err != nil {
			return outcome{}, err
		}
		o.roots = normal(r.Roots)
		if decision.Roots, err = roots(s, o.roots); err != nil {
			return outcome{}, err
		}
		if approvers > 1 {
			proposal := proposed(s, o.wanted(decision), now)
			if proposal == nil {
				decision.State = inventory.StateProposed
				action = "signer.propose"
			} else {
				for _, by := range proposal.DecidedBy {
					if same(by, actor) {
						return outcome{}, inventory.Errorf(inventory.Conflict, "You proposed this approval yourself: a second reviewer has to confirm it.")
					}
				}
				decision.DecidedBy = append(slices.Clone(proposal.DecidedBy), decision.DecidedBy...)
				// For longer, and by other roots, only one of them has agreed.
				decision.ExpiresAt = earlier(decision.ExpiresAt, proposal.ExpiresAt)
				decision.Roots = proposal.Roots
				o.ended = append(o.ended, proposal.ID)
			}
		}
	case inventory.Reject, inventory.Revoke:
		if r.Verb == inventory.Revoke && s.Standing != inventory.Approved && s.Standing != inventory.Expired {
			return outcome{}, inventory.Errorf(inventory.Conflict, "There is no approval of this signer to revoke: it is %s.", s.Standing)
		}
		decision.Repositories = []inventory.Glob{"**"}
		for _, old := range s.Decisions {
			if old.State == inventory.StateActive || old.State == inventory.StateProposed {
				o.ended = append(o.ended, old.ID)
			}
		}
	default:
		return outcome{}, inventory.Errorf(inventory.Invalid, "%q is not a decision.", r.Verb)
	}
	o.decision = decision
	o.entry = entry(actor, now, action, string(s.ID), why, state(s), decision)
	return o, nil
}

// earlier is the earlier of two ends, nil being none.
func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// wanted is a decision as it was asked for, for comparing it with proposals.
func (o outcome) wanted(d inventory.Decision) inventory.Decision {
	d.Roots = o.roots
	return d
}

// proposed finds the proposal that a decision repeats: the same verb, scope and
// pattern, the same roots unless it says none, and not run out.
func proposed(s inventory.Signer, d inventory.Decision, now time.Time) *inventory.Decision {
	for i := range s.Decisions {
		p := &s.Decisions[i]
		if p.State == inventory.StateProposed && (p.ExpiresAt == nil || p.ExpiresAt.After(now)) && p.Verb == d.Verb && slices.Equal(normal(p.Repositories), d.Repositories) &&
			p.Identities == d.Identities && (len(d.Roots) == 0 || slices.Equal(p.Roots, d.Roots)) {
			return p
		}
	}
	return nil
}

// same reports whether a decider is the actor: by the provider's stable id, and
// by name where there is none.
func same(by inventory.Decider, actor inventory.Actor) bool {
	return by.Is(actor)
}

// normal sorts a scope, or roots, and drops repetitions, so that they compare
// equal when they mean the same.
func normal[T cmp.Ordered](list []T) []T {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// state is what the audit log keeps of a signer from before a decision.
func state(s inventory.Signer) any {
	return map[string]any{"standing": s.Standing, "revision": s.Revision}
}
