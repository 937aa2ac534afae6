package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"signboard/inventory"
	"signboard/inventory/registry"
	"signboard/inventory/registry/listing"
	"signboard/web"
	"signboard/web/session"
)

// Config is signboard.yaml. Its keys are the outside contract; an unknown one
// is refused.
type Config struct {
	Listen     string           `koanf:"listen"`
	BaseURL    string           `koanf:"base_url"`
	Proxies    []string         `koanf:"trusted_proxies"`
	Metrics    string           `koanf:"metrics_listen"`
	Database   string           `koanf:"database"`
	Registries []RegistryConfig `koanf:"registries"`
	OIDC       *OIDCConfig      `koanf:"oidc"`
	Teams      []TeamConfig     `koanf:"teams"`
	Trust      TrustConfig      `koanf:"trust"`
	Review     ReviewConfig     `koanf:"review"`
	Audit      AuditConfig      `koanf:"audit"`
	Retention  RetentionConfig  `koanf:"retention"`

	teams   []inventory.Team
	proxies []netip.Prefix
}

// RegistryConfig is one registry to keep in step with.
type RegistryConfig struct {
	Name         string        `koanf:"name"`
	URL          string        `koanf:"url"`
	Repositories []string      `koanf:"repositories"`
	Tags         []string      `koanf:"tags"`
	Interval     time.Duration `koanf:"interval"`
	AllowPrivate bool          `koanf:"allow_private"`
	Username     string        `koanf:"username"`
	Password     string        `koanf:"password"`
	PasswordFile string        `koanf:"password_file"` // read again when it is looked up
	Token        string        `koanf:"token"`         // a bearer token that the registry takes as it is
	TokenFile    string        `koanf:"token_file"`    // read again likewise
	TokenHosts   []string      `koanf:"token_hosts"`
	HookSecret   string        `koanf:"hook_secret"`

	// How the repositories are found: see package listing.
	Listing         string `koanf:"listing"`
	ListingURL      string `koanf:"listing_url"`
	ListingUsername string `koanf:"listing_username"`
	ListingToken    string `koanf:"listing_token"`

	CA                string `koanf:"ca"` // certificates, beside the system's
	ClientCertificate string `koanf:"client_certificate"`
	ClientKey         string `koanf:"client_key"`
	Proxy             string `koanf:"proxy"` // an address, none, or empty for the environment's

	registry inventory.Registry
	roots    *x509.CertPool
	shown    func() (*tls.Certificate, error)
	secret   func() (string, error)
}

// OIDCConfig is the OpenID provider people sign in with.
type OIDCConfig struct {
	IssuerURL    string              `koanf:"issuer_url"`
	ClientID     string              `koanf:"client_id"`
	ClientSecret string              `koanf:"client_secret"`
	Scopes       []string            `koanf:"scopes"`
	GroupsClaim  string              `koanf:"groups_claim"`
	Roles        map[string][]string `koanf:"roles"`
	CA           string              `koanf:"ca"` // certificates, beside the system's

	SessionLifetime time.Duration `koanf:"session_lifetime"`
	SessionIdle     time.Duration `koanf:"session_idle"`

	roles map[inventory.Role][]string
	roots *x509.CertPool
}

// TeamConfig says which repositories a team owns.
type TeamConfig struct {
	Name         string   `koanf:"name"`
	Groups       []string `koanf:"groups"`
	Repositories []string `koanf:"repositories"`
}

// ReviewConfig says how decisions are made.
type ReviewConfig struct {
	Approvers int `koanf:"approvers"`
}

