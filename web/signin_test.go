package web_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"signboard/inventory"
)

// stranger asks without a cookie, from an address.
func (w *world) stranger(address, target string) answer {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), http.MethodGet, target, nil)
	r.Host, r.RemoteAddr = "signboard.test", address
	return w.send(r)
}

func TestSignIn_takesSoManyFromOneAddress(t *testing.T) {
	for _, target := range []string{"/auth/start", "/auth/callback?state=x&code=y"} {
		w := newWorld(t, plan{})
		var last answer
		for range 1000 {
			if last = w.stranger("192.0.2.77:1", target); last.StatusCode == http.StatusTooManyRequests {
				break
			}
		}
		if after, err := strconv.Atoi(last.Header.Get("Retry-After")); last.StatusCode != http.StatusTooManyRequests || err != nil || after < 1 || !last.says("too many sign-ins from your address") {
			t.Fatalf("%s: %d, Retry-After %q: %s", target, last.StatusCode, last.Header.Get("Retry-After"), text(last.body))
		}
		if a := w.stranger("192.0.2.78:1", target); a.StatusCode == http.StatusTooManyRequests {
			t.Errorf("%s: others are refused with them", target)
		}
		// One subscriber has 2^64 addresses.
		for n := range 500 {
			last = w.stranger("[2001:db8::"+strconv.FormatInt(int64(n+1), 16)+"]:1", target)
		}
		if last.StatusCode != http.StatusTooManyRequests {
			t.Errorf("%s: with a new address each they get %d", target, last.StatusCode)
		}
		if n := len(w.entries()); n > 40 {
			t.Errorf("%s: there are %d audit entries", target, n)
		}
	}
}

func TestSignIn_thatWasRefusedIsWrittenDown(t *testing.T) {
	w := newWorld(t, plan{})
	w.get(nobody, "/auth/callback?code=hunter2&state=hunter3")
	b := w.browser()
	state := b.begin("Mallory") // of no group that gives a role
	if a := b.open(callback(state)); a.StatusCode != http.StatusForbidden {
		t.Fatalf("%d: %s", a.StatusCode, text(a.body))
	}
	b = w.browser()
	state = b.begin(viewer)
	w.provider.lie = func(c map[string]any) string { c["aud"] = "another"; return "" }
	b.open(callback(state))
	log := w.entries()
	if len(log) != 3 {
		t.Fatalf("%+v", log)
	}
	for i, want := range []struct{ reason, name string }{{"another", "nobody"}, {"none of your groups", "Mallory"}, {"not begun in this browser", "nobody"}} {
		e := log[i]
		if e.Action != "access.refused" || e.Object != "/auth/callback" || !strings.HasPrefix(e.Reason, "sign in: ") || !strings.Contains(e.Reason, want.reason) ||
			!strings.HasPrefix(e.Actor.Name, want.name) || e.Actor.Role != inventory.Nobody || e.Address == "" || strings.Contains(e.Reason, "hunter") {
			t.Errorf("entry %d is %+v, want %+v", i, e, want)
		}
	}
}
