package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// colleague is somebody who can sign in.
type colleague struct {
	name   string
	groups []string
}

// provider is an OpenID provider that asks who somebody is and believes them. What
// makes a provider one to be trusted is the matter of web/session's tests and of
// e2e/peers; here it only has to tell people apart.
type provider struct {
	url    string
	signer jose.Signer
	keys   jose.JSONWebKeySet
	people []colleague

	mu    sync.Mutex
	codes map[string]url.Values // what was asked for, with "person", by code
}

const providerSecret = "between the two of us"

func newProvider(t *testing.T, people ...colleague) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := jose.JSONWebKey{Key: key, KeyID: "one", Algorithm: string(jose.ES256), Use: "sig"}
	p := &provider{people: people, keys: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}}, codes: map[string]url.Values{}}
	if p.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, nil); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, map[string]any{
			"issuer": p.url, "authorization_endpoint": p.url + "/authorize", "token_endpoint": p.url + "/token", "jwks_uri": p.url + "/keys",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{string(jose.ES256)}, "code_challenge_methods_supported": []string{"S256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { tell(w, p.keys) })
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func tell(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// authorize shows a link for each person, and leads back once one was followed.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("person") == "" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>Who are you?</title><link rel="icon" href="data:,"><main><h1>Who are you?</h1>`)
		for _, c := range p.people {
			q.Set("person", c.name)
			fmt.Fprintf(w, `<p><a href="/authorize?%s">%s</a>`, html.EscapeString(q.Encode()), html.EscapeString(c.name))
		}
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = q
	p.mu.Unlock()
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusSeeOther)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	asked := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	p.mu.Unlock()
	for _, c := range p.people {
		if c.name != asked.Get("person") {
			continue
		}
		token, err := jwt.Signed(p.signer).Claims(map[string]any{
			"iss": p.url, "aud": asked.Get("client_id"), "sub": "id of " + c.name, "name": c.name, "groups": c.groups,
			"nonce": asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(10 * time.Minute).Unix(),
		}).Serialize()
		if err == nil {
			tell(w, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 600, "id_token": token})
			return
		}
	}
	w.WriteHeader(http.StatusBadRequest)
	tell(w, map[string]string{"error": "invalid_grant"})
}
