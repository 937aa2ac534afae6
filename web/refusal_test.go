package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/web"
)

// TestEveryRefusal_isWrittenDownWhateverWasSent holds that who may not do a thing
// is refused, and written down, before anything of the request is read.
func TestEveryRefusal_isWrittenDownWhateverWasSent(t *testing.T) {
	eachForm(t, func(w *world, f form) {
		if f.open {
			w.Skip("open to anybody")
		}
		w.cookie(viewer)
		before, count := w.snapshot(), len(w.entries())
		bodies := []struct{ name, kind, body string }{
			{"as it should be", "application/x-www-form-urlencoded", f.fields.Encode()},
			{"nothing", "application/x-www-form-urlencoded", ""},
			{"nonsense", "application/x-www-form-urlencoded", "%zz;&digest=%"},
			{"no form", "text/plain", "hello"},
			{"no boundary", "multipart/form-data", "x"},
			{"a broken part", "multipart/form-data; boundary=x", "--x\r\nnonsense"},
			{"too much", "application/x-www-form-urlencoded", "reason=" + strings.Repeat("x", 2<<20)},
			{"a digest that isn't one", "application/x-www-form-urlencoded", "digest=" + url.QueryEscape("x\x00\xff<b>")},
			{"a long digest", "application/x-www-form-urlencoded", "digest=" + strings.Repeat("é", 10000)},
		}
		for _, b := range bodies {
			a := w.ask(viewer, http.MethodPost, f.target, strings.NewReader(b.body), "Content-Type", b.kind)
			if a.StatusCode != http.StatusForbidden {
				w.Errorf("%s: %d: %s", b.name, a.StatusCode, text(a.body))
			}
		}
		w.onlyRefused(before, len(w.entries())-count, len(bodies), "a viewer's form")
		for i, e := range w.entries()[:len(bodies)] {
			b := bodies[len(bodies)-1-i]
			if e.Actor.Name != viewer || e.Actor.Subject != w.provider.URL+"|"+viewer || e.Address != "192.0.2.1" || e.Object == "" || len(e.Object) > 320 {
				w.Errorf("%s: the entry is %+v", b.name, e)
			}
			if p := inventory.Permission(e.Reason); p != inventory.DecideSigner && p != inventory.DecideQuarantine && p != inventory.SyncNow && p != inventory.ManageTokens {
				w.Errorf("%s: the entry says %q, not which permission is missing", b.name, e.Reason)
			}
			if b.name == "as it should be" && e.Object != f.refused {
				w.Errorf("the entry is about %q, want %q", e.Object, f.refused)
			}
		}
	})
}

// TestEveryRefusalOfTheAPI_isWrittenDown: what another site's page sends, what
// nobody does, and what a viewer does, as of the pages.
func TestEveryRefusalOfTheAPI_isWrittenDown(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	w.cookie(admin)
	w.cookie(viewer)
	count := len(w.entries())
	const body, asJSON = `{"digest":"x","reason":"y"}`, "application/json"
	w.ask(admin, http.MethodPost, "/api/v1/quarantines", strings.NewReader(body), "Content-Type", asJSON, "Sec-Fetch-Site", "cross-site").problem(t, http.StatusForbidden)
	if e := w.entries()[0]; e.Actor.Name != admin || !strings.HasPrefix(e.Reason, "send a form from another site") || e.Object != "/api/v1/quarantines" {
		t.Errorf("the entry is %+v", e)
	}
	w.ask(nobody, http.MethodPost, "/api/v1/quarantines", strings.NewReader(body), "Content-Type", asJSON).problem(t, http.StatusUnauthorized)
	if e := w.entries()[0]; e.Actor.Role != inventory.Nobody || e.Address != "192.0.2.1" {
		t.Errorf("the entry is %+v", e)
	}
	w.ask(viewer, http.MethodPost, "/api/v1/quarantines", strings.NewReader("nonsense"), "Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin").problem(t, http.StatusForbidden)
	if e := w.entries()[0]; e.Actor.Name != viewer || e.Reason != string(inventory.DecideQuarantine) {
		t.Errorf("the entry is %+v", e)
	}
	if got := len(w.entries()) - count; got != 3 {
		t.Errorf("%d entries, want 3", got)
	}
}

