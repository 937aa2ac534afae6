package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// RecordCatalog stores the names of a registry's repositories, in bounded
// transactions, and makes all that it is known to have due, unless the work was
// to list them only. A complete listing marks what is missing from it as gone,
// with its tags, and ends the registry's failure. The registry is due again after its interval and the lease is given
// back; FailRegistry may still follow.
func (d *DB) RecordCatalog(ctx context.Context, w *inventory.RegistryWork, names []string, complete bool, now time.Time) error {
	err := d.recordCatalog(ctx, w, names, complete, now)
	if err != nil {
		return fmt.Errorf("storing the repositories of %s: %w", w.Registry.Name, err)
	}
	return nil
}

func (d *DB) recordCatalog(ctx context.Context, w *inventory.RegistryWork, names []string, complete bool, now time.Time) error {
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)
	for part := range slices.Chunk(names, 500) {
		err := d.sql.Write(ctx, func(tx database.Querier) error {
			if err := d.holdsRegistry(ctx, tx, w); err != nil {
				return err
			}
			return d.recordNames(ctx, tx, w.Registry, part, now)
		})
		if err != nil {
			return err
		}
	}
	if complete {
		listed := make(map[string]bool, len(names))
		for _, n := range names {
			listed[n] = true
		}
		if err := d.dropMissing(ctx, w, listed, now); err != nil {
			return err
		}
	}
	return d.sql.Write(ctx, func(tx database.Querier) error {
		if err := d.holdsRegistry(ctx, tx, w); err != nil {
			return err
		}
		next := now.Add(w.Registry.Interval)
		if w.Relist {
			next = w.Registry.State.NextDueAt
		} else if _, err := tx.ExecContext(ctx, `
			update repositories
			set next_due_at = $1
			where registry_id = $2 and next_due_at > $1 and not gone`, ms(now), w.Registry.ID); err != nil {
			return err
		}
		if complete {
			_, err := tx.ExecContext(ctx, `
				update registries
				set failing_reason = '', failing_message = '', failing_since = null, failing_at = null
				where id = $1`, w.Registry.ID)
			if err != nil {
				return err
			}
			if err := d.registryAnswers(ctx, tx, w.Registry.ID, w.Registry.Name, now); err != nil {
				return err
			}
		}
		if !w.Relist { // here a sync begins, and what earlier ones came to is over
			_, err := tx.ExecContext(ctx, `
				update registries
				set pass_at = $1, cancelled = '', sync_started_at = case when sync_started_at is not null then cast($1 as bigint) end
				where id = $2`, ms(now), w.Registry.ID)
			if err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `
			update registries
			set next_due_at = $1, relist_at = null, lease_owner = '', lease_until = 0
			where id = $2`, ms(next), w.Registry.ID)
		return err
	})
}

// recordNames stores some repositories, those that are new with their teams.
func (d *DB) recordNames(ctx context.Context, tx database.Querier, registry inventory.Registry, names []string, now time.Time) error {
	known := map[string]bool{}
	var back []int64
	err := database.EachIn(ctx, tx, "select id, name, gone from repositories where registry_id = $1 and name in %s", names, func(rows *sql.Rows) error {
		var id int64
		var name string
		var gone bool
		err := rows.Scan(&id, &name, &gone)
		known[name] = true
		if gone {
			back = append(back, id)
		}
		return err
	}, registry.ID)
	if err != nil {
		return err
	}
	for _, id := range back {
		if err := d.returnRepository(ctx, tx, id, now); err != nil {
			return err
		}
	}
	err = database.ExecIn(ctx, tx, "update repositories set last_seen = $1, unlisted = false where registry_id = $2 and name in %s", names, ms(now), registry.ID)
	if err != nil {
		return err
	}
	teams, err := storedTeams(ctx, tx)
	if err != nil {
		return err
	}
	var fresh, owned [][]any
	for _, name := range names {
		if known[name] {
			continue
		}
		id, full := d.ids.next(now), registry.Name+"/"+name
		fresh = append(fresh, []any{id, registry.ID, name, full, ms(now), ms(now), ms(now), ms(now)})
		for _, team := range teamsOf(teams, full) {
			owned = append(owned, []any{id, team})
		}
	}
	err = database.Insert(ctx, tx, "insert into repositories (id, registry_id, name, full_name, first_seen, last_seen, read_at, next_due_at)", fresh, "")
	if err != nil {
		return err
	}
	if err := database.Insert(ctx, tx, "insert into team_repositories (repository_id, team)", owned, ""); err != nil {
		return err
	}
	return d.countRepositories(ctx, tx, registry.ID, len(fresh), now)
}

// dropMissing marks repositories that a complete listing doesn't have as gone,
// one transaction each: its tags vanish, and what was known stays. Those that
// were found through a hint, and that no listing has named yet, are left: they
// may be younger than the listing, or hidden from it, and a look at them says
// when they are gone.
func (d *DB) dropMissing(ctx context.Context, w *inventory.RegistryWork, listed map[string]bool, now time.Time) error {
	type repository struct {
		id    int64
		name  string
		found bool
	}
	var all []repository
	err := database.Each(ctx, d.sql.Reader, `
		select id, name, unlisted and (synced_at is not null or hinted_at is not null)
		from repositories
		where registry_id = $1 and not gone
		order by id`, database.ScanInto(&all, func(r *repository) []any { return []any{&r.id, &r.name, &r.found} }), w.Registry.ID)
	if err != nil {
		return d.sql.Explain(err)
	}
	for _, r := range all {
		if listed[r.name] || r.found && inventory.MatchAny(w.Registry.Repositories, r.name) {
			continue
		}
		err := d.sql.Write(ctx, func(tx database.Querier) error {
			if err := d.holdsRegistry(ctx, tx, w); err != nil {
				return err
			}
			return d.dropRepository(ctx, tx, w.Registry.ID, r.id, now)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dropRepository marks a repository as gone. A look that is going on has lost
// its lease: what it found is gone.
func (d *DB) dropRepository(ctx context.Context, tx database.Querier, registryID, id int64, now time.Time) error {
	gone, err := database.Changed(tx.ExecContext(ctx, `
		update repositories
		set gone = true, gone_at = $1, next_due_at = $2, hinted_at = null, lease_token = lease_token + 1, lease_owner = '', lease_until = 0
		where id = $3 and not gone`, ms(now), never, id))
	if err != nil {
		return err
	}
	if err := d.countRepositories(ctx, tx, registryID, -gone, now); err != nil {
		return err
	}
	return d.dropTags(ctx, tx, id, func(string) bool { return true }, false, now)
}
