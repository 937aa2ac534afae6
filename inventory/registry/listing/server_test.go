package listing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// clock is time that passes only when somebody waits.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Wait(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

// server answers by path, the way it was escaped, and remembers what it was asked.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	asked []*http.Request
}

func serve(t *testing.T, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Clone(context.Background()))
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) all() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.asked...)
}

// nobody is a registry that must not be asked for anything.
func nobody(t *testing.T) *server {
	t.Helper()
	s := serve(t, http.NotFound)
	t.Cleanup(func() {
		for _, r := range s.all() {
			t.Errorf("the registry was asked for %s, with %q", r.URL, r.Header.Get("Authorization"))
		}
	})
	return s
}

const robot, secret = "robot$signboard", "registry-secret"

// open makes a Registry of a registry that has credentials.
func open(t *testing.T, at *server, c Config, change ...func(*registry.Config)) *Registry {
	t.Helper()
	empty := t.TempDir()
	for _, name := range []string{"DOCKER_CONFIG", "HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, empty)
	}
	t.Setenv("REGISTRY_AUTH_FILE", "")
	clock := &clock{now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
	cfg := registry.Config{
		Name: "test", URL: at.URL, AllowPrivate: true, Repositories: c.Repositories, Username: robot, Password: secret,
		Now: clock.Now, Wait: clock.Wait, Limits: registry.Limits{RequestsPerSecond: 1e6},
	}
	for _, f := range change {
		f(&cfg)
	}
	client, err := registry.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Registry, c.AllowPrivate = at.URL, true
	r, err := New(client, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func globs(t *testing.T, patterns ...string) []inventory.Glob {
	t.Helper()
	list, err := inventory.ParseGlobs(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func repositories(r *Registry) (names []string, err error) {
	err = r.Repositories(context.Background(), func(page []string) error {
		names = append(names, page...)
		return nil
	})
	return names, err
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

// recorded answers with a file of testdata. What it says of the service's own
// address becomes the server's.
func recorded(t *testing.T, w http.ResponseWriter, r *http.Request, file string) {
	body, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Error(err)
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, strings.ReplaceAll(string(body), "https://hub.docker.com", "http://"+r.Host))
}

func status(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprint(w, body)
}

// link adds the address of the next page, the present one with another number.
func link(w http.ResponseWriter, r *http.Request, base, next string) {
	q := r.URL.Query()
	q.Set("page", next)
	w.Header().Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, base, r.URL.EscapedPath(), q.Encode()))
}
