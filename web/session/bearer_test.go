package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signboard/inventory"
	"signboard/inventory/store"
	"signboard/web/session"
)

// gate is the way to the API, over a real database, with a token or two.
type gate struct {
	*testing.T
	db      *store.DB
	handler http.Handler

	mu      sync.Mutex
	now     time.Time
	audited []inventory.AuditEntry
	refused map[string]int // by cause
	passed  int
}

// keep forgets all entries but the first few.
func (g *gate) keep(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.audited = g.audited[:n]
}

// written is the entries so far.
func (g *gate) written() []inventory.AuditEntry {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.audited)
}

func newGate(t *testing.T, change func(c *session.Config)) *gate {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	g := &gate{T: t, db: db, refused: map[string]int{}, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	c := session.Config{
		Store: db, BaseURL: "http://signboard.test", Tokens: db, OIDC: &session.OIDC{Issuer: "http://127.0.0.1:1"},
		Clock: func() time.Time {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.now
		},
		TokenRefused: func(cause string) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.refused[cause]++
		},
		Audit: func(_ context.Context, e inventory.AuditEntry) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.audited = append(g.audited, e)
			return nil
		},
	}
	if change != nil {
		change(&c)
	}
	g.handler = session.New(c).API(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.passed++
		a := inventory.ActorFrom(r.Context())
		fmt.Fprintf(w, "%s|%s|%s|%s|%s", a.Kind, a.Name, a.Role, a.Subject, a.Address)
	}))
	return g
}

// make stores a token and returns its secret.
func (g *gate) make(t inventory.Token) string {
	g.Helper()
	secret := inventory.NewTokenSecret()
	t.CreatedAt = g.now
	if err := g.db.RecordToken(g.Context(), t, secret.Hash(), inventory.AuditEntry{At: g.now, Action: "token.create"}); err != nil {
		g.Fatal(err)
	}
	return string(secret)
}

