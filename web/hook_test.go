package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

// TestHook_needsItsSecretAndNothingElse: a registry has no session, no cookie
// and no page that it came from; and no person's session does instead of the
// secret.
func TestHook_needsItsSecretAndNothingElse(t *testing.T) {
	w := newWorld(t, plan{})
	send := func(to string, change func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "http://signboard.test"+to,
			strings.NewReader(`{"events":[{"action":"push","target":{"repository":"team/new"}}]}`))
		change(r)
		answer := httptest.NewRecorder()
		w.handler.ServeHTTP(answer, r)
		return answer
	}
	refused := send("/hooks/local", func(r *http.Request) { r.AddCookie(w.cookie(admin)) })
	if refused.Code != 401 || refused.Header().Get("Set-Cookie") != "" {
		t.Errorf("an administrator's session: %d %v", refused.Code, refused.Header())
	}
	if nowhere := send("/hooks/nowhere", func(*http.Request) {}); nowhere.Code != 401 || nowhere.Body.String() != refused.Body.String() {
		t.Errorf("a registry that isn't there: %d %s", nowhere.Code, nowhere.Body)
	}
	accepted := send("/hooks/local?secret="+hookSecret, func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Origin", "https://registry.test")
	})
	if accepted.Code != 202 || accepted.Body.Len() != 0 || accepted.Header().Get("Set-Cookie") != "" {
		t.Errorf("%d %v %s", accepted.Code, accepted.Header(), accepted.Body)
	}
	work, err := w.db.ClaimHinted(t.Context(), "test", "local", noon.Add(time.Minute), 0)
	if w.must(err); work == nil || work.Repository.Name != "team/new" {
		t.Errorf("%+v is to be read", work)
	}
	r := httptest.NewRequest(http.MethodOptions, "http://signboard.test/hooks/local?secret="+hookSecret, nil)
	r.Header.Set("WebHook-Request-Origin", "events.test")
	hands := httptest.NewRecorder()
	w.handler.ServeHTTP(hands, r)
	if hands.Code != 200 || hands.Header().Get("WebHook-Allowed-Origin") != "events.test" {
		t.Errorf("a handshake: %d %v", hands.Code, hands.Header())
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		r := httptest.NewRequest(method, "http://signboard.test/hooks/local?secret="+hookSecret, nil)
		answer := httptest.NewRecorder()
		w.handler.ServeHTTP(answer, r)
		if answer.Code != http.StatusMethodNotAllowed || !strings.Contains(answer.Header().Get("Allow"), http.MethodPost) {
			t.Errorf("%s: %d %v", method, answer.Code, answer.Header())
		}
	}
	w.log.mu.Lock()
	log := w.log.b.String()
	w.log.mu.Unlock()
	for line := range strings.Lines(log) {
		if strings.Contains(line, hookSecret) || strings.Contains(line, "path=/hooks/local") && strings.Contains(line, "level=INFO") {
			t.Errorf("the log says %s", line)
		}
	}
	entries, _, err := w.db.AuditEntries(t.Context(), inventory.Page{})
	w.must(err)
	for _, e := range entries {
		if e.Action == "access.refused" {
			t.Errorf("the audit log says %+v", e)
		}
	}
}
