package store

import (
	"slices"
	"testing"
	"time"

	"signboard/inventory"
)

// TestRewind: a clock that ran two days ahead and was put right has changed
// nothing that lasts.
func TestRewind(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		w.list("other", "c")
		w.look("local", "a", signed(1, inventory.Trusted, []int{1}, "v1"), unsigned(2, "v2"))
		tomorrow := w.now.Add(24 * time.Hour)
		w.quarantine("q", inventory.Quarantine{Digest: digest(2), ExpiresAt: &tomorrow})
		w.quarantine("short", inventory.Quarantine{Digest: digest(1), ExpiresAt: new(w.now.Add(30 * time.Minute))})
		judged := w.image("local", "a", digest(1)).ID

		w.after(48 * time.Hour)
		_, err := w.db.StaleVerdicts(t.Context(), w.now, 10) // takes what has run out for ended
		w.must(err)
		w.look("local", "a", signed(1, inventory.Unapproved, []int{1}, "v1"), unsigned(2, "v2"))
		w.list("local", "a", "b")
		if n := w.held(); n != 0 {
			t.Fatalf("two days ahead %d images are held", n)
		}
		held := w.claim("local", "b") // whoever has it won't come back
		w.hint(inventory.Hint{Repository: "a"})

		w.after(-47 * time.Hour)
		n, err := w.db.Rewind(t.Context(), w.now)
		w.must(err)
		if n == 0 {
			t.Error("no verdict is judged again")
		}
		stale, err := w.db.StaleVerdicts(t.Context(), w.now, 10)
		w.must(err)
		if !slices.Contains(stale, judged) {
			t.Errorf("%v are judged again, and not %d", stale, judged)
		}
		if n := w.held(); n != 1 {
			t.Errorf("%d images are held", n)
		}
		if q, err := w.db.Quarantine(t.Context(), "q"); err != nil || !q.StandsAt(w.now) {
			t.Errorf("%+v, %v", q, err)
		}
		if work := w.urgent(); work == nil || work.Repository.Name != "a" {
			t.Errorf("of what a hint made urgent there is %+v", work)
		}
		b, err := w.db.ClaimRepository(t.Context(), "test", inventory.SyncScope{Registry: "local", Repository: "b"}, w.now, time.Minute)
		w.must(err)
		if b == nil || b.Lease.Token == held.Lease.Token {
			t.Errorf("the repository that was held in the future can't be claimed: %+v", b)
		}
		work, err := w.db.ClaimRegistry(t.Context(), "test", inventory.SyncScope{Registry: "local"}, w.now, time.Minute)
		w.must(err)
		if work == nil {
			t.Error("the registry isn't due before the time that was wrong comes")
		}
		w.noDrift()
		days, err := w.db.Coverage(t.Context(), inventory.Scope{}, 7, w.now)
		w.must(err)
		if last := days[len(days)-1]; last.Date != w.now.UTC().Format(dayFormat) || last.Counts.Of(inventory.Unapproved) != 1 {
			t.Errorf("the last day is %+v", last)
		}
	})
}

// TestRewind_ofAClockThatIsRight does nothing.
func TestRewind_ofAClockThatIsRight(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.look("local", "a", signed(1, inventory.Trusted, []int{1}, "v1"))
		work := w.claim("local", "a")
		n, err := w.db.Rewind(t.Context(), w.now)
		w.must(err)
		if n != 0 {
			t.Errorf("%d verdicts are judged again", n)
		}
		w.must(w.db.RenewRepository(t.Context(), work, w.now, time.Minute))
		if again, err := w.db.ClaimRepository(t.Context(), "other", inventory.SyncScope{}, w.now, time.Minute); err != nil || again != nil {
			t.Errorf("a lease that holds was taken: %+v, %v", again, err)
		}
	})
}
