package syncer

import (
	"context"
	"time"

	"signboard/inventory"
)

// keep renews a lease until stop is called. Losing it ends the context. With an
// error, stop gives the lease back: the work is left for whoever comes next,
// who needn't wait until it runs out.
func (s *Syncer) keep(ctx context.Context, renew func(ctx context.Context, lease time.Duration) error) (context.Context, func(error)) {
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(s.Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := renew(ctx, s.Lease); err != nil {
					cancel(err)
					return
				}
			}
		}
	}()
	return ctx, func(err error) {
		close(done)
		cancel(nil)
		<-ended
		if err == nil || inventory.KindOf(err) == inventory.Conflict {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(outer), 5*time.Second)
		defer cancel()
		if err := renew(ctx, 0); err != nil {
			s.Log.Info("a lease could not be given back; it runs out by itself", "error", err)
		}
	}
}

// drain works on one registry until nothing in the scope is due, waiting for
// what another process holds: it may have died, and nothing in the scope may be
// left out. A sync that somebody cancels meanwhile ends as a failure.
func (s *Syncer) drain(ctx context.Context, peer Peer, scope inventory.SyncScope, t *tracker) error {
	before, err := s.store.SyncState(ctx, scope, s.Clock())
	if err != nil {
		return err
	}
	if err := s.drained(ctx, peer, scope, before.Cancels, t); err != nil {
		return err
	}
	after, err := s.store.SyncState(ctx, scope, s.Clock())
	if err != nil {
		return err
	}
	if after.Cancels != before.Cancels {
		t.fail(peer.Name, cancelled(peer.Name, after.Cancelled))
	}
	t.show(peer.Name, after.Progress)
	return nil
}

func (s *Syncer) drained(ctx context.Context, peer Peer, scope inventory.SyncScope, cancels int64, t *tracker) error {
	for {
		listing, _, err := s.store.Held(ctx, scope, s.Clock())
		if err != nil {
			return err
		}
		if !listing { // a listing makes everything due: what was read before it would be read again
			if err := s.pass(ctx, peer, scope, cancels, t); err != nil {
				return err
			}
			listing, reading, err := s.store.Held(ctx, scope, s.Clock())
			if err != nil || !listing && !reading {
				return err
			}
		}
		pause(ctx, heldPause, nil)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// heldPause is how often a sync looks whether somebody else's work is done.
const heldPause = 200 * time.Millisecond
