package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// NoProxy is a Config.Proxy that goes to every host directly, whatever the
// environment says.
const NoProxy = "none"

const (
	resolveTimeout = 2 * time.Second // what isn't resolved by then is left to the proxy
	resolvedAge    = time.Minute
	maxResolved    = 256 // names remembered
)

// ParseProxy reads a Config.Proxy; nil without an error means none or the
// environment's. Its errors never hold the address, which may hold a password.
func ParseProxy(text string) (*url.URL, error) {
	if text == "" || text == NoProxy {
		return nil, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Host == "", u.Hostname() == "", strings.Trim(u.Path, "/") != "", u.RawQuery != "", u.Fragment != "":
	case u.Scheme == "http", u.Scheme == "https", u.Scheme == "socks5", u.Scheme == "socks5h":
		u.Path = ""
		return u, nil
	}
	return nil, errors.New("expected none, or the proxy's address, as http://proxy.example.com:3128")
}

// route takes each request to its host, through a proxy where there is one.
// Addresses are checked when they are dialled; through a proxy, before it is
// asked (docs/decisions/0007).
type route struct {
	dialer   dialer
	proxy    func(*url.URL) (*url.URL, error) // nil for none
	explicit bool                             // the proxy is the registry's own, not the environment's
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)

	direct, proxied pool

	mu       sync.Mutex
	resolved map[string]resolved
	secure   map[string]string // host and port of each proxy that is spoken TLS with, and its name
}

// pool is the connections of one way: own shows the client certificate, plain
// doesn't.
type pool struct{ own, plain *http.Transport }

type resolved struct {
	addresses []netip.Addr
	at        time.Time
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// newRoute makes the way to the hosts of one registry. cfg.Proxy was checked.
func newRoute(cfg Config, limits Limits, d dialer) (*route, error) {
	explicit, err := ParseProxy(cfg.Proxy)
	if err != nil {
		return nil, err
	}
	r := &route{dialer: d, explicit: explicit != nil, resolved: map[string]resolved{}, secure: map[string]string{},
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}}
	switch {
	case explicit != nil:
		r.proxy = func(*url.URL) (*url.URL, error) { return explicit, nil }
	case cfg.Proxy != NoProxy:
		r.proxy = httpproxy.FromEnvironment().ProxyFunc()
	}
	pools := func(dial dialFunc, proxy func(*http.Request) (*url.URL, error)) pool {
		p := pool{plain: newTransport(cfg, limits, dial, nil)}
		p.own = p.plain
		if cfg.ClientCertificate != nil {
			p.own = newTransport(cfg, limits, dial, cfg.ClientCertificate)
		}
		for _, t := range []*http.Transport{p.own, p.plain} {
			t.Proxy, t.OnProxyConnectResponse = proxy, connected
		}
		return p
	}
	r.direct = pools(d.dial, nil)
	if r.proxy != nil {
		r.proxied = pools(r.dialProxy(cfg), func(req *http.Request) (*url.URL, error) {
			via, _ := req.Context().Value(viaProxy).(*url.URL)
			return via, nil
		})
	}
	return r, nil
}

// RoundTrip sends a request on its way. Requests that follow a redirect
// elsewhere never show the client certificate.
func (r *route) RoundTrip(req *http.Request) (*http.Response, error) {
	via, err := r.via(req.Context(), req.URL)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	way := r.direct
	if via != nil {
		way = r.proxied
		req = req.WithContext(context.WithValue(req.Context(), viaProxy, via))
	}
	transport := way.own
	if req.Context().Value(elsewhere) != nil {
		transport = way.plain
	}
	resp, err := transport.RoundTrip(req)
	if err == nil && via != nil && resp.StatusCode == http.StatusProxyAuthRequired {
		discard(resp)
		return nil, &proxyError{proxy: via.Host, status: resp.StatusCode}
	}
	return resp, err
}

