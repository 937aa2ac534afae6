package store

import (
	"context"
	"math"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// An image's row is marked with the quarantine that holds it, for lists and
// counters. What a page or a check says of one image doesn't go by the mark but by
// quarantine_digests, and so is right at once; marks follow in bounded batches.

// lapseAfter is how long after its end a quarantine still marks its images. It
// counts for nothing in that time; the marks are there in case it was the clock
// that was wrong.
const lapseAfter = 7 * 24 * time.Hour

// markBatch is how many images are marked in one transaction: few enough that
// nobody waits for it noticeably.
const markBatch = 500

// allMarked is a quarantine_digests.marked with nothing left to do.
const allMarked = math.MaxInt64

// mark finds out again which quarantine holds each of the images: of those
// that stand, the one that lasts longest, so that when it has run out all have.
func (c *changeSet) mark(ctx context.Context, ids []int64) error {
	digests := make([]inventory.Digest, 0, len(ids))
	for _, id := range ids {
		digests = append(digests, c.rows[id].Digest)
	}
	held, err := holding(ctx, c.tx, digests)
	if err != nil {
		return err
	}
	for _, id := range ids {
		c.rows[id].Quarantine.String, c.rows[id].Quarantine.Valid = "", false
		if q := longest(held[c.rows[id].Digest], c.now.Add(-lapseAfter)); q != nil {
			c.rows[id].Quarantine.String, c.rows[id].Quarantine.Valid = q.ID, true
		}
	}
	return nil
}

// settle marks images of digests whose marks are behind, those of one quarantine
// or, with an empty id, of any: at most markBatch of them. It reports whether some
// may be left.
func (c *changeSet) settle(ctx context.Context, quarantine string) (more bool, err error) {
	type row struct {
		id     string
		digest inventory.Digest
		marked int64
	}
	var behind []row
	err = database.Each(ctx, c.tx, `
		select quarantine_id, digest, marked
		from quarantine_digests
		where marked < 9223372036854775807 and ($1 = '' or quarantine_id = $1)
		order by quarantine_id, digest
		limit 100`+c.d.sql.ForUpdate, database.ScanInto(&behind, func(r *row) []any { return []any{&r.id, &r.digest, &r.marked} }), quarantine)
	if err != nil {
		return false, err
	}
	var found []int64
	more = len(behind) == 100
	for _, r := range behind {
		left := markBatch - len(found)
		if left == 0 {
			return true, c.markAll(ctx, found)
		}
		ids, err := database.Column[int64](ctx, c.tx, "select id from images where digest = $1 and id > $2 order by id limit $3", r.digest, r.marked, left)
		if err != nil {
			return false, err
		}
		to := int64(allMarked)
		if len(ids) == left {
			to, more = ids[left-1], true
		}
		found = append(found, ids...)
		_, err = c.tx.ExecContext(ctx, "update quarantine_digests set marked = $1 where quarantine_id = $2 and digest = $3", to, r.id, r.digest)
		if err != nil {
			return false, err
		}
	}
	return more, c.markAll(ctx, found)
}

func (c *changeSet) markAll(ctx context.Context, ids []int64) error {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if err := load(ctx, c, "id in %s", slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return c.rows[id] != nil })); err != nil {
		return err
	}
	return c.mark(ctx, slices.DeleteFunc(ids, func(id int64) bool { return c.rows[id] == nil })) // it was removed meanwhile
}

// remark has the images of a quarantine marked again after it changed: the first
// batch in the transaction, the rest by settleMarks.
func (d *DB) remark(ctx context.Context, tx database.Querier, id string, now time.Time) error {
	if _, err := tx.ExecContext(ctx, "update quarantine_digests set marked = 0 where quarantine_id = $1", id); err != nil {
		return err
	}
	c := d.changes(tx, now)
	if _, err := c.settle(ctx, id); err != nil {
		return err
	}
	return c.save(ctx)
}

// settleMarks brings the marks up to date, in short transactions.
func (d *DB) settleMarks(ctx context.Context, now time.Time) error {
	for {
		behind, err := database.Value[bool](ctx, d.sql.Reader, "select exists (select 1 from quarantine_digests where marked < 9223372036854775807)")
		if err != nil || !behind {
			return d.sql.Explain(err)
		}
		err = d.sql.Write(ctx, func(tx database.Querier) error {
			// Nobody holds or releases anything meanwhile.
			if _, err := d.decisionsRevision(ctx, tx); err != nil {
				return err
			}
			c := d.changes(tx, now)
			if _, err := c.settle(ctx, ""); err != nil {
				return err
			}
			return c.save(ctx)
		})
		if err != nil {
			return err
		}
	}
}

// lapse brings marks up to date: those that are behind, and those of quarantines
// that ran out long ago.
func (d *DB) lapse(ctx context.Context, now time.Time) error {
	const ended = "expires_at <= $1 and released_at is null and not lapsed"
	before := ms(now.Add(-lapseAfter))
	ids, err := database.Column[string](ctx, d.sql.Reader, "select id from quarantines where "+ended+" limit 10", before)
	if err != nil {
		return d.sql.Explain(err)
	}
	if len(ids) > 0 {
		err := d.sql.Write(ctx, func(tx database.Querier) error {
			if _, err := lockRevision(ctx, d, tx, "decisions"); err != nil {
				return err
			}
			list, err := quarantines(ctx, tx, ended+" and id in %s"+d.sql.ForUpdate, ids, before)
			if err != nil {
				return err
			}
			for _, q := range list {
				if _, err := tx.ExecContext(ctx, "update quarantines set lapsed = true where id = $1", q.ID); err != nil {
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
	return d.settleMarks(ctx, now)
}
