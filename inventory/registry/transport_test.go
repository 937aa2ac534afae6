package registry

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signboard/inventory"
)

const user, password = "robot", "hunter2-secret"

func withPassword(cfg *Config) { cfg.Username, cfg.Password = user, password }

// tokenService hands out tokens, and tells who asked.
func tokenService(t *testing.T) (*httptest.Server, *seen) {
	t.Helper()
	var n atomic.Int64
	return serve(t, map[string]http.HandlerFunc{
		"/token": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"token":"token-%d"}`, n.Add(1))
		},
	})
}

// bearerRoutes are a registry that wants a token from realm.
func bearerRoutes(realm func() string, routes map[string]http.HandlerFunc) map[string]http.HandlerFunc {
	guarded := map[string]http.HandlerFunc{"/v2/": func(http.ResponseWriter, *http.Request) {}}
	for path, h := range routes {
		guarded[path] = h
	}
	for path, h := range guarded {
		guarded[path] = func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer token-") {
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm()+`",service="test"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			h(w, r)
		}
	}
	return guarded
}

func TestToken_fromAConfiguredHost(t *testing.T) {
	tokens, asked := tokenService(t)
	for name, entry := range map[string]string{"host and port": hostOf(t, tokens), "host": "127.0.0.1"} {
		t.Run(name, func(t *testing.T) {
			server, _ := serve(t, bearerRoutes(func() string { return tokens.URL + "/token" }, map[string]http.HandlerFunc{
				"/v2/team/api/tags/list": jsonAnswer(`{"tags":["v1"]}`),
				"/v2/_catalog":           jsonAnswer(`{"repositories":["team/api"]}`),
			}))
			c, _ := client(t, server, withPassword, func(cfg *Config) { cfg.TokenHosts = []string{entry} })
			if tags, err := c.Tags(context.Background(), "team/api"); err != nil || len(tags) != 1 {
				t.Fatalf("Tags = %v, %v", tags, err)
			}
			if err := c.Repositories(context.Background(), func([]string) error { return nil }); err != nil {
				t.Fatal(err)
			}
			last := asked.all()
			scopes := last[len(last)-2].URL.Query().Get("scope") + " " + last[len(last)-1].URL.Query().Get("scope")
			if scopes != "repository:team/api:pull registry:catalog:*" {
				t.Errorf("scopes = %q", scopes)
			}
			if u, p, _ := last[len(last)-1].BasicAuth(); u != user || p != password {
				t.Errorf("the token service was shown %q", u)
			}
		})
	}
}

func TestToken_atTheRegistryItself(t *testing.T) {
	var server *httptest.Server
	routes := bearerRoutes(func() string { return server.URL + "/token" }, map[string]http.HandlerFunc{"/v2/a/tags/list": jsonAnswer(`{"tags":[]}`)})
	routes["/token"] = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token":"token-own"}`) }
	server, _ = serve(t, routes)
	c, _ := client(t, server, withPassword)
	if _, err := c.Tags(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestToken_refusedElsewhere_andNothingIsSent(t *testing.T) {
	thief, stolen := tokenService(t)
	for name, realm := range map[string]string{
		"by address": thief.URL + "/token",
		"by name":    strings.Replace(thief.URL, "127.0.0.1", "localhost", 1) + "/token",
		"disguised":  strings.Replace(thief.URL, "http://", "http://auth.docker.io@", 1) + "/token",
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := serve(t, bearerRoutes(func() string { return realm }, nil))
			for _, change := range []func(*Config){withPassword, func(*Config) {}} {
				c, _ := client(t, server, change)
				_, err := c.Tags(context.Background(), "a")
				wantLook(t, err, inventory.ReasonRegistryDenied, "token_hosts", hostOf(t, server))
			}
		})
	}
	if n := len(stolen.all()); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}

func TestToken_serviceThatRedirectsElsewhereIsNotFollowed(t *testing.T) {
	thief, stolen := tokenService(t)
	tokens, _ := serve(t, map[string]http.HandlerFunc{"/token": redirectTo(strings.Replace(thief.URL, "127.0.0.1", "localhost", 1) + "/token")})
	server, _ := serve(t, bearerRoutes(func() string { return tokens.URL + "/token" }, nil))
	c, _ := client(t, server, withPassword, func(cfg *Config) { cfg.TokenHosts = []string{hostOf(t, tokens)} })
	_, err := c.Tags(context.Background(), "a")
	wantLook(t, err, inventory.ReasonRegistryDenied, "token_hosts")
	if n := len(stolen.all()); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}

