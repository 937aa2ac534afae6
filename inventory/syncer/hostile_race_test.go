package syncer_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/registry"
	"signboard/inventory/store"
	"signboard/inventory/syncer"
)

// reopen opens the database once more, as another process would.
func (w *world) reopen() *store.DB {
	w.t.Helper()
	db, err := store.Open(w.t.Context(), w.dsn)
	w.must(err)
	w.t.Cleanup(func() { db.Close() })
	return db
}

// fleet pushes repositories of a signed, an unsigned and a wrongly signed image
// each, and returns what each should be.
func (w *world) fleet(repositories int) map[string]map[inventory.Digest]inventory.Status {
	w.t.Helper()
	want := map[string]map[inventory.Digest]inventory.Status{}
	for n := range repositories {
		name := fmt.Sprintf("team/app-%d", n)
		signed, unsigned, copied := w.push(name+":v1"), w.push(name+":v2"), w.push(name+":v3")
		w.sign(name, signed, signed, w.key)
		w.sign(name, copied, signed, w.key)
		want[name] = map[inventory.Digest]inventory.Status{signed: inventory.Trusted, unsigned: inventory.Unsigned, copied: inventory.Failed}
	}
	return want
}

func (w *world) hold(want map[string]map[inventory.Digest]inventory.Status) {
	w.t.Helper()
	n := 0
	for repository, images := range want {
		for d, status := range images {
			n++
			i := w.image(repository, d)
			if i.Status != status || len(i.Tags) != 1 || len(i.History) != 1 || len(i.TagMoves) != 1 {
				w.t.Errorf("%s@%s is %s with tags %q, history %+v and moves %+v; want %s, one each", repository, d.Short(), i.Status, i.Tags, i.History, i.TagMoves, status)
			}
		}
	}
	counts, err := w.store.Counts(w.t.Context(), inventory.Scope{})
	w.must(err)
	if counts.Images != n {
		w.t.Errorf("%d images are counted, want %d", counts.Images, n)
	}
}

func (w *world) noDrift() {
	w.t.Helper()
	drift, err := w.store.Recount(w.t.Context(), w.clock())
	w.must(err)
	if len(drift) > 0 {
		w.t.Fatalf("the counters drifted: %v", drift)
	}
}

// TestHostile_stoppedAnywhere ends a sync at a hundred different requests, each
// time with the database closed and opened again.
func TestHostile_stoppedAnywhere(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	want := w.fleet(6)
	moving := map[inventory.Digest]bool{}
	stopped := 0
	for n := range 100 {
		if n%5 == 0 {
			moving[w.push("moving:v1")] = true
		}
		db := w.reopen()
		ctx, cancel := context.WithCancel(t.Context())
		left := rand.Int64N(60)
		var asked atomic.Int64
		w.answer(func(http.ResponseWriter, *http.Request) bool {
			if asked.Add(1) > left {
				cancel()
			}
			return false
		})
		if _, err := w.syncerOver(db).Sync(ctx, inventory.SyncScope{}, nil); err != nil {
			if ctx.Err() == nil {
				t.Fatalf("stopped at request %d: %v", left, err)
			}
			stopped++
		}
		cancel()
		w.must(db.Close())
		w.noDrift()
		w.pass(time.Second)
	}
	if stopped < 20 {
		t.Errorf("only %d of the syncs were stopped", stopped)
	}
	w.recover()
	started := time.Now()
	if s := w.sync(); !s.Complete() || s.Repositories != 7 {
		t.Errorf("the sync after it all: %+v", s)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("it took %s: leases weren't given back", took)
	}
	last := w.push("moving:v1")
	w.sync()
	if i := w.image("moving", last); len(i.Tags) != 1 {
		t.Errorf("the last move of the tag wasn't seen: %+v", i)
	}
	want["moving"] = map[inventory.Digest]inventory.Status{last: inventory.Unsigned}
	counts, err := w.store.Counts(t.Context(), inventory.Scope{})
	w.must(err)
	if counts.Images != 19 || counts.Of(inventory.Trusted) != 6 || counts.Of(inventory.Failed) != 6 || counts.Of(inventory.Unsigned) != 7 {
		t.Errorf("the counts are %+v", counts)
	}
}

