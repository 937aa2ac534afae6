package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"signboard/inventory"
)

// TestSync_listsByTheProductsAPIAndLosesNothing syncs a registry that has no
// catalog by its Harbor API, and holds that a listing which doesn't end leaves
// the inventory as it was: only one that does takes something for gone.
func TestSync_listsByTheProductsAPIAndLosesNothing(t *testing.T) {
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var answer atomic.Pointer[http.HandlerFunc]
	projects := func(names ...string) {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			list := []map[string]string{}
			project, listed := strings.CutPrefix(strings.TrimSuffix(r.URL.Path, "/repositories"), "/api/v2.0/projects/")
			for _, n := range names {
				if !listed {
					list = append(list, map[string]string{"name": n})
				} else if n == project {
					list = append(list, map[string]string{"name": n + "/app"})
				}
			}
			w.Header().Set("X-Total-Count", fmt.Sprint(len(list)))
			json.NewEncoder(w).Encode(list)
		})
		answer.Store(&h)
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/_catalog":
			t.Error("the catalog was asked for")
		case strings.HasPrefix(r.URL.Path, "/v2/"):
			images.ServeHTTP(w, r)
		default:
			if u, p, _ := r.BasicAuth(); u != "robot$signboard" || p != "secret" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			(*answer.Load())(w, r)
		}
	}))
	t.Cleanup(front.Close)
	for _, project := range []string{"payments", "web"} {
		image, err := random.Image(64, 1)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := ggcr.ParseReference(strings.TrimPrefix(front.URL, "http://")+"/"+project+"/app:v1", ggcr.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, image); err != nil {
			t.Fatal(err)
		}
	}

	c, err := loadConfig(write(t, fmt.Sprintf(`
database: sqlite:%s
registries:
  - {name: harbor, url: '%s', allow_private: true, listing: harbor, repositories: ["**"], username: robot$signboard, password: secret}
`, filepath.Join(t.TempDir(), "signboard.db"), front.URL)), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	sync := func(repositories int, failures ...inventory.Reason) {
		t.Helper()
		s, err := a.syncer.Sync(t.Context(), inventory.SyncScope{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []inventory.Reason
		for _, f := range s.Failures {
			got = append(got, f.Reason)
		}
		if fmt.Sprint(got) != fmt.Sprint(failures) {
			t.Errorf("it failed with %v, not with %v", s.Failures, failures)
		}
		registries, err := a.store.Registries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := registries[0].State.RepositoryCount; n != repositories {
			t.Errorf("%d repositories are known, not %d", n, repositories)
		}
	}

	projects("payments", "web")
	sync(2)
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound} {
		whole := *answer.Load()
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/web/") {
				w.WriteHeader(status)
				return
			}
			whole(w, r)
		})
		answer.Store(&h)
		sync(2, inventory.ReasonRegistryDenied)
		answer.Store(&whole)
	}
	projects()
	sync(2, inventory.ReasonRegistryDenied)
	projects("payments")
	sync(1)
	projects("payments", "web")
	sync(2)
}
