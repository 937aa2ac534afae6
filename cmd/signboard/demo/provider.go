package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The provider's only client, and how long what it hands out is good for.
const (
	clientID     = "signboard"
	codeLifetime = time.Minute
	idLifetime   = 10 * time.Minute
)

// provider is an OpenID provider (OpenID Connect Core 1.0, authorization code
// flow) that knows one client and three people and asks nobody for a password.
// It keeps no session and sets no cookie: ports share a host's cookies, and
// Signboard's own are next door.
type provider struct {
	issuer     string
	redirect   string // the one redirect_uri
	home       string // the client's origin, where people may go after signing out
	secret     string
	signer     jose.Signer
	keys       jose.JSONWebKeySet
	mux        *http.ServeMux
	logger     *slog.Logger
	now        func() time.Time
	pageSecure string // the pages' Content-Security-Policy

	mu     sync.Mutex
	codes  map[string]*grant // by code
	tokens map[string]*grant // by access token
}

// grant is what somebody agreed to by choosing a person.
type grant struct {
	person    Person
	nonce     string
	challenge string // PKCE, S256
	scopes    map[string]bool
	at        time.Time
	token     string // set once the code was exchanged
	used      bool
}

// newProvider serves at issuer; base is the client's address without a slash
// at its end.
func newProvider(issuer, base string, logger *slog.Logger) (*provider, error) {
	home, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("reading the client's address: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the provider's key: %w", err)
	}
	private := jose.JSONWebKey{Key: key, KeyID: rand.Text(), Algorithm: string(jose.ES256), Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("making the provider's signer: %w", err)
	}
	p := &provider{
		issuer: issuer, redirect: base + CallbackPath, home: home.Scheme + "://" + home.Host,
		secret: rand.Text(), signer: signer,
		keys:   jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}},
		logger: logger, now: time.Now,
		codes: map[string]*grant{}, tokens: map[string]*grant{},
	}
	// Choosing a person submits a form whose answer redirects to the client:
	// browsers hold form-action against the redirect as well.
	p.pageSecure = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' " + p.home + "; base-uri 'none'; frame-ancestors 'none'"
	p.mux = http.NewServeMux()
	p.mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	p.mux.HandleFunc("GET /keys", p.jwks)
	p.mux.HandleFunc("GET /authorize", p.ask)
	p.mux.HandleFunc("POST /authorize", p.choose)
	p.mux.HandleFunc("POST /token", p.exchange)
	p.mux.HandleFunc("GET /userinfo", p.userinfo)
	p.mux.HandleFunc("POST /userinfo", p.userinfo)
	p.mux.HandleFunc("GET /end_session", p.endSession)
	p.mux.HandleFunc("POST /end_session", p.endSession)
	p.mux.HandleFunc("GET /style.css", asset("text/css; charset=utf-8", styleSheet))
	p.mux.HandleFunc("GET /icon.svg", asset("image/svg+xml", icon))
	p.mux.HandleFunc("GET /{$}", p.front)
	p.mux.HandleFunc("/", p.nothing)
	return p, nil
}

// maxBody is the most that any request here has reason to send.
const maxBody = 64 << 10

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "same-origin") // authorization requests carry state and nonce in the address
	w.Header().Set("Cache-Control", "no-store")
	p.mux.ServeHTTP(w, r)
}

// discovery is the provider's metadata (OpenID Connect Discovery 1.0,
// section 3).
func (p *provider) discovery(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                         p.issuer,
		"authorization_endpoint":                         p.issuer + "/authorize",
		"token_endpoint":                                 p.issuer + "/token",
		"userinfo_endpoint":                              p.issuer + "/userinfo",
		"end_session_endpoint":                           p.issuer + "/end_session",
		"jwks_uri":                                       p.issuer + "/keys",
		"scopes_supported":                               []string{"openid", "profile", "email", "groups"},
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          []string{"authorization_code"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{string(jose.ES256)},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":               []string{"S256"},
		"claims_supported":                               []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "name", "email", "email_verified", "groups"},
		"authorization_response_iss_parameter_supported": true,
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
	})
}

func (p *provider) jwks(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, p.keys) }

func answer(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "This could not be encoded.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the caller has gone away
}

// sweep forgets grants nobody can use any more. Its caller holds the lock.
func (p *provider) sweep() {
	for code, g := range p.codes {
		if p.now().Sub(g.at) > codeLifetime {
			delete(p.codes, code)
		}
	}
	for token, g := range p.tokens {
		if p.now().Sub(g.at) > codeLifetime+idLifetime { // at is when the code was made
			delete(p.tokens, token)
		}
	}
}
