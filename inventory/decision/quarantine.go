package decision

import (
	"context"
	"strings"
	"time"

	"signboard/inventory"
)

// QuarantineRequest is what somebody asks to be held: one digest, or what a tag of
// one repository points at and comes to point at.
type QuarantineRequest struct {
	Digest     inventory.Digest
	Repository string // "registry/repository"
	Tag        string
	Reason     string
	ExpiresAt  *time.Time
	// Seen is the HoldImpact.Seen of what was shown; empty when nothing was.
	Seen string
}

// target is the request as a quarantine, or fails with Invalid.
func (r QuarantineRequest) target() (inventory.Quarantine, error) {
	q := inventory.Quarantine{Digest: r.Digest, Repository: r.Repository, Tag: r.Tag}
	switch {
	case r.Digest != "" && (r.Repository != "" || r.Tag != ""):
		return q, inventory.Errorf(inventory.Invalid, "Quarantine a digest, or a repository and tag, not both.")
	case r.Digest != "":
		_, err := inventory.ParseDigest(string(r.Digest))
		return q, err
	case r.Tag == "" || !strings.Contains(r.Repository, "/"):
		return q, inventory.Errorf(inventory.Invalid, "Say what to quarantine: a digest, or a repository (registry/repository) and a tag.")
	}
	return q, nil
}

// PreviewQuarantine says what would be held if it were quarantined now. It changes
// nothing, so it takes no more than seeing. It fails with Invalid when the request
// names nothing that could be held. Reason, ExpiresAt and Seen aren't asked for.
func (d Door) PreviewQuarantine(ctx context.Context, actor inventory.Actor, r QuarantineRequest) (inventory.HoldImpact, error) {
	now := d.now()
	q, err := r.target()
	if err != nil {
		return inventory.HoldImpact{}, err
	}
	if err := require(ctx, d.Quarantines.RecordRefusal, actor, inventory.See, now, q.Target()); err != nil {
		return inventory.HoldImpact{}, err
	}
	return d.Quarantines.HoldImpact(ctx, q, now)
}

// PreviewRelease says what a quarantine holds, and what a release would let go. It
// takes no more than seeing, and fails with NotFound.
func (d Door) PreviewRelease(ctx context.Context, actor inventory.Actor, id string) (inventory.Quarantine, inventory.HoldImpact, error) {
	now := d.now()
	if err := require(ctx, d.Quarantines.RecordRefusal, actor, inventory.See, now, id); err != nil {
		return inventory.Quarantine{}, inventory.HoldImpact{}, err
	}
	q, err := d.Quarantines.Quarantine(ctx, id)
	if err != nil {
		return q, inventory.HoldImpact{}, err
	}
	impact, err := d.Quarantines.HoldImpact(ctx, q, now)
	return q, impact, err
}

// Quarantine holds images from now on. It fails with Forbidden or Invalid, and with
// Conflict when somebody holds exactly the same already, or when it would hold
// something else than was seen: the message says what.
//
// What was seen is compared just before it is written. An image that is stored in
// between is held like the others.
func (d Door) Quarantine(ctx context.Context, actor inventory.Actor, r QuarantineRequest) (inventory.Quarantine, error) {
	now := d.now()
	object := inventory.Quarantine{Digest: r.Digest, Repository: r.Repository, Tag: r.Tag}.Target()
	if err := require(ctx, d.Quarantines.RecordRefusal, actor, inventory.DecideQuarantine, now, object); err != nil {
		return inventory.Quarantine{}, err
	}
	why, err := reason(r.Reason)
	if err != nil {
		return inventory.Quarantine{}, err
	}
	until, err := expiry(r.ExpiresAt, now)
	if err != nil {
		return inventory.Quarantine{}, err
	}
	q, err := r.target()
	if err != nil {
		return inventory.Quarantine{}, err
	}
	holds, err := d.Quarantines.WouldHold(ctx, q, now)
	if err != nil {
		return inventory.Quarantine{}, err
	}
	if r.Seen != "" {
		impact, err := d.Quarantines.HoldImpact(ctx, q, now)
		if err != nil {
			return inventory.Quarantine{}, err
		}
		if differs := impact.Differs(r.Seen); differs != "" {
			return inventory.Quarantine{}, inventory.Errorf(inventory.Conflict, "%s Nothing was held. Look at what is shown now, then confirm again.", differs)
		}
	}
	for _, h := range holds[:min(len(holds), inventory.MaxHeldDigests)] { // as the log should have it
		q.Digests = append(q.Digests, h.Digest)
	}
	q.ID, q.Reason, q.By, q.At, q.ExpiresAt = newID(), why, actor.Name, now, until
	if err := d.Quarantines.RecordQuarantine(ctx, q, entry(actor, now, "image.quarantine", object, why, nil, q)); err != nil {
		return inventory.Quarantine{}, err
	}
	d.decided()
	return q, nil
}

// EndRequest is another end for a quarantine that stands.
type EndRequest struct {
	ID        string
	ExpiresAt *time.Time // nil: until somebody releases it
	Seen      *time.Time // the end that was shown; nil: none
	Reason    string
}

// ChangeEnd extends or shortens a quarantine. It fails with Forbidden, Invalid,
// NotFound, or Conflict when it no longer stands or its end isn't the one that was
// seen.
func (d Door) ChangeEnd(ctx context.Context, actor inventory.Actor, r EndRequest) (inventory.Quarantine, error) {
	now := d.now()
	if err := require(ctx, d.Quarantines.RecordRefusal, actor, inventory.DecideQuarantine, now, r.ID); err != nil {
		return inventory.Quarantine{}, err
	}
	why, err := reason(r.Reason)
	if err != nil {
		return inventory.Quarantine{}, err
	}
	until, err := expiry(r.ExpiresAt, now)
	if err != nil {
		return inventory.Quarantine{}, err
	}
	q, err := d.Quarantines.Quarantine(ctx, r.ID)
	if err != nil {
		return inventory.Quarantine{}, err
	}
	if q.StandsAt(now) && sameTime(until, q.ExpiresAt) {
		return inventory.Quarantine{}, inventory.Errorf(inventory.Invalid, "That is when it ends already.")
	}
	changed := q
	changed.ExpiresAt = until
	seen := r.Seen
	if seen != nil {
		at := seen.UTC().Truncate(time.Millisecond)
		seen = &at
	}
	if err := d.Quarantines.RecordEnd(ctx, changed, seen, entry(actor, now, "image.quarantine_end", q.Target(), why, q, changed)); err != nil {
		return inventory.Quarantine{}, err
	}
	d.decided()
	return changed, nil
}

// Release ends a quarantine. It fails with Forbidden, Invalid, NotFound, or
// Conflict when it no longer stands.
func (d Door) Release(ctx context.Context, actor inventory.Actor, id, why string) error {
	now := d.now()
	if err := require(ctx, d.Quarantines.RecordRefusal, actor, inventory.DecideQuarantine, now, id); err != nil {
		return err
	}
	why, err := reason(why)
	if err != nil {
		return err
	}
	q, err := d.Quarantines.Quarantine(ctx, id)
	if err != nil {
		return err
	}
	released := q
	released.ReleasedAt, released.ReleasedBy, released.ReleasedReason = &now, actor.Name, why
	if err := d.Quarantines.RecordRelease(ctx, released, entry(actor, now, "image.release", q.Target(), why, q, released)); err != nil {
		return err
	}
	d.decided()
	return nil
}
