package store

import (
	"testing"
	"time"

	"signboard/inventory"
)

func TestKeepTrustRoot_anOlderOneNeverReplacesANewerOne(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		is := func(want string, at time.Time) {
			t.Helper()
			raw, obtained, err := w.db.TrustRoot(t.Context(), "public-good")
			if err != nil || string(raw) != want || !obtained.Equal(at) {
				t.Errorf("%q of %v, %v; want %q of %v", raw, obtained, err, want, at)
			}
		}
		if raw, at, err := w.db.TrustRoot(t.Context(), "public-good"); raw != nil || !at.IsZero() || err != nil {
			t.Errorf("with none: %q, %v, %v", raw, at, err)
		}
		w.must(w.db.KeepTrustRoot(t.Context(), "public-good", []byte("first\x00\xff"), noon))
		w.must(w.db.KeepTrustRoot(t.Context(), "private", []byte("other"), noon.Add(time.Hour)))
		is("first\x00\xff", noon)
		w.must(w.db.KeepTrustRoot(t.Context(), "public-good", []byte("older"), noon.Add(-time.Millisecond)))
		is("first\x00\xff", noon)
		w.must(w.db.KeepTrustRoot(t.Context(), "public-good", []byte("newer"), noon.Add(time.Minute)))
		is("newer", noon.Add(time.Minute))
	})
}

func TestKeepTUF_theLastStateIsThere(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		if state, err := w.db.TUF(t.Context(), "local/app"); state != nil || err != nil {
			t.Errorf("with none: %q, %v", state, err)
		}
		for _, state := range []string{"one", "two\x00", ""} {
			w.must(w.db.KeepTUF(t.Context(), "local/app", []byte(state)))
			if kept, err := w.db.TUF(t.Context(), "local/app"); string(kept) != state || err != nil {
				t.Errorf("kept %q, %v; want %q", kept, err, state)
			}
		}
		w.must(w.db.KeepTUF(t.Context(), "local/app", nil))
		if state, err := w.db.TUF(t.Context(), "local/other"); state != nil || err != nil {
			t.Errorf("of another collection: %q, %v", state, err)
		}
	})
}

// PostgreSQL stores no bytes that aren't UTF-8 in a name, and what is stored in
// their place is another name.
func TestKeepTUF_refusesANameThatCannotBeStored(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.must(w.db.KeepTUF(t.Context(), "app\uFFFD", []byte("state")))
		for _, name := range []string{"app\xff", "app\x00"} {
			if err := w.db.KeepTUF(t.Context(), name, []byte("x")); inventory.KindOf(err) != inventory.Invalid {
				t.Errorf("keeping %q: %v", name, err)
			}
			if state, err := w.db.TUF(t.Context(), name); state != nil || inventory.KindOf(err) != inventory.Invalid {
				t.Errorf("asking for %q: %q, %v", name, state, err)
			}
			if err := w.db.KeepTrustRoot(t.Context(), name, []byte("x"), noon); inventory.KindOf(err) != inventory.Invalid {
				t.Errorf("keeping the root %q: %v", name, err)
			}
			if raw, _, err := w.db.TrustRoot(t.Context(), name); raw != nil || inventory.KindOf(err) != inventory.Invalid {
				t.Errorf("asking for the root %q: %q, %v", name, raw, err)
			}
		}
	})
}
