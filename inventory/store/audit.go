package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// lockRevision reads one of the numbers that only grow, and keeps everybody
// else from changing it until the transaction ends.
func lockRevision(ctx context.Context, d *DB, tx database.Querier, name string) (int64, error) {
	return database.Value[int64](ctx, tx, "select value from revisions where name = $1"+d.sql.ForUpdate, name)
}

// bump makes one of the numbers that only grow one larger and returns it.
func bump(ctx context.Context, tx database.Querier, name string) (int64, error) {
	return database.Value[int64](ctx, tx, "update revisions set value = value + 1 where name = $1 returning value", name)
}

// appendAudit adds an entry to the audit log under the next index, and signs the
// log with it once it is sealed. Writers take turns on the row that holds the
// index, so a transaction that fails leaves no gap.
func (d *DB) appendAudit(ctx context.Context, tx database.Querier, e inventory.AuditEntry) error {
	next, err := bump(ctx, tx, "audit")
	if err != nil {
		return err
	}
	r := record(e, next-1)
	if d.seal != nil {
		if err := d.seal.holds(ctx, tx, r.Index); err != nil {
			return err
		}
		if err := d.seal.add(ctx, tx, r); err != nil {
			return err
		}
	}
	return database.Insert(ctx, tx, "insert into audit_entries ("+recordColumns+")", [][]any{{
		r.Index, r.At, r.Actor, r.Action, r.Object, r.Reason, r.Before, r.After, r.Address}}, "")
}

// RecordRefusal writes down that somebody was refused.
func (d *DB) RecordRefusal(ctx context.Context, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error { return d.appendAudit(ctx, tx, entry) })
	if err != nil {
		return fmt.Errorf("storing a refusal: %w", err)
	}
	return nil
}

// AuditEntries lists the audit log, newest first.
func (d *DB) AuditEntries(ctx context.Context, p inventory.Page) ([]inventory.AuditEntry, string, error) {
	before, err := parseCursor(p.Cursor)
	if err != nil {
		return nil, "", err
	}
	var list []inventory.AuditEntry
	err = d.sql.Read(ctx, func(q database.Querier) error {
		return database.Each(ctx, q, `
			select `+recordColumns+`
			from audit_entries
			where idx < $1
			order by idx desc
			limit $2`, func(rows *sql.Rows) error {
			r, err := scanRecord(rows)
			if err != nil {
				return err
			}
			e, err := entryOf(r)
			list = append(list, e)
			return err
		}, before, p.Size()+1)
	})
	if err != nil || len(list) <= p.Size() {
		return list, "", err
	}
	list = list[:p.Size()]
	return list, strconv.FormatInt(list[len(list)-1].Index, 10), nil
}

var errCursor = inventory.Errorf(inventory.Invalid, "The cursor isn't one that this list answered. Start again at the first page.")

// parseCursor reads the number that a list went down to; there is none above
// that of the first page.
func parseCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 1<<63 - 1, nil
	}
	n, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || n < 0 {
		return 0, errCursor
	}
	return n, nil
}
