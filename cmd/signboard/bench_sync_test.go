//go:build bench

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/inventory/registry"
)

var (
	signedImages = flag.Int("signed", 10_000, "how many signed images the syncs are measured with")
	syncRounds   = flag.Int("rounds", 1, "how often each sync is measured; the middle one counts")
)

const (
	imagesPerSignedRepository = 50
	keylessImages             = 2_000 // they take longer to sign than to sync
	zotImages                 = 1_000
	farImages                 = 2_000
	farLatency                = 20 * time.Millisecond
	cosignImages              = 100
)

// What a sync has to reach on two cores, the registry among them.
const (
	targetFirst  = 500  // images a second that are new and signed by a key
	targetSecond = 1500 // images a second of which nothing is new
	targetCosign = 25   // times as fast as a shell loop of cosign verify
)

// cost is what some work took.
type cost struct {
	took      time.Duration
	processor time.Duration // this process kept the cores busy for so long
}

func measured(t *testing.T, work func()) cost {
	t.Helper()
	start, before := time.Now(), processorTime(t)
	work()
	return cost{time.Since(start), processorTime(t) - before}
}

func (c cost) rate(images int) float64 { return float64(images) / c.took.Seconds() }

// middle is the median of each.
func middle(of []cost) cost {
	var took, processor []time.Duration
	for _, c := range of {
		took, processor = append(took, c.took), append(processor, c.processor)
	}
	return cost{median(took), median(processor)}
}

// syncRun is one registry synced into an empty database, and once more, each
// beside the floor of the work measured in the same minute.
type syncRun struct {
	floor, first, bare, second cost
	requests, again            int64
}

// TestBench_sync measures how fast images that are signed once each go from a
// registry into the inventory, verified, how fast it is seen that nothing is
// new, and how many requests both take, against the floor of the work.
func TestBench_sync(t *testing.T) {
	ctx := t.Context()
	fast := []engine{sqliteEngine(t), newPostgres(ctx, t).engine()}
	rows := newSyncTable()
	for _, c := range carriers {
		order := registryOrder{Carrier: c, Images: *signedImages}
		if c.Keyless {
			order.Images = min(order.Images, keylessImages)
		}
		engines := fast
		if c != carriers[0] { // how signatures are carried and where results are kept are independent
			engines = fast[:1]
		}
		rows.measure(ctx, t, newSignedRegistry(t, order.spread()), engines, *syncRounds)
	}
	key := rows.slowest // before what isn't ours to speed up

	order := registryOrder{Carrier: carriers[1], Images: zotImages}.spread()
	if zot := peerBinary("zot"); zot != "" {
		rows.measure(ctx, t, newZot(ctx, t, zot, order), fast[:1], 1)
	} else {
		rows.note("zot: not measured, it isn't built here: run make test-peers once")
	}
	order = registryOrder{Carrier: carriers[0], Images: farImages, Latency: farLatency}
	rows.measure(ctx, t, newSignedRegistry(t, order.spread()), fast[:1], 1)

	fmt.Printf("\nSync: images in repositories of %d, one signature each, on a registry of its own process on loopback;\nthe middle one of %d, each into an empty database. %s.\n\n",
		imagesPerSignedRepository, *syncRounds, machine())
	rows.table.print(os.Stdout)
	for _, note := range rows.notes {
		fmt.Println(note)
	}
	fmt.Printf("\nWith %s to each answer, %d requests at once allow %.0f images/s where two tell that nothing is new.\n",
		farLatency, registry.DefaultConcurrent, float64(registry.DefaultConcurrent)/farLatency.Seconds()/2)
	fmt.Printf("\ntarget: at least %d new images signed with a key verified per second: %s (slowest: %s)\n", targetFirst, met(key.first >= targetFirst), key.firstName)
	fmt.Printf("target: at least %d unchanged images per second: %s (slowest: %s)\n", targetSecond, met(key.second >= targetSecond), key.secondName)
	fmt.Printf("target: as many requests as the floor when nothing is new: %s\n", met(rows.slowest.over == ""))
	for over := range strings.Lines(rows.slowest.over) {
		fmt.Print("  more: ", over)
	}
}

