package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signboard/inventory"
)

// TestRotation_fromOneSignersPageToTheOthers walks the form: what takes the place
// is chosen on the old one's page and approved on its own, with the old one's
// scope, and both pages say how far it is.
func TestRotation_fromOneSignersPageToTheOthers(t *testing.T) {
	w := newWorld(t, plan{})
	old, _ := w.fill()
	page := w.get(reviewer, old.ID.Path())
	if !page.says("This key is being replaced") || w.get(viewer, old.ID.Path()).says("This key is being replaced") {
		t.Error(text(page.body))
	}
	a := w.get(reviewer, old.ID.Path()+"?"+url.Values{"successor": {string(keyless.ID)}}.Encode())
	to := keyless.ID.Path() + "?" + url.Values{"replaces": {string(old.ID)}}.Encode()
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != to+"#decide" {
		t.Fatalf("%d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	scope := string(w.signer(old.ID).Decisions[0].Repositories[0])
	page = w.get(reviewer, to)
	for _, filled := range []string{`value="approve" required checked`, ">" + scope + "</textarea>", `name="replaces" value="` + string(old.ID) + `"`, `name="replaced_until"`} {
		if !strings.Contains(page.body, filled) {
			t.Errorf("%s isn't filled in: %s", filled, text(page.body))
		}
	}
	form := url.Values{"decision": {"approve"}, "repositories": {scope}, "reason": {"the new key"}, "revision": {"0"}, "replaces": {string(old.ID)}, "replaced_until": {"2027-01-31"}, "basis": {""}}
	page = w.post(reviewer, keyless.ID.Path()+"/decisions", form)
	if page.StatusCode != http.StatusOK || !page.says("This is what changes. Record it?") || !strings.Contains(page.body, `name="replaces" value="`+string(old.ID)+`"`) || !strings.Contains(page.body, `value="2027-01-31"`) {
		t.Fatalf("%d %s", page.StatusCode, text(page.body))
	}
	form.Del("basis")
	if a := w.post(reviewer, keyless.ID.Path()+"/decisions", form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, text(a.body))
	}
	if e := w.entries()[0]; e.Action != "signer.rotate" || e.Reason != "the new key" {
		t.Errorf("%+v", e)
	}
	for id, says := range map[inventory.SignerID]string{old.ID: "Is being replaced", keyless.ID: "Takes the place of another"} {
		if page := w.get(viewer, id.Path()); !page.says(says) || !page.says("the new one's signature") || !page.says("The old one's approval ends on 2027-02-01 00:00:00 UTC") {
			t.Errorf("%s", text(page.body))
		}
	}
	if o := w.json(viewer, "GET", "/api/v1"+keyless.ID.Path(), "").object(t)["decisions"].([]any)[0].(map[string]any); o["replaces"] != string(old.ID) || o["replaced_until"] != "2027-02-01T00:00:00Z" {
		t.Errorf("%v", o)
	}
	// Revoking the old one ends it.
	w.json(reviewer, "POST", "/api/v1"+old.ID.Path()+"/decisions", `{"decision":"revoke","reason":"replaced","revision":2}`).object(t)
	if page := w.get(viewer, keyless.ID.Path()); page.says("Takes the place of another") {
		t.Error("it goes on")
	}
}

func TestAPI_aSignerTakesAnothersPlace(t *testing.T) {
	w := newWorld(t, plan{})
	old, _ := w.fill()
	at := "/api/v1" + keyless.ID.Path()
	impact := w.json(viewer, "POST", at+"/preview", `{"decision":"approve","replaces":"`+string(old.ID)+`"}`).object(t)
	a := w.json(reviewer, "POST", at+"/decisions", `{"decision":"approve","replaces":"`+string(old.ID)+`","reason":"the new key","revision":0,"basis":"`+impact["basis"].(string)+`"}`)
	if o := a.object(t); a.StatusCode != http.StatusCreated || o["replaces"] != string(old.ID) || o["replaced_until"] != nil || len(o["repositories"].([]any)) == 0 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	w.json(reviewer, "POST", at+"/decisions", `{"decision":"approve","replaces":"key:x","reason":"r","revision":1}`).problem(t, 404)
}
