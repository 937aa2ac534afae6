package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const repositoryColumns = `id, registry_id, name, full_name, first_seen, last_seen, next_due_at, synced_at,
	failing_reason, failing_message, failing_since, failing_at, lease_token, hinted_at, hint_echo, unlisted,
	referrers_absent_at`

func scanRepository(row interface{ Scan(...any) error }) (r inventory.Repository, token int64, err error) {
	var (
		full, message                  string
		reason                         inventory.Reason
		firstSeen, lastSeen, due       int64
		synced, failingSince, failedAt sql.NullInt64
		hinted, absent                 sql.NullInt64
	)
	err = row.Scan(&r.ID, &r.RegistryID, &r.Name, &full, &firstSeen, &lastSeen, &due, &synced,
		&reason, &message, &failingSince, &failedAt, &token, &hinted, &r.Echo, &r.Unlisted, &absent)
	r.HintedAt, r.ReferrersAbsent = timeOrNil(hinted), timeOrNil(absent)
	r.Registry = strings.TrimSuffix(full, "/"+r.Name)
	r.FirstSeen, r.LastSeen, r.NextDueAt, r.SyncedAt = timeOf(firstSeen), timeOf(lastSeen), timeOf(due), timeOrNil(synced)
	r.Failing = failureOf(reason, message, failingSince, failedAt)
	return r, token, err
}

// ClaimRepository leases the repository in the scope that has been due longest,
// with what is known of it, nil when none is due.
func (d *DB) ClaimRepository(ctx context.Context, owner string, scope inventory.SyncScope, now time.Time, lease time.Duration) (*inventory.RepositoryWork, error) {
	return d.claimRepository(ctx, owner, now, lease, func(tx database.Querier) (int64, error) { return d.due(ctx, tx, scope, now) })
}

// claimRepository leases the repository that find finds and locks, nil when it
// finds none.
func (d *DB) claimRepository(ctx context.Context, owner string, now time.Time, lease time.Duration, find func(tx database.Querier) (int64, error)) (*inventory.RepositoryWork, error) {
	var work *inventory.RepositoryWork
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		work = nil
		id, err := find(tx)
		if err != nil || id == 0 {
			return err
		}
		r, token, err := scanRepository(tx.QueryRowContext(ctx, `
			update repositories
			set lease_owner = $1, lease_token = lease_token + 1, lease_until = $2
			where id = $3
			returning `+repositoryColumns, owner, ms(now.Add(lease)), id))
		if err == nil {
			work = &inventory.RepositoryWork{Repository: r, Lease: inventory.Lease{Owner: owner, Token: token, Until: now.Add(lease)}}
		}
		return err
	})
	if err == nil && work != nil {
		err = d.sql.Read(ctx, func(q database.Querier) error { return known(ctx, q, work) })
	}
	if err != nil {
		return nil, fmt.Errorf("claiming a repository: %w", err)
	}
	return work, nil
}

// due finds and locks a repository to claim, 0 when there is none.
func (d *DB) due(ctx context.Context, tx database.Querier, scope inventory.SyncScope, now time.Time) (int64, error) {
	type candidate struct {
		id, due  int64
		registry string
		name     string
	}
	registry := int64(0)
	if scope.Registry != "" {
		var err error
		registry, err = database.Value[int64](ctx, tx, "select id from registries where name = $1 and not removed", scope.Registry)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
	}
	limit := 1
	if scope.Repository != "" {
		limit = 500 // a pattern is matched here, not in SQL
	}
	dueAt, id := int64(math.MinInt64), int64(0)
	for {
		var page []candidate
		query, args := `
			select id, next_due_at, full_name, name
			from repositories
			where not gone and next_due_at <= $1 and (next_due_at, id) > ($2, $3) and lease_until <= $1
			  and (hinted_at is null or hinted_at <= $1)`,
			[]any{ms(now), dueAt, id, limit}
		if registry != 0 {
			query, args = query+" and registry_id = $5", append(args, registry)
		}
		err := database.Each(ctx, tx, query+`
			order by next_due_at, id
			limit $4`+d.sql.ForUpdateSkip, database.ScanInto(&page, func(c *candidate) []any { return []any{&c.id, &c.due, &c.registry, &c.name} }), args...)
		if err != nil || len(page) == 0 {
			return 0, err
		}
		for _, c := range page {
			if scope.Holds(strings.TrimSuffix(c.registry, "/"+c.name), c.name) {
				return c.id, nil
			}
		}
		dueAt, id = page[len(page)-1].due, page[len(page)-1].id
	}
}

