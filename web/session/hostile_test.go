package session_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"signboard/inventory"
	"signboard/web/session"
)

// hostile is an identity provider that says what a test wants it to. What isn't
// set is as it should be.
type hostile struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	down     bool                   // answers nothing
	change   func(m map[string]any) // changes the metadata
	claims   func(c map[string]any) // changes the ID token
	answer   func(a map[string]any) // changes the token endpoint's answer
	userinfo map[string]any         // nil: answers 500
	sign     func(claims []byte) string
	refuse   string // the token endpoint's error

	now    func() time.Time // what its clock says
	noKeys bool             // it can't answer with them
	key    *ecdsa.PrivateKey
	keyID  string
	nonce  string
	seen   map[string]int // requests by path
	form   url.Values     // of the last request to the token endpoint
	basic  string         // its Authorization header
	params url.Values     // of the last authorization request
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	h := &hostile{t: t, seen: map[string]int{}, now: time.Now}
	h.rotate("one")
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

// rotate gives the provider another key.
func (h *hostile) rotate(id string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	h.set(func() { h.key, h.keyID = key, id })
}

func (h *hostile) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *hostile) asked(path string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen[path]
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen[r.URL.Path]++
	if h.down {
		panic(http.ErrAbortHandler)
	}
	say := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{
			"issuer": h.URL, "authorization_endpoint": h.URL + "/authorize", "token_endpoint": h.URL + "/token", "jwks_uri": h.URL + "/keys",
			"userinfo_endpoint": h.URL + "/userinfo", "end_session_endpoint": h.URL + "/end",
			"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"}, "authorization_response_iss_parameter_supported": true,
			"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		}
		if h.change != nil {
			h.change(m)
		}
		say(http.StatusOK, m)
	case "/keys":
		if h.noKeys {
			say(http.StatusBadGateway, "no")
			return
		}
		say(http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: h.key.Public(), KeyID: h.keyID, Algorithm: "ES256", Use: "sig"}}})
	case "/userinfo":
		if h.userinfo == nil || r.Header.Get("Authorization") != "Bearer access" {
			say(http.StatusInternalServerError, "no")
			return
		}
		say(http.StatusOK, h.userinfo)
	case "/token":
		_ = r.ParseForm()
		h.form, h.basic = r.PostForm, r.Header.Get("Authorization")
		if h.refuse != "" {
			say(http.StatusBadRequest, map[string]any{"error": h.refuse})
			return
		}
		if sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier"))); r.PostForm.Get("grant_type") == "authorization_code" &&
			base64.RawURLEncoding.EncodeToString(sum[:]) != h.params.Get("code_challenge") {
			say(http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
			return
		}
		a := map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": h.token()}
		if h.answer != nil {
			h.answer(a)
		}
		maps.DeleteFunc(a, func(_ string, v any) bool { return v == nil })
		say(http.StatusOK, a)
	default:
		http.NotFound(w, r)
	}
}

// token is an ID token. The caller holds the lock.
func (h *hostile) token() string {
	hash := sha256.Sum256([]byte("access"))
	c := map[string]any{
		"iss": h.URL, "aud": "signboard", "sub": "17", "name": "Sam", "nonce": h.nonce, "groups": []string{"security"},
		"at_hash": base64.RawURLEncoding.EncodeToString(hash[:16]), "iat": h.now().Unix(), "exp": h.now().Add(time.Hour).Unix(),
	}
	if h.claims != nil {
		h.claims(c)
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	if h.sign != nil {
		return h.sign(b)
	}
	return signed(b, jose.ES256, jose.JSONWebKey{Key: h.key, KeyID: h.keyID})
}

func signed(claims []byte, algorithm jose.SignatureAlgorithm, key any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		panic(err)
	}
	object, err := signer.Sign(claims)
	if err != nil {
		panic(err)
	}
	s, err := object.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return s
}

// site is a site that signs in with the provider.
func (h *hostile) site(change func(c *session.Config)) *site {
	h.t.Helper()
	return openSite(h.t, func(c *session.Config, _ *site) {
		c.OIDC = &session.OIDC{
			Issuer: h.URL, ClientID: "signboard", ClientSecret: "hunter2", Scopes: []string{"openid"}, GroupsClaim: "groups",
			Roles: map[inventory.Role][]string{inventory.Viewer: {"*"}, inventory.Reviewer: {"security"}, inventory.Admin: {"platform"}},
		}
		if change != nil {
			change(c)
		}
	})
}

