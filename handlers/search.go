package handlers

import (
	"context"
	"net/http"
	"strings"

	"signboard/inventory"
	"signboard/views"
)

// SearchStore finds things by a part of their name.
type SearchStore interface {
	SearchRepositories(ctx context.Context, q string, most int) ([]inventory.Repository, error)
	SearchSigners(ctx context.Context, q string, most int) ([]inventory.Signer, error)
	SearchImages(ctx context.Context, digestPrefix string, most int) ([]inventory.Image, error)
}

// Search is GET /search?q=.
type Search struct {
	Pages
	Store SearchStore
}

// found is how many results of each kind are shown.
const found = 8

func (s Search) Show(w http.ResponseWriter, r *http.Request) error {
	frame, _, err := s.frame(r, "Search")
	if err != nil {
		return err
	}
	p := views.SearchPage{Frame: frame, Q: strings.TrimSpace(r.FormValue("q"))}
	if len(p.Q) > 200 {
		return inventory.Errorf(inventory.Invalid, "That is too long to search for.")
	}
	if p.Q == "" {
		return show(w, r, http.StatusOK, p)
	}
	ctx := r.Context()
	if p.Repositories, err = s.Store.SearchRepositories(ctx, p.Q, found); err != nil {
		return err
	}
	if p.Signers, err = s.Store.SearchSigners(ctx, p.Q, found); err != nil {
		return err
	}
	if p.Images, err = s.Store.SearchImages(ctx, p.Q, found); err != nil {
		return err
	}
	return show(w, r, http.StatusOK, p)
}

// Help is GET /help: the keys.
type Help struct{ Pages }

func (h Help) Show(w http.ResponseWriter, r *http.Request) error {
	frame, _, err := h.frame(r, "Help")
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, views.HelpPage{Frame: frame})
}
