package syncer_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store"
	"signboard/inventory/syncer"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
)

// latency is how soon after an event an image has to be in the inventory.
const latency = 5 * time.Second

// hint notes hints that are old enough for a look.
func (w *world) hint(names ...string) {
	w.t.Helper()
	for _, n := range names {
		w.hintTo(w.store, inventory.Hint{Repository: n})
	}
}

func (w *world) hintTo(db *store.DB, h inventory.Hint) {
	w.t.Helper()
	_, err := db.Hint(w.t.Context(), "local", []inventory.Hint{h}, w.clock().Add(-time.Second))
	w.must(err)
}

// running runs a syncer until the test ends.
func (w *world) running(s *syncer.Syncer) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { s.Run(ctx) })
	w.t.Cleanup(func() { cancel(); ended.Wait() })
}

// within waits for something to become true.
func (w *world) within(d time.Duration, what string, is func() bool) time.Duration {
	w.t.Helper()
	start := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		if time.Since(start) > d {
			w.t.Fatalf("after %s it isn't so that %s", d, what)
		}
		<-tick.C
	}
	return time.Since(start)
}

func (w *world) has(repository string, d inventory.Digest) func() bool {
	return func() bool {
		i, err := w.store.Image(w.t.Context(), "local", repository, d, w.clock())
		return err == nil && i.CheckedAt != nil && len(i.Tags) > 0
	}
}

// planned reports whether a look will be urgent in a few seconds, and none is
// now.
func (w *world) planned() bool {
	now, err := w.store.Hinted(w.t.Context(), w.clock())
	w.must(err)
	soon, err := w.store.Hinted(w.t.Context(), w.clock().Add(4*time.Second))
	w.must(err)
	return len(now) == 0 && len(soon) == 1
}

func (w *world) registry() inventory.Registry {
	w.t.Helper()
	list, err := w.store.Registries(w.t.Context())
	w.must(err)
	return list[0]
}

// TestRun_anEventDuringAFullSync: a registry so slow that reading all of it
// takes very much longer than an event may.
func TestRun_anEventDuringAFullSync(t *testing.T) {
	const repositories = 150
	w := newWorld(t)
	known := w.push("app-0:v1")
	for n := range repositories {
		if n > 0 {
			w.copyImage("app-0:v1", fmt.Sprintf("app-%d:v1", n))
		}
	}
	var listed atomic.Int64
	free := make(chan struct{})
	w.answer(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/tags/list") && strings.Contains(r.URL.Path, "/app-") {
			listed.Add(1)
			select { // nobody gets on for as long as the event takes
			case <-free:
			case <-r.Context().Done():
			}
		}
		return false
	})
	const readers = 4
	w.syncer = w.syncerWith(w.store, verify.NewInspector(w.client, w.keys.Load, cosign.New(nil)), syncer.Options{Repositories: readers})
	w.running(w.syncer)
	w.within(latency, "the full sync runs", func() bool { return listed.Load() >= readers })

	fresh := w.push("team/new:v1")
	w.sign("team/new", fresh, fresh, w.key)
	start := time.Now()
	w.hint("team/new")
	w.syncer.Hinted()
	took := w.within(latency, "the pushed image is there", w.has("team/new", fresh))
	t.Logf("from the hint to the verdict: %s, while %d repositories are waiting", time.Since(start).Round(time.Millisecond), repositories-readers)
	w.expect("team/new", fresh, inventory.Unapproved, inventory.ReasonSignerNotApproved)
	if listed.Load() != readers || took > latency {
		t.Errorf("the full sync got on meanwhile: %d", listed.Load())
	}

	// Another process notes a hint; this one isn't told, and finds it.
	other, err := store.Open(t.Context(), w.dsn)
	w.must(err)
	defer other.Close()
	second := w.push("team/new:v2")
	w.hintTo(other, inventory.Hint{Repository: "team/new"})
	t.Logf("by way of another process: %s", w.within(latency, "what another process heard of is there", w.has("team/new", second)).Round(time.Millisecond))

	close(free)
	w.within(time.Minute, "the full sync ends", func() bool { return w.registry().State.LastCompleteAt != nil })
	if !w.has(fmt.Sprintf("app-%d", repositories-1), known)() {
		t.Error("the full sync left something out")
	}
}

// TestRun_anEventDuringTheLook: the look has its list of tags already when
// another tag is pushed.
func TestRun_anEventDuringTheLook(t *testing.T) {
	w := newWorld(t)
	w.push("app:v1")
	w.sync()
	w.pass(time.Hour)
	w.sync() // nothing is due for a while

	var heads atomic.Int64
	reading, free := make(chan struct{}), make(chan struct{})
	w.answer(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/app/manifests/v") && heads.Add(1) == 1 {
			close(reading)
			<-free
		}
		return false
	})
	w.running(w.syncer)
	w.hint("app")
	w.syncer.Hinted()
	<-reading
	w.trouble.Store(nil)
	fresh := w.push("app:v2")
	w.hint("app", "app", "app")
	w.syncer.Hinted()
	close(free)
	w.within(latency, "what was pushed during the look is there", w.has("app", fresh))
}