// pass goes to the provider and returns the address of the callback.
func (p *person) pass(h *hostile) string {
	p.t.Helper()
	status, location, body := p.get("/auth/start?return=/images")
	u, err := url.Parse(location)
	if err != nil || status != http.StatusFound {
		p.t.Fatalf("the sign-in began with %d to %s: %s", status, location, body)
	}
	h.set(func() { h.params, h.nonce = u.Query(), u.Query().Get("nonce") })
	return "/auth/callback?" + url.Values{"code": {"code"}, "state": {u.Query().Get("state")}, "iss": {h.URL}}.Encode()
}

func TestHostileProvider_asItShouldBe(t *testing.T) {
	h := newHostile(t)
	p := h.site(nil).person()
	if status, location, body := p.get(p.pass(h)); status != http.StatusSeeOther || location != "/images" {
		t.Fatalf("%d to %q: %s", status, location, body)
	}
	if who := p.who(); !strings.HasPrefix(who, "Sam|reviewer|") {
		t.Errorf("they are %s", who)
	}
	if q := h.params; q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || len(q.Get("nonce")) < 40 || len(q.Get("state")) < 40 ||
		q.Has("response_mode") || q.Get("redirect_uri") != p.url+"/auth/callback" {
		t.Errorf("the request is %v", q)
	}
}

// TestIDToken_refused holds the checks of OpenID Connect Core 1.0, section
// 3.1.3.7.
func TestIDToken_refused(t *testing.T) {
	claim := func(name string, v any) func(h *hostile) {
		return func(h *hostile) { h.claims = func(c map[string]any) { c[name] = v } }
	}
	for name, lie := range map[string]func(h *hostile){
		"another issuer":   claim("iss", "https://evil.test"),
		"another audience": claim("aud", "another"),
		"no audience":      claim("aud", nil),
		"two audiences":    claim("aud", []string{"signboard", "another"}),
		"another party":    claim("azp", "another"),
		"two audiences, their party": func(h *hostile) {
			h.claims = func(c map[string]any) { c["aud"], c["azp"] = []string{"signboard", "b"}, "b" }
		},
		"no sub":                  claim("sub", nil),
		"a sub without end":       claim("sub", strings.Repeat("s", 256)),
		"a sub that is a number":  claim("sub", 17),
		"run out":                 claim("exp", time.Now().Add(-2*time.Minute).Unix()),
		"no end":                  claim("exp", nil),
		"from the future":         claim("iat", time.Now().Add(5*time.Minute).Unix()),
		"no beginning":            claim("iat", nil),
		"not yet":                 claim("nbf", time.Now().Add(time.Hour).Unix()),
		"another nonce":           claim("nonce", "another"),
		"no nonce":                claim("nonce", nil),
		"another access token":    claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"no ID token":             func(h *hostile) { h.answer = func(a map[string]any) { a["id_token"] = nil } },
		"an ID token of a number": func(h *hostile) { h.answer = func(a map[string]any) { a["id_token"] = 1 } },
		"no access token":         func(h *hostile) { h.answer = func(a map[string]any) { a["access_token"] = nil } },
		"none of a signature": func(h *hostile) {
			h.sign = func(c []byte) string {
				return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(c) + "."
			}
		},
		"a shared secret": func(h *hostile) {
			h.sign = func(c []byte) string {
				return signed(c, jose.HS256, jose.JSONWebKey{Key: []byte(strings.Repeat("hunter2", 8)), KeyID: h.keyID})
			}
		},
		"an algorithm the provider doesn't name": func(h *hostile) {
			h.change = func(m map[string]any) { m["id_token_signing_alg_values_supported"] = []string{"RS256"} }
		},
		"a provider that names none but bad ones": func(h *hostile) {
			h.change = func(m map[string]any) { m["id_token_signing_alg_values_supported"] = []string{"none", "HS256"} }
		},
		"another's key": func(h *hostile) {
			h.sign = func(c []byte) string {
				key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
				return signed(c, jose.ES256, jose.JSONWebKey{Key: key, KeyID: h.keyID})
			}
		},
		"userinfo of somebody else": func(h *hostile) {
			h.claims = func(c map[string]any) { c["groups"] = nil }
			h.userinfo = map[string]any{"sub": "18", "groups": []string{"platform"}}
		},
		"userinfo of nobody": func(h *hostile) {
			h.claims = func(c map[string]any) { c["groups"] = nil }
			h.userinfo = map[string]any{"groups": []string{"platform"}}
		},
		"groups left out": func(h *hostile) {
			h.claims = func(c map[string]any) {
				c["groups"], c["_claim_names"] = nil, map[string]any{"groups": "src1"}
				c["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": "https://graph.example/x"}}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			lie(h)
			p := h.site(nil).person()
			status, _, body := p.get(p.pass(h))
			if status != http.StatusUnauthorized || strings.Contains(body, "hunter2") {
				t.Errorf("the answer is %d: %s", status, body)
			}
			if who := p.who(); !strings.HasPrefix(who, "|nobody|") {
				t.Errorf("they are %s", who)
			}
		})
	}
}