func TestRefusal_ofATagSaysWhichTag(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	w.post(viewer, "/quarantine", url.Values{"digest": {string(digest(2))}, "repository": {"local/pay/api"}, "tag": {"v2"}, "reason": {"x"}})
	if e := w.entries()[0]; e.Object != "local/pay/api:v2" {
		t.Errorf("the entry is about %q", e.Object)
	}
	w.post(viewer, "/registries/"+url.PathEscape("a/b %")+"/sync", nil)
	if e := w.entries()[0]; e.Object != "a/b %" {
		t.Errorf("the entry is about %q", e.Object)
	}
}

// TestRefusals_dontFillTheLog: what one alone, or many who aren't signed in, are
// refused is written down one by one only so often. The rest is counted.
func TestRefusals_dontFillTheLog(t *testing.T) {
	now := noon
	w := newWorld(t, plan{change: func(r *web.Routes) { r.Clock = func() time.Time { return now } }})
	w.fill()
	w.cookie(viewer)
	send := func(person, from string, set ...string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://signboard.test/registries/local/sync", nil)
		r.RemoteAddr = from + ":1"
		for i := 0; i+1 < len(set); i += 2 {
			r.Header.Set(set[i], set[i+1])
		}
		if person != nobody {
			r.AddCookie(w.cookie(person))
		}
		if a := w.send(r); a.StatusCode != http.StatusForbidden && a.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%d", a.StatusCode)
		}
	}
	start := len(w.entries())
	written := func() int { return len(w.entriesAll()) - start }
	for range 200 {
		send(viewer, "192.0.2.1")
	}
	if got := written(); got != 60 {
		t.Errorf("%d refusals of one person were written down, want 60 of 200", got)
	}
	now = now.Add(time.Minute)
	send(viewer, "192.0.2.1")
	if e := w.entries()[0]; e.Actor.Name != viewer || !strings.Contains(e.Reason, "and 140 more times") {
		t.Errorf("what wasn't written down isn't counted: %+v", e)
	}
	start = len(w.entriesAll())
	for range 50 {
		send(nobody, "203.0.113.1")
		send(nobody, "[2001:db8::1]", "Sec-Fetch-Site", "cross-site")
	}
	if got := written(); got != 20 {
		t.Errorf("%d refusals of two addresses were written down, want 20", got)
	}
	// Whoever has a /64 has one address, and many addresses have one log.
	for i := range 500 {
		send(nobody, fmt.Sprintf("[2001:db8::%x]", i+2))
		send(nobody, fmt.Sprintf("203.0.%d.%d", 114+i/250, i%250))
	}
	if got := written(); got != 100 {
		t.Errorf("%d refusals of those who aren't signed in were written down, want 100 of 1100", got)
	}
	if e := w.entries()[0]; e.Actor.Name == "" || e.Actor.Role != inventory.Nobody {
		t.Errorf("the entry doesn't say who: %+v", e)
	}
	// Somebody else is still written down.
	w.cookie(stranger)
	start = len(w.entriesAll())
	send(stranger, "203.0.113.1")
	if got := written(); got != 1 {
		t.Errorf("another one's refusal isn't written down")
	}
}

// entriesAll is the whole audit log, newest first.
func (w *world) entriesAll() []inventory.AuditEntry {
	w.Helper()
	var all []inventory.AuditEntry
	for cursor := ""; ; {
		list, next, err := w.db.AuditEntries(w.Context(), inventory.Page{Limit: inventory.MaxPage, Cursor: cursor})
		w.must(err)
		if all = append(all, list...); next == "" {
			return all
		}
		cursor = next
	}
}

func TestRefusal_standsWhenItCannotBeWrittenDown(t *testing.T) {
	w := newWorld(t, plan{change: func(r *web.Routes) {
		r.Refused = func(context.Context, inventory.AuditEntry) error { return errors.New("the disk is full") }
	}})
	_, held := w.fill()
	f := w.forms(held)["/quarantine"]
	w.cookie(viewer)
	before := w.snapshot()
	a := w.post(viewer, f.target, f.fields)
	if a.StatusCode != http.StatusForbidden || strings.Contains(a.body, "disk") {
		t.Errorf("%d: %s", a.StatusCode, text(a.body))
	}
	if len(w.log.errors()) != 1 {
		t.Errorf("nobody is told: %s", w.log.errors())
	}
	w.unchanged(before, "a refused form")
}

func TestLooking_isNotWrittenDown(t *testing.T) {
	w := newWorld(t, plan{})
	w.cookie(stranger)
	before := w.snapshot()
	for _, target := range []string{"/", "/images", "/nothing", "/audit"} {
		for _, person := range []string{nobody, stranger} {
			w.get(person, target)
			w.get(person, target, "Sec-Fetch-Site", "cross-site")
		}
	}
	w.unchanged(before, "looking")
}
