package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"signboard/inventory"
)

// hint notes hints that are a second old.
func (w *world) hint(hints ...inventory.Hint) (ignored int) {
	w.Helper()
	ignored, err := w.db.Hint(w.Context(), "local", hints, w.now.Add(-settle))
	w.must(err)
	return ignored
}

func (w *world) pushed(names ...string) {
	w.Helper()
	var hints []inventory.Hint
	for _, n := range names {
		hints = append(hints, inventory.Hint{Repository: n})
	}
	if ignored := w.hint(hints...); ignored > 0 {
		w.Errorf("%d of the hints about %s were ignored", ignored, names)
	}
}

// urgent leases what was hinted at longest ago, nil when there is nothing.
func (w *world) urgent() *inventory.RepositoryWork {
	w.Helper()
	work, err := w.db.ClaimHinted(w.Context(), "test", "local", w.now, time.Minute)
	w.must(err)
	waits, err := w.db.Hinted(w.Context(), w.now)
	w.must(err)
	if next, err := w.db.ClaimHinted(w.Context(), "probe", "local", w.now, 0); err != nil || (next != nil) != slices.Contains(waits, "local") {
		w.Errorf("Hinted says %v, and %v is there to claim (%v)", waits, next, err)
	}
	return work
}

func (w *world) urgently(name string) *inventory.RepositoryWork {
	w.Helper()
	work := w.urgent()
	if work == nil || work.Repository.Name != name {
		w.Fatalf("%v is to be read first, want %s", work, name)
	}
	return work
}

func (w *world) finish(work *inventory.RepositoryWork) {
	w.Helper()
	w.must(w.db.FinishRepository(w.Context(), work, nil, w.now.Add(time.Hour), w.now))
}

func (w *world) nothingUrgent() {
	w.Helper()
	if work := w.urgent(); work != nil {
		w.Errorf("%s is to be read first", work.Repository.FullName())
	}
}

// row is what is stored about a repository of local.
func (w *world) row(name string) (gone, unlisted, found bool, due time.Time) {
	w.Helper()
	rows, err := w.db.sql.Reader.QueryContext(w.Context(), "select gone, unlisted, next_due_at from repositories where full_name = $1", "local/"+name)
	w.must(err)
	defer rows.Close()
	for rows.Next() {
		var at int64
		w.must(rows.Scan(&gone, &unlisted, &at))
		found, due = true, timeOf(at)
	}
	w.must(rows.Err())
	return gone, unlisted, found, due
}

func TestHint_goesBeforeWhatHasBeenDueForLong(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b", "c", "pay/d")
		w.nothingUrgent()
		w.after(time.Minute)
		w.pushed("c")
		w.after(time.Second)
		w.pushed("b", "c", "b")
		c := w.urgently("c")
		w.finish(c)
		w.finish(w.urgently("b"))
		w.nothingUrgent()

		// One that isn't due for long becomes due, and one that is stays where it was.
		w.pushed("c", "a")
		if _, _, _, due := w.row("c"); !due.Equal(w.now) {
			t.Errorf("what was hinted at is due at %s, want %s", due, w.now)
		}
		if _, _, _, due := w.row("a"); !due.Equal(noon) {
			t.Errorf("what has been due since noon is due at %s", due)
		}
		// An ordinary look answers the hint, too.
		w.look("local", "c")
		w.finish(w.urgently("a"))
		w.nothingUrgent()
		w.noDrift()
	})
}

// TestHint_duringALook: what was pushed after the look began may be missing from
// what it found.
func TestHint_duringALook(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		for name, end := range map[string]func(*inventory.RepositoryWork){
			"complete": w.finish,
			"some images could not be read": func(work *inventory.RepositoryWork) {
				w.must(w.db.FailRepository(w.Context(), work, outage, inventory.Verdict{}, w.now.Add(5*time.Minute), w.now))
			},
		} {
			w.after(time.Hour)
			w.pushed("a")
			first := w.urgently("a")
			w.after(time.Second)
			w.pushed("a")
			w.pushed("a")
			w.nothingUrgent() // it is being read
			end(first)
			if _, _, _, due := w.row("a"); due.After(w.now) {
				t.Errorf("%s: after the look it is due at %s, want now", name, due)
			}
			end(w.urgently("a"))
			w.nothingUrgent()
			if _, _, _, due := w.row("a"); !due.After(w.now) {
				t.Errorf("%s: after the second look it is still due", name)
			}
		}
	})
}

