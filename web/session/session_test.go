package session_test

import (
	"database/sql"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/cmd/signboard/demo"
	"signboard/inventory"
	"signboard/inventory/store"
	"signboard/web/session"
)

// site is a small program behind a sign-in, with a real provider beside it.
type site struct {
	t    *testing.T
	url  string
	demo *demo.Demo

	db   *store.DB
	file string
	slow chan chan struct{} // what GET /slow waits for
}

// rows counts a table's.
func (s *site) rows(table string) (n int) {
	s.t.Helper()
	db, err := sql.Open("sqlite", s.file)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(s.t.Context(), "select count(*) from "+table).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// audited is the audit log, the oldest entry first.
func (s *site) audited() []inventory.AuditEntry {
	s.t.Helper()
	list, _, err := s.db.AuditEntries(s.t.Context(), inventory.Page{Limit: inventory.MaxPage})
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

// newSite has the demo's provider beside it.
func newSite(t *testing.T, change func(c *session.Config)) *site {
	t.Helper()
	return openSite(t, func(c *session.Config, s *site) {
		var err error
		if s.demo, err = demo.Start(t.Context(), demo.Options{BaseURL: s.url}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.demo.Close() })
		c.OIDC = &session.OIDC{
			Issuer: s.demo.Issuer(), ClientID: s.demo.ClientID(), ClientSecret: s.demo.ClientSecret(),
			Scopes: []string{"openid", "profile", "email", "groups"}, GroupsClaim: "groups", Roles: s.demo.Roles(),
		}
		if change != nil {
			change(c)
		}
	})
}

func openSite(t *testing.T, change func(c *session.Config, s *site)) *site {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.db")
	db, err := store.Open(t.Context(), "sqlite:"+file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s := &site{t: t, url: server.URL, db: db, file: file, slow: make(chan chan struct{})}
	c := session.Config{
		Store: db, BaseURL: server.URL,
		Audit: db.RecordRefusal,
	}
	change(&c, s)
	sessions := session.New(c)
	answer := func(e func(http.ResponseWriter, *http.Request) error) http.Handler {
		return sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := e(w, r); err != nil {
				w.WriteHeader(map[inventory.Kind]int{inventory.Unauthorized: 401, inventory.Forbidden: 403, inventory.Unavailable: 503}[inventory.KindOf(err)])
				io.WriteString(w, err.Error())
			}
		}))
	}
	mux.Handle("/auth/start", answer(sessions.Start))
	mux.Handle("/auth/callback", answer(sessions.Callback))
	mux.Handle("/auth/logout", answer(sessions.End))
	mux.Handle("/slow", answer(func(http.ResponseWriter, *http.Request) error {
		<-<-s.slow
		return nil
	}))
	mux.Handle("/", answer(func(w http.ResponseWriter, r *http.Request) error {
		a := inventory.ActorFrom(r.Context())
		_, err := io.WriteString(w, a.Name+"|"+a.Role.String()+"|"+r.URL.RequestURI())
		return err
	}))
	return s
}

// person is a browser: cookies, and no redirect that isn't looked at.
type person struct {
	*site
	client *http.Client
}

