package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"signboard/inventory"
	"signboard/inventory/policy"
)

// Peer is one registry to keep in step with.
type Peer struct {
	Name      string
	Registry  Registry
	Inspector Inspector
	Tags      []inventory.Glob // which tags to look at
	Interval  time.Duration    // between two complete syncs
	// Listed says that the repositories come from the registry's own catalog,
	// so that one without tags is empty rather than mistyped.
	Listed bool
	// Elsewhere says that the repositories are listed at another host than the
	// registry's: one that doesn't answer says nothing of the registry.
	Elsewhere bool
	// Ping asks whether there is a registry that talks to us; Try calls it. May be
	// nil.
	Ping    func(ctx context.Context) error
	Traffic func() inventory.Traffic // so far, for the progress; may be nil
	// Referrers is told which repositories were seen to have no referrers API, so
	// that a restart doesn't mean asking each again; may be nil.
	Referrers ReferrersMemory
	// Refresh brings the trust material up to date; it is called before kept
	// material is checked again, and after a repository was claimed and before it
	// is read, so that a key whose registration made it due is known. May be nil.
	Refresh func(ctx context.Context) error
}

// Options tune a Syncer; zero values mean the defaults.
type Options struct {
	Owner        string        // names this process in leases
	Lease        time.Duration // how long a frozen process keeps its work; default 20 seconds
	Repositories int           // repositories read at once per registry; default 8
	Images       int           // images looked at at once per repository; default 8
	Batch        int           // findings stored per transaction; default 100
	// Unread is told of each registry, repository and image that could not be read
	// or checked, by several goroutines; may be nil.
	Unread func(registry string, reason inventory.Reason)
	Clock  func() time.Time
	Log    *slog.Logger
}

// Syncer keeps the inventory in step with its peers. Each registry has workers
// of its own, so that a slow one holds up nobody else.
type Syncer struct {
	store Store
	peers []Peer
	Options
	nudge, hinted chan struct{}
}

// New makes a Syncer. It does nothing until Run or Sync is called.
func New(store Store, peers []Peer, o Options) *Syncer {
	if o.Lease == 0 {
		o.Lease = 20 * time.Second
	}
	if o.Repositories == 0 {
		o.Repositories = 8
	}
	if o.Images == 0 {
		o.Images = 8
	}
	if o.Batch == 0 {
		o.Batch = 100
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Owner == "" {
		o.Owner = fmt.Sprintf("%016x", rand.Uint64())
	}
	return &Syncer{store: store, peers: peers, Options: o, nudge: make(chan struct{}, 1), hinted: make(chan struct{}, 1)}
}

// Nudge makes a running Run look for due work now instead of at its next tick.
func (s *Syncer) Nudge() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// Run works until ctx ends: it reads what was hinted at before all else, checks
// again what keys and roots have changed, syncs what is due, and judges again
// what decisions or the time have changed. A failure is logged and tried again.
func (s *Syncer) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { s.urgent(ctx) })
	wake := make([]chan struct{}, len(s.peers))
	for i, peer := range s.peers {
		wake[i] = make(chan struct{}, 1)
		running.Go(func() {
			tracker, pace := s.newTracker(nil), &pace{}
			s.settle(ctx, peer, tracker)
			for ctx.Err() == nil {
				err := s.paced(ctx, peer, pace, tracker)
				if err == nil {
					err = s.pass(ctx, peer, inventory.SyncScope{Registry: peer.Name}, -1, tracker)
				}
				if err != nil && ctx.Err() == nil {
					s.Log.Warn("sync failed, will try again", "registry", peer.Name, "error", err)
				}
				pause(ctx, 5*time.Second, wake[i])
			}
		})
	}
	for rewound := (time.Time{}); ctx.Err() == nil; {
		if err := s.rewind(ctx, &rewound); err != nil && ctx.Err() == nil {
			s.Log.Warn("what a clock that was ahead has left could not be taken back, will try again", "error", err)
		}
		if _, err := s.Rejudge(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("judging again failed, will try again", "error", err)
		}
		pause(ctx, time.Second, s.nudge)
		for _, w := range wake {
			select {
			case w <- struct{}{}:
			default:
			}
		}
	}
	running.Wait()
}

