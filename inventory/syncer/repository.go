package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"signboard/inventory"
	"signboard/inventory/policy"
)

// Bounds on what one index may hold: more is refused with too_many or
// too_large, and the image is unknown.
const (
	maxPlatforms = 256
	maxIndexes   = 64 // nested in it
	maxDepth     = 3
)

// repository reads one repository: tags, images, signatures, verdicts. Its
// error is the store's; what the registry did wrong is stored.
func (s *Syncer) repository(ctx context.Context, peer Peer, w *inventory.RepositoryWork, t *tracker) (err error) {
	ctx, stop := s.keep(ctx, func(ctx context.Context, lease time.Duration) error {
		return s.store.RenewRepository(ctx, w, s.Clock(), lease)
	})
	defer func() { stop(err) }()

	name := w.Repository.Name
	finished := false
	t.reading(peer.Name, w)
	defer func() { t.left(peer.Name, name, finished) }()
	if err := refresh(ctx, peer); err != nil {
		return err
	}
	if at := w.Repository.ReferrersAbsent; at != nil && peer.Referrers != nil {
		peer.Referrers.RecallReferrersAbsent(name, *at)
	}
	all, err := peer.Registry.Tags(ctx, name)
	if errors.Is(err, inventory.ErrNotFound) && peer.Listed && len(w.Images) == 0 && !w.Repository.Unlisted {
		all, err = nil, nil // a catalog lists repositories that never got a tag
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		failure := inventory.AsLookError(err)
		settled, err := s.absent(ctx, peer, w, failure, errors.Is(err, inventory.ErrNotFound))
		if !settled && err == nil {
			finished, err = s.failRepository(ctx, peer, w, failure, true, t)
		}
		return err
	}

	look := &looker{peer: peer, work: w, kept: s.store, tags: make(map[string]bool, len(all)), revision: peer.Inspector.TrustRevision()}
	var tags []string
	for _, tag := range all {
		look.tags[tag] = true
		if !inventory.CompanionTag(tag) && inventory.MatchAny(peer.Tags, tag) {
			tags = append(tags, tag)
		}
	}
	t.found(peer.Name, name, len(tags))
	defer func() { t.traffic(peer.Name, inventory.Traffic{Saved: look.saved.Load()}) }()
	targets, present, problem := s.resolve(ctx, look, tags, t)
	look.targets = make(map[inventory.Digest]bool, len(targets))
	for _, target := range targets {
		look.targets[target.descriptor.Digest] = true
	}
	var doubts atomic.Pointer[inventory.LookError] // any of those that images leave
	var news atomic.Bool                           // an image isn't as it was

	findings := make(chan inventory.ImageFinding, s.Batch)
	group, lookCtx := errgroup.WithContext(ctx)
	group.SetLimit(s.Images + 1)
	group.Go(func() error { return s.record(lookCtx, w, findings, t) })
	var looks sync.WaitGroup
	looks.Add(len(targets))
	go func() { looks.Wait(); close(findings) }()
	for _, target := range targets {
		group.Go(func() error {
			defer looks.Done()
			found, doubt := look.image(lookCtx, target)
			if lookCtx.Err() != nil {
				return context.Cause(lookCtx) // our own stopping is no finding
			}
			if doubt != nil {
				doubts.Store(doubt)
			}
			for _, f := range found {
				if !f.Unchanged {
					news.Store(true)
				}
				if unread := cmp.Or(f.Failure, f.Evidence.Incomplete); unread != nil {
					t.fail(peer.Name, Problem{Where: peer.Name + "/" + name + "@" + f.Digest.Short(), Reason: unread.Reason, Message: unread.Message})
				}
				select {
				case findings <- f:
				case <-lookCtx.Done():
					return context.Cause(lookCtx)
				}
			}
			t.done(peer.Name, name, len(target.tags))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}

	now := s.Clock()
	if problem = cmp.Or(problem, doubts.Load()); problem != nil {
		finished, err = s.failRepository(ctx, peer, w, problem, false, t)
		return err
	}
	if peer.Referrers != nil {
		w.Repository.ReferrersAbsent = peer.Referrers.ReferrersAbsent(name)
	}
	if err := s.store.FinishRepository(ctx, w, present, now.Add(s.jitter(peer.Interval)), now); err != nil {
		return fmt.Errorf("finishing %s/%s: %w", peer.Name, name, err)
	}
	finished = true
	// A tag that is listed and isn't there yet is news to come.
	return s.echo(ctx, w, len(present) == len(tags) && (news.Load() || moved(w, present, targets)))
}

// failRepository stores that a repository could not be read, and reports whether
// it did. When the whole look failed, its images become unknown; otherwise each
// has its own finding.
func (s *Syncer) failRepository(ctx context.Context, peer Peer, w *inventory.RepositoryWork, failure *inventory.LookError, whole bool, t *tracker) (bool, error) {
	now := s.Clock()
	var verdict inventory.Verdict
	if whole {
		verdict = policy.Judge(policy.Facts{Checked: true, Failure: failure}, now)
	}
	t.fail(peer.Name, Problem{Where: peer.Name + "/" + w.Repository.Name, Reason: failure.Reason, Message: failure.Message})
	s.Log.Warn("a repository could not be read, will try again",
		"registry", peer.Name, "repository", w.Repository.Name, "reason", failure.Reason, "error", failure)
	next := now.Add(s.jitter(min(peer.Interval, 5*time.Minute)))
	if err := s.store.FailRepository(ctx, w, failure, verdict, next, now); err != nil {
		return false, fmt.Errorf("storing the failure of %s/%s: %w", peer.Name, w.Repository.Name, err)
	}
	return true, nil
}

// record judges findings and stores them in batches. Verdicts are judged just
// before they are written, and again when a decision came between.
func (s *Syncer) record(ctx context.Context, w *inventory.RepositoryWork, findings <-chan inventory.ImageFinding, t *tracker) error {
	var batch []inventory.ImageFinding
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		for {
			if err := s.judge(ctx, w.Repository, batch); err != nil {
				return err
			}
			err := s.store.RecordImages(ctx, w, batch, s.Clock())
			if errors.Is(err, inventory.ErrRejudge) {
				continue
			}
			if err != nil {
				return fmt.Errorf("storing what was found in %s: %w", w.Repository.FullName(), err)
			}
			break
		}
		for _, f := range batch {
			if !f.Unchanged {
				t.verified(w.Repository.Registry, len(f.Evidence.Signatures))
			}
		}
		batch = batch[:0]
		return nil
	}
	// What is found is worth showing soon, even while a batch isn't full.
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case f, ok := <-findings:
			if !ok {
				return flush()
			}
			if batch = append(batch, f); len(batch) >= s.Batch {
				if err := flush(); err != nil {
					return err
				}
			}
		case <-tick.C:
			if err := flush(); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// judge fills in the verdicts of findings.
func (s *Syncer) judge(ctx context.Context, r inventory.Repository, findings []inventory.ImageFinding) error {
	var signers []inventory.SignerID
	for _, f := range findings {
		signers = appendSigners(signers, f.Evidence.Signatures)
	}
	decisions, err := s.store.Decisions(ctx, signers)
	if err != nil {
		return fmt.Errorf("reading decisions: %w", err)
	}
	now := s.Clock()
	for i := range findings {
		f := &findings[i]
		f.JudgedAt = decisions.Revision
		if f.Unchanged {
			continue
		}
		facts := policy.Facts{Repository: r.FullName(), Checked: true, Failure: f.Failure, Decisions: decisions.BySigner}
		if f.Failure == nil {
			facts.Failure = f.Evidence.Incomplete
			facts.Signatures = f.Evidence.Signatures
		}
		f.Verdict = policy.Judge(facts, now)
		if f.Evidence.Incomplete != nil {
			facts.Signatures = nil
			f.Unproven = policy.Judge(facts, now)
		}
	}
	return nil
}
