package decision

import (
	"context"
	"strings"
	"time"

	"signboard/inventory"
)

// QuarantineRequest is what somebody asks to be held: one digest everywhere,
// or whatever a tag of one repository points at.
type QuarantineRequest struct {
	Digest     inventory.Digest
	Repository string // "registry/repository"
	Tag        string
	Reason     string
	ExpiresAt  *time.Time
}

// Quarantine holds images from now on. It fails with Forbidden or Invalid.
func (d Door) Quarantine(ctx context.Context, actor inventory.Actor, r QuarantineRequest) (inventory.Quarantine, error) {
	now := d.now()
	object := string(r.Digest)
	if object == "" {
		object = r.Repository + ":" + r.Tag
	}
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
	switch {
	case r.Digest != "" && (r.Repository != "" || r.Tag != ""):
		return inventory.Quarantine{}, inventory.Errorf(inventory.Invalid, "Quarantine a digest, or a repository and tag, not both.")
	case r.Digest != "":
		if _, err := inventory.ParseDigest(string(r.Digest)); err != nil {
			return inventory.Quarantine{}, err
		}
	case r.Tag == "" || !strings.Contains(r.Repository, "/"):
		return inventory.Quarantine{}, inventory.Errorf(inventory.Invalid, "Say what to quarantine: a digest, or a repository (registry/repository) and a tag.")
	}
	q := inventory.Quarantine{
		ID: newID(), Digest: r.Digest, Repository: r.Repository, Tag: r.Tag,
		Reason: why, By: actor.Name, At: now, ExpiresAt: until,
	}
	if err := d.Quarantines.RecordQuarantine(ctx, q, entry(actor, now, "image.quarantine", object, why, nil, q)); err != nil {
		return inventory.Quarantine{}, err
	}
	d.decided()
	return q, nil
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
	if !q.StandsAt(now) {
		return inventory.Errorf(inventory.Conflict, "This quarantine no longer stands.")
	}
	released := q
	released.ReleasedAt, released.ReleasedBy, released.ReleasedReason = &now, actor.Name, why
	object := string(q.Digest)
	if object == "" {
		object = q.Repository + ":" + q.Tag
	}
	if err := d.Quarantines.RecordRelease(ctx, released, entry(actor, now, "image.release", object, why, q, released)); err != nil {
		return err
	}
	d.decided()
	return nil
}