// TestIDToken_accepted is what a strict reading must not refuse.
func TestIDToken_accepted(t *testing.T) {
	for name, say := range map[string]func(h *hostile){
		"a clock that runs behind": func(h *hostile) {
			h.claims = func(c map[string]any) { c["exp"] = time.Now().Add(-30 * time.Second).Unix() }
		},
		"a clock that runs ahead": func(h *hostile) {
			h.claims = func(c map[string]any) { c["iat"] = time.Now().Add(30 * time.Second).Unix() }
		},
		"others, and ours is the party": func(h *hostile) {
			h.claims = func(c map[string]any) { c["aud"], c["azp"] = []string{"signboard", "b"}, "signboard" }
		},
		"no hash of the access token": func(h *hostile) { h.claims = func(c map[string]any) { c["at_hash"] = nil } },
		"an address nobody verified":  func(h *hostile) { h.claims = func(c map[string]any) { c["email_verified"] = false } },
		"groups of userinfo": func(h *hostile) {
			h.claims = func(c map[string]any) { c["groups"] = nil }
			h.userinfo = map[string]any{"sub": "17", "groups": []string{"security"}}
		},
		"a provider without userinfo": func(h *hostile) {
			h.change = func(m map[string]any) { delete(m, "userinfo_endpoint") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			say(h)
			p := h.site(nil).person()
			status, _, body := p.get(p.pass(h))
			if who := p.who(); status != http.StatusSeeOther || !strings.HasPrefix(who, "Sam|reviewer|") {
				t.Errorf("%d: %s; they are %s", status, body, who)
			}
		})
	}
}

func TestUserInfo_thatFailsIsNotNoGroups(t *testing.T) {
	h := newHostile(t)
	h.claims = func(c map[string]any) { c["groups"] = nil }
	p := h.site(nil).person()
	if status, _, body := p.get(p.pass(h)); status != http.StatusServiceUnavailable {
		t.Errorf("%d: %s", status, body)
	}
	if who := p.who(); !strings.HasPrefix(who, "|nobody|") {
		t.Errorf("they are %s", who)
	}
}

// TestCallback_namesTheIssuer is RFC 9207.
func TestCallback_namesTheIssuer(t *testing.T) {
	for name, test := range map[string]struct {
		promised bool
		iss      []string
		status   int
	}{
		"promised and there":         {true, []string{""}, http.StatusSeeOther},
		"promised and missing":       {true, nil, http.StatusUnauthorized},
		"another's":                  {true, []string{"https://evil.test"}, http.StatusUnauthorized},
		"twice":                      {true, []string{"", ""}, http.StatusUnauthorized},
		"not promised and missing":   {false, nil, http.StatusSeeOther},
		"not promised and there":     {false, []string{""}, http.StatusSeeOther},
		"not promised and another's": {false, []string{"https://evil.test"}, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			h.change = func(m map[string]any) { m["authorization_response_iss_parameter_supported"] = test.promised }
			p := h.site(nil).person()
			u, _ := url.Parse(p.pass(h))
			q := u.Query()
			q.Del("iss")
			for _, iss := range test.iss {
				if iss == "" {
					iss = h.URL
				}
				q.Add("iss", iss)
			}
			if status, _, body := p.get("/auth/callback?" + q.Encode()); status != test.status {
				t.Errorf("%d: %s", status, body)
			}
			if asked := h.asked("/token"); test.status != http.StatusSeeOther && asked > 0 {
				t.Error("the code was sent to the token endpoint all the same")
			}
		})
	}
}

