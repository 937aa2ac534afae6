package store

import (
	"fmt"
	"slices"
	"strings"
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

// quarantines is quarantine, and reports whether it wasn't held already.
func (w *world) quarantines(id string, q inventory.Quarantine) bool {
	w.Helper()
	q.ID, q.At, q.By, q.Reason = id, w.now, "Dana", "because"
	err := w.db.RecordQuarantine(w.Context(), q, w.entry("image.quarantine"))
	if inventory.KindOf(err) == inventory.Conflict {
		return false
	}
	w.must(err)
	return true
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

func TestQuarantine_tagHoldsWhatItPointsAtAndComesToPointAtEverywhere(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		w.list("other", "c")
		w.look("local", "a", unsigned(1, "latest", "v1"))
		w.look("local", "b", unsigned(1, "copy"), unsigned(9, "latest"))
		w.quarantine("q", inventory.Quarantine{Repository: "local/a", Tag: "latest"})
		if i := w.image("local", "a", digest(1)); w.held() != 2 || i.Quarantine == nil || i.Quarantine.ID != "q" || i.Quarantine.Hold.Because != inventory.HeldByTag {
			t.Errorf("the image is held by %+v", i.Quarantine)
		}
		if i := w.image("local", "b", digest(9)); i.Quarantine != nil {
			t.Error("another repository's tag of that name is held")
		}

		w.after(time.Minute)
		w.look("local", "a", unsigned(1, "v1"), unsigned(2, "latest"))
		w.look("other", "c", unsigned(2, "v1")) // seen there later, and not by that tag
		for _, i := range []inventory.Image{w.image("local", "a", digest(1)), w.image("local", "b", digest(1)), w.image("local", "a", digest(2)), w.image("other", "c", digest(2))} {
			if i.Quarantine == nil {
				t.Errorf("after the tag moved %s in %s isn't held", i.Digest.Short(), i.FullRepository())
			}
		}
		w.after(time.Minute)
		w.look("local", "a", unsigned(3, "v3")) // the tag was deleted
		if i := w.image("local", "b", digest(1)); i.Quarantine == nil || w.held() != 2 {
			t.Errorf("after the tag was deleted the copies are held by %+v", i.Quarantine)
		}
		q, err := w.db.Quarantine(t.Context(), "q")
		w.must(err)
		if want := []inventory.Digest{digest(2), digest(1)}; !slices.Equal(q.Digests, want) || q.DigestCount != 2 || q.Images != 2 {
			t.Errorf("it holds %v (%d) in %d images", q.Digests, q.DigestCount, q.Images)
		}

		w.release("q")
		w.look("local", "a", unsigned(4, "latest"))
		if i := w.image("local", "a", digest(4)); i.Quarantine != nil || w.held() != 0 {
			t.Errorf("released, it still gains %+v", i.Quarantine)
		}
		w.noDrift()
	})
}

func TestQuarantine_ofATagNobodyHasSeenHoldsItFromTheFirstSighting(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.quarantine("q", inventory.Quarantine{Repository: "local/a", Tag: "v9"})
		if q, err := w.db.Quarantine(t.Context(), "q"); err != nil || q.DigestCount != 0 || q.Images != 0 {
			t.Errorf("before, it holds %+v (%v)", q, err)
		}
		work := w.claim("local", "a")
		w.must(w.db.RecordImages(t.Context(), work, w.judged(unsigned(1, "v9"), unsigned(2, "v2")), w.now)) // no more of the sync is needed
		if w.image("local", "a", digest(1)).Quarantine == nil || w.image("local", "a", digest(2)).Quarantine != nil || w.held() != 1 {
			t.Error("not what the tag points at is held")
		}
		w.noDrift()
	})
}

// index is an index that lists images.
func index(n int, tags []string, of ...inventory.ImageFinding) []inventory.ImageFinding {
	f := unsigned(n, tags...)
	f.Kind, f.MediaType = inventory.IndexImage, inventory.MediaTypeOCIIndex
	list := []inventory.ImageFinding{f}
	for i, p := range of {
		list[0].Platforms = append(list[0].Platforms, inventory.Platform{Platform: []string{"linux/amd64", "linux/arm64"}[i], Digest: p.Digest, MediaType: p.MediaType, Size: 100})
		list = append(list, p)
	}
	return list
}

func (w *world) why(registry, repository string, d inventory.Digest) string {
	w.Helper()
	i := w.image(registry, repository, d)
	if i.Quarantine == nil {
		return ""
	}
	return string(i.Quarantine.Hold.Because) + " " + i.Quarantine.Hold.Platform
}

