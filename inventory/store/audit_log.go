package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"signboard/inventory"
	"signboard/inventory/audit"
	"signboard/inventory/store/database"
)

// seal is what makes an audit log one that can't be edited quietly.
type seal struct {
	key  audit.Key
	keys note.Verifiers
}

// Seal has every entry of the audit log signed with the key from now on, and
// checks that the log ends with what was signed last by one of keys. New says that
// the key was made just now: entries from before are signed as they are. It is to
// be called before anything is written. A log that isn't what was signed is
// refused with an error that says what to do.
func (d *DB) Seal(ctx context.Context, key audit.Key, keys note.Verifiers, isNew bool) error {
	s := &seal{key, keys}
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		next, err := lockRevision(ctx, d, tx, "audit")
		if err != nil {
			return err
		}
		signed, err := database.Value[int64](ctx, tx, "select count(*) from audit_checkpoints")
		if err != nil {
			return err
		}
		if signed > 0 || !isNew {
			return s.holds(ctx, tx, next)
		}
		return eachRecord(ctx, tx, func(r audit.Record) error { return s.add(ctx, tx, r) })
	})
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	d.seal = s
	if err := d.file(ctx); err != nil {
		return fmt.Errorf("filing entries of the audit log: %w", err)
	}
	return nil
}

// AuditKey is the public key that the log is signed with, empty when it isn't.
func (d *DB) AuditKey() string {
	if d.seal == nil {
		return ""
	}
	return d.seal.key.Public()
}

// AuditFingerprint is audit.Key.Fingerprint by the key that signs the log.
func (d *DB) AuditFingerprint(text string) (string, error) {
	if d.seal == nil {
		return "", inventory.Errorf(inventory.NotFound, "The audit log isn't signed here.")
	}
	return d.seal.key.Fingerprint(text)
}

// holds checks that the log of a size ends there, and with what was signed.
func (s *seal) holds(ctx context.Context, tx database.Querier, size int64) error {
	changed := func(why string) error {
		return inventory.Errorf(inventory.Unavailable, "The audit log isn't what Signboard wrote: %s. Nothing can be decided until that is understood: signboard audit verify says where it was changed.", why)
	}
	beyond, err := database.Value[int](ctx, tx, `
		select (select count(*) from audit_entries where idx >= $1)
		  + (select count(*) from audit_hashes where idx >= $2)
		  + (select count(*) from audit_checkpoints where size > $1)`, size, tlog.StoredHashCount(size))
	if err != nil {
		return err
	}
	if beyond > 0 {
		return changed(fmt.Sprintf("it goes on behind its %d entries", size))
	}
	if size == 0 {
		return nil
	}
	signed, err := database.Value[string](ctx, tx, "select note from audit_checkpoints where size = $1", size)
	if errors.Is(err, sql.ErrNoRows) {
		return changed("its last entry was never signed")
	}
	if err != nil {
		return err
	}
	c, err := audit.OpenCheckpoint([]byte(signed), s.keys)
	if err != nil {
		return inventory.Errorf(inventory.Unavailable, "The audit log was signed with another key than %s. Put its key file back (audit.key_file), or name its public key under audit.previous_keys.", s.key.Name())
	}
	hashes := &tree{ctx: ctx, q: tx}
	root, err := tlog.TreeHash(size, hashes)
	if hashes.failed != nil {
		return hashes.failed
	}
	if err != nil || c.Size != size || root != c.Root {
		return changed("its last checkpoint is that of another log")
	}
	return nil
}

// add keeps what makes a record one of the sealed log.
func (s *seal) add(ctx context.Context, tx database.Querier, r audit.Record) error {
	hashes, root, err := audit.Append(r, &tree{ctx: ctx, q: tx})
	if err != nil {
		return err
	}
	signed, err := s.key.Sign(audit.Checkpoint{Size: r.Index + 1, Root: root})
	if err != nil {
		return err
	}
	first := tlog.StoredHashCount(r.Index)
	var rows [][]any
	for i, hash := range hashes {
		rows = append(rows, []any{first + int64(i), hash.String()})
	}
	if err := database.Insert(ctx, tx, "insert into audit_hashes (idx, hash)", rows, ""); err != nil {
		return err
	}
	return database.Insert(ctx, tx, "insert into audit_checkpoints (size, note)", [][]any{{r.Index + 1, string(signed)}}, "")
}

// tree reads the hashes of the tree. That the database could not be asked is in
// failed afterwards: it says nothing about the log.
type tree struct {
	ctx    context.Context
	q      database.Querier
	failed error
}

