package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"signboard/inventory"
)

// Health answers machines: is the process there, can it work, what is it?
type Health struct {
	Store   func(ctx context.Context) error // whether it can be worked with; Invalid: its schema is another version's
	Ending  func() bool                     // whether the process was told to end; nil: it never is
	Release string
	Log     *slog.Logger
}

// Live is GET /healthz: the process answers.
func (h Health) Live(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, "status", "ok")
}

// Ready is GET /readyz: the database answers, too, and its schema is ours. A
// process that is about to end isn't ready, so that whoever shares requests out
// sends the next ones elsewhere.
func (h Health) Ready(w http.ResponseWriter, r *http.Request) {
	if h.Ending != nil && h.Ending() {
		answer(w, http.StatusServiceUnavailable, "status", "the process is ending")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if err := h.Store(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			return // whoever asked went away
		}
		reason := "the database does not answer"
		if inventory.KindOf(err) == inventory.Invalid {
			reason = "the database has the schema of another version of this program"
		}
		h.Log.Error(reason, "error", err)
		answer(w, http.StatusServiceUnavailable, "status", reason)
		return
	}
	answer(w, http.StatusOK, "status", "ok")
}

// Version is GET /version.
func (h Health) Version(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, "version", h.Release)
}

func answer(w http.ResponseWriter, status int, key, value string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{key: value}) // the client went away
}
