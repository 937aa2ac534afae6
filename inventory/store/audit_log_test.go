package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"signboard/inventory"
	"signboard/inventory/audit"
	"signboard/inventory/store/database"
)

// sealed is a world whose audit log is signed.
type sealed struct {
	*world
	key  audit.Key
	keys note.Verifiers
}

func newSealed(t *testing.T, dsn string) sealed {
	w := newWorld(t, dsn)
	s := sealed{world: w}
	s.key, s.keys = s.newKey()
	w.must(w.db.Seal(t.Context(), s.key, s.keys, true))
	return s
}

func (s sealed) newKey() (audit.Key, note.Verifiers) {
	s.Helper()
	key, _, err := audit.OpenKey(filepath.Join(s.TempDir(), "key"), "signboard.test")
	s.must(err)
	keys, err := audit.Keys(key.Public())
	s.must(err)
	return key, keys
}

func (s sealed) write(n int) {
	s.Helper()
	for i := range n {
		s.must(s.db.RecordRefusal(s.Context(), s.entry(fmt.Sprintf("access.refused\x00%d", i))))
	}
}

// check checks the whole log as it lies in the database.
func (s sealed) check() (size int64, err error) {
	s.Helper()
	err = s.db.AuditLog(s.Context(), func(log audit.Stored) (err error) {
		size, err = audit.Check(log, nil, s.keys)
		return err
	})
	return size, err
}

// byHand changes the database as somebody with a shell would.
func (s sealed) byHand(statements ...string) {
	s.Helper()
	s.must(s.db.sql.Write(s.Context(), func(tx database.Querier) error {
		for _, statement := range statements {
			if _, err := tx.ExecContext(s.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestAuditLog_isWholeAndProvesEachEntry(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s := newSealed(t, dsn)
		if size, err := s.check(); err != nil || size != 0 {
			t.Errorf("an empty log: %d, %v", size, err)
		}
		empty, err := s.db.Checkpoint(t.Context())
		s.must(err)
		if c, err := audit.OpenCheckpoint(empty, s.keys); err != nil || c.Size != 0 {
			t.Errorf("the checkpoint of an empty log is %+v, %v", c, err)
		}
		s.write(13)
		if size, err := s.check(); err != nil || size != 13 {
			t.Fatalf("got %d, %v", size, err)
		}
		for i := range int64(13) {
			p, err := s.db.AuditProof(t.Context(), i)
			s.must(err)
			r, err := p.Check(s.keys)
			s.must(err)
			e, err := s.db.AuditEntry(t.Context(), i)
			s.must(err)
			if r.Index != i || r.Action != e.Action || e.Index != i || !strings.Contains(r.Actor, "Dana") {
				t.Errorf("entry %d is proved as %+v, and shown as %+v", i, r, e)
			}
		}
		for _, i := range []int64{13, -1, 1 << 60} {
			if _, err := s.db.AuditProof(t.Context(), i); inventory.KindOf(err) != inventory.NotFound {
				t.Errorf("the proof of entry %d: %v", i, err)
			}
			if _, err := s.db.AuditEntry(t.Context(), i); inventory.KindOf(err) != inventory.NotFound {
				t.Errorf("entry %d: %v", i, err)
			}
		}
	})
}

// TestAuditLog_editedByHand names the first entry that isn't what was written,
// and nothing is decided any more once the end of the log is another.
func TestAuditLog_editedByHand(t *testing.T) {
	for name, test := range map[string]struct {
		statements []string
		index      int64
		refused    bool // when something is to be written
	}{
		"changed":                             {[]string{"update audit_entries set reason = 'another' where idx = 6"}, 6, false},
		"deleted":                             {[]string{"delete from audit_entries where idx = 6"}, 6, false},
		"hidden from who looks for a person":  {[]string{"update audit_entries set who = 'x' where idx = 6"}, 6, false},
		"hidden from who looks for decisions": {[]string{"update audit_entries set family = 'session' where idx = 6"}, 6, false},
		"swapped":                             {[]string{"update audit_entries set idx = 100 where idx = 3", "update audit_entries set idx = 3 where idx = 4", "update audit_entries set idx = 4 where idx = 100"}, 3, false},
		"added":                               {[]string{"insert into audit_entries (idx, at, actor, action, object, reason, before, after, address) select 12, at, actor, action, object, reason, before, after, address from audit_entries where idx = 0"}, 12, true},
		"added and counted": {[]string{
			"insert into audit_entries (idx, at, actor, action, object, reason, before, after, address) select 12, at, actor, action, object, reason, before, after, address from audit_entries where idx = 0",
			"update revisions set value = 13 where name = 'audit'"}, 12, true},
		"far away":            {[]string{"update audit_entries set idx = 9223372036854775807 where idx = 11"}, 11, true},
		"below zero":          {[]string{"update audit_entries set idx = -5 where idx = 0"}, 0, false},
		"the tail":            {[]string{"delete from audit_entries where idx >= 8"}, 8, false},
		"the tail and count":  {[]string{"delete from audit_entries where idx >= 8", "update revisions set value = 8 where name = 'audit'"}, 8, true},
		"everything":          {[]string{"delete from audit_entries", "delete from audit_hashes", "delete from audit_checkpoints"}, 0, true},
		"a hash":              {[]string{"update audit_hashes set hash = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' where idx = 0"}, 0, false},
		"a hash that is none": {[]string{"update audit_hashes set hash = 'x' where idx = 0"}, 0, false},
		"a top hash":          {[]string{"update audit_hashes set hash = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' where idx = 14"}, 7, true},
		"a checkpoint":        {[]string{"update audit_checkpoints set note = (select note from audit_checkpoints where size = 2) where size = 4"}, 3, false},
		"the last one":        {[]string{"delete from audit_checkpoints where size = 12"}, 11, true},
		"all checkpoints":     {[]string{"delete from audit_checkpoints"}, 0, true},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			onBoth(t, func(t *testing.T, dsn string) {
				s := newSealed(t, dsn)
				s.write(12)
				s.byHand(test.statements...)
				_, err := s.check()
				fault, ok := errors.AsType[*audit.Fault](err)
				if !ok || fault.Index != test.index {
					t.Errorf("got %v, want entry %d", err, test.index)
				}
				err = s.db.RecordRefusal(t.Context(), s.entry("access.refused"))
				if refused := inventory.KindOf(err) == inventory.Unavailable; refused != test.refused {
					t.Errorf("writing on: %v", err)
				}
				if _, err := s.check(); err == nil {
					t.Error("after the next entry the log passes for whole")
				}
			})
		})
	}
}

func TestSeal_signsWhatWasThereOnceOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s := sealed{world: newWorld(t, dsn)}
		s.key, s.keys = s.newKey()
		s.write(5) // by a version that didn't sign
		if err := s.db.Seal(t.Context(), s.key, s.keys, false); inventory.KindOf(err) != inventory.Unavailable {
			t.Errorf("entries without a checkpoint are taken for signed: %v", err)
		}
		s.must(s.db.Seal(t.Context(), s.key, s.keys, true))
		s.write(4)
		if size, err := s.check(); err != nil || size != 9 {
			t.Errorf("got %d, %v", size, err)
		}
		s.must(s.db.Seal(t.Context(), s.key, s.keys, true)) // again is fine
		if size, err := s.check(); err != nil || size != 9 {
			t.Errorf("sealed again: %d, %v", size, err)
		}

		other, others := s.newKey()
		err := s.db.Seal(t.Context(), other, others, true)
		if inventory.KindOf(err) != inventory.Unavailable || !strings.Contains(err.Error(), "previous_keys") {
			t.Errorf("another key: %v", err)
		}
		both, err := audit.Keys(other.Public(), s.key.Public())
		s.must(err)
		s.must(s.db.Seal(t.Context(), other, both, true)) // the key was changed
		s.write(1)
		s.keys = both
		if size, err := s.check(); err != nil || size != 10 {
			t.Errorf("with the new key: %d, %v", size, err)
		}
	})
}