// ask sends a request from 192.0.2.1 with headers.
func (g *gate) ask(method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "From" {
			r.RemoteAddr = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w
}

// refuses expects a 401 as programs read it, without the secret.
func (g *gate) refuses(name string, w *httptest.ResponseRecorder, says, secret string) {
	g.Helper()
	var p struct {
		Title, Detail string
		Status        int
	}
	err := json.Unmarshal(w.Body.Bytes(), &p)
	challenge := w.Header().Get("WWW-Authenticate")
	if w.Code != http.StatusUnauthorized || err != nil || p.Status != 401 || p.Title != "Unauthorized" || !strings.Contains(p.Detail, says) ||
		w.Header().Get("Content-Type") != "application/problem+json" || !strings.HasPrefix(challenge, `Bearer realm="Signboard"`) {
		g.Errorf("%s: %d %v %q: %s", name, w.Code, err, challenge, w.Body)
	}
	if len(secret) > 12 && (strings.Contains(w.Body.String(), secret[4:12]) || strings.Contains(challenge, secret[4:12])) {
		g.Errorf("%s: the answer has the secret: %s %s", name, challenge, w.Body)
	}
	if cookies := w.Header()["Set-Cookie"]; cookies != nil {
		g.Errorf("%s: a session began: %v", name, cookies)
	}
}

func TestAPI_aTokenHasItsRoleAndNothingElse(t *testing.T) {
	g := newGate(t, nil)
	viewer := g.make(inventory.Token{ID: "v", Name: "reports", Role: inventory.Viewer, Subject: "token|v"})
	reviewer := g.make(inventory.Token{ID: "r", Name: "ci", Role: inventory.Reviewer, Subject: "idp|dana"})
	for sent, want := range map[string]string{
		"Bearer " + viewer:        "token|reports|viewer|token|v|192.0.2.1",
		"Bearer " + reviewer:      "token|ci|reviewer|idp|dana|192.0.2.1",
		"bearer " + viewer:        "token|reports|viewer|token|v|192.0.2.1",
		"BEARER   " + viewer:      "token|reports|viewer|token|v|192.0.2.1",
		" Bearer " + viewer + " ": "token|reports|viewer|token|v|192.0.2.1",
	} {
		w := g.ask("GET", "/api/v1/images", "Authorization", sent)
		if w.Code != http.StatusOK || w.Body.String() != want || w.Header()["Set-Cookie"] != nil {
			t.Errorf("%.8s…: %d %s", sent, w.Code, w.Body)
		}
		if vary := strings.Join(w.Header()["Vary"], ","); !strings.Contains(vary, "Authorization") {
			t.Errorf("a cache may give the answer to anybody: Vary: %s", vary)
		}
	}
}

func TestAPI_aTokenThatDoesNotCountIsRefused(t *testing.T) {
	for name, change := range map[string]func(c *session.Config){
		"with sign-in": nil,
		"without": func(c *session.Config) {
			c.OIDC, c.Local = nil, inventory.Actor{Kind: inventory.UserActor, Name: "local operator", Role: inventory.Admin}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, change)
			good := g.make(inventory.Token{ID: "g", Name: "good", Role: inventory.Viewer})
			end := g.now.Add(time.Hour)
			short := g.make(inventory.Token{ID: "s", Name: "short", Role: inventory.Viewer, ExpiresAt: &end})
			ended := g.make(inventory.Token{ID: "e", Name: "ended", Role: inventory.Viewer})
			for _, secret := range []string{good, short, ended} {
				if w := g.ask("GET", "/", "Authorization", "Bearer "+secret); w.Code != http.StatusOK {
					t.Fatalf("before: %d %s", w.Code, w.Body)
				}
			}
			g.now = end // at once, without a restart
			if err := g.db.RecordTokenRevocation(t.Context(), inventory.Token{ID: "e", RevokedAt: &end}, inventory.AuditEntry{At: end}); err != nil {
				t.Fatal(err)
			}
			passed := g.passed
			stranger := string(inventory.NewTokenSecret())
			for name, c := range map[string]struct {
				says, secret string
				headers      []string
			}{
				"expired":               {"expired on 21 November 2026 at 13:00 UTC", short, []string{"Authorization", "Bearer " + short}},
				"revoked":               {"was revoked", ended, []string{"Authorization", "Bearer " + ended}},
				"of nobody":             {"isn't known", stranger, []string{"Authorization", "Bearer " + stranger}},
				"mistyped":              {"mistyped", good, []string{"Authorization", "Bearer " + good[:20] + "0" + good[20:41]}},
				"cut":                   {"isn't whole", good, []string{"Authorization", "Bearer " + good[:30]}},
				"empty":                 {"the word Bearer", "", []string{"Authorization", ""}},
				"only the scheme":       {"begin with sgb_", "", []string{"Authorization", "Bearer"}},
				"without a scheme":      {"the word Bearer", good, []string{"Authorization", good}},
				"another scheme":        {"the word Bearer", good, []string{"Authorization", "Basic " + good}},
				"two in one":            {"isn't whole", good, []string{"Authorization", "Bearer " + good + " " + good}},
				"a list":                {"isn't whole", good, []string{"Authorization", "Bearer " + good + ", Bearer " + good}},
				"two headers":           {"several Authorization headers", good, []string{"Authorization", "Bearer " + good, "Authorization", "Bearer " + good}},
				"its hash":              {"begin with sgb_", "", []string{"Authorization", "Bearer " + inventory.TokenSecret(good).Hash()}},
				"another's after a tab": {"the word Bearer", good, []string{"Authorization", "Bearer\t" + good}},
			} {
				g.refuses(name, g.ask("GET", "/", c.headers...), c.says, c.secret)
			}
			if g.passed != passed {
				t.Errorf("%d of them went on", g.passed-passed)
			}
			counts := g.refused
			if counts["expired"] != 1 || counts["revoked"] != 1 || counts["unknown"] != 1 || counts["malformed"] != 11 {
				t.Errorf("counted are %v", counts)
			}
		})
	}
}

// TestAPI_refusalsAreWrittenDown holds what the audit log says of a token that
// counts no more, and of one that nobody made.
func TestAPI_refusalsAreWrittenDown(t *testing.T) {
	g := newGate(t, nil)
	end := g.now.Add(time.Hour)
	short := g.make(inventory.Token{ID: "s", Name: "short", Role: inventory.Admin, Subject: "idp|ada", ExpiresAt: &end})
	g.now = end
	g.ask("DELETE", "/api/v1/quarantines/1", "Authorization", "Bearer "+short)
	g.ask("GET", "/api/v1/images?q=x", "Authorization", "Bearer "+string(inventory.NewTokenSecret()), "From", "198.51.100.2:1")
	want := []inventory.AuditEntry{
		{At: end, Actor: inventory.Actor{Kind: inventory.TokenActor, Name: "short", Subject: "idp|ada", Address: "192.0.2.1"}, Action: "access.refused",
			Object: "DELETE /api/v1/quarantines/1", Reason: "This token expired on 21 November 2026 at 13:00 UTC.", Address: "192.0.2.1"},
		{At: end, Actor: inventory.Actor{Kind: inventory.TokenActor, Name: "unknown token", Address: "198.51.100.2"}, Action: "access.refused",
			Object: "GET /api/v1/images", Reason: "This token isn't known here.", Address: "198.51.100.2"},
	}
	if !reflect.DeepEqual(g.written(), want) {
		t.Errorf("got  %+v\nwant %+v", g.written(), want)
	}
}

