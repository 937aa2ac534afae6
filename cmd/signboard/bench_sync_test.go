//go:build bench

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// rounds is how often each sync is measured; the middle one counts.
const rounds = 3

// syncRun is one registry synced into an empty database, and once more.
type syncRun struct {
	floor, first, second time.Duration
	processor            time.Duration // of the first sync, with the registry that answers it
	requests, again      int64
}

// TestBench_syncOfAThousandSignedImages measures how fast images that one key
// signed go from a registry into the inventory, verified, against the floor of
// the work measured in the same minute.
func TestBench_syncOfAThousandSignedImages(t *testing.T) {
	ctx := t.Context()
	engines := []engine{sqliteEngine(t), newPostgres(ctx, t).engine()}
	out := &table{}
	out.row("full sync", "database", "first sync", "floor", "of floor", "requests", "processor", "second sync", "requests")
	out.row("", "", "images/s", "images/s", "", "/image", "ms/image", "images/s", "/image")
	slowest, slowestName := 0.0, ""
	for _, c := range carriers {
		r := newSignedRegistry(ctx, t, c)
		for _, e := range engines {
			if e.name != "SQLite" && c != carriers[0] {
				continue // how signatures are carried and where results are kept are independent
			}
			var floors, firsts, seconds, processors []time.Duration
			var last syncRun
			for i := range rounds {
				last = measureSync(ctx, t, r, e.database(fmt.Sprintf("sync_%d_%s", i, strings.NewReplacer(" ", "", ".", "", ",", "").Replace(c.name))))
				floors, firsts, seconds = append(floors, last.floor), append(firsts, last.first), append(seconds, last.second)
				processors = append(processors, last.processor)
			}
			rate := perSecond(median(firsts))
			if slowestName == "" || rate < slowest {
				slowest, slowestName = rate, c.name+", "+e.name
			}
			out.row(c.name, e.name, fmt.Sprintf("%.0f", rate), fmt.Sprintf("%.0f", perSecond(median(floors))),
				fmt.Sprintf("%.2f", rate/perSecond(median(floors))), fmt.Sprintf("%.2f", float64(last.requests)/signedImages),
				ms(median(processors)/signedImages), fmt.Sprintf("%.0f", perSecond(median(seconds))), fmt.Sprintf("%.2f", float64(last.again)/signedImages))
		}
	}
	fmt.Printf("\nSync: %d images in %d repositories on a loopback registry in the same process, one signature each;\nmedian of %d rounds, each into an empty database. %s.\n\n",
		signedImages, signedRepositories, rounds, machine())
	out.print(os.Stdout)
	fmt.Printf("\ntarget: at least %d key-signed images verified per second end to end: %s (slowest: %.0f, %s)\n",
		targetImagesPerSecond, met(slowest >= targetImagesPerSecond), slowest, slowestName)
}

func perSecond(took time.Duration) float64 { return signedImages / took.Seconds() }

func measureSync(ctx context.Context, t *testing.T, r *signedRegistry, database string) syncRun {
	t.Helper()
	a := opened(ctx, t, &Config{
		Listen: "127.0.0.1:8080", Database: database, Review: ReviewConfig{Approvers: 1},
		Registries: []RegistryConfig{{Name: "bench", URL: r.url, AllowPrivate: true}},
	})
	defer a.close()
	approveKey(ctx, t, a, "release pipeline", []byte(r.pem))

	run := syncRun{floor: measureFloor(ctx, t, r)}
	before := processorTime(t)
	run.first, run.requests = syncOnce(ctx, t, a)
	run.processor = processorTime(t) - before
	run.second, run.again = syncOnce(ctx, t, a)

	counts, err := a.store.Counts(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	if counts.Of(inventory.Trusted) != signedImages || counts.Images != signedImages {
		t.Fatalf("after the sync of %s: %+v, want %d images, all trusted", r.name, counts, signedImages)
	}
	return run
}

func syncOnce(ctx context.Context, t *testing.T, a *app) (time.Duration, int64) {
	t.Helper()
	start := time.Now()
	summary, err := a.syncer.Sync(ctx, inventory.SyncScope{}, nil)
	took := time.Since(start)
	if err != nil || !summary.Complete() {
		t.Fatalf("the sync is not complete: %v, %+v", err, summary)
	}
	return took, summary.Requests
}

// approveKey registers a public key and approves it everywhere.
func approveKey(ctx context.Context, t *testing.T, a *app, name string, pem []byte) inventory.SignerID {
	t.Helper()
	s, err := a.registerKey(ctx, local, name, pem)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.door.Decide(ctx, local, decision.SignerRequest{
		Signer: s.ID, Verb: inventory.Approve, Repositories: []inventory.Glob{"**"}, Reason: "Compared in person.", Revision: s.Revision,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.ID
}
