package syncer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"signboard/inventory"
)

const (
	// urgentWorkers read what was hinted at, per registry and beside everything
	// else that goes on: one may be at a repository that takes long.
	urgentWorkers = 2
	// urgentPoll is how often hints are looked for that another process took.
	urgentPoll = time.Second
	// echoDelay is how long after a look that a hint asked for, and that found
	// nothing new, the second one comes.
	echoDelay = 3 * time.Second
	// relistDelay is how long a registry that turned out not to have a repository
	// any more waits until it is listed again: many may be deleted at once.
	relistDelay = 10 * time.Second
)

// Hinted makes a running Run look for hints now, and a second later, when those
// of now are old enough.
func (s *Syncer) Hinted() {
	select {
	case s.hinted <- struct{}{}:
	default:
	}
}

// urgent works on what was hinted at until ctx ends. It has workers of its own:
// neither a sync of everything nor a pass over kept material delays it.
func (s *Syncer) urgent(ctx context.Context) {
	var running sync.WaitGroup
	wake := map[string]chan struct{}{}
	for _, peer := range s.peers {
		calls := make(chan struct{}, urgentWorkers)
		wake[peer.Name] = calls
		for range urgentWorkers {
			running.Go(func() { s.urgentWorker(ctx, peer, calls) })
		}
	}
	for ctx.Err() == nil {
		registries, err := s.store.Hinted(ctx, s.Clock())
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("what is urgent could not be read, will try again", "error", err)
		}
		for _, name := range registries {
			for range urgentWorkers {
				select {
				case wake[name] <- struct{}{}:
				default: // they are awake, or it is another process's registry
				}
			}
		}
		pause(ctx, urgentPoll, s.hinted)
	}
	running.Wait()
}

func (s *Syncer) urgentWorker(ctx context.Context, peer Peer, wake <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = s.urgentWork(ctx, peer); err != nil && ctx.Err() == nil {
				s.Log.Warn("an urgent look failed, will try again", "registry", peer.Name, "error", err)
				more = false // at the next poll
			}
		}
	}
}

// urgentWork does one piece of urgent work, if there is any. An error is the
// store's.
func (s *Syncer) urgentWork(ctx context.Context, peer Peer) (did bool, err error) {
	// It isn't part of the sync that counts its progress.
	t := s.newTracker(nil)
	w, err := s.store.ClaimHinted(context.WithoutCancel(ctx), s.Owner, peer.Name, s.Clock(), s.Lease)
	if err != nil {
		return false, err
	}
	if w != nil {
		err = s.repository(ctx, peer, w, t)
	} else {
		var r *inventory.RegistryWork
		r, err = s.store.ClaimRelisting(context.WithoutCancel(ctx), s.Owner, peer.Name, s.Clock(), s.Lease)
		if err != nil || r == nil {
			return false, err
		}
		err = s.catalog(ctx, peer, r, t)
	}
	if inventory.KindOf(err) == inventory.Conflict {
		err = nil // it went to another process
	}
	return true, err
}

// absent settles what it means that a registry doesn't have a repository, or
// doesn't let us see it, when only a hint sent us there. settled is false when
// that is a failure like any other.
func (s *Syncer) absent(ctx context.Context, peer Peer, w *inventory.RepositoryWork, failure *inventory.LookError, missing bool) (settled bool, err error) {
	r := w.Repository
	switch {
	case r.Unlisted && len(w.Images) == 0 && (missing || failure.Reason == inventory.ReasonRegistryDenied):
		// Nobody but an event ever spoke of it. Many registries deny what they
		// don't have, or don't have yet.
		if r.HintedAt != nil && !r.Echo {
			return true, s.store.Echo(ctx, w, s.Clock().Add(echoDelay))
		}
		s.Log.Info("an event named a repository that isn't there", "registry", peer.Name, "repository", r.Name, "reason", failure.Reason)
		if err := s.store.DropRepository(ctx, w, s.Clock()); err != nil {
			return false, fmt.Errorf("dropping %s: %w", r.FullName(), err)
		}
		return true, nil
	case missing && peer.Listed && (r.Unlisted || r.HintedAt != nil):
		// It was probably deleted, but only a complete listing says so.
		if err := s.store.Missed(ctx, w, s.Clock().Add(relistDelay)); err != nil {
			return false, fmt.Errorf("having %s listed again: %w", peer.Name, err)
		}
	}
	return false, nil
}

// echo has a repository read once more when a hint sent us there and all was as
// before: registries tell of a push before everybody can see it.
func (s *Syncer) echo(ctx context.Context, w *inventory.RepositoryWork, news bool) error {
	if r := w.Repository; r.HintedAt == nil || r.Echo || news {
		return nil
	}
	return s.store.Echo(ctx, w, s.Clock().Add(echoDelay))
}

// moved reports whether the tags of a repository aren't what they were.
func moved(w *inventory.RepositoryWork, present []string, targets []target) bool {
	if len(present) != len(w.Tags) {
		return true
	}
	for _, t := range targets {
		for _, tag := range t.tags {
			if w.Tags[tag] != t.descriptor.Digest {
				return true
			}
		}
	}
	return false
}
