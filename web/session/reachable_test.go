package session_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/web/session"
)

// TestReachable_looksOnceAMinuteAndNeverWaits follows a provider that is there,
// goes away and comes back.
func TestReachable_looksOnceAMinuteAndNeverWaits(t *testing.T) {
	var looks, status, now atomic.Int64
	status.Store(http.StatusOK)
	now.Store(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).Unix())
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		looks.Add(1)
		w.WriteHeader(int(status.Load()))
	}))
	defer provider.Close()
	s := session.New(session.Config{
		BaseURL: "http://signboard.test", Clock: func() time.Time { return time.Unix(now.Load(), 0) },
		OIDC: &session.OIDC{Issuer: provider.URL, ClientID: "signboard", Roles: map[inventory.Role][]string{inventory.Viewer: {"*"}}},
	})
	if up, known := s.Reachable(); up || known {
		t.Errorf("before anybody looked: up %v, known %v", up, known)
	}
	until := func(want bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
			if up, known := s.Reachable(); known && up == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("it is never said to be up: %v", want)
			}
		}
	}
	until(true)
	for range 100 {
		s.Reachable()
	}
	if n := looks.Load(); n != 1 {
		t.Errorf("within a minute the provider was asked %d times", n)
	}
	status.Store(http.StatusBadGateway)
	now.Add(60)
	until(false)
	status.Store(http.StatusOK)
	now.Add(60)
	until(true)
	if n := looks.Load(); n != 3 {
		t.Errorf("in three minutes the provider was asked %d times", n)
	}
	provider.Close()
	now.Add(60)
	until(false)

	if up, known := session.New(session.Config{BaseURL: "http://localhost"}).Reachable(); up || known {
		t.Error("without a provider one is known")
	}
}