func TestAPI_aTokenInTheAddressIsIgnored(t *testing.T) {
	g := newGate(t, nil)
	good := g.make(inventory.Token{ID: "g", Name: "good", Role: inventory.Admin})
	if w := g.ask("GET", "/api/v1/images?access_token="+good+"&token="+good); !strings.HasPrefix(w.Body.String(), "||nobody|") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestAPI_withoutATokenTheSessionCounts holds that a browser's session works,
// that another site's page can't use it, and that a token beside it is all that
// counts.
func TestAPI_withoutATokenTheSessionCounts(t *testing.T) {
	g := newGate(t, func(c *session.Config) {
		c.OIDC, c.Local = nil, inventory.Actor{Kind: inventory.UserActor, Name: "local operator", Role: inventory.Admin}
	})
	viewer := g.make(inventory.Token{ID: "v", Name: "reports", Role: inventory.Viewer})
	cross := []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}
	if w := g.ask("POST", "/", "Sec-Fetch-Site", "same-origin"); !strings.HasPrefix(w.Body.String(), "user|local operator|admin") {
		t.Errorf("our own page: %d %s", w.Code, w.Body)
	}
	if w := g.ask("POST", "/", cross...); w.Code != http.StatusForbidden || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("another site's page: %d %s", w.Code, w.Body)
	}
	if w := g.ask("POST", "/", append(cross, "Authorization", "Bearer "+viewer)...); !strings.HasPrefix(w.Body.String(), "token|reports|viewer") {
		t.Errorf("with a token: %d %s", w.Code, w.Body)
	}
	g.refuses("a bad token beside a session", g.ask("POST", "/", "Authorization", "Bearer x", "Sec-Fetch-Site", "same-origin"), "", "")
}

// slow is a store that takes its time to note a use, and can fail.
type slow struct {
	tokens map[string]inventory.Token // by hash
	failed error
	noted  chan string // from where; nobody may be listening
	looked int
}

func (s *slow) TokenByHash(_ context.Context, hash string) (inventory.Token, error) {
	s.looked++
	if s.failed != nil {
		return inventory.Token{}, s.failed
	}
	if t, ok := s.tokens[hash]; ok {
		return t, nil
	}
	return inventory.Token{}, inventory.Errorf(inventory.NotFound, "There is no such token.")
}

