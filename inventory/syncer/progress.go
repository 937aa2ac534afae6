package syncer

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"signboard/inventory"
)

// Event is sent to whoever watches a sync: about once a second for each
// registry how far it is, and each repository that was just finished.
type Event struct {
	Registry inventory.Progress // of what the sync's scope holds of it, over all processes
	Finished string             // "registry/repository", or empty
}

// tracker counts what a sync does, for any number of goroutines.
type tracker struct {
	watch  func(Event)
	unread func(registry string, reason inventory.Reason) // may be nil

	mu           sync.Mutex
	byRegistry   map[string]*tally
	repositories int
	rechecked    int
	problems     []Problem
}

// tally is what this process did for one registry.
type tally struct {
	inventory.Progress           // ever
	flights            []*flight // repositories being read, in the order they were begun

	began *time.Time         // the sync that is being counted
	base  inventory.Progress // what was counted before it
	state inventory.Progress // how far the sync is everywhere, as last heard
	fresh inventory.Progress // what was counted after that
}

// flight is a repository that is being read.
type flight struct {
	repository  string
	done, known int
	before      int  // how many images were known of it
	unread      bool // it was never read before
	found       bool // how many images it has is known
}

// maxProblems is how many failures a summary names.
const maxProblems = 1000

func (s *Syncer) newTracker(watch func(Event)) *tracker {
	return &tracker{watch: watch, unread: s.Unread, byRegistry: map[string]*tally{}}
}

// change has f count for a registry.
func (t *tracker) change(registry string, f func(c *tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.byRegistry[registry]
	if c == nil {
		c = &tally{Progress: inventory.Progress{Registry: registry}}
		t.byRegistry[registry] = c
	}
	f(c)
}

// counting is change for a repository that is being read.
func (t *tracker) counting(registry, repository string, f func(c *tally, of *flight)) {
	t.change(registry, func(c *tally) {
		for _, of := range c.flights {
			if of.repository == repository {
				f(c, of)
				return
			}
		}
		f(c, &flight{})
	})
}

func (t *tracker) reading(registry string, w *inventory.RepositoryWork) {
	t.change(registry, func(c *tally) {
		c.flights = append(c.flights, &flight{repository: w.Repository.Name, before: len(w.Tags), unread: w.Repository.SyncedAt == nil})
	})
}

// found counts the images a repository has.
func (t *tracker) found(registry, repository string, n int) {
	t.counting(registry, repository, func(c *tally, of *flight) {
		c.Known += n
		c.fresh.Known += n - of.before
		of.known, of.found = n, true
	})
}

func (t *tracker) done(registry, repository string, n int) {
	t.counting(registry, repository, func(c *tally, of *flight) {
		c.Done += n
		c.fresh.Done += n
		of.done += n
	})
}

func (t *tracker) verified(registry string, n int) {
	t.change(registry, func(c *tally) { c.Verified += n })
}

func (t *tracker) traffic(registry string, n inventory.Traffic) {
	t.change(registry, func(c *tally) { c.Traffic = c.Traffic.Add(n) })
}

// left ends the reading of a repository; what was read through, or failed, is
// finished.
func (t *tracker) left(registry, repository string, finished bool) {
	t.change(registry, func(c *tally) {
		c.flights = slices.DeleteFunc(c.flights, func(of *flight) bool { return of.repository == repository })
		if finished {
			c.Repositories++
			c.fresh.Repositories++
			t.repositories++
		}
	})
	if finished {
		t.tell(registry, registry+"/"+repository)
	}
}

// reverified counts images that were checked again without the registry.
func (t *tracker) reverified(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rechecked += n
}

func (t *tracker) fail(registry string, problem Problem) {
	if t.unread != nil {
		t.unread(registry, problem.Reason)
	}
	t.change(registry, func(c *tally) {
		c.Failed++
		if len(t.problems) < maxProblems {
			t.problems = append(t.problems, problem)
		}
	})
}

// begin has what is counted from now on belong to a sync that this process
// begins.
func (t *tracker) begin(registry string) {
	t.change(registry, func(c *tally) { c.base, c.began = c.Progress, nil })
}

// heard takes in how far a sync is everywhere.
func (t *tracker) heard(registry string, s inventory.SyncState) {
	t.change(registry, func(c *tally) {
		if c.began != nil && s.BeganAt != nil && !c.began.Equal(*s.BeganAt) {
			c.base = c.Progress // another process has begun a new one
		}
		c.began = cmp.Or(s.BeganAt, c.began)
	})
}

// report is what this process has to say of the sync.
func (t *tracker) report(registry string) (p inventory.Progress) {
	t.change(registry, func(c *tally) {
		p = c.Progress.Since(c.base)
		p.Repositories, p.Listed, p.Unread, p.Done, p.Known = 0, 0, 0, 0, 0
		for _, of := range c.flights {
			p.Repository = cmp.Or(p.Repository, of.repository)
			p.Done += of.done
			if of.found {
				p.Known += of.known - of.before
				if of.unread {
					p.Unread--
				}
			}
		}
	})
	return p
}

// show passes on how far a sync is.
func (t *tracker) show(registry string, p inventory.Progress) {
	t.change(registry, func(c *tally) { c.state, c.fresh = p, inventory.Progress{} })
	t.tell(registry, "")
}

func (t *tracker) tell(registry, finished string) {
	if t.watch == nil {
		return
	}
	var state inventory.Progress
	t.change(registry, func(c *tally) { state = c.state.Add(c.fresh) })
	state.Registry = registry
	t.watch(Event{Registry: state, Finished: finished})
}

func (t *tracker) summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Summary{Repositories: t.repositories, Reverified: t.rechecked, Failures: t.problems}
	for _, name := range slices.Sorted(maps.Keys(t.byRegistry)) {
		c := t.byRegistry[name]
		s.Progress = s.Progress.Add(c.Progress)
		s.Registries = append(s.Registries, c.Progress)
	}
	return s
}

