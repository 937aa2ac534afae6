//go:build bench

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"signboard/cmd/signboard/demo"
	"signboard/inventory"
)

var (
	readers     = flag.Int("readers", 200, "how many read at once")
	readersTime = flag.Duration("readers-time", time.Minute, "for how long they read")
)

// patientReader is how long a reader waits for an answer before it counts as an
// error, which is half of what a proxy waits.
const patientReader = 30 * time.Second

// sessionsOfReaders are how many people the readers of pages are: each has many
// tabs open.
const sessionsOfReaders = 4

// apiCases are what scripts ask for.
func apiCases() []pageCase {
	cases := []pageCase{at("/api/v1/images"), at("/api/v1/images?limit=200"), at("/api/v1/images?status=unsigned&team=payments")}
	for _, status := range append([]inventory.Status{}, inventory.Statuses...) {
		cases = append(cases, at("/api/v1/images?status="+string(status)))
	}
	return append(cases,
		at("/api/v1/images?tag=latest"), at("/api/v1/images?q=ledger"), at("/api/v1/images?repository=mirror/payments/**"),
		pageCase{"/api/v1/images, page 2", func(s *site) string { return "/api/v1/images?cursor=" + url.QueryEscape(s.apiCursor) }},
		pageCase{"/api/v1/images/(one)", func(s *site) string {
			return "/api/v1/images/" + string(s.marks.image) + "?repository=" + s.marks.repository
		}},
		at("/api/v1/signers"), at("/api/v1/signers?standing=pending"),
		pageCase{"/api/v1/signers/(approved)", func(s *site) string { return "/api/v1" + s.marks.approved.Path() }},
		at("/api/v1/summary"), at("/api/v1/summary?team=payments"), at("/api/v1/quarantines"), at("/api/v1/registries"), at("/api/v1/audit"),
	)
}

// reading is what the readers of one kind met.
type reading struct {
	mu     sync.Mutex
	times  []time.Duration
	bytes  int64
	errors []string
}

func (r *reading) note(took time.Duration, n int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errors = append(r.errors, err.Error())
		return
	}
	r.times, r.bytes = append(r.times, took), r.bytes+n
}

// TestBench_readers has many read at once and without a pause, over connections
// that they keep, pages with a session and the JSON API with a token: nobody may
// be refused, or wait for too long.
func TestBench_readers(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s := &site{database: "sqlite:" + filepath.Join(dir, "readers.db"), size: *largeSize}
	if err := s.fill(ctx); err != nil {
		t.Fatal(err)
	}
	server := startReadable(ctx, t, dir, s.database)
	s.apiCursor = server.next(ctx, t, "/api/v1/images")
	kinds := []struct {
		name  string
		cases []pageCase
		did   reading
	}{{name: "pages, with a session", cases: pageCases()}, {name: "JSON, with a token", cases: apiCases()}}

	client := &http.Client{Timeout: patientReader, Transport: &http.Transport{MaxIdleConns: *readers, MaxIdleConnsPerHost: *readers, DisableCompression: true}}
	until, stop := context.WithTimeout(ctx, *readersTime)
	defer stop()
	begin := time.Now()
	var all sync.WaitGroup
	for n := range *readers {
		kind, who := &kinds[n%2], server.people[n%len(server.people)]
		random := rand.New(rand.NewPCG(2, uint64(n)))
		all.Go(func() {
			for until.Err() == nil {
				path := kind.cases[random.IntN(len(kind.cases))].path(s)
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.base+path, nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Accept-Encoding", "gzip") // as a browser does; the answer is only counted
				if n%2 == 0 {
					r.AddCookie(who)
				} else {
					r.Header.Set("Authorization", "Bearer "+server.token)
				}
				start := time.Now()
				size, err := read(client, r)
				kind.did.note(time.Since(start), size, err)
			}
		})
	}
	all.Wait()
	took := time.Since(begin)
	processor := server.stop()

	fmt.Printf("\nReaders: %d at once for %v, without a pause, of %s images on SQLite; `signboard serve` in a process of its own, on the cores that the readers use too.\n%s.\n\n",
		*readers, *readersTime, thousands(s.size), machine())
	out := &table{}
	out.row("", "requests", "/s", "errors", "p50 ms", "p99 ms", "slowest", "KB each")
	answered, failed := 0, 0
	for i := range kinds {
		k := &kinds[i]
		if answered, failed = answered+len(k.did.times), failed+len(k.did.errors); len(k.did.times) == 0 {
			t.Fatalf("%s: nothing was answered: %v", k.name, k.did.errors[:min(3, len(k.did.errors))])
		}
		out.row(k.name, thousands(len(k.did.times)), fmt.Sprintf("%.0f", float64(len(k.did.times))/took.Seconds()), fmt.Sprint(len(k.did.errors)),
			ms(median(k.did.times)), ms(quantile(k.did.times, 0.99)), ms(quantile(k.did.times, 1)), fmt.Sprint(k.did.bytes/int64(len(k.did.times))>>10))
	}
	out.print(os.Stdout)
	fmt.Printf("the server used %s ms of a processor for each request\n\n", ms(processor/time.Duration(answered)))
	fmt.Printf("target: %d readers at once for %v, no error: %s\n", *readers, *readersTime, met(failed == 0))
	for i := range kinds {
		k := &kinds[i]
		for _, e := range k.did.errors[:min(5, len(k.did.errors))] {
			t.Errorf("%s: %s", k.name, e)
		}
	}
}

