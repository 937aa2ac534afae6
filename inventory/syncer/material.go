package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"signboard/inventory"
	"signboard/inventory/policy"
)

const (
	// materialPause is the least time between two passes over the material of a
	// peer whose keys and roots haven't changed meanwhile. Two processes that are
	// configured with different ones would otherwise never rest.
	materialPause = 15 * time.Second
	// materialSlice is how long looks at the registry wait for such a pass. What
	// is left then has its turn after them.
	materialSlice = time.Minute
)

// pace says when the material of a peer is gone through again.
type pace struct {
	revision int64     // of the trust material at the last pass
	next     time.Time // not before, unless the revision is another
}

// paced makes a pass over a peer's material when it is time for one, for at
// most a slice of time. It is what Run does; Sync goes through all of it.
func (s *Syncer) paced(ctx context.Context, peer Peer, p *pace, t *tracker) error {
	if err := refresh(ctx, peer); err != nil {
		return err
	}
	revision := peer.Inspector.TrustRevision()
	known := revision == p.revision
	if known && s.Clock().Before(p.next) {
		return nil
	}
	ends := time.Now().Add(materialSlice)
	foreign, err := s.reverify(ctx, peer, t, func() bool { return time.Now().After(ends) })
	if err != nil {
		return err
	}
	if known && foreign > 0 {
		s.Log.Warn("images had been verified with other keys or roots than this process has: is another one configured differently?",
			"registry", peer.Name, "images", foreign)
	}
	p.revision, p.next = revision, s.Clock()
	if !time.Now().After(ends) {
		p.next = p.next.Add(materialPause)
	}
	return nil
}

func refresh(ctx context.Context, peer Peer) error {
	if peer.Refresh == nil {
		return nil
	}
	return peer.Refresh(ctx)
}

// reverify checks again, from what was kept and without the registry, the
// images of a peer that were checked with other keys and roots than there are
// now, or whose checks have to be repeated, batch after batch until none is left
// or enough says so. foreign counts those that had been checked with others. An
// error is the store's.
func (s *Syncer) reverify(ctx context.Context, peer Peer, t *tracker, enough func() bool) (foreign int, err error) {
	first := map[int64]bool{} // the images of the first batch
	for !enough() {
		// Another process may have registered a key meanwhile. Its verdicts must
		// not be undone with the keys of before.
		if err := refresh(ctx, peer); err != nil {
			return foreign, err
		}
		revision := peer.Inspector.TrustRevision()
		stale, err := s.store.StaleMaterial(ctx, peer.Name, revision, s.Clock(), s.Batch)
		if err != nil {
			return foreign, err
		}
		if len(stale) == 0 {
			return foreign, nil
		}
		for _, m := range stale {
			if first[m.ImageID] { // somebody undoes what this pass does
				return foreign, nil
			}
			if m.TrustRevision != revision {
				foreign++
			}
		}
		checked, lost, err := s.recheck(ctx, peer, stale, revision)
		if err != nil {
			return foreign, err
		}
		if err := s.recordReverified(ctx, checked); err != nil {
			return foreign, err
		}
		if len(lost) > 0 {
			s.Log.Info("images can't be checked again from what was kept of them, and will be read again", "registry", peer.Name, "images", len(lost))
			if err := s.store.DiscardMaterial(ctx, lost, s.Clock()); err != nil {
				return foreign, err
			}
		}
		if len(first) == 0 {
			for _, v := range checked {
				first[v.Was.ImageID] = true
			}
		}
		t.reverified(len(checked))
		for _, v := range checked {
			if failure := v.Evidence.Incomplete; failure != nil {
				subject := v.Was.Subject
				t.fail(subject.Registry, Problem{Where: subject.Registry + "/" + subject.Repository + "@" + subject.Manifest.Digest.Short(), Reason: failure.Reason, Message: failure.Message})
			}
		}
	}
	return foreign, nil
}

// recheck makes the checks of a batch again. lost is what can't be checked
// again.
func (s *Syncer) recheck(ctx context.Context, peer Peer, stale []inventory.StoredMaterial, revision int64) (checked []inventory.Reverified, lost []inventory.StoredMaterial, err error) {
	evidence, possible := make([]inventory.Evidence, len(stale)), make([]bool, len(stale))
	var group errgroup.Group
	group.SetLimit(s.Images)
	for i, m := range stale {
		group.Go(func() error {
			if ctx.Err() == nil {
				evidence[i], possible[i] = peer.Inspector.Reverify(ctx, m.Subject, m.Body)
			}
			return nil
		})
	}
	group.Wait()
	if ctx.Err() != nil { // what failed because of that is no finding
		return nil, nil, context.Cause(ctx)
	}
	for i, m := range stale {
		if possible[i] {
			checked = append(checked, inventory.Reverified{Was: m, Evidence: evidence[i], TrustRevision: revision})
		} else {
			lost = append(lost, m)
		}
	}
	return checked, lost, nil
}

// recordReverified judges repeated checks and stores them, again when a decision
// came between.
func (s *Syncer) recordReverified(ctx context.Context, checked []inventory.Reverified) error {
	if len(checked) == 0 {
		return nil
	}
	var signers []inventory.SignerID
	for _, v := range checked {
		signers = appendSigners(signers, v.Evidence.Signatures)
	}
	for {
		decisions, err := s.store.Decisions(ctx, signers)
		if err != nil {
			return fmt.Errorf("reading decisions: %w", err)
		}
		now := s.Clock()
		for i := range checked {
			v := &checked[i]
			v.JudgedAt = decisions.Revision
			facts := policy.Facts{Repository: v.Was.Subject.Registry + "/" + v.Was.Subject.Repository, Checked: true,
				Failure: v.Evidence.Incomplete, Signatures: v.Evidence.Signatures, Decisions: decisions.BySigner}
			v.Verdict = policy.Judge(facts, now)
			facts.Signatures = nil
			v.Unproven = policy.Judge(facts, now)
		}
		if err := s.store.RecordReverified(ctx, checked, now); !errors.Is(err, inventory.ErrRejudge) {
			return err
		}
	}
}
