package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const (
	// maxUnlisted is how many repositories of a registry may wait for the first
	// look that a hint asked for. Whoever may send hints can name any number that
	// the registry doesn't have; what is left out is found by the next listing.
	maxUnlisted = 1000
	// settle is how long after a hint the look begins. Registries tell of a push
	// before they show it (distribution before it writes the tag), and of one push
	// several times.
	settle = time.Second
	// hintedRetry is how long a repository waits that could not be read, and that
	// a hint named meanwhile.
	hintedRetry = 10 * time.Second
)

// Hint makes repositories of a registry the first to be read, of any number of
// hints about one only once. One that isn't known yet is stored; at most
// maxUnlisted such wait at a time, and the others are ignored. The look that
// follows begins a second after this call: one that is going on is followed by
// another. A registry that isn't configured, and hints that are waiting already,
// cost nothing.
func (d *DB) Hint(ctx context.Context, registry string, hints []inventory.Hint, now time.Time) (ignored int, err error) {
	deleted := map[string]bool{} // whether that is all that is said of a repository
	var names []string
	for _, h := range hints {
		if was, ok := deleted[h.Repository]; !ok {
			names = append(names, h.Repository)
			deleted[h.Repository] = h.Deleted
		} else {
			deleted[h.Repository] = was && h.Deleted
		}
	}
	slices.Sort(names) // processes that note the same ones don't lock each other out
	var registryID int64
	var ids []int64
	var fresh []string
	err = d.sql.Read(ctx, func(q database.Querier) (err error) {
		registryID, err = database.Value[int64](ctx, q, "select id from registries where name = $1 and not removed", registry)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		known := map[string]bool{}
		err = database.EachIn(ctx, q, `
			select id, name, hinted_at is not null and hint_token = lease_token and not hint_echo
			from repositories
			where registry_id = $1 and not gone and name in %s`, names, func(rows *sql.Rows) error {
			var id int64
			var name string
			var waiting bool
			err := rows.Scan(&id, &name, &waiting)
			known[name] = true
			if !waiting {
				ids = append(ids, id)
			}
			return err
		}, registryID)
		slices.Sort(ids)
		for _, name := range names {
			if !known[name] && !deleted[name] {
				fresh = append(fresh, name)
			}
		}
		return err
	})
	if err != nil || registryID == 0 || len(ids) == 0 && len(fresh) == 0 {
		return 0, wrapHint(registry, err)
	}
	err = d.sql.Write(ctx, func(tx database.Querier) error {
		ignored = 0
		if err := database.ExecIn(ctx, tx, hintRepositories+" and id in %s", ids, ms(now.Add(settle))); err != nil || len(fresh) == 0 {
			return err
		}
		waiting, err := database.Value[int](ctx, tx, "select count(*) from repositories where registry_id = $1 and unlisted and not gone and synced_at is null", registryID)
		if err != nil {
			return err
		}
		names := fresh[:min(len(fresh), max(0, maxUnlisted-waiting))]
		ignored = len(fresh) - len(names)
		if len(names) == 0 {
			return nil
		}
		if err := d.recordNames(ctx, tx, inventory.Registry{ID: registryID, Name: registry}, names, now); err != nil {
			return err
		}
		err = database.ExecIn(ctx, tx, "update repositories set unlisted = true where registry_id = $1 and name in %s", names, registryID)
		if err != nil {
			return err
		}
		return database.ExecIn(ctx, tx, hintRepositories+" and registry_id = $2 and name in %s", names, ms(now.Add(settle)), registryID)
	})
	return ignored, wrapHint(registry, err)
}

const hintRepositories = `
	update repositories
	set hinted_at = case when hinted_at is null or hint_echo or hinted_at > $1 then $1 else hinted_at end,
	    hint_token = lease_token, hint_echo = false, next_due_at = case when next_due_at > $1 then $1 else next_due_at end
	where not gone and (hinted_at is null or hint_token <> lease_token or hint_echo)`

func wrapHint(registry string, err error) error {
	if err != nil {
		return fmt.Errorf("noting hints about %s: %w", registry, err)
	}
	return nil
}

// afterLook is what the end of a look sets of when the next one is: the parameter
// soon when a hint came after its beginning, and otherwise next. keep says
// whether that hint still goes before everything else.
func afterLook(soon, next string, keep bool) string {
	hinted := "null"
	if keep {
		hinted = "case when hint_token = lease_token then hinted_at else null end"
	}
	return "next_due_at = case when hinted_at is not null and hint_token = lease_token then cast(" + soon + " as bigint) else cast(" + next + " as bigint) end, " +
		"hint_echo = false, hinted_at = " + hinted
}

