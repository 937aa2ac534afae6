package syncer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store"
	"signboard/inventory/syncer"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
)

// writes counts what goes to the store of images.
type writes struct {
	*store.DB
	mu                 sync.Mutex
	batches, decisions int
	images             int
}

func (s *writes) RecordImages(ctx context.Context, w *inventory.RepositoryWork, findings []inventory.ImageFinding, now time.Time) error {
	s.mu.Lock()
	s.batches++
	s.images += len(findings)
	s.mu.Unlock()
	return s.DB.RecordImages(ctx, w, findings, now)
}

func (s *writes) Decisions(ctx context.Context, signers []inventory.SignerID) (inventory.Decisions, error) {
	s.mu.Lock()
	s.decisions++
	s.mu.Unlock()
	return s.DB.Decisions(ctx, signers)
}

// TestSync_storesInBatches: an image costs no transaction of its own, whether it
// is new or not.
func TestSync_storesInBatches(t *testing.T) {
	const images, batch = 25, 10
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	for n := range images {
		d := w.push(fmt.Sprintf("app:v%d", n))
		w.sign("app", d, d, w.key)
	}
	for _, look := range []string{"new", "unchanged"} {
		s := &writes{DB: w.store}
		inspector := verify.NewInspector(w.client, w.keys.Load, cosign.New(nil))
		start := time.Now()
		summary, err := syncer.New(s, []syncer.Peer{{
			Name: "local", Registry: w.client, Inspector: inspector, Tags: []inventory.Glob{"**"}, Interval: time.Hour, Listed: true,
		}}, syncer.Options{Clock: w.clock, Batch: batch}).Sync(t.Context(), inventory.SyncScope{}, nil)
		w.must(err)
		if !summary.Complete() || s.images != images {
			t.Fatalf("%s: %d images were stored, %+v", look, s.images, summary)
		}
		// What was found for half a second is stored even when it fills no batch.
		most := (images+batch-1)/batch + int(time.Since(start)/(500*time.Millisecond))
		if s.batches > most || s.decisions > most {
			t.Errorf("%s: stored %d times, decisions read %d times; %d batches would do", look, s.batches, s.decisions, most)
		}
		w.pass(2 * time.Hour)
	}
}
