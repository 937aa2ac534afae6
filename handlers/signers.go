package handlers

import (
	"net/http"

	"signboard/inventory"
	"signboard/views"
)

// List is GET /signers: the inbox, or the signers with another standing.
func (s Signer) List(w http.ResponseWriter, r *http.Request) error {
	frame, registries, err := s.frame(r, "Signers")
	if err != nil {
		return err
	}
	p := views.SignersPage{Frame: frame, Registries: len(registries), Cursor: r.FormValue("cursor")}
	standing := inventory.Pending
	if asked := r.FormValue("standing"); asked != "" {
		if standing, err = inventory.ParseStanding(asked); err != nil {
			return err
		}
		p.Standing = standing
	}
	if p.Counts, err = s.Around.Standings(r.Context(), frame.Now); err != nil {
		return err
	}
	if p.Signers, p.Next, err = s.Store.Signers(r.Context(), inventory.SignerFilter{Standing: standing}, page(r), frame.Now); err != nil {
		return err
	}
	if standing == inventory.Pending && p.Cursor == "" {
		if p.Proposals, err = s.Store.Proposals(r.Context(), frame.Now); err != nil {
			return err
		}
	}
	return show(w, r, http.StatusOK, p)
}