// TestHint_settles: a registry may tell of a push before it shows it, and of one
// push several times.
func TestHint_settles(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		now := func() {
			_, err := w.db.Hint(w.Context(), "local", []inventory.Hint{{Repository: "a"}, {Repository: "new"}}, w.now)
			w.must(err)
		}
		now()
		w.after(settle / 2)
		now()
		w.nothingUrgent()
		if work, err := w.db.ClaimRepository(w.Context(), "test", inventory.SyncScope{Registry: "local"}, w.now, time.Minute); err != nil || work != nil {
			t.Fatalf("an ordinary look comes first, and too soon: %+v, %v", work, err)
		}
		if _, held, err := w.db.Held(w.Context(), inventory.SyncScope{}, w.now); err != nil || !held {
			t.Errorf("a sync of everything would leave it out: %v, %v", held, err)
		}
		w.after(settle / 2)
		w.finish(w.urgently("a"))
		w.finish(w.urgently("new"))
		w.nothingUrgent()
	})
}

func TestEcho(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		echo := func(work *inventory.RepositoryWork) { w.must(w.db.Echo(w.Context(), work, w.now.Add(3*time.Second))) }
		w.pushed("a")
		work := w.urgently("a")
		w.finish(work)
		echo(work)
		w.nothingUrgent()
		w.after(3 * time.Second)
		if work = w.urgently("a"); !work.Repository.Echo {
			t.Errorf("the work is %+v", work.Repository)
		}
		w.finish(work)
		w.nothingUrgent()
		if _, _, _, due := w.row("a"); !due.After(w.now) {
			t.Error("after the echo it is still due")
		}

		// Without an end of its own, for what isn't there yet.
		w.pushed("new")
		echo(w.urgently("new"))
		w.nothingUrgent()
		w.after(3 * time.Second)
		w.must(w.db.DropRepository(w.Context(), w.urgently("new"), w.now))

		// A hint doesn't wait for an echo, and an echo takes nothing from a hint.
		w.pushed("a")
		work = w.urgently("a")
		w.finish(work)
		echo(work)
		w.pushed("a")
		if work = w.urgently("a"); work.Repository.Echo {
			t.Error("a hint was taken for an echo")
		}
		w.pushed("a")
		w.finish(work)
		echo(work)
		if work = w.urgently("a"); work.Repository.Echo {
			t.Error("a hint during a look was taken for its echo")
		}
		w.finish(work)
		other := w.claim("local", "a") // another look has begun
		echo(work)
		w.finish(other)
		w.nothingUrgent()
		w.after(time.Minute)
		w.nothingUrgent()
	})
}

// TestHint_duringAFailure: a registry that can't be read isn't asked as often as
// hints come.
func TestHint_duringAFailure(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.pushed("a")
		work := w.urgently("a")
		w.pushed("a")
		w.must(w.db.FailRepository(w.Context(), work, outage, verdict(inventory.Unknown), w.now.Add(5*time.Minute), w.now))
		w.nothingUrgent()
		if _, _, _, due := w.row("a"); !due.Equal(w.now.Add(hintedRetry)) {
			t.Errorf("it is due at %s, want %s later than %s", due, hintedRetry, w.now)
		}
		work = w.claim("local", "a")
		w.must(w.db.FailRepository(w.Context(), work, outage, verdict(inventory.Unknown), w.now.Add(5*time.Minute), w.now))
		if _, _, _, due := w.row("a"); !due.Equal(w.now.Add(5 * time.Minute)) {
			t.Errorf("without another hint it is due at %s", due)
		}
	})
}

func TestHint_outlivesWhoeverDiesWithIt(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.pushed("a")
		dead := w.urgently("a")
		w.nothingUrgent()
		w.after(2 * time.Minute)
		next := w.urgently("a")
		if err := w.db.FinishRepository(w.Context(), dead, nil, w.now.Add(time.Hour), w.now); !errors.Is(err, inventory.ErrLeaseLost) {
			t.Errorf("the first look could still end: %v", err)
		}
		w.must(w.db.RenewRepository(w.Context(), next, w.now, 0)) // given back
		w.finish(w.urgently("a"))
		w.nothingUrgent()
	})
}

