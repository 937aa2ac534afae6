package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const day = 24 * time.Hour

func (w *world) prune(r inventory.Retention) inventory.Pruned {
	w.Helper()
	p, err := w.db.Prune(w.Context(), r, w.now)
	w.must(err)
	return p
}

func (w *world) rows(table string) int {
	w.Helper()
	n, err := database.Value[int](w.Context(), w.db.sql.Reader, "select count(*) from "+table)
	w.must(err)
	return n
}

func TestPrune_historyButTheLatestOfEachImage(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		for n, f := range []inventory.ImageFinding{
			carrying(1, inventory.Trusted, "s1"), unsigned(1, "v1"), carrying(1, inventory.Trusted, "s2"), unsigned(1, "v1"), unsigned(2, "v1"), unsigned(1, "v1"),
		} {
			if n == 3 {
				w.after(100 * day)
			}
			w.after(day)
			w.look("local", "app", f)
		}
		before := w.image("local", "app", digest(1))
		if len(before.History) != 4 || len(before.Events) != 3 || len(before.TagMoves) != 3 {
			t.Fatalf("history is %+v, %+v, %+v", before.History, before.Events, before.TagMoves)
		}
		if p := w.prune(inventory.Retention{}); !p.Empty() {
			t.Errorf("where all is kept for good, %+v was removed", p)
		}
		w.after(pruneEvery)
		p := w.prune(inventory.Retention{History: 50 * day})
		if p != (inventory.Pruned{Verdicts: 2, Events: 2, Moves: 1}) {
			t.Errorf("removed were %+v", p)
		}
		after := w.image("local", "app", digest(1))
		if len(after.History) != 2 || after.History[0].To != inventory.Unsigned || after.History[1].To != inventory.Trusted || len(after.Events) != 1 || len(after.TagMoves) != 2 {
			t.Errorf("left are %+v, %+v, %+v", after.History, after.Events, after.TagMoves)
		}
		w.after(1000 * day)
		w.prune(inventory.Retention{History: day})
		if i := w.image("local", "app", digest(1)); len(i.History) != 1 || len(i.Events) != 1 || len(i.TagMoves) != 1 {
			t.Errorf("the latest: %+v, %+v, %+v", i.History, i.Events, i.TagMoves)
		}
		if i := w.image("local", "app", digest(2)); len(i.History) != 1 || len(i.TagMoves) != 1 {
			t.Errorf("the latest of the other image: %+v, %+v", i.History, i.TagMoves)
		}
		w.noDrift()
	})
}

func TestPrune_imagesThatAreGoneForLong(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app", "old", "kept")
		w.list("other", "base")
		index := signed(1, inventory.Trusted, []int{7}, "v1")
		index.Kind, index.MediaType = inventory.IndexImage, inventory.MediaTypeOCIIndex
		index.Platforms = []inventory.Platform{{Platform: "linux/amd64", Digest: digest(2)}, {Platform: "linux/arm64", Digest: digest(3)}}
		other := unsigned(4, "v2")
		other.Kind, other.MediaType = inventory.IndexImage, inventory.MediaTypeOCIIndex
		other.Platforms = []inventory.Platform{{Platform: "linux/arm64", Digest: digest(3)}}
		w.look("local", "app", index, unsigned(2), signed(3, inventory.Unapproved, []int{8}), other)
		w.look("local", "old", signed(5, inventory.Trusted, []int{7}, "v1"))
		w.look("local", "kept", unsigned(6, "v1"))
		w.look("other", "base", unsigned(7, "v1"))
		w.after(day)
		w.look("local", "app", other, signed(3, inventory.Unapproved, []int{8}))
		w.list("local", "app", "kept")
		w.look("local", "kept", unsigned(8, "v1"))
		w.registries = w.registries[:1]
		w.configure()

		w.after(29 * day)
		if p := w.prune(inventory.Retention{Gone: 30 * day}); !p.Empty() {
			t.Errorf("too soon %+v was removed", p)
		}
		w.after(2 * day)
		// Who reads a repository knows its images.
		work := w.claim("local", "kept")
		if p := w.prune(inventory.Retention{Gone: 30 * day}); p.Images != 3 || p.Repositories != 1 {
			t.Errorf("removed were %+v", p)
		}
		w.noDrift()
		for n, there := range map[int]bool{1: false, 2: false, 3: true, 4: true} {
			if _, err := w.db.Image(t.Context(), "local", "app", digest(n), w.now); (err == nil) != there {
				t.Errorf("image %d is there: %v", n, err == nil)
			}
		}
		w.image("local", "kept", digest(6))
		w.must(w.db.RecordImages(t.Context(), work, w.judged(unsigned(8, "v1")), w.now))
		w.must(w.db.FinishRepository(t.Context(), work, []string{"v1"}, w.now.Add(time.Hour), w.now))
		w.after(pruneEvery)
		if p := w.prune(inventory.Retention{Gone: 30 * day}); p.Images != 1 || p.Repositories != 0 {
			t.Errorf("when nobody read it any more %+v was removed", p)
		}
		for _, table := range []string{"signatures", "image_signers", "materials", "verdict_history", "platforms", "image_facets"} {
			n, err := database.Value[int](t.Context(), w.db.sql.Reader, "select count(*) from "+table+" where image_id not in (select id from images)")
			if err != nil || n != 0 {
				t.Errorf("%d rows of %s are about images that aren't there, %v", n, table, err)
			}
		}
		// A registry that isn't configured keeps all, for when it is again.
		if n := w.rows("images"); n != 4 {
			t.Errorf("%d images are left", n)
		}
		if s, err := w.db.Signer(t.Context(), keyID(7), w.now); err != nil || s.Images != 0 {
			t.Errorf("who signed what is gone: %+v, %v", s, err)
		}
		w.list("local", "app", "old", "kept")
		w.look("local", "old", signed(5, inventory.Trusted, []int{7}, "v1"))
		if i := w.image("local", "old", digest(5)); i.Status != inventory.Trusted || !i.FirstSeen.Equal(w.now) {
			t.Errorf("back again it is %+v", i)
		}
		w.noDrift()
	})
}

