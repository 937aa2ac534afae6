package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// lapseAfter is how long after its end a quarantine still marks its images. It
// counts for nothing in that time; the marks are there in case it was the clock
// that was wrong.
const lapseAfter = 7 * 24 * time.Hour

const quarantineColumns = "id, digest, repository, tag, reason, by_name, at, expires_at, released_at, released_by, released_reason"

func scanQuarantine(rows interface{ Scan(...any) error }) (inventory.Quarantine, error) {
	var (
		q                     inventory.Quarantine
		at                    int64
		expiresAt, releasedAt sql.NullInt64
	)
	err := rows.Scan(&q.ID, &q.Digest, &q.Repository, &q.Tag, &q.Reason, &q.By, &at, &expiresAt, &releasedAt, &q.ReleasedBy, &q.ReleasedReason)
	q.At, q.ExpiresAt, q.ReleasedAt = timeOf(at), timeOrNil(expiresAt), timeOrNil(releasedAt)
	return q, err
}

func quarantines[K any](ctx context.Context, q database.Querier, condition string, keys []K, args ...any) ([]inventory.Quarantine, error) {
	var list []inventory.Quarantine
	err := database.EachIn(ctx, q, "select "+quarantineColumns+" from quarantines where "+condition, keys, func(rows *sql.Rows) error {
		one, err := scanQuarantine(rows)
		list = append(list, one)
		return err
	}, args...)
	return list, err
}

// mark finds out again which quarantine holds each of the images: of those
// that stand, the one that lasts longest, so that when it has run out all have.
func (c *changeSet) mark(ctx context.Context, ids []int64) error {
	const standing = "released_at is null and not lapsed and "
	var digests []inventory.Digest
	repositories := map[int64][]int64{}
	for _, id := range ids {
		r := c.rows[id]
		digests = append(digests, r.Digest)
		repositories[r.RepositoryID] = append(repositories[r.RepositoryID], id)
	}
	slices.Sort(digests)
	held, err := quarantines(ctx, c.tx, standing+"digest in %s", slices.Compact(digests))
	if err != nil {
		return err
	}
	byDigest := map[inventory.Digest]*inventory.Quarantine{}
	for _, q := range held {
		byDigest[q.Digest] = longer(byDigest[q.Digest], &q, c.now)
	}
	best := map[int64]*inventory.Quarantine{}
	for _, id := range ids {
		best[id] = byDigest[c.rows[id].Digest]
	}
	for repository, members := range repositories {
		name, err := database.Value[string](ctx, c.tx, "select full_name from repositories where id = $1", repository)
		if err != nil {
			return err
		}
		tagged, err := quarantines(ctx, c.tx, standing+"repository in %s", []string{name})
		if err != nil {
			return err
		}
		byTag := map[string]*inventory.Quarantine{}
		names := []string{}
		for _, q := range tagged {
			byTag[q.Tag] = longer(byTag[q.Tag], &q, c.now)
			names = append(names, q.Tag)
		}
		err = database.EachIn(ctx, c.tx, "select name, image_id from tags where repository_id = $1 and name in %s", names, func(rows *sql.Rows) error {
			var tag string
			var id int64
			if err := rows.Scan(&tag, &id); err != nil {
				return err
			}
			if q := byTag[tag]; q != nil && slices.Contains(members, id) {
				best[id] = longer(best[id], q, c.now)
			}
			return nil
		}, repository)
		if err != nil {
			return err
		}
	}
	for id, q := range best {
		c.rows[id].Quarantine = sql.NullString{}
		if q != nil {
			c.rows[id].Quarantine = sql.NullString{String: q.ID, Valid: true}
		}
	}
	return nil
}

// longer is the one of two quarantines that holds longer; one that doesn't
// stand counts for nothing.
func longer(a, b *inventory.Quarantine, now time.Time) *inventory.Quarantine {
	switch {
	case b == nil || !b.StandsAt(now.Add(-lapseAfter)):
		return a
	case a == nil || b.ExpiresAt == nil:
		return b
	case a.ExpiresAt == nil || !a.ExpiresAt.Before(*b.ExpiresAt):
		return a
	}
	return b
}

// Quarantine returns one quarantine, or NotFound.
func (d *DB) Quarantine(ctx context.Context, id string) (inventory.Quarantine, error) {
	var one inventory.Quarantine
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		one, err = scanQuarantine(q.QueryRowContext(ctx, "select "+quarantineColumns+" from quarantines where id = $1", id))
		if errors.Is(err, sql.ErrNoRows) {
			return inventory.Errorf(inventory.NotFound, "There is no such quarantine.")
		}
		if err == nil {
			err = countHeld(ctx, q, &one)
		}
		return err
	})
	return one, err
}

// countHeld says how many images in use a quarantine covers.
func countHeld(ctx context.Context, q database.Querier, one *inventory.Quarantine) (err error) {
	if one.Digest != "" {
		one.Images, err = database.Value[int](ctx, q, "select count(*) from images where digest = $1 and listed", one.Digest)
	} else {
		one.Images, err = database.Value[int](ctx, q, `
			select count(*)
			from tags t
			join images i on i.id = t.image_id
			join repositories r on r.id = t.repository_id
			where r.full_name = $1 and t.name = $2 and i.listed`, one.Repository, one.Tag)
	}
	return err
}