// check refuses values that can't work, and fills in what follows from others.
func (c *Config) check() error {
	if c.BaseURL == "" {
		c.BaseURL = "http://" + c.Listen
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return fmt.Errorf("base_url: expected the address browsers use, as https://signboard.example.com, found %q", c.BaseURL)
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if err := c.checkMetrics(); err != nil {
		return err
	}
	if c.proxies, err = proxies(c.Proxies); err != nil {
		return err
	}
	if !strings.HasPrefix(c.Database, "sqlite:") && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		return errors.New("database: expected sqlite:FILE or postgres://USER@HOST/NAME")
	}
	if c.Review.Approvers != 1 && c.Review.Approvers != 2 {
		return fmt.Errorf("review.approvers: expected 1 or 2, found %d", c.Review.Approvers)
	}
	seen := map[string]bool{}
	for i := range c.Registries {
		r := &c.Registries[i]
		at := fmt.Sprintf("registries[%d]", i)
		if r.Name == "" || strings.ContainsAny(r.Name, "/ \t\n@:") {
			return fmt.Errorf("%s.name: expected a short name without spaces, slashes, @ and colons, found %q", at, r.Name)
		}
		if seen[r.Name] {
			return fmt.Errorf("%s.name: two registries are called %q", at, r.Name)
		}
		seen[r.Name] = true
		if err := r.check(at); err != nil {
			return err
		}
	}
	if err := c.Trust.check(c.Registries); err != nil {
		return err
	}
	if err := c.Retention.check(); err != nil {
		return err
	}
	if err := c.Audit.check(c.Registries); err != nil {
		return err
	}
	clear(seen)
	for i, t := range c.Teams {
		at := fmt.Sprintf("teams[%d]", i)
		if t.Name == "" || t.Name == inventory.NoTeam || seen[t.Name] {
			return fmt.Errorf("%s.name: expected a name that no other team has, found %q", at, t.Name)
		}
		if t.Name == "." || t.Name == ".." || strings.ContainsFunc(t.Name, unicode.IsControl) { // browsers take dots out of addresses
			return fmt.Errorf("%s.name: expected a name that can stand in the address of the team's page, found %q", at, t.Name)
		}
		seen[t.Name] = true
		globs, err := inventory.ParseGlobs(t.Repositories)
		if err != nil {
			return fmt.Errorf("%s.repositories: %v", at, err)
		}
		c.teams = append(c.teams, inventory.Team{Name: t.Name, Groups: t.Groups, Repositories: globs})
	}
	if c.OIDC != nil {
		return c.OIDC.check()
	}
	if !web.Loopback(c.Listen) {
		return fmt.Errorf("oidc: without it nobody signs in, so Signboard listens on this machine only; configure oidc, or set listen to 127.0.0.1:8080 instead of %s", c.Listen)
	}
	return nil
}

