package web_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"signboard/inventory"
)

// program is the id of a token that tests make.
const program = "aaaaaaaaaaaaaaaaaaaaaaaaaa"

// token stores a token that Ada made, and returns its secret.
func (w *world) token(id, name string, role inventory.Role, until *time.Time) inventory.TokenSecret {
	w.Helper()
	secret := inventory.NewTokenSecret()
	w.must(w.db.RecordToken(w.Context(), inventory.Token{
		ID: id, Name: name, Role: role, Subject: "https://id.test|Ada", CreatedAt: noon, CreatedBy: admin, ExpiresAt: until,
	}, secret.Hash(), inventory.AuditEntry{At: noon, Actor: inventory.Actor{Name: admin}, Action: "token.create", Object: name}))
	return secret
}

var (
	shown     = regexp.MustCompile(`sgb_[0-9A-Za-z]{38}`)
	tokenForm = regexp.MustCompile(`name="form" value="([a-z2-7]{26})"`)
)

// askFor is the form of the page of tokens, filled in.
func (w *world) askFor(name, role, lasts string) url.Values {
	w.Helper()
	m := tokenForm.FindStringSubmatch(w.get(admin, "/tokens").body)
	if m == nil {
		w.Fatal("the page has no form")
	}
	return url.Values{"form": {m[1]}, "name": {name}, "role": {role}, "lasts": {lasts}}
}

func TestTokens_oneIsShownOnce(t *testing.T) {
	w := newWorld(t, plan{})
	form := w.askFor("nightly report", "reviewer", "90d")
	a := w.post(admin, "/tokens", form)
	secret := shown.FindString(a.body)
	if a.StatusCode != http.StatusOK || secret == "" || !a.says("The token of nightly report is made.") {
		t.Fatalf("%d: %s", a.StatusCode, text(a.body))
	}
	if cache := a.Header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("the page with the token may be kept: %s", cache)
	}
	for name, values := range a.Header {
		if strings.Contains(strings.Join(values, " "), secret[4:20]) {
			t.Errorf("the token is in the header %s", name)
		}
	}
	if n := strings.Count(a.body, secret); n != 2 { // to read, and in the button that copies
		t.Errorf("the token is %d times in the page", n)
	}

	made, err := w.db.TokenByHash(t.Context(), inventory.TokenSecret(secret).Hash())
	w.must(err)
	if made.Name != "nightly report" || made.Role != inventory.Reviewer || !made.ExpiresAt.Equal(noon.AddDate(0, 0, 90)) || made.CreatedBy != admin || made.Subject != w.provider.URL+"|"+admin {
		t.Errorf("made is %+v", made)
	}
	if e := w.entries()[0]; e.Action != "token.create" || e.Object != "nightly report" || e.Actor.Name != admin {
		t.Errorf("the audit log has %+v", e)
	}

	// A reload sends the form again.
	again := w.post(admin, "/tokens", form)
	if again.StatusCode != http.StatusConflict || shown.MatchString(again.body) || !again.says("shown only once") {
		t.Errorf("the same form again: %d: %s", again.StatusCode, text(again.body))
	}
	list := w.get(admin, "/tokens")
	if shown.MatchString(list.body) || !list.says("nightly report") || !list.says("1 token is live.") {
		t.Errorf("the list: %s", text(list.body))
	}

	// It is in no log and nowhere in the database, not even in part.
	w.must(w.checkpoint())
	kept, err := os.ReadFile(w.file)
	w.must(err)
	for what, text := range map[string]string{"the log": w.log.String(), "the database": string(kept), "the audit page": w.get(admin, "/audit").body} {
		if strings.Contains(text, secret[4:20]) {
			t.Errorf("the token is in %s", what)
		}
	}
	if !strings.Contains(string(kept), inventory.TokenSecret(secret).Hash()) {
		t.Error("this test looks in the wrong place: not even the hash is in the database")
	}
}

