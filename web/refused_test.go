package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"signboard/inventory"
	"signboard/views"
)

// with is a form with other values; an empty one takes a field away.
func with(fields url.Values, changes ...string) url.Values {
	all := url.Values{}
	for name, values := range fields {
		all[name] = values
	}
	for i := 0; i+1 < len(changes); i += 2 {
		all.Set(changes[i], changes[i+1])
	}
	return all
}

func TestDecision_thatIsRefusedComesBackAsTyped(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	f := w.forms(held)["/signers/{id}/decisions"]
	w.cookie(reviewer)
	before := w.snapshot()
	for name, c := range map[string]struct {
		fields url.Values
		says   string
		typed  string
	}{
		"no reason":          {with(f.fields, "reason", " "), "Say why", "local/pay/*"},
		"a long reason":      {with(f.fields, "reason", strings.Repeat("é", 1001)), "longer than 2000", strings.Repeat("é", 1001)},
		"no repositories":    {with(f.fields, "repositories", " \n "), "which repositories", "met the team"},
		"a bad pattern":      {with(f.fields, "repositories", "local/**x"), "has to stand alone", "local/**x"},
		"an open class":      {with(f.fields, "repositories", "local/[a"), "read", "local/[a"},
		"no day":             {with(f.fields, "expires_at", "tomorrow"), "is not a date", "met the team"},
		"a day that is gone": {with(f.fields, "expires_at", "2026-11-20"), "future", "2026-11-20"},
		"the end of time":    {with(f.fields, "expires_at", "9999-12-31"), "too far away", "9999-12-31"},
		"no decision":        {with(f.fields, "decision", ""), "is not a decision", "met the team"},
		"another decision":   {with(f.fields, "decision", "adore"), "is not a decision", "met the team"},
		"no revision":        {with(f.fields, "revision", ""), "Open the page again", "met the team"},
		"half a revision":    {with(f.fields, "revision", "0x"), "Open the page again", "met the team"},
	} {
		a := w.post(reviewer, f.target, c.fields)
		if a.StatusCode != http.StatusUnprocessableEntity || !a.says(c.says) || a.title() != keyless.Name+" · Signboard" {
			t.Errorf("%s: %d %q, without %q: %s", name, a.StatusCode, a.title(), c.says, text(a.body))
		}
		if !strings.Contains(a.body, c.typed) {
			t.Errorf("%s: what was typed is lost: %q", name, c.typed)
		}
	}
	w.unchanged(before, "a refused decision")
}

func TestDecision_aboutSomebodyUnknownIsNotFound(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	f := w.forms(held)["/signers/{id}/decisions"]
	for _, id := range []inventory.SignerID{"keyless:https://a|b", "nonsense", keyless.ID + "x", keyless.ID[:20]} {
		if a := w.post(reviewer, id.Path()+"/decisions", f.fields); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d: %s", id, a.StatusCode, text(a.body))
		}
	}
}