// ReadHashes implements tlog.HashReader. A hash that is missing, or isn't one, is
// an error of the log's.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := map[int64]string{}
	t.failed = database.EachIn(t.ctx, t.q, "select idx, hash from audit_hashes where idx in %s", indexes, func(rows *sql.Rows) error {
		var (
			index int64
			text  string
		)
		err := rows.Scan(&index, &text)
		found[index] = text
		return err
	})
	if t.failed != nil {
		return nil, t.failed
	}
	hashes := make([]tlog.Hash, 0, len(indexes))
	for _, i := range indexes {
		hash, err := tlog.ParseHash(found[i])
		if err != nil {
			return nil, fmt.Errorf("hash %d of the audit log is %q", i, found[i])
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

const recordColumns = "idx, at, actor, action, object, reason, before, after, address, who, family, made"

// readRecord reads a row of recordColumns.
func readRecord(rows *sql.Rows) (audit.Record, error) {
	r, _, err := scanRecord(rows)
	return r, err
}

func scanRecord(rows *sql.Rows) (r audit.Record, f filing, err error) {
	var at any // SQLite keeps whatever somebody writes by hand
	err = rows.Scan(&r.Index, &at, &r.Actor, &r.Action, &r.Object, &r.Reason, &r.Before, &r.After, &r.Address, &f.who, &f.family, &f.made)
	var ok bool
	if r.At, ok = at.(int64); !ok {
		r.At = math.MaxInt64 // which none has
	}
	return r, f, err
}

// checkedRecords are all records for the check of the log. What an entry is found
// by isn't signed, but follows from what is: a row that is filed elsewhere, which
// would be kept from whoever looks for it, comes with the Fault that says so.
func checkedRecords(ctx context.Context, q database.Querier) iter.Seq2[audit.Record, error] {
	type row struct {
		audit.Record
		filing
	}
	return func(yield func(audit.Record, error) bool) {
		for r, err := range parts(ctx, q, "audit_entries", "idx", recordColumns, func(rows *sql.Rows) (r row, err error) {
			r.Record, r.filing, err = scanRecord(rows)
			return r, err
		}) {
			if err == nil && r.filing != filed(r.Record) && r.filing != (filing{}) { // rows of earlier versions aren't filed yet
				err = &audit.Fault{Index: r.Index, Message: fmt.Sprintf("Entry %d was hidden: lists don't have it where it belongs.", r.Index)}
			}
			if !yield(r.Record, err) {
				return
			}
		}
	}
}

// record is an entry as it is stored under an index.
func record(e inventory.AuditEntry, index int64) audit.Record {
	text := func(s string) string { return database.Clean(s).(string) }
	return audit.Record{Index: index, At: ms(e.At), Actor: text(jsonOf(e.Actor)), Action: text(e.Action), Object: text(e.Object),
		Reason: text(e.Reason), Before: text(e.Before), After: text(e.After), Address: text(e.Address)}
}

// logPart is how many rows of the log are in memory at once.
const logPart = 1000

// parts reads a table of the log by its key, a part at a time, with whatever is in
// it: rows that should not be there too.
func parts[T any](ctx context.Context, q database.Querier, table, key, columns string, scan func(*sql.Rows) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		from, err := database.Value[sql.NullInt64](ctx, q, "select min("+key+") from "+table)
		for err == nil && from.Valid {
			var list []T
			err = database.Each(ctx, q, "select "+columns+" from "+table+" where "+key+" >= $1 and "+key+" < $2 order by "+key, func(rows *sql.Rows) error {
				v, err := scan(rows)
				list = append(list, v)
				return err
			}, from.Int64, from.Int64+logPart)
			if err != nil {
				break
			}
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
			if from.Int64 > math.MaxInt64-logPart {
				return
			}
			from, err = database.Value[sql.NullInt64](ctx, q, "select min("+key+") from "+table+" where "+key+" >= $1", from.Int64+logPart)
		}
		if err != nil {
			yield(none, err)
		}
	}
}

func eachRecord(ctx context.Context, q database.Querier, f func(audit.Record) error) error {
	for r, err := range parts(ctx, q, "audit_entries", "idx", recordColumns, readRecord) {
		if err == nil {
			err = f(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// AuditLog gives f the whole log as it lies in the database at one moment, to be
// checked. What f read must not be used after it returned.
func (d *DB) AuditLog(ctx context.Context, f func(audit.Stored) error) error {
	return d.sql.Read(ctx, func(q database.Querier) error {
		next, err := database.Value[int64](ctx, q, "select value from revisions where name = 'audit'")
		if err != nil {
			return err
		}
		return f(audit.Stored{
			Records: checkedRecords(ctx, q),
			Hashes: parts(ctx, q, "audit_hashes", "idx", "hash", func(rows *sql.Rows) (tlog.Hash, error) {
				var text string
				if err := rows.Scan(&text); err != nil {
					return tlog.Hash{}, err
				}
				hash, err := tlog.ParseHash(text)
				if err != nil {
					return tlog.Hash{}, nil // no entry has this one
				}
				return hash, nil
			}),
			Checkpoints: parts(ctx, q, "audit_checkpoints", "size", "size, note", func(rows *sql.Rows) (s audit.Signed, err error) {
				err = rows.Scan(&s.Size, &s.Note)
				return s, err
			}),
			Next: next,
		})
	})
}

// Checkpoint is the signed checkpoint of the log as it is now; of an empty log
// there is one too.
func (d *DB) Checkpoint(ctx context.Context) (signed []byte, err error) {
	err = d.sql.Read(ctx, func(q database.Querier) error {
		signed, err = d.checkpoint(ctx, q)
		return err
	})
	return signed, err
}

func (d *DB) checkpoint(ctx context.Context, q database.Querier) ([]byte, error) {
	if d.seal == nil {
		return nil, inventory.Errorf(inventory.NotFound, "The audit log isn't signed here.")
	}
	text, err := database.Value[string](ctx, q, "select note from audit_checkpoints order by size desc limit 1")
	if errors.Is(err, sql.ErrNoRows) {
		root, err := tlog.TreeHash(0, nil)
		if err != nil {
			return nil, err
		}
		return d.seal.key.Sign(audit.Checkpoint{Root: root})
	}
	return []byte(text), err
}

// AuditEntry is one entry, or NotFound.
func (d *DB) AuditEntry(ctx context.Context, index int64) (e inventory.AuditEntry, err error) {
	err = d.sql.Read(ctx, func(q database.Querier) error {
		r, err := storedRecord(ctx, q, index)
		if err == nil {
			e, err = entryOf(r)
		}
		return err
	})
	return e, err
}

// AuditProof proves that an entry is in the log as it is now. It fails with
// NotFound when there is no such entry.
func (d *DB) AuditProof(ctx context.Context, index int64) (p audit.Proof, err error) {
	err = d.sql.Read(ctx, func(q database.Querier) error {
		r, err := storedRecord(ctx, q, index)
		if err != nil {
			return err
		}
		signed, err := d.checkpoint(ctx, q)
		if err != nil {
			return err
		}
		changed := func(err error) error {
			return &inventory.Error{Kind: inventory.Unavailable, Err: err, Message: fmt.Sprintf("Entry %d can't be proved: the audit log isn't what Signboard wrote. signboard audit verify says where it was changed.", index)}
		}
		c, err := audit.OpenCheckpoint(signed, d.seal.keys)
		if err != nil {
			return changed(err)
		}
		leaf, err := r.Leaf()
		if err != nil {
			return changed(err)
		}
		hashes := &tree{ctx: ctx, q: q}
		p, err = audit.Prove(leaf, index, c, signed, hashes)
		if hashes.failed != nil {
			return hashes.failed
		}
		if err != nil {
			return changed(err)
		}
		return nil
	})
	return p, err
}

func storedRecord(ctx context.Context, q database.Querier, index int64) (audit.Record, error) {
	var found *audit.Record
	err := database.Each(ctx, q, "select "+recordColumns+" from audit_entries where idx = $1", func(rows *sql.Rows) error {
		r, err := readRecord(rows)
		found = &r
		return err
	}, index)
	if err == nil && found == nil {
		err = inventory.Errorf(inventory.NotFound, "The audit log has no entry %d.", index)
	}
	if err != nil {
		return audit.Record{}, err
	}
	return *found, nil
}

func entryOf(r audit.Record) (inventory.AuditEntry, error) {
	e := inventory.AuditEntry{Index: r.Index, At: timeOf(r.At), Action: r.Action, Object: r.Object, Reason: r.Reason, Before: r.Before, After: r.After, Address: r.Address}
	return e, fromJSON(r.Actor, &e.Actor)
}

// Continues refuses a log that isn't the continuation of a checkpoint.
func (d *DB) Continues(ctx context.Context, c audit.Checkpoint) error {
	return d.sql.Read(ctx, func(q database.Querier) error {
		next, err := database.Value[int64](ctx, q, "select value from revisions where name = 'audit'")
		if err != nil {
			return err
		}
		if next < c.Size {
			return inventory.Errorf(inventory.Unavailable, "The database is older than the published checkpoint: its audit log has %d entries, and %d were signed. An older copy was put back. Put the newer one in its place; if that is lost, keep the checkpoint's file elsewhere as evidence and start again.", next, c.Size)
		}
		if c.Size == 0 {
			return nil
		}
		hashes := &tree{ctx: ctx, q: q}
		root, err := tlog.TreeHash(c.Size, hashes)
		if hashes.failed != nil {
			return hashes.failed
		}
		if err != nil || root != c.Root {
			return inventory.Errorf(inventory.Unavailable, "The audit log isn't the one whose checkpoint was published. signboard audit verify says where it was changed.")
		}
		return nil
	})
}
