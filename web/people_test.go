package web_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// browser is somebody's cookies.
type browser struct {
	*world
	cookies map[string]*http.Cookie
}

func (w *world) browser() *browser { return &browser{w, map[string]*http.Cookie{}} }

func (b *browser) open(target string) answer {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, target, nil)
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	a := b.send(r)
	for _, c := range a.Cookies() {
		if b.cookies[c.Name] = c; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return a
}

// begin starts a sign-in, and returns the state that the provider gets.
func (b *browser) begin(person string) (state string) {
	b.Helper()
	a := b.open("/auth/start")
	location, err := url.Parse(a.Header.Get("Location"))
	b.must(err)
	b.provider.person, b.provider.nonce = person, location.Query().Get("nonce")
	if state = location.Query().Get("state"); state == "" || b.provider.nonce == "" {
		b.Fatalf("%d to %q", a.StatusCode, location)
	}
	return state
}

// isNobody holds that the browser's sign-in came to nothing.
func (b *browser) isNobody(how string, a answer) {
	b.Helper()
	if a.StatusCode != http.StatusUnauthorized && a.StatusCode != http.StatusForbidden {
		b.Errorf("%s: %d to %q: %s", how, a.StatusCode, a.Header.Get("Location"), text(a.body))
	}
	if a := b.open("/help"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin?") {
		b.Errorf("%s: and then /help answers %d", how, a.StatusCode)
	}
}

func callback(state string) string {
	return "/auth/callback?" + url.Values{"code": {"x"}, "state": {state}}.Encode()
}

func TestPeople_aStateThatIsMissingReplayedOrForeignSignsNobodyIn(t *testing.T) {
	w := newWorld(t, plan{})
	b := w.browser()
	b.begin(viewer)
	b.isNobody("missing", b.open("/auth/callback?code=x"))
	b = w.browser()
	b.begin(viewer)
	b.isNobody("empty", b.open(callback("")))

	// Whoever sees the address afterwards can do nothing with it, in this browser
	// or in another.
	first, thief := w.browser(), w.browser()
	state := first.begin(viewer)
	kept := map[string]*http.Cookie{}
	for name, c := range first.cookies {
		kept[name] = c
	}
	if a := first.open(callback(state)); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d: %s", a.StatusCode, text(a.body))
	}
	thief.isNobody("replayed elsewhere", thief.open(callback(state)))
	if a := first.open(callback(state)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("replayed: %d", a.StatusCode)
	}

	// Signing a victim in as oneself: the attacker's own state and code.
	attacker, victim := w.browser(), w.browser()
	state = attacker.begin(viewer)
	victim.begin(viewer)
	victim.isNobody("foreign", victim.open(callback(state)))
}

func TestPeople_aNonceThatIsMissingReplayedOrForeignSignsNobodyIn(t *testing.T) {
	w := newWorld(t, plan{})
	var old string
	for how, lie := range map[string]func(map[string]any) string{
		"missing":  func(c map[string]any) string { delete(c, "nonce"); return "" },
		"empty":    func(c map[string]any) string { c["nonce"] = ""; return "" },
		"foreign":  func(c map[string]any) string { c["nonce"] = "another"; return "" },
		"replayed": func(c map[string]any) string { c["nonce"] = old; return "" },
	} {
		done := w.browser()
		state := done.begin(viewer)
		old = w.provider.nonce
		if a := done.open(callback(state)); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d", a.StatusCode)
		}
		b := w.browser()
		state = b.begin(viewer)
		w.provider.lie = lie
		b.isNobody(how, b.open(callback(state)))
		w.provider.lie = nil
	}
}