func TestHint_ofWhatIsNotKnown(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.hint(inventory.Hint{Repository: "never", Deleted: true})
		if _, _, found, _ := w.row("never"); found {
			t.Error("a repository that something was deleted from was made up")
		}
		if _, err := w.db.Hint(w.Context(), "nowhere", []inventory.Hint{{Repository: "a"}}, w.now); err != nil {
			t.Errorf("a hint about a registry that isn't configured: %v", err)
		}
		w.pushed("pay/new")
		work := w.urgently("pay/new")
		if !work.Repository.Unlisted || work.Repository.HintedAt == nil {
			t.Errorf("the work is %+v", work.Repository)
		}
		w.must(w.db.RecordImages(w.Context(), work, w.judged(unsigned(1, "v1")), w.now))
		w.must(w.db.FinishRepository(w.Context(), work, []string{"v1"}, w.now.Add(time.Hour), w.now))
		if i := w.image("local", "pay/new", digest(1)); !slices.Equal(i.Teams, []string{"payments"}) {
			t.Errorf("it belongs to %v", i.Teams)
		}
		w.noDrift()

		// A listing that began before the push doesn't have it, and doesn't end it.
		w.list("local", "a")
		if gone, unlisted, _, _ := w.row("pay/new"); gone || !unlisted {
			t.Errorf("after a listing without it: gone %v, unlisted %v", gone, unlisted)
		}
		w.list("local", "a", "pay/new")
		if _, unlisted, _, _ := w.row("pay/new"); unlisted {
			t.Error("a listing that has it doesn't count")
		}
		w.list("local", "a")
		if gone, _, _, _ := w.row("pay/new"); !gone {
			t.Error("what a listing had and the next one doesn't isn't gone")
		}
		w.noDrift()

		// And back, by a hint; but not by one of something deleted.
		w.hint(inventory.Hint{Repository: "pay/new", Deleted: true})
		w.nothingUrgent()
		w.hint(inventory.Hint{Repository: "pay/new", Deleted: true}, inventory.Hint{Repository: "pay/new"})
		work = w.urgently("pay/new")
		w.must(w.db.DropRepository(w.Context(), work, w.now))
		if gone, _, found, _ := w.row("pay/new"); !gone || !found {
			t.Errorf("dropped again: gone %v, and what was known is there: %v", gone, found)
		}
		w.noDrift()
	})
}

func TestDropRepository_forgetsWhatNeverWas(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.pushed("pay/typo")
		work := w.urgently("pay/typo")
		w.must(w.db.DropRepository(w.Context(), work, w.now))
		if _, _, found, _ := w.row("pay/typo"); found {
			t.Error("a repository that never was is still stored")
		}
		w.nothingUrgent()
		w.noDrift()
		if err := w.db.DropRepository(w.Context(), work, w.now); !errors.Is(err, inventory.ErrLeaseLost) {
			t.Errorf("dropping it again: %v", err)
		}
	})
}

func TestHint_madeUpNamesAreBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		var hints []inventory.Hint
		for n := range maxUnlisted + 7 {
			hints = append(hints, inventory.Hint{Repository: fmt.Sprintf("x/%d", n)})
		}
		hints = append(hints, inventory.Hint{Repository: "a"})
		if ignored := w.hint(hints...); ignored != 7 {
			t.Errorf("%d were ignored, want 7", ignored)
		}
		if ignored := w.hint(inventory.Hint{Repository: "y"}); ignored != 1 {
			t.Errorf("one more: %d were ignored", ignored)
		}
		if _, _, _, due := w.row("a"); !due.Equal(w.now) {
			t.Error("the one that is known was forgotten among them")
		}
		w.list("local", "a", "x/0") // none was ever read: those that are due stay, and stay bounded
		if ignored := w.hint(inventory.Hint{Repository: "y"}, inventory.Hint{Repository: "z"}); ignored != 1 {
			t.Errorf("after one was listed %d were ignored, want 1", ignored)
		}
		w.noDrift()
	})
}

func TestMissed_listsAgainAndMakesNothingDue(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		w.pushed("hidden")
		w.look("local", "a")
		w.look("local", "b")
		_, _, _, due := w.row("b")
		claim := func() *inventory.RegistryWork {
			work, err := w.db.ClaimRelisting(w.Context(), "test", "local", w.now, time.Minute)
			w.must(err)
			return work
		}
		if claim() != nil {
			t.Fatal("a registry is to be listed again that misses nothing")
		}
		missing := w.claim("local", "a")
		w.must(w.db.Missed(w.Context(), missing, w.now.Add(10*time.Second)))
		w.must(w.db.Missed(w.Context(), missing, w.now.Add(20*time.Second)))
		if claim() != nil {
			t.Fatal("it is to be listed before its time")
		}
		w.after(10 * time.Second)
		work := claim()
		if work == nil || !work.Relist || work.Registry.State.RepositoryCount != 2 { // what no listing had doesn't count
			t.Fatalf("the work is %+v", work)
		}
		w.must(w.db.RecordCatalog(w.Context(), work, []string{"b"}, true, w.now))
		if gone, _, _, _ := w.row("a"); !gone {
			t.Error("what isn't listed any more isn't gone")
		}
		if _, _, _, after := w.row("b"); !after.Equal(due) {
			t.Errorf("another repository is due at %s now, and was at %s", after, due)
		}
		if claim() != nil {
			t.Error("it is to be listed once more")
		}
		if r, err := w.db.Registries(w.Context()); err != nil || !r[0].State.NextDueAt.Equal(work.Registry.State.NextDueAt) {
			t.Errorf("the registry is due at %s, and was at %s (%v)", r[0].State.NextDueAt, work.Registry.State.NextDueAt, err)
		}
		w.noDrift()
	})
}