// checkpoint brings what was written into the database's file.
func (w *world) checkpoint() error {
	db, err := sql.Open("sqlite", w.file)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec("pragma wal_checkpoint(truncate)")
	return err
}

func TestTokens_aRefusedFormComesBackAsTyped(t *testing.T) {
	w := newWorld(t, plan{})
	w.token(program, "taken", inventory.Viewer, nil)
	good := w.askFor("ci", "admin", "never")
	before := w.snapshot()
	for name, c := range map[string]struct {
		fields url.Values
		status int
		says   string
	}{
		"no name":             {with(good, "name", " "), 422, "needs a name"},
		"a name that is live": {with(good, "name", "taken"), 409, "a live token called taken"},
		"an odd name":         {with(good, "name", "a\u202eb"), 422, "ordinary characters"},
		"no role":             {with(good, "role", ""), 422, "is not a role"},
		"an unknown role":     {with(good, "role", "nobody"), 422, "is not a role"},
		"no end chosen":       {with(good, "lasts", ""), 422, "how long"},
		"an end of their own": {with(good, "lasts", "10000d"), 422, "how long"},
		"no form":             {with(good, "form", ""), 422, "Part of the form is missing"},
		"a form of their own": {with(good, "form", "mine"), 422, "wasn't made by Signboard"},
	} {
		a := w.post(admin, "/tokens", c.fields)
		if a.StatusCode != c.status || !a.says(c.says) || shown.MatchString(a.body) {
			t.Errorf("%s: %d: %s", name, a.StatusCode, text(a.body))
		}
		if typed := c.fields.Get("name"); strings.TrimSpace(typed) != "" && !strings.Contains(a.body, `value="`+typed+`"`) {
			t.Errorf("%s: the name is lost", name)
		}
		if c.fields.Get("lasts") == "never" && !regexp.MustCompile(`value="never" selected`).MatchString(a.body) {
			t.Errorf("%s: how long it was to count is lost", name)
		}
		if m := tokenForm.FindStringSubmatch(a.body); m == nil || m[1] == good.Get("form") {
			t.Errorf("%s: the form can't be sent again: %v", name, m)
		}
	}
	w.unchanged(before, "a refused form")
	if a := w.post(admin, "/tokens", good); a.StatusCode != http.StatusOK || !a.says("never, until somebody revokes it") {
		t.Errorf("the good one: %d: %s", a.StatusCode, text(a.body))
	}
}

// TestTokens_areForThoseWhoManageThem holds that everybody else gets 403, also for
// looking, and that it is written down.
func TestTokens_areForThoseWhoManageThem(t *testing.T) {
	w := newWorld(t, plan{})
	secret := w.token(program, "pipeline", inventory.Admin, nil)
	form := w.askFor("mine", "viewer", "90d")
	for person, status := range map[string]int{viewer: 403, reviewer: 403, stranger: 403, nobody: 401} {
		if person != nobody {
			w.cookie(person)
		}
		count := len(w.entries())
		if a := w.post(person, "/tokens", form); a.StatusCode != status || shown.MatchString(a.body) {
			t.Errorf("%q made one: %d", person, a.StatusCode)
		}
		a := w.get(person, "/tokens")
		if person == nobody && (a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin")) || person != nobody && a.StatusCode != http.StatusForbidden {
			t.Errorf("%q looks: %d to %q", person, a.StatusCode, a.Header.Get("Location"))
		}
		if a.says("pipeline") {
			t.Errorf("%q sees them", person)
		}
		want := 1
		if person == viewer || person == reviewer {
			want = 2
			if link := w.get(person, "/"); strings.Contains(link.body, `href="/tokens"`) {
				t.Errorf("%s is offered the page", person)
			}
		}
		made := w.entries()[:len(w.entries())-count]
		if len(made) != want {
			t.Errorf("%q: %d refusals are written down, want %d", person, len(made), want)
		}
		for _, e := range made {
			if e.Action != "access.refused" || !strings.Contains(e.Reason, "manage tokens") && !strings.Contains(e.Reason, "see") {
				t.Errorf("%q: %+v", person, e)
			}
		}
	}
	if !strings.Contains(w.get(admin, "/").body, `href="/tokens"`) {
		t.Error("the admin isn't offered the page")
	}
	// A token is for the API: pages don't know it, whatever its role.
	if a := w.get(nobody, "/tokens", "Authorization", "Bearer "+string(secret)); a.StatusCode != http.StatusSeeOther {
		t.Errorf("with an admin's token: %d", a.StatusCode)
	}
}

