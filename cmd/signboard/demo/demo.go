// Package demo holds the two peers that `signboard demo` brings along so that
// the product can be tried without either of its own: an OCI registry filled
// with one made-up organisation's images, signed for real at every start, and
// an OpenID provider with three people to choose from. Both are served over
// HTTP on loopback and the product talks to them as it talks to anybody's. The
// signers sign with keys, with a Sigstore instance of the demo's own and with
// certificates; what has to be known of those to verify is handed out for the
// product's configuration.
//
// It is not a back door: nothing here knows the database, the verifiers or the
// policy, and deleting this folder deletes the feature.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"signboard/inventory"
)

// RegistryName is what the demo's registry has to be called in the product's
// configuration: teams and scopes are written with it.
const RegistryName = "demo"

// Options says where the peers stand.
type Options struct {
	// BaseURL is Signboard's own, such as http://127.0.0.1:8080. The provider
	// sends people back to BaseURL + CallbackPath and nowhere else.
	BaseURL string
	// RegistryAddr and OIDCAddr are host:port on loopback; empty means any free
	// port of 127.0.0.1.
	RegistryAddr, OIDCAddr string
	// Logger may be nil.
	Logger *slog.Logger
}

// CallbackPath is where the provider returns to, below Options.BaseURL.
const CallbackPath = "/auth/callback"

// Demo is a running registry and a running provider.
type Demo struct {
	registry *peer
	oidc     *peer
	provider *provider
	keys     *keyring
	push     pusher

	sigstore  *sigstore // the organisation's own
	elsewhere *sigstore // another, which the product isn't told of
	notary    *notary
}

// Start makes new keys and starts both peers; the registry is empty until Push.
// ctx bounds the start only: the peers run until Close. An address that is in
// use or isn't on loopback is an inventory.Error.
func Start(ctx context.Context, opts Options) (*Demo, error) {
	logger := opts.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	base, err := url.Parse(opts.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, inventory.Errorf(inventory.Invalid, "The demo needs Signboard's own address, like http://127.0.0.1:8080; %q is none.", opts.BaseURL)
	}
	d := &Demo{}
	if d.keys, err = newKeyring(); err != nil {
		return nil, err
	}
	if d.sigstore, err = newSigstore("Larkfield Sigstore", "larkfield.example"); err != nil {
		return nil, err
	}
	if d.elsewhere, err = newSigstore("Mirrors Sigstore", "mirrors.example"); err != nil {
		return nil, err
	}
	if d.notary, err = newNotary(); err != nil {
		return nil, err
	}
	if d.registry, err = listen(ctx, "registry", opts.RegistryAddr, logger); err != nil {
		return nil, err
	}
	if d.oidc, err = listen(ctx, "sign-in", opts.OIDCAddr, logger); err != nil {
		d.registry.close()
		return nil, err
	}
	if d.provider, err = newProvider(d.oidc.url(), strings.TrimRight(opts.BaseURL, "/"), logger); err != nil {
		d.registry.close()
		d.oidc.close()
		return nil, err
	}
	d.push = newPusher(d.registry.url())
	d.registry.serve(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	d.oidc.serve(d.provider)
	return d, nil
}

// Close stops both peers; what the registry held is gone. It may be called
// more than once.
func (d *Demo) Close() error {
	d.push.client.CloseIdleConnections()
	return errors.Join(d.registry.close(), d.oidc.close())
}

// RegistryURL is the registry's address, without a slash at its end.
func (d *Demo) RegistryURL() string { return d.registry.url() }

// Issuer is the provider's issuer; discovery works below it.
func (d *Demo) Issuer() string { return d.provider.issuer }

// ClientID and ClientSecret are the provider's only client. The secret is new
// at every start.
func (d *Demo) ClientID() string     { return clientID }
func (d *Demo) ClientSecret() string { return d.provider.secret }

// peer is a server on loopback.
type peer struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{} // closed when the server has ended; nil before it serves
}

// listen binds an address, which has to be on loopback: neither peer asks
// anybody for a password.
func listen(ctx context.Context, what, address string, logger *slog.Logger) (*peer, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil || !loopback(host) {
		return nil, inventory.Errorf(inventory.Invalid, "The demo's %s listens on this machine only, at an address like 127.0.0.1:5000; %q is none.", what, address)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, &inventory.Error{
			Kind:    inventory.Unavailable,
			Message: fmt.Sprintf("The demo's %s can't listen on %s. Choose another address, or port 0 for any free one.", what, address),
			Err:     err,
		}
	}
	return &peer{listener: l, server: &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}}, nil
}

func (p *peer) url() string { return "http://" + p.listener.Addr().String() }

func (p *peer) serve(h http.Handler) {
	p.server.Handler = namedLocally(h)
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		if err := p.server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
			p.server.ErrorLog.Printf("the demo's server on %s ended: %v", p.listener.Addr(), err)
		}
	}()
}

func (p *peer) close() error {
	if p.done == nil {
		return p.listener.Close()
	}
	err := p.server.Close()
	<-p.done
	return err
}

// namedLocally refuses requests that reached loopback under another name: a
// web page elsewhere can point its own name here (DNS rebinding), and neither
// peer asks who is calling.
func namedLocally(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !loopback(strings.Trim(host, "[]")) {
			http.Error(w, "This is a demo on one machine; it answers to localhost only.", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
