package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"signboard/inventory"
)

// Config says which registry to read, and how.
type Config struct {
	Name string // for logging
	// URL is scheme, host and port: https://registry.example.com:5000. Without a
	// scheme it is https; plain HTTP has to be written out.
	URL string
	// Repositories narrows the catalog. When each one is a plain name, the
	// catalog isn't asked. None means all.
	Repositories []inventory.Glob
	// AllowPrivate lets the registry, its token service and its blob storage
	// live on private and loopback addresses. Link-local, cloud metadata and
	// multicast addresses are never dialled.
	AllowPrivate bool
	// Username and Password, both or neither; or Token alone, which is sent to the
	// registry's own host as the bearer token that it is, and exchanged for
	// nothing. (A token that a token service exchanges, an identity token, belongs
	// into Docker's config.json.) Without either, config.json (DOCKER_CONFIG) and
	// its credential helpers are asked, and then what the clouds and GitHub give
	// to the machines and jobs that run there.
	Username, Password, Token string
	// ReadSecret, when set, answers what Password, or without a Username what
	// Token, is now. It is asked whenever credentials are looked up: every half
	// hour, and when they are refused.
	ReadSecret func() (string, error)
	// TokenHosts are the hosts, with or without a port, where the registry's
	// token service may be beside the registry's own host. Without a port any
	// port of the host will do.
	TokenHosts []string
	UserAgent  string         // default "signboard"
	Logger     *slog.Logger   // default: discards
	RootCAs    *x509.CertPool // default: the system's; see ReadCA
	// ClientCertificate is shown to the registry and its token service, to no
	// other host; see ReadClientCertificate. May be nil.
	ClientCertificate func() (*tls.Certificate, error)
	// Proxy is the address of a proxy for all that is read for this registry,
	// NoProxy, or empty: then HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide.
	Proxy  string
	Limits Limits

	// Now and Wait stand in for the clock in tests. Wait returns early with the
	// context's error.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error
}

// Limits bound what one registry can cost. A zero field means the default.
type Limits struct {
	RequestTimeout time.Duration // one request, from connecting to the last byte of its body
	ListingTimeout time.Duration // one listing with all its pages
	RetryTime      time.Duration // after this long no further attempt of a request is made
	MaxWait        time.Duration // a host that asks for a longer pause isn't waited for
	MaxPause       time.Duration // a host's Retry-After is believed up to here
	Attempts       int           // of one request

	ManifestBytes int64 // of one manifest, and of one page of referrers
	ListingBytes  int64 // of one page of tags or of the catalog
	Pages         int   // of one listing
	Entries       int   // of one listing
	Referrers     int   // of one image
	Redirects     int   // of one request

	Concurrent        int     // requests in flight
	RequestsPerSecond float64 // to one host, in the long run
}

// The defaults of Limits.
const (
	DefaultRequestTimeout = 30 * time.Second
	DefaultListingTimeout = 10 * time.Minute
	DefaultRetryTime      = time.Minute
	DefaultMaxWait        = 30 * time.Second
	DefaultMaxPause       = 2 * time.Minute
	DefaultAttempts       = 4

	DefaultManifestBytes = 4 << 20
	DefaultListingBytes  = 16 << 20
	DefaultPages         = 5_000
	DefaultEntries       = 200_000
	DefaultReferrers     = 10_000
	DefaultRedirects     = 5

	DefaultConcurrent = 32
	// DefaultRequestsPerSecond is for registries out on the internet; one that
	// may be on a private address is taken to be the user's own, and gets
	// DefaultPrivateRequestsPerSecond.
	DefaultRequestsPerSecond        = 100
	DefaultPrivateRequestsPerSecond = 10_000
)

func (l Limits) withDefaults(private bool) Limits {
	rate := float64(DefaultRequestsPerSecond)
	if private {
		rate = DefaultPrivateRequestsPerSecond
	}
	return Limits{
		RequestTimeout:    cmp.Or(l.RequestTimeout, DefaultRequestTimeout),
		ListingTimeout:    cmp.Or(l.ListingTimeout, DefaultListingTimeout),
		RetryTime:         cmp.Or(l.RetryTime, DefaultRetryTime),
		MaxWait:           cmp.Or(l.MaxWait, DefaultMaxWait),
		MaxPause:          cmp.Or(l.MaxPause, DefaultMaxPause),
		Attempts:          cmp.Or(l.Attempts, DefaultAttempts),
		ManifestBytes:     cmp.Or(l.ManifestBytes, DefaultManifestBytes),
		ListingBytes:      cmp.Or(l.ListingBytes, DefaultListingBytes),
		Pages:             cmp.Or(l.Pages, DefaultPages),
		Entries:           cmp.Or(l.Entries, DefaultEntries),
		Referrers:         cmp.Or(l.Referrers, DefaultReferrers),
		Redirects:         cmp.Or(l.Redirects, DefaultRedirects),
		Concurrent:        cmp.Or(l.Concurrent, DefaultConcurrent),
		RequestsPerSecond: cmp.Or(l.RequestsPerSecond, rate),
	}
}

// origin reads the URL of the configuration.
func (c Config) origin() (*url.URL, error) {
	refuse := func(why string) error {
		return inventory.Errorf(inventory.Invalid, "the url %q of registry %q %s; it looks like https://registry.example.com:5000", c.URL, c.Name, why)
	}
	text := strings.TrimSpace(c.URL)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, inventory.Errorf(inventory.Invalid, "the url of registry %q can't be read; it looks like https://registry.example.com:5000", c.Name)
	case u.User != nil:
		return nil, inventory.Errorf(inventory.Invalid, "the url of registry %q holds credentials: write them as username and password_file", c.Name)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, refuse("has to begin with https:// or http://")
	case u.Hostname() == "":
		return nil, refuse("names no host")
	case strings.Trim(u.Path, "/") != "" && strings.Trim(u.Path, "/") != "v2" || u.RawQuery != "" || u.Fragment != "":
		return nil, refuse("may not go on after the host: a registry's API is always at /v2/")
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

// tokenHosts normalises TokenHosts.
func (c Config) tokenHosts() ([]string, error) {
	var hosts []string
	for _, h := range c.TokenHosts {
		h = strings.ToLower(strings.TrimSpace(h))
		if u, err := url.Parse("//" + h); err != nil || h == "" || u.Host != h || u.Hostname() == "" {
			return nil, inventory.Errorf(inventory.Invalid, "%q in token_hosts of registry %q is not a host: write it like auth.example.com or auth.example.com:8443", h, c.Name)
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting %s: %w", d.Round(time.Millisecond), context.Cause(ctx))
	}
}
