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
	"signboard/inventory/audit"
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
	f := filed(r)
	return database.Insert(ctx, tx, "insert into audit_entries ("+recordColumns+")", [][]any{{
		r.Index, r.At, r.Actor, r.Action, r.Object, r.Reason, r.Before, r.After, r.Address, f.who, f.family, f.made}}, "")
}

// filing is what a record is found by.
type filing struct {
	who, family string
	made        string // the id of the decision, quarantine or token, empty for others
}

func filed(r audit.Record) filing {
	f := filing{who: "?", family: inventory.AuditFamily(r.Action)} // of an actor that isn't ours: somebody wrote it by hand
	var actor inventory.Actor
	if err := fromJSON(r.Actor, &actor); err == nil {
		f.who = database.Clean(actor.Who()).(string)
	}
	var after struct {
		ID string `json:"id"`
	}
	if err := fromJSON(r.After, &after); err == nil {
		f.made = database.Clean(after.ID).(string)
	}
	return f
}

// file fills in what entries of earlier versions are found by.
func (d *DB) file(ctx context.Context) error {
	for {
		var page []audit.Record
		err := d.sql.Read(ctx, func(q database.Querier) error {
			page = nil
			return database.Each(ctx, q, "select "+recordColumns+" from audit_entries where who = '' order by at, idx limit $1", func(rows *sql.Rows) error {
				r, err := readRecord(rows)
				page = append(page, r)
				return err
			}, failBatch)
		})
		if err != nil || len(page) == 0 {
			return err
		}
		err = d.sql.Write(ctx, func(tx database.Querier) error {
			for _, r := range page {
				f := filed(r)
				if _, err := tx.ExecContext(ctx, "update audit_entries set who = $1, family = $2, made = $3 where idx = $4", f.who, f.family, f.made, r.Index); err != nil {
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

// RecordRefusal writes down that somebody was refused.
func (d *DB) RecordRefusal(ctx context.Context, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error { return d.appendAudit(ctx, tx, entry) })
	if err != nil {
		return fmt.Errorf("storing a refusal: %w", err)
	}
	return nil
}

// AuditEntries lists the whole audit log, newest first.
func (d *DB) AuditEntries(ctx context.Context, p inventory.Page) ([]inventory.AuditEntry, string, error) {
	list, err := d.FindAudit(ctx, inventory.AuditFilter{}, p)
	return list.Entries, list.Next, err
}

const (
	auditPart  = 200  // rows that are read at once for a filtered page
	auditReach = 4000 // rows that are read for one: what is rare is found page by page
)

// FindAudit lists the entries that pass a filter, newest first: by their number,
// or, where there is a filter, by their time. One of a filter's words leads to the
// entries, and the others are looked for among those: a page may end before it is
// full, and says how far back it looked.
func (d *DB) FindAudit(ctx context.Context, f inventory.AuditFilter, p inventory.Page) (inventory.AuditList, error) {
	if f.Empty() {
		return d.wholeAudit(ctx, p)
	}
	at, index, err := parseMoment(p.Cursor)
	if err != nil {
		return inventory.AuditList{}, err
	}
	if f.To != nil && ms(*f.To)-1 < at {
		at, index = ms(*f.To)-1, math.MaxInt64
	}
	from := int64(math.MinInt64)
	if f.From != nil {
		from = ms(*f.From)
	}
	lead, word, alone := leading(f)
	var list inventory.AuditList
	err = d.sql.Read(ctx, func(q database.Querier) error {
		list = inventory.AuditList{}
		at, index := at, index
		for read := 0; read < auditReach; {
			part := auditPart
			if alone {
				part = p.Size() + 1
			}
			n := 0
			err := database.Each(ctx, q, `
				select `+recordColumns+`
				from audit_entries
				where `+lead+` = $1 and at >= $2 and (at, idx) < ($3, $4)
				order by at desc, idx desc
				limit $5`, func(rows *sql.Rows) error {
				r, err := readRecord(rows)
				if err != nil {
					return err
				}
				e, err := entryOf(r)
				n++
				if len(list.Entries) <= p.Size() {
					at, index = r.At, r.Index
					if f.Holds(e) {
						list.Entries = append(list.Entries, e)
					}
				}
				return err
			}, word, from, at, index, part)
			if err != nil {
				return err
			}
			if len(list.Entries) > p.Size() {
				list.Entries = list.Entries[:p.Size()]
				last := list.Entries[len(list.Entries)-1]
				list.Next = momentCursor(ms(last.At), last.Index)
				return nil
			}
			if n < part {
				return nil
			}
			read += n
		}
		list.Next, list.Reached = momentCursor(at, index), new(timeOf(at))
		return nil
	})
	return list, err
}

// leading is the column whose index leads to what passes a filter, with the
// value there; alone says that everything it leads to passes. Without a word of
// the filter's the time leads.
func leading(f inventory.AuditFilter) (column, word string, alone bool) {
	words := 0
	for _, w := range []struct{ column, word string }{{"family", f.Action}, {"who", strings.ToLower(f.Who)}, {"object", f.Object}} {
		if w.word != "" {
			column, word = w.column, w.word
			words++
		}
	}
	switch {
	case words == 0:
		return "''", "", true
	case column == "family" && strings.Contains(word, "."):
		column = "action"
	}
	return column, word, words == 1
}

// momentCursor and parseMoment are the cursor of a list that is sorted by time.
func momentCursor(at, index int64) string { return fmt.Sprintf("%d.%d", at, index) }

func parseMoment(cursor string) (at, index int64, err error) {
	if cursor == "" {
		return math.MaxInt64, math.MaxInt64, nil
	}
	first, second, _ := strings.Cut(cursor, ".")
	if at, err = strconv.ParseInt(first, 10, 64); err != nil {
		return 0, 0, errCursor
	}
	if index, err = strconv.ParseInt(second, 10, 64); err != nil {
		return 0, 0, errCursor
	}
	return at, index, nil
}

func (d *DB) wholeAudit(ctx context.Context, p inventory.Page) (inventory.AuditList, error) {
	before, err := parseCursor(p.Cursor)
	if err != nil {
		return inventory.AuditList{}, err
	}
	var list inventory.AuditList
	err = d.sql.Read(ctx, func(q database.Querier) error {
		list = inventory.AuditList{}
		return database.Each(ctx, q, `
			select `+recordColumns+`
			from audit_entries
			where idx < $1
			order by idx desc
			limit $2`, func(rows *sql.Rows) error {
			r, err := readRecord(rows)
			if err != nil {
				return err
			}
			e, err := entryOf(r)
			list.Entries = append(list.Entries, e)
			return err
		}, before, p.Size()+1)
	})
	if err != nil || len(list.Entries) <= p.Size() {
		return list, err
	}
	list.Entries = list.Entries[:p.Size()]
	list.Next = strconv.FormatInt(list.Entries[len(list.Entries)-1].Index, 10)
	return list, nil
}

// AuditEntryOf is the index of the entry of a decision, a quarantine or a token, by
// its id: that of when it was made. It fails with NotFound when there is none.
func (d *DB) AuditEntryOf(ctx context.Context, id string) (index int64, err error) {
	err = d.sql.Read(ctx, func(q database.Querier) error {
		index, err = database.Value[int64](ctx, q, "select idx from audit_entries where made = $1 and made <> '' order by idx limit 1", id)
		if errors.Is(err, sql.ErrNoRows) {
			return inventory.Errorf(inventory.NotFound, "The audit log has no entry about that.")
		}
		return err
	})
	return index, err
}

// AuditHead says how long the log is, when its last entry was written, and signed,
// and has the signed checkpoint; of an empty log the time is zero.
func (d *DB) AuditHead(ctx context.Context) (size int64, at time.Time, signed []byte, err error) {
	err = d.sql.Read(ctx, func(q database.Querier) error {
		if size, err = database.Value[int64](ctx, q, "select value from revisions where name = 'audit'"); err != nil {
			return err
		}
		last, err := database.Value[int64](ctx, q, "select at from audit_entries where idx = $1", size-1)
		switch {
		case err == nil:
			at = timeOf(last)
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if d.seal != nil {
			signed, err = d.checkpoint(ctx, q)
			return err
		}
		return nil
	})
	return size, at, signed, err
}

// AuditBeside are the entries about the same object next to one: the last before
// it and the first after it, by their time; nil where there is none.
func (d *DB) AuditBeside(ctx context.Context, e inventory.AuditEntry) (before, after *int64, err error) {
	err = d.sql.Read(ctx, func(q database.Querier) error {
		for _, side := range []struct {
			is, order string
			found     **int64
		}{{"<", "desc", &before}, {">", "asc", &after}} {
			index, err := database.Value[int64](ctx, q, `
				select idx
				from audit_entries
				where object = $1 and (at, idx) `+side.is+` ($2, $3)
				order by at `+side.order+`, idx `+side.order+`
				limit 1`, e.Object, ms(e.At), e.Index)
			switch {
			case err == nil:
				*side.found = &index
			case !errors.Is(err, sql.ErrNoRows):
				return err
			}
		}
		return nil
	})
	return before, after, err
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
