package store

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// token is one that was made now, for some time; zero is for ever.
func (w *world) token(id, name string, lasts time.Duration) inventory.Token {
	t := inventory.Token{ID: id, Name: name, Role: inventory.Reviewer, Subject: "idp|ada", CreatedAt: w.now, CreatedBy: "Ada"}
	if lasts != 0 {
		end := w.now.Add(lasts)
		t.ExpiresAt = &end
	}
	return t
}

func (w *world) makeToken(id, name string, lasts time.Duration) (inventory.Token, error) {
	t := w.token(id, name, lasts)
	return t, w.db.RecordToken(w.Context(), t, "hash of "+id, w.entry("token.create"))
}

func (w *world) revoke(t inventory.Token) error {
	at := w.now
	t.RevokedAt, t.RevokedBy = &at, "Eve"
	return w.db.RecordTokenRevocation(w.Context(), t, w.entry("token.revoke"))
}

func (w *world) tokens(live bool) []string {
	w.Helper()
	var names []string
	p := inventory.Page{Limit: 2}
	for range 10 {
		list, next, err := w.db.Tokens(w.Context(), live, p, w.now)
		w.must(err)
		for _, t := range list {
			names = append(names, t.ID)
		}
		if next == "" {
			return names
		}
		p.Cursor = next
	}
	w.Fatal("the list never ends")
	return nil
}

func (w *world) audited() int {
	w.Helper()
	list, _, err := w.db.AuditEntries(w.Context(), inventory.Page{Limit: inventory.MaxPage})
	w.must(err)
	return len(list)
}

func TestToken_isFoundByItsHash(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		made, err := w.makeToken("a", "ci", time.Hour)
		w.must(err)
		got, err := w.db.TokenByHash(t.Context(), "hash of a")
		w.must(err)
		if !reflect.DeepEqual(got, made) {
			t.Errorf("got %+v, want %+v", got, made)
		}
		for _, hash := range []string{"", "hash of", "hash of b", "HASH OF A", "hash of a ", "hash of %"} {
			if _, err := w.db.TokenByHash(t.Context(), hash); inventory.KindOf(err) != inventory.NotFound {
				t.Errorf("%q: %v", hash, err)
			}
		}
		// Other processes see it, and in what state it is, at once.
		other := open(t, dsn)
		if _, err := other.TokenByHash(t.Context(), "hash of a"); err != nil {
			t.Error(err)
		}
		w.must(w.revoke(made))
		if got, err := other.TokenByHash(t.Context(), "hash of a"); err != nil || got.StateAt(w.now) != inventory.TokenRevoked || got.RevokedBy != "Eve" {
			t.Errorf("revoked it is %+v, %v", got, err)
		}
	})
}

func TestToken_namesOfLiveOnesAreUnique(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		first, err := w.makeToken("a", "ci", time.Hour)
		w.must(err)
		before := w.audited()
		if _, err := w.makeToken("b", "ci", 0); inventory.KindOf(err) != inventory.Conflict || !strings.Contains(err.Error(), "called ci") {
			t.Errorf("a second live one of that name: %v", err)
		}
		if _, err := w.makeToken("a", "another", 0); inventory.KindOf(err) != inventory.Conflict || !strings.Contains(err.Error(), "already") {
			t.Errorf("the same id: %v", err)
		}
		if w.audited() != before {
			t.Error("what was refused is in the log as made")
		}
		w.after(time.Hour) // the first has expired
		second, err := w.makeToken("c", "ci", 0)
		w.must(err)
		w.must(w.revoke(second))
		_, err = w.makeToken("d", "ci", 0)
		w.must(err)
		for name, want := range map[string]string{"ci": "d", "a": "a", "c": "c", "d": "d"} {
			if got, err := w.db.Token(t.Context(), name, w.now); err != nil || got.ID != want {
				t.Errorf("%s is %s, %v", name, got.ID, err)
			}
		}
		for _, name := range []string{"", "another", "c%", "CI"} {
			if _, err := w.db.Token(t.Context(), name, w.now); inventory.KindOf(err) != inventory.NotFound {
				t.Errorf("%q: %v", name, err)
			}
		}
		// An id comes before another's name.
		_, err = w.makeToken("e", "a", 0)
		w.must(err)
		if got, err := w.db.Token(t.Context(), "a", w.now); err != nil || got.ID != first.ID {
			t.Errorf("a is %+v, %v", got, err)
		}
	})
}