func TestTokens_listsEachState(t *testing.T) {
	w := newWorld(t, plan{})
	soon, gone := noon.AddDate(0, 0, 3), noon.Add(time.Minute)
	w.token("live", "a live one", inventory.Viewer, nil)
	w.token("soon", "ends soon", inventory.Reviewer, &soon)
	w.token("gone", "has ended", inventory.Viewer, &gone)
	w.token("used", "in use", inventory.Viewer, nil)
	w.must(w.db.RecordTokenUse(t.Context(), "used", noon.Add(-time.Hour), "198.51.100.7"))
	revoked, err := w.db.Token(t.Context(), "live", noon)
	w.must(err)
	revoked.RevokedAt, revoked.RevokedBy = &noon, second
	w.must(w.db.RecordTokenRevocation(t.Context(), revoked, inventory.AuditEntry{At: noon}))

	a := w.get(admin, "/tokens")
	if !a.says("3 tokens are live.") || !a.says("ends soonreviewer") || !a.says("2026-11-24 12:00:00 UTC soon") || !a.says("1 hour ago from 198.51.100.7") || !a.says("not yet") || a.says("a live one") {
		t.Errorf("live: %s", text(a.body))
	}
	over := w.get(admin, "/tokens?state=over")
	if !over.says("a live one") || !over.says("by Eric") || over.says("in use") {
		t.Errorf("over: %s", text(over.body))
	}
}

func TestTokens_listGoesOnOverPages(t *testing.T) {
	w := newWorld(t, plan{})
	for i := range 120 {
		w.token(fmt.Sprint("t", i), fmt.Sprintf("program %03d", i), inventory.Viewer, nil)
	}
	next := regexp.MustCompile(`href="([^"]+)" id="pager-next"`)
	seen, target := map[string]bool{}, "/tokens"
	for range 5 {
		a := w.get(admin, target)
		for _, name := range regexp.MustCompile(`program \d{3}`).FindAllString(a.body, -1) {
			seen[name] = true
		}
		m := next.FindStringSubmatch(a.body)
		if m == nil {
			break
		}
		target = strings.ReplaceAll(m[1], "&amp;", "&")
	}
	if len(seen) != 120 {
		t.Errorf("%d of 120 were shown", len(seen))
	}
}

func TestTokens_oneCountsUntilItIsRevoked(t *testing.T) {
	w := newWorld(t, plan{})
	form := w.askFor("pipeline", "viewer", "never") // what sessions go by is the real clock
	secret := shown.FindString(w.post(admin, "/tokens", form).body)
	ask := func() int { return w.get(nobody, "/api/v1/images", "Authorization", "Bearer "+secret).StatusCode }
	if ask() != http.StatusOK {
		t.Error("it doesn't count")
	}
	revoke := "/tokens/" + form.Get("form") + "/revoke"
	if a := w.post(admin, revoke, nil); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d: %s", a.StatusCode, text(a.body))
	}
	if ask() != http.StatusUnauthorized {
		t.Error("it counts after it was revoked")
	}
	if a := w.post(admin, revoke, nil); a.StatusCode != http.StatusConflict || !a.says("has been revoked already") {
		t.Errorf("again: %d: %s", a.StatusCode, text(a.body))
	}
	for _, id := range []string{"none", "%00", "%27%20or%201=1"} {
		if a := w.post(admin, "/tokens/"+id+"/revoke", nil); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", id, a.StatusCode)
		}
	}
}
