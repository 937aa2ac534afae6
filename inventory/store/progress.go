package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// SyncState says how far the sync of a registry is, of what the scope holds:
// the scope names the registry. What isn't due was read, by whichever process,
// before a crash or after.
func (d *DB) SyncState(ctx context.Context, scope inventory.SyncScope, now time.Time) (inventory.SyncState, error) {
	var s inventory.SyncState
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		var id int64
		var rows inventory.Progress
		if id, rows, s, err = d.syncState(ctx, q, scope, now); err != nil {
			return err
		}
		s.Progress, err = together(ctx, q, id, rows, s.BeganAt)
		return err
	})
	if err != nil {
		return s, fmt.Errorf("reading how far the sync of %s is: %w", scope.Registry, err)
	}
	return s, nil
}

// syncState reads the state without its progress, of which it counts what the
// rows of repositories say.
func (d *DB) syncState(ctx context.Context, q database.Querier, scope inventory.SyncScope, now time.Time) (id int64, rows inventory.Progress, s inventory.SyncState, err error) {
	var (
		began     int64
		cancelled string
	)
	err = q.QueryRowContext(ctx, "select id, pass_at, cancels, cancelled from registries where name = $1 and not removed", scope.Registry).
		Scan(&id, &began, &s.Cancels, &cancelled)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, rows, s, unknownRegistry(scope.Registry)
	}
	if err != nil {
		return 0, rows, s, err
	}
	if began > 0 {
		at := timeOf(began)
		s.BeganAt = &at
	}
	if err := fromJSON(cancelled, &s.Cancelled); err != nil {
		return 0, rows, s, err
	}
	rows, err = remaining(ctx, q, id, scope, now)
	return id, rows, s, err
}

// together is what rows and processes together say.
func together(ctx context.Context, q database.Querier, registry int64, rows inventory.Progress, began *time.Time) (inventory.Progress, error) {
	list, err := workersOf(ctx, q, registry)
	p, _ := list.complete(rows, began)
	p.Registry = rows.Registry
	return p, err
}

func unknownRegistry(name string) error {
	return inventory.Errorf(inventory.NotFound, "There is no registry called %q.", inventory.Visible(name))
}

// remaining counts the repositories of a registry that the scope holds: those
// that aren't due were read. It reads an index of as many entries as the
// registry has repositories, and no row.
func remaining(ctx context.Context, q database.Querier, registry int64, scope inventory.SyncScope, now time.Time) (inventory.Progress, error) {
	p := inventory.Progress{Registry: scope.Registry}
	var left, tagsLeft int
	if scope.Repository == "" {
		err := q.QueryRowContext(ctx, `
			select count(*), coalesce(sum(tag_count), 0)
			from repositories
			where registry_id = $1 and not gone`, registry).Scan(&p.Listed, &p.Known)
		if err == nil {
			err = q.QueryRowContext(ctx, `
				select count(*), coalesce(sum(tag_count), 0), count(*) - count(tag_count)
				from repositories
				where registry_id = $1 and not gone and next_due_at <= $2`, registry, ms(now)).Scan(&left, &tagsLeft, &p.Unread)
		}
		if err != nil {
			return p, err
		}
	} else {
		err := database.Each(ctx, q, `
			select name, next_due_at, tag_count
			from repositories
			where registry_id = $1 and not gone`, func(rows *sql.Rows) error {
			var name string
			var due int64
			var tags sql.NullInt64
			if err := rows.Scan(&name, &due, &tags); err != nil || !scope.Holds(scope.Registry, name) {
				return err
			}
			p.Listed++
			p.Known += int(tags.Int64)
			if due <= ms(now) {
				left++
				tagsLeft += int(tags.Int64)
				if !tags.Valid {
					p.Unread++
				}
			}
			return nil
		}, registry)
		if err != nil {
			return p, err
		}
	}
	p.Repositories, p.Done = p.Listed-left, p.Known-tagsLeft
	return p, nil
}

