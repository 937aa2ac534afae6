package registry

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"signboard/inventory"
)

var quiet = log.New(io.Discard, "", 0)

func TestNew_refusesWhatCannotBeRight(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		word string
	}{
		"no host":         {Config{URL: "https://"}, "names no host"},
		"another scheme":  {Config{URL: "ftp://registry.example"}, "https://"},
		"a path":          {Config{URL: "https://registry.example/team"}, "/v2/"},
		"credentials":     {Config{URL: "https://me:secret@registry.example"}, "username"},
		"half a password": {Config{URL: "https://registry.example", Username: "me"}, "password"},
		"a token URL":     {Config{URL: "https://registry.example", TokenHosts: []string{"https://auth.example/token"}}, "token_hosts"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.cfg.Name = "prod"
			_, err := New(tt.cfg)
			if inventory.KindOf(err) != inventory.Invalid || !strings.Contains(err.Error(), tt.word) || !strings.Contains(err.Error(), "prod") {
				t.Fatalf("err = %v", err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
	for _, u := range []string{"registry.example", "registry.example:5000", "https://registry.example/", "http://registry.example/v2/"} {
		c, err := New(Config{URL: u})
		if err != nil {
			t.Errorf("%s: %v", u, err)
			continue
		}
		if want := strings.HasPrefix(u, "http://"); want != (c.origin.Scheme == "http") {
			t.Errorf("%s: scheme %s", u, c.origin.Scheme)
		}
	}
}

func TestPing_saysWhatIsWrong(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	web, _ := serve(t, map[string]http.HandlerFunc{"/v2/": text(http.StatusOK, "text/html; charset=utf-8", "<!doctype html><title>Sign in</title>")})
	web404, _ := serve(t, map[string]http.HandlerFunc{"/v2/": text(http.StatusNotFound, "text/html", "<html>")})
	plain404, _ := serve(t, map[string]http.HandlerFunc{"/v2/": text(http.StatusNotFound, "text/plain", "404 page not found")})
	broken, _ := serve(t, map[string]http.HandlerFunc{"/v2/": text(http.StatusBadGateway, "text/html", "<html>bad gateway")})
	denied, _ := serve(t, map[string]http.HandlerFunc{"/v2/": text(http.StatusForbidden, "application/json", "{}")})
	wantsBasic := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
	basic, _ := serve(t, map[string]http.HandlerFunc{"/v2/": wantsBasic, "/v2/a/tags/list": wantsBasic})
	moved, _ := serve(t, map[string]http.HandlerFunc{"/v2/": redirectTo("http://sso.example.invalid/login")})
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	tls.Config.ErrorLog = quiet
	t.Cleanup(tls.Close)
	ok, _ := serve(t, nil)

	swap := func(s *httptest.Server, from, to string) string { return strings.Replace(s.URL, from, to, 1) }
	for name, tt := range map[string]struct {
		url    string
		reason inventory.Reason
		words  []string
	}{
		"nobody there":        {gone.URL, inventory.ReasonRegistryUnreachable, []string{hostOf(t, gone), "refused the connection", "port"}},
		"no such name":        {"http://registry.invalid", inventory.ReasonRegistryUnreachable, []string{"registry.invalid", "resolved"}},
		"a web page":          {web.URL, inventory.ReasonRegistryInconsistent, []string{hostOf(t, web), "web page", "url"}},
		"a web page with 404": {web404.URL, inventory.ReasonRegistryInconsistent, []string{"web page"}},
		"another API":         {plain404.URL, inventory.ReasonRegistryInconsistent, []string{"/v2/", "url"}},
		"a broken gateway":    {broken.URL, inventory.ReasonRegistryUnreachable, []string{"502"}},
		"forbidden":           {denied.URL, inventory.ReasonRegistryDenied, []string{"403", "credentials"}},
		"no credentials":      {basic.URL, inventory.ReasonRegistryDenied, []string{"401", "docker login"}},
		"sign-in elsewhere":   {moved.URL, inventory.ReasonRegistryInconsistent, []string{"another host", "url"}},
		"unknown authority":   {tls.URL, inventory.ReasonRegistryUnreachable, []string{"certificate", "ca of this registry"}},
		"TLS where plain":     {swap(tls, "https", "http"), inventory.ReasonRegistryUnreachable, []string{"https://"}},
		"plain where TLS":     {swap(ok, "http", "https"), inventory.ReasonRegistryUnreachable, []string{"http://"}},
		"everything in order": {ok.URL, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := client(t, ok, func(cfg *Config) { cfg.URL = tt.url })
			err := c.Ping(context.Background())
			if tt.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantLook(t, err, tt.reason, tt.words...)
			if _, err := c.Tags(context.Background(), "a"); err == nil || errors.Is(err, inventory.ErrNotFound) {
				t.Errorf("the tags of a repository there: %v", err)
			}
		})
	}
}

func TestNotFound_isToldFromEverythingElse(t *testing.T) {
	server, _ := serve(t, map[string]http.HandlerFunc{
		"/v2/a/manifests/page": text(http.StatusNotFound, "text/html", "<html>maintenance"),
		"/v2/a/manifests/down": text(http.StatusServiceUnavailable, "text/plain", "down"),
		"/v2/a/manifests/deny": text(http.StatusForbidden, "application/json", "{}"),
	})
	c, _ := client(t, server)
	ctx := context.Background()
	for _, ask := range []func() error{
		func() error { _, err := c.Resolve(ctx, "a", "none"); return err },
		func() error { _, err := c.Manifest(ctx, "a", "none"); return err },
		func() error { _, err := c.Tags(ctx, "none"); return err },
		func() error {
			_, err := c.Blob(ctx, "a", inventory.Descriptor{Digest: inventory.DigestOf(nil)}, 1)
			return err
		},
	} {
		err := ask()
		wantLook(t, err, inventory.ReasonRegistryInconsistent, "doesn't have", hostOf(t, server))
		if !errors.Is(err, inventory.ErrNotFound) {
			t.Errorf("%v isn't ErrNotFound", err)
		}
	}
	for _, tag := range []string{"page", "down", "deny"} {
		for _, ask := range []func() error{
			func() error { _, err := c.Resolve(ctx, "a", tag); return err },
			func() error { _, err := c.Manifest(ctx, "a", tag); return err },
		} {
			if err := ask(); err == nil || errors.Is(err, inventory.ErrNotFound) {
				t.Errorf("%s: err = %v", tag, err)
			}
		}
	}
}

func TestConnection_brokenInTheMiddleIsTriedAgain(t *testing.T) {
	n := 0
	server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/tags/list": func(w http.ResponseWriter, r *http.Request) {
		n++
		if n < 3 {
			w.Header().Set("Content-Length", "500")
			w.Write([]byte(`{"tags":["v1`))
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}
			return
		}
		jsonAnswer(`{"tags":["v1"]}`)(w, r)
	}})
	c, _ := client(t, server)
	tags, err := c.Tags(context.Background(), "a")
	if err != nil || len(tags) != 1 || n != 3 {
		t.Fatalf("Tags = %v, %v after %d attempts", tags, err, n)
	}
	n = -1000
	_, err = c.Tags(context.Background(), "a")
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "broke")
	if n != -1000+DefaultAttempts {
		t.Errorf("%d attempts", n+1000)
	}
}