// rewind has the store take back what a clock that ran ahead has left behind:
// at first, since it may have been put right while nobody ran, and whenever it
// was put back since last.
func (s *Syncer) rewind(ctx context.Context, last *time.Time) error {
	now := s.Clock().Round(0) // without its monotonic reading, which is never put back
	if !last.IsZero() && !now.Before(last.Add(-time.Minute)) {
		*last = now
		return nil
	}
	n, err := s.store.Rewind(ctx, now)
	if err != nil {
		return err
	}
	if n > 0 || !last.IsZero() {
		s.Log.Warn("this machine's clock was put back", "judged_again", n)
	}
	*last = now
	return nil
}

// pause waits for d, a wake-up or the end of ctx.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
	}
}

// Summary is what a complete sync came to.
type Summary struct {
	inventory.Progress
	Registries   []inventory.Progress // what it came to in each, by name
	Repositories int
	Reverified   int       // images checked again from what was kept of them, without the registry
	Failures     []Problem // what could not be read
	Took         time.Duration
}

// Complete reports whether everything in the scope was checked.
func (s Summary) Complete() bool { return len(s.Failures) == 0 && s.Failed == 0 }

// Problem is a registry, repository or image that could not be read.
type Problem struct {
	Where   string
	Reason  inventory.Reason
	Message string
}

// Sync makes everything in the scope due and works until nothing in it is,
// beginning with what can be checked again without the registry. It
// fails only when the store does; what could not be read is in the Summary.
// watch, when not nil, is called from several goroutines as the work goes on.
func (s *Syncer) Sync(ctx context.Context, scope inventory.SyncScope, watch func(Event)) (Summary, error) {
	if err := s.store.MakeDue(ctx, scope, s.Clock()); err != nil {
		return Summary{}, err
	}
	return s.Resume(ctx, scope, watch)
}

