//go:build bench

package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store"
	"signboard/inventory/syncer"
)

var mediumSize = flag.Int("medium", 100_000, "the size that memory at -large is compared with")

const (
	targetStart  = time.Second // from the start of the process to /readyz
	targetMemory = 1.5         // × the peak of a sync of the medium inventory
	targetBusy   = 3.0         // × the time of a page while nothing is stored
)

// scaleRun is what was measured of an inventory of one size.
type scaleRun struct {
	size            int
	bytes           int64
	start, restart  time.Duration // to /readyz; and with other teams in the configuration
	still, changing childRun
}

// childRun is what a process of its own says of a sync: that is how the memory of
// a sync is told from that of the bench.
type childRun struct {
	Images      int
	Took        time.Duration
	Processor   time.Duration
	Peak        int64 // bytes of memory
	Drift       []string
	Pages       map[string][2][]time.Duration // before the sync, and during it
	PagesDuring time.Duration
}

// TestBench_scale measures what a large inventory costs beside its pages: its
// disk, the start of the process, and a whole sync that finds nothing new, and one
// that finds everything changed while pages are read.
func TestBench_scale(t *testing.T) {
	ctx := t.Context()
	program := filepath.Join(t.TempDir(), "signboard")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	var runs []scaleRun
	for _, size := range []int{*mediumSize, *largeSize} {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("scale_%d.db", size))
		if _, _, err := inventoryOf(ctx, "sqlite:"+file, size); err != nil {
			t.Fatal(err)
		}
		r := scaleRun{size: size}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		r.bytes = info.Size()
		r.start = measureStart(ctx, t, program, file, nil)
		r.restart = measureStart(ctx, t, program, file, []string{"- {name: reporting, repositories: [\"*/data/report-*\"]}"})
		r.still = runChild(ctx, t, file, "still")
		r.changing = runChild(ctx, t, file, "changing")
		runs = append(runs, r)
		os.Remove(file)
	}

	fmt.Printf("\nScale, on SQLite: an inventory, the start of `signboard serve` over it, and whole syncs of a registry that answers at once.\n%s.\n\n", machine())
	out := &table{}
	out.row("images", "bytes", "start", "other", "unchanged", "CPU", "peak", "changed", "recount")
	out.row("", "/image", "ms", "teams ms", "tags/s", "ms/tag", "MB", "peak MB", "finds")
	for _, r := range runs {
		out.row(thousands(r.size), thousands(int(r.bytes)/r.size), ms(r.start), ms(r.restart),
			r.still.rate(), r.still.each(), fmt.Sprint(r.still.Peak>>20), fmt.Sprint(r.changing.Peak>>20),
			fmt.Sprint(len(r.still.Drift)+len(r.changing.Drift)))
	}
	out.print(os.Stdout)

	large, medium := runs[1], runs[0]
	fmt.Println()
	busy := &table{}
	busy.row("pages of "+thousands(large.size)+" images", "idle", "", "while everything is stored", "", "ratio", "ratio")
	busy.row("ms", "p50", "p99", "p50", "p99", "p50", "p99")
	slow := []string{}
	for _, path := range childPages {
		of := large.changing.Pages[path]
		row, bad := []string{path}, false
		for _, times := range of {
			row = append(row, ms(median(times)), ms(quantile(times, 0.99)))
		}
		for _, q := range []float64{0.5, 0.99} {
			ratio := float64(quantile(of[1], q)) / float64(quantile(of[0], q))
			row, bad = append(row, fmt.Sprintf("%.2f", ratio)), bad || ratio > targetBusy
		}
		if busy.row(row...); bad {
			slow = append(slow, path)
		}
	}
	busy.print(os.Stdout)

	ratio := float64(large.still.Peak) / float64(medium.still.Peak)
	fmt.Printf("\ntarget: pages during a full sync at most %.0f × idle, p50 and p99: %s %s\n", targetBusy, met(len(slow) == 0), strings.Join(slow, ", "))
	fmt.Printf("target: peak memory of a sync at %s images at most %.1f × that at %s: %s (%.2f)\n",
		thousands(large.size), targetMemory, thousands(medium.size), met(ratio <= targetMemory), ratio)
	fmt.Printf("target: ready in %v at %s images, also when teams changed: %s\n",
		targetStart, thousands(large.size), met(large.start <= targetStart && large.restart <= targetStart))
	drift := 0
	for _, r := range runs {
		drift += len(r.still.Drift) + len(r.changing.Drift)
	}
	fmt.Printf("target: counters equal a recount after each sync: %s\n", met(drift == 0))
}

