package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Health answers machines: is the process there, can it work, what is it?
type Health struct {
	Ping    func(ctx context.Context) error // reaches the database
	Release string
	Log     *slog.Logger
}

// Live is GET /healthz: the process answers.
func (h Health) Live(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, "status", "ok")
}

// Ready is GET /readyz: the database answers, too.
func (h Health) Ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if err := h.Ping(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			return // whoever asked went away
		}
		h.Log.Error("the database does not answer", "error", err)
		answer(w, http.StatusServiceUnavailable, "status", "the database does not answer")
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
