package store

import (
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

func (w *world) quarantine(id string, q inventory.Quarantine) {
	w.Helper()
	q.ID, q.At, q.By, q.Reason = id, w.now, "Dana", "because"
	w.must(w.db.RecordQuarantine(w.Context(), q, w.entry("image.quarantine")))
}

func (w *world) release(id string) {
	w.Helper()
	q, err := w.db.Quarantine(w.Context(), id)
	w.must(err)
	q.ReleasedAt, q.ReleasedBy, q.ReleasedReason = &w.now, "Dana", "it is fine"
	w.must(w.db.RecordRelease(w.Context(), q, w.entry("image.release")))
}

func (w *world) held() int {
	w.Helper()
	l := w.images(inventory.ImageFilter{Status: inventory.Quarantined})
	if c := w.counts(""); c.Quarantined != len(l.Images) {
		w.Errorf("the count of held images is %d, and the list has %d", c.Quarantined, len(l.Images))
	}
	for _, i := range l.Images {
		if i.Quarantine == nil {
			w.Errorf("%s is in the list of held images, and nothing holds it", i.Digest.Short())
		}
	}
	return len(l.Images)
}

func TestQuarantine_digestIsHeldEverywhereAndLaterToo(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		w.list("other", "c")
		w.look("local", "a", unsigned(1, "v1"), unsigned(2, "v2"))
		w.look("other", "c", unsigned(1, "v1"))
		w.quarantine("q", inventory.Quarantine{Digest: digest(1)})
		if n := w.held(); n != 2 {
			t.Errorf("%d images are held", n)
		}
		w.look("local", "b", unsigned(1, "copy"))
		if n := w.held(); n != 3 {
			t.Errorf("with a copy made later %d images are held", n)
		}
		list, _, err := w.db.Quarantines(t.Context(), true, inventory.Page{}, w.now)
		w.must(err)
		if len(list) != 1 || list[0].Images != 3 {
			t.Errorf("standing are %+v", list)
		}
		w.release("q")
		if n := w.held(); n != 0 {
			t.Errorf("released, %d images are held", n)
		}
		q, err := w.db.Quarantine(t.Context(), "q")
		w.must(err)
		if err := w.db.RecordRelease(t.Context(), q, w.entry("image.release")); inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("releasing it again: %v", err)
		}
		if list, _, err = w.db.Quarantines(t.Context(), false, inventory.Page{}, w.now); err != nil || len(list) != 1 || list[0].ReleasedBy != "Dana" {
			t.Errorf("ended are %+v, %v", list, err)
		}
		w.noDrift()
	})
}

func TestQuarantine_tagIsHeldWhereverItPoints(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		w.look("local", "a", unsigned(1, "latest", "v1"))
		w.look("local", "b", unsigned(1, "latest"))
		w.quarantine("q", inventory.Quarantine{Repository: "local/a", Tag: "latest"})
		if i := w.image("local", "a", digest(1)); w.held() != 1 || i.Quarantine == nil || i.Quarantine.ID != "q" {
			t.Errorf("the image is held by %+v", i.Quarantine)
		}
		w.look("local", "a", unsigned(1, "v1"), unsigned(2, "latest"))
		if old, is := w.image("local", "a", digest(1)), w.image("local", "a", digest(2)); old.Quarantine != nil || is.Quarantine == nil || w.held() != 1 {
			t.Errorf("after the tag moved: old %+v, new %+v", old.Quarantine, is.Quarantine)
		}
		w.noDrift()
	})
}

func TestQuarantine_endCountsTheMomentItComes(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api")
		w.look("local", "pay/api", unsigned(1, "v1"))
		short, long := w.now.Add(time.Hour), w.now.Add(3*time.Hour)
		w.quarantine("short", inventory.Quarantine{Digest: digest(1), ExpiresAt: &short})
		w.quarantine("long", inventory.Quarantine{Repository: "local/pay/api", Tag: "v1", ExpiresAt: &long})
		w.after(2 * time.Hour)
		if i := w.image("local", "pay/api", digest(1)); w.held() != 1 || i.Quarantine == nil || i.Quarantine.ID != "long" {
			t.Errorf("after the first has run out it is held by %+v", i.Quarantine)
		}
		w.after(time.Hour)
		if i := w.image("local", "pay/api", digest(1)); w.held() != 0 || i.Quarantine != nil {
			t.Errorf("after both have run out it is held by %+v", i.Quarantine)
		}
		if c := w.counts("payments"); c.Quarantined != 0 {
			t.Errorf("the team's count of held images is %d", c.Quarantined)
		}
		q, err := w.db.Quarantine(t.Context(), "long")
		w.must(err)
		if err := w.db.RecordRelease(t.Context(), q, w.entry("image.release")); inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("releasing what has run out: %v", err)
		}
		w.after(-time.Hour) // the clock had been wrong
		if w.held() != 1 {
			t.Error("with the clock put right it isn't held")
		}
		w.after(2 * lapseAfter)
		if _, err := w.db.StaleVerdicts(t.Context(), w.now, 10); err != nil {
			t.Fatal(err)
		}
		if n, err := database.Value[int](t.Context(), w.db.sql.Reader, "select count(*) from images where quarantine_id is not null"); err != nil || n != 0 || w.held() != 0 {
			t.Errorf("long after, %d images are marked (%v)", n, err)
		}
		w.noDrift()
	})
}
