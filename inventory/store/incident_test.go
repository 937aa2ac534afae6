package store

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

// actions are those of all entries, the oldest first.
func (w *world) actions() string {
	w.Helper()
	list, _, err := w.db.AuditEntries(w.Context(), inventory.Page{Limit: inventory.MaxPage})
	w.must(err)
	var all []string
	for _, e := range list {
		all = append([]string{e.Action + " " + e.Object}, all...)
	}
	return strings.Join(all, ", ")
}

// fail and answer are one try each to list a registry.
func (w *world) failRegistry(name string) {
	w.Helper()
	w.must(w.db.MakeDue(w.Context(), inventory.SyncScope{Registry: name}, w.now))
	work, err := w.db.ClaimRegistry(w.Context(), "test", inventory.SyncScope{Registry: name}, w.now, time.Minute)
	w.must(err)
	w.must(w.db.FailRegistry(w.Context(), work, outage, verdict(inventory.Unknown), w.now.Add(time.Minute), w.now))
}

// TestIncidents_areWrittenOnceAndFlappingHourly has a registry fail and answer a
// thousand times in an hour.
func TestIncidents_areWrittenOnceAndFlappingHourly(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newSealed(t, dsn)
		w.list("local", "app")
		for range 3 { // one incident, three tries
			w.failRegistry("local")
			w.after(5 * time.Minute)
		}
		if got := w.actions(); got != "registry.fail local" {
			t.Fatalf("one incident is %s", got)
		}
		w.list("local", "app")
		w.list("local", "app")
		if got := w.actions(); got != "registry.fail local, registry.recover local" {
			t.Fatalf("the end of it is %s", got)
		}
		for range 20 {
			w.failRegistry("local")
			w.after(time.Second)
			w.list("local", "app")
			w.after(time.Second)
		}
		if got := w.actions(); got != "registry.fail local, registry.recover local" {
			t.Errorf("flapping within the hour is %s", got)
		}
		w.failRegistry("local")
		w.after(time.Hour)
		w.failRegistry("local") // it still fails
		if got := w.actions(); got != "registry.fail local, registry.recover local, registry.fail local" {
			t.Errorf("an hour later it is %s", got)
		}
		w.list("local", "app")
		if got := w.actions(); !strings.HasSuffix(got, "registry.fail local, registry.recover local") {
			t.Errorf("in the end it is %s", got)
		}
		if _, err := w.check(); err != nil {
			t.Error(err)
		}
	})
}

// TestIncidents_ofSignaturesThatVanish says once for a repository that something
// that was trusted lost its signature.
func TestIncidents_ofSignaturesThatVanish(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Trusted, []int{1}, "v1"), signed(2, inventory.Trusted, []int{1}, "v2"))
		w.after(time.Hour)
		w.look("local", "app", unsigned(1, "v1"), unsigned(2, "v2"))
		list, _, err := w.db.AuditEntries(t.Context(), inventory.Page{})
		w.must(err)
		if len(list) != 1 || list[0].Action != "signature.vanish" || list[0].Object != "local/app" || !strings.Contains(list[0].After, string(digest(2))) || !strings.Contains(list[0].After, `"count":2`) {
			t.Errorf("got %+v", list)
		}
	})
}

func TestKeepTrustRoot_writesDownThatItIsAnother(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		keep := func(root, around string) {
			raw, err := json.Marshal(map[string]any{"trusted_root": []byte(root), "timestamp": around})
			w.must(err)
			w.after(time.Minute)
			w.must(w.db.KeepTrustRoot(t.Context(), "public-good", raw, w.now))
		}
		keep("one", "a")
		keep("one", "b")
		keep("two", "b")
		w.must(w.db.KeepTrustRoot(t.Context(), "public-good", []byte("older"), w.now.Add(-time.Hour)))
		if got := w.actions(); got != "trust.update public-good, trust.update public-good" {
			t.Errorf("got %s", got)
		}
	})
}
