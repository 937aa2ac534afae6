package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"signboard/inventory"
)

// helper installs a credential helper, and a config.json that names it.
func helper(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-vault"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"credsStore":"vault"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("DOCKER_CONFIG", dir)
}

func basicOnly(w http.ResponseWriter, r *http.Request) {
	if u, p, _ := r.BasicAuth(); u != user || p != password {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"tags":["v1"]}`)
}

func TestHelper(t *testing.T) {
	answer := `read host; printf '{"ServerURL":"%s","Username":"` + user + `","Secret":"` + password + `"}' "$host"`
	tests := map[string]struct {
		script string
		words  []string // nil: it works
	}{
		"answers":        {answer, nil},
		"fails":          {"echo " + password + " >&2; exit 3", []string{"credential helper", "config.json"}},
		"prints garbage": {`echo '{"Secret":"` + password, []string{"credential helper", "config.json"}},
		"prints nothing": {"exit 0", []string{"credential helper"}},
		"isn't there":    {"", []string{"credential helper"}},
		"hangs":          {"exec sleep 3", []string{"credential helper", "did not answer"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server, _ := serve(t, map[string]http.HandlerFunc{"/v2/": basicOnly, "/v2/a/tags/list": basicOnly})
			c, _ := client(t, server, func(cfg *Config) {
				if name == "hangs" {
					cfg.Limits.RequestTimeout = 500 * time.Millisecond
				}
			})
			helper(t, test.script)
			if test.script == "" {
				os.Remove(filepath.Join(os.Getenv("DOCKER_CONFIG"), "docker-credential-vault"))
			}
			began := time.Now()
			_, err := c.Tags(t.Context(), "a")
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it took %s", took)
			}
			if test.words == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantLook(t, err, inventory.ReasonRegistryDenied, test.words...)
			if strings.Contains(err.Error(), password) {
				t.Errorf("what the helper said is in the error: %v", err)
			}
		})
	}
}