// Hinted lists the registries that have something for ClaimHinted or
// ClaimRelisting.
func (d *DB) Hinted(ctx context.Context, now time.Time) ([]string, error) {
	list, err := database.Column[string](ctx, d.sql.Reader, `
		select name
		from registries g
		where not removed and (relist_at <= $1 and lease_until <= $1
		  or exists (select 1 from repositories r where r.registry_id = g.id and r.hinted_at <= $1 and not r.gone and r.lease_until <= $1))
		order by name`, ms(now))
	if err != nil {
		return nil, d.sql.Explain(fmt.Errorf("looking for hints: %w", err))
	}
	return list, nil
}

// ClaimHinted leases the repository of a registry that was hinted at longest
// ago, whenever it was due, nil when there is none. The hint is answered by a look
// that ends; until then whoever takes the lease over finds it again.
func (d *DB) ClaimHinted(ctx context.Context, owner, registry string, now time.Time, lease time.Duration) (*inventory.RepositoryWork, error) {
	return d.claimRepository(ctx, owner, now, lease, func(tx database.Querier) (int64, error) {
		id, err := database.Value[int64](ctx, tx, `
			select r.id
			from repositories r
			where r.registry_id = (select id from registries where name = $1 and not removed)
			  and r.hinted_at <= $2 and not r.gone and r.lease_until <= $2
			order by r.hinted_at, r.id
			limit 1`+d.sql.ForUpdateSkip, registry, ms(now))
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil
		}
		return id, err
	})
}

// Echo ends a look that a hint asked for, unless it has ended, and has another
// one follow at a time: it found nothing new, and may have come too soon. A hint
// that came meanwhile, or a look that began, has that one's effect instead.
func (d *DB) Echo(ctx context.Context, w *inventory.RepositoryWork, at time.Time) error {
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		_, err := tx.ExecContext(ctx, `
			update repositories
			set hinted_at = $1, hint_token = lease_token, hint_echo = true,
			    next_due_at = case when lease_until > 0 or next_due_at > $1 then $1 else next_due_at end,
			    lease_owner = '', lease_until = 0
			where id = $2 and lease_token = $3 and not gone and (lease_until > 0 or hinted_at is null)`,
			ms(at), w.Repository.ID, w.Lease.Token)
		return err
	})
	if err != nil {
		return fmt.Errorf("having %s read once more: %w", w.Repository.FullName(), err)
	}
	return nil
}

// Missed notes that a registry doesn't have a repository. The next complete
// listing without it says that it is gone, also when a hint had named it that no
// listing did; and the names are listed at a time, which makes nothing due. It
// fails with ErrLeaseLost.
func (d *DB) Missed(ctx context.Context, w *inventory.RepositoryWork, relist time.Time) error {
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		if _, _, err := d.holds(ctx, tx, w); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "update repositories set unlisted = false where id = $1", w.Repository.ID); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "update registries set relist_at = $1 where id = $2 and not removed and relist_at is null", ms(relist), w.Repository.RegistryID)
		return err
	})
	if err != nil {
		return fmt.Errorf("noting that %s is missing: %w", w.Repository.FullName(), err)
	}
	return nil
}

// ClaimRelisting leases a registry that Missed wants listed, nil when it isn't time.
func (d *DB) ClaimRelisting(ctx context.Context, owner, registry string, now time.Time, lease time.Duration) (*inventory.RegistryWork, error) {
	var work *inventory.RegistryWork
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		work = nil
		r, token, err := scanRegistry(tx.QueryRowContext(ctx, `
			update registries
			set lease_owner = $1, lease_token = lease_token + 1, lease_until = $2
			where name = $3 and not removed and relist_at <= $4 and lease_until <= $4
			returning `+registryColumns, owner, ms(now.Add(lease)), registry, ms(now)))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			work, err = d.registryWork(ctx, tx, r, inventory.Lease{Owner: owner, Token: token, Until: now.Add(lease)})
			work.Relist = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claiming a registry to list again: %w", err)
	}
	return work, nil
}

// DropRepository ends the look at a repository that only a hint named, and that
// the registry doesn't show: it is gone, and forgotten when nothing was ever
// found in it. It fails with ErrLeaseLost.
func (d *DB) DropRepository(ctx context.Context, w *inventory.RepositoryWork, now time.Time) error {
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		if _, _, err := d.holds(ctx, tx, w); err != nil {
			return err
		}
		if err := d.dropRepository(ctx, tx, w.Repository.RegistryID, w.Repository.ID, now); err != nil {
			return err
		}
		empty, err := database.Value[bool](ctx, tx, `
			select not exists (select 1 from images where repository_id = $1)
			   and not exists (select 1 from tag_moves where repository_id = $1)`, w.Repository.ID)
		if err != nil || !empty {
			return err
		}
		if _, err := tx.ExecContext(ctx, "delete from team_repositories where repository_id = $1", w.Repository.ID); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "delete from repositories where id = $1", w.Repository.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("dropping %s: %w", w.Repository.FullName(), err)
	}
	return nil
}
