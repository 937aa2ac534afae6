package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"signboard/inventory"
)

const (
	answerTime   = 10 * time.Second // for one answer of the provider
	answerSize   = 1 << 20          // bytes of one answer
	refreshAfter = 24 * time.Hour   // when the metadata is read again
	retryAfter   = 5 * time.Second  // a failure is remembered for so long
	retryKnown   = 5 * time.Minute  // the same, where older metadata still serves
	skew         = time.Minute      // by how much the provider's clock may differ from ours
)

// provider is the OpenID provider. It is discovered when it is first needed and
// daily from then on; while it can't be reached, what was read last still
// serves, and whoever is signed in stays so.
type provider struct {
	OIDC
	redirect string
	client   *http.Client
	clock    func() time.Time
	log      *slog.Logger

	mu       sync.Mutex
	known    *metadata // nil until it was read once
	readAt   time.Time
	failure  error // of the last attempt
	failedAt time.Time
	attempt  chan struct{} // closed when the running attempt ends; nil while none runs
}

// metadata is what a provider says about itself (OpenID Connect Discovery 1.0,
// section 3).
type metadata struct {
	oidc *oidc.Provider
	keys oidc.KeySet

	KeysURL           string   `json:"jwks_uri"`
	UserInfoURL       string   `json:"userinfo_endpoint"`
	EndSessionURL     string   `json:"end_session_endpoint"`
	NamesIssuer       bool     `json:"authorization_response_iss_parameter_supported"`
	Authentication    []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms        []string `json:"id_token_signing_alg_values_supported"`
	ResponseModes     []string `json:"response_modes_supported"`
	ChallengesMethods []string `json:"code_challenge_methods_supported"`
}

func newProvider(o OIDC, baseURL string, clock func() time.Time, log *slog.Logger) *provider {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}
	return &provider{OIDC: o, redirect: baseURL + "/auth/callback", clock: clock, log: log, client: &http.Client{
		Timeout: answerTime, Transport: bounded{transport},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case via[0].Method != http.MethodGet:
				return errors.New("the provider redirects a request that carries a secret")
			case len(via) > 3:
				return errors.New("the provider redirects too often")
			case via[0].URL.Scheme == "https" && r.URL.Scheme != "https":
				return errors.New("the provider redirects from https to " + r.URL.Scheme)
			}
			return nil
		},
	}}
}

// bounded cuts answers off that are larger than any of a provider's.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, answerSize), answer.Body}
	}
	return answer, err
}

// metadata returns what the provider says about itself. At most one request
// asks at a time, whoever needs it meanwhile waits for the same answer, and a
// failure is the answer for some seconds more: a provider that is down isn't
// besieged, and one that is back is found by the next sign-in.
func (p *provider) metadata(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	now, patience := p.clock(), retryAfter
	if p.known != nil {
		patience = retryKnown
	}
	stale := p.known == nil || now.Sub(p.readAt) > refreshAfter
	if stale && p.attempt == nil && (p.failure == nil || now.Sub(p.failedAt).Abs() >= patience) {
		p.attempt = make(chan struct{})
		go p.discover(p.attempt)
	}
	known, failure, attempt := p.known, p.failure, p.attempt
	p.mu.Unlock()

	switch {
	case known != nil:
		return known, nil
	case attempt == nil:
		return nil, failure
	}
	select {
	case <-attempt:
	case <-ctx.Done():
		return nil, p.unreachable(ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		return nil, p.failure
	}
	return p.known, nil
}

// reachedBefore is the metadata if it was ever read. It asks nobody.
func (p *provider) reachedBefore() *metadata {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known
}

// discover reads the metadata and closes done.
func (p *provider) discover(done chan struct{}) {
	// The attempt outlives the request that began it: others wait for it too.
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	found, err := p.read(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	defer close(done)
	p.attempt = nil
	if err != nil {
		p.failure, p.failedAt = err, p.clock()
		p.log.Warn("the identity provider's metadata could not be read", "issuer", p.Issuer, "error", err)
		return
	}
	if p.known == nil || p.failure != nil {
		p.log.Info("the identity provider was found", "issuer", p.Issuer)
	}
	p.known, p.readAt, p.failure = found, p.clock(), nil
}

// read asks the provider and refuses what people couldn't sign in with.
func (p *provider) read(ctx context.Context) (*metadata, error) {
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.Issuer)
	if mismatch, ok := errors.AsType[*oidc.IssuerMismatchError](err); ok {
		return nil, p.unusable(err, "It calls itself %q: that is what oidc.issuer_url has to say, to the letter.", mismatch.Discovered)
	}
	if err != nil {
		return nil, p.unreachable(err)
	}
	m := &metadata{oidc: found}
	if err := found.Claims(m); err != nil {
		return nil, p.unusable(err, "Its metadata can't be read.")
	}
	for name, address := range map[string]string{
		"authorization_endpoint": found.Endpoint().AuthURL, "token_endpoint": found.Endpoint().TokenURL, "jwks_uri": m.KeysURL,
	} {
		if !p.secure(address) {
			return nil, p.unusable(nil, "Its metadata names no %s that can be used.", name)
		}
	}
	if m.UserInfoURL != "" && !p.secure(m.UserInfoURL) {
		return nil, p.unusable(nil, "Its metadata names a userinfo_endpoint that isn't https.")
	}
	if !p.secure(m.EndSessionURL) {
		m.EndSessionURL = ""
	}
	if len(m.ResponseModes) > 0 && !slices.Contains(m.ResponseModes, "query") {
		return nil, p.unusable(nil, "It doesn't offer response_mode=query.")
	}
	if len(m.ChallengesMethods) > 0 && !slices.Contains(m.ChallengesMethods, "S256") {
		return nil, p.unusable(nil, "It doesn't offer PKCE with S256.")
	}
	if _, err := m.style(p.OIDC); err != nil {
		return nil, p.unusable(err, "It doesn't offer client_secret_basic or client_secret_post.")
	}
	// A key set outlives this request; only the client in its context counts.
	m.keys = watchedKeys{oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), p.client), m.KeysURL)}
	return m, nil
}