func TestToken_privateServiceOfAPublicRegistryIsNotDialled(t *testing.T) {
	tokens, asked := tokenService(t)
	for _, name := range []string{"127.0.0.1", "localhost"} {
		realm := strings.Replace(tokens.URL, "127.0.0.1", name, 1) + "/token"
		server, _ := serve(t, bearerRoutes(func() string { return realm }, nil))
		c := publicClient(t, server, withPassword, func(cfg *Config) { cfg.TokenHosts = []string{"127.0.0.1", "localhost"} })
		_, err := c.Tags(context.Background(), "a")
		wantLook(t, err, inventory.ReasonRegistryUnreachable, "127.0.0.1", "allow_private")
	}
	if n := len(asked.all()); n != 0 {
		t.Errorf("the token service was asked %d times", n)
	}
}

func TestToken_errorsNeverQuoteTheTokenService(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"without a token": jsonAnswer(`{"refresh_token":"top-secret-token"}`),
		"not JSON":        jsonAnswer(`top-secret-token`),
		"refusing":        text(http.StatusForbidden, "text/plain", "top-secret-token "+password),
	} {
		t.Run(name, func(t *testing.T) {
			tokens, _ := serve(t, map[string]http.HandlerFunc{"/token": h})
			server, _ := serve(t, bearerRoutes(func() string { return tokens.URL + "/token" }, nil))
			c, _ := client(t, server, withPassword, func(cfg *Config) { cfg.TokenHosts = []string{hostOf(t, tokens)} })
			_, err := c.Tags(context.Background(), "a")
			wantLook(t, err, inventory.ReasonRegistryDenied)
			if strings.Contains(err.Error(), "top-secret") || strings.Contains(err.Error(), password) {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestToken_oneForManyAtOnce(t *testing.T) {
	tokens, asked := tokenService(t)
	server, all := serve(t, bearerRoutes(func() string { return tokens.URL + "/token" }, map[string]http.HandlerFunc{"/v2/a/tags/list": jsonAnswer(`{"tags":[]}`)}))
	c, _ := client(t, server, func(cfg *Config) { cfg.TokenHosts = []string{"127.0.0.1"} })
	errs := make(chan error)
	for range 20 {
		go func() { _, err := c.Tags(context.Background(), "a"); errs <- err }()
	}
	for range 20 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := asked.count("/token"); n > 2 { // two: somebody may come between check and flight
		t.Errorf("%d tokens for one scope", n)
	}
	if n := all.count("/v2/a/"); n != 20 {
		t.Errorf("%d requests for 20 lists", n)
	}
}

func TestToken_isRenewedWhenTheRegistryStopsAcceptingIt(t *testing.T) {
	tokens, _ := tokenService(t)
	var expired atomic.Bool
	routes := bearerRoutes(func() string { return tokens.URL + "/token" }, map[string]http.HandlerFunc{"/v2/a/tags/list": jsonAnswer(`{"tags":["v1"]}`)})
	inner := routes["/v2/a/tags/list"]
	routes["/v2/a/tags/list"] = func(w http.ResponseWriter, r *http.Request) {
		if expired.Load() && r.Header.Get("Authorization") == "Bearer token-1" {
			r.Header.Del("Authorization")
		}
		inner(w, r)
	}
	server, _ := serve(t, routes)
	c, _ := client(t, server, func(cfg *Config) { cfg.TokenHosts = []string{"127.0.0.1"} })
	for range 2 {
		if _, err := c.Tags(context.Background(), "a"); err != nil {
			t.Fatal(err)
		}
		expired.Store(true)
	}
}

func TestBasic_goesToTheRegistryOnly(t *testing.T) {
	blob := []byte("signature")
	storage, visited := serve(t, map[string]http.HandlerFunc{"/stored": func(w http.ResponseWriter, _ *http.Request) { w.Write(blob) }})
	elsewhere := strings.Replace(storage.URL, "127.0.0.1", "localhost", 1) + "/stored"
	digest := inventory.DigestOf(blob)
	routes := map[string]http.HandlerFunc{
		"/v2/": func(w http.ResponseWriter, r *http.Request) {
			if _, _, ok := r.BasicAuth(); !ok {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
		},
		"/v2/a/blobs/" + string(digest): func(w http.ResponseWriter, r *http.Request) {
			if u, p, _ := r.BasicAuth(); u != user || p != password {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			redirectTo(elsewhere)(w, r)
		},
	}
	server, _ := serve(t, routes)
	c, _ := client(t, server, withPassword)
	got, err := c.Blob(context.Background(), "a", inventory.Descriptor{Digest: digest, Size: int64(len(blob))}, 1<<20)
	if err != nil || string(got) != string(blob) {
		t.Fatalf("Blob = %q, %v", got, err)
	}
	for _, r := range visited.all() {
		if r.Header.Get("Authorization") != "" {
			t.Error("the storage was shown credentials")
		}
	}
	if n := len(visited.all()); n != 1 {
		t.Errorf("the storage was asked %d times", n)
	}

	wrong, _ := client(t, server, func(cfg *Config) { cfg.Username, cfg.Password = user, "wrong" })
	_, err = wrong.Blob(context.Background(), "a", inventory.Descriptor{Digest: digest, Size: int64(len(blob))}, 1<<20)
	wantLook(t, err, inventory.ReasonRegistryDenied, "credentials")
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("the error tells the password: %v", err)
	}
}

func TestToken_ofARegistryThatIsOpenOnlyAtTheDoor(t *testing.T) {
	tokens, _ := tokenService(t)
	routes := bearerRoutes(func() string { return tokens.URL + "/token" }, map[string]http.HandlerFunc{"/v2/a/tags/list": jsonAnswer(`{"tags":["v1"]}`)})
	delete(routes, "/v2/")
	server, _ := serve(t, routes)
	c, _ := client(t, server, func(cfg *Config) { cfg.TokenHosts = []string{"127.0.0.1"} })
	if tags, err := c.Tags(context.Background(), "a"); err != nil || len(tags) != 1 {
		t.Fatalf("Tags = %v, %v", tags, err)
	}
}

func TestPermitToken_wellKnownPairsAndTheirLookalikes(t *testing.T) {
	c, err := New(Config{URL: "https://docker.io", TokenHosts: []string{"tokens.example:8443", "Any.Example"}})
	if err != nil {
		t.Fatal(err)
	}
	for realm, want := range map[string]bool{
		"https://auth.docker.io/token":         true,
		"https://auth.docker.io:443/token":     true,
		"https://index.docker.io/token":        true,
		"https://tokens.example:8443/":         true,
		"https://any.example:1234/":            true,
		"https://auth.docker.io:444/token":     false,
		"https://auth.docker.io.evil.example/": false,
		"https://evil.example/auth.docker.io":  false,
		"https://xauth.docker.io/":             false,
		"https://tokens.example/":              false,
		"https://index.docker.io:5000/":        false,
		"https://auth.docker.io@evil.example/": false,
	} {
		u, err := url.Parse(realm)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.guard.permitToken(u) == nil; got != want {
			t.Errorf("%s: permitted = %v", realm, got)
		}
	}
}

func TestCredentials_areLookedUpAgainWhenTheyStopWorking(t *testing.T) {
	current := "first"
	check := func(w http.ResponseWriter, r *http.Request) {
		if _, p, _ := r.BasicAuth(); p != current {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		jsonAnswer(`{"tags":[]}`)(w, r)
	}
	server, asked := serve(t, map[string]http.HandlerFunc{"/v2/": check, "/v2/a/tags/list": check})
	c, clk := client(t, server)
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	store := func(password string) {
		doc, _ := json.Marshal(map[string]any{"auths": map[string]any{hostOf(t, server): map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + password))}}})
		if err := os.WriteFile(filepath.Join(dir, "config.json"), doc, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store("first")
	if _, err := c.Tags(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	current = "second"
	store("second")
	clk.advance(renewAge)
	if _, err := c.Tags(context.Background(), "a"); err != nil {
		t.Fatalf("after the password changed: %v", err)
	}
	current = "nobody's"
	before := len(asked.all())
	_, err := c.Tags(context.Background(), "a")
	wantLook(t, err, inventory.ReasonRegistryDenied, "check the credentials")
	if n := len(asked.all()) - before; n != 1 {
		t.Errorf("%d requests to be refused", n)
	}
}

func TestCredentials_fromDockersConfig(t *testing.T) {
	var shown string
	server, _ := serve(t, map[string]http.HandlerFunc{
		"/v2/": func(w http.ResponseWriter, r *http.Request) {
			u, _, ok := r.BasicAuth()
			if !ok {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
			shown = u
		},
	})
	c, _ := client(t, server)
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	doc, _ := json.Marshal(map[string]any{"auths": map[string]any{hostOf(t, server): map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + password))}}})
	if err := os.WriteFile(filepath.Join(dir, "config.json"), doc, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
	if shown != user {
		t.Errorf("shown = %q", shown)
	}
}

func TestRedirect_ofAPublicRegistryToAPrivateAddressIsRefused(t *testing.T) {
	inside, visited := serve(t, nil)
	for _, name := range []string{"127.0.0.1", "localhost"} {
		to := strings.Replace(inside.URL, "127.0.0.1", name, 1) + "/admin"
		server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/manifests/v1": redirectTo(to), "/v2/a/tags/list": redirectTo(to)})
		c := publicClient(t, server)
		_, err := c.Manifest(context.Background(), "a", "v1")
		wantLook(t, err, inventory.ReasonRegistryUnreachable, "127.0.0.1", "private or loopback")
		_, err = c.Tags(context.Background(), "a")
		wantLook(t, err, inventory.ReasonRegistryUnreachable, "127.0.0.1")
	}
	if n := len(visited.all()); n != 0 {
		t.Errorf("the private address was asked %d times", n)
	}
}

func TestRedirect_neverLeadsToCredentialsOrATokenElsewhere(t *testing.T) {
	thief, stolen := tokenService(t)
	challenging, _ := serve(t, map[string]http.HandlerFunc{"/stored": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+strings.Replace(thief.URL, "127.0.0.1", "localhost", 1)+`/token",service="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}})
	tokens, _ := tokenService(t)
	server, _ := serve(t, bearerRoutes(func() string { return tokens.URL + "/token" }, map[string]http.HandlerFunc{"/v2/a/manifests/v1": redirectTo(challenging.URL + "/stored")}))
	c, _ := client(t, server, withPassword, func(cfg *Config) { cfg.TokenHosts = []string{hostOf(t, tokens)} })
	_, err := c.Manifest(context.Background(), "a", "v1")
	wantLook(t, err, inventory.ReasonRegistryDenied)
	if n := len(stolen.all()); n != 0 {
		t.Errorf("the other host's token service was asked %d times", n)
	}

	var own *httptest.Server
	mirror, _ := serve(t, map[string]http.HandlerFunc{"/back": func(w http.ResponseWriter, r *http.Request) { redirectTo(own.URL+"/landed")(w, r) }})
	own, asked := serve(t, map[string]http.HandlerFunc{"/v2/a/manifests/v1": redirectTo(mirror.URL + "/back")})
	c, _ = client(t, own, withPassword)
	_, _ = c.Manifest(context.Background(), "a", "v1") // what it finds there doesn't matter
	for _, r := range asked.all() {
		if r.URL.Path == "/landed" && r.Header.Get("Authorization") != "" {
			t.Error("another host chose what our credentials were shown to")
		}
	}
}

// The guard refuses by itself what go-containerregistry or the following of
// redirects should never ask of it.
func TestGuard_isTheLastDoor(t *testing.T) {
	c, err := New(Config{URL: "https://r.example"})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		url       string
		elsewhere bool
		shown     bool
		ok        bool
	}{
		"own host":                    {"https://r.example/v2/", false, true, true},
		"own host, its port written":  {"https://R.example:443/v2/", false, true, true},
		"own host, another port":      {"https://r.example:444/v2/", false, true, false},
		"own host without TLS":        {"http://r.example/v2/", false, false, false},
		"storage":                     {"https://s.example/", true, false, true},
		"storage with credentials":    {"https://s.example/", true, true, false},
		"storage without TLS":         {"http://s.example/", true, false, false},
		"storage by another protocol": {"ftp://s.example/", true, false, false},
		"somewhere":                   {"https://s.example/", false, false, false},
		"somewhere with credentials":  {"https://s.example/", false, true, false},
	} {
		req := httptest.NewRequest(http.MethodGet, tt.url, nil)
		if tt.shown {
			req.Header.Set("Authorization", "Basic x")
		}
		if tt.elsewhere {
			req = req.WithContext(context.WithValue(req.Context(), elsewhere, true))
		}
		if err := c.guard.permit(req, req.URL); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRedirect_loopEnds(t *testing.T) {
	server, asked := serve(t, map[string]http.HandlerFunc{
		"/v2/a/manifests/v1": redirectTo("/v2/a/manifests/v2"), "/v2/a/manifests/v2": redirectTo("/v2/a/manifests/v1"),
	})
	c, _ := client(t, server)
	_, err := c.Manifest(context.Background(), "a", "v1")
	wantLook(t, err, inventory.ReasonRegistryInconsistent, "redirected")
	if n := asked.count("/v2/a/"); n != DefaultRedirects+1 {
		t.Errorf("%d requests", n)
	}
}

func TestRedirect_toNowhereOrToAnotherScheme(t *testing.T) {
	for _, to := range []string{"", "http://", "file:///etc/passwd", "gopher://127.0.0.1/", strings.Repeat("/x", 9000)} {
		server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/manifests/v1": redirectTo(to)})
		c, _ := client(t, server)
		_, err := c.Manifest(context.Background(), "a", "v1")
		wantLook(t, err, inventory.ReasonRegistryInconsistent)
	}
}

// secure is a TLS server and a client that knows its authority.
func secure(t *testing.T, routes map[string]http.HandlerFunc, change ...func(*Config)) (*Client, *httptest.Server) {
	t.Helper()
	server := httptest.NewTLSServer(record(&seen{}, routes))
	server.Config.ErrorLog = quiet
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c, _ := client(t, server, append(change, func(cfg *Config) { cfg.RootCAs = roots })...)
	return c, server
}

func TestDowngrade_fromTLSIsRefused(t *testing.T) {
	plain, visited := tokenService(t)
	t.Run("redirect", func(t *testing.T) {
		c, _ := secure(t, map[string]http.HandlerFunc{"/v2/a/manifests/v1": redirectTo(plain.URL + "/stored")})
		_, err := c.Manifest(context.Background(), "a", "v1")
		wantLook(t, err, inventory.ReasonRegistryInconsistent, "plain http")
	})
	t.Run("token service", func(t *testing.T) {
		c, _ := secure(t, bearerRoutes(func() string { return plain.URL + "/token" }, nil), withPassword, func(cfg *Config) { cfg.TokenHosts = []string{"127.0.0.1"} })
		_, err := c.Tags(context.Background(), "a")
		wantLook(t, err, inventory.ReasonRegistryInconsistent, "http")
	})
	t.Run("own host", func(t *testing.T) {
		var server *httptest.Server
		var c *Client
		c, server = secure(t, map[string]http.HandlerFunc{"/v2/a/manifests/v1": func(w http.ResponseWriter, r *http.Request) {
			redirectTo(strings.Replace(server.URL, "https", "http", 1)+"/x")(w, r)
		}}, withPassword)
		_, err := c.Manifest(context.Background(), "a", "v1")
		wantLook(t, err, inventory.ReasonRegistryInconsistent, "plain http")
	})
	if n := len(visited.all()); n != 0 {
		t.Errorf("the plain host was asked %d times", n)
	}
}

func TestTLS_withAKnownAuthority(t *testing.T) {
	c, _ := secure(t, map[string]http.HandlerFunc{"/v2/a/tags/list": jsonAnswer(`{"tags":["v1"]}`)})
	if tags, err := c.Tags(context.Background(), "a"); err != nil || len(tags) != 1 {
		t.Fatalf("Tags = %v, %v", tags, err)
	}
}

func TestTimeout_coversTheBody(t *testing.T) {
	release := make(chan struct{})
	drip := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "{")
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	hang := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	server, asked := serve(t, map[string]http.HandlerFunc{"/v2/a/tags/list": drip, "/v2/b/tags/list": hang})
	t.Cleanup(func() { close(release) }) // before the server closes
	c, _ := client(t, server, func(cfg *Config) { cfg.Limits.RequestTimeout = 150 * time.Millisecond })
	_, err := c.Tags(context.Background(), "a")
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "did not finish", "150ms")
	_, err = c.Tags(context.Background(), "b")
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "did not answer", "150ms")
	if n := asked.count("/v2/a/") + asked.count("/v2/b/"); n != 2 {
		t.Errorf("a slow host was asked %d times", n)
	}
}

func TestCancel_isNotBlamedOnTheRegistry(t *testing.T) {
	server, _ := serve(t, nil)
	c, _ := client(t, server)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := c.Tags(ctx, "a")
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "stopped")
}