// TestHostile_deadHolder: a process died while it listed the registry and read
// a repository. A sync that comes after it leaves out neither.
func TestHostile_deadHolder(t *testing.T) {
	w := newWorld(t)
	w.push("app:v1")
	w.sync()
	d, e := w.push("app:v2"), w.push("new:v1")
	w.must(w.store.MakeDue(t.Context(), inventory.SyncScope{}, w.clock()))
	for {
		work, err := w.store.ClaimRepository(t.Context(), "dead", inventory.SyncScope{}, w.clock(), time.Minute)
		w.must(err)
		if work == nil {
			break
		}
	}
	if _, err := w.store.ClaimRegistry(t.Context(), "dead", inventory.SyncScope{}, w.clock(), time.Minute); err != nil {
		t.Fatal(err)
	}
	var summary syncer.Summary
	done := make(chan struct{})
	go func() { defer close(done); summary = w.sync() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-tick.C:
			w.pass(time.Second)
		}
	}
	if !summary.Complete() || summary.Repositories != 2 {
		t.Errorf("the sync after a death: %+v", summary)
	}
	w.expect("app", d, inventory.Unsigned, inventory.ReasonNoSignature)
	w.expect("new", e, inventory.Unsigned, inventory.ReasonNoSignature)
}

// TestHostile_twoAtOnce: two syncers over one handle, and two over a handle
// each. Nobody hears of the other.
func TestHostile_twoAtOnce(t *testing.T) {
	for name, second := range map[string]func(w *world) *store.DB{
		"one handle":  func(w *world) *store.DB { return w.store },
		"two handles": (*world).reopen,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.decide(inventory.Approve, "**", nil)
			want := w.fleet(12)
			var group sync.WaitGroup
			for _, s := range []*syncer.Syncer{w.syncer, w.syncerOver(second(w))} {
				group.Go(func() {
					for range 3 {
						if s, err := s.Sync(t.Context(), inventory.SyncScope{}, nil); err != nil || !s.Complete() {
							t.Errorf("beside another: %v; %+v", err, s.Failures)
						}
					}
				})
			}
			group.Wait()
			w.noDrift()
			w.hold(want)
		})
	}
}

// TestHostile_frozenHolder: a process freezes between what it read and what it
// writes, somebody else does its work, and it wakes up.
func TestHostile_frozenHolder(t *testing.T) {
	w := newWorld(t)
	old := w.push("app:v1")
	frozen, thaw := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/referrers/") { // v1 was resolved before
			first := false
			once.Do(func() { first = true; close(frozen) })
			if first {
				<-thaw
			}
		}
		return false
	})
	done := make(chan error)
	go func() {
		_, err := w.syncer.Sync(t.Context(), inventory.SyncScope{}, nil)
		done <- err
	}()
	<-frozen
	now := w.push("app:v1")
	w.pass(time.Hour)
	if s, err := w.syncerOver(w.reopen()).Sync(t.Context(), inventory.SyncScope{}, nil); err != nil || !s.Complete() {
		t.Errorf("the successor: %v; %+v", err, s.Failures)
	}
	close(thaw)
	if err := <-done; err != nil {
		t.Errorf("the one that woke up: %v", err)
	}
	w.noDrift()
	if i := w.expect("app", now, inventory.Unsigned, inventory.ReasonNoSignature); len(i.Tags) != 1 {
		t.Errorf("the one that woke up took the tag back: %+v", i.Tags)
	}
	if i, err := w.store.Image(t.Context(), "local", "app", old, w.clock()); err == nil && len(i.Tags) > 0 {
		t.Errorf("the old image has the tag: %+v", i)
	}
}

