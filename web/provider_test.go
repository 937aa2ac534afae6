package web_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// provider is an identity provider on loopback that vouches for whom the test
// says. How sign-in holds against one that lies is web/session's to test.
type provider struct {
	*httptest.Server
	key    *ecdsa.PrivateKey
	person string
	nonce  string
	lie    func(claims map[string]any) (token string) // changes claims, or makes the token; may be nil
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		token, err := p.token()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": token})
	})
	return p
}

func (p *provider) token() (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "one"}}, nil)
	if err != nil {
		return "", err
	}
	said := map[string]any{"iss": p.URL, "aud": "signboard", "sub": p.person, "name": p.person, "nonce": p.nonce,
		"groups": []string{groups[p.person]}, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	if p.lie != nil {
		if token := p.lie(said); token != "" {
			return token, nil
		}
	}
	claims, err := json.Marshal(said)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// signIn goes the whole way to the provider and back, and returns the session's
// cookie and the answer that ends it.
func (w *world) signIn(person, back string) (*http.Cookie, answer) {
	w.Helper()
	started := w.get(nobody, "/auth/start?return="+url.QueryEscape(back))
	location, err := url.Parse(started.Header.Get("Location"))
	if err != nil || started.StatusCode != http.StatusFound || len(started.Cookies()) != 1 {
		w.Fatalf("the sign-in began with %d to %q", started.StatusCode, started.Header.Get("Location"))
	}
	w.provider.person, w.provider.nonce = person, location.Query().Get("nonce")
	r := httptest.NewRequestWithContext(w.Context(), http.MethodGet, "/auth/callback?code=x&state="+location.Query().Get("state"), nil)
	r.Host = "signboard.test"
	r.AddCookie(started.Cookies()[0])
	ended := w.send(r)
	var session *http.Cookie // the other cookie takes the flow back
	for _, c := range ended.Cookies() {
		if c.MaxAge > 0 {
			session = c
		}
	}
	if ended.StatusCode != http.StatusSeeOther || session == nil {
		w.Fatalf("the sign-in of %s ended with %d: %s", person, ended.StatusCode, w.log.b.String())
	}
	return session, ended
}