// Quarantines lists those that stand, or those that no longer do, newest first.
func (d *DB) Quarantines(ctx context.Context, standing bool, p inventory.Page, now time.Time) ([]inventory.Quarantine, string, error) {
	at, id, err := cursorPair(p.Cursor)
	if err != nil {
		return nil, "", err
	}
	var list []inventory.Quarantine
	next := ""
	err = d.sql.Read(ctx, func(q database.Querier) error {
		condition := "released_at is null and (expires_at is null or expires_at > $1)"
		if !standing {
			condition = "(released_at is not null or expires_at <= $1)"
		}
		err := database.Each(ctx, q, `
			select `+quarantineColumns+`
			from quarantines
			where `+condition+` and (at, id) < ($2, $3)
			order by at desc, id desc
			limit $4`, func(rows *sql.Rows) error {
			one, err := scanQuarantine(rows)
			list = append(list, one)
			return err
		}, ms(now), at, id, p.Size()+1)
		if err != nil {
			return err
		}
		if len(list) > p.Size() {
			list = list[:p.Size()]
			last := list[len(list)-1]
			next = pairCursor(ms(last.At), last.ID)
		}
		for i := range list {
			if err := countHeld(ctx, q, &list[i]); err != nil {
				return err
			}
			if !standing {
				list[i].Images = 0
			}
		}
		return nil
	})
	return list, next, err
}

// RecordQuarantine stores a quarantine with its audit entry and holds the
// images it matches, in one transaction.
func (d *DB) RecordQuarantine(ctx context.Context, q inventory.Quarantine, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		// Nobody stores images meanwhile who would miss the quarantine.
		if _, err := lockRevision(ctx, d, tx, "decisions"); err != nil {
			return err
		}
		if err := d.appendAudit(ctx, tx, entry); err != nil {
			return err
		}
		err := database.Insert(ctx, tx, "insert into quarantines ("+quarantineColumns+")", [][]any{{
			q.ID, q.Digest, q.Repository, q.Tag, q.Reason, q.By, ms(q.At), msOrNull(q.ExpiresAt),
			msOrNull(q.ReleasedAt), q.ReleasedBy, q.ReleasedReason}}, "")
		if err != nil {
			return err
		}
		return d.remark(ctx, tx, q, entry.At)
	})
	if err != nil {
		return fmt.Errorf("storing a quarantine: %w", err)
	}
	return nil
}

// RecordRelease ends a quarantine that stands, with its audit entry and the
// marks on its images, in one transaction. It fails with Conflict when it no
// longer stands.
func (d *DB) RecordRelease(ctx context.Context, q inventory.Quarantine, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		if _, err := lockRevision(ctx, d, tx, "decisions"); err != nil {
			return err
		}
		if err := d.appendAudit(ctx, tx, entry); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `
			update quarantines
			set released_at = $1, released_by = $2, released_reason = $3
			where id = $4 and released_at is null and (expires_at is null or expires_at > $5)`,
			msOrNull(q.ReleasedAt), q.ReleasedBy, q.ReleasedReason, q.ID, ms(entry.At))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			if err == nil {
				err = inventory.Errorf(inventory.Conflict, "This quarantine no longer stands.")
			}
			return err
		}
		return d.remark(ctx, tx, q, entry.At)
	})
	if err != nil {
		return fmt.Errorf("releasing a quarantine: %w", err)
	}
	return nil
}

// remark marks the images that a quarantine matches again after it changed.
func (d *DB) remark(ctx context.Context, tx database.Querier, q inventory.Quarantine, now time.Time) error {
	c := d.changes(tx, now)
	var err error
	if q.Digest != "" {
		err = load(ctx, c, "digest in %s", []inventory.Digest{q.Digest})
	} else {
		var ids []int64
		ids, err = database.Column[int64](ctx, tx, `
			select t.image_id
			from tags t
			join repositories r on r.id = t.repository_id
			where r.full_name = $1 and t.name = $2
			union
			select i.id
			from images i
			where i.quarantine_id = $3`, q.Repository, q.Tag, q.ID)
		if err == nil {
			err = load(ctx, c, "id in %s", ids)
		}
	}
	if err != nil {
		return err
	}
	if err := c.mark(ctx, c.order); err != nil {
		return err
	}
	return c.save(ctx)
}

// lapse takes the marks of quarantines away that ran out long ago.
func (d *DB) lapse(ctx context.Context, now time.Time) error {
	const ended = "expires_at <= $1 and released_at is null and not lapsed"
	before := ms(now.Add(-lapseAfter))
	ids, err := database.Column[string](ctx, d.sql.Reader, "select id from quarantines where "+ended+" limit 10", before)
	if err != nil || len(ids) == 0 {
		return d.sql.Explain(err)
	}
	return d.sql.Write(ctx, func(tx database.Querier) error {
		list, err := quarantines(ctx, tx, ended+" and id in %s"+d.sql.ForUpdate, ids, before)
		if err != nil {
			return err
		}
		for _, q := range list {
			if _, err := tx.ExecContext(ctx, "update quarantines set lapsed = true where id = $1", q.ID); err != nil {
				return err
			}
			if err := d.remark(ctx, tx, q, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// A cursor of two parts is "number.text".
func pairCursor(n int64, text string) string { return fmt.Sprintf("%d.%s", n, text) }

func cursorPair(cursor string) (int64, string, error) {
	if cursor == "" {
		return 1<<63 - 1, "", nil
	}
	first, rest, ok := strings.Cut(cursor, ".")
	n, err := parseCursor(first)
	if !ok || err != nil || database.Clean(rest) != rest { // no list answered what no database takes
		return 0, "", errCursor
	}
	return n, rest, nil
}
