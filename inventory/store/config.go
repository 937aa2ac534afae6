package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// never is a due time that doesn't come.
const never = math.MaxInt64

// ApplyConfig makes the inventory hold the configured registries and teams. A
// registry that is no longer configured disappears from lists and counts, and
// is back with all that was known when it is configured again. What another
// process of the same configuration did already costs nothing; one that was cut
// short is made up for at the next call.
func (d *DB) ApplyConfig(ctx context.Context, registries []inventory.Registry, teams []inventory.Team, now time.Time) error {
	rest, err := d.BeginConfig(ctx, registries, teams, now)
	if err != nil || rest == nil {
		return err
	}
	return rest(ctx)
}

// BeginConfig is the part of ApplyConfig that takes the same short time whatever
// the inventory holds, and answers with the rest, nil when there is none: registries
// that went or came back, and teams that own other repositories. Until the rest is
// done, those are shown as they were. Whoever is cut short calls ApplyConfig or
// BeginConfig again.
func (d *DB) BeginConfig(ctx context.Context, registries []inventory.Registry, teams []inventory.Team, now time.Time) (rest func(context.Context) error, err error) {
	type stored struct {
		id      int64
		name    string
		config  string
		removed bool
	}
	var known []stored
	err = database.Each(ctx, d.sql.Reader, "select id, name, url || ' ' || repositories || ' ' || tags, removed from registries order by id",
		database.ScanInto(&known, func(s *stored) []any { return []any{&s.id, &s.name, &s.config, &s.removed} }))
	if err != nil {
		return nil, d.sql.Explain(fmt.Errorf("reading registries: %w", err))
	}
	byName := map[string]stored{}
	for _, s := range known {
		byName[s.name] = s
	}
	var steps []func(context.Context) error
	for _, r := range registries {
		is, ok := byName[r.Name]
		delete(byName, r.Name)
		globs, tags := jsonOf(r.Repositories), jsonOf(r.Tags)
		changed := !ok || is.removed || is.config != r.URL+" "+globs+" "+tags
		step := func(ctx context.Context) error {
			if is.removed {
				if err := d.returnRegistry(ctx, is.id, now); err != nil {
					return fmt.Errorf("taking registry %s back: %w", r.Name, err)
				}
			}
			err := d.sql.Write(ctx, func(tx database.Querier) error {
				due := "registries.next_due_at"
				if changed {
					due = "excluded.next_due_at"
				}
				return database.Insert(ctx, tx, "insert into registries (id, name, url, interval_ms, repositories, tags, next_due_at)",
					[][]any{{d.ids.next(now), r.Name, r.URL, r.Interval.Milliseconds(), globs, tags, ms(now)}}, `
					on conflict (name) do update set
					  url = excluded.url, interval_ms = excluded.interval_ms, repositories = excluded.repositories, tags = excluded.tags,
					  removed = false, next_due_at = `+due)
			})
			if err != nil {
				return fmt.Errorf("storing registry %s: %w", r.Name, err)
			}
			return nil
		}
		if is.removed {
			steps = append(steps, step)
		} else if err := step(ctx); err != nil {
			return nil, err
		}
	}
	gone := make([]stored, 0, len(byName))
	for _, s := range byName {
		gone = append(gone, s)
	}
	slices.SortFunc(gone, func(a, b stored) int { return int(a.id - b.id) })
	for _, s := range gone {
		steps = append(steps, func(ctx context.Context) error {
			if err := d.removeRegistry(ctx, s.id, now); err != nil {
				return fmt.Errorf("taking registry %s out: %w", s.name, err)
			}
			return nil
		})
	}
	give, err := d.beginTeams(ctx, teams, now)
	if err != nil {
		return nil, fmt.Errorf("storing teams: %w", err)
	}
	if give != nil {
		steps = append(steps, func(ctx context.Context) error {
			if err := give(ctx); err != nil {
				return fmt.Errorf("giving repositories to teams: %w", err)
			}
			return nil
		})
	}
	if len(steps) == 0 {
		return nil, nil
	}
	return func(ctx context.Context) error {
		for _, step := range steps {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// removeRegistry takes a registry out of work, lists and counts, its images in
// bounded batches.
func (d *DB) removeRegistry(ctx context.Context, id int64, now time.Time) error {
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		if _, err := tx.ExecContext(ctx, "update registries set removed = true, next_due_at = $1 where id = $2", never, id); err != nil {
			return err
		}
		gone, err := database.Changed(tx.ExecContext(ctx, "update repositories set gone = true, next_due_at = $1 where registry_id = $2 and not gone", never, id))
		if err != nil {
			return err
		}
		return d.countRepositories(ctx, tx, id, -gone, now)
	})
	for more := true; more && err == nil; {
		err = d.sql.Write(ctx, func(tx database.Querier) error {
			ids, err := database.Column[int64](ctx, tx, "select id from images where registry_id = $1 and listed order by id limit $2", id, failBatch)
			if err != nil {
				return err
			}
			more = len(ids) > 0
			c := d.changes(tx, now)
			if err := load(ctx, c, "id in %s", ids); err != nil {
				return err
			}
			for _, r := range c.rows {
				r.Listed = false
			}
			return c.save(ctx)
		})
	}
	return err
}

// returnRegistry puts back what removeRegistry took out: the repositories that
// have tags, with their images. Others come back with the next listing.
func (d *DB) returnRegistry(ctx context.Context, id int64, now time.Time) error {
	repositories, err := database.Column[int64](ctx, d.sql.Reader, `
		select id
		from repositories r
		where registry_id = $1 and exists (select 1 from tags t where t.repository_id = r.id)
		order by id`, id)
	if err != nil {
		return d.sql.Explain(err)
	}
	for _, repository := range repositories {
		if err := d.sql.Write(ctx, func(tx database.Querier) error { return d.returnRepository(ctx, tx, repository, now) }); err != nil {
			return err
		}
	}
	return nil
}

// returnRepository puts a repository that was gone back to work, due now, and
// its tagged images into the lists.
func (d *DB) returnRepository(ctx context.Context, tx database.Querier, id int64, now time.Time) error {
	registry, err := database.Value[int64](ctx, tx, "update repositories set gone = false, gone_at = null, last_seen = $1, next_due_at = $1 where id = $2 and gone returning registry_id", ms(now), id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // it is back already
	}
	if err != nil {
		return err
	}
	if err := d.countRepositories(ctx, tx, registry, 1, now); err != nil {
		return err
	}
	c := d.changes(tx, now)
	if err := load(ctx, c, "id in (select image_id from tags where repository_id in %s)", []int64{id}); err != nil {
		return err
	}
	if err := c.relist(ctx, c.order, true); err != nil {
		return err
	}
	return c.save(ctx)
}
