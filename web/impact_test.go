package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/inventory/decision"
)

func TestSigner_showsWhatADecisionWouldChangeBeforeItIsMade(t *testing.T) {
	w := newWorld(t, plan{})
	approved, _ := w.fill()
	w.cookie(reviewer) // signing in is written down
	before := len(w.entries())
	ask := func(person string, id inventory.SignerID, fields url.Values) answer {
		t.Helper()
		return w.get(person, id.Path()+"?"+fields.Encode())
	}
	filled := url.Values{"decision": {"approve"}, "repositories": {"local/pay/*\nlocal/**"}, "reason": {"met the team"}, "expires_at": {"2027-01-31"}, "revision": {"0"}}

	page := ask(reviewer, keyless.ID, filled)
	if page.StatusCode != http.StatusOK || !page.says("1 image in 1 team becomes trusted.") || !page.says("local/pay/api") || !page.says("local/** is wide") {
		t.Errorf("%d %s", page.StatusCode, page.body)
	}
	// The form is as it was, and decides on what is shown.
	for _, kept := range []string{`value="2027-01-31"`, ">met the team</textarea>", `value="approve" required checked`, `name="revision" value="0"`} {
		if !strings.Contains(page.body, kept) {
			t.Errorf("%s is gone", kept)
		}
	}
	if page = ask(reviewer, keyless.ID, url.Values{"decision": {"reject"}, "revision": {"0"}}); !page.says("No image in use changes its status.") {
		t.Error(page.body)
	}
	// The same image in two repositories; held by a tag of one, it is held in both.
	if _, err := w.door.Quarantine(t.Context(), inventory.Actor{Name: second, Role: inventory.Reviewer}, decision.QuarantineRequest{Repository: "local/pay/copy", Tag: "v1", Reason: "odd"}); err != nil {
		t.Fatal(err)
	}
	if page = ask(reviewer, approved.ID, url.Values{"decision": {"revoke"}, "revision": {"1"}}); !page.says("2 images in 1 team become unapproved; 2 of them stay quarantined.") {
		t.Error(page.body)
	}
	if got := len(w.entries()); got != before+1 || w.signer(keyless.ID).Revision != 0 {
		t.Errorf("looking ahead left %d entries", got-before-1)
	}

	for name, c := range map[string]struct {
		id     inventory.SignerID
		fields url.Values
		status int
		says   string
	}{
		"no pattern":     {keyless.ID, url.Values{"decision": {"approve"}, "repositories": {""}, "revision": {"0"}}, 422, "which repositories"},
		"a bad pattern":  {keyless.ID, url.Values{"decision": {"approve"}, "repositories": {"a**b"}, "revision": {"0"}}, 422, "is not a pattern"},
		"no verb":        {keyless.ID, url.Values{"decision": {"bless"}, "revision": {"0"}}, 422, "is not a decision"},
		"nothing there":  {keyless.ID, url.Values{"decision": {"revoke"}, "revision": {"0"}}, 409, "no approval of this signer"},
		"an old page":    {approved.ID, url.Values{"decision": {"revoke"}, "revision": {"0"}}, 200, "changed while you were reading"},
		"nobody's state": {keyless.ID, url.Values{"decision": {"reject"}}, 422, "which state of the signer"},
	} {
		page := ask(reviewer, c.id, c.fields)
		if page.StatusCode != c.status || !page.says(c.says) {
			t.Errorf("%s: %d, without %q", name, page.StatusCode, c.says)
		}
	}
	// Those who can't decide see no form, and nothing breaks.
	if page := ask(viewer, keyless.ID, filled); page.StatusCode != http.StatusOK || !page.says("This takes a reviewer") {
		t.Errorf("%d %s", page.StatusCode, page.body)
	}
}

func TestSigner_saysThatAProposalChangesNothingYet(t *testing.T) {
	w := newWorld(t, plan{approvers: 2})
	w.fill()
	ask := keyless.ID.Path() + "?" + url.Values{"decision": {"approve"}, "repositories": {"local/pay/api"}, "revision": {"0"}}.Encode()
	if page := w.get(reviewer, ask); !page.says("1 image in 1 team becomes trusted.") || !page.says("until a second reviewer confirms it") {
		t.Error(page.body)
	}
}

// TestSigner_recordsOnlyWhatWasSeen walks the page's form: to record at once shows
// what changes and asks; what was recorded is what was shown; and when that is no
// longer so, the difference is shown and the form is as it was.
func TestSigner_recordsOnlyWhatWasSeen(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	filled := url.Values{"decision": {"approve"}, "repositories": {"local/pay/*"}, "reason": {"met the team"}, "expires_at": {"2027-01-31"}, "revision": {"0"}, "basis": {""}}
	press := func(page answer) answer { // the button that records
		t.Helper()
		basis := regexp.MustCompile(`name="basis" value="([^"]*)">Record the decision`).FindStringSubmatch(page.body)
		if basis == nil {
			t.Fatalf("%d: nothing to press: %s", page.StatusCode, text(page.body))
		}
		filled.Set("basis", basis[1])
		return w.post(reviewer, keyless.ID.Path()+"/decisions", filled)
	}
	kept := func(page answer) {
		t.Helper()
		for _, kept := range []string{`value="2027-01-31"`, ">met the team</textarea>", `value="approve" required checked`, `name="revision" value="0"`, ">local/pay/*</textarea>"} {
			if !strings.Contains(page.body, kept) {
				t.Errorf("%s is gone", kept)
			}
		}
	}
	page := press(w.get(reviewer, keyless.ID.Path()))
	if page.StatusCode != http.StatusOK || !page.says("This is what changes. Record it?") || !page.says("1 image in 1 team becomes trusted.") {
		t.Fatalf("%d %s", page.StatusCode, text(page.body))
	}
	kept(page)
	if w.signer(keyless.ID).Revision != 0 {
		t.Fatal("it was recorded without asking")
	}
	// Meanwhile somebody holds the image.
	if _, err := w.door.Quarantine(t.Context(), inventory.Actor{Name: second, Role: inventory.Reviewer}, decision.QuarantineRequest{Digest: digest(2), Reason: "odd"}); err != nil {
		t.Fatal(err)
	}
	page = press(page)
	if page.StatusCode != http.StatusConflict || !page.says("When you looked, 1 image in 1 team would become trusted; now") || !page.says("1 of them quarantined, not 0") || !page.says("1 of them stays quarantined") {
		t.Fatalf("%d %s", page.StatusCode, text(page.body))
	}
	kept(page)
	// Another scope than the one that was shown.
	filled.Set("repositories", "local/**")
	page = press(page)
	if page.StatusCode != http.StatusConflict || !page.says("isn't the decision whose effect you looked at") || !page.says("local/** is wide") {
		t.Fatalf("%d %s", page.StatusCode, text(page.body))
	}
	if page = press(page); page.StatusCode != http.StatusSeeOther || w.signer(keyless.ID).Standing != inventory.Approved {
		t.Errorf("%d %s", page.StatusCode, text(page.body))
	}
}