func TestContinues(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s := newSealed(t, dsn)
		s.write(6)
		signed, err := s.db.Checkpoint(t.Context())
		s.must(err)
		c, err := audit.OpenCheckpoint(signed, s.keys)
		s.must(err)
		s.must(s.db.Continues(t.Context(), c))
		s.write(3)
		s.must(s.db.Continues(t.Context(), c))
		ahead := c
		ahead.Size = 10
		if err := s.db.Continues(t.Context(), ahead); inventory.KindOf(err) != inventory.Unavailable || !strings.Contains(err.Error(), "older") {
			t.Errorf("a database behind what was published: %v", err)
		}
		c.Root[0] ^= 1
		if err := s.db.Continues(t.Context(), c); inventory.KindOf(err) != inventory.Unavailable {
			t.Errorf("another log: %v", err)
		}
	})
}

// TestAuditLog_manyWriters has processes write at once: each entry is signed
// once, on top of the one before.
func TestAuditLog_manyWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s := newSealed(t, dsn)
		second := open(t, dsn)
		s.must(second.Seal(t.Context(), s.key, s.keys, false))
		var group sync.WaitGroup
		for i := range 20 {
			db := []*DB{s.db, second}[i%2]
			group.Go(func() {
				for range 3 {
					if err := db.RecordRefusal(t.Context(), s.entry("access.refused")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if size, err := s.check(); err != nil || size != 60 {
			t.Errorf("got %d, %v", size, err)
		}
	})
}

// TestAuditLog_failedWritesLeaveNothing rolls entries back.
func TestAuditLog_failedWritesLeaveNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s := newSealed(t, dsn)
		s.write(3)
		err := s.db.sql.WriteDurably(t.Context(), func(tx database.Querier) error {
			if err := s.db.appendAudit(t.Context(), tx, s.entry("x")); err != nil {
				return err
			}
			return sql.ErrNoRows
		})
		if !errors.Is(err, sql.ErrNoRows) {
			t.Fatal(err)
		}
		s.write(2)
		if size, err := s.check(); err != nil || size != 5 {
			t.Errorf("got %d, %v", size, err)
		}
	})
}

// cut is a connection that breaks off when the tree is read.
type cut struct{ database.Querier }

var errCut = errors.New("the connection broke off")

func (c cut) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if strings.Contains(query, "audit_hashes") {
		return nil, errCut
	}
	return c.Querier.QueryContext(ctx, query, args...)
}

// TestAuditLog_anOutageIsNoEditedLog holds that a database that could not be asked
// says nothing about the log.
func TestAuditLog_anOutageIsNoEditedLog(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s := newSealed(t, dsn)
		s.write(5)
		err := s.db.sql.Read(t.Context(), func(q database.Querier) error { return s.db.seal.holds(t.Context(), cut{q}, 5) })
		if !errors.Is(err, errCut) || inventory.KindOf(err) != inventory.Internal {
			t.Errorf("got %v", err)
		}
	})
}
