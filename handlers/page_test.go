package handlers

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

func TestError_saysWhenToAskAgain(t *testing.T) {
	w := httptest.NewRecorder()
	p := Pages{Clock: time.Now, Log: slog.New(slog.DiscardHandler)}
	p.Error(w, httptest.NewRequest(http.MethodGet, "/signers/key:x", nil), "id", &StatusError{
		Status: http.StatusTooManyRequests, After: 1500 * time.Millisecond, Err: inventory.Errorf(inventory.Throttled, "Try again in a few seconds."),
	})
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), "Try again in a few seconds.") {
		t.Errorf("the page is answered with %d, %v", w.Code, w.Header())
	}
}