// TestToken_namesStayUniqueAtOnce has many make a token of one name at the same
// moment, from two processes' databases.
func TestToken_namesStayUniqueAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		both := []*DB{w.db, open(t, dsn)}
		var wait sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for i := range 8 {
			wait.Go(func() {
				token := w.token(fmt.Sprint("t", i), "ci", 0)
				err := both[i%2].RecordToken(t.Context(), token, "hash of "+token.ID, w.entry("token.create"))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made++
				} else if inventory.KindOf(err) != inventory.Conflict {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if made != 1 || len(w.tokens(true)) != 1 {
			t.Errorf("%d were made, and %v are live", made, w.tokens(true))
		}
	})
}

func TestToken_revocationIsOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		made, err := w.makeToken("a", "ci", 0)
		w.must(err)
		before := w.audited()
		w.must(w.revoke(made))
		if w.audited() != before+1 {
			t.Error("the revocation isn't in the log")
		}
		if err := w.revoke(made); inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("again: %v", err)
		}
		if err := w.revoke(inventory.Token{ID: "none"}); inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("one that isn't there: %v", err)
		}
		if w.audited() != before+1 {
			t.Error("what did nothing is in the log")
		}
	})
}

func TestToken_listsLiveOnesAndThoseThatAreOver(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		for i := range 5 { // two of them in the same millisecond
			_, err := w.makeToken(fmt.Sprint("live", i), fmt.Sprint("live", i), 0)
			w.must(err)
			w.after(time.Duration(i%2) * time.Second)
		}
		_, err := w.makeToken("short", "short", time.Minute)
		w.must(err)
		gone, err := w.makeToken("gone", "gone", 0)
		w.must(err)
		w.must(w.revoke(gone))
		if got := w.tokens(true); !slices.Equal(got, []string{"short", "live4", "live3", "live2", "live1", "live0"}) {
			t.Errorf("live are %v", got)
		}
		w.after(time.Minute)
		if got := w.tokens(true); slices.Contains(got, "short") || len(got) != 5 {
			t.Errorf("live are %v", got)
		}
		if got := w.tokens(false); !slices.Equal(got, []string{"short", "gone"}) {
			t.Errorf("over are %v", got)
		}
		for _, cursor := range []string{"x", "1", "-1.a", "9999999999999999999.a"} {
			if _, _, err := w.db.Tokens(t.Context(), true, inventory.Page{Cursor: cursor}, w.now); inventory.KindOf(err) != inventory.Invalid {
				t.Errorf("the cursor %q: %v", cursor, err)
			}
		}
	})
}

func TestToken_useIsNotedOnceAMinute(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		_, err := w.makeToken("a", "ci", 0)
		w.must(err)
		began := w.now
		used := func() (time.Time, string) {
			t.Helper()
			got, err := w.db.Token(t.Context(), "a", w.now)
			w.must(err)
			if got.LastUsedAt == nil {
				return time.Time{}, got.LastUsedFrom
			}
			return *got.LastUsedAt, got.LastUsedFrom
		}
		if at, from := used(); !at.IsZero() || from != "" {
			t.Errorf("before: %s from %q", at, from)
		}
		for _, step := range []struct {
			after time.Duration
			from  string
			want  time.Duration
			says  string
		}{
			{0, "192.0.2.1", 0, "192.0.2.1"},
			{59 * time.Second, "192.0.2.2", 0, "192.0.2.1"},
			{time.Minute, "192.0.2.3", time.Minute, "192.0.2.3"},
			{30 * time.Second, "192.0.2.4", time.Minute, "192.0.2.3"}, // a late one
		} {
			w.must(w.db.RecordTokenUse(t.Context(), "a", began.Add(step.after), step.from))
			if at, from := used(); !at.Equal(began.Add(step.want)) || from != step.says {
				t.Errorf("used after %s: noted is %s from %s", step.after, at.Sub(began), from)
			}
		}
		w.must(w.db.RecordTokenUse(t.Context(), "none", began, "192.0.2.1"))
	})
}

// TestOpen_addsTokensToEarlierVersions holds that a database from before there
// were tokens takes them.
func TestOpen_addsTokensToEarlierVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		at(t, dsn, 8, "update revisions set value = 41 where name = 'decisions'")
		w := newWorld(t, dsn)
		_, err := w.makeToken("a", "ci", 0)
		w.must(err)
		if n, err := database.Value[int](t.Context(), w.db.sql.Reader, "select value from revisions where name = 'decisions'"); err != nil || n != 41 {
			t.Errorf("what was there: %d, %v", n, err)
		}
	})
}
