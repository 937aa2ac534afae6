package registry

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"signboard/inventory"
)

// Client reads one registry. It is safe for concurrent use; everything it
// remembers (connections, tokens, pauses, what is supported) is bounded.
type Client struct {
	name     string
	config   Config // as it was given, for services on other hosts
	dialer   dialer
	origin   *url.URL
	address  string // what of the configuration to look at when nothing is there
	globs    []inventory.Glob
	limits   Limits
	log      *slog.Logger
	now      func() time.Time
	sleep    func(context.Context, time.Duration) error
	guard    *guard
	auth     *auth
	permits  chan struct{}
	referral capability
	repeats  repeats
	silence  silence
	retried  *atomic.Int64 // shared with its services
	spared   atomic.Int64  // questions that weren't asked
}

// New makes a client. It fails on a configuration that can't be right, with an
// inventory.Error that names the key; it doesn't contact the registry.
func New(cfg Config) (*Client, error) {
	return newClient(cfg, dialer{allowPrivate: cfg.AllowPrivate})
}

func newClient(cfg Config, d dialer) (*Client, error) {
	origin, err := cfg.origin()
	if err != nil {
		return nil, err
	}
	tokens, err := cfg.tokenHosts()
	if err != nil {
		return nil, err
	}
	switch given := cfg.ReadSecret != nil; {
	case cfg.Token != "" && (cfg.Username != "" || cfg.Password != ""):
		return nil, inventory.Errorf(inventory.Invalid, "registry %q needs either username and password, or a token", cfg.Name)
	case (cfg.Username == "") != (cfg.Password == "") && !given:
		return nil, inventory.Errorf(inventory.Invalid, "registry %q needs both username and password, or neither", cfg.Name)
	}
	var options []name.Option
	if origin.Scheme == "http" {
		options = append(options, name.Insecure)
	}
	reg, err := name.NewRegistry(origin.Host, options...)
	if err != nil {
		return nil, inventory.Errorf(inventory.Invalid, "the url of registry %q names the host %q, which can't be one", cfg.Name, origin.Host)
	}
	origin.Host = reg.RegistryStr() // docker.io is index.docker.io
	resource := reg
	if origin.Host == "registry-1.docker.io" { // where its credentials are kept
		resource, _ = name.NewRegistry(name.DefaultRegistry)
	}

	limits := cfg.Limits.withDefaults(cfg.AllowPrivate)
	way, err := newRoute(cfg, limits, d)
	if err != nil {
		return nil, inventory.Errorf(inventory.Invalid, "the proxy of registry %q can't be used: %v", cfg.Name, err)
	}
	c := &Client{
		name: cfg.Name, config: cfg, dialer: d, origin: origin, address: "the registry's url", globs: cfg.Repositories, limits: limits,
		log: cfg.Logger, now: cfg.Now, sleep: cfg.Wait,
		permits: make(chan struct{}, limits.Concurrent), retried: &atomic.Int64{},
	}
	if len(c.globs) == 0 {
		c.globs = []inventory.Glob{"**"}
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.sleep == nil {
		c.sleep = sleep
	}
	c.guard = &guard{
		inner: way, origin: origin, tokens: tokens, timeout: limits.RequestTimeout,
		userAgent: cmp.Or(cfg.UserAgent, "signboard"),
		pace:      newPace(limits, c.now, c.sleep),
	}
	c.auth = &auth{client: c, registry: reg, resource: resource, sessions: map[string]session{}}
	if cfg.Username != "" || cfg.Token != "" || cfg.ReadSecret != nil {
		c.auth.own = c.ownCredentials
		if origin.Scheme == "http" && !cfg.AllowPrivate {
			c.log.Warn("credentials travel unencrypted", "registry", cfg.Name, "url", origin.String())
		}
	}
	c.referral = capability{now: c.now}
	c.silence = silence{now: c.now}
	return c, nil
}

// ownCredentials are the configured ones, as they are now.
func (c *Client) ownCredentials() (authn.Authenticator, error) {
	username, password, token := c.config.Username, c.config.Password, c.config.Token
	if c.config.ReadSecret != nil {
		secret, err := c.config.ReadSecret()
		if err != nil {
			return nil, look(inventory.ReasonRegistryDenied, err, "The credentials configured for %s can't be read: check password_file or token_file of this registry.", c.origin.Host)
		}
		if password = secret; username == "" {
			password, token = "", secret
		}
	}
	return authn.FromConfig(authn.AuthConfig{Username: username, Password: password, RegistryToken: token}), nil
}

// Traffic is what was sent so far, redirects, token requests and those of its
// services included. Saved holds what the client itself knows of: questions to a
// referrers API that isn't there.
func (c *Client) Traffic() inventory.Traffic {
	return inventory.Traffic{Requests: c.guard.requests.Load(), Retried: c.retried.Load(), Saved: c.spared.Load()}
}

// Ping asks whether there is a registry at the other end that talks to us. It
// says nothing of any repository.
func (c *Client) Ping(ctx context.Context) error {
	q := request{method: http.MethodGet, url: c.url("/v2/", nil), stay: true, max: maxErrorBytes, what: "its API at /v2/"}
	a, err := c.do(ctx, q)
	switch {
	case err != nil:
		return err
	case a.status == http.StatusOK && web(a):
		return c.notRegistry(q)
	case a.status == http.StatusOK:
		return nil
	case (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden) && c.auth.anonymousToken(ctx):
		return nil // some give tokens for repositories only
	}
	return c.refusal(q, a)
}

func (c *Client) url(path string, query url.Values) *url.URL {
	u := *c.origin
	u.Path, u.RawQuery = path, query.Encode()
	return &u
}

const catalogScope = "registry:catalog:*"

func pullScope(repository string) string { return "repository:" + repository + ":pull" }
