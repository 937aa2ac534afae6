package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// json sends a body as a page's script does.
func (w *world) json(person, method, target, body string) answer {
	w.Helper()
	return w.ask(person, method, target, strings.NewReader(body), "Content-Type", "application/json", "Sec-Fetch-Site", "same-origin")
}

func TestAPI_decidesAboutASigner(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	at := "/api/v1" + keyless.ID.Path()

	a := w.json(viewer, "POST", at+"/preview", `{"decision":"approve","repositories":["local/pay/*"]}`)
	want := `{"revision":0,"state":"active","images":1,"changes":[{"from":"unapproved","to":"trusted","images":1,"quarantined":0}],` +
		`"by_team":[{"team":"payments","from":"unapproved","to":"trusted","images":1}],"teams":["payments"],` +
		`"examples":[{"registry":"local","repository":"pay/api","digest":"` + string(digest(2)) + `","tags":["v2"],"teams":["payments"],"quarantined":false,"from":"unapproved","to":"trusted"}],"basis":"`
	if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.body, want) {
		t.Errorf("%d %s\nwant %s", a.StatusCode, a.body, want)
	}
	before := len(w.entries())
	a = w.json(reviewer, "POST", at+"/decisions", `{"decision":"approve","repositories":["local/pay/*"],"expires_at":"2027-01-01T00:00:00Z","reason":"met the team","revision":0}`)
	o := a.object(t)
	if a.StatusCode != http.StatusCreated || o["id"] == "" || o["signer"] != string(keyless.ID) || o["decision"] != "approve" || fmt.Sprint(o["repositories"]) != "[local/pay/*]" ||
		o["reason"] != "met the team" || o["expires_at"] != "2027-01-01T00:00:00Z" || o["state"] != "active" || o["revision"] != 1.0 ||
		!strings.Contains(a.body, `"decided_by":[{"name":"Dana","at":"2026-11-21T12:00:00Z"}]`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if e := w.entries()[0]; e.Action != "signer.approve" || e.Actor.Name != reviewer || e.Reason != "met the team" || len(w.entries()) != before+2 { // and the sign-in
		t.Errorf("the audit entry is %+v", e)
	}

	for name, c := range map[string]struct {
		person, call, body string
		status             int
		says               string
	}{
		"a stale revision":    {reviewer, "/decisions", `{"decision":"reject","reason":"r","revision":0}`, 409, "Dana approved this signer while you were reading"},
		"no revision":         {reviewer, "/decisions", `{"decision":"reject","reason":"r"}`, 422, "revision"},
		"no reason":           {reviewer, "/decisions", `{"decision":"reject","revision":1}`, 422, "reason"},
		"an empty reason":     {reviewer, "/decisions", `{"decision":"reject","reason":" ","revision":1}`, 422, "Say why"},
		"no decision":         {reviewer, "/decisions", `{"reason":"r","revision":1}`, 422, "decision"},
		"another decision":    {reviewer, "/decisions", `{"decision":"bless","reason":"r","revision":1}`, 422, "decision"},
		"no repositories":     {reviewer, "/decisions", `{"decision":"approve","reason":"r","revision":1}`, 422, "which repositories"},
		"a bad pattern":       {reviewer, "/decisions", `{"decision":"approve","repositories":["a//b"],"reason":"r","revision":1}`, 422, "empty segment"},
		"the past":            {reviewer, "/decisions", `{"decision":"approve","repositories":["**"],"expires_at":"2026-01-01T00:00:00Z","reason":"r","revision":1}`, 422, "in the future"},
		"an odd date":         {reviewer, "/decisions", `{"decision":"approve","repositories":["**"],"expires_at":"tomorrow","reason":"r","revision":1}`, 422, "expires_at"},
		"a field too many":    {reviewer, "/decisions", `{"decision":"reject","reason":"r","revision":1,"role":"admin"}`, 422, "role"},
		"a NUL":               {reviewer, "/decisions", `{"decision":"reject","reason":"a\u0000b","revision":1}`, 422, "NUL"},
		"a viewer":            {viewer, "/decisions", `{"decision":"reject","reason":"r","revision":1}`, 403, "viewer"},
		"a viewer's nonsense": {viewer, "/decisions", `{`, 403, "viewer"},
		"nothing to revoke":   {viewer, "/../" + strings.TrimPrefix(unheard.ID.Path(), "/signers/") + "/preview", `{"decision":"revoke"}`, 409, "no approval"},
		"preview no pattern":  {viewer, "/preview", `{"decision":"approve"}`, 422, "which repositories"},
		"preview nothing":     {viewer, "/preview", ``, 400, ""},
	} {
		target := at + c.call
		if rest, ok := strings.CutPrefix(c.call, "/../"); ok {
			target = "/api/v1/signers/" + rest
		}
		if detail := w.json(c.person, "POST", target, c.body).problem(t, c.status); !strings.Contains(detail, c.says) {
			t.Errorf("%s: %q, without %q", name, detail, c.says)
		}
	}
	w.json(reviewer, "POST", "/api/v1/signers/key:sha256:"+strings.Repeat("0", 64)+"/decisions", `{"decision":"reject","reason":"r","revision":0}`).problem(t, 404)
	if s := w.signer(keyless.ID); s.Revision != 1 {
		t.Errorf("what was refused was done: %+v", s)
	}
	refused := 0
	for _, e := range w.entries() {
		if e.Action == "access.refused" && e.Actor.Name == viewer {
			refused++
		}
	}
	if refused == 0 {
		t.Error("the viewer's try isn't in the audit log")
	}
	if a := w.json(reviewer, "POST", at+"/decisions", `{"decision":"revoke","reason":"left us","revision":1}`); a.StatusCode != http.StatusCreated || !strings.Contains(a.body, `"decision":"revoke","repositories":["**"]`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// A decision that names what was seen is refused with both when it would change
// something else by now.
func TestAPI_aBasisBindsADecision(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	at := "/api/v1" + keyless.ID.Path()
	basis := fmt.Sprint(w.json(viewer, "POST", at+"/preview", `{"decision":"approve","repositories":["local/pay/*"]}`).object(t)["basis"])
	decide := func(basis string) string {
		return fmt.Sprintf(`{"decision":"approve","repositories":["local/pay/*"],"reason":"met the team","revision":0,"basis":%q}`, basis)
	}
	if _, err := w.door.Quarantine(t.Context(), inventory.Actor{Name: second, Role: inventory.Reviewer}, decision.QuarantineRequest{Digest: digest(2), Reason: "odd"}); err != nil {
		t.Fatal(err)
	}
	a := w.json(reviewer, "POST", at+"/decisions", decide(basis))
	var problem struct {
		Detail string
		Was    struct {
			Changes []struct{ Images, Quarantined int }
		}
		Impact struct {
			Basis    string
			Revision int
			Changes  []struct{ Images, Quarantined int }
		}
	}
	w.must(json.Unmarshal([]byte(a.body), &problem))
	if a.StatusCode != http.StatusConflict || problem.Detail != "When you looked, 1 image in 1 team would become trusted; now 1 image in 1 team would become trusted: 1 of them quarantined, not 0." {
		t.Errorf("%d %q", a.StatusCode, problem.Detail)
	}
	if len(problem.Was.Changes) != 1 || problem.Was.Changes[0].Quarantined != 0 || len(problem.Impact.Changes) != 1 || problem.Impact.Changes[0].Quarantined != 1 || problem.Impact.Basis == "" {
		t.Errorf("%s", a.body)
	}
	w.json(reviewer, "POST", at+"/decisions", decide("nonsense")).problem(t, 422)
	if a := w.json(reviewer, "POST", at+"/decisions", decide(problem.Impact.Basis)); a.StatusCode != http.StatusCreated {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestAPI_aSecondPersonConfirms(t *testing.T) {
	w := newWorld(t, plan{approvers: 2})
	w.fill()
	at := "/api/v1" + keyless.ID.Path()
	approve := func(revision int) string {
		return fmt.Sprintf(`{"decision":"approve","repositories":["local/pay/*"],"reason":"met the team","revision":%d}`, revision)
	}
	if a := w.json(reviewer, "POST", at+"/decisions", approve(0)); a.StatusCode != http.StatusCreated || !strings.Contains(a.body, `"state":"proposed"`) {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a := w.json(second, "POST", at+"/preview", `{"decision":"approve","repositories":["local/pay/*"]}`); !strings.Contains(a.body, `{"revision":1,"state":"active"`) {
		t.Error(a.body)
	}
	if detail := w.json(reviewer, "POST", at+"/decisions", approve(1)).problem(t, 409); !strings.Contains(detail, "second reviewer") {
		t.Error(detail)
	}
	if a := w.json(second, "POST", at+"/decisions", approve(1)); a.StatusCode != http.StatusCreated || !strings.Contains(a.body, `"state":"active"`) || !strings.Contains(a.body, `"name":"Dana"`) || !strings.Contains(a.body, `"name":"Eric"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if s := w.signer(keyless.ID); s.Standing != inventory.Approved {
		t.Errorf("%+v", s)
	}
}

func TestAPI_ofManyAtOnceOneDecides(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	w.cookie(reviewer)
	const people = 8
	statuses := make([]int, people)
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() {
			statuses[i] = w.json(reviewer, "POST", "/api/v1"+keyless.ID.Path()+"/decisions", `{"decision":"reject","reason":"r","revision":0}`).StatusCode
		})
	}
	all.Wait()
	won := 0
	for _, status := range statuses {
		if status == http.StatusCreated {
			won++
		} else if status != http.StatusConflict {
			t.Errorf("a loser got %d", status)
		}
	}
	if won != 1 || w.signer(keyless.ID).Revision != 1 {
		t.Errorf("%d won: %v", won, statuses)
	}
}

func TestAPI_holdsAndReleases(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	a := w.json(reviewer, "POST", "/api/v1/quarantines", `{"repository":"local/pay/api","tag":"v1","reason":"odd","expires_at":"2027-01-01T00:00:00+02:00"}`)
	o := a.object(t)
	if a.StatusCode != http.StatusCreated || o["repository"] != "local/pay/api" || o["tag"] != "v1" || o["by"] != reviewer || o["expires_at"] != "2026-12-31T22:00:00Z" || o["released_at"] != nil {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	at := "/api/v1/quarantines/" + o["id"].(string)
	if i, err := w.db.Image(t.Context(), "local", "pay/api", digest(1), noon); err != nil || i.Quarantine == nil {
		t.Errorf("it isn't held: %+v, %v", i, err)
	}
	if a := w.json(viewer, "POST", "/api/v1/check", `{"images":["local/pay/api:v1"]}`); !strings.HasPrefix(a.body, `{"allowed":false,"decided":true`) {
		t.Error(a.body)
	}
	for name, c := range map[string]struct {
		person, method, target, body string
		status                       int
	}{
		"both":            {reviewer, "POST", "/api/v1/quarantines", `{"digest":"` + string(digest(1)) + `","repository":"local/pay/api","tag":"v1","reason":"r"}`, 422},
		"neither":         {reviewer, "POST", "/api/v1/quarantines", `{"reason":"r"}`, 422},
		"half":            {reviewer, "POST", "/api/v1/quarantines", `{"repository":"local/pay/api","reason":"r"}`, 422},
		"no digest":       {reviewer, "POST", "/api/v1/quarantines", `{"digest":"sha256:1","reason":"r"}`, 422},
		"no reason":       {reviewer, "POST", "/api/v1/quarantines", `{"digest":"` + string(digest(1)) + `"}`, 422},
		"a viewer":        {viewer, "POST", "/api/v1/quarantines", `{"digest":"` + string(digest(1)) + `","reason":"r"}`, 403},
		"a viewer ends":   {viewer, "DELETE", at, `{"reason":"r"}`, 403},
		"without reason":  {reviewer, "DELETE", at, `{}`, 422},
		"without a body":  {reviewer, "DELETE", at, ``, 400},
		"one that is not": {reviewer, "DELETE", "/api/v1/quarantines/none", `{"reason":"r"}`, 404},
	} {
		if w.json(c.person, c.method, c.target, c.body).problem(t, c.status); t.Failed() {
			t.Logf("that was %s", name)
		}
	}
	if a := w.json(reviewer, "DELETE", at, `{"reason":"false alarm"}`); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"released_at":"2026-11-21T12:00:00Z"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if e := w.entries()[0]; e.Action != "image.release" || e.Reason != "false alarm" || e.Actor.Name != reviewer {
		t.Errorf("%+v", e)
	}
	if detail := w.json(reviewer, "DELETE", at, `{"reason":"again"}`).problem(t, 409); !strings.Contains(detail, "no longer stands") {
		t.Error(detail)
	}
}

func TestAPI_startsAndEndsASync(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	if a := w.json(reviewer, "POST", "/api/v1/registries/local/sync", ""); a.StatusCode != http.StatusAccepted || a.object(t)["name"] != "local" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if e := w.entries()[0]; e.Action != "registry.sync" {
		t.Errorf("%+v", e)
	}
	if a := w.json(reviewer, "POST", "/api/v1/registries/local/cancel", ""); a.StatusCode != http.StatusAccepted || !strings.Contains(a.body, `"by":"Dana"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	w.json(reviewer, "POST", "/api/v1/registries/local/cancel", "").problem(t, 409)
	w.json(reviewer, "POST", "/api/v1/registries/none/sync", "").problem(t, 404)
	w.json(viewer, "POST", "/api/v1/registries/local/sync", "").problem(t, 403)
}

func TestAPI_quarantineIsPreviewedAndBound(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	target := `"repository":"local/pay/api","tag":"v1"`
	seen := w.json(viewer, "POST", "/api/v1/quarantines/preview", "{"+target+"}").object(t)
	if seen["images"] != 2.0 || seen["seen"] != "1-2-2" || fmt.Sprint(seen["digests"]) != fmt.Sprintf("[%s]", digest(1)) || fmt.Sprint(seen["by_status"].(map[string]any)["trusted"]) != "2" {
		t.Errorf("the preview is %v", seen)
	}
	hold := func(seen string) answer {
		return w.json(reviewer, "POST", "/api/v1/quarantines", fmt.Sprintf(`{%s,"reason":"leaks","seen":%q}`, target, seen))
	}
	if detail := hold("1-9-9").problem(t, 409); !strings.Contains(detail, "this was 9 images") || !strings.Contains(detail, "now it is 2 images") {
		t.Error(detail)
	}
	made := hold("1-2-2")
	if o := made.object(t); made.StatusCode != http.StatusCreated || o["images"] != 2.0 || fmt.Sprint(o["digests"]) != fmt.Sprintf("[%s]", digest(1)) {
		t.Errorf("%d %s", made.StatusCode, made.body)
	}
	if a := w.get(viewer, "/api/v1/images/"+string(digest(1))+"?repository=local/pay/api"); !strings.Contains(a.body, `"because":{"kind":"tag","since":"`) || strings.Contains(a.body, `"images":0`) {
		t.Errorf("the image says %s", a.body)
	}
	w.json(viewer, "POST", "/api/v1/quarantines/preview", `{"repository":"none/x","tag":"v1"}`).problem(t, 422)
}
