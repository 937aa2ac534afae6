package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const quarantineColumns = "id, digest, repository, tag, reason, by_name, at, expires_at, released_at, released_by, released_reason"

// scanQuarantine reads quarantineColumns, and then more of the row.
func scanQuarantine(rows interface{ Scan(...any) error }, more ...any) (inventory.Quarantine, error) {
	var (
		q                     inventory.Quarantine
		at                    int64
		expiresAt, releasedAt sql.NullInt64
	)
	err := rows.Scan(append([]any{&q.ID, &q.Digest, &q.Repository, &q.Tag, &q.Reason, &q.By, &at, &expiresAt, &releasedAt, &q.ReleasedBy, &q.ReleasedReason}, more...)...)
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

// Quarantine returns one quarantine, or NotFound.
func (d *DB) Quarantine(ctx context.Context, id string) (inventory.Quarantine, error) {
	var one inventory.Quarantine
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		one, err = scanQuarantine(q.QueryRowContext(ctx, "select "+quarantineColumns+" from quarantines where id = $1", id))
		if errors.Is(err, sql.ErrNoRows) {
			return inventory.Errorf(inventory.NotFound, "There is no such quarantine.")
		}
		if err == nil {
			list := []inventory.Quarantine{one}
			err = fillHeld(ctx, q, list, d.clock())
			one = list[0]
		}
		return err
	})
	return one, err
}

// fillHeld says what each quarantine holds: its digests and, while it stands, how
// many images in use that are.
func fillHeld(ctx context.Context, q database.Querier, list []inventory.Quarantine, now time.Time) error {
	at := map[string]int{}
	var ids, standing []string
	for i := range list {
		list[i].Images, list[i].Digests, list[i].DigestCount = 0, nil, 0
		at[list[i].ID] = i
		ids = append(ids, list[i].ID)
		if list[i].StandsAt(now) {
			standing = append(standing, list[i].ID)
		}
	}
	err := database.EachIn(ctx, q, `
		select d.quarantine_id, d.digest
		from quarantine_digests d
		join quarantines h on h.id = d.quarantine_id
		where (h.expires_at is null or d.since < h.expires_at) and d.quarantine_id in %s
		order by d.quarantine_id, d.since desc, d.digest`, ids, func(rows *sql.Rows) error {
		var id string
		var digest inventory.Digest
		err := rows.Scan(&id, &digest)
		one := &list[at[id]]
		one.DigestCount++
		if len(one.Digests) < inventory.MaxHeldDigests {
			one.Digests = append(one.Digests, digest)
		}
		return err
	})
	if err != nil {
		return err
	}
	return database.EachIn(ctx, q, `
		select d.quarantine_id, count(*)
		from quarantine_digests d
		join images i on i.digest = d.digest
		where i.listed and d.quarantine_id in %s
		group by d.quarantine_id`, standing, func(rows *sql.Rows) error {
		var id string
		var n int
		err := rows.Scan(&id, &n)
		list[at[id]].Images = n
		return err
	})
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
		return fillHeld(ctx, q, list, now)
	})
	return list, next, err
}

// RecordQuarantine stores a quarantine with its audit entry and what it holds, in
// one transaction: from then on no check lets it pass. It fails with Conflict when
// the same is held already.
func (d *DB) RecordQuarantine(ctx context.Context, q inventory.Quarantine, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		// Nobody stores images meanwhile who would miss the quarantine.
		if _, err := lockRevision(ctx, d, tx, "decisions"); err != nil {
			return err
		}
		if err := refuseTwice(ctx, tx, q, entry.At); err != nil {
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
		if err := d.holdPointedAt(ctx, tx, q, entry.At); err != nil {
			return err
		}
		return d.remark(ctx, tx, q.ID, entry.At)
	})
	if err != nil {
		return fmt.Errorf("storing a quarantine: %w", err)
	}
	return nil
}

