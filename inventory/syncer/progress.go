package syncer

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"signboard/inventory"
)

// Event is sent to whoever watches a sync: the counts so far over everything,
// and, when a repository was just finished, its name.
type Event struct {
	Progress inventory.Progress
	Finished string // "registry/repository", or empty
}

// tracker counts what a sync does, for any number of goroutines.
type tracker struct {
	watch func(Event)

	mu           sync.Mutex
	byRegistry   map[string]*inventory.Progress
	total        inventory.Progress
	repositories int
	rechecked    int
	problems     []Problem
}

// maxProblems is how many failures a summary names.
const maxProblems = 1000

func newTracker(watch func(Event)) *tracker {
	return &tracker{watch: watch, byRegistry: map[string]*inventory.Progress{}}
}

func (t *tracker) change(registry, finished string, f func(p *inventory.Progress)) {
	t.mu.Lock()
	p := t.byRegistry[registry]
	if p == nil {
		p = &inventory.Progress{Registry: registry}
		t.byRegistry[registry] = p
	}
	f(p)
	f(&t.total)
	event := Event{Progress: t.total, Finished: finished}
	t.mu.Unlock()
	if t.watch != nil {
		t.watch(event)
	}
}

func (t *tracker) reading(registry, repository string) {
	t.change(registry, "", func(p *inventory.Progress) { p.Registry, p.Repository = registry, repository })
}

func (t *tracker) found(registry string, n int) {
	t.change(registry, "", func(p *inventory.Progress) { p.Known += n })
}

func (t *tracker) done(registry string, n int) {
	t.change(registry, "", func(p *inventory.Progress) { p.Done += n })
}

func (t *tracker) verified(registry string, n int) {
	t.change(registry, "", func(p *inventory.Progress) { p.Verified += n })
}

func (t *tracker) requests(registry string, n int64) {
	t.change(registry, "", func(p *inventory.Progress) { p.Requests += n })
}

func (t *tracker) finished(registry, repository string) {
	t.change(registry, registry+"/"+repository, func(*inventory.Progress) {})
	t.mu.Lock()
	t.repositories++
	t.mu.Unlock()
}

// reverified counts images that were checked again without the registry.
func (t *tracker) reverified(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rechecked += n
}

func (t *tracker) fail(problem Problem) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.Failed++
	if len(t.problems) < maxProblems {
		t.problems = append(t.problems, problem)
	}
}

func (t *tracker) of(registry string) inventory.Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.byRegistry[registry]; p != nil {
		return *p
	}
	return inventory.Progress{Registry: registry}
}

func (t *tracker) summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Summary{Progress: t.total, Repositories: t.repositories, Reverified: t.rechecked, Failures: t.problems}
}

// reporter stores the progress of one registry about once a second while work
// goes on, and once at the end.
type reporter struct {
	store   Progress
	clock   func() time.Time
	log     *slog.Logger
	peer    Peer
	before  int64
	tracker *tracker

	once sync.Once
	quit chan struct{}
	gone chan struct{}
	id   int64
}

func (r *reporter) start(ctx context.Context, id int64) {
	r.once.Do(func() {
		r.id = id
		r.quit, r.gone = make(chan struct{}), make(chan struct{})
		go func() {
			defer close(r.gone)
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				r.report(ctx, true)
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				case <-r.quit:
					return
				}
			}
		}()
	})
}

func (r *reporter) stop(ctx context.Context, id int64) {
	if r.quit != nil {
		close(r.quit)
		<-r.gone
	} else if r.id = id; id == 0 {
		return // nothing was due
	}
	r.report(ctx, false)
}

func (r *reporter) report(ctx context.Context, running bool) {
	p := r.tracker.of(r.peer.Name)
	if r.peer.Requests != nil {
		p.Requests = r.peer.Requests() - r.before
	}
	if err := r.store.RecordProgress(ctx, r.id, p, running, r.clock()); err != nil && ctx.Err() == nil {
		r.log.Warn("the progress of a sync could not be stored", "registry", r.peer.Name, "error", err)
	}
}