// via is the proxy to ask for a URL, nil for none. What may not be dialled is
// refused here, as far as this machine can tell where the proxy would go.
func (r *route) via(ctx context.Context, u *url.URL) (*url.URL, error) {
	if r.proxy == nil {
		return nil, nil
	}
	proxy, err := r.proxy(u)
	if proxy == nil || err != nil {
		return nil, err
	}
	host := u.Hostname()
	addresses := r.addresses(ctx, host)
	loopback := len(addresses) > 0
	for _, a := range addresses {
		loopback = loopback && a.Unmap().IsLoopback()
		if netip.AddrPortFrom(a, 0).Addr() == r.dialer.exempt.Addr() && strings.HasSuffix(authority(u), fmt.Sprint(":", r.dialer.exempt.Port())) {
			continue
		}
		if why := refuse(a, r.dialer.allowPrivate); why != "" {
			return nil, &addressError{address: a.String(), why: why}
		}
	}
	if loopback && !r.explicit { // the proxy's loopback is another machine's
		return nil, nil
	}
	// Scheme http: where TLS is spoken with the proxy, dialProxy speaks it, with
	// a configuration of its own.
	to := *proxy
	if to.Scheme == "https" {
		to.Host, to.Scheme = authority(proxy), "http"
		r.mu.Lock()
		r.secure[to.Host] = proxy.Hostname()
		r.mu.Unlock()
	}
	return &to, nil
}

// addresses is where a host is, nothing when this machine can't tell.
func (r *route) addresses(ctx context.Context, host string) []netip.Addr {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	r.mu.Lock()
	known, ok := r.resolved[host]
	r.mu.Unlock()
	if ok && time.Since(known.at) < resolvedAge {
		return known.addresses
	}
	bounded, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addresses, err := r.lookup(bounded, host)
	if err != nil {
		addresses = nil
	}
	if ctx.Err() == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.resolved) >= maxResolved {
			clear(r.resolved)
		}
		r.resolved[host] = resolved{addresses: addresses, at: time.Now()}
	}
	return addresses
}

// dialProxy connects to a proxy. Its address is the operator's choice, and isn't
// checked.
func (r *route) dialProxy(cfg Config) dialFunc {
	nd := net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := nd.DialContext(ctx, network, address)
		if err != nil {
			return nil, &proxyError{proxy: address, err: err}
		}
		r.mu.Lock()
		name := r.secure[address]
		r.mu.Unlock()
		if name == "" {
			return conn, nil
		}
		secured := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs, ServerName: name})
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		if err := secured.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, &proxyError{proxy: address, err: err}
		}
		return secured, nil
	}
}

// connected reads what a proxy answers when it is asked for a connection.
func connected(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{proxy: proxy.Host, status: resp.StatusCode}
}

// proxyError is a request that got no further than the proxy.
type proxyError struct {
	proxy  string // host and port
	status int    // what the proxy answered, 0 when it didn't
	err    error
}

func (e *proxyError) Error() string {
	return "the proxy " + e.proxy + ": " + cmp.Or(http.StatusText(e.status), fmt.Sprint(e.err))
}

func (e *proxyError) Unwrap() error { return e.err }

// say puts it into a sentence without an end.
func (e *proxyError) say(target string) string {
	switch {
	case e.status == http.StatusProxyAuthRequired:
		return fmt.Sprintf("The proxy %s wants a user name and a password (407): write them into its address, under proxy of this registry or in HTTPS_PROXY, as http://name:password@proxy.example.com:3128", e.proxy)
	case e.status != 0:
		return fmt.Sprintf("The proxy %s doesn't connect us to %s: it answers %d %s. If it shouldn't be asked, name the host in NO_PROXY or set proxy: none for this registry", e.proxy, target, e.status, http.StatusText(e.status))
	case certificate(e.err):
		return fmt.Sprintf("The TLS certificate of the proxy %s can't be trusted (%s): name its CA under ca of this registry, or install it on this machine", e.proxy, certificateProblem(e.err))
	}
	return fmt.Sprintf("The proxy %s, through which %s is read, can't be reached: check proxy of this registry, or HTTPS_PROXY", e.proxy, target)
}