// TestBench_cosign measures the same images checked by a shell loop of cosign
// verify and by a sync.
func TestBench_cosign(t *testing.T) {
	ctx := t.Context()
	name := fmt.Sprintf("at least %d × as fast as a shell loop of cosign verify", targetCosign)
	rows := &table{}
	rows.row("against cosign", "images", "cosign loop", "sync", "ratio")
	rows.row("", "", "images/s", "images/s", "")
	worst := 0.0
	for _, peer := range []struct {
		name string
		carrier
	}{{"cosign2", carriers[0]}, {"cosign3", carriers[1]}} {
		binary := peerBinary(peer.name)
		if binary == "" {
			fmt.Printf("\ntarget: %s: NOT MET (not measured: %s isn't built here, run make test-peers once)\n", name, peer.name)
			return
		}
		r := newSignedRegistry(t, registryOrder{Carrier: peer.carrier, Images: min(*signedImages, 2_000)}.spread())
		loop := cosignLoop(ctx, t, binary, r)
		run := measureSync(ctx, t, r, sqliteEngine(t).database("cosign_"+peer.name))
		rate := run.first.rate(len(r.Images))
		ratio := rate / loop.rate(cosignImages)
		if worst == 0 || ratio < worst {
			worst = ratio
		}
		rows.row(filepath.Base(binary)+", "+peer.carrier.Name, fmt.Sprintf("%d and %d", cosignImages, len(r.Images)),
			fmt.Sprintf("%.1f", loop.rate(cosignImages)), fmt.Sprintf("%.0f", rate), fmt.Sprintf("%.0f", ratio))
	}
	fmt.Printf("\nThe same images on the same registry, new and signed with a key, by cosign verify in a shell loop and by a sync\ninto an empty SQLite database. %s.\n\n", machine())
	rows.print(os.Stdout)
	fmt.Printf("\ntarget: %s: %s (%.0f ×)\n", name, met(worst >= targetCosign), worst)
}

// cosignLoop verifies the first images with cosign, one after the other, as a
// person would in a shell.
func cosignLoop(ctx context.Context, t *testing.T, binary string, r *signedRegistry) cost {
	t.Helper()
	dir := t.TempDir()
	// A key's signature needs no root, and cosign asks the public instance for one
	// unless it has some, be it empty.
	nothing := encoded(map[string]any{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs": []any{}, "certificateAuthorities": []any{}, "ctlogs": []any{}, "timestampAuthorities": []any{}})
	for name, content := range map[string][]byte{"cosign.pub": []byte(r.PEM), "nothing.json": nothing} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var images strings.Builder
	for _, i := range r.Images[:cosignImages] {
		fmt.Fprintf(&images, "%s/%s:%s\n", strings.TrimPrefix(r.url, "http://"), i.Repository, i.Tag)
	}
	loop := exec.CommandContext(ctx, "sh", "-ec", `while read image; do "$0" verify --key cosign.pub --insecure-ignore-tlog --trusted-root nothing.json --allow-http-registry "$image"; done`, binary)
	loop.Dir, loop.Stdin = dir, strings.NewReader(images.String())
	loop.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "DOCKER_CONFIG=" + dir, "HTTPS_PROXY=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9"}
	return measured(t, func() {
		if out, err := loop.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", binary, err, out[max(0, len(out)-2000):])
		}
	})
}

// spread gives an order its repositories.
func (o registryOrder) spread() registryOrder {
	o.Repositories = max(1, o.Images/imagesPerSignedRepository)
	return o
}

// syncTable gathers the rows of syncs.
type syncTable struct {
	table   table
	notes   []string
	slowest slowest
}

type slowest struct {
	first, second         float64
	firstName, secondName string
	over                  string // rows with more requests than the floor, a line each
}

func newSyncTable() *syncTable {
	s := &syncTable{}
	s.table.row("", "", "", "new", "of", "processor", "requests", "nothing", "of", "processor", "requests")
	s.table.row("full sync", "database", "images", "images/s", "floor", "ms/image", "/floor", "new, /s", "floor", "ms/image", "/floor")
	return s
}

