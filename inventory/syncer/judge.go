package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"signboard/inventory"
	"signboard/inventory/policy"
)

const (
	// judgeAhead is how many images are listed at once.
	judgeAhead = 20_000
	// The images of one transaction are as many as it takes judgeTurn to write:
	// nobody who wants to write waits noticeably longer.
	judgeTurn               = 120 * time.Millisecond
	leastJudged, mostJudged = 50, 4000
	// judgeLease is how long other processes wait for one that died over this.
	judgeLease = 5 * time.Second
	judgeWait  = 500 * time.Millisecond
)

// Rejudge judges again, in bounded batches, every image whose verdict a
// decision or the time has overtaken, and says how many it judged. While another
// process does so it waits, so that nothing is left when it returns.
func (s *Syncer) Rejudge(ctx context.Context) (judged int, err error) {
	size, mine := 500, false
	defer func() {
		if mine { // given back even when ctx has ended
			if _, last := s.store.ClaimJudging(context.WithoutCancel(ctx), s.Owner, s.Clock(), 0); err == nil {
				err = last
			}
		}
	}()
	for {
		ids, err := s.store.StaleVerdicts(ctx, s.Clock(), judgeAhead)
		if err != nil {
			return judged, fmt.Errorf("listing what to judge again: %w", err)
		}
		if len(ids) == 0 {
			return judged, nil
		}
		if mine, err = s.store.ClaimJudging(ctx, s.Owner, s.Clock(), judgeLease); err != nil {
			return judged, err
		}
		if !mine { // somebody does it, or died while they did
			pause(ctx, judgeWait, nil)
			if ctx.Err() != nil {
				return judged, ctx.Err()
			}
			continue
		}
		n, err := s.rejudge(ctx, ids, &size)
		judged += n
		if err != nil && !errors.Is(err, inventory.ErrRejudge) { // those that are left are listed again
			return judged, err
		}
	}
}

// verdicts are those of a batch of images, and what they rest on.
type verdicts struct {
	of       map[int64]inventory.Verdict
	revision int64 // of the decisions
	at       time.Time
	err      error
}

// rejudge judges images again and stores their verdicts: each batch is judged
// while the one before is being written. size is how many images a batch has.
// It fails with ErrRejudge when a decision was made meanwhile.
func (s *Syncer) rejudge(ctx context.Context, ids []int64, size *int) (judged int, err error) {
	reading, stop := context.WithCancel(ctx)
	batches, sizes := make(chan verdicts), make(chan int, 1)
	go func() {
		defer close(batches)
		for n := *size; len(ids) > 0; {
			select {
			case n = <-sizes:
			default:
			}
			n = min(n, len(ids))
			v := s.verdicts(reading, ids[:n])
			ids = ids[n:]
			select {
			case batches <- v:
			case <-reading.Done():
				return
			}
		}
	}()
	defer func() {
		stop()
		for range batches { // until nobody reads any more
		}
	}()
	renewed := s.Clock()
	for v := range batches {
		if v.err != nil {
			return judged, v.err
		}
		start := time.Now()
		if err := s.store.RecordVerdicts(ctx, v.of, v.revision, v.at); err != nil {
			return judged, fmt.Errorf("storing verdicts: %w", err)
		}
		judged += len(v.of)
		if took := time.Since(start); len(v.of) > 0 {
			*size = max(leastJudged, min(mostJudged, 2**size, int(float64(len(v.of))*float64(judgeTurn)/float64(took+1))))
			select {
			case <-sizes:
			default:
			}
			sizes <- *size
		}
		if now := s.Clock(); now.Sub(renewed) > judgeLease/3 {
			if mine, err := s.store.ClaimJudging(ctx, s.Owner, now, judgeLease); err != nil || !mine {
				return judged, err
			}
			renewed = now
		}
	}
	return judged, ctx.Err()
}

// verdicts judges some images by what is stored of them and by the decisions
// there are.
func (s *Syncer) verdicts(ctx context.Context, ids []int64) verdicts {
	evidence, err := s.store.Evidence(ctx, ids)
	if err != nil {
		return verdicts{err: fmt.Errorf("reading stored evidence: %w", err)}
	}
	var signers []inventory.SignerID
	met := map[inventory.SignerID]bool{}
	for _, e := range evidence {
		for _, sig := range e.Signatures {
			if sig.Signer != nil && !met[sig.Signer.ID] {
				met[sig.Signer.ID] = true
				signers = append(signers, sig.Signer.ID)
			}
		}
	}
	decisions, err := s.store.Decisions(ctx, signers)
	if err != nil {
		return verdicts{err: fmt.Errorf("reading decisions: %w", err)}
	}
	v := verdicts{of: make(map[int64]inventory.Verdict, len(evidence)), revision: decisions.Revision, at: s.Clock()}
	for _, e := range evidence {
		v.of[e.ImageID] = policy.Judge(policy.FactsOf(e, decisions.BySigner), v.at)
	}
	return v
}

func appendSigners(ids []inventory.SignerID, signatures []inventory.Signature) []inventory.SignerID {
	for _, sig := range signatures {
		if sig.Signer != nil {
			ids = append(ids, sig.Signer.ID)
		}
	}
	return ids
}
