package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	ggcr "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"signboard/cmd/signboard/demo"
	"signboard/inventory"
	"signboard/inventory/decision"
)

// lines is a log that several write to.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// The secrets that the configuration holds.
const (
	registryPassword = "hunter2-of-the-registry"
	wrongPassword    = "hunter3-that-is-wrong"
	issuedToken      = "hunter4-of-the-token-service"
	proxyPassword    = "hunter5-of-the-proxy"
	hookSecretOf     = "hunter6-of-the-hook"
	signedQuery      = "hunter7-in-a-redirect"
)

// locked is a registry whose token service wants a password.
func locked(t *testing.T) *httptest.Server {
	t.Helper()
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			if _, password, _ := r.BasicAuth(); password != registryPassword {
				http.Error(w, "wrong", http.StatusUnauthorized)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"token": issuedToken})
			return
		}
		if r.Header.Get("Authorization") != "Bearer "+issuedToken {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token?session=%s",service="x"`, s.URL, signedQuery))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		images.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	ref, err := ggcr.ParseReference(strings.TrimPrefix(s.URL, "http://") + "/team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, empty.Image, remote.WithAuth(&authn.Basic{Username: "robot", Password: registryPassword})); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLog_holdsNoSecret runs the whole server at its most talkative, through what
// needs a secret, rightly and wrongly, and looks for each in the log.
func TestLog_holdsNoSecret(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + l.Addr().String()
	said := &lines{}
	talk := slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	peers, err := demo.Start(t.Context(), demo.Options{BaseURL: base})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peers.Close() })
	dir := t.TempDir()
	secretFile := filepath.Join(dir, "client-secret")
	if err := os.WriteFile(secretFile, []byte(peers.ClientSecret()), 0o600); err != nil {
		t.Fatal(err)
	}
	at := locked(t).URL
	file := write(t, fmt.Sprintf(`
listen: %s
base_url: %s
database: sqlite:%s
registries:
  - {name: good, url: %q, allow_private: true, username: robot, password: %s, hook_secret: %s}
  - {name: bad, url: %q, allow_private: true, username: robot, password: %s}
  - {name: far, url: 'http://registry.invalid', allow_private: true, username: robot, password: %s, proxy: 'http://someone:%s@127.0.0.1:1'}
oidc:
  issuer_url: %s
  client_id: %s
  client_secret_file: %s
  roles: {viewer: ["*"], admin: [%s]}
`, l.Addr(), base, filepath.Join(dir, "test.db"), at, registryPassword, hookSecretOf, at, wrongPassword, registryPassword, proxyPassword,
		peers.Issuer(), peers.ClientID(), secretFile, "platform"))
	config, err := loadConfig(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := open(t.Context(), config, talk)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	secrets := map[string]string{
		"the registry's password": registryPassword, "a wrong password": wrongPassword, "the token service's token": issuedToken, "the proxy's password": proxyPassword,
		"the hook's secret": hookSecretOf, "a query that the registry asked for": signedQuery, "the client secret": peers.ClientSecret(),
		"the password, as sent": base64.StdEncoding.EncodeToString([]byte("robot:" + registryPassword)),
	}

	// A sync of each registry: one that works, one that is refused, one that isn't reached.
	for _, name := range []string{"good", "bad", "far"} {
		if _, err := a.syncer.Sync(t.Context(), inventory.SyncScope{Registry: name}, nil); err != nil {
			talk.Error("the sync failed", "error", err)
		}
	}
	stop := serveForTest(t, a, l)

	// A sign-in, and its callback once more.
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	send := func(method, target, kind, body string, set ...string) *http.Response {
		t.Helper()
		if strings.HasPrefix(target, "/") {
			target = base + target
		}
		r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		for i := 0; i+1 < len(set); i += 2 {
			r.Header.Set(set[i], set[i+1])
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		return response
	}
	const form = "application/x-www-form-urlencoded"
	authorize := send("GET", "/auth/start?return=/images", "", "").Header.Get("Location")
	here, _ := url.Parse(base)
	for i, c := range jar.Cookies(here) {
		secrets[fmt.Sprintf("cookie %d of the sign-in", i)] = c.Value
	}
	callback := send("POST", authorize, form, url.Values{"person": {"sam"}}.Encode()).Header.Get("Location")
	for _, address := range []string{authorize, callback} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"state", "nonce", "code"} {
			if v := u.Query().Get(name); v != "" {
				secrets[name] = v
			}
		}
	}
	if r := send("GET", callback, "", ""); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("the sign-in ended with %d: %s", r.StatusCode, said)
	}
	for i, c := range jar.Cookies(here) {
		secrets[fmt.Sprintf("cookie %d", i)] = c.Value
	}
	send("GET", callback, "", "")
	send("GET", "/auth/callback?code=hunter8-code&state=hunter9-state", "", "")
	secrets["a code"], secrets["a state"] = "hunter8-code", "hunter9-state"

	// Programs: a token that counts, one that doesn't, one in the address.
	operator := inventory.Actor{Kind: inventory.SystemActor, Name: "test", Role: inventory.Admin}
	_, secret, err := a.door.CreateToken(t.Context(), operator, decision.TokenRequest{Name: "pipeline", Role: inventory.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	secrets["the token"], secrets["its hash"] = string(secret), secret.Hash()
	other := inventory.NewTokenSecret()
	secrets["a token that isn't known"], secrets["its hash, too"] = string(other), other.Hash()
	if r := send("GET", "/api/v1/images", "", "", "Authorization", "Bearer "+string(secret)); r.StatusCode != http.StatusOK {
		t.Errorf("the token gets %d", r.StatusCode)
	}
	send("GET", "/api/v1/images", "", "", "Authorization", "Bearer "+string(other))
	send("GET", "/api/v1/images", "", "", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("x:"+string(secret))))
	send("GET", "/api/v1/images?access_token="+string(secret), "", "")
	send("POST", "/registries/good/sync", form, "password=hunter10-in-a-form&token="+string(secret), "Sec-Fetch-Site", "same-origin")
	secrets["what a form holds"] = "hunter10-in-a-form"

	// Events, with the secret in each place it can be in, and with a wrong one.
	const event = `{"events":[{"action":"push","target":{"repository":"team/app"}}]}`
	mac := hmac.New(sha256.New, []byte(hookSecretOf))
	mac.Write([]byte(event))
	signature := hex.EncodeToString(mac.Sum(nil))
	secrets["a hook's signature"], secrets["a wrong hook secret"] = signature, "hunter11-wrong"
	if r := send("POST", "/hooks/good?secret="+hookSecretOf, "application/json", event); r.StatusCode != http.StatusAccepted {
		t.Errorf("the event gets %d", r.StatusCode)
	}
	send("POST", "/hooks/good", "application/json", event, "Authorization", "Bearer "+hookSecretOf)
	send("POST", "/hooks/good", "application/json", event, "X-Hub-Signature-256", "sha256="+signature)
	send("POST", "/hooks/good?secret=hunter11-wrong", "application/json", event)
	send("POST", "/hooks/good?secret="+hookSecretOf, "application/json", "{nonsense "+hookSecretOf)
	send("POST", "/auth/logout", form, "", "Sec-Fetch-Site", "same-origin")
	stop()

	// A database that can't be reached, and a configuration that can't be read.
	_, err = openSoon(t.Context(), &Config{Database: "postgres://signboard:hunter12-db@127.0.0.1:1/signboard?connect_timeout=1"}, talk)
	if err == nil {
		t.Error("a database that isn't there was opened")
	}
	talk.Error("not opened", "error", err)
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		talk.Error("because", "error", cause)
	}
	secrets["the database's password"] = "hunter12-db"

	all := said.String()
	if strings.Count(all, "\n") < 20 || !strings.Contains(all, "path=/hooks/good") || !strings.Contains(all, "/auth/callback") {
		t.Fatalf("the log says next to nothing, so it proves nothing: %s", all)
	}
	for what, secret := range secrets {
		if secret == "" {
			t.Errorf("%s is empty", what)
			continue
		}
		for _, form := range []string{secret, url.QueryEscape(secret)} {
			for line := range strings.Lines(all) {
				if strings.Contains(line, form) {
					t.Errorf("the log holds %s: %s", what, line)
					break
				}
			}
		}
	}
}

// serveForTest runs the whole server until stop.
func serveForTest(t *testing.T, a *app, l net.Listener) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- a.serve(ctx, l, false) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}
