package store

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
)

// Two programs and many goroutines write at once; each waits its turn and
// nobody is told that the database is locked.
func TestWrite_everybodyGetsATurn(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		second := open(t, dsn)
		w.list("local", "a", "b")
		works := []*inventory.RepositoryWork{w.claim("local", "a"), w.claim("local", "b")}
		var all sync.WaitGroup
		for n, db := range []*DB{w.db, second} {
			all.Go(func() {
				for i := range 20 {
					if err := db.RecordImages(t.Context(), works[n], []inventory.ImageFinding{signed(i, inventory.Unapproved, []int{1, 2}, "latest")}, w.now); err != nil {
						t.Errorf("storing images: %v", err)
					}
				}
			})
			for range 3 {
				all.Go(func() {
					for range 15 {
						if err := db.RecordRefusal(t.Context(), w.entry("access.refused")); err != nil {
							t.Errorf("writing down: %v", err)
						}
						if _, err := db.Counts(t.Context(), inventory.Scope{}); err != nil {
							t.Errorf("counting: %v", err)
						}
					}
				})
			}
		}
		all.Wait()
		w.noDrift()
	})
}

func TestClaimRepository_eachOnlyOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		second := open(t, dsn)
		var names []string
		for _, n := range strings.Fields("a b c d e f g h i j k l m n o p") {
			names = append(names, "team/"+n)
		}
		w.list("local", names...)
		w.list("other")
		var mu sync.Mutex
		claimed := map[string]int{}
		var all sync.WaitGroup
		for i := range 6 {
			db := []*DB{w.db, second}[i%2]
			all.Go(func() {
				for {
					work, err := db.ClaimRepository(t.Context(), "somebody", inventory.SyncScope{}, w.now, time.Minute)
					if err != nil {
						t.Errorf("claiming: %v", err)
						return
					}
					if work == nil {
						return
					}
					mu.Lock()
					claimed[work.Repository.Name]++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if len(claimed) != len(names) {
			t.Errorf("%d of %d were claimed", len(claimed), len(names))
		}
		for name, n := range claimed {
			if n != 1 {
				t.Errorf("%s was claimed %d times", name, n)
			}
		}
		if next, err := w.db.NextDue(t.Context()); err != nil || !next.After(w.now) {
			t.Errorf("with everything leased the next work is due at %v, %v", next, err)
		}
	})
}

func TestMakeDue_exactNameLeavesRegistryAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		w.look("local", "a", unsigned(1, "v1"))
		w.look("local", "b", unsigned(2, "v1"))
		w.after(time.Minute)
		due := func(scope inventory.SyncScope) (registry, repository bool) {
			w.must(w.db.MakeDue(t.Context(), scope, w.now))
			g, err := w.db.ClaimRegistry(t.Context(), "test", inventory.SyncScope{Registry: "local"}, w.now, -time.Second)
			w.must(err)
			r, err := w.db.ClaimRepository(t.Context(), "test", inventory.SyncScope{Registry: "local", Repository: "a"}, w.now, -time.Second)
			w.must(err)
			return g != nil, r != nil
		}
		if g, r := due(inventory.SyncScope{Registry: "local", Repository: "b"}); g || r {
			t.Errorf("another repository: registry %v, repository %v", g, r)
		}
		if g, r := due(inventory.SyncScope{Registry: "local", Repository: "local/a"}); g || !r {
			t.Errorf("the repository: registry %v, repository %v", g, r)
		}
		if g, _ := due(inventory.SyncScope{Registry: "local", Repository: "new"}); !g {
			t.Error("a repository nobody knows doesn't have the registry listed")
		}
	})
}

func TestRecordProgress_completeWhenNothingIsLeft(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		state := func() inventory.RegistryState {
			r, err := w.db.Registries(t.Context())
			w.must(err)
			return r[0].State
		}
		report := func(r inventory.SyncReport) {
			t.Helper()
			r.Registry, r.Owner = "local", "test"
			_, err := w.db.RecordProgress(t.Context(), r, w.now)
			w.must(err)
		}
		w.claim("local", "a")
		report(inventory.SyncReport{Running: true, Progress: inventory.Progress{Done: 3}})
		if s := state(); s.SyncStartedAt == nil || s.Progress.Done != 3 || s.LastCompleteAt != nil {
			t.Errorf("running, the state is %+v", s)
		}
		w.after(2 * time.Minute)
		w.look("local", "a", unsigned(1, "v1"))
		report(inventory.SyncReport{})
		if s := state(); s.SyncStartedAt != nil || s.LastCompleteAt != nil {
			t.Errorf("with a repository left the state is %+v", s)
		}
		w.look("local", "b", unsigned(2, "v1"))
		report(inventory.SyncReport{})
		if s := state(); s.LastCompleteAt == nil || !s.LastCompleteAt.Equal(w.now) || s.ImageCount != 2 {
			t.Errorf("complete, the state is %+v", s)
		}
	})
}

func TestBackup_isWholeWhileOthersWrite(t *testing.T) {
	w := newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "it's a b.db"))
	w.list("local", "app")
	work := w.claim("local", "app")
	var writer sync.WaitGroup
	stop := make(chan struct{})
	writer.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := w.db.RecordImages(t.Context(), work, []inventory.ImageFinding{unsigned(n, "latest")}, w.now); err != nil {
				t.Errorf("writing meanwhile: %v", err)
				return
			}
		}
	})
	file := filepath.Join(t.TempDir(), "copy.db")
	err := w.db.Backup(t.Context(), file)
	close(stop)
	writer.Wait()
	w.must(err)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy is %v, %v", info, err)
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	restored := open(t, "sqlite:"+file)
	if drift, err := restored.Recount(t.Context(), w.db.clock()); err != nil || len(drift) != 0 {
		t.Errorf("the copy's counts: %v, %v", drift, err)
	}
	if err := w.db.Backup(t.Context(), file); inventory.KindOf(err) != inventory.Invalid {
		t.Errorf("over an older copy: %v", err)
	}
	if err := w.db.Backup(t.Context(), filepath.Join(t.TempDir(), "no", "copy.db")); inventory.KindOf(err) != inventory.Invalid {
		t.Errorf("into a folder that isn't there: %v", err)
	}
}

func TestRecordImages_textNobodyCanStoreStopsNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		f := signed(1, inventory.Unapproved, []int{1}, "v1")
		f.Verdict.Message = "Signed by a\x00b\xff."
		f.Evidence.Signatures[0].Signer.Name = "a\x00b\xff"
		w.look("local", "app", f)
		if i := w.image("local", "app", digest(1)); i.Message != "Signed by a\uFFFDb\uFFFD." {
			t.Errorf("the message is %q", i.Message)
		}
		w.noDrift()
	})
}