// TestHelper_thatHangsHoldsUpNobodyElse: another registry's credentials are read
// while it does, and it is started once however often it is needed.
func TestHelper_thatHangsHoldsUpNobodyElse(t *testing.T) {
	slow, _ := serve(t, map[string]http.HandlerFunc{"/v2/": basicOnly, "/v2/a/tags/list": basicOnly})
	fine, _ := serve(t, map[string]http.HandlerFunc{"/v2/": basicOnly, "/v2/a/tags/list": basicOnly})
	hangs, _ := client(t, slow, func(cfg *Config) { cfg.Limits.RequestTimeout = time.Second })
	works, _ := client(t, fine)
	started := filepath.Join(t.TempDir(), "started")
	helper(t, `read host; case "$host" in `+hostOf(t, slow)+`) echo x >> `+started+`; exec sleep 4;; esac
printf '{"ServerURL":"%s","Username":"`+user+`","Secret":"`+password+`"}' "$host"`)
	stuck := make(chan error, 3)
	for range cap(stuck) {
		go func() { _, err := hangs.Tags(context.Background(), "a"); stuck <- err }()
	}
	for range 100 {
		if _, err := os.Stat(started); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := works.Tags(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	for range cap(stuck) {
		wantLook(t, <-stuck, inventory.ReasonRegistryDenied, "did not answer")
	}
	if raw, _ := os.ReadFile(started); len(raw) != len("x\n") {
		t.Errorf("it was started %d times", len(raw)/2)
	}
}

func TestToken_isSentAsItIs(t *testing.T) {
	only := func(want string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+want {
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"tags":["v1"]}`)
		}
	}
	server, asked := serve(t, map[string]http.HandlerFunc{"/v2/": only("abc"), "/v2/a/tags/list": only("abc")})
	for _, change := range []func(*Config){
		func(cfg *Config) { cfg.Token = "abc" },
		func(cfg *Config) { cfg.ReadSecret = func() (string, error) { return "abc", nil } },
	} {
		c, _ := client(t, server, change)
		if tags, err := c.Tags(t.Context(), "a"); err != nil || len(tags) != 1 {
			t.Errorf("%v, %v", tags, err)
		}
	}
	for _, r := range asked.all() {
		if r.URL.Path == "/token" {
			t.Error("the token was exchanged")
		}
	}
}

// TestPassword_thatWasRotated: a file with the password is read again when the
// old one is refused, by the registry or by its token service.
func TestPassword_thatWasRotated(t *testing.T) {
	for _, bearer := range []bool{false, true} {
		var valid atomic.Pointer[string]
		rotate := func(s string) { valid.Store(&s) }
		rotate("first")
		service, _ := serve(t, map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter, r *http.Request) {
			if _, p, _ := r.BasicAuth(); p != *valid.Load() {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprintf(w, `{"token":"token-%s"}`, *valid.Load())
		}})
		guarded := func(w http.ResponseWriter, r *http.Request) {
			_, p, _ := r.BasicAuth()
			switch {
			case bearer && r.Header.Get("Authorization") != "Bearer token-"+*valid.Load():
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+service.URL+`/token",service="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			case !bearer && p != *valid.Load():
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			default:
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"tags":["v1"]}`)
			}
		}
		server, _ := serve(t, map[string]http.HandlerFunc{"/v2/": guarded, "/v2/a/tags/list": guarded})
		broken := false
		c, clk := client(t, server, func(cfg *Config) {
			cfg.Username, cfg.TokenHosts = user, []string{"127.0.0.1"}
			cfg.ReadSecret = func() (string, error) {
				if broken {
					return "", errors.New("gone")
				}
				return *valid.Load(), nil
			}
		})
		for _, secret := range []string{"first", "second", "third"} {
			rotate(secret)
			if _, err := c.Tags(t.Context(), "a"); err != nil {
				t.Errorf("bearer %v, %s: %v", bearer, secret, err)
			}
			clk.Wait(t.Context(), 2*time.Minute)
		}
		rotate("fourth")
		broken = true
		_, err := c.Tags(t.Context(), "a")
		wantLook(t, err, inventory.ReasonRegistryDenied, "password_file")
	}
}

// TestCredentials_areNeverLogged runs what can go wrong with a log that keeps
// everything.
func TestCredentials_areNeverLogged(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	secret := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	leaky := func(status int) http.HandlerFunc { // a service that quotes what it was sent
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="x"`)
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"errors":[{"code":"DENIED"}],"token":"token-given"}`)
		}
	}
	for _, status := range []int{401, 403, 429, 500, 503} {
		for _, at := range []string{"/v2/a/tags/list", "/token"} {
			routes := map[string]http.HandlerFunc{"/v2/": leaky(401), "/token": jsonAnswer(`{"token":"token-given"}`), "/v2/a/tags/list": leaky(401)}
			routes[at] = leaky(status)
			server, _ := serve(t, routes)
			for _, change := range []func(*Config){withPassword, func(cfg *Config) { cfg.Token = "bearer-secret" }} {
				c, _ := client(t, server, change, func(cfg *Config) { cfg.Logger = logger })
				_, err := c.Tags(t.Context(), "a")
				fmt.Fprintln(&log, err)
			}
		}
	}
	if log.Len() == 0 {
		t.Fatal("nothing was logged, so this proves nothing")
	}
	for _, word := range []string{password, secret, "bearer-secret", "Authorization"} {
		if strings.Contains(log.String(), word) {
			t.Errorf("%q is in the log:\n%s", word, log.String())
		}
	}
}

func TestCloudKeychain_isForTheirOwnHostsOnly(t *testing.T) {
	for _, host := range []string{"ghcr.io", "gcr.io", "eu.gcr.io", "europe-docker.pkg.dev", "ghcr.io:443", "public.ecr.aws",
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "123456789012.dkr-ecr.eu-west-1.on.aws", "acme.azurecr.io"} {
		if cloudKeychain(host) == nil {
			t.Errorf("%s has a keychain", host)
		}
	}
	for _, host := range []string{"evilgcr.io", "gcr.io.example.com", "pkg.dev.example.com", "example.com", "notghcr.io", "ghcr.io:8443", "127.0.0.1:5000", "xpkg.dev",
		"dkr.ecr.eu-central-1.amazonaws.com.example.com", "bucket.s3.amazonaws.com", "123456789012.dkr.ecr.x.amazonaws.com.evil.com", "azurecr.io.example.com", "a.b.azurecr.io", "public.ecr.aws.example.com"} {
		if cloudKeychain(host) != nil {
			t.Errorf("%s would be shown a cloud's credentials", host)
		}
	}
	t.Setenv("GITHUB_ACTOR", "octocat")
	t.Setenv("GITHUB_TOKEN", "gh-secret")
	noDockerConfig(t)
	c, err := New(Config{URL: "https://ghcr.io"})
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.auth.credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := found.Authorization(); got.Username != "octocat" || got.Password != "gh-secret" {
		t.Errorf("got %+v", got)
	}
	c, err = New(Config{URL: "https://registry.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := c.auth.credentials(t.Context()); err != nil || found != authn.Anonymous {
		t.Errorf("another host got %v, %v", found, err)
	}
}
