package hook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"signboard/inventory"
)

const theSecret = "correct-horse battery"

// post is a hook with a registry that has a secret and one that has none, and
// what was noted.
type post struct {
	*testing.T
	handler http.Handler
	log     bytes.Buffer
	now     time.Time

	mu     sync.Mutex
	calls  int
	noted  []string
	during func(registry string, hints []inventory.Hint) error // what noting does
}

func newPost(t *testing.T) *post {
	p := &post{T: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	h := New(Config{
		Registries: []Registry{
			{Name: "local", Host: "registry.example.com", Secret: theSecret, Repositories: []inventory.Glob{"**"}},
			{Name: "mute", Host: "mute.example.com", Repositories: []inventory.Glob{"**"}},
		},
		Store: p, Hinted: func() {}, Clock: func() time.Time { return p.now },
		Log: slog.New(slog.NewTextHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	r := chi.NewRouter()
	r.Post("/hooks/{registry}", h.Receive)
	r.Options("/hooks/{registry}", h.Shake)
	p.handler = r
	return p
}

func (p *post) Hint(_ context.Context, registry string, hints []inventory.Hint, _ time.Time) (int, error) {
	if p.during != nil {
		if err := p.during(registry, hints); err != nil {
			return 0, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	for _, h := range hints {
		p.noted = append(p.noted, registry+"/"+h.Repository)
	}
	return 0, nil
}

func (p *post) send(to, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, to, strings.NewReader(body))
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w
}

func bearer(r *http.Request) { r.Header.Set("Authorization", "Bearer "+theSecret) }

func sign(secret, body string) func(*http.Request) {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return func(r *http.Request) {
		r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
}

func push(name string) string {
	return fmt.Sprintf(`{"events":[{"action":"push","target":{"repository":%q}}]}`, name)
}

func TestReceive_whoShowsTheSecret(t *testing.T) {
	header := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	for what, change := range map[string]func(*http.Request){
		"bearer":         bearer,
		"BEARER":         header("BEARER " + theSecret),
		"bare":           header(theSecret), // Harbor
		"basic":          func(r *http.Request) { r.SetBasicAuth("zot", theSecret) },
		"in the query":   func(r *http.Request) { r.URL.RawQuery = "secret=correct-horse%20battery" },
		"signed":         sign(theSecret, push("a")),
		"beside a token": func(r *http.Request) { header("Bearer ey.J.x")(r); r.URL.RawQuery = "secret=correct-horse+battery" }, // Pub/Sub
	} {
		p := newPost(t)
		w := p.send("/hooks/local", push("a"), change)
		if w.Code != http.StatusAccepted || w.Body.Len() != 0 || !slices.Equal(p.noted, []string{"local/a"}) {
			t.Errorf("%s: %d %q, noted %v", what, w.Code, w.Body, p.noted)
		}
		if strings.Contains(p.log.String(), "horse") {
			t.Errorf("%s: the log says\n%s", what, &p.log)
		}
	}
	p := newPost(t)
	var refused *httptest.ResponseRecorder
	for what, test := range map[string]struct {
		to     string
		change func(*http.Request)
	}{
		"nothing":                       {"/hooks/local", func(*http.Request) {}},
		"another secret":                {"/hooks/local", header("Bearer correct-horse batterz")},
		"a part of it":                  {"/hooks/local", header("Bearer correct-horse")},
		"more than it":                  {"/hooks/local", header("Bearer " + theSecret + "x")},
		"an empty one":                  {"/hooks/local", header("Bearer ")},
		"an empty password":             {"/hooks/local", func(r *http.Request) { r.SetBasicAuth(theSecret, "") }},
		"an empty one in the query":     {"/hooks/local?secret=", func(*http.Request) {}},
		"another one in the query":      {"/hooks/local?secret=a&secret=b", func(*http.Request) {}},
		"a signature of something else": {"/hooks/local", sign(theSecret, push("b"))},
		"a signature with another":      {"/hooks/local", sign("another", push("a"))},
		"a signature with nothing":      {"/hooks/local", sign("", push("a"))},
		"a signature that isn't":        {"/hooks/local", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256=") }},
		"an older kind of signature": {"/hooks/local", func(r *http.Request) {
			sign(theSecret, push("a"))(r)
			r.Header.Set("X-Hub-Signature", r.Header.Get("X-Hub-Signature-256"))
			r.Header.Del("X-Hub-Signature-256")
		}},
		"a registry without a secret":        {"/hooks/mute", bearer},
		"nothing, for one without a secret":  {"/hooks/mute", header("Bearer ")},
		"a signature with nothing, for that": {"/hooks/mute", sign("", push("a"))},
		"a registry that isn't there":        {"/hooks/nowhere", bearer},
		"one with an odd name":               {"/hooks/%2e%2e%2flocal%0a", bearer},
		"nothing, for what isn't there":      {"/hooks/nowhere", func(*http.Request) {}},
	} {
		w := p.send(test.to, push("a"), test.change)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
		if refused == nil {
			refused = w
		}
		if w.Body.String() != refused.Body.String() || fmt.Sprint(w.Header()) != fmt.Sprint(refused.Header()) {
			t.Errorf("%s is told apart: %v %s, and %v %s", what, w.Header(), w.Body, refused.Header(), refused.Body)
		}
	}
	if len(p.noted) > 0 {
		t.Errorf("noted all the same: %v", p.noted)
	}
	// However many there are, few lines say so.
	lines := func() int { return strings.Count(p.log.String(), "events were refused") }
	if n := lines(); n != 3 { // local, mute, and what isn't there
		t.Errorf("%d lines about refusals:\n%s", n, &p.log)
	}
	p.now = p.now.Add(refusalLog)
	for range 100 {
		p.send("/hooks/local", push("a"))
	}
	if n := lines(); n != 4 {
		t.Errorf("a minute later there are %d", n)
	}
}

func TestReceive_answers(t *testing.T) {
	p := newPost(t)
	for what, test := range map[string]struct {
		body string
		code int
	}{
		"an event":               {push("a"), 202},
		"an event of no concern": {`{"events":[]}`, 202},
		"a name that isn't":      {push("../x"), 202},
		"no JSON":                {"<html>", 400},
		"no event":               {"{}", 400},
		"too large":              {`{"events":[],"x":"` + strings.Repeat("x", maxBody) + `"}`, 413},
		"too many":               {`{"events":[` + strings.Repeat("{},", maxEvents) + "{}]}", 413},
	} {
		if w := p.send("/hooks/local", test.body, bearer); w.Code != test.code {
			t.Errorf("%s: %d %s, want %d", what, w.Code, w.Body, test.code)
		}
	}
	if w := p.send("/hooks/local", strings.Repeat("x", maxBody+1), sign(theSecret, strings.Repeat("x", maxBody+1))); w.Code != 401 {
		t.Errorf("too large, signed: %d", w.Code)
	}
	if w := p.send("/hooks/local", "", bearer, func(r *http.Request) { r.Body = io.NopCloser(errReader{}) }); w.Code != 400 {
		t.Errorf("a body that breaks off: %d", w.Code)
	}
	p.during = func(string, []inventory.Hint) error { return errors.New("the disk is full") }
	if w := p.send("/hooks/local", push("a"), bearer); w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("what can't be noted: %d %v %s", w.Code, w.Header(), w.Body)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestReceive_shakesHands(t *testing.T) {
	p := newPost(t)
	body := `[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6","validationUrl":"http://127.0.0.1:1/"}}]`
	if w := p.send("/hooks/local", body, bearer); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"validationResponse":"512d38b6"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := p.send("/hooks/local", body); w.Code != 401 || strings.Contains(w.Body.String(), "512d") {
		t.Errorf("without the secret: %d %s", w.Code, w.Body)
	}
	options := func(query, origin string) *httptest.ResponseRecorder {
		return p.send("/hooks/local"+query, "", func(r *http.Request) {
			r.Method = http.MethodOptions
			r.Header.Set("WebHook-Request-Origin", origin)
		})
	}
	if w := options("?secret=correct-horse%20battery", "eventgrid.azure.net"); w.Code != 200 || w.Header().Get("WebHook-Allowed-Origin") != "eventgrid.azure.net" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := options("?secret=correct-horse%20battery", "a b"); w.Header().Get("WebHook-Allowed-Origin") != "" {
		t.Errorf("an odd origin is allowed: %v", w.Header())
	}
	if w := options("", "eventgrid.azure.net"); w.Code != 401 || w.Header().Get("WebHook-Allowed-Origin") != "" {
		t.Errorf("without the secret: %d %v", w.Code, w.Header())
	}
}

// TestReceive_aFlood: while one transaction runs, whatever comes waits together
// for the next one, each repository once; and what comes faster than a registry
// ever would is sent away.
func TestReceive_aFlood(t *testing.T) {
	p := newPost(t)
	first, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p.during = func(_ string, hints []inventory.Hint) error {
		once.Do(func() { close(first) })
		<-free
		return nil
	}
	var group sync.WaitGroup
	codes := make(chan int, 10_000)
	send := func(name string) {
		group.Go(func() { codes <- p.send("/hooks/local", push(name), bearer).Code })
	}
	send("a")
	<-first
	for n := range 9999 {
		send(fmt.Sprintf("team/%d", n%7))
	}
	count := map[int]int{}
	for range 10_000 - maxWaiting { // all but those that wait
		count[<-codes]++
	}
	close(free)
	group.Wait()
	close(codes)
	for c := range codes {
		count[c]++
	}
	if count[202] != maxWaiting || count[429] != 10_000-maxWaiting {
		t.Errorf("the answers are %v", count)
	}
	slices.Sort(p.noted)
	if p.calls != 2 || len(p.noted) > 8 || len(slices.Compact(p.noted)) != len(p.noted) {
		t.Errorf("%d transactions noted %v", p.calls, p.noted)
	}
}

func TestReceive_limitsARegistry(t *testing.T) {
	p := newPost(t)
	accepted := 0
	for range 2 * atOnce {
		switch w := p.send("/hooks/local", push("a"), bearer); w.Code {
		case 202:
			accepted++
		case 429:
			if w.Header().Get("Retry-After") != "1" {
				t.Fatalf("sent away without a time: %v", w.Header())
			}
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if accepted < atOnce || accepted > 2*atOnce-1 {
		t.Errorf("%d of %d were accepted", accepted, 2*atOnce)
	}
}

func TestMailbox_isBounded(t *testing.T) {
	begun, free := make(chan struct{}, 2), make(chan struct{})
	m := &mailbox{note: func(context.Context, []inventory.Hint) error { begun <- struct{}{}; <-free; return nil }}
	hints := func(from, n int) (list []inventory.Hint) {
		for i := range n {
			list = append(list, inventory.Hint{Repository: fmt.Sprint(from + i)})
		}
		return list
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = m.put(t.Context(), hints(0, 1)) })
	<-begun
	cancel()
	if err := m.put(ctx, hints(0, maxGathered)); !errors.Is(err, context.Canceled) {
		t.Errorf("who goes away is told %v", err)
	}
	if err := m.put(t.Context(), hints(maxGathered, 1)); !errors.Is(err, errFull) {
		t.Errorf("one more: %v", err)
	}
	close(free)
	group.Wait()
}
