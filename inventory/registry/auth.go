package registry

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/singleflight"

	"signboard/inventory"
)

const (
	challengeAge = 10 * time.Minute // then the registry is asked again how it authenticates
	sessionAge   = 30 * time.Minute // then credentials are looked up again: helpers hand out short-lived ones
	renewAge     = time.Minute      // a refusal isn't worth a new token before that
	maxSessions  = 512
)

// auth keeps one authenticated transport per scope, made by
// go-containerregistry from the registry's challenge and our credentials.
type auth struct {
	client   *Client
	registry name.Registry
	resource authn.Resource                      // what credentials are looked up for
	own      func() (authn.Authenticator, error) // the configured ones; nil for none
	flight   singleflight.Group
	helpers  singleflight.Group // of looking up credentials
	found    atomic.Bool        // there were credentials when they were last looked up

	mu        sync.Mutex
	challenge *challenge
	sessions  map[string]session
}

// challenge is how the registry answers somebody without credentials.
type challenge struct {
	status int
	header http.Header
	at     time.Time
}

func (c challenge) bearer() bool {
	return c.status == http.StatusUnauthorized && bearer(c.header)
}

type session struct {
	transport   http.RoundTripper
	credentials bool // it has some to show
	at          time.Time
}

// RoundTrip marks what goes wrong while a token is got for a request.
func (s session) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.transport.RoundTrip(req)
	if err != nil && !ours(err) {
		err = &tokenError{err: err, with: s.credentials}
	}
	return resp, err
}

// session is the transport for a scope. Callers who ask for the same at the
// same time share the work, and one of them giving up doesn't end it for the
// others.
func (a *auth) session(ctx context.Context, scope string) (session, error) {
	a.mu.Lock()
	if a.challenge != nil && !a.challenge.bearer() {
		scope = "" // basic credentials, or none, are the same everywhere
	}
	s, ok := a.sessions[scope]
	a.mu.Unlock()
	if ok && a.client.now().Sub(s.at) < sessionAge {
		return s, nil
	}
	made := a.flight.DoChan(scope, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*a.client.limits.RequestTimeout+a.client.limits.MaxWait)
		defer cancel()
		return a.open(ctx, scope)
	})
	select {
	case r := <-made:
		if r.Err != nil {
			return session{}, r.Err
		}
		return r.Val.(session), nil
	case <-ctx.Done():
		return session{}, context.Cause(ctx)
	}
}

func (a *auth) open(ctx context.Context, scope string) (session, error) {
	ch, err := a.ask(ctx)
	if err != nil {
		return session{}, err
	}
	if !ch.bearer() {
		scope = ""
	}
	credentials, err := a.credentials(ctx)
	if err != nil {
		return session{}, err
	}
	a.found.Store(credentials != authn.Anonymous)
	var scopes []string
	if scope != "" {
		scopes = []string{scope}
	}
	replay := &replay{inner: a.client.guard, challenge: ch, scheme: a.client.origin.Scheme}
	made, err := transport.NewWithContext(context.WithValue(ctx, replayed, true), a.registry, credentials, replay, scopes)
	if err != nil {
		if ours(err) {
			return session{}, err
		}
		return session{}, &tokenError{err: err, with: credentials != authn.Anonymous}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.sessions) >= maxSessions {
		a.dropOldest()
	}
	s := session{transport: made, credentials: credentials != authn.Anonymous, at: a.client.now()}
	a.sessions[scope] = s
	return s, nil
}

func (a *auth) dropOldest() {
	var oldest string
	for scope, s := range a.sessions {
		if o, ok := a.sessions[oldest]; !ok || s.at.Before(o.at) {
			oldest = scope
		}
	}
	delete(a.sessions, oldest)
}

// credentials are the configured ones, else Docker's, else the cloud's.
func (a *auth) credentials(ctx context.Context) (authn.Authenticator, error) {
	if a.own != nil {
		return a.own()
	}
	return a.ambient(ctx)
}