// TestHostile_tagsThatMoveMeanwhile: whatever moves during a sync, there is one
// consistent row at its end, and the next sync has the rest.
func TestHostile_tagsThatMoveMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		method, part string
		do           func(w *world)
		complete     bool
	}{
		"between list and HEAD":                  {http.MethodHead, "/manifests/v1", func(w *world) { w.push("app:v1") }, true},
		"between HEAD and GET":                   {http.MethodGet, "/manifests/sha256:", func(w *world) { w.push("app:v1") }, true},
		"between HEAD and discovery":             {http.MethodGet, "/referrers/", func(w *world) { w.push("app:v1") }, true},
		"deleted between list and HEAD":          {http.MethodHead, "/manifests/v1", func(w *world) { w.remove("app:v1") }, true},
		"deleted between HEAD and discovery":     {http.MethodGet, "/referrers/", func(w *world) { w.remove("app:v1") }, true},
		"a companion tag deleted after the list": {http.MethodHead, "/manifests/v1", func(w *world) { w.remove("app:" + w.last.TagPrefix() + ".sig") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.decide(inventory.Approve, "**", nil)
			old := w.push("app:v1")
			w.push("app:v2")
			w.sign("app", old, old, w.key)
			w.last = old
			w.sync()
			first := w.push("app:v1") // known to be another since
			w.sign("app", first, first, w.key)
			w.last = first
			w.pass(time.Hour)
			var moved atomic.Bool // moving it asks the registry, too
			w.answer(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == test.method && strings.Contains(r.URL.Path, test.part) && moved.CompareAndSwap(false, true) {
					test.do(w)
				}
				return false
			})
			if s := w.sync(); s.Complete() != test.complete {
				t.Errorf("during it: %+v", s.Failures)
			}
			tags := 0
			list, err := w.store.Images(t.Context(), inventory.ImageFilter{Tag: "v1"}, inventory.Page{}, w.clock())
			w.must(err)
			for _, i := range list.Images {
				tags++
				if i.Status == inventory.Failed || i.Status == inventory.Unknown && test.complete {
					t.Errorf("the row is %+v", i)
				}
			}
			if tags > 1 {
				t.Errorf("v1 points at %d images", tags)
			}
			w.recover()
			w.pass(time.Hour)
			if s := w.sync(); !s.Complete() {
				t.Errorf("after it: %+v", s.Failures)
			}
			i := w.image("app", old)
			if len(i.Tags) != 0 || len(i.TagMoves) == 0 || i.Status != inventory.Trusted {
				t.Errorf("the history of the old image is gone: %+v", i)
			}
		})
	}
}

// TestHostile_sameDigestTwice: one digest in two repositories, each judged by
// what is attached to it there.
func TestHostile_sameDigestTwice(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	d := w.push("a/app:v1")
	for _, repository := range []string{"b/app", "c/app"} {
		w.copyImage("a/app:v1", repository+":v1")
	}
	w.sign("a/app", d, d, w.key)
	w.sign("c/app", d, inventory.DigestOf(nil), w.key)
	w.sync()
	w.expect("a/app", d, inventory.Trusted, inventory.ReasonOK)
	w.expect("b/app", d, inventory.Unsigned, inventory.ReasonNoSignature)
	w.expect("c/app", d, inventory.Failed, inventory.ReasonDigestMismatch)
}

// TestHostile_throttling: every kind of Retry-After. What is short is waited
// for; what isn't is said, and the next sync has it.
func TestHostile_throttling(t *testing.T) {
	for after, waited := range map[string]bool{
		"": true, "0": true, "2": true, "-5": true, "soon": true, "Sat, 21 Nov 2026 12:00:09 GMT": true, "Thu, 01 Jan 1970 00:00:00 GMT": true,
		"86400": false, "99999999999999999999": false, "Fri, 31 Dec 9999 23:59:59 GMT": false,
	} {
		for _, code := range []int{429, 503} {
			t.Run(fmt.Sprintf("%d %q", code, after), func(t *testing.T) {
				w := newWorldWith(t, registry.Limits{})
				w.decide(inventory.Approve, "**", nil)
				d := w.push("app:v1")
				w.sign("app", d, d, w.key)
				w.sync()
				var refused atomic.Int64
				w.answer(func(rw http.ResponseWriter, r *http.Request) bool {
					if !strings.HasPrefix(r.URL.Path, "/v2/app/") || refused.Add(1) > 2 {
						return false
					}
					if after != "" {
						rw.Header().Set("Retry-After", after)
					}
					rw.WriteHeader(code)
					return true
				})
				summary := w.bounded()
				if summary.Complete() != waited {
					t.Errorf("complete: %v, want %v: %+v", summary.Complete(), waited, summary.Failures)
				}
				if !waited {
					w.expect("app", d, inventory.Unknown, inventory.ReasonRegistryThrottled)
					w.recover()
					w.pass(5 * time.Minute)
					w.sync()
				}
				w.expect("app", d, inventory.Trusted, inventory.ReasonOK)
			})
		}
	}
}
