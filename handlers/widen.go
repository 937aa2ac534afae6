package handlers

import (
	"net/http"
	"time"

	"signboard/inventory"
	"signboard/views"
)

// widening is what an approval of a signer can be widened to, and which of the
// identities seen here the pattern in the form holds.
func (s Signer) widening(r *http.Request, id inventory.SignerID, now time.Time) (views.Widening, error) {
	var w views.Widening
	patterns := id.Widenings()
	if len(patterns) > 0 {
		// The widest of them holds what the others hold.
		ids, _, err := s.Store.Matching(r.Context(), id, patterns[len(patterns)-1], 0, now)
		if err != nil {
			return w, err
		}
		for _, p := range patterns {
			c := views.WideningChoice{Pattern: p, Reach: p.Reach(id)}
			for _, other := range ids {
				if _, name, _ := other.Identity(); p.Match(name) {
					c.Seen++
				}
			}
			w.Choices = append(w.Choices, c)
		}
	}
	form := signerForm(r.FormValue)
	p, err := inventory.ParseIdentityPattern(string(form.Pattern()))
	if err != nil {
		return w, nil // the door says so where it counts
	}
	ids, first, err := s.Store.Matching(r.Context(), id, p, 20, now)
	w.Chosen, w.Seen, w.First = views.WideningChoice{Pattern: p, Reach: p.Reach(id), Seen: len(ids)}, len(ids), first
	return w, err
}
