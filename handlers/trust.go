package handlers

import (
	"net/http"

	"signboard/inventory"
	"signboard/views"
)

// Trust is the page of the roots of trust.
type Trust struct {
	Pages
	// Roots describes the configured roots as they are now, in the order of the
	// configuration; nil for none.
	Roots func() []inventory.TrustRoot
}

// List is GET /trust.
func (t Trust) List(w http.ResponseWriter, r *http.Request) error {
	frame, _, err := t.frame(r, "Roots of trust")
	if err != nil {
		return err
	}
	p := views.TrustPage{Frame: frame}
	if t.Roots != nil {
		p.Roots = t.Roots()
	}
	return show(w, r, http.StatusOK, p)
}