// read reads an answer to its end. Any but 200 is an error.
func read(client *http.Client, r *http.Request) (int64, error) {
	a, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	n, err := io.Copy(io.Discard, a.Body)
	if err == nil && a.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", r.URL, a.Status)
	}
	return n, err
}

// readable is a running server that people are signed in to.
type readable struct {
	base   string
	people []*http.Cookie // their sessions
	token  string
	stop   func() (processor time.Duration)
}

// startReadable starts the program with an identity provider.
func startReadable(ctx context.Context, t *testing.T, dir, database string) readable {
	t.Helper()
	program := filepath.Join(dir, "signboard")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := readable{base: "http://" + l.Addr().String()}
	peers, err := demo.Start(ctx, demo.Options{BaseURL: s.base})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peers.Close() })
	var b strings.Builder
	fmt.Fprintf(&b, "listen: %s\nbase_url: %s\ndatabase: %s\n", l.Addr(), s.base, database)
	fmt.Fprintf(&b, "oidc: {issuer_url: %q, client_id: %q, client_secret: %q, groups_claim: groups, roles: {viewer: [\"*\"]}}\n", peers.Issuer(), peers.ClientID(), peers.ClientSecret())
	config := benchConfig(database)
	b.WriteString("registries:\n")
	for _, r := range config.Registries {
		fmt.Fprintf(&b, "  - {name: %s, url: %q, allow_private: true, interval: %s}\n", r.Name, r.URL, r.Interval)
	}
	b.WriteString("teams:\n")
	for _, team := range config.Teams {
		fmt.Fprintf(&b, "  - {name: %s, repositories: [%q]}\n", team.Name, team.Repositories[0])
	}
	path := filepath.Join(dir, "readers.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	token, err := exec.CommandContext(ctx, program, "token", "create", "--config", path, "--name", "readers", "--role", "viewer").Output()
	if err != nil {
		t.Fatalf("making a token: %v", err)
	}
	s.token = strings.TrimSpace(string(token))

	var said bytes.Buffer
	c := exec.CommandContext(ctx, program, "serve", "--config", path, "--log-level", "error") // its registries aren't there
	c.Stdout, c.Stderr = &said, &said
	l.Close()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	s.stop = sync.OnceValue(func() time.Duration {
		c.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil || said.Len() > 0 {
			t.Errorf("the server ended with %v and said:\n%.4000s", err, said.String())
		}
		return c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	})
	t.Cleanup(func() { s.stop() })
	for start, tick := time.Now(), time.Tick(20*time.Millisecond); ; <-tick {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = read(http.DefaultClient, r); err == nil {
			break
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("it isn't ready: %v", err)
		}
	}
	for n := range sessionsOfReaders {
		s.people = append(s.people, signIn(t, s.base, peers.People()[n%len(peers.People())].Subject))
	}
	return s
}

// next is the cursor that a list of the API answers.
func (s readable) next(ctx context.Context, t *testing.T, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	var list struct {
		Next string `json:"next_cursor"`
	}
	if err := json.NewDecoder(a.Body).Decode(&list); err != nil || list.Next == "" {
		t.Fatalf("%s answered %s with the cursor %q, %v", path, a.Status, list.Next, err)
	}
	return list.Next
}

// signIn is a browser that signs in, and returns its session.
func signIn(t *testing.T, base, person string) *http.Cookie {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: time.Minute}
	page, err := browser.Get(base + "/auth/start")
	if err != nil {
		t.Fatal(err)
	}
	page.Body.Close()
	back, err := browser.PostForm(page.Request.URL.String(), url.Values{"person": {person}})
	if err != nil {
		t.Fatal(err)
	}
	back.Body.Close()
	if at := back.Request.URL; back.StatusCode != http.StatusOK || at.Path != "/" {
		t.Fatalf("signing in ends at %s with %s", at, back.Status)
	}
	for _, c := range jar.Cookies(back.Request.URL) {
		if c.Name == "signboard" {
			return c
		}
	}
	t.Fatal("signing in gives no session")
	return nil
}