func (s *site) person() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &person{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (p *person) get(address string) (status int, location, body string) {
	p.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = p.url + address
	}
	response, err := p.client.Get(address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Location"), string(b)
}

// begin starts a sign-in and returns the provider's address.
func (p *person) begin(back string) string {
	p.t.Helper()
	status, location, body := p.get("/auth/start?return=" + url.QueryEscape(back))
	if status != http.StatusFound || !strings.HasPrefix(location, p.demo.Issuer()) {
		p.t.Fatalf("the sign-in began with %d to %s: %s", status, location, body)
	}
	return location
}

// choose picks a person at the provider and returns the callback's address.
func (p *person) choose(authorize, subject string) string {
	p.t.Helper()
	response, err := p.client.PostForm(authorize, url.Values{"person": {subject}})
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	location := response.Header.Get("Location")
	if !strings.HasPrefix(location, p.url+"/auth/callback") {
		b, _ := io.ReadAll(response.Body)
		p.t.Fatalf("the provider answered %d to %s: %.300s", response.StatusCode, location, b)
	}
	return location
}

func (p *person) who() string {
	p.t.Helper()
	_, _, body := p.get("/")
	return body
}

func TestSignIn_findsWhoTheyAreAndGoesBack(t *testing.T) {
	s := newSite(t, nil)
	for subject, want := range map[string]string{"sam": "Sam Lindqvist|reviewer|", "maya": "Maya Okafor|viewer|", "priya": "Priya Raman|viewer|"} {
		p := s.person()
		status, location, body := p.get(p.choose(p.begin("/images?status=unsigned"), subject))
		if status != http.StatusSeeOther || location != "/images?status=unsigned" {
			t.Fatalf("the callback answered %d to %q: %s", status, location, body)
		}
		if who := p.who(); !strings.HasPrefix(who, want) {
			t.Errorf("%s is %s", subject, who)
		}
	}
	if log := s.audited(); len(log) != 3 || log[0].Action != "session.start" {
		t.Errorf("the sign-ins are audited as %+v", log)
	}
}

func TestSignIn_refuses(t *testing.T) {
	s := newSite(t, nil)
	change := func(address string, f func(q url.Values)) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		f(q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, mount := range map[string]func(p *person) string{
		"a missing state": func(p *person) string {
			return change(p.choose(p.begin("/"), "sam"), func(q url.Values) { q.Del("state") })
		},
		"a state of nobody": func(p *person) string {
			return change(p.choose(p.begin("/"), "sam"), func(q url.Values) { q.Set("state", "x") })
		},
		"a missing code": func(p *person) string {
			return change(p.choose(p.begin("/"), "sam"), func(q url.Values) { q.Del("code") })
		},
		"a code of nobody": func(p *person) string {
			return change(p.choose(p.begin("/"), "sam"), func(q url.Values) { q.Set("code", "x") })
		},
		"no sign-in begun": func(p *person) string { return "/auth/callback?state=a&code=b" },
		"the provider's refusal": func(p *person) string {
			return change(p.choose(p.begin("/"), "sam"), func(q url.Values) { q.Set("error", "access_denied") })
		},
		"a foreign browser's callback": func(p *person) string {
			other := s.person()
			return other.choose(other.begin("/"), "sam") // login CSRF: the victim is to be signed in as the attacker
		},
		"a code with another sign-in's state": func(p *person) string {
			first, second := p.choose(p.begin("/"), "sam"), p.begin("/")
			u, _ := url.Parse(second)
			return change(first, func(q url.Values) { q.Set("state", u.Query().Get("state")) })
		},
		"a nonce of another sign-in": func(p *person) string {
			return p.choose(change(p.begin("/"), func(q url.Values) { q.Set("nonce", "another") }), "sam")
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.person()
			status, location, body := p.get(mount(p))
			if status != http.StatusUnauthorized && status != http.StatusForbidden {
				t.Errorf("the answer is %d to %q: %s", status, location, body)
			}
			if who := p.who(); !strings.HasPrefix(who, "|nobody|") {
				t.Errorf("and the person is %s", who)
			}
		})
	}
}

func TestSignIn_replayedCallback(t *testing.T) {
	p := newSite(t, nil).person()
	callback := p.choose(p.begin("/"), "sam")
	p.get(callback)
	if status, _, _ := p.get(callback); status != http.StatusUnauthorized {
		t.Errorf("a callback worked twice: %d", status)
	}
}

func TestSignIn_rotatesTheSession(t *testing.T) {
	p := newSite(t, nil).person()
	authorize := p.begin("/")
	u, _ := url.Parse(p.url)
	before := p.client.Jar.Cookies(u)[0].Value
	p.get(p.choose(authorize, "sam"))
	after := p.client.Jar.Cookies(u)[0].Value
	if before == after {
		t.Error("the session from before the sign-in became the signed-in one")
	}
	thief := p.site.person()
	thief.client.Jar.SetCookies(u, []*http.Cookie{{Name: "signboard", Value: before}})
	if who := thief.who(); !strings.HasPrefix(who, "|nobody|") {
		t.Errorf("the old cookie is %s", who)
	}
}

func TestSignOut_endsTheSessionOnTheServer(t *testing.T) {
	p := newSite(t, nil).person()
	p.get(p.choose(p.begin("/"), "sam"))
	u, _ := url.Parse(p.url)
	kept := p.client.Jar.Cookies(u)[0]
	status, location, _ := p.get("/auth/logout")
	if status != http.StatusSeeOther || !strings.HasPrefix(location, p.demo.Issuer()+"/end_session?") {
		t.Errorf("signing out answers %d to %s", status, location)
	}
	if status, location, body := p.get(location); status != http.StatusSeeOther || location != p.url+"/signin?state=signed_out" {
		t.Errorf("and the provider %d to %s: %s", status, location, body)
	}
	p.client.Jar.SetCookies(u, []*http.Cookie{kept})
	if who := p.who(); !strings.HasPrefix(who, "|nobody|") {
		t.Errorf("the cookie of a session that ended is %s", who)
	}
}

func TestSignIn_withoutARoleIsRefused(t *testing.T) {
	p := newSite(t, func(c *session.Config) {
		c.OIDC.Roles = map[inventory.Role][]string{inventory.Reviewer: {"security"}}
	}).person()
	if status, _, body := p.get(p.choose(p.begin("/"), "maya")); status != http.StatusForbidden || !strings.Contains(body, "none of your groups") {
		t.Errorf("somebody without a role got %d: %s", status, body)
	}
	if who := p.who(); !strings.HasPrefix(who, "|nobody|") {
		t.Errorf("and is %s", who)
	}
}

func TestSignIn_providerDown(t *testing.T) {
	s := newSite(t, func(c *session.Config) { c.OIDC.Issuer = "http://127.0.0.1:1" })
	if status, _, body := s.person().get("/auth/start"); status != http.StatusServiceUnavailable || !strings.Contains(body, "can't be reached") {
		t.Errorf("got %d: %s", status, body)
	}
}

func TestSignIn_expiredToken(t *testing.T) {
	// Seen from a day later, the token ran out long ago.
	s := newSite(t, func(c *session.Config) { c.Clock = func() time.Time { return time.Now().Add(24 * time.Hour) } })
	p := s.person()
	status, _, _ := p.get(p.choose(p.begin("/"), "sam"))
	if status != http.StatusUnauthorized {
		t.Errorf("an expired ID token was accepted: %d", status)
	}
}

// TestLocal holds that a sign-in never leads to another host.
func TestLocal(t *testing.T) {
	for path, want := range map[string]string{
		"/images?status=unsigned":       "/images?status=unsigned",
		"/":                             "/",
		"":                              "/",
		"//evil.example":                "/",
		`/\evil.example`:                "/",
		`\\evil.example`:                "/",
		"https://evil.example":          "/",
		"javascript:alert(1)":           "/",
		"/\n/evil.example":              "/",
		"/\t/evil.example":              "/",
		"images":                        "/",
		"/auth/logout":                  "/",
		"/" + strings.Repeat("a", 3000): "/",
	} {
		if got := session.Local(path); got != want {
			t.Errorf("Local(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestSession_withoutProviderEverybodyIsLocal(t *testing.T) {
	s := newSite(t, func(c *session.Config) {
		c.OIDC = nil
		c.Local = inventory.Actor{Name: "local operator", Role: inventory.Admin}
	})
	if who := s.person().who(); !strings.HasPrefix(who, "local operator|admin|") {
		t.Errorf("got %s", who)
	}
}
