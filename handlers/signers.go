package handlers

import (
	"net/http"
	"net/url"

	"signboard/inventory"
	"signboard/views"
)

// List is GET /signers: the inbox, or the signers with another standing.
func (s Signer) List(w http.ResponseWriter, r *http.Request) error {
	f, err := inventory.ParseSignerFilter(r.URL.Query())
	if err != nil {
		return err
	}
	frame, registries, err := s.frame(r, "Signers")
	if err != nil {
		return err
	}
	p := views.SignersPage{Frame: frame, Registries: len(registries), Filter: f, Cursor: r.FormValue("cursor")}
	for _, t := range s.Teams {
		p.Teams = append(p.Teams, t.Name)
	}
	if p.Counts, err = s.Around.Standings(r.Context(), frame.Now); err != nil {
		return err
	}
	if f.Standing == "" {
		f.Standing = inventory.Pending
	}
	if p.Signers, p.Next, err = s.Store.Signers(r.Context(), f, page(r), frame.Now); err != nil {
		return err
	}
	if next := r.FormValue("next"); next != "" {
		if p.Offer, err = s.waiting(r, inventory.SignerID(next)); err != nil {
			return err
		}
	}
	if f.Standing == inventory.Pending && p.Cursor == "" {
		if p.Proposals, err = s.Store.Proposals(r.Context(), frame.Now); err != nil {
			return err
		}
	}
	return show(w, r, http.StatusOK, p)
}

// waiting is a signer that waits for a decision, nil when it doesn't any more.
func (s Signer) waiting(r *http.Request, id inventory.SignerID) (*inventory.Signer, error) {
	signer, err := s.Store.Signer(r.Context(), id, s.Clock().UTC())
	if inventory.KindOf(err) == inventory.NotFound || err == nil && signer.Standing != inventory.Pending {
		return nil, nil
	}
	return &signer, err
}

// inboxFilter reads the filter of the inbox that somebody works through.
func inboxFilter(place string) inventory.SignerFilter {
	var f inventory.SignerFilter
	if q, err := url.ParseQuery(place); err == nil {
		f, _ = inventory.ParseSignerFilter(q) // what can't be read narrows nothing
	}
	f.Standing, f.Expiring = inventory.Pending, 0
	return f
}

// onward leads on after a decision: back to the inbox with the next signer, for
// who came from there, and otherwise to the signer.
func (s Signer) onward(w http.ResponseWriter, r *http.Request, id inventory.SignerID) error {
	if !r.PostForm.Has("inbox") {
		http.Redirect(w, r, id.Path(), http.StatusSeeOther)
		return nil
	}
	f := inboxFilter(r.PostFormValue("inbox"))
	to := views.SignersURL(f, "")
	// The decision stands whatever comes of this: without a next one it is the inbox
	// alone.
	if next, err := s.Store.NextSigner(r.Context(), f, id, s.Clock().UTC()); err == nil && next != nil {
		to = views.NextURL(f, next.ID)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