func TestPeople_aSessionFromBeforeTheSignInIsNotSignedIn(t *testing.T) {
	w := newWorld(t, plan{})
	b := w.browser()
	// A session that somebody else chose, and one that the server made.
	const chosen = "chosen-by-somebody-else-0123456789abcdefghi"
	b.cookies["signboard"] = &http.Cookie{Name: "signboard", Value: chosen}
	state := b.begin(viewer)
	before := map[string]string{}
	for name, c := range b.cookies {
		before[name] = c.Value
	}
	if a := b.open(callback(state)); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d: %s", a.StatusCode, text(a.body))
	}
	if a := b.open("/help"); a.StatusCode != http.StatusOK {
		t.Fatalf("nobody is signed in: %d", a.StatusCode)
	}
	if now := b.cookies["signboard"].Value; now == chosen || now == before["signboard"] {
		t.Error("the session from before the sign-in is the one that is signed in")
	}
	thief := w.browser()
	for name, value := range before {
		thief.cookies[name] = &http.Cookie{Name: name, Value: value}
	}
	if a := thief.open("/help"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the old cookies are signed in: %d", a.StatusCode)
	}
	// Signing in anew ends the session before it.
	old := b.cookies["signboard"].Value
	b.open(callback(b.begin(second)))
	thief.cookies = map[string]*http.Cookie{"signboard": {Name: "signboard", Value: old}}
	if a := thief.open("/help"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the session before the second sign-in is still signed in: %d", a.StatusCode)
	}
}

func TestPeople_anIDTokenOfAnotherKindSignsNobodyIn(t *testing.T) {
	w := newWorld(t, plan{})
	claim := func(name string, v any) func(map[string]any) string {
		return func(c map[string]any) string { c[name] = v; return "" }
	}
	part := func(v any) string {
		b, err := json.Marshal(v)
		w.must(err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := func(algorithm jose.SignatureAlgorithm, key any) func(map[string]any) string {
		return func(c map[string]any) string {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: "one"}}, nil)
			w.must(err)
			b, err := json.Marshal(c)
			w.must(err)
			s, err := signer.Sign(b)
			w.must(err)
			token, err := s.CompactSerialize()
			w.must(err)
			return token
		}
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	der, err := x509.MarshalPKIXPublicKey(w.provider.key.Public())
	w.must(err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for how, lie := range map[string]func(map[string]any) string{
		"expired":                   claim("exp", time.Now().Add(-time.Hour).Unix()),
		"for another audience":      claim("aud", "another"),
		"of another issuer":         claim("iss", "https://evil.test"),
		"of an issuer that is like": claim("iss", w.provider.URL+"/"),
		"without a subject":         claim("sub", ""),
		"alg=none":                  func(c map[string]any) string { return part(map[string]string{"alg": "none"}) + "." + part(c) + "." },
		"alg=None": func(c map[string]any) string {
			return part(map[string]string{"alg": "None", "kid": "one"}) + "." + part(c) + "."
		},
		"without its signature": func(c map[string]any) string {
			return part(map[string]string{"alg": "ES256", "kid": "one"}) + "." + part(c) + "."
		},
		"HS256 with the public key (PEM)": signed(jose.HS256, public),
		"HS256 with the public key (DER)": signed(jose.HS256, der),
		"HS256 with the client's id":      signed(jose.HS256, []byte(strings.Repeat("signboard", 4))),
		"with a key of the attacker's":    signed(jose.ES256, other),
		"with a key that it brings along": func(c map[string]any) string {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: other}, &jose.SignerOptions{EmbedJWK: true})
			w.must(err)
			b, err := json.Marshal(c)
			w.must(err)
			s, err := signer.Sign(b)
			w.must(err)
			token, err := s.CompactSerialize()
			w.must(err)
			return token
		},
	} {
		b := w.browser()
		state := b.begin(admin)
		w.provider.lie = lie
		b.isNobody(how, b.open(callback(state)))
	}
	w.provider.lie = nil
	b := w.browser()
	if a := b.open(callback(b.begin(admin))); a.StatusCode != http.StatusSeeOther {
		t.Errorf("and the honest one gets %d", a.StatusCode)
	}
	for _, e := range w.entries()[1:] {
		if e.Action == "session.start" {
			t.Errorf("somebody was signed in: %+v", e)
		}
	}
}