// errCancelled ends the work on a registry whose sync somebody cancelled. Its
// leases are gone already.
var errCancelled = inventory.Errorf(inventory.Conflict, "the sync was cancelled")

// reporter says about once a second how far this process is with a registry,
// while it works, and once at the end. It learns that way that somebody has
// cancelled the sync, and ends the work.
type reporter struct {
	store   Progress
	clock   func() time.Time
	log     *slog.Logger
	owner   string
	peer    Peer
	scope   inventory.SyncScope
	before  inventory.Traffic
	tracker *tracker
	cancel  context.CancelCauseFunc

	once    sync.Once
	quit    chan struct{}
	gone    chan struct{}
	cancels int64 // -1 until it is known
	working bool
}

// start is called once there is something to do; the first call counts.
func (r *reporter) start(ctx context.Context) {
	r.once.Do(func() {
		r.working = true
		r.quit, r.gone = make(chan struct{}), make(chan struct{})
		go func() {
			defer close(r.gone)
			pause := time.NewTimer(0)
			defer pause.Stop()
			for {
				select {
				case <-pause.C:
				case <-ctx.Done():
					return
				case <-r.quit:
					return
				}
				began := time.Now()
				r.report(ctx, true)
				// Never a large part of what the database does.
				pause.Reset(max(time.Second, 20*time.Since(began)))
			}
		}()
	})
}

func (r *reporter) stop(ctx context.Context) {
	if !r.working {
		return // nothing was due
	}
	close(r.quit)
	<-r.gone
	r.report(ctx, false)
}

func (r *reporter) report(ctx context.Context, running bool) {
	if r.cancels < 0 {
		state, err := r.store.SyncState(ctx, inventory.SyncScope{Registry: r.peer.Name}, r.clock())
		if err != nil {
			if ctx.Err() == nil {
				r.log.Warn("how far a sync is could not be read", "registry", r.peer.Name, "error", err)
			}
			return
		}
		r.cancels = state.Cancels
	}
	p := r.tracker.report(r.peer.Name)
	if r.peer.Traffic != nil {
		p.Traffic = p.Traffic.Add(r.peer.Traffic().Sub(r.before))
	}
	if !running {
		p.Repository = ""
	}
	state, err := r.store.RecordProgress(ctx, inventory.SyncReport{
		Registry: r.peer.Name, Owner: r.owner, Cancels: r.cancels, Running: running, Progress: p,
	}, r.clock())
	if err == nil && r.scope.Repository != "" && r.tracker.watch != nil {
		var narrow inventory.SyncState
		narrow, err = r.store.SyncState(ctx, r.scope, r.clock())
		state.Progress = narrow.Progress
	}
	if err != nil {
		if ctx.Err() == nil {
			r.log.Warn("the progress of a sync could not be stored", "registry", r.peer.Name, "error", err)
		}
		return
	}
	r.tracker.heard(r.peer.Name, state)
	r.tracker.show(r.peer.Name, state.Progress)
	if running && state.Cancels != r.cancels {
		r.cancel(errCancelled)
	}
}

// settle says that this process does nothing for a registry yet: a sync whose
// process was killed when everything was read ends with it.
func (s *Syncer) settle(ctx context.Context, peer Peer, t *tracker) {
	(&reporter{store: s.store, clock: s.Clock, log: s.Log, owner: s.Owner, peer: peer, tracker: t, cancels: -1}).report(ctx, false)
}

// cancelled is the problem that a sync ends with when somebody cancelled it.
func cancelled(registry string, c *inventory.Cancellation) Problem {
	p := Problem{Where: registry, Reason: inventory.ReasonNotChecked, Message: "The sync was cancelled. What was read stays; the rest waits for the next sync."}
	if c != nil {
		p.Message = fmt.Sprintf("%s cancelled the sync when %d of %d repositories were read. What was read stays; the rest waits for the next sync.", c.By, c.Read, c.Of)
	}
	return p
}
