package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/syncer"
)

// shelf is a registry of repositories with two tags each. It shows as many
// repositories as it is allowed to, and holds up whoever asks for more.
type shelf struct {
	names   []string
	waiting atomic.Int64

	mu      sync.Mutex
	allowed int
	more    chan struct{} // closed when more is allowed
	read    map[string]int
}

func newShelf(repositories, allowed int) *shelf {
	s := &shelf{allowed: allowed, more: make(chan struct{}), read: map[string]int{}}
	for n := range repositories {
		s.names = append(s.names, fmt.Sprintf("app-%02d", n))
	}
	return s
}

func (s *shelf) allow(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed += n
	close(s.more)
	s.more = make(chan struct{})
}

func (s *shelf) Repositories(_ context.Context, page func([]string) error) error {
	return page(s.names)
}

func (s *shelf) Tags(ctx context.Context, repository string) ([]string, error) {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	for {
		s.mu.Lock()
		if s.allowed > 0 {
			s.allowed--
			s.read[repository]++
			s.mu.Unlock()
			return []string{"v1", "v2"}, nil
		}
		more := s.more
		s.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *shelf) manifest(repository, tag string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},"layers":[],"annotations":{"of":"%s:%s"}}`,
		inventory.MediaTypeOCIManifest, inventory.DigestOf([]byte("{}")), repository, tag)
}

func (s *shelf) Resolve(_ context.Context, repository, tag string) (inventory.Descriptor, error) {
	raw := s.manifest(repository, tag)
	return inventory.Descriptor{MediaType: inventory.MediaTypeOCIManifest, Digest: inventory.DigestOf(raw), Size: int64(len(raw))}, nil
}

func (s *shelf) Manifest(_ context.Context, repository, reference string) (inventory.Manifest, error) {
	for _, tag := range []string{"v1", "v2"} {
		if raw := s.manifest(repository, tag); string(inventory.DigestOf(raw)) == reference {
			return inventory.ParseManifest(raw, inventory.MediaTypeOCIManifest)
		}
	}
	return inventory.Manifest{}, errors.New("no such manifest")
}

// bare is an inspector of images that nothing is attached to.
type bare struct{}

func (bare) Discover(context.Context, inventory.Subject) inventory.Attached {
	return inventory.Attached{}
}
func (bare) Verify(_ context.Context, _ inventory.Subject, a inventory.Attached) inventory.Evidence {
	return inventory.Evidence{Fingerprint: a.Fingerprint()}
}
func (bare) Reverify(context.Context, inventory.Subject, []byte) (inventory.Evidence, bool) {
	return inventory.Evidence{}, false
}
func (bare) TrustRevision() int64 { return 1 }

// mortal is a store whose process can be killed: from then on nothing reaches
// the database, not even a lease that is given back.
type mortal struct {
	*DB
	dead atomic.Bool
}

var errDead = errors.New("killed")

func (m *mortal) RenewRepository(ctx context.Context, w *inventory.RepositoryWork, now time.Time, lease time.Duration) error {
	if m.dead.Load() {
		return errDead
	}
	return m.DB.RenewRepository(ctx, w, now, lease)
}

func (m *mortal) RecordProgress(ctx context.Context, r inventory.SyncReport, now time.Time) (inventory.SyncState, error) {
	if m.dead.Load() {
		return inventory.SyncState{}, errDead
	}
	return m.DB.RecordProgress(ctx, r, now)
}

func (m *mortal) FailRepository(ctx context.Context, w *inventory.RepositoryWork, failure *inventory.LookError, v inventory.Verdict, next, now time.Time) error {
	if m.dead.Load() {
		return errDead
	}
	return m.DB.FailRepository(ctx, w, failure, v, next, now)
}

// process is a Syncer that runs.
type process struct {
	*syncer.Syncer
	store *mortal
	stop  func()
}

func (w *world) process(db *DB, r *shelf, lease time.Duration) *process {
	p := &process{store: &mortal{DB: db}}
	p.Syncer = syncer.New(p.store, []syncer.Peer{{Name: "local", Registry: r, Inspector: bare{}, Tags: []inventory.Glob{"**"}, Interval: time.Hour, Listed: true}},
		syncer.Options{Repositories: 2, Lease: lease, Log: slog.New(slog.NewTextHandler(w.Output(), nil))})
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	p.stop = sync.OnceFunc(func() { cancel(); <-done })
	go func() { defer close(done); p.Run(ctx) }()
	w.Cleanup(p.stop)
	return p
}

func (w *world) local() inventory.RegistryState {
	w.Helper()
	list, err := w.db.Registries(w.Context())
	w.must(err)
	for _, r := range list {
		if r.Name == "local" {
			return r.State
		}
	}
	w.Fatal("the registry isn't there")
	return inventory.RegistryState{}
}

// until waits for something that a process does.
func (w *world) until(what string, f func() bool) {
	w.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !f(); <-tick.C {
		if time.Now().After(deadline) {
			w.Fatalf("waiting in vain until %s; the state is %+v", what, w.local())
		}
	}
}

func TestSync_carriesOnWhereAKilledProcessWas(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		r := newShelf(12, 7)
		first := w.process(w.db, r, 2*time.Second)
		w.until("seven repositories are read", func() bool { return w.local().Progress.Repositories == 7 && r.waiting.Load() == 2 })
		first.store.dead.Store(true)
		first.stop()
		was := w.local()
		if p := was.Progress; was.SyncStartedAt == nil || p.Listed != 12 || p.Done != 14 || p.Unread != 5 || was.LastCompleteAt != nil {
			t.Fatalf("killed, the state is %+v", was)
		}
		if !was.Interrupted(was.ReportedAt.Add(time.Minute)) || was.Interrupted(*was.ReportedAt) {
			t.Error("whether anybody is at work isn't said")
		}

		w.process(open(t, dsn), r, 2*time.Second)
		w.until("somebody waits for the rest", func() bool { return r.waiting.Load() == 2 })
		w.until("the new process has said how far it is", func() bool { return w.local().ReportedAt.After(*was.ReportedAt) })
		if p := w.local().Progress; p.Repositories != 7 || p.Listed != 12 || p.Done != 14 {
			t.Errorf("taken up again, the progress is %+v", p)
		}
		r.allow(100)
		w.until("everything is read", func() bool { s := w.local(); return s.LastCompleteAt != nil && s.SyncStartedAt == nil })
		// Killed between the last repository and the last word, a sync ends with the
		// next process that starts.
		_, err := w.db.RecordProgress(t.Context(), inventory.SyncReport{Registry: "local", Owner: "killed", Running: true}, time.Now())
		w.must(err)
		w.process(open(t, dsn), r, 2*time.Second)
		w.until("nothing is left to say", func() bool { return w.local().SyncStartedAt == nil })
		for name, times := range r.read {
			if times != 1 {
				t.Errorf("%s was read %d times", name, times)
			}
		}
		if s := w.local(); len(r.read) != 12 || s.Progress.Repositories != 12 || s.Progress.Done != 24 || s.Progress.Known != 24 || !s.BeganAt.Equal(*was.BeganAt) {
			t.Errorf("in the end %d were read, and the state is %+v", len(r.read), s)
		}
		w.noDrift()
	})
}

func TestCancel_stopsEveryProcessAndLosesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		r := newShelf(12, 4)
		// Renewing these leases wouldn't tell the processes for a long time.
		first := w.process(w.db, r, time.Minute)
		w.process(open(t, dsn), r, time.Minute)
		w.until("both processes wait", func() bool { return w.local().Progress.Repositories == 4 && r.waiting.Load() == 4 })
		cancel := func() error {
			entry := w.entry("registry.cancel")
			entry.Actor.Name = "Dana"
			return w.db.RecordCancellation(t.Context(), "local", time.Now(), entry)
		}
		asked := time.Now()
		w.must(cancel())
		w.until("nobody reads any more", func() bool { return r.waiting.Load() == 0 })
		if took := time.Since(asked); took > 5*time.Second { // two on an idle machine
			t.Errorf("it took %s to stop", took)
		}
		s := w.local()
		if c := s.Cancelled; c == nil || c.By != "Dana" || c.Read != 4 || c.Of != 12 || s.LastCompleteAt != nil || s.Failing != nil || s.FailingRepos != 0 {
			t.Errorf("cancelled, the state is %+v, %+v", s, s.Cancelled)
		}
		if c := w.counts(""); c.Images != 8 || c.Of(inventory.Unsigned) != 8 {
			t.Errorf("the counts are %+v", c)
		}
		if _, busy, err := w.db.Held(t.Context(), inventory.SyncScope{Registry: "local"}, time.Now()); busy || err != nil {
			t.Errorf("a lease is left: %v, %v", busy, err)
		}
		w.until("both have said that they stopped", func() bool { return w.local().SyncStartedAt == nil })
		if err := cancel(); inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("cancelling nothing: %v", err)
		}

		r.allow(100)
		w.must(w.db.RecordSyncRequest(t.Context(), "local", time.Now(), w.entry("registry.sync")))
		if s := w.local(); s.Cancelled != nil {
			t.Error("the request for a sync leaves the cancellation")
		}
		first.Nudge()
		w.until("a later sync is complete", func() bool { return w.local().LastCompleteAt != nil })
		if c := w.counts(""); c.Images != 24 || c.Of(inventory.Unsigned) != 24 {
			t.Errorf("the counts are %+v", c)
		}
		w.noDrift()
	})
}

func TestSync_thatSomebodyCancelsIsNotComplete(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		r := newShelf(6, 2)
		s := syncer.New(w.db, []syncer.Peer{{Name: "local", Registry: r, Inspector: bare{}, Tags: []inventory.Glob{"**"}, Interval: time.Hour, Listed: true}}, syncer.Options{Repositories: 1})
		summary := make(chan syncer.Summary)
		go func() {
			got, err := s.Sync(t.Context(), inventory.SyncScope{Registry: "local"}, nil)
			if err != nil {
				t.Error(err)
			}
			summary <- got
		}()
		w.until("two repositories are read", func() bool { return w.local().Progress.Repositories == 2 && r.waiting.Load() == 1 })
		entry := w.entry("registry.cancel")
		entry.Actor.Name = "Dana"
		w.must(w.db.RecordCancellation(t.Context(), "local", time.Now(), entry))
		got := <-summary
		if got.Complete() || len(got.Failures) != 1 || !strings.Contains(got.Failures[0].Message, "Dana cancelled the sync when 2 of 6 repositories were read.") || got.Repositories != 2 {
			t.Errorf("the summary is %+v", got)
		}
	})
}

func TestSyncState_countsWhatTheScopeHolds(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a/x", "a/y", "b/z")
		claimed := w.claim("local", "a/x")
		findings := w.judged(unsigned(1, "v1"), unsigned(2, "v2", "latest"))
		w.must(w.db.RecordImages(t.Context(), claimed, findings, w.now))
		w.must(w.db.FinishRepository(t.Context(), claimed, []string{"v1", "v2", "latest"}, w.now.Add(time.Hour), w.now))
		for glob, want := range map[inventory.Glob]inventory.Progress{
			"":           {Repositories: 1, Listed: 3, Unread: 2, Done: 3, Known: 3},
			"a/**":       {Repositories: 1, Listed: 2, Unread: 1, Done: 3, Known: 3},
			"local/b/**": {Listed: 1, Unread: 1},
		} {
			want.Registry = "local"
			got, err := w.db.SyncState(t.Context(), inventory.SyncScope{Registry: "local", Repository: glob}, w.now)
			if err != nil || got.Progress != want || got.BeganAt == nil || !got.BeganAt.Equal(w.now) {
				t.Errorf("%q: %+v, %v", glob, got, err)
			}
		}
		later := w.now.Add(2 * time.Hour)
		if got, err := w.db.SyncState(t.Context(), inventory.SyncScope{Registry: "local"}, later); err != nil || got.Progress.Repositories != 0 || got.Progress.Unread != 2 || got.Progress.Known != 3 {
			t.Errorf("when all is due again: %+v, %v", got, err)
		}
	})
}

func TestRecordProgress_addsWhatProcessesSay(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		say := func(owner string, running bool, p inventory.Progress) inventory.Progress {
			t.Helper()
			s, err := w.db.RecordProgress(t.Context(), inventory.SyncReport{Registry: "local", Owner: owner, Running: running, Progress: p}, w.now)
			w.must(err)
			if shown := w.local().Progress; shown != s.Progress {
				t.Errorf("the page shows %+v, and the process is told %+v", shown, s.Progress)
			}
			return s.Progress
		}
		requests := func(n int64) inventory.Traffic { return inventory.Traffic{Requests: n} }
		say("first", true, inventory.Progress{Repository: "a", Done: 3, Known: 10, Verified: 1, Traffic: requests(5)})
		got := say("second", true, inventory.Progress{Repository: "b", Done: 4, Known: 7, Failed: 2, Traffic: requests(6)})
		if got.Done != 7 || got.Known != 17 || got.Failed != 2 || got.Verified != 1 || got.Requests != 11 || got.Listed != 2 {
			t.Errorf("two processes together: %+v", got)
		}
		w.after(time.Minute) // the first says nothing more: what it had in hand is nobody's
		if got := say("second", true, inventory.Progress{Repository: "b", Done: 5, Known: 7, Traffic: requests(7)}); got.Done != 5 || got.Known != 7 || got.Requests != 12 || got.Repository != "b" {
			t.Errorf("with a silent one: %+v", got)
		}
		if s := w.local(); s.SyncStartedAt == nil || !s.SyncStartedAt.Before(w.now) {
			t.Errorf("the sync began %v", s.SyncStartedAt)
		}
		say("second", false, inventory.Progress{Traffic: requests(8)})
		if s := w.local(); s.SyncStartedAt != nil {
			t.Error("the sync goes on though the only process left has stopped")
		}
		w.after(time.Hour)
		w.must(w.db.MakeDue(t.Context(), inventory.SyncScope{Registry: "local"}, w.now))
		w.list("local", "a", "b")
		if got := say("third", true, inventory.Progress{Traffic: requests(1)}); got.Requests != 1 {
			t.Errorf("a new sync begins with %d requests", got.Requests)
		}
	})
}