// secure reports whether an address of the metadata may be used: https, unless
// the issuer itself is plain http.
func (p *provider) secure(address string) bool {
	u, err := url.Parse(address)
	plain := func(r rune) bool { // a host goes into the pages' Content-Security-Policy
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._:[]", r)
	}
	return err == nil && u.Host != "" && strings.TrimFunc(u.Host, plain) == "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && strings.HasPrefix(p.Issuer, "http://"))
}

func (p *provider) unreachable(err error) error {
	return &inventory.Error{Kind: inventory.Unavailable, Err: err,
		Message: fmt.Sprintf("The identity provider %s can't be reached at the moment. Try again in a minute; if it stays so, its operator can help.", p.Issuer)}
}

func (p *provider) unusable(err error, format string, args ...any) error {
	return &inventory.Error{Kind: inventory.Unavailable, Err: err,
		Message: fmt.Sprintf("Nobody can sign in with the identity provider %s as it is. ", p.Issuer) + inventory.Visible(clip(fmt.Sprintf(format, args...)))}
}

// style is how this program authenticates to the token endpoint (OpenID Connect
// Core 1.0, section 9). It is never tried out: a failed try may use up the code.
func (m *metadata) style(o OIDC) (oauth2.AuthStyle, error) {
	basic := len(m.Authentication) == 0 || slices.Contains(m.Authentication, "client_secret_basic")
	post := slices.Contains(m.Authentication, "client_secret_post")
	switch {
	case o.ClientSecret == "":
		return oauth2.AuthStyleInParams, nil // a public client says its id and nothing else
	case post && (!basic || url.QueryEscape(o.ClientID+o.ClientSecret) != o.ClientID+o.ClientSecret):
		// Providers disagree on whether the parts of the header are
		// form-encoded (RFC 6749, section 2.3.1).
		return oauth2.AuthStyleInParams, nil
	case basic:
		return oauth2.AuthStyleInHeader, nil
	}
	return 0, fmt.Errorf("token_endpoint_auth_methods_supported is %q", m.Authentication)
}

// config is the OAuth 2.0 client.
func (p *provider) config(m *metadata) *oauth2.Config {
	endpoint := m.oidc.Endpoint()
	endpoint.AuthStyle, _ = m.style(p.OIDC) // read has seen that there is one
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, RedirectURL: p.redirect, Scopes: p.Scopes, Endpoint: endpoint}
}

// verifier checks signature, issuer, audience and times of what the provider
// signs. Its algorithms are those of the metadata that go-oidc knows, which
// never holds none or one with a shared secret; RS256 when it names no other.
func (p *provider) verifier(m *metadata) *oidc.IDTokenVerifier {
	known := []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}
	algorithms := slices.DeleteFunc(slices.Clone(m.Algorithms), func(a string) bool { return !slices.Contains(known, a) })
	return oidc.NewVerifier(p.Issuer, m.keys, &oidc.Config{
		ClientID: p.ClientID, SupportedSigningAlgs: algorithms, Now: func() time.Time { return p.clock().Add(-skew) },
	})
}

// watchedKeys tells a signature that doesn't hold from keys that couldn't be
// fetched: go-oidc's verifier keeps no cause.
type watchedKeys struct{ *oidc.RemoteKeySet }

type outageKey struct{}

// withOutage returns a context in which a failure to fetch keys is written to
// outage.
func withOutage(ctx context.Context, outage *error) context.Context {
	return context.WithValue(ctx, outageKey{}, outage)
}

func (k watchedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.RemoteKeySet.VerifySignature(ctx, jwt)
	if outage, ok := ctx.Value(outageKey{}).(*error); ok && err != nil && strings.HasPrefix(err.Error(), "fetching keys") {
		*outage = err
	}
	return payload, err
}
