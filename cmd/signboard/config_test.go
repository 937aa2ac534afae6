package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "signboard.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const whole = `
listen: 127.0.0.1:8080
metrics_listen: 127.0.0.1:9090
base_url: http://localhost:8080
trusted_proxies: [127.0.0.1, 10.0.0.0/8, "fd00::/8"]
database: sqlite:signboard.db
registries:
  - name: local
    url: http://127.0.0.1:5000
    repositories: ["**"]
    tags: ["**"]
    interval: 15m
    allow_private: true
    username: robot
    password: secret
    token_hosts: [auth.example.com]
    hook_secret: s
    listing: harbor
    listing_url: http://127.0.0.1:8080
    listing_username: robot$lister
    listing_token: secret
oidc:
  issuer_url: https://login.example.com
  client_id: signboard
  client_secret: secret
  scopes: [openid, profile, email, groups]
  groups_claim: groups
  roles: {viewer: ["*"], reviewer: [security], admin: [platform]}
  ca: acme-root.pem
  session_lifetime: 8h
  session_idle: 30m
teams:
  - {name: payments, groups: [payments-dev], repositories: ["local/team-payments/**"]}
trust:
  sigstore:
    - {name: public-good, tuf: public-good}
    - {name: private, trusted_root: trusted_root.json}
    - {name: mirrored, tuf: https://tuf.example.com, tuf_root: root.json, allow_private: true}
  notation:
    - {name: acme, type: ca, certificates: acme-root.pem}
    - {name: acme-tsa, type: tsa, certificates: acme-root.pem}
  notary:
    - registry: local
      url: https://127.0.0.1:4443
      ca: acme-root.pem
      pins: [{repositories: ["team-a/**"], root_keys: ["0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"]}]
review:
  approvers: 2
audit:
  checkpoint_file: checkpoint.txt
retention: {history: 30d, gone: forever}
`

func TestLoadConfig_readsTheWholeContract(t *testing.T) {
	trustFiles(t)
	c, err := loadConfig(write(t, whole), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Registries[0].Interval != 15*time.Minute || !c.Registries[0].AllowPrivate || c.Review.Approvers != 2 || len(c.teams) != 1 || fmt.Sprint(c.proxies) != "[127.0.0.1/32 10.0.0.0/8 fd00::/8]" {
		t.Errorf("got %+v", c)
	}
}

func TestLoadConfig_readsStandardInput(t *testing.T) {
	c, err := loadConfig("-", strings.NewReader("registries: [{name: local, url: 'http://127.0.0.1:5000'}]"))
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Registries[0].registry; r.URL != "http://127.0.0.1:5000" || r.Interval != 15*time.Minute || string(r.Repositories[0]) != "**" {
		t.Errorf("the defaults are %+v", r)
	}
}

func TestLoadConfig_urlWithoutSchemeIsHTTPS(t *testing.T) {
	c, err := loadConfig("-", strings.NewReader("registries: [{name: a, url: registry.example.com}]"))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Registries[0].registry.URL; got != "https://registry.example.com" {
		t.Errorf("url = %s", got)
	}
}

func TestLoadConfig_secretFromFile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig("-", strings.NewReader("registries: [{name: a, url: 'https://r.example.com', username: u, password_file: "+secret+"}]"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Registries[0].Password != "hunter2" {
		t.Errorf("password = %q", c.Registries[0].Password)
	}
}

func TestLoadConfig_environmentOverrides(t *testing.T) {
	trustFiles(t)
	t.Setenv("SIGNBOARD_LISTEN", "127.0.0.1:9999")
	t.Setenv("SIGNBOARD_REVIEW__APPROVERS", "2")
	t.Setenv("SIGNBOARD_OIDC__CLIENT_ID", "from-the-environment")
	t.Setenv("SIGNBOARD_TEST_POSTGRES", "the tests' own")
	c, err := loadConfig(write(t, whole), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:9999" || c.Review.Approvers != 2 || c.OIDC.ClientID != "from-the-environment" {
		t.Errorf("got %+v", c)
	}
}

// TestLoadConfig_refuses holds that each refusal names the file, the key and
// what was expected.
func TestLoadConfig_refuses(t *testing.T) {
	for name, test := range map[string]struct{ text, says string }{
		"an unknown key":               {"lisen: 127.0.0.1:1", "lisen: there is no such key; expected one of audit, base_url, database, listen"},
		"an unknown key deeper":        {"registries:\n  - name: a\n    ulr: x", "registries[0].ulr: there is no such key; expected one of allow_private"},
		"an unknown file twin":         {"database_fil: x", "database_fil"},
		"a list where keys belong":     {"oidc: [a]", "oidc"},
		"text where a number belongs":  {"review: {approvers: many}", "expected a number"},
		"a number of approvers":        {"review: {approvers: 3}", "review.approvers: expected 1 or 2"},
		"a duration without unit":      {"registries: [{name: a, url: 'https://x', interval: 15}]", "expected a duration such as 15m"},
		"an interval of no time":       {"registries: [{name: a, url: 'https://x', interval: 1s}]", "registries[0].interval: expected at least 10s"},
		"a registry without url":       {"registries: [{name: a}]", "registries[0].url: expected the registry's address"},
		"a registry url with a path":   {"registries: [{name: a, url: 'https://x/v2'}]", "without a path"},
		"a registry name with a slash": {"registries: [{name: a/b, url: 'https://x'}]", "registries[0].name"},
		"two registries of one name":   {"registries: [{name: a, url: 'https://x'}, {name: a, url: 'https://y'}]", "two registries are called"},
		"a pattern nobody can read":    {"registries: [{name: a, url: 'https://x', repositories: ['a**']}]", "registries[0].repositories"},
		"a listing nobody knows":       {"registries: [{name: a, url: 'https://x', listing: nexus}]", "registries[0].listing: expected one of auto, catalog, harbor"},
		"all of Docker Hub":            {"registries: [{name: a, url: 'https://docker.io'}]", "registries[0].repositories: Docker Hub can't list everything"},
		"GHCR without a token":         {"registries: [{name: a, url: 'https://ghcr.io', repositories: ['acme/**']}]", "registries[0].listing_token: expected a GitHub personal access token"},
		"GitLab without its address":   {"registries: [{name: a, url: 'https://x', listing: gitlab, repositories: ['acme/**']}]", "registries[0].listing_url: expected the address of GitLab itself"},
		"a listing token for nothing":  {"registries: [{name: a, url: 'https://x', listing_token: s}]", "registries[0].listing_token: it says nothing for the catalog"},
		"a listing URL with a query":   {"registries: [{name: a, url: 'https://x', listing: gitlab, listing_url: 'https://y?z', repositories: ['acme/**']}]", "registries[0].listing_url: the address"},
		"a listing name without token": {"registries: [{name: a, url: 'https://x', listing: harbor, listing_username: s}]", "registries[0].listing_token: expected it with listing_username"},
		"a database nobody knows":      {"database: mysql://x", "database: expected sqlite:FILE or postgres://"},
		"listening to all unprotected": {"listen: 0.0.0.0:8080", "without it nobody signs in"},
		"a role nobody knows":          {"oidc: {issuer_url: 'https://x', client_id: a, roles: {root: ['*']}}", "oidc.roles"},
		"scopes without openid":        {"oidc: {issuer_url: 'https://x', client_id: a, scopes: [email], roles: {viewer: ['*']}}", "oidc.scopes"},
		"an issuer with a query":       {"oidc: {issuer_url: 'https://x?y', client_id: a, roles: {viewer: ['*']}}", "oidc.issuer_url: expected the provider's address"},
		"sessions for ever":            {"oidc: {issuer_url: 'https://x', client_id: a, roles: {viewer: ['*']}, session_lifetime: 9000h}", "oidc.session_lifetime: expected 5m to 720h"},
		"sessions of no time":          {"oidc: {issuer_url: 'https://x', client_id: a, roles: {viewer: ['*']}, session_lifetime: 1s}", "oidc.session_lifetime: expected 5m"},
		"a session idle beyond itself": {"oidc: {issuer_url: 'https://x', client_id: a, roles: {viewer: ['*']}, session_lifetime: 1h, session_idle: 2h}", "oidc.session_idle: expected 5m to oidc.session_lifetime, which is 1h0m0s"},
		"an authority that is gone":    {"oidc: {issuer_url: 'https://x', client_id: a, roles: {viewer: ['*']}, ca: /nowhere/ca.pem}", "oidc.ca"},
		"a secret file that is gone":   {"oidc: {client_secret_file: /nowhere/secret}", "oidc.client_secret_file: the file can't be read"},
		"a secret file without one":    {"registries: [{name: a, url: 'https://x', hook_secret_file: /dev/null}]", "registries[0].hook_secret_file: the file /dev/null is empty"},
		"a hook secret of two lines":   {"registries: [{name: a, url: 'https://x', hook_secret: \"a\\nb\"}]", "registries[0].hook_secret: expected printable ASCII"},
		"a hook secret in spaces":      {"registries: [{name: a, url: 'https://x', hook_secret: ' a'}]", "registries[0].hook_secret: expected printable ASCII"},
		"a secret twice":               {"oidc: {client_secret: a, client_secret_file: /nowhere}", "not both"},
		"something that isn't YAML":    {"{{{", "this is not YAML"},
		"history without a unit":       {"retention: {history: 365}", "expected how long to keep it, as 365d, 8760h or forever, found \"365\""},
		"history of no time":           {"retention: {history: 1h}", "retention.history: expected at least 1d, found 1h"},
		"gone before it was seen":      {"retention: {gone: -90d}", "expected how long to keep it"},
		"two teams of one name":        {"teams: [{name: a}, {name: a}]", "teams[1].name: expected a name that no other team has"},
		"a team called nobody":         {"teams: [{name: '-'}]", "teams[0].name: expected a name that no other team has"},
		"a team called dots":           {"teams: [{name: a}, {name: '..'}]", "teams[1].name: expected a name that can stand in the address"},
		"a team name of two lines":     {"teams: [{name: \"a\\nb\"}]", "teams[0].name: expected a name that can stand in the address"},
		"a base_url with a path":       {"base_url: https://x/y", "base_url"},
		"metrics where the pages are":  {"metrics_listen: 127.0.0.1:8080", "metrics_listen: pages are at 127.0.0.1:8080 already"},
		"metrics without a port":       {"metrics_listen: 127.0.0.1", "metrics_listen: expected an address and a port"},
		"metrics on no port":           {"metrics_listen: '127.0.0.1:0'", "metrics_listen: expected an address and a port"},
		"metrics on a port's name":     {"metrics_listen: '127.0.0.1:http'", "metrics_listen: expected an address and a port"},
		"metrics to all unprotected":   {"metrics_listen: ':9090'", "metrics_listen: without oidc Signboard listens on this machine only"},
		"a proxy by name":              {"trusted_proxies: [proxy.internal]", "trusted_proxies[0]: expected an address or a network"},
		"a proxy with a zone":          {"trusted_proxies: [fe80::1%eth0]", "trusted_proxies[0]: expected an address or a network"},
		"everybody a proxy":            {"trusted_proxies: [127.0.0.1, 0.0.0.0/0]", "trusted_proxies[1]: 0.0.0.0/0 is everybody"},
		"a proxy in disguise":          {"trusted_proxies: ['::ffff:10.0.0.0/104']", "trusted_proxies[0]: expected an IPv4 network as 10.0.0.0/8"},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, test.text)
			_, err := loadConfig(file, nil)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says %q, not the file and %q", err, test.says)
			}
		})
	}
}

func TestLoadConfig_refusesUnknownEnvironment(t *testing.T) {
	t.Setenv("SIGNBOARD_LISTN", "x")
	if _, err := loadConfig("-", strings.NewReader("")); err == nil || !strings.Contains(err.Error(), "listn") {
		t.Errorf("got %v", err)
	}
}

func TestLoadConfig_refusesMissingFile(t *testing.T) {
	if _, err := loadConfig("/nowhere/signboard.yaml", nil); err == nil || !strings.Contains(err.Error(), "there is no such file") {
		t.Errorf("got %v", err)
	}
}

func TestLoadConfig_retention(t *testing.T) {
	const aDay = 24 * time.Hour
	for text, want := range map[string]inventory.Retention{
		"":                                       {History: 365 * aDay, Gone: 90 * aDay},
		"retention: {history: 0}":                {History: 365 * aDay, Gone: 90 * aDay},
		"retention: {history: 8760h, gone: 30d}": {History: 365 * aDay, Gone: 30 * aDay},
		"retention: {history: forever, gone: forever}": {},
	} {
		c, err := loadConfig(write(t, text+"\n"), nil)
		if err != nil || c.Retention.retention() != want {
			t.Errorf("%q is %+v, %v", text, c.Retention.retention(), err)
		}
	}
	t.Setenv("SIGNBOARD_RETENTION__HISTORY", "2d")
	if c, err := loadConfig(write(t, "listen: 127.0.0.1:8080\n"), nil); err != nil || c.Retention.retention().History != 2*aDay {
		t.Errorf("from the environment: %+v, %v", c.Retention, err)
	}
}
