//go:build bench

package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

// smallInventory is the size that the other is compared with.
const smallInventory = 1_000

var (
	largeSize     = flag.Int("large", 1_000_000, "how many images the large inventory holds on SQLite")
	largePostgres = flag.Int("large-postgres", 100_000, "how many images the large inventory of the pages holds on PostgreSQL")
)

// A page is asked for at both sizes in turn, so that whatever else the machine
// does slows both alike, until it was asked often enough or this took too long.
const (
	mostRuns  = 101
	leastRuns = 15
	pageTime  = 1200 * time.Millisecond // for both sizes together
)

// site is the whole program over an inventory of one size.
type site struct {
	database  string
	size      int
	marks     landmarks
	cursor    string // of the twentieth page of all images
	apiCursor string // of a later page of the API's list of all images
	kept      bool   // it was made by an earlier run

	app     *app
	handler http.Handler
}

// pageCase is a page to measure.
type pageCase struct {
	name string
	path func(s *site) string
}

func at(path string) pageCase { return pageCase{path, func(*site) string { return path }} }

func pageCases() []pageCase {
	signer := func(name string, id func(*site) inventory.SignerID, more string) pageCase {
		return pageCase{name, func(s *site) string { return "/images?signer=" + url.QueryEscape(string(id(s))) + more }}
	}
	approved := func(s *site) inventory.SignerID { return s.marks.approved }
	pending := func(s *site) inventory.SignerID { return s.marks.pending }
	cases := []pageCase{at("/"), at("/?team=payments"), at("/images")}
	cases = append(cases, pageCase{"/images, page 20", func(s *site) string { return "/images?cursor=" + url.QueryEscape(s.cursor) }})
	for _, status := range append(slices.Clone(inventory.Statuses), inventory.Quarantined) {
		cases = append(cases, at("/images?status="+string(status)))
	}
	return append(cases,
		at("/images?registry=edge"), at("/images?team=payments"), at("/images?team=-"),
		signer("/images?signer=(approved)", approved, ""), signer("/images?signer=(pending)", pending, ""),
		at("/images?format=notation-jws"), at("/images?reason=signer_not_approved"),
		at("/images?tag=latest"), at("/images?q=ledger"),
		pageCase{"/images?q=(start of a digest)", func(s *site) string { return "/images?q=" + s.marks.image.Hex()[:12] }},
		at("/images?repository=*/payments/**"), at("/images?repository=mirror/payments/**"),
		pageCase{"/images?repository=(one)", func(s *site) string { return "/images?repository=" + s.marks.repository }},
		at("/images?status=trusted&team=payments"), signer("/images?status=trusted&signer=(approved)", approved, "&status=trusted"),
		at("/images?team=payments&format=cosign-bundle"), at("/images?status=trusted&q=ledger"),
		pageCase{"/images/(one)", func(s *site) string {
			return "/images/" + string(s.marks.image) + "?repository=" + s.marks.repository
		}},
		at("/signers"), at("/signers?standing=approved"),
		pageCase{"/signers/(approved)", func(s *site) string { return s.marks.approved.Path() }},
		at("/quarantine"), at("/registries"), at("/audit"), at("/search?q=ledger"), at("/search?q=pipeline"),
	)
}

// pageRun is what a page cost at one size.
type pageRun struct {
	times []time.Duration
	bytes int
	rows  map[string]int64 // by table; PostgreSQL only
}

func (r pageRun) read() (n int64) {
	for _, rows := range r.rows {
		n += rows
	}
	return n
}

// TestBench_pagesAtBothSizes measures the pages of an inventory a thousand times
// as large as another: their time through the whole router, and the rows that
// the database reads for them.
func TestBench_pagesAtBothSizes(t *testing.T) {
	ctx := t.Context()
	pg := newPostgres(ctx, t)
	engines := []engine{sqliteEngine(t), pg.engine()}
	large := []int{*largeSize, *largePostgres}
	sites := make([][2]*site, len(engines))
	filling := make([]time.Duration, len(engines))
	for i, e := range engines {
		for j, size := range []int{smallInventory, large[i]} {
			s := &site{database: e.database(fmt.Sprint("pages_", size)), size: size}
			start := time.Now()
			if err := s.fill(ctx); err != nil {
				t.Fatalf("filling %s with %d images: %v", e.name, s.size, err)
			}
			filling[i] = time.Since(start)
			sites[i][j] = s
		}
	}
	if err := pg.vacuum(ctx); err != nil {
		t.Fatal(err)
	}
	cases := pageCases()
	runs := make([][][2]pageRun, len(engines))
	for i := range engines {
		runs[i] = measurePages(ctx, t, sites[i], cases)
	}
	for j, s := range sites[1] {
		s.countRows(ctx, t, pg, cases, func(c int, rows map[string]int64) { runs[1][c][j].rows = rows })
	}

	fmt.Printf("\nPages: a large inventory against one of %s images, in milliseconds through the whole router, uncompressed.\n%s; SQLite %s, PostgreSQL %s.\n",
		thousands(smallInventory), machine(), sqliteVersion(t), pg.version)
	for i, e := range engines {
		made := fmt.Sprintf("made in %.0f s", filling[i].Seconds())
		if sites[i][1].kept {
			made = "kept from an earlier run"
		}
		fmt.Printf("%s images on %s: %s.\n", thousands(large[i]), e.name, made)
	}
	var missed [][]string
	for i, e := range engines {
		missed = append(missed, printTimes(e.name, cases, runs[i], large[i]))
	}
	printRows(cases, runs[1], large[1])
	fmt.Println()
	for i, e := range engines {
		verdict := met(len(missed[i]) == 0)
		if len(missed[i]) > 0 {
			verdict += ": " + strings.Join(missed[i], ", ")
		}
		fmt.Printf("target: p50 of each page at %s images at most %.1f × that at %s (searches %.1f ×), on %s: %d of %d, %s\n",
			thousands(large[i]), targetPageRatio, thousands(smallInventory), targetSearchRatio, e.name, len(cases)-len(missed[i]), len(cases), verdict)
	}
}