// known fills in what earlier looks at a repository left behind.
func known(ctx context.Context, q database.Querier, w *inventory.RepositoryWork) error {
	w.Tags, w.Images = map[string]inventory.Digest{}, map[inventory.Digest]inventory.KnownImage{}
	err := database.Each(ctx, q, "select name, digest from tags where repository_id = $1", func(rows *sql.Rows) error {
		var name string
		var digest inventory.Digest
		err := rows.Scan(&name, &digest)
		w.Tags[name] = digest
		return err
	}, w.Repository.ID)
	if err != nil {
		return err
	}
	platforms := map[int64][]inventory.Platform{}
	err = database.Each(ctx, q, `
		select image_id, platform, digest, media_type, size
		from platforms
		where repository_id = $1
		order by image_id, position`, func(rows *sql.Rows) error {
		var id int64
		var p inventory.Platform
		err := rows.Scan(&id, &p.Platform, &p.Digest, &p.MediaType, &p.Size)
		platforms[id] = append(platforms[id], p)
		return err
	}, w.Repository.ID)
	if err != nil {
		return err
	}
	return database.Each(ctx, q, `
		select id, digest, kind, media_type, size, status, fingerprint, trust_revision, recheck_failed
		from images
		where repository_id = $1`, func(rows *sql.Rows) error {
		var digest inventory.Digest
		var k inventory.KnownImage
		err := rows.Scan(&k.ID, &digest, &k.Kind, &k.MediaType, &k.Size, &k.Status, &k.Fingerprint, &k.TrustRevision, &k.Recheck)
		k.Platforms = platforms[k.ID]
		w.Images[digest] = k
		return err
	}, w.Repository.ID)
}

// RenewRepository prolongs a lease, or fails with ErrLeaseLost.
func (d *DB) RenewRepository(ctx context.Context, w *inventory.RepositoryWork, now time.Time, lease time.Duration) error {
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		done, err := tx.ExecContext(ctx, `
			update repositories
			set lease_until = $1
			where id = $2 and lease_token = $3 and lease_until > 0`, ms(now.Add(lease)), w.Repository.ID, w.Lease.Token)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, inventory.ErrLeaseLost)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("renewing the lease of %s: %w", w.Repository.FullName(), err)
	}
	return nil
}

// MakeDue makes the registries and repositories in the scope due now. A scope
// that names one known repository leaves its registry alone; a pattern, or a
// name that isn't known, has the registry listed again.
func (d *DB) MakeDue(ctx context.Context, scope inventory.SyncScope, now time.Time) error {
	err := d.sql.Write(ctx, func(tx database.Querier) error { return d.makeDue(ctx, tx, scope, now) })
	if err != nil {
		return fmt.Errorf("making repositories due: %w", err)
	}
	return nil
}

func (d *DB) makeDue(ctx context.Context, tx database.Querier, scope inventory.SyncScope, now time.Time) error {
	type repository struct {
		id         int64
		full, name string
	}
	var all []repository
	err := database.Each(ctx, tx, `
		select r.id, r.full_name, r.name
		from repositories r
		join registries g on g.id = r.registry_id
		where not r.gone and ($1 = '' or g.name = $1)
		order by r.id`, database.ScanInto(&all, func(r *repository) []any { return []any{&r.id, &r.full, &r.name} }), scope.Registry)
	if err != nil {
		return err
	}
	var ids []int64
	exact := false
	for _, r := range all {
		if scope.Holds(strings.TrimSuffix(r.full, "/"+r.name), r.name) {
			ids = append(ids, r.id)
			exact = exact || string(scope.Repository) == r.name || string(scope.Repository) == r.full
		}
	}
	if err := database.ExecIn(ctx, tx, "update repositories set next_due_at = $1 where next_due_at > $1 and id in %s", ids, ms(now)); err != nil {
		return err
	}
	if exact {
		return nil
	}
	_, err = tx.ExecContext(ctx, `
		update registries
		set next_due_at = $1, cancelled = ''
		where (next_due_at > $1 or cancelled <> '') and not removed and ($2 = '' or name = $2)`, ms(now), scope.Registry)
	return err
}

// NextDue is when something will be due, the zero time when nothing ever is.
// A time that has passed means now.
func (d *DB) NextDue(ctx context.Context) (time.Time, error) {
	earliest := int64(never)
	err := d.sql.Read(ctx, func(q database.Querier) error {
		for _, query := range []string{
			"select min(case when lease_until > next_due_at then lease_until else next_due_at end) from registries where not removed",
			"select min(next_due_at) from (select next_due_at from repositories where not gone and lease_until = 0 order by next_due_at, id limit 1) as r",
			"select min(lease_until) from repositories where lease_until > 0 and not gone",
			"select min(review_at) from images where review_at is not null",
			"select min(0) from (select id from signers where rejudge limit 1) as s",
			`select min((select min(recheck_at) from materials where registry_id = g.id and recheck_at is not null))
			from registries g
			where not g.removed`,
		} {
			at, err := database.Value[sql.NullInt64](ctx, q, query)
			if err != nil {
				return err
			}
			if at.Valid {
				earliest = min(earliest, at.Int64)
			}
		}
		return nil
	})
	if err != nil || earliest == never {
		return time.Time{}, err
	}
	return timeOf(earliest), nil
}

