package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"signboard/inventory"
)

// TestProposal_isConfirmedByRepeatingIt walks two reviewers through the pages: one
// proposes, the other sees it wherever they look, sees what it changes, and
// confirms with a reason of their own.
func TestProposal_isConfirmedByRepeatingIt(t *testing.T) {
	w := newWorld(t, plan{approvers: 2})
	w.fill()
	at := keyless.ID.Path()
	basis := func(page answer, button string) string {
		t.Helper()
		found := regexp.MustCompile(`name="basis" value="([^"]*)">` + button).FindStringSubmatch(page.body)
		if found == nil {
			t.Fatalf("%d: no %s: %s", page.StatusCode, button, text(page.body))
		}
		return found[1]
	}
	form := url.Values{"decision": {"approve"}, "repositories": {"local/pay/**\nlocal/ops/**"}, "reason": {"met the team"}, "revision": {"0"}, "basis": {""}}
	form.Set("basis", basis(w.post(reviewer, at+"/decisions", form), "Record the decision"))
	if a := w.post(reviewer, at+"/decisions", form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, text(a.body))
	}
	// Who proposed it waits, and may take it back.
	page := w.get(reviewer, at)
	if !page.says("You proposed it: somebody else has to confirm it.") || !page.says("Take it back") || strings.Contains(page.body, ">Confirm<") {
		t.Error(text(page.body))
	}
	if page := w.get(viewer, at); !page.says("Waits for a second reviewer") || strings.Contains(page.body, ">Confirm<") || page.says("Take it back") {
		t.Error(text(page.body))
	}
	for path, says := range map[string]string{"/": "approval waits for a second reviewer", "/signers": "Dana proposed"} {
		if page := w.get(second, path); !page.says(says) {
			t.Errorf("%s doesn't say %q: %s", path, says, text(page.body))
		}
	}
	page = w.get(second, at)
	if !page.says("Dana proposed") || !page.says("in local/ops/** local/pay/**") || !page.says("Because: met the team") {
		t.Error(text(page.body))
	}
	// What the button sends: the same decision, word for word.
	hidden := func(name string) string {
		t.Helper()
		found := regexp.MustCompile(`type="hidden" name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page.body)
		if found == nil {
			t.Fatalf("no %s", name)
		}
		return found[1]
	}
	confirm := url.Values{"reason": {"I met them, too"}}
	for _, name := range []string{"decision", "repositories", "revision"} {
		confirm.Set(name, hidden(name))
	}
	confirm.Set("basis", basis(page, "Confirm"))
	page = w.post(second, at+"/decisions", confirm)
	if page.StatusCode != http.StatusOK || !page.says("This is what changes. Record it?") || !page.says("1 image in 1 team becomes trusted.") || !strings.Contains(page.body, ">I met them, too</textarea>") {
		t.Fatalf("%d %s", page.StatusCode, text(page.body))
	}
	if n := strings.Count(page.body, `id="impact"`); n != 1 {
		t.Errorf("the impact is there %d times", n)
	}
	if basis(page, "Record the decision") != "" {
		t.Error("and it counts for the other form")
	}
	confirm.Set("basis", basis(page, "Confirm"))
	if a := w.post(second, at+"/decisions", confirm); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, text(a.body))
	}
	if s := w.signer(keyless.ID); s.Standing != inventory.Approved || len(s.Decisions[0].DecidedBy) != 2 || s.Decisions[0].Reason != "I met them, too" {
		t.Errorf("%+v", s)
	}
	if page := w.get(second, "/"); page.says("waits for a second reviewer") {
		t.Error("it still waits")
	}
}

func TestProposal_isTakenBackOrRejected(t *testing.T) {
	for person, c := range map[string]struct{ notice, action string }{
		reviewer: {"Taken back.", "signer.withdraw"}, second: {"The proposal is rejected.", "signer.decline"},
	} {
		w := newWorld(t, plan{approvers: 2})
		w.fill()
		at := keyless.ID.Path()
		if a := w.post(reviewer, at+"/decisions", url.Values{"decision": {"approve"}, "repositories": {"local/pay/**"}, "reason": {"met the team"}, "revision": {"0"}}); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d", a.StatusCode)
		}
		end := at + "/proposals/" + w.signer(keyless.ID).Decisions[0].ID + "/end"
		if a := w.post(viewer, end, url.Values{"reason": {"r"}, "revision": {"1"}}); a.StatusCode != http.StatusForbidden {
			t.Errorf("a viewer: %d", a.StatusCode)
		}
		for says, form := range map[string]url.Values{
			"Say why":                {"reason": {" "}, "revision": {"1"}},
			"while you were reading": {"reason": {"a mistake"}, "revision": {"0"}},
			"which state":            {"reason": {"a mistake"}},
		} {
			a := w.post(person, end, form)
			if a.StatusCode != http.StatusUnprocessableEntity && a.StatusCode != http.StatusConflict || !a.says(says) || !strings.Contains(a.body, ">"+form.Get("reason")+"</textarea>") {
				t.Errorf("%d without %q: %s", a.StatusCode, says, text(a.body))
			}
		}
		a := w.post(person, end, url.Values{"reason": {"a mistake"}, "revision": {"1"}})
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != at {
			t.Fatalf("%d %s", a.StatusCode, text(a.body))
		}
		if page := w.get(person, at); !page.says(c.notice) || page.says("Waits for a second reviewer") {
			t.Error(text(page.body))
		}
		if e := w.entries()[0]; e.Action != c.action || e.Actor.Name != person || e.Reason != "a mistake" {
			t.Errorf("%+v", e)
		}
		w.json(person, "DELETE", "/api/v1"+at+"/decisions/none", `{"reason":"r","revision":2}`).problem(t, 404)
	}
}

func TestAPI_endsAProposal(t *testing.T) {
	w := newWorld(t, plan{approvers: 2})
	w.fill()
	at := "/api/v1" + keyless.ID.Path() + "/decisions"
	made := w.json(reviewer, "POST", at, `{"decision":"approve","repositories":["local/pay/*"],"reason":"met the team","revision":0}`).object(t)
	a := w.json(second, "DELETE", at+"/"+made["id"].(string), `{"reason":"not yet","revision":1}`)
	if a.StatusCode != http.StatusOK || a.object(t)["state"] != "rejected" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	w.json(second, "DELETE", at+"/"+made["id"].(string), `{"reason":"not yet","revision":2}`).problem(t, 409)
}