// An index that is held holds its platforms; a platform that is held holds every
// index that lists it, and not the platform beside it. It doesn't matter which of
// them is seen first.
func TestQuarantine_ofIndexesAndPlatforms(t *testing.T) {
	const first, second, third = 10, 20, 30 // indexes: 1 and 2, 1 and 3, 4 and 5
	store := func(w *world) {
		w.list("local", "a", "b")
		w.list("other", "c")
		w.look("local", "a", append(index(first, []string{"v1"}, unsigned(1), unsigned(2)), index(third, []string{"v3"}, unsigned(4), unsigned(5))...)...)
		w.look("other", "c", index(second, []string{"v2"}, unsigned(1), unsigned(3))...)
	}
	for _, c := range []struct {
		name string
		hold inventory.Quarantine
		want map[int]string
	}{
		{"an index", inventory.Quarantine{Digest: digest(first)},
			map[int]string{first: "digest ", 1: "platform linux/amd64", 2: "platform linux/arm64", second: "index linux/amd64"}},
		{"a platform", inventory.Quarantine{Digest: digest(1)}, map[int]string{1: "digest ", first: "index linux/amd64", second: "index linux/amd64"}},
		{"a tag", inventory.Quarantine{Repository: "local/a", Tag: "v1"},
			map[int]string{first: "tag ", 1: "platform linux/amd64", 2: "platform linux/arm64", second: "index linux/amd64"}},
	} {
		for _, before := range []bool{false, true} {
			onBoth(t, func(t *testing.T, dsn string) {
				w := newWorld(t, dsn)
				if before {
					w.quarantine("q", c.hold)
				}
				store(w)
				if !before {
					w.quarantine("q", c.hold)
				}
				for n, at := range map[int][2]string{first: {"local", "a"}, 1: {"local", "a"}, 2: {"local", "a"}, second: {"other", "c"}, 3: {"other", "c"}, third: {"local", "a"}, 4: {"local", "a"}, 5: {"local", "a"}} {
					if why := w.why(at[0], at[1], digest(n)); why != c.want[n] {
						t.Errorf("%s, held before it was seen: %v: image %d is held for %q, want %q", c.name, before, n, why, c.want[n])
					}
				}
				if n := w.held(); n != 2 { // the platforms have no tags
					t.Errorf("%s, held before: %v: %d images in use are held", c.name, before, n)
				}
				w.release("q")
				if n := w.held(); n != 0 || w.why("local", "a", digest(2)) != "" {
					t.Errorf("released, %d are held", n)
				}
				w.noDrift()
			})
		}
	}
}

// A digest that is held for a platform and then becomes what the tag points at
// holds its own platforms from then on.
func TestQuarantine_aStrongerCauseTakesOver(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		w.look("local", "a", unsigned(1, "v1"))
		w.look("local", "b", index(10, []string{"x"}, unsigned(1), unsigned(2))...)
		w.quarantine("q", inventory.Quarantine{Repository: "local/a", Tag: "v1"})
		if why := w.why("local", "b", digest(2)); why != "" {
			t.Fatalf("the platform beside it is held for %q", why)
		}
		w.look("local", "a", index(10, []string{"v1"}, unsigned(1), unsigned(2))...)
		if is, beside := w.why("local", "b", digest(10)), w.why("local", "b", digest(2)); is != "tag " || beside != "platform linux/arm64" {
			t.Errorf("the index is held for %q, its other platform for %q", is, beside)
		}
		w.noDrift()
	})
}

// Of a digest in very many repositories a part is marked with the decision, and
// the rest soon after; what holds an image is known at once.
func TestQuarantine_ofVeryManyCountsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		var names []string
		for n := range markBatch + 3 {
			names = append(names, fmt.Sprintf("r%04d", n))
		}
		w.list("local", names...)
		for _, name := range names {
			work := w.claim("local", name)
			w.must(w.db.RecordImages(t.Context(), work, w.judged(unsigned(1, "v1")), w.now))
		}
		marked := func() int {
			n, err := database.Value[int](t.Context(), w.db.sql.Reader, "select count(*) from images where quarantine_id is not null")
			w.must(err)
			return n
		}
		w.quarantine("q", inventory.Quarantine{Digest: digest(1)})
		if n := marked(); n != markBatch {
			t.Errorf("%d images are marked with the decision", n)
		}
		last := names[len(names)-1]
		held, err := w.db.Holding(t.Context(), "local/"+last, digest(1), "", nil, w.now)
		w.must(err)
		if held == nil || w.image("local", last, digest(1)).Quarantine == nil {
			t.Error("the last image isn't held at once")
		}
		if q, err := w.db.Quarantine(t.Context(), "q"); err != nil || q.Images != len(names) {
			t.Errorf("it holds %d images (%v)", q.Images, err)
		}
		w.noDrift()
		settle := func() {
			_, err := w.db.StaleVerdicts(t.Context(), w.now, 10)
			w.must(err)
		}
		if settle(); marked() != len(names) {
			t.Errorf("%d images are marked in the end", marked())
		}
		w.noDrift()
		w.release("q")
		if n := marked(); n != 3 || w.image("local", last, digest(1)).Quarantine != nil {
			t.Errorf("released, %d are still marked", n)
		}
		if settle(); marked() != 0 {
			t.Errorf("in the end %d are still marked", marked())
		}
		w.noDrift()
	})
}

