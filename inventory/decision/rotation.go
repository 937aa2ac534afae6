package decision

import (
	"context"
	"slices"
	"time"

	"signboard/inventory"
)

// inherit fills in the scope of an approval that takes another signer's place:
// that of the approvals which hold.
func (d Door) inherit(ctx context.Context, r SignerRequest, now time.Time) (SignerRequest, error) {
	if r.Replaces == "" || len(r.Repositories) > 0 {
		return r, nil
	}
	old, err := d.Signers.Signer(ctx, r.Replaces, now)
	r.Repositories = Scope(old, now)
	return r, err
}

// Scope is what the approvals of a signer cover that hold at a moment, sorted.
func Scope(s inventory.Signer, now time.Time) []inventory.Glob {
	var scope []inventory.Glob
	for _, d := range s.Decisions {
		if d.Verb == inventory.Approve && d.StateAt(now) == inventory.StateActive {
			scope = append(scope, d.Repositories...)
		}
	}
	return normal(scope)
}

// rotate makes an approval one that takes another signer's place: with no more
// than that one's scope, and in one entry of the audit log that names both. What
// was proposed has to say the same.
func (d Door) rotate(ctx context.Context, signer inventory.Signer, o outcome, r SignerRequest, now time.Time) (outcome, error) {
	until, err := expiry(r.ReplacedUntil, now)
	if err != nil {
		return outcome{}, err
	}
	for _, p := range signer.Decisions {
		if o.decision.Verb == inventory.Approve && p.State == inventory.StateProposed && slices.Contains(o.ended, p.ID) && (p.Replaces != r.Replaces || !sameTime(p.ReplacedUntil, until)) {
			return outcome{}, inventory.Errorf(inventory.Conflict, "What was proposed says something else of whom this signer replaces. Confirm it as it was proposed, or reject the proposal first.")
		}
	}
	if r.Replaces == "" {
		if until != nil {
			return outcome{}, inventory.Errorf(inventory.Invalid, "The decision says until when another signer lasts, but not which.")
		}
		return o, nil
	}
	if o.decision.Verb != inventory.Approve || r.Replaces == signer.ID {
		return outcome{}, inventory.Errorf(inventory.Invalid, "An approval may take the place of another signer's, and nothing else may.")
	}
	old, err := d.Signers.Signer(ctx, r.Replaces, now)
	if err != nil {
		return outcome{}, err
	}
	scope := Scope(old, now)
	if len(scope) == 0 {
		return outcome{}, inventory.Errorf(inventory.Conflict, "The signer that is to be replaced has no approval to take over: it is %s.", old.Standing)
	}
	for _, g := range o.decision.Repositories {
		if !slices.Contains(scope, g) {
			return outcome{}, inventory.Errorf(inventory.Invalid, "%s isn't in the scope of the signer that is replaced. Approve it in a decision of its own.", inventory.Visible(string(g)))
		}
	}
	o.decision.Replaces, o.decision.ReplacedUntil = old.ID, until
	action := o.entry.Action
	if o.decision.State == inventory.StateActive {
		action = "signer.rotate"
	}
	before := map[string]any{"signer": state(signer), "replaces": map[string]any{
		"signer": old.ID, "standing": old.Standing, "revision": old.Revision, "repositories": scope,
	}}
	o.entry = entry(o.entry.Actor, now, action, string(signer.ID), o.decision.Reason, before, o.decision)
	return o, nil
}

func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}