// proxies reads the networks of reverse proxies, each an address or a prefix.
func proxies(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for i, text := range list {
		p, err := netip.ParsePrefix(text)
		if one, notOne := netip.ParseAddr(text); notOne == nil && one.Zone() == "" {
			p, err = one.Prefix(one.BitLen())
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("trusted_proxies[%d]: expected an address or a network, as 10.0.0.5 or 10.0.0.0/8, found %q", i, text)
		case p.Addr().Is4In6():
			return nil, fmt.Errorf("trusted_proxies[%d]: expected an IPv4 network as 10.0.0.0/8, not inside IPv6, found %q", i, text)
		case p.Bits() == 0:
			return nil, fmt.Errorf("trusted_proxies[%d]: %s is everybody, who could then say any address; expected the networks of your proxies", i, text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

func (r *RegistryConfig) check(at string) error {
	if r.URL == "" {
		return fmt.Errorf("%s.url: expected the registry's address, as https://registry.example.com", at)
	}
	if !strings.Contains(r.URL, "://") {
		r.URL = "https://" + r.URL
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("%s.url: expected the registry's address without a path, as https://registry.example.com, found %q", at, r.URL)
	}
	r.URL = u.Scheme + "://" + u.Host
	if len(r.Repositories) == 0 {
		r.Repositories = []string{"**"}
	}
	if len(r.Tags) == 0 {
		r.Tags = []string{"**"}
	}
	repositories, err := inventory.ParseGlobs(r.Repositories)
	if err != nil {
		return fmt.Errorf("%s.repositories: %v", at, err)
	}
	tags, err := inventory.ParseGlobs(r.Tags)
	if err != nil {
		return fmt.Errorf("%s.tags: %v", at, err)
	}
	if r.Interval == 0 {
		r.Interval = 15 * time.Minute
	}
	if r.Interval < 10*time.Second {
		return fmt.Errorf("%s.interval: expected at least 10s, found %s", at, r.Interval)
	}
	if err := checkHookSecret(at, r.HookSecret); err != nil {
		return err
	}
	r.registry = inventory.Registry{Name: r.Name, URL: r.URL, Interval: r.Interval, Repositories: repositories, Tags: tags}
	if err := r.checkAccess(at); err != nil {
		return err
	}
	if problem := r.listing().Check(); problem != nil {
		return fmt.Errorf("%s.%s: %s", at, problem.Key, problem.Message)
	}
	return nil
}

// listing says how the registry's repositories are found.
func (r *RegistryConfig) listing() listing.Config {
	return listing.Config{
		Registry: r.URL, Repositories: r.registry.Repositories, AllowPrivate: r.AllowPrivate,
		Way: r.Listing, URL: r.ListingURL, Username: r.ListingUsername, Token: r.ListingToken,
	}
}

// checkAccess refuses credentials, certificates and proxies that can't work.
func (r *RegistryConfig) checkAccess(at string) error {
	file, secret := "", &r.Password
	switch {
	case r.Password != "" && r.PasswordFile != "":
		return fmt.Errorf("%s: give either password or password_file, not both", at)
	case r.Token != "" && r.TokenFile != "":
		return fmt.Errorf("%s: give either token or token_file, not both", at)
	case (r.Token != "" || r.TokenFile != "") && (r.Username != "" || r.Password != "" || r.PasswordFile != ""):
		return fmt.Errorf("%s: give either username and password, or a token", at)
	case (r.Username != "") != (r.Password != "" || r.PasswordFile != ""):
		return fmt.Errorf("%s: give both username and password (or password_file), or neither", at)
	case r.PasswordFile != "":
		file = r.PasswordFile
	case r.TokenFile != "":
		file, secret = r.TokenFile, &r.Token
	}
	if file != "" {
		r.secret = func() (string, error) { return readSecret(file) }
		var err error
		if *secret, err = r.secret(); err != nil {
			return fmt.Errorf("%s.%s: %v", at, map[bool]string{true: "password_file", false: "token_file"}[r.PasswordFile != ""], err)
		}
	}
	for key, value := range map[string]string{"ca": r.CA, "client_certificate": r.ClientCertificate, "client_key": r.ClientKey} {
		if strings.ContainsAny(value, "\r\n") { // perhaps a key, so it isn't repeated
			return fmt.Errorf("%s.%s: expected the name of a file, found what may be its content; write %s: FILE, without _file", at, key, key)
		}
	}
	var err error
	if r.CA != "" {
		if r.roots, err = registry.ReadCA(r.CA); err != nil {
			return fmt.Errorf("%s.ca: %v", at, err)
		}
	}
	if r.ClientCertificate != "" || r.ClientKey != "" {
		if r.ClientCertificate == "" || r.ClientKey == "" {
			return fmt.Errorf("%s: give both client_certificate and client_key, or neither", at)
		}
		if r.shown, err = registry.ReadClientCertificate(r.ClientCertificate, r.ClientKey); err != nil {
			return fmt.Errorf("%s.client_certificate: %v", at, err)
		}
	}
	if _, err := registry.ParseProxy(r.Proxy); err != nil {
		return fmt.Errorf("%s.proxy: %v", at, err)
	}
	return nil
}

// readSecret reads a file that holds a secret, without its last line break.
func readSecret(file string) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("the file can't be read: %w", err)
	}
	secret := strings.TrimRight(string(raw), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("the file %s is empty", file)
	}
	return secret, nil
}

func (o *OIDCConfig) check() error {
	u, err := url.Parse(o.IssuerURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("oidc.issuer_url: expected the provider's address, as https://login.example.com, found %q", o.IssuerURL)
	}
	if o.ClientID == "" {
		return errors.New("oidc.client_id: expected the id that the provider gave this program")
	}
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"openid", "profile", "email", "groups"}
	}
	if !slices.Contains(o.Scopes, "openid") {
		return errors.New("oidc.scopes: expected openid among them")
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = "groups"
	}
	if len(o.Roles) == 0 {
		return errors.New(`oidc.roles: expected who may do what, as {viewer: ["*"], reviewer: [security], admin: [platform]}`)
	}
	if o.CA != "" {
		if o.roots, err = registry.ReadCA(o.CA); err != nil {
			return fmt.Errorf("oidc.ca: %v", err)
		}
	}
	if o.SessionLifetime == 0 {
		o.SessionLifetime = session.DefaultLifetime
	}
	if o.SessionIdle == 0 {
		o.SessionIdle = min(session.DefaultIdle, o.SessionLifetime)
	}
	if o.SessionLifetime < 5*time.Minute || o.SessionLifetime > 30*24*time.Hour {
		return fmt.Errorf("oidc.session_lifetime: expected 5m to 720h, found %s", o.SessionLifetime)
	}
	if o.SessionIdle < 5*time.Minute || o.SessionIdle > o.SessionLifetime {
		return fmt.Errorf("oidc.session_idle: expected 5m to oidc.session_lifetime, which is %s, found %s", o.SessionLifetime, o.SessionIdle)
	}
	o.roles = map[inventory.Role][]string{}
	for role, groups := range o.Roles {
		r, err := inventory.ParseRole(role)
		if err != nil {
			return fmt.Errorf("oidc.roles: %v", err)
		}
		o.roles[r] = groups
	}
	return nil
}