// Resume is Sync of what is due already: it carries on where a sync that was
// stopped left off. When ctx ends, what was being read is given back, and the
// Summary says what was done until then.
func (s *Syncer) Resume(ctx context.Context, scope inventory.SyncScope, watch func(Event)) (Summary, error) {
	start := s.Clock()
	if err := s.rewind(ctx, new(time.Time)); err != nil {
		return Summary{}, err
	}
	tracker := s.newTracker(watch)
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		errs  []error
	)
	for _, peer := range s.peers {
		if scope.Registry != "" && scope.Registry != peer.Name {
			continue
		}
		group.Go(func() {
			scope := scope
			scope.Registry = peer.Name
			_, err := s.reverify(ctx, peer, tracker, func() bool { return false })
			if err == nil {
				err = s.drain(ctx, peer, scope, tracker)
			}
			if err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(errs) == 0 {
		if _, err := s.Rejudge(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	summary := tracker.summary()
	summary.Took = s.Clock().Sub(start)
	return summary, errors.Join(errs...)
}

// pass works on one registry until nothing of it is due. An error is the
// store's, never the registry's.
//
// cancels is how often the registry's sync had been cancelled when this began,
// -1 for what it is now.
func (s *Syncer) pass(ctx context.Context, peer Peer, scope inventory.SyncScope, cancels int64, t *tracker) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	live := &reporter{
		store: s.store, clock: s.Clock, log: s.Log, owner: s.Owner, peer: peer, scope: scope, tracker: t, cancels: cancels, cancel: cancel,
	}
	if peer.Traffic != nil {
		live.before = peer.Traffic()
	}
	// The end is reported even when ctx has ended.
	defer func(ctx context.Context) {
		live.stop(ctx)
		if peer.Traffic != nil {
			t.traffic(peer.Name, peer.Traffic().Sub(live.before))
		}
	}(context.WithoutCancel(ctx))
	w, err := s.store.ClaimRegistry(context.WithoutCancel(ctx), s.Owner, scope, s.Clock(), s.Lease)
	if err != nil {
		return fmt.Errorf("claiming registry %s: %w", peer.Name, err)
	}
	if w != nil {
		t.begin(peer.Name)
		live.start(ctx)
		err := s.catalog(ctx, peer, w, t)
		if inventory.KindOf(err) == inventory.Conflict {
			s.Log.Info("the listing went to another process", "registry", peer.Name)
			err = nil
		}
		if err != nil {
			return err
		}
	}

	var (
		group sync.WaitGroup
		mu    sync.Mutex
		errs  []error
	)
	for range s.Repositories {
		group.Go(func() {
			for ctx.Err() == nil {
				// A claim that is half cancelled would leave a lease nobody knows of.
				w, err := s.store.ClaimRepository(context.WithoutCancel(ctx), s.Owner, scope, s.Clock(), s.Lease)
				if err == nil && w == nil {
					return
				}
				if err == nil {
					live.start(ctx)
					err = s.repository(ctx, peer, w, t)
				}
				if inventory.KindOf(err) == inventory.Conflict {
					s.Log.Info("the work went to another process", "registry", peer.Name)
					err = nil
				}
				if err != nil {
					mu.Lock()
					if len(errs) == 0 { // the others are only stopped by it
						errs = append(errs, err)
					}
					mu.Unlock()
					cancel(nil)
					return
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// catalog lists a registry's repositories.
func (s *Syncer) catalog(ctx context.Context, peer Peer, w *inventory.RegistryWork, t *tracker) (err error) {
	ctx, stop := s.keep(ctx, func(ctx context.Context, lease time.Duration) error {
		return s.store.RenewRegistry(ctx, w, s.Clock(), lease)
	})
	defer func() { stop(err) }()
	var names []string
	err = peer.Registry.Repositories(ctx, func(page []string) error {
		names = append(names, page...)
		return nil
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if before := w.Registry.State.RepositoryCount; err == nil && len(names) == 0 && before > 0 {
		// Credentials that lost their rights see an empty registry, not an error.
		err = &inventory.LookError{Reason: inventory.ReasonRegistryDenied, Message: fmt.Sprintf(
			"%s suddenly lists no repository, where there were %d. Nothing is taken for deleted: may its credentials still list them?", peer.Name, before)}
	}
	if err == nil {
		if err := s.store.RecordCatalog(ctx, w, names, true, s.Clock()); err != nil {
			return fmt.Errorf("storing the repositories of %s: %w", peer.Name, err)
		}
		return nil
	}

	failure := inventory.AsLookError(err)
	t.fail(peer.Name, Problem{Where: peer.Name, Reason: failure.Reason, Message: failure.Message})
	s.Log.Warn("a registry could not be listed, will try again", "registry", peer.Name, "reason", failure.Reason, "error", err)
	next := s.Clock().Add(s.jitter(min(peer.Interval, 5*time.Minute)))
	// When the registry as a whole doesn't answer, asking it for each
	// repository would only be slower; otherwise the repositories known from
	// before may well be readable.
	var verdict inventory.Verdict
	if failure.Reason == inventory.ReasonRegistryUnreachable && !peer.Elsewhere {
		verdict = policy.Judge(policy.Facts{Checked: true, Failure: failure}, s.Clock())
	} else if err := s.store.RecordCatalog(ctx, w, names, false, s.Clock()); err != nil {
		return fmt.Errorf("storing the repositories of %s: %w", peer.Name, err)
	}
	if err := s.store.FailRegistry(ctx, w, failure, verdict, next, s.Clock()); err != nil {
		return fmt.Errorf("storing the failure of %s: %w", peer.Name, err)
	}
	return nil
}

// jitter spreads d by a tenth each way, so that registries with one interval
// don't stay in step.
func (s *Syncer) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - d/10 + rand.N(d/5+1)
}
