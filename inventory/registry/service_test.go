package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

var bearing = http.Header{"Authorization": {"Bearer listing-secret"}}

func service(t *testing.T, c *Client, address string) *Service {
	t.Helper()
	s, err := c.Service(address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ask(s *Service, segments ...string) (Answer, error) {
	return s.Ask(context.Background(), Question{Method: http.MethodGet, URL: s.URL(nil, segments...), Header: bearing, What: "the list"})
}

func TestService_onAnotherHostNeverSeesTheRegistrysCredentials(t *testing.T) {
	registry, asked := serve(t, bearerRoutes(func() string { return "http://127.0.0.1:1/token" }, nil))
	other, seen := serve(t, map[string]http.HandlerFunc{"/api/list": text(401, "application/json", "{}")})
	c, _ := client(t, registry, withPassword)
	s := service(t, c, other.URL+"/api/")
	if a, err := ask(s, "list"); err != nil || a.Status != 401 {
		t.Fatalf("%d, %v", a.Status, err)
	}
	if u, p, err := s.Credentials(context.Background()); u != "" || p != "" || err != nil {
		t.Errorf("it is handed the registry's credentials: %q, %v", u, err)
	}
	if len(asked.all()) != 0 || len(seen.all()) != 1 {
		t.Errorf("the registry was asked %d times, the service %d times", len(asked.all()), len(seen.all()))
	}
	for _, r := range seen.all() {
		if got := r.Header.Values("Authorization"); len(got) != 1 || got[0] != "Bearer listing-secret" {
			t.Errorf("Authorization: %q", got)
		}
	}
	if n := c.Traffic().Requests; n != 1 {
		t.Errorf("%d requests are counted", n)
	}
}

func TestService_atTheRegistrysHostMayUseItsCredentials(t *testing.T) {
	server, _ := serve(t, map[string]http.HandlerFunc{"/api/list": jsonAnswer("[]")})
	c, _ := client(t, server, withPassword)
	for _, address := range []string{"", server.URL, server.URL + "/api"} {
		s := service(t, c, address)
		if u, p, err := s.Credentials(context.Background()); u != user || p != password || err != nil {
			t.Errorf("%q: %q, %v", address, u, err)
		}
	}
	s := service(t, c, strings.Replace(server.URL, "127.0.0.1", "localhost", 1))
	if u, _, _ := s.Credentials(context.Background()); u != "" {
		t.Error("another name of the same address is handed the credentials")
	}
}

func TestService_redirects(t *testing.T) {
	thief, stolen := serve(t, nil)
	for name, own := range map[string]bool{"at the registry": true, "beside it": false} {
		t.Run(name, func(t *testing.T) {
			server, seen := serve(t, map[string]http.HandlerFunc{
				"/away":    redirectTo(thief.URL + "/list"),
				"/renamed": redirectTo("/list"),
				"/list":    jsonAnswer("[]"),
			})
			registry := server
			if !own {
				registry, _ = serve(t, nil)
			}
			c, _ := client(t, registry)
			s := service(t, c, server.URL)
			q := Question{Method: http.MethodGet, URL: s.URL(nil, "away"), Header: bearing, What: "the list"}
			a, err := s.Ask(context.Background(), q)
			if err != nil || a.Status < 300 || a.Status > 399 {
				t.Errorf("%d, %v", a.Status, err)
			}
			wantLook(t, s.Refusal(q, a), inventory.ReasonRegistryInconsistent, "redirects to another host")
			a, err = ask(s, "renamed")
			if err != nil || a.Status != 200 || a.URL.Path != "/list" {
				t.Errorf("%d from %s, %v", a.Status, a.URL, err)
			}
			for _, r := range seen.all() {
				if r.Header.Get("Authorization") != "Bearer listing-secret" {
					t.Errorf("%s was asked without the token", r.URL)
				}
			}
		})
	}
	if n := len(stolen.all()); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}

func TestService_privateAddressOfAPublicRegistryIsNotDialled(t *testing.T) {
	server, _ := serve(t, nil)
	other, seen := serve(t, nil)
	c := publicClient(t, server)
	for _, address := range []string{other.URL, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)} {
		_, err := ask(service(t, c, address), "list")
		wantLook(t, err, inventory.ReasonRegistryUnreachable, "allow_private")
	}
	if n := len(seen.all()); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
}

// TestService_pausesAsTheServicesAskFor holds the ways in which GitHub and
// Docker Hub ask for a pause.
func TestService_pausesAsTheServicesAskFor(t *testing.T) {
	reset := fmt.Sprint(newClock().Now().Add(20 * time.Second).Unix())
	for name, tt := range map[string]struct {
		status int
		header map[string]string
		waits  time.Duration
	}{
		"Docker Hub":                 {429, map[string]string{"X-Retry-After": reset}, 20 * time.Second},
		"GitHub, primary limit":      {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}, 20 * time.Second},
		"GitHub, secondary limit":    {403, map[string]string{"Retry-After": "7"}, 7 * time.Second},
		"GitLab":                     {429, map[string]string{"Retry-After": "9"}, 9 * time.Second},
		"a reset that isn't a time":  {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "<b>"}, firstBackoff},
		"a reset in the past":        {429, map[string]string{"X-Retry-After": "12"}, firstBackoff},
		"a pause nobody is asked to": {429, nil, firstBackoff},
	} {
		t.Run(name, func(t *testing.T) {
			registry, _ := serve(t, nil)
			n := 0
			other, _ := serve(t, map[string]http.HandlerFunc{"/list": func(w http.ResponseWriter, r *http.Request) {
				if n++; n > 1 {
					return
				}
				for k, v := range tt.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tt.status)
			}})
			c, clk := client(t, registry)
			if a, err := ask(service(t, c, other.URL), "list"); err != nil || a.Status != 200 || n != 2 {
				t.Fatalf("%d after %d requests, %v", a.Status, n, err)
			}
			if got := clk.waited(); got < tt.waits || got > tt.waits*3/2+2*time.Second {
				t.Errorf("it waited %s, not about %s", got, tt.waits)
			}
		})
	}
}

