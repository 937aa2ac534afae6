package demo

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const testVerifier = "a-verifier-of-the-tests-that-is-forty-three-characters-long"

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is an authorization request that is granted.
func (d *Demo) request() url.Values {
	return url.Values{
		"client_id": {d.ClientID()}, "redirect_uri": {d.provider.redirect}, "response_type": {"code"},
		"scope": {"openid profile email groups"}, "state": {"the-state"}, "nonce": {"the-nonce"},
		"code_challenge": {challenge(testVerifier)}, "code_challenge_method": {"S256"},
	}
}

// browser follows no redirect: the client they lead to isn't there.
var browser = &http.Client{
	Timeout:       5 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

type reply struct {
	status   int
	header   http.Header
	body     string
	location *url.URL
}

func do(t *testing.T, r *http.Request) reply {
	t.Helper()
	response, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	location, _ := response.Location()
	return reply{response.StatusCode, response.Header, string(body), location}
}

func get(t *testing.T, address string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, r)
}

func post(t *testing.T, address string, form url.Values, header ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return do(t, r)
}

// chosen sends the choice of a person and returns where it leads.
func (d *Demo) chosen(t *testing.T, request url.Values, person string) *url.URL {
	t.Helper()
	r := post(t, d.Issuer()+"/authorize?"+request.Encode(), url.Values{"person": {person}})
	if r.status != http.StatusSeeOther {
		t.Fatalf("choosing %s: %d %s", person, r.status, r.body)
	}
	return r.location
}

func (d *Demo) tokenForm(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {d.provider.redirect},
		"code_verifier": {testVerifier}, "client_id": {d.ClientID()}, "client_secret": {d.ClientSecret()},
	}
}

func errorOf(r reply) string {
	var e struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal([]byte(r.body), &e)
	return e.Error
}

var formAction = regexp.MustCompile(`<form method="post" action="([^"]+)">`)

