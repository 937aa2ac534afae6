package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signboard/inventory"
)

// What an image was at a moment is said by its page and by the API, and a moment
// that has not come is refused.
func TestPast_isAnsweredByThePageAndTheAPI(t *testing.T) {
	w := newWorld(t, plan{})
	approved, _ := w.fill()
	f := found(8, inventory.Trusted, inventory.ReasonOK, "Signed by release pipeline.", []string{"v8"}, approved)
	f.Verdict.Basis = inventory.Basis{Signature: &f.Evidence.Signatures[0], Decision: &inventory.Decision{ID: "first"}}
	w.look("pay/new", f)
	base := "/images/" + string(digest(8)) + "?repository=" + url.QueryEscape("local/pay/new") + "&at="
	page := w.get(viewer, base+noon.Format("2006-01-02"))
	for _, want := range []string{"Back then, not now", "this image was trusted: it has been so since ", "Signature", "Its entry in the audit log", "decisions as of revision", "Tags then"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if page := w.get(viewer, base+"2020-01-01"); !strings.Contains(page.body, "Signboard first saw this image on") {
		t.Error("the page doesn't say that it was first seen later")
	}
	for _, at := range []string{"2100-01-01", "yesterday", "2026-13-40"} {
		if page := w.get(viewer, base+at); page.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page.body, `role="alert"`) {
			t.Errorf("%s is answered with %d", at, page.StatusCode)
		}
	}
	api := w.get(viewer, "/api/v1/images/"+string(digest(8))+"/history?limit=1&repository="+url.QueryEscape("local/pay/new"))
	var h struct {
		Known, Status string
		Revision      *int64
		Signature     *struct{ Format string }
		Signer        *struct{ ID string }
		Decision      *struct{ Decision string }
		Tags          []string
		Changes       []struct{ To string }
	}
	if err := json.Unmarshal([]byte(api.body), &h); err != nil || api.StatusCode != http.StatusOK {
		t.Fatalf("the API answers %d, %s", api.StatusCode, api.body)
	}
	if h.Known != "known" || h.Status != "trusted" || h.Signature == nil || h.Signer == nil || h.Decision == nil || h.Decision.Decision != "approve" || h.Revision == nil || len(h.Changes) != 1 {
		t.Errorf("the API says %s", api.body)
	}
	if a := w.get(viewer, "/api/v1/images/"+string(digest(8))+"/history?at=2100-01-01&repository="+url.QueryEscape("local/pay/new")); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("of the future the API says %d", a.StatusCode)
	}
}
