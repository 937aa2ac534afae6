package web_test

import (
	"net/http"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// While stored verdicts follow a decision, pages say so and show each image as it
// is now.
func TestPages_sayWhatIsReevaluated(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	pages := []string{"/", "/images", "/teams/payments", keyless.ID.Path()}
	if a := w.get(viewer, "/images"); strings.Contains(a.body, "reevaluating") {
		t.Error("a page speaks of it though nothing is left")
	}
	if a := w.get(viewer, "/reevaluating"); a.StatusCode != http.StatusOK || !a.says("Every image is re-evaluated.") || strings.Contains(a.body, "hx-trigger") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	_, err := w.door.Decide(t.Context(), inventory.Actor{Name: "Robin", Role: inventory.Reviewer}, decision.SignerRequest{
		Signer: keyless.ID, Verb: inventory.Approve, Repositories: []inventory.Glob{"**"}, Reason: "met the team",
	})
	if err != nil {
		t.Fatal(err)
	}
	const line = "Re-evaluating 1 image after Robin approved "
	for _, path := range pages {
		if a := w.get(viewer, path); a.StatusCode != http.StatusOK || !a.says(line) || !strings.Contains(a.body, `hx-get="/reevaluating"`) {
			t.Errorf("%s doesn't say it: %d", path, a.StatusCode)
		}
	}
	if a := w.get(viewer, "/reevaluating"); !a.says(line) || strings.Contains(a.body, "<html") {
		t.Error(a.body)
	}
	if o := w.get(viewer, "/api/v1/summary").object(t); o["reevaluating"] != 1.0 {
		t.Errorf("the summary says %v", o["reevaluating"])
	}
	a := w.get(viewer, "/api/v1/images?signer="+esc(string(keyless.ID)))
	if o := a.object(t); o["reevaluating"] != 1.0 || !strings.Contains(a.body, `"status":"trusted"`) {
		t.Errorf("the list says %s", a.body)
	}
}
