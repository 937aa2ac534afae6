package registry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
)

// TestNotes_areKeptAndReadBack writes a note as an artifact into a real registry
// that wants credentials, and says what is wrong when it refuses.
func TestNotes_areKeptAndReadBack(t *testing.T) {
	var sealed atomic.Bool
	inner := ggcr.New(ggcr.Logger(quiet))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "robot" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if sealed.Load() && r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, `{"errors":[{"code":"DENIED"}]}`, http.StatusForbidden)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	client := func(password string) *Client {
		c, err := New(Config{Name: "local", URL: server.URL, AllowPrivate: true, Username: "robot", Password: password})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := client("secret")
	if got, err := c.Note(t.Context(), "audit/log", "latest"); got != nil || err != nil {
		t.Fatalf("before anything was kept: %q, %v", got, err)
	}
	for _, text := range []string{"first", "second"} {
		if err := c.PutNote(t.Context(), "audit/log", []byte(text), "size-"+text, "latest"); err != nil {
			t.Fatal(err)
		}
	}
	for tag, want := range map[string]string{"latest": "second", "size-first": "first", "size-second": "second"} {
		if got, err := c.Note(t.Context(), "audit/log", tag); string(got) != want || err != nil {
			t.Errorf("%s holds %q, %v", tag, got, err)
		}
	}
	sealed.Store(true)
	if err := c.PutNote(t.Context(), "audit/log", []byte("third"), "latest"); err == nil || !strings.Contains(err.Error(), "doesn't let these credentials write") {
		t.Errorf("a registry that refuses: %v", err)
	}
	if err := client("wrong").PutNote(t.Context(), "audit/log", []byte("x"), "latest"); err == nil {
		t.Error("a wrong password passes")
	}
	server.Close()
	if err := c.PutNote(t.Context(), "audit/log", []byte("x"), "latest"); err == nil {
		t.Error("a registry that isn't there passes")
	}
}
