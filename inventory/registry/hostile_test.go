package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
)

// clock is time that passes only when somebody waits.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
}

func newClock() *clock { return &clock{now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Wait(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.waits = append(c.waits, d)
	return ctx.Err()
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) waited() (total time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.waits {
		total += d
	}
	return total
}

// seen records what a server was asked.
type seen struct {
	mu       sync.Mutex
	requests []*http.Request
}

func (s *seen) add(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Clone(context.Background()))
}

func (s *seen) all() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests...)
}

func (s *seen) count(prefix string) (n int) {
	for _, r := range s.all() {
		if strings.HasPrefix(r.URL.Path, prefix) {
			n++
		}
	}
	return n
}

// serve starts a server whose GET /v2/ answers 200 unless handler does it
// itself, by way of a path "/v2/" in routes.
func serve(t *testing.T, routes map[string]http.HandlerFunc) (*httptest.Server, *seen) {
	t.Helper()
	s := &seen{}
	server := httptest.NewServer(record(s, routes))
	t.Cleanup(server.Close)
	return server, s
}

func record(s *seen, routes map[string]http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.add(r)
		if h, ok := routes[r.URL.Path]; ok {
			h(w, r)
			return
		}
		if r.URL.Path == "/v2/" {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"NOT_FOUND"}]}`)
	})
}

// client is a Client for a server on loopback, with a clock of its own and no
// credentials but those in the configuration.
func client(t *testing.T, server *httptest.Server, change ...func(*Config)) (*Client, *clock) {
	t.Helper()
	noDockerConfig(t)
	cfg, clk := configFor(server.URL)
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, clk
}

// publicClient treats the server as one on the internet: its own address may be
// dialled, no other on loopback may.
func publicClient(t *testing.T, server *httptest.Server, change ...func(*Config)) *Client {
	t.Helper()
	noDockerConfig(t)
	cfg, _ := configFor(server.URL)
	cfg.AllowPrivate = false
	for _, f := range change {
		f(&cfg)
	}
	c, err := newClient(cfg, dialer{exempt: netip.MustParseAddrPort(server.Listener.Addr().String())})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func configFor(u string) (Config, *clock) {
	clk := newClock()
	return Config{Name: "test", URL: u, AllowPrivate: true, Now: clk.Now, Wait: clk.Wait, Limits: Limits{RequestsPerSecond: 1e6}}, clk
}

func noDockerConfig(t *testing.T) {
	t.Helper()
	empty := t.TempDir()
	for _, name := range []string{"DOCKER_CONFIG", "HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, empty)
	}
	t.Setenv("REGISTRY_AUTH_FILE", "")
}

// wantLook fails the test unless err carries the reason and its message has all
// the words and reads as a sentence.
func wantLook(t *testing.T, err error, reason inventory.Reason, words ...string) {
	t.Helper()
	e, ok := errors.AsType[*inventory.LookError](err)
	if !ok {
		t.Fatalf("err = %v, want a LookError with reason %s", err, reason)
	}
	if e.Reason != reason {
		t.Errorf("reason = %s, want %s (%v)", e.Reason, reason, err)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("message %q doesn't have %q", e.Message, w)
		}
	}
	if !strings.HasSuffix(e.Message, ".") || strings.Contains(e.Message, "%!") {
		t.Errorf("message %q isn't a sentence", e.Message)
	}
}

func hostOf(t *testing.T, server *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func text(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func jsonAnswer(body string) http.HandlerFunc { return text(http.StatusOK, "application/json", body) }

const ociManifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`
