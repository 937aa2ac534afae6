package store

import (
	"context"
	"fmt"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const (
	// aheadBy is how far in the future something has to be written before the
	// clock is taken to have been wrong then. Processes differ by less.
	aheadBy = time.Minute
	// longestLease is longer than any lease that is taken.
	longestLease = time.Hour
)

// Rewind takes back what a clock that ran ahead has left behind, and says how
// many images will be judged again for it: verdicts that were passed in what is
// the future now, quarantines that seemed to have run out, days that haven't come,
// leases and due times that nobody would live to see. With a clock that never was wrong it does
// nothing. What was removed because it seemed old stays removed.
func (d *DB) Rewind(ctx context.Context, now time.Time) (int, error) {
	judge, err := d.rewind(ctx, now)
	if err == nil && judge > 0 {
		err = d.clockRewound(ctx, judge, now)
	}
	if err != nil {
		return judge, fmt.Errorf("taking back what a clock that was ahead has left: %w", err)
	}
	return judge, nil
}

func (d *DB) rewind(ctx context.Context, now time.Time) (judge int, err error) {
	if err := d.unlapse(ctx, now); err != nil {
		return 0, err
	}
	if err := d.rewindDays(ctx, now); err != nil {
		return 0, err
	}
	err = d.sql.Write(ctx, func(tx database.Querier) error {
		for _, s := range []struct {
			text  string
			limit time.Duration // what is further ahead than this is wrong
		}{
			{"update repositories set lease_until = 0 where lease_until > $1", longestLease},
			{"update registries set lease_until = 0 where lease_until > $1", longestLease},
			{"update chores set lease_until = 0 where lease_until > $1", longestLease},
			{"update repositories set hinted_at = 0 where hinted_at > $1", aheadBy},
			{"update registries set relist_at = 0 where relist_at > $1", longestLease},
			{"update chores set next_due_at = 0 where next_due_at > $1", pruneEvery + longestLease},
		} {
			if _, err := tx.ExecContext(ctx, s.text, ms(now.Add(s.limit))); err != nil {
				return err
			}
		}
		// A due time is wrong where it was set in what is the future now.
		for _, text := range []string{
			"update repositories set next_due_at = $1 where next_due_at > $2 and (synced_at > $2 or failing_at > $2) and not gone",
			"update registries set next_due_at = $1 where next_due_at > $2 and (pass_at > $2 or failing_at > $2) and not removed",
		} {
			if _, err := tx.ExecContext(ctx, text, ms(now), ms(now.Add(aheadBy))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}

	after := firstID(now.Add(aheadBy))
	for {
		type change struct{ id, image int64 }
		var page []change
		err := d.sql.Read(ctx, func(q database.Querier) error {
			return database.Each(ctx, q, `
				select id, image_id
				from verdict_history
				where id > $1 and at > $2
				order by id
				limit $3`, database.ScanInto(&page, func(c *change) []any { return []any{&c.id, &c.image} }), after, ms(now.Add(aheadBy)), failBatch)
		})
		if err != nil || len(page) == 0 {
			return judge, err
		}
		ids := make([]int64, 0, len(page))
		for _, c := range page {
			ids, after = append(ids, c.image), c.id
		}
		err = d.sql.Write(ctx, func(tx database.Querier) error {
			return database.ExecIn(ctx, tx, "update images set review_at = 0 where status <> '"+string(inventory.Unknown)+"' and id in %s", ids)
		})
		if err != nil {
			return judge, err
		}
		judge += len(ids)
	}
}

// rewindDays forgets the counts of days that haven't come, and has today's be
// those of now. It does nothing where there are none.
func (d *DB) rewindDays(ctx context.Context, now time.Time) error {
	today := now.UTC().Format(dayFormat)
	ahead, err := database.Value[bool](ctx, d.sql.Reader, "select exists (select 1 from daily_counters where kind = 'all' and value = '' and day > $1)", today)
	if err != nil || !ahead {
		return d.sql.Explain(err)
	}
	return d.sql.Write(ctx, func(tx database.Querier) error {
		if _, err := tx.ExecContext(ctx, "delete from daily_counters where day > $1", today); err != nil {
			return err
		}
		d.dayMu.Lock()
		d.day = ""
		d.dayMu.Unlock()
		return d.recordDay(ctx, tx, nil, now)
	})
}

// unlapse has quarantines hold again that were taken for ended.
func (d *DB) unlapse(ctx context.Context, now time.Time) error {
	const early = "lapsed and released_at is null and expires_at > $1"
	for {
		ids, err := database.Column[string](ctx, d.sql.Reader, "select id from quarantines where "+early+" order by id limit 10", ms(now))
		if err != nil || len(ids) == 0 {
			return d.sql.Explain(err)
		}
		err = d.sql.Write(ctx, func(tx database.Querier) error {
			if _, err := lockRevision(ctx, d, tx, "decisions"); err != nil {
				return err
			}
			list, err := quarantines(ctx, tx, early+" and id in %s"+d.sql.ForUpdate, ids, ms(now))
			if err != nil {
				return err
			}
			for _, q := range list {
				if _, err := tx.ExecContext(ctx, "update quarantines set lapsed = false where id = $1", q.ID); err != nil {
					return err
				}
				if err := d.holdPointedAt(ctx, tx, q, now); err != nil { // where the tag moved to meanwhile
					return err
				}
				if err := d.remark(ctx, tx, q.ID, now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
