package handlers

import (
	"net/http"

	"signboard/views/ui"
)

// Reevaluation is how much is left of judging images again, for pages to ask.
type Reevaluation struct{ Pages }

// Show is GET /reevaluating: the line that pages show while anything is left, and
// what takes its place when nothing is.
func (v Reevaluation) Show(w http.ResponseWriter, r *http.Request) error {
	left, err := v.Around.Reevaluation(r.Context(), v.Clock().UTC())
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, ui.Reevaluating(left, false))
}
