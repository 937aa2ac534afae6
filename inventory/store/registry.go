package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const registryColumns = `id, name, url, interval_ms, repositories, tags, next_due_at, lease_token,
	failing_reason, failing_message, failing_since, failing_at, sync_started_at, last_complete_at, progress, pass_at, cancelled`

func scanRegistry(row interface{ Scan(...any) error }) (r inventory.Registry, token int64, err error) {
	var (
		interval, due                                  int64
		globs, tags, progress, cancelled               string
		passAt                                         int64
		reason                                         inventory.Reason
		message                                        string
		failingSince, failingAt, startedAt, completeAt sql.NullInt64
	)
	err = row.Scan(&r.ID, &r.Name, &r.URL, &interval, &globs, &tags, &due, &token,
		&reason, &message, &failingSince, &failingAt, &startedAt, &completeAt, &progress, &passAt, &cancelled)
	if err != nil {
		return r, 0, err
	}
	r.Interval = time.Duration(interval) * time.Millisecond
	r.State.NextDueAt = timeOf(due)
	r.State.SyncStartedAt, r.State.LastCompleteAt = timeOrNil(startedAt), timeOrNil(completeAt)
	r.State.Failing = failureOf(reason, message, failingSince, failingAt)
	if passAt > 0 {
		began := timeOf(passAt)
		r.State.BeganAt = &began
	}
	return r, token, errors.Join(fromJSON(globs, &r.Repositories), fromJSON(tags, &r.Tags), fromJSON(progress, &r.State.Progress), fromJSON(cancelled, &r.State.Cancelled))
}

func failureOf(reason inventory.Reason, message string, since, at sql.NullInt64) *inventory.Failure {
	if !since.Valid {
		return nil
	}
	return &inventory.Failure{Reason: reason, Message: message, Since: timeOf(since.Int64), At: timeOf(at.Int64)}
}

// Registries lists the configured registries by name, with their state.
func (d *DB) Registries(ctx context.Context) ([]inventory.Registry, error) {
	var list []inventory.Registry
	err := d.sql.Read(ctx, func(q database.Querier) error {
		list = nil
		err := database.Each(ctx, q, "select "+registryColumns+" from registries where not removed order by name", func(rows *sql.Rows) error {
			r, _, err := scanRegistry(rows)
			list = append(list, r)
			return err
		})
		if err != nil {
			return err
		}
		for i := range list {
			r := &list[i]
			r.State.RepositoryCount, err = database.Value[int](ctx, q, `
				select coalesce(sum(n), 0)
				from counters
				where kind = $1 and value = $2`, countRepositories, strconv.FormatInt(r.ID, 10))
			if err != nil {
				return err
			}
			r.State.FailingRepos, err = database.Value[int](ctx, q, `
				select count(*)
				from repositories
				where registry_id = $1 and failing_since is not null and not gone`, r.ID)
			if err != nil {
				return err
			}
			c, err := counts(ctx, q, countRegistry, fmt.Sprint(r.ID))
			if err != nil {
				return err
			}
			r.State.ImageCount = c.Images
			workers, err := workersOf(ctx, q, r.ID)
			if err != nil {
				return err
			}
			r.State.Progress, r.State.ReportedAt = workers.complete(r.State.Progress, r.State.BeganAt)
		}
		return nil
	})
	return list, err
}

// ClaimRegistry leases the registry that has been due longest, nil when none in
// the scope is due.
func (d *DB) ClaimRegistry(ctx context.Context, owner string, scope inventory.SyncScope, now time.Time, lease time.Duration) (*inventory.RegistryWork, error) {
	var work *inventory.RegistryWork
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		work = nil
		ids, err := database.Column[int64](ctx, tx, `
			select id
			from registries
			where not removed and next_due_at <= $1 and lease_until <= $1 and ($2 = '' or name = $2)
			order by next_due_at, id`, ms(now), scope.Registry)
		if err != nil {
			return err
		}
		for _, id := range ids {
			r, token, err := scanRegistry(tx.QueryRowContext(ctx, `
				update registries
				set lease_owner = $1, lease_token = lease_token + 1, lease_until = $2
				where id = $3 and lease_until <= $4 and next_due_at <= $4
				returning `+registryColumns, owner, ms(now.Add(lease)), id, ms(now)))
			if errors.Is(err, sql.ErrNoRows) { // another process was faster
				continue
			}
			if err == nil {
				work, err = d.registryWork(ctx, tx, r, inventory.Lease{Owner: owner, Token: token, Until: now.Add(lease)})
			}
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claiming a registry: %w", err)
	}
	return work, nil
}

// registryWork is a leased registry with what the listing is compared with.
func (d *DB) registryWork(ctx context.Context, tx database.Querier, r inventory.Registry, lease inventory.Lease) (_ *inventory.RegistryWork, err error) {
	r.State.RepositoryCount, err = database.Value[int](ctx, tx, "select count(*) from repositories where registry_id = $1 and not gone and not unlisted", r.ID)
	return &inventory.RegistryWork{Registry: r, Lease: lease}, err
}

// holdsRegistry fails with ErrLeaseLost unless the registry's lease is still
// the one that was claimed. The row stays locked, and so do the decisions.
func (d *DB) holdsRegistry(ctx context.Context, tx database.Querier, w *inventory.RegistryWork) error {
	token, err := database.Value[int64](ctx, tx, "select lease_token from registries where id = $1 and not removed"+d.sql.ForUpdate, w.Registry.ID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && token != w.Lease.Token {
		return inventory.ErrLeaseLost
	}
	if err == nil {
		_, err = d.decisionsRevision(ctx, tx)
	}
	return err
}

// FailRegistry records that a registry can't be read. What was known stays;
// unless the verdict has no status, its images are given it, in bounded
// batches, and its repositories wait until the registry is tried again at next.
func (d *DB) FailRegistry(ctx context.Context, w *inventory.RegistryWork, failure *inventory.LookError, v inventory.Verdict, next, now time.Time) error {
	holds := func(tx database.Querier) error { return d.holdsRegistry(ctx, tx, w) }
	var err error
	if v.Status != "" {
		err = d.failImages(ctx, "registry_id", w.Registry.ID, failure, v, now, holds)
	}
	if err == nil {
		err = d.sql.Write(ctx, func(tx database.Querier) error {
			if err := holds(tx); err != nil {
				return err
			}
			if v.Status != "" {
				_, err := tx.ExecContext(ctx, `
					update repositories
					set next_due_at = $1
					where registry_id = $2 and next_due_at < $1 and not gone`, ms(next), w.Registry.ID)
				if err != nil {
					return err
				}
			}
			_, err := tx.ExecContext(ctx, `
				update registries
				set failing_reason = $1, failing_message = $2, failing_since = coalesce(failing_since, $3), failing_at = $3,
				    next_due_at = $4, relist_at = null, lease_owner = '', lease_until = 0
				where id = $5`, failure.Reason, failure.Message, ms(now), ms(next), w.Registry.ID)
			if err != nil {
				return err
			}
			return d.registryFails(ctx, tx, w.Registry.ID, w.Registry.Name, failure, now)
		})
	}
	if err != nil {
		return fmt.Errorf("storing the failure of registry %s: %w", w.Registry.Name, err)
	}
	return nil
}