// TestSignIn_wholeFlow goes the way the product goes: discovery and
// verification by go-oidc, PKCE by oauth2, the form as the page has it.
func TestSignIn_wholeFlow(t *testing.T) {
	d := started(t)
	found, err := oidc.NewProvider(t.Context(), d.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	for _, person := range d.People() {
		for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
			endpoint := found.Endpoint()
			endpoint.AuthStyle = style
			config := oauth2.Config{
				ClientID: d.ClientID(), ClientSecret: d.ClientSecret(), Endpoint: endpoint,
				RedirectURL: "http://127.0.0.1:8080" + CallbackPath, Scopes: []string{"openid", "profile", "email", "groups"},
			}
			verifier := oauth2.GenerateVerifier()
			page := get(t, config.AuthCodeURL("a state & more", oidc.Nonce("n-1"), oauth2.S256ChallengeOption(verifier)))
			action := formAction.FindStringSubmatch(page.body)
			if page.status != http.StatusOK || action == nil {
				t.Fatalf("the page: %d %s", page.status, page.body)
			}
			r := post(t, d.Issuer()+html.UnescapeString(action[1]), url.Values{"person": {person.Subject}})
			if r.status != http.StatusSeeOther {
				t.Fatalf("choosing: %d %s", r.status, r.body)
			}
			back := r.location.Query()
			if back.Get("state") != "a state & more" || back.Get("iss") != d.Issuer() {
				t.Errorf("it leads back to %s", r.location)
			}
			token, err := config.Exchange(t.Context(), back.Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := token.Extra("id_token").(string)
			idToken, err := found.Verifier(&oidc.Config{ClientID: d.ClientID()}).Verify(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			info, err := found.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
			if err != nil {
				t.Fatal(err)
			}
			for _, source := range []interface{ Claims(any) error }{idToken, info} {
				var claims struct {
					Subject       string    `json:"sub"`
					Name, Email   string    `json:",omitempty"`
					Groups        *[]string `json:"groups"`
					EmailVerified bool      `json:"email_verified"`
				}
				if err := source.Claims(&claims); err != nil {
					t.Fatal(err)
				}
				if claims.Subject != person.Subject || claims.Name != person.Name || claims.Email != person.Email || !claims.EmailVerified ||
					claims.Groups == nil || !slices.Equal(*claims.Groups, person.Groups) {
					t.Errorf("%s got the claims %+v", person.Name, claims)
				}
			}
			if idToken.Nonce != "n-1" || idToken.Expiry.Before(time.Now()) || idToken.IssuedAt.After(time.Now()) {
				t.Errorf("the token: %+v", idToken)
			}
		}
	}
}

func TestDiscovery_offersToSignOut(t *testing.T) {
	d := started(t)
	found, err := oidc.NewProvider(t.Context(), d.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		EndSession string   `json:"end_session_endpoint"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := found.Claims(&meta); err != nil {
		t.Fatal(err)
	}
	if meta.EndSession != d.Issuer()+"/end_session" || !slices.Equal(meta.Algorithms, []string{"ES256"}) {
		t.Errorf("discovery says %+v", meta)
	}
}

func TestSignIn_givesOnlyTheClaimsThatWereAskedFor(t *testing.T) {
	d := started(t)
	request := d.request()
	request.Set("scope", "openid")
	request.Del("nonce")
	code := d.chosen(t, request, "sam").Query().Get("code")
	r := post(t, d.Issuer()+"/token", d.tokenForm(code))
	var token struct {
		ID string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(r.body), &token); err != nil || r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.body)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token.ID, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"name", "email", "groups", "nonce"} {
		if _, ok := claims[name]; ok {
			t.Errorf("the token says %s unasked", name)
		}
	}
}

func TestAuthorize_refusesBeforeItRedirects(t *testing.T) {
	d := started(t)
	for what, change := range map[string]func(url.Values){
		"another client":               func(q url.Values) { q.Set("client_id", "other") },
		"no client":                    func(q url.Values) { q.Del("client_id") },
		"another host":                 func(q url.Values) { q.Set("redirect_uri", "http://evil.example"+CallbackPath) },
		"another port":                 func(q url.Values) { q.Set("redirect_uri", "http://127.0.0.1:8081"+CallbackPath) },
		"a longer path":                func(q url.Values) { q.Set("redirect_uri", d.provider.redirect+"/x") },
		"a query behind the address":   func(q url.Values) { q.Set("redirect_uri", d.provider.redirect+"?a=b") },
		"another spelling of the host": func(q url.Values) { q.Set("redirect_uri", "http://localhost:8080"+CallbackPath) },
		"no redirect":                  func(q url.Values) { q.Del("redirect_uri") },
		"two redirects":                func(q url.Values) { q.Add("redirect_uri", "http://evil.example/") },
	} {
		request := d.request()
		change(request)
		address := d.Issuer() + "/authorize?" + request.Encode()
		for _, r := range []reply{get(t, address), post(t, address, url.Values{"person": {"sam"}})} {
			if r.status != http.StatusBadRequest || r.location != nil || strings.Contains(r.body, "<button") {
				t.Errorf("%s: %d to %v", what, r.status, r.location)
			}
		}
	}
}

func TestAuthorize_sendsBackWhatItDoesNotGrant(t *testing.T) {
	d := started(t)
	for what, c := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"no PKCE":           {func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") }, "invalid_request"},
		"plain PKCE":        {func(q url.Values) { q.Set("code_challenge_method", "plain") }, "invalid_request"},
		"a short challenge": {func(q url.Values) { q.Set("code_challenge", "abc") }, "invalid_request"},
		"implicit flow":     {func(q url.Values) { q.Set("response_type", "id_token") }, "unsupported_response_type"},
		"a fragment":        {func(q url.Values) { q.Set("response_mode", "fragment") }, "invalid_request"},
		"no openid":         {func(q url.Values) { q.Set("scope", "profile") }, "invalid_scope"},
		"no prompt":         {func(q url.Values) { q.Set("prompt", "none") }, "login_required"},
		"a request object":  {func(q url.Values) { q.Set("request", "x.y.z") }, "request_not_supported"},
		"nonce twice":       {func(q url.Values) { q.Add("nonce", "other") }, "invalid_request"},
	} {
		request := d.request()
		c.change(request)
		address := d.Issuer() + "/authorize?" + request.Encode()
		for _, r := range []reply{get(t, address), post(t, address, url.Values{"person": {"sam"}})} {
			if r.status != http.StatusSeeOther {
				t.Errorf("%s: %d", what, r.status)
				continue
			}
			q := r.location.Query()
			if q.Get("error") != c.want || q.Get("code") != "" || q.Get("state") != "the-state" || !strings.HasPrefix(r.location.String(), d.provider.redirect+"?") {
				t.Errorf("%s leads to %s", what, r.location)
			}
		}
	}
}

func TestAuthorize_takesNoChoiceFromAnotherSite(t *testing.T) {
	d := started(t)
	address := d.Issuer() + "/authorize?" + d.request().Encode()
	r := post(t, address, url.Values{"person": {"sam"}}, "Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example")
	if r.status != http.StatusForbidden || r.location != nil {
		t.Errorf("%d to %v", r.status, r.location)
	}
	if r := get(t, address+"&person=sam"); r.status != http.StatusOK || r.location != nil {
		t.Errorf("a GET chose somebody: %d to %v", r.status, r.location)
	}
	if r := post(t, address, url.Values{"person": {"mallory"}}); r.status != http.StatusBadRequest || r.location != nil {
		t.Errorf("a fourth person: %d to %v", r.status, r.location)
	}
}

func TestToken_refuses(t *testing.T) {
	d := started(t)
	for what, c := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"a wrong verifier":      {func(f url.Values) { f.Set("code_verifier", strings.Repeat("x", 43)) }, "invalid_grant"},
		"no verifier":           {func(f url.Values) { f.Del("code_verifier") }, "invalid_grant"},
		"the challenge instead": {func(f url.Values) { f.Set("code_verifier", challenge(testVerifier)) }, "invalid_grant"},
		"another redirect":      {func(f url.Values) { f.Set("redirect_uri", "http://127.0.0.1:8080/") }, "invalid_grant"},
		"no redirect":           {func(f url.Values) { f.Del("redirect_uri") }, "invalid_grant"},
		"a made-up code":        {func(f url.Values) { f.Set("code", "made-up") }, "invalid_grant"},
		"no code":               {func(f url.Values) { f.Del("code") }, "invalid_grant"},
		"a wrong secret":        {func(f url.Values) { f.Set("client_secret", "wrong") }, "invalid_client"},
		"no secret":             {func(f url.Values) { f.Del("client_secret") }, "invalid_client"},
		"another client":        {func(f url.Values) { f.Set("client_id", "other") }, "invalid_client"},
		"another grant":         {func(f url.Values) { f.Set("grant_type", "password") }, "unsupported_grant_type"},
		"two codes":             {func(f url.Values) { f.Add("code", "other") }, "invalid_request"},
	} {
		form := d.tokenForm(d.chosen(t, d.request(), "priya").Query().Get("code"))
		c.change(form)
		r := post(t, d.Issuer()+"/token", form)
		if r.status < 400 || errorOf(r) != c.want || strings.Contains(r.body, "id_token") {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	}
}

func TestToken_aCodeIsGoodOnce(t *testing.T) {
	d := started(t)
	code := d.chosen(t, d.request(), "maya").Query().Get("code")
	first := post(t, d.Issuer()+"/token", d.tokenForm(code))
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(first.body), &token); err != nil || first.status != http.StatusOK {
		t.Fatalf("%d %s", first.status, first.body)
	}
	userinfo := func() reply {
		return post(t, d.Issuer()+"/userinfo", nil, "Authorization", "Bearer "+token.Access)
	}
	if r := userinfo(); r.status != http.StatusOK {
		t.Fatalf("userinfo: %d %s", r.status, r.body)
	}
	if again := post(t, d.Issuer()+"/token", d.tokenForm(code)); errorOf(again) != "invalid_grant" {
		t.Errorf("a second time: %d %s", again.status, again.body)
	}
	if r := userinfo(); r.status != http.StatusUnauthorized {
		t.Errorf("the access token outlived the theft of its code: %d", r.status)
	}
}

func TestToken_aFailedExchangeSpendsTheCode(t *testing.T) {
	d := started(t)
	code := d.chosen(t, d.request(), "maya").Query().Get("code")
	wrong := d.tokenForm(code)
	wrong.Set("code_verifier", strings.Repeat("x", 43))
	post(t, d.Issuer()+"/token", wrong)
	if r := post(t, d.Issuer()+"/token", d.tokenForm(code)); errorOf(r) != "invalid_grant" {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestToken_aCodeRunsOut(t *testing.T) {
	d := started(t)
	code := d.chosen(t, d.request(), "maya").Query().Get("code")
	d.provider.mu.Lock()
	d.provider.now = func() time.Time { return time.Now().Add(codeLifetime + time.Second) }
	d.provider.mu.Unlock()
	if r := post(t, d.Issuer()+"/token", d.tokenForm(code)); errorOf(r) != "invalid_grant" {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestUserinfo_wantsAToken(t *testing.T) {
	d := started(t)
	for _, header := range []string{"", "Bearer ", "Bearer made-up", "Basic made-up"} {
		if r := post(t, d.Issuer()+"/userinfo", nil, "Authorization", header); r.status != http.StatusUnauthorized {
			t.Errorf("%q: %d %s", header, r.status, r.body)
		}
	}
}

func TestEndSession_leadsBackToSignboardOnly(t *testing.T) {
	d := started(t)
	to := func(address string) reply {
		return get(t, d.Issuer()+"/end_session?"+url.Values{"post_logout_redirect_uri": {address}, "state": {"s"}}.Encode())
	}
	if r := to("http://127.0.0.1:8080/signin"); r.status != http.StatusSeeOther || r.location.String() != "http://127.0.0.1:8080/signin?state=s" {
		t.Errorf("%d to %v", r.status, r.location)
	}
	for _, address := range []string{
		"http://evil.example/", "//evil.example", "/\\evil", "http://127.0.0.1:8080@evil.example/", "http://u@127.0.0.1:8080/",
		"http://127.0.0.1:8080.evil.example/", "javascript:alert(1)", "https://127.0.0.1:8080/",
	} {
		if r := to(address); r.status != http.StatusBadRequest || r.location != nil {
			t.Errorf("%s: %d to %v", address, r.status, r.location)
		}
	}
	if r := get(t, d.Issuer()+"/end_session"); r.status != http.StatusOK {
		t.Errorf("without an address: %d", r.status)
	}
}

func TestPage_isPlainAboutBeingADemo(t *testing.T) {
	d := started(t)
	request := d.request()
	request.Set("state", `"><script>alert(1)</script>`)
	r := get(t, d.Issuer()+"/authorize?"+request.Encode())
	for _, want := range []string{"This is a demo", "no password is asked", "Maya Okafor", "Sam Lindqvist", "Priya Raman", "payments-dev"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("the page doesn't say %q", want)
		}
	}
	for _, bad := range []string{"<script", "style=", "onclick", "{{"} {
		if strings.Contains(r.body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	want := "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' http://127.0.0.1:8080; base-uri 'none'; frame-ancestors 'none'"
	if got := r.header.Get("Content-Security-Policy"); got != want {
		t.Errorf("the policy is %q", got)
	}
	if r.header.Get("Set-Cookie") != "" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", r.header)
	}
	for _, path := range []string{"/style.css", "/icon.svg"} {
		if r := get(t, d.Issuer()+path); r.status != http.StatusOK || r.body == "" {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	if r := get(t, d.Issuer()+"/nowhere"); r.status != http.StatusNotFound || r.header.Get("Content-Security-Policy") == "" {
		t.Errorf("an unknown page: %d %v", r.status, r.header)
	}
}