// TestRun_anEventThatIsWrong: what only an event speaks of leaves nothing
// behind.
func TestRun_anEventThatIsWrong(t *testing.T) {
	for _, code := range []int{http.StatusNotFound, http.StatusUnauthorized, http.StatusForbidden} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			w := newWorld(t)
			d := w.push("app:v1")
			w.sync()
			var asked atomic.Int64
			w.answer(at("/v2/made/up/", func(rw http.ResponseWriter, r *http.Request) { asked.Add(1); status(code)(rw, r) }))
			w.running(w.syncer)
			w.hint("made/up")
			w.syncer.Hinted()
			w.within(latency, "the registry is asked", func() bool { return asked.Load() == 1 })
			w.within(latency, "one more look is planned", w.planned)
			w.pass(3 * time.Second) // it may only have been too soon
			w.within(latency, "it is forgotten", func() bool { return w.registry().State.RepositoryCount == 1 })
			if s := w.registry().State; s.FailingRepos != 0 || s.Failing != nil {
				t.Errorf("something is failing: %+v", s)
			}
			w.expect("app", d, inventory.Unsigned, inventory.ReasonNoSignature)
		})
	}
}

// TestRun_anEventThatComesTooSoon: distribution tells of a push before it writes
// the tag, and lists the tag before it has it.
func TestRun_anEventThatComesTooSoon(t *testing.T) {
	for what, path := range map[string]string{"to see the repository": "/v2/new/tags/list", "to see the tag": "/v2/new/manifests/v1"} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.push("app:v1")
			w.sync()
			d := w.push("new:v1")
			var asked atomic.Int64
			w.answer(func(rw http.ResponseWriter, r *http.Request) bool {
				return strings.HasPrefix(r.URL.Path, path) && asked.Add(1) == 1 && at("", status(http.StatusNotFound))(rw, r)
			})
			w.running(w.syncer)
			w.hint("new")
			w.syncer.Hinted()
			w.within(latency, "the registry was asked", func() bool { return asked.Load() > 0 })
			w.within(latency, "one more look is planned", w.planned)
			w.pass(3 * time.Second)
			w.within(latency, "the image is there", w.has("new", d))
			w.pass(3 * time.Second)
			n := asked.Load()
			w.hint("new") // of nothing new: it is read, and once more
			w.syncer.Hinted()
			w.within(latency, "it is read", func() bool { return asked.Load() > n })
			w.within(latency, "one more look is planned", w.planned)
			w.pass(3 * time.Second)
			w.within(latency, "it is read once more", func() bool { return asked.Load() > n+1 })
		})
	}
}

// TestRun_aDeletedRepository: a registry that doesn't have a repository any more
// is listed again soon, and only that says that the repository is gone.
func TestRun_aDeletedRepository(t *testing.T) {
	for name, found := range map[string]bool{"that was listed": false, "that an event had named": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			kept, d := w.push("app:v1"), w.push("old:v1")
			var listings atomic.Int64
			catalog := func(rw http.ResponseWriter, r *http.Request) {
				listings.Add(1)
				body("application/json", `{"repositories":["app"]}`)(rw, r)
			}
			if found {
				w.answer(at("/v2/_catalog", catalog))
				w.hint("old")
			}
			w.sync()
			w.expect("old", d, inventory.Unsigned, inventory.ReasonNoSignature)
			if work, err := w.store.ClaimHinted(t.Context(), "test", "local", w.clock(), 0); err != nil || work != nil {
				t.Fatalf("the sync left a hint: %+v, %v", work, err)
			}

			listings.Store(0)
			w.answer(func(rw http.ResponseWriter, r *http.Request) bool {
				return at("/v2/_catalog", catalog)(rw, r) || at("/v2/old/", status(http.StatusNotFound))(rw, r)
			})
			w.running(w.syncer)
			w.hintTo(w.store, inventory.Hint{Repository: "old", Deleted: true})
			w.syncer.Hinted()
			w.within(latency, "it is known to be missing", func() bool { return w.registry().State.FailingRepos == 1 })
			if n := listings.Load(); n != 0 {
				t.Errorf("%d listings at once: many may be deleted together", n)
			}
			w.pass(time.Minute)
			w.within(latency, "it is gone, and fails no more", func() bool {
				s := w.registry().State
				return s.FailingRepos == 0 && s.RepositoryCount == 1
			})
			if n := listings.Load(); n != 1 {
				t.Errorf("%d listings for that", n)
			}
			w.expect("app", kept, inventory.Unsigned, inventory.ReasonNoSignature)
		})
	}
}