// ask learns how the registry wants to be authenticated to: by GET /v2/
// (distribution specification, "Determining Support").
func (a *auth) ask(ctx context.Context) (challenge, error) {
	a.mu.Lock()
	known := a.challenge
	a.mu.Unlock()
	if known != nil && a.client.now().Sub(known.at) < challengeAge {
		return *known, nil
	}
	made, err, _ := a.flight.Do("/v2/", func() (any, error) {
		q := request{method: http.MethodGet, url: a.client.url("/v2/", nil), plain: true, stay: true, max: maxErrorBytes, what: "its API at /v2/"}
		answer, err := a.client.once(ctx, q)
		if err != nil {
			return challenge{}, err
		}
		if answer.status == http.StatusOK && web(answer) {
			return challenge{}, a.client.notRegistry(q)
		}
		if answer.status != http.StatusOK && answer.status != http.StatusUnauthorized {
			return challenge{}, &statusError{answer: answer, to: q}
		}
		ch := challenge{status: answer.status, header: answer.header, at: a.client.now()}
		err = a.adopt(&ch)
		return ch, err
	})
	return made.(challenge), err
}

// adopt checks and remembers a challenge.
func (a *auth) adopt(ch *challenge) error {
	ch.header = ch.header.Clone()
	for i, value := range ch.header["Www-Authenticate"] {
		checked, err := a.realm(value)
		if err != nil {
			return err
		}
		ch.header["Www-Authenticate"][i] = checked
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.challenge == nil || a.challenge.bearer() != ch.bearer() {
		clear(a.sessions)
	}
	a.challenge = ch
	return nil
}

var realmParameter = regexp.MustCompile(`(?i)(\brealm=)("[^"]*"|[^\s",]+)`)

// realm refuses a challenge that names a token service which isn't this
// registry's, before anything is sent there.
func (a *auth) realm(value string) (string, error) {
	if !isBearer(value) {
		return value, nil
	}
	guard := a.client.guard
	found := realmParameter.FindStringSubmatch(value)
	if found == nil {
		return value, nil // go-containerregistry says so
	}
	u, err := url.Parse(strings.Trim(found[2], `"`))
	if err != nil || u.Host == "" {
		return "", look(inventory.ReasonRegistryInconsistent, nil, "The registry %s asks for a token, but the token service it names isn't a URL.", guard.origin.Host)
	}
	if guard.origin.Scheme == "https" && u.Scheme != "https" {
		return "", guard.downgrade(u)
	}
	if err := guard.permitToken(u); err != nil {
		return "", err
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil || u.Host == guard.origin.Host {
		return value, nil
	}
	real := u.Host
	guard.alias.Store(&real)
	u.Host = tokenAlias
	return realmParameter.ReplaceAllLiteralString(value, `realm="`+u.String()+`"`), nil
}

// renew reports whether a refusal is worth another attempt with new
// credentials: the session is old, or the registry, open until now, shows a
// challenge.
func (a *auth) renew(scope string, header http.Header) bool {
	a.mu.Lock()
	ch := a.challenge
	a.mu.Unlock()
	now := a.client.now()
	if ch != nil && ch.status == http.StatusOK && bearer(header) {
		return a.adopt(&challenge{status: http.StatusUnauthorized, header: header, at: now}) == nil
	}
	if ch == nil || !ch.bearer() {
		scope = ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sessions[scope]
	if !ok || now.Sub(s.at) < renewAge {
		return false
	}
	delete(a.sessions, scope)
	a.challenge = nil
	return true
}

// replay answers go-containerregistry's own GET /v2/ with the challenge we
// have, so that a scope costs a token and nothing else.
type replay struct {
	inner     http.RoundTripper
	challenge challenge
	scheme    string
}

func (r *replay) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != "/v2/" || req.URL.RawQuery != "" || req.Context().Value(replayed) == nil { // a token request has a query
		return r.inner.RoundTrip(req)
	}
	if req.URL.Scheme != r.scheme {
		return nil, errScheme // it tries https before http, and http for local names
	}
	return &http.Response{
		Status: http.StatusText(r.challenge.status), StatusCode: r.challenge.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.challenge.header.Clone(), Body: http.NoBody, Request: req,
	}, nil
}

func bearer(header http.Header) bool {
	for _, value := range header.Values("WWW-Authenticate") {
		if isBearer(value) {
			return true
		}
	}
	return false
}

func isBearer(challenge string) bool {
	scheme, _, _ := strings.Cut(strings.TrimSpace(challenge), " ")
	return strings.EqualFold(scheme, "bearer")
}

// anonymousToken reports whether we go without credentials to a registry that
// hands out tokens: what it shows is then decided per repository.
func (a *auth) anonymousToken(ctx context.Context) bool {
	a.mu.Lock()
	ch := a.challenge
	a.mu.Unlock()
	found, err := a.credentials(ctx)
	return err == nil && found == authn.Anonymous && ch != nil && ch.bearer()
}