func (r childRun) rate() string { return fmt.Sprintf("%.0f", float64(r.Images)/r.Took.Seconds()) }
func (r childRun) each() string { return ms(r.Processor / time.Duration(max(1, r.Images))) }

// measureStart says how long the program takes from its start until it is ready.
func measureStart(ctx context.Context, t *testing.T, program, file string, teams []string) time.Duration {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "listen: %s\nbase_url: http://%s\ndatabase: sqlite:%s\nregistries:\n", address, address, file)
	config := benchConfig("sqlite:" + file)
	for _, r := range config.Registries {
		fmt.Fprintf(&b, "  - {name: %s, url: \"%s\", allow_private: true, interval: %s}\n", r.Name, r.URL, r.Interval)
	}
	b.WriteString("teams:\n")
	for _, team := range config.Teams {
		fmt.Fprintf(&b, "  - {name: %s, repositories: [%q]}\n", team.Name, team.Repositories[0])
	}
	for _, line := range teams {
		b.WriteString("  " + line + "\n")
	}
	path := filepath.Join(t.TempDir(), "signboard.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c := exec.CommandContext(ctx, program, "serve", "--config", path)
	c.Stdout, c.Stderr = &said, &said
	start := time.Now()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	defer func() {
		c.Process.Signal(syscall.SIGTERM)
		<-ended
	}()
	client := &http.Client{Timeout: time.Second}
	for time.Since(start) < 5*time.Minute {
		if a, err := client.Get("http://" + address + "/readyz"); err == nil {
			a.Body.Close()
			if a.StatusCode == http.StatusOK {
				return time.Since(start)
			}
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("it ended: %v\n%s", err, said.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
	t.Fatalf("it isn't ready\n%s", said.String())
	return 0
}

const childVariable = "SIGNBOARD_BENCH_CHILD"

func runChild(ctx context.Context, t *testing.T, file, mode string) childRun {
	t.Helper()
	c := exec.CommandContext(ctx, os.Args[0], "-test.run", "^TestChild_sync$", "-test.timeout", "30m")
	c.Env = append(os.Environ(), childVariable+"="+mode+" "+file)
	answer := filepath.Join(t.TempDir(), "answer.json")
	c.Env = append(c.Env, childVariable+"_ANSWER="+answer)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("a sync in a process of its own: %v\n%s", err, out)
	}
	raw, err := os.ReadFile(answer)
	if err != nil {
		t.Fatal(err)
	}
	var r childRun
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// childPages are read before and during a sync.
var childPages = []string{"/", "/images", "/images?status=trusted&team=payments", "/images?tag=latest", "/signers", "/registries", "/search?q=ledger"}

// TestChild_sync is a process that TestBench_scale starts.
func TestChild_sync(t *testing.T) {
	mode, file, ok := strings.Cut(os.Getenv(childVariable), " ")
	if !ok {
		t.Skip("it is started by TestBench_scale")
	}
	ctx := t.Context()
	a := opened(ctx, t, benchConfig("sqlite:"+file))
	defer a.close()
	behind, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=query_only(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	var peers []syncer.Peer
	for _, name := range benchRegistries {
		r := &mirror{name: name, db: behind, changing: mode == "changing"}
		peers = append(peers, syncer.Peer{Name: name, Registry: r, Inspector: r, Tags: []inventory.Glob{"**"}, Interval: benchInterval, Listed: true})
	}
	a.syncer = syncer.New(a.store, peers, syncer.Options{Log: quiet})
	run := childRun{Pages: map[string][2][]time.Duration{}}
	pages := func(which int, until <-chan struct{}) {
		s := &site{app: a, handler: a.handler(false)}
		for n := 0; ; n++ {
			select {
			case <-until:
				return
			default:
			}
			path := childPages[n%len(childPages)]
			start := time.Now()
			s.ask(ctx, t, at(path))
			of := run.Pages[path]
			of[which] = append(of[which], time.Since(start))
			run.Pages[path] = of
		}
	}
	if mode == "changing" {
		idle := make(chan struct{})
		time.AfterFunc(10*time.Second, func() { close(idle) })
		pages(0, idle)
	}
	before, start := processorTime(t), time.Now()
	done := make(chan struct{})
	var summary syncer.Summary
	go func() {
		defer close(done)
		syncCtx := ctx
		if mode == "changing" { // long enough to measure pages beside it
			limited, cancel := context.WithTimeout(ctx, 40*time.Second)
			defer cancel()
			syncCtx = limited
		}
		summary, err = a.syncer.Sync(syncCtx, inventory.SyncScope{}, nil)
	}()
	if mode == "changing" {
		pages(1, done)
	}
	<-done
	run.Took, run.Processor = time.Since(start), processorTime(t)-before
	if err != nil && mode != "changing" {
		t.Fatal(err)
	}
	run.Images = summary.Done
	if mode != "changing" && !summary.Complete() {
		t.Fatalf("the sync is not complete: %+v", summary.Failures[:1])
	}
	run.Peak = peak(t)
	if run.Drift, err = a.store.Recount(ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(run)
	if err == nil {
		err = os.WriteFile(os.Getenv(childVariable+"_ANSWER"), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// peak is the most memory that this process has held so far.
func peak(t *testing.T) int64 {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("the kernel doesn't say how much memory this process held")
	return 0
}

// mirror is a registry that answers what the inventory itself holds, as it is
// asked: it has no memory of its own to grow.
type mirror struct {
	name     string
	db       *sql.DB
	changing bool     // everything that is attached verifies otherwise than before
	kept     sync.Map // *sql.Stmt by its text
}

func (m *mirror) column(ctx context.Context, query string, args ...any) ([]string, error) {
	kept, ok := m.kept.Load(query)
	if !ok {
		made, err := m.db.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		if kept, ok = m.kept.LoadOrStore(query, made); ok {
			made.Close()
		}
	}
	rows, err := kept.(*sql.Stmt).QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

func (m *mirror) Repositories(ctx context.Context, page func(names []string) error) error {
	for after := ""; ; {
		names, err := m.column(ctx, `
			select r.name from repositories r join registries g on g.id = r.registry_id
			where g.name = $1 and r.name > $2 and not r.gone order by r.name limit 1000`, m.name, after)
		if err != nil || len(names) == 0 {
			return err
		}
		if err := page(names); err != nil {
			return err
		}
		after = names[len(names)-1]
	}
}

const inMirror = "(select r.id from repositories r join registries g on g.id = r.registry_id where g.name = $1 and r.name = $2)"

func (m *mirror) Tags(ctx context.Context, repository string) ([]string, error) {
	return m.column(ctx, "select name from tags where repository_id = "+inMirror, m.name, repository)
}

func (m *mirror) Resolve(ctx context.Context, repository, tag string) (inventory.Descriptor, error) {
	found, err := m.column(ctx, "select digest from tags where repository_id = "+inMirror+" and name = $3", m.name, repository, tag)
	if err != nil || len(found) == 0 {
		return inventory.Descriptor{}, inventory.ErrNotFound
	}
	return inventory.Descriptor{MediaType: inventory.MediaTypeOCIManifest, Digest: inventory.Digest(found[0]), Size: 1200}, nil
}

func (m *mirror) Manifest(context.Context, string, string) (inventory.Manifest, error) {
	return inventory.Manifest{}, inventory.ErrNotFound
}

func (m *mirror) Discover(_ context.Context, s inventory.Subject) inventory.Attached {
	return attachedTo(s.Manifest.Digest)
}

func (m *mirror) Verify(ctx context.Context, s inventory.Subject, a inventory.Attached) inventory.Evidence {
	name := "https://git.example.com/mirror/" + s.Repository
	return inventory.Evidence{
		Fingerprint: a.Fingerprint(), Material: []byte(name),
		Signatures: []inventory.Signature{{
			Format: inventory.FormatBundle, Manifest: a.Attachments[0].Manifest.Digest, Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK, Message: "The signature holds.",
			Signer: &inventory.Signer{ID: inventory.KeylessID("https://issuer.example.com", name[:len(name)-1]), Kind: inventory.KeylessSigner, Name: name},
			Checks: []inventory.Check{{Name: "signature", Result: inventory.Pass, Message: "The signature holds."}},
		}},
	}
}

func (m *mirror) Reverify(ctx context.Context, s inventory.Subject, _ []byte) (inventory.Evidence, bool) {
	return m.Verify(ctx, s, attachedTo(s.Manifest.Digest)), true
}

func (m *mirror) TrustRevision() int64 {
	if m.changing {
		return 2
	}
	return 1
}

var _ syncer.Store = (*store.DB)(nil)