// worker is what one process last said of a sync.
type worker struct {
	began, at int64
	running   bool
	progress  inventory.Progress
}

type workers []worker

func workersOf(ctx context.Context, q database.Querier, registry int64) (workers, error) {
	var list workers
	err := database.Each(ctx, q, `
		select pass_at, updated_at, running, progress
		from sync_workers
		where registry_id = $1
		order by updated_at desc, owner`, func(rows *sql.Rows) error {
		var w worker
		var text string
		if err := rows.Scan(&w.began, &w.at, &w.running, &text); err != nil {
			return err
		}
		err := fromJSON(text, &w.progress)
		list = append(list, w)
		return err
	}, registry)
	return list, err
}

// complete adds what processes said to what rows say: what those that are at
// work have in hand, and what all of them counted in this sync. reported is
// when one of them last said so.
func (list workers) complete(rows inventory.Progress, began *time.Time) (p inventory.Progress, reported *time.Time) {
	p = rows
	if len(list) == 0 {
		return p, nil
	}
	latest := timeOf(list[0].at)
	for _, w := range list {
		said := w.progress
		if !w.running || latest.Sub(timeOf(w.at)) > inventory.SilentAfter {
			said.Repository, said.Done, said.Known, said.Unread = "", 0, 0, 0
		}
		if began != nil && w.began != ms(*began) { // of an earlier sync
			said = inventory.Progress{Repository: said.Repository, Done: said.Done, Known: said.Known, Unread: said.Unread}
		}
		said.Repositories, said.Listed = 0, 0
		p = said.Add(p) // the name of whoever spoke last
	}
	p.Known = max(p.Known, p.Done)
	p.Unread = max(p.Unread, 0)
	return p, &latest
}

// RecordProgress notes what a process says of its part in a sync, and answers
// how far the whole of it is. When everything that the registry has was read
// since the sync began, and nothing of it is failing, that was a complete sync.
func (d *DB) RecordProgress(ctx context.Context, r inventory.SyncReport, now time.Time) (inventory.SyncState, error) {
	var state inventory.SyncState
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		id, rows, s, err := d.syncState(ctx, tx, inventory.SyncScope{Registry: r.Registry}, now)
		if err != nil {
			return err
		}
		began := int64(0)
		if s.BeganAt != nil {
			began = ms(*s.BeganAt)
		}
		running := r.Running && r.Cancels == s.Cancels
		err = database.Insert(ctx, tx, "insert into sync_workers (registry_id, owner, pass_at, running, updated_at, progress)",
			[][]any{{id, r.Owner, began, running, ms(now), jsonOf(r.Progress)}},
			`on conflict (registry_id, owner) do update
			set pass_at = excluded.pass_at, running = excluded.running, updated_at = excluded.updated_at, progress = excluded.progress`)
		if err != nil {
			return err
		}
		// A process that was killed still says that it runs: it has nothing left to
		// do when there is nothing.
		_, err = tx.ExecContext(ctx, `
			update registries
			set progress = $1,
			    sync_started_at = case
			      when $2 then coalesce(sync_started_at, $3)
			      when $6 and exists (select 1 from sync_workers w where w.registry_id = $4 and w.running and w.updated_at > $5) then sync_started_at
			    end
			where id = $4`, jsonOf(rows), running, ms(now), id, ms(now.Add(-inventory.SilentAfter)), rows.Repositories < rows.Listed)
		if err != nil {
			return err
		}
		if err := completed(ctx, tx, id, now); err != nil {
			return err
		}
		state = s
		state.Progress, err = together(ctx, tx, id, rows, s.BeganAt)
		return err
	})
	if err != nil {
		return state, fmt.Errorf("storing the progress of %s: %w", r.Registry, err)
	}
	return state, nil
}

