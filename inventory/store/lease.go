package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// RenewRegistry prolongs the lease of a registry, or fails with ErrLeaseLost. A
// lease of no length gives it back.
func (d *DB) RenewRegistry(ctx context.Context, w *inventory.RegistryWork, now time.Time, lease time.Duration) error {
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		n, err := database.Changed(tx.ExecContext(ctx, `
			update registries
			set lease_until = $1
			where id = $2 and lease_token = $3 and lease_until > 0 and not removed`, ms(now.Add(lease)), w.Registry.ID, w.Lease.Token))
		if err == nil && n == 0 {
			err = inventory.ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("renewing the lease of registry %s: %w", w.Registry.Name, err)
	}
	return nil
}

// Held reports whether registries and repositories in the scope are due that
// nobody can claim now, since somebody works on them, or died while they did, or
// since a hint about them is too fresh.
func (d *DB) Held(ctx context.Context, scope inventory.SyncScope, now time.Time) (registries, repositories bool, err error) {
	err = d.sql.Read(ctx, func(q database.Querier) (err error) {
		registries, err = database.Value[bool](ctx, q, `
			select exists (select 1 from registries
			  where not removed and next_due_at <= $1 and lease_until > $1 and ($2 = '' or name = $2))`, ms(now), scope.Registry)
		if err != nil {
			return err
		}
		type repository struct{ full, name string }
		var leased []repository
		err = database.Each(ctx, q, `
			select full_name, name
			from repositories
			where not gone and next_due_at <= $1 and (lease_until > $1 or hinted_at > $1)`,
			database.ScanInto(&leased, func(r *repository) []any { return []any{&r.full, &r.name} }), ms(now))
		for _, r := range leased {
			repositories = repositories || scope.Holds(strings.TrimSuffix(r.full, "/"+r.name), r.name)
		}
		return err
	})
	if err != nil {
		return false, false, fmt.Errorf("looking for leases: %w", err)
	}
	return registries, repositories, nil
}
