package store

import (
	"errors"
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
