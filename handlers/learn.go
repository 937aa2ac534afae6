package handlers

import (
	"net/http"

	"signboard/inventory"
	"signboard/views"
)

// Learn is the pages that explain the reason codes.
type Learn struct{ Pages }

// List is GET /learn.
func (l Learn) List(w http.ResponseWriter, r *http.Request) error {
	frame, _, err := l.frame(r, "Learn")
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, views.LearnPage{Frame: frame})
}

// Show is GET /learn/{code}; image=, digest= and tag= fill in its commands.
func (l Learn) Show(w http.ResponseWriter, r *http.Request) error {
	code := inventory.Reason(param(r, "code"))
	if !code.Known() {
		return inventory.Errorf(inventory.NotFound, "%q is not a reason code.", inventory.Visible(clip(string(code))))
	}
	frame, _, err := l.frame(r, "What does “"+string(code)+"” mean?")
	if err != nil {
		return err
	}
	p := views.ReasonPage{Frame: frame, Reason: code, Reference: r.FormValue("image"), Tag: r.FormValue("tag")}
	if s := r.FormValue("digest"); s != "" {
		if p.Digest, err = inventory.ParseDigest(s); err != nil {
			return err
		}
	}
	return show(w, r, http.StatusOK, p)
}