func TestService_thatAsksForAVeryLongPauseIsNotWaitedFor(t *testing.T) {
	registry, _ := serve(t, nil)
	other, seen := serve(t, map[string]http.HandlerFunc{"/list": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", "99999999999")
		w.WriteHeader(403)
	}})
	c, clk := client(t, registry)
	_, err := ask(service(t, c, other.URL), "list")
	wantLook(t, err, inventory.ReasonRegistryThrottled, hostOf(t, other))
	if clk.waited() > time.Second || len(seen.all()) != 1 {
		t.Errorf("it waited %s and asked %d times", clk.waited(), len(seen.all()))
	}
}

// TestWalk_sharesItsBudget holds that many short lists are bounded like a long
// one.
func TestWalk_sharesItsBudget(t *testing.T) {
	registry, _ := serve(t, nil)
	n := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n++ }))
	t.Cleanup(other.Close)
	for name, tt := range map[string]struct {
		limits   Limits
		pages    int // of each list
		requests int
	}{
		"pages":   {Limits{Pages: 5}, 2, 11},
		"entries": {Limits{Pages: 5, Entries: 100}, 1, 10},
	} {
		n = 0
		c, _ := client(t, registry, func(cfg *Config) { cfg.Limits.Pages, cfg.Limits.Entries = tt.limits.Pages, tt.limits.Entries })
		s := service(t, c, other.URL)
		walk, ctx, cancel := s.Walk(context.Background())
		defer cancel()
		var err error
		for i := 0; i < 100 && err == nil; i++ {
			page := 0
			q := Question{Method: http.MethodGet, URL: s.URL(nil, fmt.Sprint(i)), What: "the list"}
			err = walk.Pages(ctx, q, func(Answer) (Page, error) {
				if page++; page < tt.pages {
					return Page{Entries: 10, Next: s.URL(nil, fmt.Sprint(i), fmt.Sprint(page))}, nil
				}
				return Page{Entries: 10}, nil
			})
		}
		wantLook(t, err, inventory.ReasonTooMany, "incomplete", name)
		if n != tt.requests {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

func TestService_URLEscapesEachSegment(t *testing.T) {
	server, seen := serve(t, nil)
	c, _ := client(t, server)
	s := service(t, c, server.URL+"/sub/path/")
	if _, err := ask(s, "groups", "acme/back end", "list"); err != nil {
		t.Fatal(err)
	}
	if got := seen.all()[0].URL.EscapedPath(); got != "/sub/path/groups/acme%2Fback%20end/list" {
		t.Errorf("asked for %s", got)
	}
}

func TestService_refusesAddressesThatCannotBe(t *testing.T) {
	server, _ := serve(t, nil)
	c, _ := client(t, server)
	for _, address := range []string{"gitlab.example.com", "ftp://x", "https://", "https://a:b@x", "https://x?y=1", "https://x#y", "::", "https://x y"} {
		_, err := c.Service(address)
		if e, ok := errors.AsType[*inventory.Error](err); !ok || e.Kind != inventory.Invalid {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestService_isNotHandedDockersCredentials holds that credentials which Docker
// keeps for the service's host aren't shown either: nobody configured that.
func TestService_isNotHandedDockersCredentials(t *testing.T) {
	registry, _ := serve(t, nil)
	other, _ := serve(t, nil)
	c, _ := client(t, registry)
	config := fmt.Sprintf(`{"auths":{%q:{"username":"someone","password":"else"}}}`, hostOf(t, other))
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if u, p, err := service(t, c, other.URL).Credentials(context.Background()); u != "" || p != "" || err != nil {
		t.Errorf("%q, %v", u, err)
	}
	c, _ = client(t, registry, func(cfg *Config) { cfg.URL = other.URL })
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if u, _, _ := service(t, c, "").Credentials(context.Background()); u != "someone" {
		t.Errorf("at the registry's own host: %q", u)
	}
}

// TestService_sharesThePaceOfItsHost holds that a service on the host of, say,
// the token service doesn't come on top of it.
func TestService_sharesThePaceOfItsHost(t *testing.T) {
	registry, _ := serve(t, nil)
	other, _ := serve(t, nil)
	c, _ := client(t, registry)
	s := service(t, c, other.URL)
	if s.client.guard.pace != c.guard.pace || s.client.permits != c.permits {
		t.Error("it has a pace or permits of its own")
	}
}

// TestService_headersStayWithTheirHost holds it even where redirects are
// followed.
func TestService_headersStayWithTheirHost(t *testing.T) {
	thief, stolen := serve(t, map[string]http.HandlerFunc{"/list": jsonAnswer("[]")})
	server, _ := serve(t, map[string]http.HandlerFunc{"/list": redirectTo(thief.URL + "/list")})
	c, _ := client(t, server)
	s := service(t, c, "")
	q := s.request(Question{Method: http.MethodGet, URL: s.URL(nil, "list"), Header: http.Header{"Private-Token": {"secret"}}})
	q.stay = false
	if a, err := c.do(context.Background(), q); err != nil || a.status != 200 || len(stolen.all()) != 1 {
		t.Fatalf("%d, %v", a.status, err)
	}
	if got := stolen.all()[0].Header.Get("Private-Token"); got != "" {
		t.Errorf("the other host was shown %q", got)
	}
}

// TestService_doesNotChangeHowTheRegistryIsAskedForTokens holds that a service's
// refusal isn't taken for the registry's challenge.
func TestService_doesNotChangeHowTheRegistryIsAskedForTokens(t *testing.T) {
	server, seen := serve(t, map[string]http.HandlerFunc{
		"/v2/a/tags/list": jsonAnswer(`{"tags":[]}`),
		"/api": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token"`)
			w.WriteHeader(401)
		},
	})
	c, _ := client(t, server)
	if _, err := c.Tags(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	if a, err := ask(service(t, c, ""), "api"); err != nil || a.Status != 401 {
		t.Errorf("%d, %v", a.Status, err)
	}
	if n := seen.count("/api"); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	if _, err := c.Tags(context.Background(), "a"); err != nil || seen.count("/token") != 0 {
		t.Errorf("a token was asked for; %v", err)
	}
}

// TestService_onAnotherHostIsNotShownTheClientCertificate holds that a
// certificate is one of the registry's credentials, too.
func TestService_onAnotherHostIsNotShownTheClientCertificate(t *testing.T) {
	asked := &seen{}
	other := httptest.NewUnstartedServer(record(asked, map[string]http.HandlerFunc{"/list": jsonAnswer("[]")}))
	other.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	other.StartTLS()
	t.Cleanup(other.Close)
	pool := x509.NewCertPool()
	pool.AddCert(other.Certificate())
	certificate, key := clientPair(t, t.TempDir(), "the registry's client")
	shown, err := ReadClientCertificate(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	registry, _ := serve(t, nil)
	for address, want := range map[string]int{other.URL: 1, registry.URL: 0} {
		c, _ := client(t, registry, func(cfg *Config) {
			cfg.URL, cfg.RootCAs, cfg.ClientCertificate = address, pool, shown
		})
		if _, err := ask(service(t, c, other.URL), "list"); err != nil {
			t.Fatal(err)
		}
		all := asked.all()
		if got := len(all[len(all)-1].TLS.PeerCertificates); got != want {
			t.Errorf("for a registry at %s it was shown %d certificates", address, got)
		}
	}
}
