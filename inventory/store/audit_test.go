package store

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"
	"time"

	"signboard/inventory"
)

// TestFindAudit_isWhatAFilterSays holds pages of every filter, of every size,
// against all entries, where the clock was set back meanwhile too.
func TestFindAudit_isWhatAFilterSays(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		random := rand.New(rand.NewPCG(1, 2))
		names, objects := []string{"Dana", "dana ", "Erik Ö.", ""}, []string{"key:sha256:1", "local", "100%_"}
		for i := range 120 {
			w.after(time.Duration(random.IntN(90)) * time.Minute)
			if i == 60 {
				w.after(-30 * time.Hour)
			}
			e := w.entry(inventory.AuditActions[random.IntN(len(inventory.AuditActions))])
			e.Actor.Name, e.Object = names[random.IntN(len(names))], objects[random.IntN(len(objects))]
			w.must(w.db.RecordRefusal(t.Context(), e))
		}
		all, _, err := w.db.AuditEntries(t.Context(), inventory.Page{Limit: inventory.MaxPage})
		w.must(err)
		if len(all) != 120 || !slices.IsSortedFunc(all, func(a, b inventory.AuditEntry) int { return int(b.Index - a.Index) }) {
			t.Fatalf("%d entries without a filter", len(all))
		}
		slices.SortStableFunc(all, func(a, b inventory.AuditEntry) int { return b.At.Compare(a.At) })
		from, to := noon.Add(10*time.Hour), noon.Add(60*time.Hour)
		for _, f := range []inventory.AuditFilter{
			{Who: "DANA"}, {Who: "erik ö."}, {Who: "user?"}, {Who: "nobody"}, {Action: "signer"}, {Action: "signer.approve"}, {Action: "token"}, {Object: "local"}, {Object: "100%_"},
			{From: &from}, {To: &to}, {From: &from, To: &to}, {Who: "dana", From: &from, To: &to}, {Who: "dana", Action: "signer"}, {Object: "local", Action: "session.start"},
			{Object: "local", Who: "dana", Action: "token", From: &from}, {Object: "local", Who: "dana", Action: "token.create", To: &to},
		} {
			var want []inventory.AuditEntry
			for _, e := range all {
				if f.Holds(e) {
					want = append(want, e)
				}
			}
			for _, size := range []int{1, 7, 200} {
				var got []inventory.AuditEntry
				p := inventory.Page{Limit: size}
				for {
					list, err := w.db.FindAudit(t.Context(), f, p)
					w.must(err)
					if len(list.Entries) > size {
						t.Fatalf("a page has %d entries of %d", len(list.Entries), size)
					}
					got = append(got, list.Entries...)
					if p.Cursor = list.Next; p.Cursor == "" || len(got) > len(all) {
						break
					}
				}
				if !slices.EqualFunc(got, want, func(a, b inventory.AuditEntry) bool { return a.Index == b.Index }) {
					t.Errorf("%+v in pages of %d: %d entries, want %d", f, size, len(got), len(want))
				}
			}
		}
		for _, cursor := range []string{"x", "1", "1.x", ".", "1.2.3"} {
			if _, err := w.db.FindAudit(t.Context(), inventory.AuditFilter{Who: "dana"}, inventory.Page{Cursor: cursor}); inventory.KindOf(err) != inventory.Invalid {
				t.Errorf("the cursor %q: %v", cursor, err)
			}
		}
	})
}

// TestFindAudit_endsAPageThatNothingFills bounds what a page costs where two words
// of a filter never meet.
func TestFindAudit_endsAPageThatNothingFills(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db")
	w.fillAudit(auditReach + 300)
	rare := w.entry("token.create")
	rare.At = noon.Add(-time.Hour)
	w.must(w.db.RecordRefusal(t.Context(), rare))
	f := inventory.AuditFilter{Who: "dana", Action: "token.create"}
	f.Object = "it"
	list, err := w.db.FindAudit(t.Context(), f, inventory.Page{})
	w.must(err)
	if len(list.Entries) != 0 || list.Next == "" || list.Reached == nil {
		t.Fatalf("the first page is %+v", list)
	}
	list, err = w.db.FindAudit(t.Context(), f, inventory.Page{Cursor: list.Next})
	w.must(err)
	if len(list.Entries) != 1 || list.Next != "" || list.Reached != nil {
		t.Errorf("the second page is %+v", list)
	}
}

// fillAudit writes many entries, unsigned.
func (w *world) fillAudit(n int) {
	w.Helper()
	for i := range n {
		e := w.entry("session.start")
		e.At = noon.Add(time.Duration(i) * time.Second)
		w.must(w.db.RecordRefusal(w.Context(), e))
	}
}

func TestAuditBeside(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		for _, object := range []string{"a", "b", "a", "b", "b", "a"} {
			e := w.entry("signer.approve")
			e.Object = object
			w.must(w.db.RecordRefusal(t.Context(), e))
		}
		for index, want := range map[int64]string{0: "- 2", 2: "0 5", 5: "2 -", 1: "- 3", 3: "1 4", 4: "3 -"} {
			e, err := w.db.AuditEntry(t.Context(), index)
			w.must(err)
			before, after, err := w.db.AuditBeside(t.Context(), e)
			w.must(err)
			said := func(p *int64) string {
				if p == nil {
					return "-"
				}
				return fmt.Sprint(*p)
			}
			if got := said(before) + " " + said(after); got != want {
				t.Errorf("beside entry %d are %s, want %s", index, got, want)
			}
		}
	})
}

// TestSeal_filesEntriesOfEarlierVersions finds what was written before entries
// were filed, and has the log whole.
func TestSeal_filesEntriesOfEarlierVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		at(t, dsn, 8,
			`insert into audit_entries (idx, at, actor, action, object, reason, before, after, address) values (0, 5000, '{"kind":"user","name":"Dana"}', 'signer.approve', 'k', 'r', '', '', '')`,
			`insert into audit_entries (idx, at, actor, action, object, reason, before, after, address) values (1, 6000, '{"kind":"system","name":""}', 'token.create', 'k', 'r', '', '', '')`,
			"update revisions set value = 2 where name = 'audit'")
		s := newSealed(t, dsn)
		for filter, want := range map[string]int64{"who=dana": 0, "who=system?": 1, "action=token": 1, "action=signer.approve": 0, "to=1970-01-01&who=Dana": 0} {
			q, err := url.ParseQuery(filter)
			s.must(err)
			f, err := inventory.ParseAuditFilter(q)
			s.must(err)
			list, err := s.db.FindAudit(t.Context(), f, inventory.Page{})
			s.must(err)
			if len(list.Entries) != 1 || list.Entries[0].Index != want {
				t.Errorf("%s: %+v", filter, list)
			}
		}
		if size, err := s.check(); err != nil || size != 2 {
			t.Errorf("the log: %d, %v", size, err)
		}
	})
}