func TestDecision_refusesWhenSomebodyDecidedMeanwhile(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	f := w.forms(held)["/signers/{id}/decisions"]
	if a := w.post(second, f.target, url.Values{"decision": {"reject"}, "reason": {"I don't know them"}, "revision": {"0"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d: %s", a.StatusCode, text(a.body))
	}
	w.cookie(reviewer)
	before := w.snapshot()
	a := w.post(reviewer, f.target, f.fields)
	if a.StatusCode != http.StatusConflict || !a.says("Eric rejected this signer while you were reading.") || !a.says("I don't know them") {
		t.Errorf("%d: %s", a.StatusCode, text(a.body))
	}
	for _, typed := range []string{"met the team", "local/pay/*\nlocal/ops/**", "2027-01-31", `name="revision" value="1"`} {
		if !strings.Contains(a.body, typed) {
			t.Errorf("the page has lost %q", typed)
		}
	}
	w.unchanged(before, "a decision made on what was no longer so")
	for _, revision := range []string{"-1", "2", "9223372036854775807"} {
		if a := w.post(reviewer, f.target, with(f.fields, "revision", revision)); a.StatusCode != http.StatusConflict {
			t.Errorf("revision %s: %d", revision, a.StatusCode)
		}
	}
	w.unchanged(before, "a revision that isn't the signer's")
	if a := w.post(reviewer, f.target, with(f.fields, "revision", "1")); a.StatusCode != http.StatusSeeOther {
		t.Errorf("having looked again: %d", a.StatusCode)
	}
}

func TestDecision_withTwoApproversNeedsASecondPerson(t *testing.T) {
	w := newWorld(t, plan{approvers: 2})
	_, held := w.fill()
	f := w.forms(held)["/signers/{id}/decisions"]
	if a := w.post(reviewer, f.target, f.fields); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d: %s", a.StatusCode, text(a.body))
	}
	if a := w.get(reviewer, keyless.ID.Path()); !a.says("Proposed.") || w.signer(keyless.ID).Standing != inventory.Pending {
		t.Errorf("the proposal is not said to be one: %s", text(a.body))
	}
	again := with(f.fields, "revision", "1")
	if a := w.post(reviewer, f.target, again); a.StatusCode != http.StatusConflict || !a.says("a second reviewer has to confirm it") {
		t.Errorf("the same person twice: %d", a.StatusCode)
	}
	if a := w.post(second, f.target, again); a.StatusCode != http.StatusSeeOther || w.signer(keyless.ID).Standing != inventory.Approved {
		t.Errorf("the second person: %d: %s", a.StatusCode, text(a.body))
	}
	if got := []string{w.entries()[0].Action, w.entries()[2].Action}; got[0] != "signer.approve" || got[1] != "signer.propose" {
		t.Errorf("the audit log says %v", got)
	}
}

func TestQuarantine_thatIsRefusedComesBackAsTyped(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	f := w.forms(held)["/quarantine"]
	w.cookie(reviewer)
	before := w.snapshot()
	for name, c := range map[string]struct {
		fields url.Values
		says   string
		typed  string
		status int
	}{
		"no reason":             {with(f.fields, "reason", "", "expires_at", "2027-03-04", "tag", "v1"), "Say why", "2027-03-04", 422},
		"a long reason":         {with(f.fields, "reason", strings.Repeat("é", 1001)), "longer than 2000", strings.Repeat("é", 1001), 422},
		"no day":                {with(f.fields, "expires_at", "31.12.2027"), "is not a date", "leaks", 422},
		"a day that is gone":    {with(f.fields, "expires_at", "2026-01-01"), "future", "leaks", 422},
		"the end of time":       {with(f.fields, "expires_at", "9999-12-31"), "too far away", "leaks", 422},
		"no digest":             {with(f.fields, "digest", ""), "is not a digest", "", 422},
		"what was seen is over": {with(f.fields, "seen", "1-30-20", "expires_at", "2027-03-04"), "When you looked, this was 30 images in use with 1 digest, 20 of them trusted; now it is 1 image in use with 1 digest, 0 of them trusted.", "2027-03-04", 409},
		"what is held already":  {with(f.fields, "digest", string(digest(7)), "repository", "local/ops/base"), "already holds exactly this", "leaks", 409},
		"a registry of nobody":  {with(f.fields, "repository", "none/app", "tag", "v1"), "There is no registry called", "", 422},
		"half a digest":         {with(f.fields, "digest", "sha256:abc"), "is not a digest", "", 422},
		"no repository":         {with(f.fields, "repository", "", "tag", "v1"), "Say what to quarantine", "", 422},
	} {
		a := w.post(reviewer, f.target, c.fields)
		if a.StatusCode != c.status || !a.says(c.says) {
			t.Errorf("%s: %d, without %q: %s", name, a.StatusCode, c.says, text(a.body))
		}
		if !strings.Contains(a.body, c.typed) {
			t.Errorf("%s: what was typed is lost: %q", name, c.typed)
		}
	}
	w.unchanged(before, "a refused quarantine")
}

// What nobody has seen yet can be held: it is, from its first sighting.
func TestQuarantine_ofWhatIsntThereYet(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for typed, says := range map[string]string{
		string(digest(99)):              "It would be held from its first sighting.",
		"local/pay/none:v1":             "Nothing yet: nobody has seen the tag.",
		"local/x@" + string(digest(98)): "It would be held from its first sighting.",
		"local/pay/api:v1":              "2 images in 2 repositories would be held, 2 of them trusted now.",
	} {
		a := w.get(reviewer, "/quarantine/new?image="+url.QueryEscape(typed))
		if a.StatusCode != http.StatusOK || !a.says(says) || !a.says("POST /api/v1/check") {
			t.Errorf("%s: %d, without %q: %s", typed, a.StatusCode, says, text(a.body))
			continue
		}
		_, rest, _ := strings.Cut(a.body, `name="seen" value="`)
		seen, _, _ := strings.Cut(rest, `"`)
		a = w.post(reviewer, "/quarantine", url.Values{"image": {typed}, "seen": {seen}, "reason": {"bad news"}})
		to := a.Header.Get("Location")
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/quarantine/") {
			t.Errorf("%s: %d to %q: %s", typed, a.StatusCode, to, text(a.body))
			continue
		}
		if a = w.get(reviewer, to); !a.says("bad news") || !a.says("Release") {
			t.Errorf("%s: its page says %s", typed, text(a.body))
		}
	}
	if a := w.get(viewer, "/quarantine"); !a.says("nothing yet") {
		t.Errorf("a tag of nobody's doesn't say so: %s", text(a.body))
	}
	for typed, says := range map[string]string{"elsewhere.test/x:v1": "is in no configured registry", "sha256:abc": "", "none": "is in no configured registry"} {
		if a := w.get(reviewer, "/quarantine/new?image="+url.QueryEscape(typed)); a.StatusCode != http.StatusUnprocessableEntity || !a.says(says) {
			t.Errorf("%s: %d: %s", typed, a.StatusCode, text(a.body))
		}
	}
}

