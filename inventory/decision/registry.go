package decision

import (
	"context"

	"signboard/inventory"
)

// SyncNow makes a registry due now.
func (d Door) SyncNow(ctx context.Context, actor inventory.Actor, registry string) error {
	now := d.now()
	if err := require(ctx, d.Registries.RecordRefusal, actor, inventory.SyncNow, now, registry); err != nil {
		return err
	}
	if err := d.Registries.RecordSyncRequest(ctx, registry, now, entry(actor, now, "registry.sync", registry, "", nil, nil)); err != nil {
		return err
	}
	d.decided()
	return nil
}

// CancelSync ends the sync of a registry. What was read stays, what is being
// read is given back, and the rest waits for the next sync. With none going on
// it fails with Conflict.
func (d Door) CancelSync(ctx context.Context, actor inventory.Actor, registry string) error {
	now := d.now()
	if err := require(ctx, d.Registries.RecordRefusal, actor, inventory.SyncNow, now, registry); err != nil {
		return err
	}
	return d.Registries.RecordCancellation(ctx, registry, now, entry(actor, now, "registry.cancel", registry, "", nil, nil))
}

// TryRegistry has somebody who may see whether a registry's credentials work.
// It changes nothing, so only a refusal is written down.
func (d Door) TryRegistry(ctx context.Context, actor inventory.Actor, registry string) ([]inventory.Step, error) {
	if err := require(ctx, d.Registries.RecordRefusal, actor, inventory.TryRegistry, d.now(), registry); err != nil {
		return nil, err
	}
	return d.Try(ctx, registry)
}