func TestCallback_errorAnswers(t *testing.T) {
	h := newHostile(t)
	s := h.site(nil)
	for code, says := range map[string]string{
		"access_denied": "did not let you in", "login_required": "sign in there first", "invalid_scope": "oidc.scopes", "server_error": "failed while",
		"<b>hunter": "refused the sign-in",
	} {
		p := s.person()
		u, _ := url.Parse(p.pass(h))
		q := u.Query()
		q.Set("error", code)
		q.Set("error_description", "call 0800 EVIL")
		status, _, body := p.get("/auth/callback?" + q.Encode())
		if status != http.StatusUnauthorized && status != http.StatusForbidden || !strings.Contains(body, says) || strings.Contains(body, "EVIL") {
			t.Errorf("%s: %d: %s", code, status, body)
		}
	}
	if h.asked("/token") > 0 {
		t.Error("an error answer was exchanged")
	}
}

func TestTokenEndpoint_refusals(t *testing.T) {
	for code, want := range map[string]struct {
		status int
		says   string
	}{
		"invalid_grant":   {http.StatusUnauthorized, "took too long"},
		"invalid_client":  {http.StatusServiceUnavailable, "client_id and client_secret"},
		"invalid_request": {http.StatusUnauthorized, "could not be accepted"},
	} {
		h := newHostile(t)
		h.refuse = code
		p := h.site(nil).person()
		if status, _, body := p.get(p.pass(h)); status != want.status || !strings.Contains(body, want.says) {
			t.Errorf("%s: %d: %s", code, status, body)
		}
	}
}

func TestTokenEndpoint_downAfterAll(t *testing.T) {
	h := newHostile(t)
	p := h.site(nil).person()
	callback := p.pass(h)
	h.set(func() { h.down = true })
	if status, _, body := p.get(callback); status != http.StatusServiceUnavailable || !strings.Contains(body, "can't be reached") {
		t.Errorf("%d: %s", status, body)
	}
}

func TestClientAuthentication(t *testing.T) {
	for name, test := range map[string]struct {
		secret  string
		methods any
		basic   bool
		inBody  string
	}{
		"basic":                    {"hunter2", []string{"client_secret_basic"}, true, ""},
		"both, a plain secret":     {"hunter2", []string{"client_secret_basic", "client_secret_post"}, true, ""},
		"both, a spelt secret":     {"hunter/2+", []string{"client_secret_basic", "client_secret_post"}, false, "hunter/2+"},
		"post":                     {"hunter2", []string{"client_secret_post"}, false, "hunter2"},
		"not said":                 {"hunter2", nil, true, ""},
		"public client":            {"", []string{"client_secret_basic", "none"}, false, ""},
		"basic and a spelt secret": {"hunter/2+", []string{"client_secret_basic"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			h.change = func(m map[string]any) {
				if m["token_endpoint_auth_methods_supported"] = test.methods; test.methods == nil {
					delete(m, "token_endpoint_auth_methods_supported")
				}
			}
			p := h.site(func(c *session.Config) { c.OIDC.ClientSecret = test.secret }).person()
			if status, _, body := p.get(p.pass(h)); status != http.StatusSeeOther {
				t.Fatalf("%d: %s", status, body)
			}
			basic := ""
			if test.basic {
				basic = "Basic " + base64.StdEncoding.EncodeToString([]byte("signboard:"+url.QueryEscape(test.secret)))
			}
			if h.basic != basic || h.form.Get("client_secret") != test.inBody || h.asked("/token") != 1 {
				t.Errorf("the header is %q, the form %v, after %d requests", h.basic, h.form, h.asked("/token"))
			}
			if !test.basic && h.form.Get("client_id") != "signboard" {
				t.Errorf("the client doesn't say its id: %v", h.form)
			}
		})
	}
}