// FailingRepositories are up to most repositories of each registry that can't
// be read, by the registry's name.
func (d *DB) FailingRepositories(ctx context.Context, most int) (map[string][]inventory.Repository, error) {
	found := map[string][]inventory.Repository{}
	err := d.sql.Read(ctx, func(q database.Querier) error {
		registries, err := database.Column[int64](ctx, q, "select id from registries where not removed order by id")
		if err != nil {
			return err
		}
		for _, id := range registries {
			err := database.Each(ctx, q, `
				select `+repositoryColumns+`
				from repositories
				where registry_id = $1 and failing_since is not null and not gone
				order by id
				limit $2`, func(rows *sql.Rows) error {
				r, _, err := scanRepository(rows)
				found[r.Registry] = append(found[r.Registry], r)
				return err
			}, id, most)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// overdue is how many intervals may pass without a complete look before what is
// shown of a repository is stale.
const overdue = 2

// overdueImages counts the images of a scope in repositories that are overdue.
// images is how many it has at all.
func (d *DB) overdueImages(ctx context.Context, q database.Querier, s scope, images int, now time.Time) (int, error) {
	type registry struct{ id, interval int64 }
	var registries []registry
	err := database.Each(ctx, q, "select id, interval_ms from registries where not removed and (cast($1 as bigint) = 0 or id = $1)",
		database.ScanInto(&registries, func(r *registry) []any { return []any{&r.id, &r.interval} }), s.registry)
	if err != nil {
		return 0, err
	}
	total, all := 0, true
	for _, r := range registries {
		var fresh, late bool
		err := q.QueryRowContext(ctx, `
			select exists (select 1 from repositories where registry_id = $1 and not gone and read_at >= $2),
			       exists (select 1 from repositories where registry_id = $1 and not gone and read_at < $2)`,
			r.id, ms(now)-overdue*r.interval).Scan(&fresh, &late)
		if err != nil {
			return 0, err
		}
		all = all && !fresh
		n := 0
		switch {
		case late && !fresh && s.team == "": // a registry that is down: all of its images
			var c inventory.Counts
			c, err = counts(ctx, q, countRegistry, strconv.FormatInt(r.id, 10))
			n = c.Images
		case late:
			n, err = d.overdueIn(ctx, q, r.id, s.team, ms(now)-overdue*r.interval, now)
		}
		if err != nil {
			return 0, err
		}
		total += n
	}
	if all { // nothing was synced for long
		return images, nil
	}
	return total, nil
}

// overdueIn counts the images of a team (of all when it is empty) in the
// repositories of a registry that were last read before a time. Where those are
// many the number is kept for a few seconds: it is on most pages.
func (d *DB) overdueIn(ctx context.Context, q database.Querier, registry int64, team string, before int64, now time.Time) (int, error) {
	const (
		many = 300
		keep = 10 * time.Second
	)
	key := overdueKey{registry, team}
	d.overdueMu.Lock()
	was, ok := d.overdueKept[key]
	d.overdueMu.Unlock()
	if age := now.Sub(was.at); ok && age >= 0 && age < keep {
		return was.images, nil
	}
	query, args := `
		select count(distinct r.id), coalesce(sum(c.n), 0)
		from repositories r
		join counters c on c.kind = 'repository' and c.value = cast(r.id as text) and c.status not in ('quarantined', 'stale')
		where r.registry_id = $1 and not r.gone and r.read_at < $2`, []any{registry, before}
	if team != "" {
		query += " and exists (select 1 from team_repositories t where t.repository_id = r.id and t.team = $3)"
		args = append(args, team)
	}
	var repositories, images int
	if err := q.QueryRowContext(ctx, query, args...).Scan(&repositories, &images); err != nil {
		return 0, err
	}
	d.overdueMu.Lock()
	defer d.overdueMu.Unlock()
	if repositories >= many {
		d.overdueKept[key] = overdueCount{images, now}
	} else {
		delete(d.overdueKept, key)
	}
	return images, nil
}

type overdueKey struct {
	registry int64
	team     string
}

type overdueCount struct {
	images int
	at     time.Time
}
