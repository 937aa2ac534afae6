package store

import (
	"slices"
	"testing"
	"time"

	"signboard/inventory"
)

func reading(t *testing.T, dsn string) *DB {
	t.Helper()
	db, err := OpenReading(t.Context(), dsn)
	if err != nil {
		t.Fatalf("opening the database for reading: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return db
}

func TestOpenReading_readsWhileOthersWriteAndWritesNothingItself(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.look("local", "a", signed(1, inventory.Unapproved, []int{7}, "v1"))
		db := reading(t, dsn)
		w.decide(7, inventory.Approve, nil)
		d, err := db.Decisions(t.Context(), []inventory.SignerID{keyID(7)})
		if err != nil || len(d.BySigner[keyID(7)]) != 1 {
			t.Errorf("the decisions are %+v, %v", d, err)
		}
		if _, err := db.Image(t.Context(), "local", "a", digest(1), w.now); err != nil {
			t.Error(err)
		}
		if err := db.MakeDue(t.Context(), inventory.SyncScope{}, w.now.Add(time.Hour)); err == nil {
			t.Error("a database opened for reading was written to")
		}
		if err := db.RecordQuarantine(t.Context(), inventory.Quarantine{ID: "q", Digest: digest(1)}, w.entry("image.quarantine")); err == nil {
			t.Error("a database opened for reading was written to")
		}
		if _, err := db.sql.Reader.ExecContext(t.Context(), "delete from images"); err == nil && !db.sql.Postgres() {
			t.Error("even its readers write")
		}
	})
}

func TestKnown_fillsInWhatPeopleDecided(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.look("local", "a", signed(1, inventory.Unapproved, []int{7}, "v1", "stable"))
		w.decide(7, inventory.Approve, nil)
		looked := signed(1, inventory.Trusted, []int{7, 8})
		i := inventory.Image{Registry: "local", Repository: "a", Digest: digest(1), Tags: []string{"v1"}, Status: inventory.Trusted, Signatures: looked.Evidence.Signatures}
		w.must(w.db.Known(t.Context(), &i, w.now))
		if !slices.Equal(i.Tags, []string{"stable", "v1"}) || i.LastGood != nil || i.Stale || i.Quarantine != nil {
			t.Errorf("it is %+v", i)
		}
		if a, b := i.Signatures[0].Signer, i.Signatures[1].Signer; a.Standing != inventory.Approved || b.Standing != inventory.Pending {
			t.Errorf("the signers stand as %s and %s", a.Standing, b.Standing)
		}
	})
}

func TestKnown_quarantinesHoldImagesThatNobodySynced(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.quarantine("by digest", inventory.Quarantine{Digest: digest(1)})
		w.quarantine("by tag", inventory.Quarantine{Repository: "local/a", Tag: "v2"})
		soon := w.now.Add(time.Hour)
		w.quarantine("over soon", inventory.Quarantine{Digest: digest(3), ExpiresAt: &soon})
		w.quarantine("released", inventory.Quarantine{Digest: digest(4)})
		w.release("released")
		held := func(repository string, d inventory.Digest, tags ...string) string {
			i := inventory.Image{Registry: "local", Repository: repository, Digest: d, Tags: tags, Status: inventory.Unsigned}
			w.must(w.db.Known(t.Context(), &i, w.now))
			if i.Quarantine == nil {
				return ""
			}
			return i.Quarantine.ID
		}
		for got, want := range map[string]string{
			held("a", digest(1)): "by digest", held("a", digest(2), "v2"): "by tag", held("a", digest(3)): "over soon",
		} {
			if got != want {
				t.Errorf("%q holds it, not %q", got, want)
			}
		}
		if got := held("b", digest(2), "v2") + held("a", digest(2), "v1") + held("a", "", "v1") + held("a", digest(4)); got != "" {
			t.Errorf("%q holds what it doesn't name", got)
		}
		w.after(2 * time.Hour)
		if got := held("a", digest(3)); got != "" {
			t.Errorf("%q holds beyond its end", got)
		}
	})
}

func TestKnown_anUnknownImageShowsWhatWasKnown(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		w.look("local", "a", signed(1, inventory.Trusted, []int{7}, "v1"))
		checked := w.now
		w.after(time.Hour)
		recalled := func(i inventory.Image) inventory.Image {
			i.Registry, i.Repository, i.Status = "local", "a", inventory.Unknown
			w.must(w.db.Known(t.Context(), &i, w.now))
			return i
		}
		for _, i := range []inventory.Image{recalled(inventory.Image{Tags: []string{"v1"}}), recalled(inventory.Image{Digest: digest(1)})} {
			if i.Digest != digest(1) || i.Status != inventory.Unknown || !i.Stale || i.LastGood == nil || i.LastGood.Status != inventory.Trusted || !i.LastGood.CheckedAt.Equal(checked) {
				t.Errorf("it is %+v, last good %+v", i, i.LastGood)
			}
			if len(i.Signatures) > 0 {
				t.Error("what was found before is shown as if it were found now")
			}
		}
		if i := recalled(inventory.Image{Tags: []string{"v2"}}); i.Digest != "" || i.LastGood != nil || i.Stale {
			t.Errorf("of a tag nobody saw it says %+v", i)
		}
		w.look("local", "a", failed(1, "v1"))
		if i := recalled(inventory.Image{Tags: []string{"v1"}}); i.LastGood == nil || i.LastGood.Status != inventory.Trusted || !i.LastGood.CheckedAt.Equal(checked) {
			t.Errorf("after an outage it says %+v", i.LastGood)
		}
	})
}
