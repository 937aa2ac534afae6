//go:build bench

package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/inventory/policy"
	"signboard/inventory/syncer"
)

var (
	affected   = flag.Int("affected", 100_000, "how many images the decision that is measured is about")
	affectedOn = flag.String("affected-on", "both", "measure it on sqlite alone, or on both databases")
)

const (
	targetDecision = 200 * time.Millisecond
	targetSettled  = 10 * time.Second // of 100,000 images
	targetWrite    = 500 * time.Millisecond
)

// rejudgePages are read before and while images are judged again.
var rejudgePages = []string{"/", "/images", "/images?status=trusted&team=payments", "/signers", "/signers/(it)", "/images/(one)", "/teams/payments"}

// rejudgeRun is what one decision came to.
type rejudgeRun struct {
	what      string
	answered  time.Duration
	settled   time.Duration
	processor time.Duration
	writes    []time.Duration // of others, meanwhile
	pages     [][2][]time.Duration
}

// TestBench_rejudge decides about the signer of every image of an inventory, and
// measures the answer, how long the statuses take to follow, and what pages and
// other writers notice of it.
func TestBench_rejudge(t *testing.T) {
	ctx := t.Context()
	engines := []engine{sqliteEngine(t)}
	var pg *postgres
	if *affectedOn == "both" {
		pg = newPostgres(ctx, t)
		engines = append(engines, pg.engine())
	}
	fmt.Printf("\nJudging again: a decision about the signer of all %s images, with a reader of pages and another writer meanwhile.\n%s.\n", thousands(*affected), machine())
	for _, e := range engines {
		s := &site{database: e.database("rejudge"), size: *affected}
		signer := fillSigned(ctx, t, s)
		if e.name != "SQLite" {
			if err := pg.vacuum(ctx); err != nil {
				t.Fatal(err)
			}
		}
		s.start(ctx, t)
		runs := measureRejudging(ctx, t, s, signer)
		s.app.close()
		printRejudging(e.name, runs)
	}
}

// fillSigned makes an inventory in which one identity has signed every image, and
// a key one in twenty as well.
func fillSigned(ctx context.Context, t *testing.T, s *site) inventory.Signer {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a := opened(ctx, t, benchConfig(s.database))
	defer a.close()
	f := &filler{app: a, n: s.size, now: time.Now().UTC().Truncate(time.Millisecond), rand: rand.New(rand.NewPCG(1, uint64(s.size)))}
	must(f.catalog(ctx))
	name := "https://git.example.com/platform/build/.github/workflows/release.yml@refs/heads/main"
	one := inventory.Signer{ID: inventory.KeylessID("https://issuer.example.com", name), Kind: inventory.KeylessSigner, Name: name,
		Facts: []inventory.Fact{{Name: "Issuer", Value: "https://issuer.example.com"}}}
	other, err := f.registerKey(ctx, local, "release key", benchKey(0))
	must(err)
	sizes, made := f.sizes(), 0
	for _, size := range sizes {
		w, err := f.store.ClaimRepository(ctx, "bench", inventory.SyncScope{}, f.now.Add(time.Second), time.Hour)
		must(err)
		var tags []string
		for first := 0; first < size; first += atOnce {
			var findings []inventory.ImageFinding
			for n := first; n < min(size, first+atOnce); n++ {
				i := inventory.ImageFinding{
					Digest: inventory.DigestOf(fmt.Appendf(nil, "image %d", made)), Kind: inventory.SingleImage, MediaType: inventory.MediaTypeOCIManifest,
					Size: 1200, TrustRevision: 1, Tags: []string{fmt.Sprintf("1.%d.0", n)},
				}
				f.signed(&i, one, f.now)
				if made%20 == 7 {
					f.signed(&i, other, f.now)
				}
				i.Evidence.Fingerprint = attachedTo(i.Digest).Fingerprint()
				i.Verdict = policy.Judge(policy.Facts{Repository: w.Repository.FullName(), Checked: true, Signatures: i.Evidence.Signatures}, f.now)
				findings, tags = append(findings, i), append(tags, i.Tags...)
				s.marks.image, s.marks.repository = i.Digest, w.Repository.FullName()
				made++
			}
			must(f.store.RecordImages(ctx, w, findings, f.now))
		}
		must(f.store.FinishRepository(ctx, w, tags, f.now.Add(benchInterval), f.now))
	}
	s.marks.approved, s.marks.pending, s.marks.listed = one.ID, other.ID, made
	return one
}