func (s *syncTable) note(text string) { s.notes = append(s.notes, text) }

func (s *syncTable) measure(ctx context.Context, t *testing.T, r *signedRegistry, engines []engine, rounds int) {
	t.Helper()
	name := r.Name
	if r.kind != "" {
		name += ", " + r.kind
	}
	for _, e := range engines {
		var floors, firsts, bares, seconds []cost
		var last syncRun
		for i := range rounds {
			last = measureSync(ctx, t, r, e.database(fmt.Sprintf("sync_%d_%d", len(s.table.rows), i)))
			floors, firsts = append(floors, last.floor), append(firsts, last.first)
			bares, seconds = append(bares, last.bare), append(seconds, last.second)
		}
		n := len(r.Images)
		first, second := middle(firsts), middle(seconds)
		floorFirst, floorSecond := r.floorOfAll(r.repositories), r.floorOfNothingNew(r.repositories)
		each := func(c cost) string { return ms(c.processor / time.Duration(n)) }
		s.table.row(name, e.name, fmt.Sprint(n),
			fmt.Sprintf("%.0f", first.rate(n)), fmt.Sprintf("%.2f", middle(floors).took.Seconds()/first.took.Seconds()), each(first),
			fmt.Sprintf("%d/%d", last.requests, floorFirst),
			fmt.Sprintf("%.0f", second.rate(n)), fmt.Sprintf("%.2f", middle(bares).took.Seconds()/second.took.Seconds()), each(second),
			fmt.Sprintf("%d/%d", last.again, floorSecond))
		if !r.Keyless && (s.slowest.first == 0 || first.rate(n) < s.slowest.first) {
			s.slowest.first, s.slowest.firstName = first.rate(n), fmt.Sprintf("%.0f, %s, %s", first.rate(n), name, e.name)
		}
		if s.slowest.second == 0 || second.rate(n) < s.slowest.second {
			s.slowest.second, s.slowest.secondName = second.rate(n), fmt.Sprintf("%.0f, %s, %s", second.rate(n), name, e.name)
		}
		if last.again > int64(floorSecond) {
			s.slowest.over += fmt.Sprintf("%d instead of %d, %s, %s\n", last.again, floorSecond, name, e.name)
		}
	}
}

func measureSync(ctx context.Context, t *testing.T, r *signedRegistry, database string) (run syncRun) {
	t.Helper()
	config := &Config{
		Listen: "127.0.0.1:8080", Database: database, Review: ReviewConfig{Approvers: 1},
		Registries: []RegistryConfig{{Name: "bench", URL: r.url, AllowPrivate: true}},
	}
	want := inventory.Trusted
	if r.Keyless {
		want = inventory.Unapproved // nobody has decided about the workflow
		path := filepath.Join(t.TempDir(), "trusted_root.json")
		if err := os.WriteFile(path, r.Trusted, 0o600); err != nil {
			t.Fatal(err)
		}
		config.Trust.Sigstore = []SigstoreConfig{{Name: "bench", TrustedRoot: path}}
	}
	a := opened(ctx, t, config)
	defer a.close()
	if !r.Keyless {
		approveKey(ctx, t, a, "release pipeline", []byte(r.PEM))
	}

	f := newFloor(t, r)
	run.floor = f.all(ctx, t, f.verify)
	run.first, run.requests = syncOnce(ctx, t, a)
	run.bare = f.all(ctx, t, f.glance)
	run.second, run.again = syncOnce(ctx, t, a)

	counts, err := a.store.Counts(ctx, inventory.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.Images); counts.Of(want) != n || counts.Images != n {
		t.Fatalf("after the sync of %s: %+v, want %d images, all %s", r.Name, counts, n, want)
	}
	return run
}

func syncOnce(ctx context.Context, t *testing.T, a *app) (took cost, requests int64) {
	t.Helper()
	took = measured(t, func() {
		summary, err := a.syncer.Sync(ctx, inventory.SyncScope{}, nil)
		if err != nil || !summary.Complete() {
			t.Fatalf("the sync is not complete: %v, %+v", err, summary)
		}
		requests = summary.Requests
	})
	return took, requests
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