func TestQuarantine_theSameTwiceIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.look("local", "a", unsigned(1, "v1"))
		record := func(q inventory.Quarantine) error {
			q.At, q.By, q.Reason = w.now, "Sam", "because"
			return w.db.RecordQuarantine(t.Context(), q, w.entry("image.quarantine"))
		}
		until := w.now.Add(time.Hour)
		w.quarantine("digest", inventory.Quarantine{Digest: digest(1), ExpiresAt: &until})
		w.quarantine("tag", inventory.Quarantine{Repository: "local/a", Tag: "v1"}) // holds the same now, and something else tomorrow
		err := record(inventory.Quarantine{ID: "again", Digest: digest(1)})
		if inventory.KindOf(err) != inventory.Conflict || !strings.Contains(err.Error(), "Dana already holds exactly this, since 2026-03-10T12:00:00Z until 2026-03-10T13:00:00Z: because.") {
			t.Errorf("the digest again: %v", err)
		}
		if err := record(inventory.Quarantine{ID: "again", Repository: "local/a", Tag: "v1"}); inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("the tag again: %v", err)
		}
		entries, _, err := w.db.AuditEntries(t.Context(), inventory.Page{})
		w.must(err)
		if len(entries) != 2 {
			t.Errorf("there are %d entries for two quarantines", len(entries))
		}
		w.release("tag")
		w.must(record(inventory.Quarantine{ID: "tag2", Repository: "local/a", Tag: "v1"}))
		w.after(2 * time.Hour)
		w.must(record(inventory.Quarantine{ID: "digest2", Digest: digest(1)})) // the first has run out
		if w.held() != 1 {
			t.Error("it isn't held")
		}
		w.noDrift()
	})
}

// What one lets go another may still hold.
func TestQuarantine_releaseLeavesWhatAnotherHolds(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.look("local", "a", unsigned(1, "v1"), unsigned(2, "v2"))
		w.quarantine("digest", inventory.Quarantine{Digest: digest(1)})
		w.quarantine("tag", inventory.Quarantine{Repository: "local/a", Tag: "v1"})
		w.release("digest")
		if i := w.image("local", "a", digest(1)); i.Quarantine == nil || i.Quarantine.ID != "tag" || w.held() != 1 {
			t.Errorf("it is held by %+v", i.Quarantine)
		}
		w.release("tag")
		if w.held() != 0 {
			t.Error("it is still held")
		}
		w.noDrift()
	})
}

func TestQuarantine_anotherEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.look("local", "a", unsigned(1, "v1"))
		in := func(d time.Duration) *time.Time { at := w.now.Add(d); return &at }
		soon, later := in(time.Hour), in(3*time.Hour)
		w.quarantine("q", inventory.Quarantine{Digest: digest(1), ExpiresAt: soon})
		end := func(until, seen *time.Time) error {
			return w.db.RecordEnd(t.Context(), inventory.Quarantine{ID: "q", ExpiresAt: until}, seen, w.entry("image.quarantine"))
		}
		if err := end(nil, later); inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("with another end than there is: %v", err)
		}
		w.must(end(later, soon))
		w.after(2 * time.Hour)
		if w.held() != 1 {
			t.Error("extended, it has run out at its first end")
		}
		w.must(end(in(time.Minute), later))
		w.after(time.Hour)
		if w.held() != 0 {
			t.Error("shortened, it still holds")
		}
		err := end(nil, in(-59*time.Minute))
		if inventory.KindOf(err) != inventory.Conflict || !strings.Contains(err.Error(), "it ran out on 2026-03-10T14:01:00Z") {
			t.Errorf("after it ran out: %v", err)
		}
		if err := w.db.RecordEnd(t.Context(), inventory.Quarantine{ID: "none"}, nil, w.entry("image.quarantine")); inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("of none: %v", err)
		}
		w.noDrift()
	})
}

// An image that its registry deletes, and that is forgotten, is held again when it
// is back, in whatever repository.
func TestQuarantine_outlastsTheImage(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		w.look("local", "a", unsigned(1, "v1"), unsigned(2, "v2"))
		w.quarantine("q", inventory.Quarantine{Repository: "local/a", Tag: "v1"})
		w.look("local", "a", unsigned(2, "v2"))
		if i := w.image("local", "a", digest(1)); w.held() != 0 || i.Quarantine == nil {
			t.Errorf("deleted, the image is held by %+v", i.Quarantine)
		}
		w.after(48 * time.Hour)
		if p, err := w.db.Prune(t.Context(), inventory.Retention{Gone: time.Hour}, w.now); err != nil || p.Images != 1 {
			t.Fatalf("pruned %+v, %v", p, err)
		}
		w.look("local", "b", unsigned(1, "back"))
		if w.held() != 1 {
			t.Error("when it is back it isn't held")
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