func TestMetadata_thatNobodyCanSignInWith(t *testing.T) {
	for name, test := range map[string]struct {
		change func(m map[string]any)
		says   string
	}{
		"another issuer":      {func(m map[string]any) { m["issuer"] = "https://elsewhere.test" }, "https://elsewhere.test"},
		"no token endpoint":   {func(m map[string]any) { delete(m, "token_endpoint") }, "token_endpoint"},
		"keys from a file":    {func(m map[string]any) { m["jwks_uri"] = "file:///etc/passwd" }, "jwks_uri"},
		"fragments only":      {func(m map[string]any) { m["response_modes_supported"] = []string{"fragment"} }, "response_mode"},
		"PKCE in the clear":   {func(m map[string]any) { m["code_challenge_methods_supported"] = []string{"plain"} }, "S256"},
		"keys of our own":     {func(m map[string]any) { m["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt"} }, "client_secret_basic"},
		"an endless document": {func(m map[string]any) { m["x"] = strings.Repeat("x", 2<<20) }, "can't be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			h.change = test.change
			if status, _, body := h.site(nil).person().get("/auth/start"); status != http.StatusServiceUnavailable || !strings.Contains(body, test.says) {
				t.Errorf("%d: %s", status, body)
			}
		})
	}
}

// clock is one that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// clock is the provider's and the test's.
func (h *hostile) clock() *clock {
	c := &clock{now: time.Now()}
	h.set(func() { h.now = c.Now })
	return c
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const discovery = "/.well-known/openid-configuration"

func TestProvider_downAtStartAndBackLater(t *testing.T) {
	h := newHostile(t)
	clock := h.clock()
	h.down = true
	s := h.site(func(c *session.Config) { c.Clock = clock.Now })
	p := s.person()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if status, _, body := s.person().get("/auth/start"); status != http.StatusServiceUnavailable || !strings.Contains(body, "can't be reached") {
				t.Errorf("%d: %s", status, body)
			}
		})
	}
	all.Wait()
	// Go's client tries a request again on a connection that was cut.
	if n := h.asked(discovery); n > 2 {
		t.Errorf("20 people who want in ask the provider %d times", n)
	}
	h.set(func() { h.down = false })
	clock.pass(6 * time.Second)
	if status, _, body := p.get(p.pass(h)); status != http.StatusSeeOther {
		t.Fatalf("it is back, and sign-in answers %d: %s", status, body)
	}
	h.set(func() { h.down = true })
	clock.pass(100 * time.Minute)
	if who := p.who(); !strings.HasPrefix(who, "Sam|reviewer|") {
		t.Errorf("with the provider down they are %s", who)
	}
}

func TestProvider_metadataIsReadDaily(t *testing.T) {
	h := newHostile(t)
	clock := h.clock()
	s := h.site(func(c *session.Config) { c.Clock = clock.Now })
	start := func() string {
		t.Helper()
		status, location, body := s.person().get("/auth/start")
		if status != http.StatusFound {
			t.Fatalf("%d: %s", status, body)
		}
		return location
	}
	start()
	clock.pass(23 * time.Hour)
	start()
	if n := h.asked(discovery); n != 1 {
		t.Errorf("within a day the metadata was read %d times", n)
	}
	h.set(func() { h.down = true })
	clock.pass(2 * time.Hour)
	start() // with what was read yesterday
	h.set(func() {
		h.down, h.change = false, func(m map[string]any) { m["authorization_endpoint"] = h.URL + "/moved" }
	})
	clock.pass(6 * time.Minute)
	for range 1000 { // it is read beside the requests
		if strings.HasPrefix(start(), h.URL+"/moved") {
			return
		}
	}
	t.Error("the changed metadata isn't picked up")
}

func TestProvider_keyRotationIsPickedUp(t *testing.T) {
	h := newHostile(t)
	s := h.site(nil)
	for _, key := range []string{"one", "two", "three"} {
		h.rotate(key)
		p := s.person()
		if status, _, body := p.get(p.pass(h)); status != http.StatusSeeOther {
			t.Errorf("with key %s: %d: %s", key, status, body)
		}
	}
	if n := h.asked("/keys"); n != 3 {
		t.Errorf("three keys were read %d times", n)
	}
}