func (s *slow) RecordTokenUse(ctx context.Context, id string, at time.Time, address string) error {
	select {
	case s.noted <- fmt.Sprintf("%s %s %s", id, at.Format(time.TimeOnly), address):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestAPI_useIsNotedBesideTheAnswer(t *testing.T) {
	secret := inventory.NewTokenSecret()
	s := &slow{tokens: map[string]inventory.Token{secret.Hash(): {ID: "t", Name: "ci", Role: inventory.Viewer}}, noted: make(chan string)}
	g := newGate(t, func(c *session.Config) { c.Tokens = s })
	for range 5 { // each answered though nothing could be noted yet
		if w := g.ask("GET", "/", "Authorization", "Bearer "+string(secret)); w.Code != http.StatusOK {
			t.Fatal(w.Code)
		}
	}
	if got := <-s.noted; got != "t 12:00:00 192.0.2.1" {
		t.Errorf("noted is %s", got)
	}
	g.now = g.now.Add(59 * time.Second)
	g.ask("GET", "/", "Authorization", "Bearer "+string(secret))
	g.now = g.now.Add(time.Second)
	g.ask("GET", "/", "Authorization", "Bearer "+string(secret))
	if got := <-s.noted; got != "t 12:01:00 192.0.2.1" { // and none of a second earlier
		t.Errorf("noted is %s", got)
	}
}

func TestAPI_useThatAnotherProcessNotedIsNotNotedAgain(t *testing.T) {
	s := &slow{}
	g := newGate(t, func(c *session.Config) { c.Tokens = s })
	synctest.Test(t, func(t *testing.T) {
		s.noted = make(chan string, 9)
		for ago, want := range map[time.Duration]int{59 * time.Second: 0, time.Minute: 1} {
			secret := inventory.NewTokenSecret()
			at := g.now.Add(-ago)
			s.tokens = map[string]inventory.Token{secret.Hash(): {ID: "t", Role: inventory.Viewer, LastUsedAt: &at}}
			g.ask("GET", "/", "Authorization", "Bearer "+string(secret))
			synctest.Wait()
			if n := len(s.noted); n != want {
				t.Errorf("last noted %s ago: %d notes", ago, n)
			}
			for len(s.noted) > 0 {
				<-s.noted
			}
		}
	})
}

func TestAPI_whenTokensCannotBeLookedUp(t *testing.T) {
	s := &slow{failed: errors.New("the database is on fire")}
	g := newGate(t, func(c *session.Config) { c.Tokens = s })
	w := g.ask("GET", "/", "Authorization", "Bearer "+string(inventory.NewTokenSecret()))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "fire") || g.passed != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if len(g.written()) != 0 || len(g.refused) != 0 {
		t.Errorf("an outage counts as a refusal: %v", g.written())
	}
}

// TestAPI_refusalsAreBounded holds that whoever sends bad tokens fills neither
// the audit log nor the database's time, and keeps nobody else out.
func TestAPI_refusalsAreBounded(t *testing.T) {
	secret, fresh := inventory.NewTokenSecret(), inventory.NewTokenSecret()
	s := &slow{tokens: map[string]inventory.Token{}, noted: make(chan string, 100)}
	for _, v := range []inventory.TokenSecret{secret, fresh} {
		s.tokens[v.Hash()] = inventory.Token{ID: "t", Name: "ci", Role: inventory.Viewer}
	}
	g := newGate(t, func(c *session.Config) { c.Tokens, c.Clock = s, time.Now })
	synctest.Test(t, func(t *testing.T) {
		bad := func(from string) int {
			return g.ask("GET", "/api/v1/"+strings.Repeat("x", 500), "Authorization", "Bearer "+string(inventory.NewTokenSecret()), "From", from+":1").Code
		}
		good := func(secret inventory.TokenSecret, from string) int {
			return g.ask("GET", "/", "Authorization", "Bearer "+string(secret), "From", from+":1").Code
		}
		if code := good(secret, "203.0.113.1"); code != http.StatusOK {
			t.Fatal(code)
		}
		codes := map[int]int{}
		looked := s.looked
		for range 500 {
			codes[bad("203.0.113.1")]++
		}
		if codes[401] != 30 || codes[429] != 470 || s.looked-looked != 30 {
			t.Errorf("answered with %v after %d looks", codes, s.looked-looked)
		}
		w := g.ask("GET", "/", "Authorization", "Bearer "+string(inventory.NewTokenSecret()), "From", "203.0.113.1:1")
		if w.Header().Get("Retry-After") != "60" {
			t.Errorf("it may come again after %q", w.Header().Get("Retry-After"))
		}
		for name, code := range map[string]int{
			"a token that was good before, from there": good(secret, "203.0.113.1"),
			"another one, from elsewhere":              good(fresh, "203.0.113.2"),
		} {
			if code != http.StatusOK {
				t.Errorf("%s: %d", name, code)
			}
		}
		// One that counts no more is limited like any other.
		revoked := s.tokens[fresh.Hash()]
		revoked.RevokedAt = new(time.Time)
		s.tokens[fresh.Hash()] = revoked
		if code := good(fresh, "203.0.113.3"); code != http.StatusUnauthorized {
			t.Errorf("revoked: %d", code)
		}
		if code := good(fresh, "203.0.113.1"); code != http.StatusTooManyRequests {
			t.Errorf("revoked, from there: %d", code)
		}
		g.keep(1) // without that of 203.0.113.3
		if len(g.written()) != 1 || g.written()[0].Action != "access.refused" || g.written()[0].Address != "203.0.113.1" || len(g.written()[0].Object) > 200 {
			t.Errorf("written down is %+v", g.written())
		}
		time.Sleep(time.Minute) // the bubble's clock
		synctest.Wait()
		if len(g.written()) != 2 || !strings.HasPrefix(g.written()[1].Reason, "501 more requests were refused") || g.written()[1].Address != "203.0.113.1" {
			t.Errorf("and at the minute's end %+v", g.written()[1:])
		}
		if g.refused["unknown"] != 30 || g.refused["limited"] != 472 {
			t.Errorf("counted are %v", g.refused)
		}
		if code := bad("203.0.113.1"); code != http.StatusUnauthorized {
			t.Errorf("a minute later: %d", code)
		}
		time.Sleep(time.Minute)
		synctest.Wait()

		// From everywhere: a /64 is one place, and so is everybody beyond a number.
		g.keep(0)
		for i := range 3000 {
			bad(fmt.Sprintf("10.0.%d.%d", i/250, i%250))
			bad(fmt.Sprintf("[2001:db8::%x]", i))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(g.written()); n > 2*21 || n < 21 {
			t.Errorf("%d entries were written of 6000", n)
		}
		total := 0
		for _, e := range g.written() {
			var n int
			if fmt.Sscanf(e.Reason, "%d", &n); n == 0 {
				n = 1
			}
			total += n
		}
		if total != 6000 {
			t.Errorf("the entries tell of %d refusals, not 6000", total)
		}
	})
	// malformed ones cost no look, however many
	looked := s.looked
	for range 100 {
		g.ask("GET", "/", "Authorization", "Bearer sgb_x", "From", "203.0.113.9:1")
	}
	if s.looked != looked {
		t.Errorf("%d malformed tokens were looked up", s.looked-looked)
	}
}
