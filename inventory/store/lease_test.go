package store

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"signboard/inventory"
)

func TestHeld_isWhatIsDueAndCannotBeClaimed(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		held := func(want bool) {
			w.Helper()
			for _, scope := range []inventory.SyncScope{{}, {Registry: "local"}, {Repository: "app"}} {
				if listing, got, err := w.db.Held(w.Context(), scope, w.now); err != nil || got != want || listing {
					w.Errorf("%+v is held: %v, %v, %v; want %v", scope, listing, got, err, want)
				}
			}
			if listing, got, err := w.db.Held(w.Context(), inventory.SyncScope{Registry: "another"}, w.now); err != nil || got || listing {
				w.Errorf("another registry is held: %v, %v", got, err)
			}
		}
		held(false)
		work := w.claim("local", "app")
		held(true)
		w.must(w.db.RenewRepository(w.Context(), work, w.now, 0))
		held(false)
		w.claim("local", "app")
		w.after(2 * time.Minute)
		held(false)
	})
}

func TestRenewRegistry_refusesALostLease(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		claim := func() *inventory.RegistryWork {
			w.must(w.db.MakeDue(w.Context(), inventory.SyncScope{Registry: "local"}, w.now))
			work, err := w.db.ClaimRegistry(w.Context(), "test", inventory.SyncScope{Registry: "local"}, w.now, time.Minute)
			w.must(err)
			return work
		}
		first := claim()
		w.after(50 * time.Second)
		w.must(w.db.RenewRegistry(w.Context(), first, w.now, time.Minute))
		w.after(50 * time.Second)
		if claim() != nil {
			w.Fatal("a renewed lease was taken")
		}
		if held, _, err := w.db.Held(w.Context(), inventory.SyncScope{}, w.now); err != nil || !held {
			w.Errorf("a registry that is being listed is held: %v, %v", held, err)
		}
		w.after(time.Minute)
		if claim() == nil {
			w.Fatal("a lease that ran out can't be taken")
		}
		if err := w.db.RenewRegistry(w.Context(), first, w.now, time.Minute); !errors.Is(err, inventory.ErrLeaseLost) {
			w.Errorf("a lost lease was renewed: %v", err)
		}
	})
}

// A process may freeze in the middle of a transaction, with rows locked that
// everybody writes to. The server ends it; others go on at once, and when the
// process wakes up the transaction runs again.
func TestWrite_survivesAFreezeInATransaction(t *testing.T) {
	dsn := postgresSchema(t)
	open(t, dsn) // makes the schema, with the limit that people have
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(idleLimit, "20")
	u.RawQuery = q.Encode()
	db := open(t, u.String())
	tries := 0
	err = db.write(t.Context(), func(tx querier) error {
		tries++
		if _, err := bump(t.Context(), tx, "trust"); err != nil {
			return err
		}
		pid, err := value[int](t.Context(), tx, "select pg_backend_pid()")
		if err != nil || tries > 1 {
			return err
		}
		for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
			n, err := value[int](t.Context(), db.reader, "select count(*) from pg_stat_activity where pid = $1", pid)
			if err != nil {
				return err
			}
			if n == 0 {
				_, err := bump(t.Context(), tx, "trust")
				return err
			}
		}
	})
	if err != nil || tries != 2 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	if n, err := value[int64](t.Context(), db.reader, "select value from revisions where name = 'trust'"); err != nil || n != 1 {
		t.Errorf("it was counted %d times, %v", n, err)
	}
	for setting, d := range map[string]*DB{"3s": open(t, dsn), "20ms": db} {
		if is, err := value[string](t.Context(), d.reader, "show "+idleLimit); err != nil || is != setting {
			t.Errorf("the limit is %s, want %s: %v", is, setting, err)
		}
	}
}