// Where the pages say that a quarantine is enforced, it is: and nowhere else is
// asked before an image runs.
func TestEnforcement_isSaidAsItIs(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	asks := map[string]func() bool{
		"POST /api/v1/check": func() bool {
			a := w.json(viewer, http.MethodPost, "/api/v1/check", `{"images":["local/ops/base@`+string(digest(7))+`"]}`)
			return strings.Contains(a.body, `"allowed":false`) && strings.Contains(a.body, `"reason":"quarantined"`)
		},
		"signboard check": nil, // cmd/signboard's TestCheck holds that it refuses; it asks the same gate
	}
	for _, by := range views.EnforcedBy {
		refuses, known := asks[by]
		if !known || refuses != nil && !refuses() {
			t.Errorf("%s is said to refuse what is held, and doesn't", by)
		}
		delete(asks, by)
	}
	for by := range asks {
		t.Errorf("%s refuses, and the pages don't say so", by)
	}
	w.must(chi.Walk(w.handler.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if strings.Contains(route, "admi") || strings.Contains(route, "webhook") || strings.Contains(route, "validat") {
			t.Errorf("%s %s is asked by clusters: the pages say that there is no such thing", method, route)
		}
		return nil
	}))
	for _, target := range []string{"/quarantine", "/quarantine/new", views.ImageURL("local/ops/base", digest(7))} {
		if a := w.get(viewer, target); !a.says("Where it is only recorded") || !a.says("signboard check") {
			t.Errorf("%s doesn't say where it is enforced", target)
		}
	}
}

func TestRelease_thatIsRefusedComesBackAsTyped(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	f := w.forms(held)["/quarantine/{id}/release"]
	w.cookie(reviewer)
	before := w.snapshot()
	long := strings.Repeat("fixed in v5. ", 200)
	if a := w.post(reviewer, f.target, url.Values{"reason": {long}}); a.StatusCode != 422 || !a.says("longer than 2000") || !strings.Contains(a.body, strings.TrimSpace(long)) {
		t.Errorf("%d, or what was typed is lost: %s", a.StatusCode, text(a.body))
	}
	if a := w.post(reviewer, f.target, url.Values{"reason": {""}}); a.StatusCode != 422 || !a.says("Say why") {
		t.Errorf("%d: %s", a.StatusCode, text(a.body))
	}
	for _, id := range []string{"none", "..", "%00", "%2F", "%27%20or%201=1"} {
		if a := w.post(reviewer, "/quarantine/"+id+"/release", f.fields); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d: %s", id, a.StatusCode, text(a.body))
		}
	}
	w.unchanged(before, "a refused release")
}

func TestRelease_refusesWhenSomebodyReleasedMeanwhile(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	f := w.forms(held)["/quarantine/{id}/release"]
	w.post(second, f.target, url.Values{"reason": {"I was first"}})
	w.cookie(reviewer)
	before := w.snapshot()
	a := w.post(reviewer, f.target, f.fields)
	if a.StatusCode != http.StatusConflict || !a.says("This quarantine no longer stands: Eric released it on") || !a.says("I was first") {
		t.Errorf("%d: %s", a.StatusCode, text(a.body))
	}
	w.unchanged(before, "a second release")
}

func TestSync_ofAnUnknownRegistryIsNotFound(t *testing.T) {
	w := newWorld(t, plan{})
	for _, name := range []string{"none", "%3Cscript%3E", "local%2Fx"} {
		if a := w.post(reviewer, "/registries/"+name+"/sync", nil); a.StatusCode != http.StatusNotFound || strings.Contains(a.body, "<script>") {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
}

func TestPage_offersOnlyWhatThePersonMayDo(t *testing.T) {
	w := newWorld(t, plan{})
	approved, held := w.fill()
	for person, may := range map[string]bool{viewer: false, reviewer: true, admin: true} {
		for target, offers := range map[string]string{
			approved.ID.Path(): `action="` + approved.ID.Path() + `/decisions"`, "/quarantine/" + held.ID: `/release"`, "/quarantine": `action="/quarantine/new"`, "/registries": `action="/registries/local/sync"`,
			"/images/" + string(digest(3)) + "?repository=local/pay/web": `action="/quarantine/new"`,
			"/quarantine/new?digest=" + string(digest(3)):                `action="/quarantine"`,
		} {
			if got := strings.Contains(w.get(person, target).body, offers); got != may {
				t.Errorf("%s offers %s the form %s: %v", target, person, offers, got)
			}
		}
	}
}
