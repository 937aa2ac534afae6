package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

// as asks with a session's cookie, from a browser.
func (w *world) as(c *http.Cookie, method, target string) answer {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), method, target, nil)
	r.Host = "signboard.test"
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(c)
	return w.send(r)
}

// sessions are somebody's.
func (w *world) sessions(person string) []inventory.Session {
	w.Helper()
	list, err := w.db.SessionsOf(w.Context(), w.provider.URL+"|"+person, time.Now())
	w.must(err)
	return list
}

func (w *world) signedInAs(c *http.Cookie) bool {
	w.Helper()
	return w.as(c, http.MethodGet, "/account").StatusCode == http.StatusOK
}

func TestAccount_endsSessionsOfOnesOwn(t *testing.T) {
	w := newWorld(t, plan{})
	w.cookie(reviewer) // roles are as they are
	first, _ := w.signIn(viewer, "/")
	one := w.sessions(viewer)[0]
	second, _ := w.signIn(viewer, "/")
	third, _ := w.signIn(viewer, "/")
	other := w.sessions(reviewer)[0]

	w.as(second, http.MethodGet, "/") // in Firefox, as isn't said when signing in
	a := w.as(second, http.MethodGet, "/account")
	if a.StatusCode != http.StatusOK || strings.Count(a.body, "This browser") != 1 || strings.Count(a.body, "/account/sessions/") != 2 || !a.says("Firefox on Linux") {
		t.Errorf("%d: %s", a.StatusCode, text(a.body))
	}
	if strings.Contains(a.body, other.ID) || strings.Contains(a.body, second.Value) {
		t.Error("the page holds somebody else's session, or a token")
	}
	before := len(w.entries())
	if a := w.as(second, http.MethodPost, "/account/sessions/"+one.ID+"/end"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/account" {
		t.Fatalf("%d: %s", a.StatusCode, text(a.body))
	}
	if w.signedInAs(first) || !w.signedInAs(second) || !w.signedInAs(third) {
		t.Error("not just the one session ended")
	}
	if log := w.entries(); len(log) != before+1 || log[0].Action != "session.revoke" || log[0].Actor.Name != viewer || log[0].Address == "" {
		t.Errorf("the audit log says %+v", log[0])
	}
	if a := w.as(second, http.MethodPost, "/account/others/end"); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d", a.StatusCode)
	}
	if w.signedInAs(third) || !w.signedInAs(second) || len(w.sessions(reviewer)) != 1 {
		t.Error("not just the others ended")
	}
	if a := w.as(second, http.MethodGet, "/account"); !a.says("You are signed in nowhere else.") {
		t.Errorf("%s", text(a.body))
	}
}

func TestAccount_hasNobodyElsesSessions(t *testing.T) {
	w := newWorld(t, plan{})
	w.cookie(reviewer)
	mine, _ := w.signIn(viewer, "/")
	theirs, own := w.sessions(reviewer)[0], w.sessions(viewer)[0]
	before := len(w.entries())
	for _, id := range []string{theirs.ID, "none", strings.Repeat("0", 64)} {
		if a := w.as(mine, http.MethodPost, "/account/sessions/"+id+"/end"); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", id, a.StatusCode)
		}
	}
	if len(w.sessions(reviewer)) != 1 {
		t.Error("it ended")
	}
	log := w.entries()
	if len(log) != before+3 || log[2].Action != "access.refused" || log[2].Object != theirs.ID || log[2].Actor.Name != viewer {
		t.Errorf("the audit log says %+v", log[:len(log)-before])
	}
	if a := w.as(mine, http.MethodPost, "/account/sessions/"+own.ID+"/end"); a.StatusCode != http.StatusUnprocessableEntity || !w.signedInAs(mine) {
		t.Errorf("one's own: %d", a.StatusCode)
	}
}

func TestAccount_whereNobodySignsIn(t *testing.T) {
	w := newWorld(t, plan{local: true, baseURL: "http://localhost:8080"})
	if a := w.get(nobody, "/account"); a.StatusCode != http.StatusOK || !a.says("Nobody signs in to this Signboard") || strings.Contains(a.body, "/account/others") {
		t.Errorf("%d: %s", a.StatusCode, text(a.body))
	}
	if a := w.post(nobody, "/account/others/end", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("%d", a.StatusCode)
	}
}