// A look that froze over its lease must not find an image unchanged that isn't
// there any more.
func TestPrune_fencesOffFrozenLooks(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Trusted, []int{7}, "v1"))
		w.look("local", "app", unsigned(2, "v1"))
		w.after(31 * day)
		frozen := w.claim("local", "app")
		w.after(time.Hour)
		if p := w.prune(inventory.Retention{Gone: 30 * day}); p.Images != 1 {
			t.Fatalf("removed were %+v", p)
		}
		err := w.db.RecordImages(t.Context(), frozen, []inventory.ImageFinding{{Digest: digest(1), Tags: []string{"v1"}, Unchanged: true}}, w.now)
		if inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("the frozen look may write: %v", err)
		}
		w.noDrift()
	})
}

func TestPrune_oneProcessAtATimeAndNotAllTheTime(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", unsigned(1, "v1"))
		again := func() {
			t.Helper()
			w.look("local", "app", unsigned(2, "v1"))
			w.look("local", "app", unsigned(1, "v1"))
		}
		again()
		w.after(10 * day)
		first := pruning{DB: w.db, owner: "first", now: w.now}
		if mine, err := first.claim(t.Context()); err != nil || !mine {
			t.Fatalf("nobody has it, and it can't be had: %v", err)
		}
		r := inventory.Retention{History: day}
		if p := w.prune(r); !p.Empty() {
			t.Errorf("while another process removes, this one removed %+v", p)
		}
		w.after(2 * pruneLease)
		if p := w.prune(r); p.Moves == 0 {
			t.Error("the other process died, and nobody goes on")
		}
		if err := first.step(t.Context(), func(database.Querier) error { t.Error("the frozen one removes"); return nil }); inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("the frozen one may go on: %v", err)
		}
		again()
		w.after(2 * day)
		if p := w.prune(r); p.Moves == 0 {
			t.Error("two days later nothing is removed")
		}
		again()
		w.after(time.Minute)
		if p := w.prune(inventory.Retention{History: time.Second}); !p.Empty() {
			t.Errorf("a minute later %+v was removed", p)
		}
	})
}

// What is removed at once is so little that nobody waits for it.
func TestPrune_inShortTransactions(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app", "base")
		var findings []inventory.ImageFinding
		for n := range 300 {
			findings = append(findings, signed(n, inventory.Trusted, []int{7}, fmt.Sprint("t", n)))
		}
		w.look("local", "app", findings...)
		w.look("local", "app", findings[:1]...)
		w.after(31 * day)
		longest := time.Duration(0)
		stop := make(chan struct{})
		done := make(chan error)
		go func() { // somebody else who writes
			for {
				start := time.Now()
				err := w.db.sql.Write(t.Context(), func(tx database.Querier) error {
					_, err := tx.ExecContext(t.Context(), "update settings set value = value where name = 'nothing'")
					return err
				})
				longest = max(longest, time.Since(start))
				select {
				case <-stop:
					done <- err
					return
				default:
				}
			}
		}()
		p := w.prune(inventory.Retention{Gone: 30 * day})
		close(stop)
		w.must(<-done)
		if p.Images != 299 {
			t.Errorf("removed were %+v", p)
		}
		t.Logf("the longest write beside it took %s", longest)
		if most := time.Second; longest > most { // an idle machine needs a twentieth
			t.Errorf("a write beside it took %s", longest)
		}
		if left := w.image("local", "app", digest(0)); !slices.Equal(left.Tags, []string{"t0"}) {
			t.Errorf("left is %+v", left)
		}
		w.noDrift()
	})
}