func measureRejudging(ctx context.Context, t *testing.T, s *site, signer inventory.Signer) []rejudgeRun {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	work := syncer.New(s.app.store, nil, syncer.Options{Log: quiet})
	s.app.door.Decided = work.Nudge
	working.Go(func() { work.Run(ctx) })
	var runs []rejudgeRun
	for _, step := range []struct {
		verb inventory.Verb
		want inventory.Status
	}{{inventory.Approve, inventory.Trusted}, {inventory.Revoke, inventory.Unapproved}} {
		r := rejudgeRun{what: string(step.verb), pages: make([][2][]time.Duration, len(rejudgePages))}
		read := func(which int, until <-chan struct{}) {
			turn := time.NewTicker(40 * time.Millisecond) // a person, or ten
			defer turn.Stop()
			for n := 0; ; n++ {
				select {
				case <-until:
					return
				case <-turn.C:
				}
				path := rejudgePages[n%len(rejudgePages)]
				path = strings.Replace(path, "/signers/(it)", signer.ID.Path(), 1)
				path = strings.Replace(path, "/images/(one)", "/images/"+string(s.marks.image)+"?repository="+s.marks.repository, 1)
				start := time.Now()
				s.ask(ctx, t, at(path))
				of := &r.pages[n%len(rejudgePages)][which]
				*of = append(*of, time.Since(start))
			}
		}
		idle := make(chan struct{})
		time.AfterFunc(5*time.Second, func() { close(idle) })
		read(0, idle)

		now, err := s.app.store.Signer(ctx, signer.ID, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		before, start := processorTime(t), time.Now()
		_, err = s.app.door.Decide(ctx, local, decision.SignerRequest{
			Signer: signer.ID, Verb: step.verb, Repositories: []inventory.Glob{"**"}, Reason: "Measured.", Revision: now.Revision,
		})
		if err != nil {
			t.Fatal(err)
		}
		r.answered = time.Since(start)
		done := make(chan struct{})
		working.Go(func() { read(1, done) })
		writing := make(chan struct{})
		go func() {
			defer close(writing)
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
				}
				start := time.Now()
				if err := s.app.store.RecordRefusal(ctx, inventory.AuditEntry{At: start, Actor: local, Action: "access.refused", Object: "bench"}); err != nil {
					t.Error(err)
				}
				r.writes = append(r.writes, time.Since(start))
			}
		}()
		poll := time.NewTicker(25 * time.Millisecond)
		for {
			c, err := s.app.store.Counts(ctx, inventory.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			if c.Of(step.want) == s.size {
				break
			}
			if time.Since(start) > 5*time.Minute {
				t.Fatalf("only %d of %d images are %s", c.Of(step.want), s.size, step.want)
			}
			<-poll.C
		}
		r.settled, r.processor = time.Since(start), processorTime(t)-before
		poll.Stop()
		close(done)
		<-writing
		runs = append(runs, r)
	}
	drift, err := s.app.store.Recount(ctx, time.Now())
	if err != nil || len(drift) > 0 {
		t.Errorf("a recount finds %v, %v", drift, err)
	}
	return runs
}

func printRejudging(engine string, runs []rejudgeRun) {
	fmt.Println()
	out := &table{}
	out.row(engine, "answered", "settled", "of a processor", "another write", "")
	out.row("", "ms", "s", "s", "p50 ms", "slowest")
	for _, r := range runs {
		out.row(r.what, ms(r.answered), fmt.Sprintf("%.2f", r.settled.Seconds()), fmt.Sprintf("%.2f", r.processor.Seconds()),
			ms(median(r.writes)), ms(quantile(r.writes, 1)))
	}
	out.print(os.Stdout)
	fmt.Println()
	pages := &table{}
	pages.row("pages meanwhile", "before", "", "while", "", "ratio", "ratio", "runs")
	pages.row("ms", "p50", "p99", "p50", "p99", "p50", "p99")
	for i, path := range rejudgePages {
		var of [2][]time.Duration
		for _, r := range runs {
			of[0], of[1] = append(of[0], r.pages[i][0]...), append(of[1], r.pages[i][1]...)
		}
		if len(of[1]) == 0 {
			continue
		}
		row := []string{path}
		for _, times := range of {
			row = append(row, ms(median(times)), ms(quantile(times, 0.99)))
		}
		for _, q := range []float64{0.5, 0.99} {
			row = append(row, fmt.Sprintf("%.2f", float64(quantile(of[1], q))/float64(quantile(of[0], q))))
		}
		pages.row(append(row, fmt.Sprint(len(of[1])))...)
	}
	pages.print(os.Stdout)
	answered, settled, write := time.Duration(0), time.Duration(0), time.Duration(0)
	for _, r := range runs {
		answered, settled, write = max(answered, r.answered), max(settled, r.settled), max(write, quantile(r.writes, 1))
	}
	fmt.Printf("\ntarget: a decision answered in %v, on %s: %s (%s ms)\n", targetDecision, engine, met(answered <= targetDecision), ms(answered))
	fmt.Printf("target: all statuses settled in %v, on %s: %s (%.2f s)\n", targetSettled, engine, met(settled <= targetSettled), settled.Seconds())
	fmt.Printf("target: another write answered in %v meanwhile, on %s: %s (%s ms)\n", targetWrite, engine, met(write <= targetWrite), ms(write))
}
