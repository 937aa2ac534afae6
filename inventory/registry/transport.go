package registry

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"signboard/inventory"
)

const (
	dialTimeout    = 10 * time.Second
	keepAlive      = 30 * time.Second
	idleTimeout    = 90 * time.Second
	maxHeaderBytes = 256 << 10
)

// guard is the RoundTripper beneath everything, go-containerregistry's token
// requests included. It decides which hosts are spoken to and with what, keeps
// each host's pace, gives each request its deadline, and counts.
type guard struct {
	inner     http.RoundTripper
	origin    *url.URL
	tokens    []string // hosts where the token service may be
	userAgent string
	timeout   time.Duration
	pace      *pace
	requests  atomic.Int64
	skew      skew
	// alias is what stands behind tokenAlias.
	alias atomic.Pointer[string]
}

// tokenAlias stands for a token service at an IP literal. go-containerregistry
// refuses every private literal as a token service, even one that the user
// configured, and doesn't look at the addresses that names resolve to. Here it
// is the other way round (see dialer), so such a literal travels through it
// under this name. RFC 6761 reserves the domain: nothing can be called so.
const tokenAlias = "token-service.invalid"

type contextKey int

const (
	// elsewhere marks requests that follow a redirect to another host: they go
	// anywhere that may be dialled, and never with credentials.
	elsewhere contextKey = iota
	// replayed marks the making of a session: see replay.
	replayed
	// viaProxy is the proxy that a request goes through.
	viaProxy
)

// wellKnownTokenHosts are token services that are known to belong to a registry
// on another host.
var wellKnownTokenHosts = map[string][]string{
	"index.docker.io":      {"auth.docker.io"},
	"registry-1.docker.io": {"auth.docker.io"},
	"registry.gitlab.com":  {"gitlab.com"},
}

func (g *guard) RoundTrip(in *http.Request) (*http.Response, error) {
	ctx, cancel := in.Context(), context.CancelFunc(nil)
	target := *in.URL
	if real := g.alias.Load(); real != nil && target.Hostname() == tokenAlias {
		target.Host = *real
	}
	if err := g.permit(in, &target); err != nil {
		closeBody(in)
		return nil, err
	}
	host := authority(&target)
	if err := g.pace.wait(ctx, host); err != nil {
		closeBody(in)
		return nil, err
	}

	ctx, cancel = context.WithTimeoutCause(ctx, g.timeout, errDeadline)
	req := in.Clone(ctx)
	req.URL, req.Host = &target, ""
	req.Header.Set("User-Agent", g.userAgent)
	req.Header.Set("Accept-Encoding", "identity")
	g.requests.Add(1)
	asked := g.pace.now()
	resp, err := g.inner.RoundTrip(req)
	if err != nil {
		err = &requestError{host: target.Host, timedOut: context.Cause(ctx) == errDeadline, err: err}
		cancel()
		return nil, err
	}
	resp.Body = &timedBody{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, host: target.Host}
	g.pace.note(host, resp)
	if host == authority(g.origin) {
		g.skew.note(resp.Header, asked, g.pace.now())
	}
	return resp, nil
}

// permit decides whether a request may be sent at all.
func (g *guard) permit(req *http.Request, target *url.URL) error {
	if target.Scheme != "http" && target.Scheme != "https" {
		return look(inventory.ReasonRegistryInconsistent, nil,
			"The registry %s sends its clients to an address that isn't http or https; that is refused.", g.origin.Host)
	}
	if g.origin.Scheme == "https" && target.Scheme == "http" {
		return g.downgrade(target)
	}
	if authority(target) == authority(g.origin) {
		if target.Scheme != g.origin.Scheme {
			return errScheme
		}
		return nil
	}
	if req.Context().Value(elsewhere) != nil {
		if req.Header.Get("Authorization") != "" {
			return look(inventory.ReasonRegistryInconsistent, nil, "Credentials of %s were about to be sent to %s; that is refused.", g.origin.Host, inventory.Visible(clip(target.Host)))
		}
		return nil
	}
	return g.permitToken(target)
}

func (g *guard) downgrade(target *url.URL) error {
	return look(inventory.ReasonRegistryInconsistent, nil,
		"The registry %s sends its clients from https down to plain http at %s; that is refused.", g.origin.Host, inventory.Visible(clip(target.Host)))
}

// permitToken decides whether a token service may be asked. Everything that
// isn't sent to the registry itself, or follows a redirect without credentials,
// is a token request.
func (g *guard) permitToken(target *url.URL) error {
	if authority(target) == authority(g.origin) {
		return nil
	}
	for _, h := range g.tokens {
		if h == strings.ToLower(target.Hostname()) || h == strings.ToLower(target.Host) || h == authority(target) {
			return nil
		}
	}
	for _, h := range wellKnownTokenHosts[g.origin.Host] {
		if h+":443" == authority(target) && target.Scheme == "https" {
			return nil
		}
	}
	host := inventory.Visible(clip(target.Host))
	return look(inventory.ReasonRegistryDenied, nil,
		"The registry %s wants its credentials taken to a token service at %s, which isn't known to belong to it; nothing was sent. If it does belong to it, add %s to token_hosts of this registry.",
		g.origin.Host, host, host)
}

// authority is host:port in lower case, the port always there.
func authority(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

// timedBody ends its request's deadline when it is closed, and names the
// deadline when that is what ended the reading.
type timedBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelFunc
	host   string
	once   sync.Once
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = &requestError{host: b.host, timedOut: context.Cause(b.ctx) == errDeadline, reading: true, err: err}
	}
	return n, err
}

func (b *timedBody) Close() error {
	err := b.ReadCloser.Close()
	b.once.Do(b.cancel)
	return err
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
