package store

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// session is one of somebody's, begun now.
func (w *world) session(id, subject string) inventory.Session {
	renew := w.now.Add(10 * time.Minute)
	return inventory.Session{
		ID: id, Subject: subject, Name: "Ada", Groups: []string{"a", "b"}, Data: []byte("first\x00"), Sealed: "sealed",
		CreatedAt: w.now, LastSeenAt: w.now, ExpiresAt: w.now.Add(time.Hour), RenewAt: &renew, Address: "192.0.2.1", Agent: "Firefox",
	}
}

func (w *world) start(id, subject string) inventory.Session {
	w.Helper()
	s := w.session(id, subject)
	w.must(w.db.StartSession(w.Context(), s, w.entry("session.start")))
	return s
}

func (w *world) gone(id string) bool {
	w.Helper()
	_, err := w.db.Session(w.Context(), id, w.now)
	if err != nil && inventory.KindOf(err) != inventory.NotFound {
		w.Fatal(err)
	}
	return err != nil
}

func TestSession_isKeptUntilItExpires(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		want := w.start("one", "idp|ada")
		got, err := w.db.Session(t.Context(), "one", w.now)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
		got.Data, got.LastSeenAt, got.ExpiresAt, got.Address, got.Agent = []byte("second"), w.now.Add(time.Minute), w.now.Add(2*time.Hour), "192.0.2.2", "Fire\x00fox"
		got.Groups = []string{"stolen"}
		w.must(w.db.UseSession(t.Context(), got))
		w.after(time.Hour)
		got, err = w.db.Session(t.Context(), "one", w.now)
		if err != nil || string(got.Data) != "second" || got.Address != "192.0.2.2" || len(got.Groups) != 2 {
			t.Errorf("used, it is %+v, %v", got, err)
		}
		w.after(time.Hour)
		if !w.gone("one") {
			t.Error("expired, it is found")
		}
		w.start("two", "idp|eve")
		if n, err := database.Value[int](t.Context(), w.db.sql.Reader, "select count(*) from sessions"); err != nil || n != 1 {
			t.Errorf("%d sessions are kept, %v", n, err)
		}
		if w.audited() != 2 {
			t.Errorf("%d audit entries of two sign-ins", w.audited())
		}
	})
}

// A request that began before a session ended must not bring it back when it
// ends.
func TestSession_thatEndedStaysEnded(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		s := w.start("one", "idp|ada")
		w.must(w.db.EndSession(t.Context(), "one", "idp|ada", w.entry("session.end")))
		w.must(w.db.UseSession(t.Context(), s))
		if err := w.db.RenewSession(t.Context(), s); inventory.KindOf(err) != inventory.NotFound {
			t.Errorf("renewing it: %v", err)
		}
		if claimed, err := w.db.ClaimRenewal(t.Context(), s, w.now); claimed || err != nil {
			t.Errorf("claiming it: %v, %v", claimed, err)
		}
		if !w.gone("one") {
			t.Error("it is back")
		}
	})
}

func TestSession_endsOnlyForItsPerson(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		for _, id := range []string{"a1", "a2", "a3"} {
			w.start(id, "idp|ada")
			w.after(time.Second)
		}
		w.start("e1", "idp|eve")
		before := w.audited()
		if err := w.db.EndSession(t.Context(), "a1", "idp|eve", w.entry("session.revoke")); inventory.KindOf(err) != inventory.NotFound {
			t.Errorf("somebody else's: %v", err)
		}
		if w.gone("a1") || w.audited() != before {
			t.Error("it ended, or was written down as ended")
		}
		list, err := w.db.SessionsOf(t.Context(), "idp|ada", w.now)
		if err != nil || len(list) != 3 || list[0].ID != "a3" {
			t.Errorf("hers are %+v, %v", list, err)
		}
		if n, err := w.db.EndOtherSessions(t.Context(), "a2", "idp|ada", w.entry("session.revoke")); err != nil || n != 2 {
			t.Errorf("%d others ended, %v", n, err)
		}
		if !w.gone("a1") || w.gone("a2") || !w.gone("a3") || w.gone("e1") || w.audited() != before+1 {
			t.Error("not just her other sessions ended")
		}
		if _, err := w.db.EndOtherSessions(t.Context(), "a2", "idp|ada", w.entry("session.revoke")); inventory.KindOf(err) != inventory.NotFound {
			t.Errorf("when there are no others: %v", err)
		}
		w.after(2 * time.Hour)
		if list, err := w.db.SessionsOf(t.Context(), "idp|ada", w.now); err != nil || len(list) != 0 {
			t.Errorf("expired, they are %+v, %v", list, err)
		}
	})
}

func TestSession_onePersonHasNotEndlesslyMany(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/test.db")
	w.start("eve", "idp|eve")
	for n := range inventory.MaxSessions + 5 {
		w.after(time.Second)
		w.start(fmt.Sprint(n), "idp|ada")
	}
	if !w.gone("4") || w.gone("5") || w.gone("eve") {
		t.Error("not the oldest of hers ended")
	}
}

func TestSession_isRenewedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		s := w.start("one", "idp|ada")
		until := w.now.Add(time.Minute)
		for i, want := range []bool{true, false} {
			if claimed, err := w.db.ClaimRenewal(t.Context(), s, until); claimed != want || err != nil {
				t.Errorf("claim %d: %v, %v", i, claimed, err)
			}
		}
		later := w.now.Add(20 * time.Minute)
		s.Groups, s.Name, s.Sealed, s.RenewAt = []string{"c"}, "Ada L.", "other", &later
		w.must(w.db.RenewSession(t.Context(), s))
		if got, err := w.db.Session(t.Context(), "one", w.now); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("renewed, it is %+v, %v", got, err)
		}
		s.RenewAt = nil
		w.must(w.db.RenewSession(t.Context(), s))
		if claimed, err := w.db.ClaimRenewal(t.Context(), s, until); claimed || err != nil {
			t.Errorf("one that isn't renewed was claimed: %v, %v", claimed, err)
		}
	})
}

// A session of a version that didn't note whose it was can't go on, and nothing
// else is lost with it.
func TestOpen_endsSessionsThatNobodyCouldEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		at(t, dsn, 8,
			"insert into sessions (token_hash, data, expires_at) values ('old', 'e30=', 9000000000000)",
			"insert into audit_entries (idx, at, actor, action, object, reason, before, after, address) values (0, 1, '{}', 'session.start', 'idp|ada', '', '', '', '')")
		db := open(t, dsn)
		if _, err := db.Session(t.Context(), "old", noon); inventory.KindOf(err) != inventory.NotFound {
			t.Errorf("it is there: %v", err)
		}
		if list, _, err := db.AuditEntries(t.Context(), inventory.Page{}); err != nil || len(list) != 1 {
			t.Errorf("the audit log is %+v, %v", list, err)
		}
	})
}