// fill makes the inventory.
func (s *site) fill(ctx context.Context) error {
	marks, kept, err := inventoryOf(ctx, s.database, s.size)
	if err != nil {
		return err
	}
	s.marks, s.kept = marks, kept
	config := benchConfig(s.database)
	if err := config.check(); err != nil {
		return err
	}
	a, err := open(ctx, config, quiet)
	if err != nil {
		return err
	}
	defer a.close()
	p := inventory.Page{}
	for range 19 {
		list, err := a.store.Images(ctx, inventory.ImageFilter{}, p, time.Now())
		if err != nil {
			return err
		}
		if list.Total != s.marks.listed {
			return fmt.Errorf("there are %d images", list.Total)
		}
		p.Cursor = list.Next
	}
	s.cursor = p.Cursor
	return nil
}

func (s *site) start(ctx context.Context, t *testing.T) {
	t.Helper()
	s.app = opened(ctx, t, benchConfig(s.database))
	s.handler = s.app.handler(false)
}

// ask renders a page and returns its size.
func (s *site) ask(ctx context.Context, t *testing.T, c pageCase) int {
	t.Helper()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, s.app.config.BaseURL+c.path(s), nil)
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s at %d images answered %d: %s", r.URL, s.size, w.Code, w.Body)
	}
	return w.Body.Len()
}

func measurePages(ctx context.Context, t *testing.T, sites [2]*site, cases []pageCase) [][2]pageRun {
	t.Helper()
	for _, s := range sites {
		s.start(ctx, t)
		defer s.app.close()
	}
	runs := make([][2]pageRun, len(cases))
	for i, c := range cases {
		for range 2 { // the first are for the caches
			for j, s := range sites {
				runs[i][j].bytes = s.ask(ctx, t, c)
			}
		}
		begin := time.Now()
		for n := 0; n < mostRuns && (n < leastRuns || time.Since(begin) < pageTime); n++ {
			for j, s := range sites {
				start := time.Now()
				s.ask(ctx, t, c)
				runs[i][j].times = append(runs[i][j].times, time.Since(start))
			}
		}
	}
	return runs
}

// countRows finds out how many rows PostgreSQL reads for each page that isn't
// the first: what is read when the program starts, or for the first page and then
// kept, is the difference between asking twice and asking once.
func (s *site) countRows(ctx context.Context, t *testing.T, pg *postgres, cases []pageCase, found func(c int, rows map[string]int64)) {
	t.Helper()
	schema := pg.schema(fmt.Sprint("pages_", s.size))
	count := func(work func()) map[string]int64 {
		before, err := pg.rowsRead(ctx, schema)
		if err != nil {
			t.Fatal(err)
		}
		s.start(ctx, t)
		work()
		s.app.close()
		after, err := pg.rowsRead(ctx, schema)
		if err != nil {
			t.Fatal(err)
		}
		for table := range after {
			after[table] -= before[table]
		}
		return after
	}
	for i, c := range cases {
		once := count(func() { s.ask(ctx, t, c) })
		twice := count(func() { s.ask(ctx, t, c); s.ask(ctx, t, c) })
		for table := range twice {
			twice[table] -= once[table]
		}
		found(i, twice)
	}
}

func printTimes(name string, cases []pageCase, runs [][2]pageRun, size int) (missed []string) {
	out := &table{}
	out.row("page on "+name, thousands(smallInventory), "", thousands(size), "", "ratio", "ratio", "", "runs", "KB at", "KB at")
	out.row("", "p50", "p99", "p50", "p99", "p50", "p99", "", "", thousands(smallInventory), thousands(size))
	for i, c := range cases {
		small, large := runs[i][0], runs[i][1]
		ratio := float64(median(large.times)) / float64(median(small.times))
		mark, most := "", targetPageRatio
		if strings.Contains(c.name, "?q=") || strings.Contains(c.name, "&q=") {
			most = targetSearchRatio
		}
		if ratio > most {
			mark = "miss"
			missed = append(missed, c.name)
		}
		out.row(c.name, ms(median(small.times)), ms(quantile(small.times, 0.99)), ms(median(large.times)), ms(quantile(large.times, 0.99)),
			fmt.Sprintf("%.2f", ratio), fmt.Sprintf("%.2f", float64(quantile(large.times, 0.99))/float64(quantile(small.times, 0.99))), mark, fmt.Sprint(len(small.times)), fmt.Sprint(small.bytes>>10), fmt.Sprint(large.bytes>>10))
	}
	fmt.Println()
	out.print(os.Stdout)
	return missed
}

func printRows(cases []pageCase, runs [][2]pageRun, size int) {
	out := &table{}
	out.row("rows read on PostgreSQL", thousands(smallInventory), thousands(size), "ratio", "most of them at "+thousands(size))
	for i, c := range cases {
		small, large := runs[i][0], runs[i][1]
		most, n := "", int64(0)
		for table, rows := range large.rows {
			if rows > n || rows == n && table < most {
				most, n = table, rows
			}
		}
		out.row(c.name, thousands(int(small.read())), thousands(int(large.read())),
			fmt.Sprintf("%.2f", float64(large.read())/float64(max(1, small.read()))), most+" "+thousands(int(n)))
	}
	fmt.Println()
	out.print(os.Stdout)
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
