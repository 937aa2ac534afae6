package syncer_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/registry"
	"signboard/inventory/syncer"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
)

// TestHostile_oneRegistryHangs: the other is read meanwhile, and the sync ends.
func TestHostile_oneRegistryHangs(t *testing.T) {
	w := newWorldWith(t, tight)
	d := w.push("app:v1")
	quit := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/v2/"):
		case strings.HasSuffix(r.URL.Path, "/_catalog"):
			var names []string
			for n := range 200 {
				names = append(names, fmt.Sprintf(`"silent/%d"`, n))
			}
			body("application/json", `{"repositories":[`+strings.Join(names, ",")+`]}`)(rw, r)
		default:
			select {
			case <-quit:
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(hung.Close)
	t.Cleanup(func() { close(quit) })
	var configured []inventory.Registry
	var peers []syncer.Peer
	for name, url := range map[string]string{"local": w.server.URL, "hung": hung.URL} {
		client, err := registry.New(registry.Config{Name: name, URL: url, AllowPrivate: true, Limits: tight})
		w.must(err)
		configured = append(configured, inventory.Registry{Name: name, URL: url, Interval: time.Hour, Repositories: []inventory.Glob{"**"}, Tags: []inventory.Glob{"**"}})
		peers = append(peers, syncer.Peer{Name: name, Registry: client, Inspector: verify.NewInspector(client, w.keys.Load, cosign.New(nil)),
			Tags: []inventory.Glob{"**"}, Interval: time.Hour, Listed: true, Traffic: client.Traffic})
	}
	w.must(w.store.ApplyConfig(t.Context(), configured, nil, w.clock()))
	w.syncer = syncer.New(w.store, peers, syncer.Options{Clock: w.clock})
	summary := w.bounded()
	if problem(summary, "hung/") != inventory.ReasonRegistryUnreachable || problem(summary, "local") != "" {
		t.Errorf("the summary is %+v", summary.Failures)
	}
	if len(summary.Failures) != 200 {
		t.Errorf("%d of 200 silent repositories are named", len(summary.Failures))
	}
	w.expect("app", d, inventory.Unsigned, inventory.ReasonNoSignature)
}