// refuseTwice fails with Conflict when a quarantine of exactly the same stands.
func refuseTwice(ctx context.Context, tx database.Querier, q inventory.Quarantine, now time.Time) error {
	one, err := scanQuarantine(tx.QueryRowContext(ctx, `
		select `+quarantineColumns+`
		from quarantines
		where digest = $1 and repository = $2 and tag = $3
		  and released_at is null and not lapsed and (expires_at is null or expires_at > $4)
		limit 1`, q.Digest, database.Clean(q.Repository), database.Clean(q.Tag), ms(now)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	until := ""
	if one.ExpiresAt != nil {
		until = " until " + one.ExpiresAt.Format(time.RFC3339)
	}
	return inventory.Errorf(inventory.Conflict, "%s already holds exactly this, since %s%s: %s. Change when that one ends, or release it.",
		inventory.Visible(one.By), one.At.Format(time.RFC3339), until, inventory.Visible(one.Reason))
}

// holdPointedAt has a quarantine hold what it is of at this moment.
func (d *DB) holdPointedAt(ctx context.Context, tx database.Querier, q inventory.Quarantine, now time.Time) error {
	pointed, err := pointedAt(ctx, tx, q, now)
	if err != nil {
		return err
	}
	var wanted []hold
	for _, h := range pointed {
		wanted = append(wanted, hold{q.ID, h})
	}
	_, err = d.hold(ctx, tx, wanted, nil)
	return err
}

// notStanding is what whoever comes too late is told: who ended the quarantine,
// and when.
func notStanding(ctx context.Context, tx database.Querier, id string, now time.Time) error {
	q, err := scanQuarantine(tx.QueryRowContext(ctx, "select "+quarantineColumns+" from quarantines where id = $1", id))
	if errors.Is(err, sql.ErrNoRows) {
		return inventory.Errorf(inventory.Conflict, "This quarantine no longer stands.")
	}
	switch {
	case err != nil:
		return err
	case q.ReleasedAt != nil:
		return inventory.Errorf(inventory.Conflict, "This quarantine no longer stands: %s released it on %s.", inventory.Visible(q.ReleasedBy), q.ReleasedAt.Format(time.RFC3339))
	case !q.StandsAt(now):
		return inventory.Errorf(inventory.Conflict, "This quarantine no longer stands: it ran out on %s.", q.ExpiresAt.Format(time.RFC3339))
	}
	return inventory.Errorf(inventory.Conflict, "Somebody changed this quarantine while you were reading. Look again, then decide.")
}

// RecordEnd gives a quarantine that stands another end, q.ExpiresAt, with its audit
// entry. seen is the end that it had: with another one, or when it no longer
// stands, it fails with Conflict.
func (d *DB) RecordEnd(ctx context.Context, q inventory.Quarantine, seen *time.Time, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		if _, err := lockRevision(ctx, d, tx, "decisions"); err != nil {
			return err
		}
		if err := d.appendAudit(ctx, tx, entry); err != nil {
			return err
		}
		was := int64(-1)
		if seen != nil {
			was = ms(*seen)
		}
		n, err := database.Changed(tx.ExecContext(ctx, `
			update quarantines
			set expires_at = $1
			where id = $2 and released_at is null and (expires_at is null or expires_at > $3) and coalesce(expires_at, -1) = $4`,
			msOrNull(q.ExpiresAt), q.ID, ms(entry.At), was))
		if err != nil {
			return err
		}
		if n == 0 {
			return notStanding(ctx, tx, q.ID, entry.At)
		}
		return d.remark(ctx, tx, q.ID, entry.At)
	})
	if err != nil {
		return fmt.Errorf("changing the end of a quarantine: %w", err)
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
		n, err := database.Changed(tx.ExecContext(ctx, `
			update quarantines
			set released_at = $1, released_by = $2, released_reason = $3
			where id = $4 and released_at is null and (expires_at is null or expires_at > $5)`,
			msOrNull(q.ReleasedAt), q.ReleasedBy, q.ReleasedReason, q.ID, ms(entry.At)))
		if err != nil {
			return err
		}
		if n == 0 {
			return notStanding(ctx, tx, q.ID, entry.At)
		}
		return d.remark(ctx, tx, q.ID, entry.At)
	})
	if err != nil {
		return fmt.Errorf("releasing a quarantine: %w", err)
	}
	return nil
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
