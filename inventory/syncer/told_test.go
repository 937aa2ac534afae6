package syncer_test

import (
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/syncer"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
)

// TestSync_tellsWhatItCheckedAndWhatItCouldNotRead holds that whoever counts is
// told of each signature once, when it is checked, and of each failure.
func TestSync_tellsWhatItCheckedAndWhatItCouldNotRead(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	told := map[string]int{}
	tell := func(what ...any) {
		mu.Lock()
		defer mu.Unlock()
		told[fmt.Sprint(what...)]++
	}
	inspector := verify.NewInspector(w.client, w.keys.Load, cosign.New(nil))
	inspector.Verified = func(f inventory.Format, o inventory.Outcome, took time.Duration) {
		if took <= 0 {
			t.Errorf("checking took %s", took)
		}
		tell(f, " ", o)
	}
	w.syncer = w.syncerWith(w.store, inspector, syncer.Options{Unread: func(registry string, reason inventory.Reason) { tell(registry, " ", reason) }})
	expect := func(when string, want map[string]int) {
		t.Helper()
		if !maps.Equal(told, want) {
			t.Errorf("%s: told %v, want %v", when, told, want)
		}
		clear(told)
	}

	signed, copied := w.push("app:v1"), w.push("app:v2")
	w.push("app:v3")
	w.sign("app", signed, signed, w.key)
	w.sign("app", copied, signed, w.key)
	w.sync()
	expect("the first sync", map[string]int{"cosign-simplesigning verified": 1, "cosign-simplesigning invalid": 1})

	w.pass(time.Hour)
	w.sync()
	expect("a sync without changes", nil)

	w.fail(http.MethodGet, "/tags/list", http.StatusForbidden)
	w.pass(time.Hour)
	w.sync()
	expect("a repository that is denied", map[string]int{"local registry_denied": 1})

	w.fail(http.MethodGet, "/_catalog", http.StatusInternalServerError)
	w.pass(time.Hour)
	w.sync()
	if told["local registry_unreachable"] != 1 {
		t.Errorf("a registry that can't be listed: told %v", told)
	}
}