// TestPeople_fieldsOfACallbackGiveNoRole: what is in the address isn't what the
// provider vouches for.
func TestPeople_fieldsOfACallbackGiveNoRole(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	b := w.browser()
	b.open(callback(b.begin(viewer)) + "&role=admin&groups=platform&sub=" + admin + "&name=" + admin + "&id_token=x&access_token=x")
	for name, c := range b.cookies {
		if strings.Contains(c.Value, "admin") {
			t.Errorf("the cookie %s says so: %s", name, c.Value)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/registries/local/test?role=admin", strings.NewReader("role=admin&groups=platform"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(b.cookies["signboard"])
	r.AddCookie(&http.Cookie{Name: "role", Value: "admin"})
	for _, name := range []string{"X-Role", "X-Remote-User", "X-Forwarded-User", "X-Forwarded-Groups", "X-Auth-Request-Groups"} {
		r.Header.Set(name, "platform")
	}
	if a := w.send(r); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer who says role=admin everywhere: %d", a.StatusCode)
	}
}

// TestPeople_anotherTeamsObject: everybody sees every team's images, and being in
// a team gives no right to decide about its own, let alone another's.
func TestPeople_anotherTeamsObject(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	forms := w.forms(held)
	for _, image := range []string{"/images/" + string(digest(3)) + "?repository=local/pay/web", "/images/" + string(digest(4)) + "?repository=local/ops/base"} {
		if a := w.get(viewer, image); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", image, a.StatusCode)
		}
	}
	w.cookie(viewer)
	before, count := w.snapshot(), len(w.entries())
	for _, target := range []url.Values{
		{"digest": {string(digest(3))}, "repository": {"local/pay/web"}, "reason": {"mine"}, "team": {"payments"}},
		{"digest": {string(digest(4))}, "repository": {"local/ops/base"}, "reason": {"theirs"}, "team": {"payments"}},
	} {
		if a := w.post(viewer, "/quarantine", target); a.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %d", target, a.StatusCode)
		}
	}
	if a := w.post(viewer, forms["/quarantine/{id}/release"].target, forms["/quarantine/{id}/release"].fields); a.StatusCode != http.StatusForbidden {
		t.Errorf("a release: %d", a.StatusCode)
	}
	w.onlyRefused(before, len(w.entries())-count, 3, "a team's own people")
}

func TestPeople_aCookieOfASessionThatEndedOpensNothing(t *testing.T) {
	w := newWorld(t, plan{})
	b := w.browser()
	b.open(callback(b.begin(reviewer)))
	old := b.cookies["signboard"]
	r := httptest.NewRequest(http.MethodPost, "/auth/logout", nil)
	r.AddCookie(old)
	w.send(r)
	for _, target := range []string{"/", "/images", "/audit", "/registries/events", "/api/v1/images"} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.AddCookie(old)
		if a := w.send(r); a.StatusCode != http.StatusSeeOther && a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", target, a.StatusCode)
		}
	}
	for how, value := range map[string]string{"cut": old.Value[:len(old.Value)-1], "longer": old.Value + "x", "empty": "", "of the database": "%' or 1=1 --", "huge": strings.Repeat("x", 8000)} {
		r := httptest.NewRequest(http.MethodGet, "/images", nil)
		r.Header.Set("Cookie", "signboard="+value)
		if a := w.send(r); a.StatusCode != http.StatusSeeOther {
			t.Errorf("a cookie that is %s: %d", how, a.StatusCode)
		}
	}
}

func TestPeople_aTokenThatWasRevokedIsNobody(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	actor := inventory.Actor{Kind: inventory.UserActor, Name: admin, Subject: w.provider.URL + "|" + admin, Role: inventory.Admin}
	token, secret, err := w.door.CreateToken(t.Context(), actor, decision.TokenRequest{Name: "pipeline", Role: inventory.Admin})
	w.must(err)
	ask := func() answer {
		return w.get(nobody, "/api/v1/images", "Authorization", "Bearer "+string(secret))
	}
	if a := ask(); a.StatusCode != http.StatusOK {
		t.Fatalf("a live token: %d: %s", a.StatusCode, a.body)
	}
	_, err = w.door.RevokeToken(t.Context(), actor, token.ID)
	w.must(err)
	ask().problem(t, http.StatusUnauthorized)
	if e := w.entries()[0]; e.Action != "access.refused" || e.Actor.Name != "pipeline" || e.Address == "" {
		t.Errorf("the refusal isn't in the audit log: %+v", e)
	}
}