// completed notes, once per sync, that it was a complete one. What is due again
// by then doesn't matter: a slow registry would never be done.
func completed(ctx context.Context, tx database.Querier, registry int64, now time.Time) error {
	_, err := tx.ExecContext(ctx, `
		update registries
		set last_complete_at = $1
		where id = $2 and pass_at > 0 and (last_complete_at is null or last_complete_at < pass_at) and failing_since is null
		  and not exists (select 1 from repositories r where r.registry_id = $2 and not r.gone and r.read_at < registries.pass_at)
		  and not exists (select 1 from repositories r where r.registry_id = $2 and not r.gone and r.synced_at is null)
		  and not exists (select 1 from repositories r where r.registry_id = $2 and not r.gone and r.failing_since is not null)`, ms(now), registry)
	return err
}

// RecordSyncRequest makes a registry due now, with the entry that says who
// asked. It fails with NotFound when no registry is called that.
func (d *DB) RecordSyncRequest(ctx context.Context, registry string, now time.Time, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		known, err := database.Value[bool](ctx, tx, "select exists (select 1 from registries where name = $1 and not removed)", registry)
		if err != nil {
			return err
		}
		if !known {
			return unknownRegistry(registry)
		}
		if err := d.makeDue(ctx, tx, inventory.SyncScope{Registry: registry}, now); err != nil {
			return err
		}
		return d.appendAudit(ctx, tx, entry)
	})
	if err != nil {
		return fmt.Errorf("storing the request for a sync: %w", err)
	}
	return nil
}

// RecordCancellation ends the sync of a registry, with the entry that says who
// did: what is being read or listed loses its lease, so that nothing more of it
// is stored, and what is left waits for the next sync. Nothing that is known
// changes, and what a hint has made urgent stays so. It fails with NotFound when
// no registry is called that, and with Conflict when there is nothing to end.
func (d *DB) RecordCancellation(ctx context.Context, registry string, now time.Time, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		var id, interval, due int64
		var started sql.NullInt64
		err := tx.QueryRowContext(ctx, `
			select id, interval_ms, next_due_at, sync_started_at
			from registries
			where name = $1 and not removed`+d.sql.ForUpdate, registry).Scan(&id, &interval, &due, &started)
		if errors.Is(err, sql.ErrNoRows) {
			return unknownRegistry(registry)
		}
		if err != nil {
			return err
		}
		rows, err := remaining(ctx, tx, id, inventory.SyncScope{Registry: registry}, now)
		if err != nil {
			return err
		}
		if !started.Valid && due > ms(now) && rows.Repositories == rows.Listed {
			return inventory.Errorf(inventory.Conflict, "No sync of %s is running: there is nothing to cancel.", inventory.Visible(registry))
		}
		if due <= ms(now) {
			due = ms(now) + interval
		}
		_, err = tx.ExecContext(ctx, `
			update repositories
			set next_due_at = $1, lease_token = lease_token + 1, lease_owner = '', lease_until = 0
			where registry_id = $2 and not gone and next_due_at <= $3 and hinted_at is null`, due, id, ms(now))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			update registries
			set next_due_at = $1, lease_token = lease_token + 1, lease_owner = '', lease_until = 0,
			    cancels = cancels + 1, cancelled = $2, sync_started_at = null, progress = $3
			where id = $4`, due,
			jsonOf(inventory.Cancellation{By: entry.Actor.Name, At: now.UTC(), Read: rows.Repositories, Of: rows.Listed}), jsonOf(rows), id)
		if err != nil {
			return err
		}
		return d.appendAudit(ctx, tx, entry)
	})
	if err != nil {
		return fmt.Errorf("storing a cancellation: %w", err)
	}
	return nil
}

// KnownRepository is the name of a repository of a registry that was read, or
// of any; empty when none is known.
func (d *DB) KnownRepository(ctx context.Context, registry string) (string, error) {
	var name string
	err := d.sql.Read(ctx, func(q database.Querier) error {
		var err error
		name, err = database.Value[string](ctx, q, `
			select r.name
			from repositories r
			join registries g on g.id = r.registry_id
			where g.name = $1 and not g.removed and not r.gone
			order by r.read_at desc
			limit 1`, registry)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return name, err
}
