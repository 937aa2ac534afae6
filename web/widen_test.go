package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signboard/inventory"
)

const (
	anyRef   = "https://forge.test/org/app/.github/workflows/release.yml@refs/**"
	wholeOrg = "https://forge.test/org/**"
)

// branch is the workflow of keyless on another branch.
func branch(name string) inventory.Signer {
	return inventory.Signer{ID: inventory.KeylessID("https://issuer.test/x", "https://forge.test/org/app/.github/workflows/release.yml@refs/heads/"+name),
		Kind: inventory.KeylessSigner, Name: "release.yml on " + name}
}

func TestSigner_isWidenedToAPattern(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	next := branch("next")
	w.look("pay/next", found(50, inventory.Unapproved, inventory.ReasonSignerNotApproved, "Nobody approved it.", []string{"v1"}, next))

	page := w.get(reviewer, keyless.ID.Path())
	for _, says := range []string{"This identity only", "Every branch and tag of this workflow", anyRef, "2 identities seen here match.", "Every workflow of this repository", wholeOrg,
		"Whoever may make or change something below forge.test/org can sign as one of these."} {
		if !page.says(says) {
			t.Errorf("the page doesn't say %q", says)
		}
	}
	if approved := w.get(reviewer, unheard.ID.Path()); strings.Contains(approved.body, `name="identities"`) {
		t.Error("a key can be widened")
	}

	fields := url.Values{"decision": {"approve"}, "repositories": {"**"}, "reason": {"the release workflow"}, "revision": {"0"}, "identities": {"own"}, "pattern": {" " + wholeOrg + " "}}
	page = w.get(reviewer, keyless.ID.Path()+"?"+fields.Encode())
	if page.StatusCode != http.StatusOK || !page.says("holds 2 identities seen here, and all that come.") || !page.says("release.yml on next") || !page.says("2 images") ||
		!page.says("I understand that 2 identities seen here, and any to come, are trusted.") || !strings.Contains(page.body, `value="own" checked`) {
		t.Errorf("%d %s", page.StatusCode, page.body)
	}
	page = w.post(reviewer, keyless.ID.Path()+"/decisions", fields)
	if page.StatusCode != http.StatusUnprocessableEntity || !page.says("This approval is wide") || w.signer(keyless.ID).Revision != 0 {
		t.Errorf("%d %s", page.StatusCode, page.body)
	}
	fields.Set("pattern", "https://forge.test/**\u202e")
	if page = w.post(reviewer, keyless.ID.Path()+"/decisions", fields); page.StatusCode != http.StatusUnprocessableEntity || !page.says("holds characters that don't show") {
		t.Errorf("%d %s", page.StatusCode, page.body)
	}
	fields.Set("identities", anyRef)
	if page = w.post(reviewer, keyless.ID.Path()+"/decisions", fields); page.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", page.StatusCode, page.body)
	}
	if s := w.signer(next.ID); s.Standing != inventory.Approved || len(s.Lent) != 1 || s.Lent[0].Identities != anyRef {
		t.Errorf("the other branch is %+v", s)
	}
	page = w.get(reviewer, next.ID.Path())
	for _, says := range []string{"By patterns that were approved with other identities", anyRef, "Nobody has decided about this signer itself yet", "Ends every approval it has"} {
		if !page.says(says) {
			t.Errorf("the other branch's page doesn't say %q", says)
		}
	}
}

func TestAPI_widensAnApproval(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	next := branch("next")
	w.look("pay/next", found(50, inventory.Unapproved, inventory.ReasonSignerNotApproved, "Nobody approved it.", []string{"v1"}, next))
	at := "/api/v1" + keyless.ID.Path()
	asked := func(more string) string {
		return `{"decision":"approve","repositories":["**"],"reason":"r","revision":0,"identities":"` + wholeOrg + `"` + more + `}`
	}
	if detail := w.json(reviewer, "POST", at+"/decisions", asked("")).problem(t, 422); !strings.Contains(detail, "It covers 2 identities that were seen here") {
		t.Error(detail)
	}
	if detail := w.json(reviewer, "POST", at+"/decisions", asked(`,"roots":["nobody's"]`)).problem(t, 422); !strings.Contains(detail, "No signature of this signer came through") {
		t.Error(detail)
	}
	if a := w.json(viewer, "POST", at+"/preview", `{"decision":"approve","repositories":["**"],"identities":"`+wholeOrg+`"}`); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"images":2`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := w.json(reviewer, "POST", at+"/decisions", asked(`,"acknowledged":true`)); a.StatusCode != http.StatusCreated || !strings.Contains(a.body, `"identities":"`+wholeOrg+`"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := w.get(viewer, "/api/v1"+next.ID.Path()); !strings.Contains(a.body, `"standing":"approved"`) || !strings.Contains(a.body, `"lent":[{`) || !strings.Contains(a.body, `"signer":"`+string(keyless.ID)+`"`) {
		t.Error(a.body)
	}
}
