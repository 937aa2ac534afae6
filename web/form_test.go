package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/views"
)

// form is a POST of the table as a person makes it, with what it comes to.
type form struct {
	target string
	fields url.Values
	goes   string // where the answer leads
	notice string // what the next page says
	action string // of the audit entry; empty: nothing a person decides
	object string
	open   bool // to anybody, signed in or not

	refused string // what a refusal is about
	doer    string // who may; empty: the reviewer
}

// by is somebody who may send the form.
func (f form) by() string {
	if f.doer != "" {
		return f.doer
	}
	return reviewer
}

func (w *world) forms(held inventory.Quarantine) map[string]form {
	return map[string]form{
		"/signers/{id}/decisions": {
			target: keyless.ID.Path() + "/decisions",
			fields: url.Values{"decision": {"approve"}, "repositories": {"local/pay/*\nlocal/ops/**"}, "reason": {"met the team"}, "expires_at": {"2027-01-31"}, "revision": {"0"}},
			goes:   keyless.ID.Path(), notice: "Approved.", action: "signer.approve", object: string(keyless.ID), refused: string(keyless.ID),
		},
		"/quarantine": {
			target: "/quarantine",
			fields: url.Values{"digest": {string(digest(3))}, "repository": {"local/pay/web"}, "tag": {""}, "reason": {"leaks"}, "expires_at": {""}},
			goes:   views.ImageURL("local/pay/web", digest(3)), notice: "Quarantined.", action: "image.quarantine", object: string(digest(3)), refused: string(digest(3)),
		},
		"/quarantine/{id}/release": {
			target: "/quarantine/" + held.ID + "/release", fields: url.Values{"reason": {"false alarm"}},
			goes: "/quarantine", notice: "Released.", action: "image.release", object: string(digest(7)), refused: held.ID,
		},
		"/quarantine/{id}/end": {
			target: "/quarantine/" + held.ID + "/end", fields: url.Values{"reason": {"not fixed yet"}, "expires_at": {"2027-01-31"}, "seen": {""}},
			goes: "/quarantine/" + held.ID, notice: "another end", action: "image.quarantine_end", object: string(digest(7)), refused: held.ID,
		},
		"/registries/{name}/sync":   {target: "/registries/local/sync", goes: "/registries", notice: "The sync of local starts now.", action: "registry.sync", object: "local", refused: "local"},
		"/registries/{name}/cancel": {target: "/registries/local/cancel", goes: "/registries", notice: "The sync of local is cancelled.", action: "registry.cancel", object: "local", refused: "local"},
		"/auth/logout":              {target: "/auth/logout", goes: "/signin?signed_out=1", open: true, action: "session.end", object: w.subject(reviewer)},
		"/tokens/{id}/revoke":       {target: "/tokens/" + program + "/revoke", goes: "/tokens", notice: "The token of pipeline is revoked.", action: "token.revoke", object: "pipeline", refused: program, doer: admin},
		"/theme":                    {target: "/theme", fields: url.Values{"theme": {"dark"}, "return": {"/images?q=x"}}, goes: "/images?q=x", open: true},
	}
}

// subject is whom the provider vouches for, or everybody where there is none.
func (w *world) subject(person string) string {
	if w.plan.local {
		return "local"
	}
	return w.provider.URL + "|" + person
}

// eachForm runs a test for every POST of the table, each in a world of its own.
func eachForm(t *testing.T, test func(w *world, f form)) {
	w := newWorld(t, plan{noRegistry: true})
	if have := w.forms(inventory.Quarantine{}); len(have) != len(posts) {
		t.Fatalf("%d forms for %d routes", len(have), len(posts))
	}
	for _, route := range posts {
		t.Run(route, func(t *testing.T) {
			w := newWorld(t, plan{})
			_, held := w.fill()
			if strings.HasSuffix(route, "/cancel") { // there is something to cancel
				w.must(w.db.MakeDue(t.Context(), inventory.SyncScope{Registry: "local"}, noon))
			}
			if strings.HasPrefix(route, "/tokens/") {
				w.token(program, "pipeline", inventory.Viewer, nil)
			}
			test(w, w.forms(held)[route])
		})
	}
}

func TestEveryForm_changesWhatItSaysAndIsWrittenDown(t *testing.T) {
	eachForm(t, func(w *world, f form) {
		w.cookie(f.by())
		before := len(w.entries())
		a := w.post(f.by(), f.target, f.fields)
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != f.goes {
			w.Fatalf("%d to %q, want 303 to %q: %s", a.StatusCode, a.Header.Get("Location"), f.goes, text(a.body))
		}
		if f.notice != "" {
			if next := w.get(f.by(), f.goes); !next.says(f.notice) {
				w.Errorf("the next page does not say %q: %s", f.notice, text(next.body))
			}
			if again := w.get(f.by(), f.goes); again.says(f.notice) {
				w.Errorf("%q is said twice", f.notice)
			}
		}
		entries := w.entries()
		if f.action == "" {
			if len(entries) != before {
				w.Errorf("an audit entry too many: %+v", entries[0])
			}
			return
		}
		if len(entries) != before+1 {
			w.Fatalf("%d new audit entries", len(entries)-before)
		}
		e := entries[0]
		if e.Action != f.action || e.Object != f.object || e.Reason != f.fields.Get("reason") || e.Actor.Name != f.by() || e.Actor.Subject != w.provider.URL+"|"+f.by() || e.Address == "" {
			w.Errorf("the audit entry is %+v", e)
		}
	})
}

func TestDecision_isInTheStore(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	forms := w.forms(held)
	for _, route := range []string{"/signers/{id}/decisions", "/quarantine", "/quarantine/{id}/release"} {
		w.post(reviewer, forms[route].target, forms[route].fields)
	}
	s := w.signer(keyless.ID)
	if s.Standing != inventory.Approved || s.Revision != 1 || len(s.Decisions) != 1 {
		t.Fatalf("the signer is %+v", s)
	}
	d := s.Decisions[0]
	if len(d.Repositories) != 2 || !d.Covers("local/pay/api") || d.Covers("other/x") || d.ExpiresAt.Format("2006-01-02 15:04") != "2027-02-01 00:00" {
		t.Errorf("the decision is %+v", d)
	}
	for n, want := range map[int]bool{3: true, 7: false} {
		repository := map[int]string{3: "pay/web", 7: "ops/base"}[n]
		i, err := w.db.Image(t.Context(), "local", repository, digest(n), noon)
		w.must(err)
		if got := i.Quarantine != nil; got != want {
			t.Errorf("%s is held: %v", repository, got)
		}
	}
}

func TestQuarantineOfATag_holdsWhatItPointsAt(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	a := w.post(reviewer, "/quarantine", url.Values{"digest": {string(digest(2))}, "repository": {"local/pay/api"}, "tag": {"v2"}, "reason": {"x"}})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d: %s", a.StatusCode, text(a.body))
	}
	i, err := w.db.Image(t.Context(), "local", "pay/api", digest(2), noon)
	w.must(err)
	if i.Quarantine == nil || i.Quarantine.Tag != "v2" || i.Quarantine.Repository != "local/pay/api" || i.Quarantine.Digest != "" {
		t.Errorf("it is held by %+v", i.Quarantine)
	}
}

func TestEveryForm_isRefusedWithoutTheRole(t *testing.T) {
	eachForm(t, func(w *world, f form) {
		if f.open {
			w.Skip("open to anybody")
		}
		for person, status := range map[string]int{viewer: 403, stranger: 403, nobody: 401} {
			if person != nobody {
				w.cookie(person)
			}
			count := len(w.entries())
			a := w.post(person, f.target, f.fields)
			if a.StatusCode != status || a.Header.Get("Content-Type") != page {
				w.Errorf("%q got %d %q: %s", person, a.StatusCode, a.Header.Get("Content-Type"), text(a.body))
			}
			entries := w.entries()
			if person == viewer && (len(entries) != count+1 || entries[0].Action != "access.refused" || entries[0].Actor.Name != viewer) {
				w.Errorf("the refusal of %s isn't in the audit log: %+v", person, entries[0])
			}
			for _, e := range entries[:len(entries)-count] {
				if e.Action != "access.refused" {
					w.Errorf("%q made %s", person, e.Action)
				}
			}
			if person == stranger && !a.says("none of your groups gives you a role") {
				w.Errorf("the stranger isn't told why: %s", text(a.body))
			}
		}
		w.notDecided()
	})
}

// notDecided holds that decisions and quarantines are as fill left them.
func (w *world) notDecided() {
	w.Helper()
	if s := w.signer(keyless.ID); s.Revision != 0 {
		w.Errorf("the signer was decided about: %+v", s.Decisions)
	}
	standing, _, err := w.db.Quarantines(w.Context(), true, inventory.Page{}, noon)
	w.must(err)
	if len(standing) != 1 || standing[0].Digest != digest(7) {
		w.Errorf("what is held has changed: %+v", standing)
	}
}

func TestEveryForm_isRefusedFromAnotherSite(t *testing.T) {
	eachForm(t, func(w *world, f form) {
		w.cookie(admin)
		before, count := w.snapshot(), len(w.entries())
		origins := [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.test"}, {"Origin", "null"},
			{"Origin", "http://signboard.test.evil.test"}, {"Origin", "http://signboard.test:81"},
			{"Sec-Fetch-Site", "same-site", "Origin", "http://signboard.test"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.test"},
		}
		for _, header := range origins {
			a := w.ask(admin, http.MethodPost, f.target, strings.NewReader(f.fields.Encode()), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
			if a.StatusCode != http.StatusForbidden || !a.says("came from another site") || len(a.Cookies()) > 0 {
				w.Errorf("with %v: %d, %v: %s", header, a.StatusCode, a.Cookies(), text(a.body))
			}
		}
		w.onlyRefused(before, len(w.entries())-count, len(origins), "another site's form")
		for _, e := range w.entries()[:len(origins)] {
			if e.Actor.Name != admin || e.Actor.Subject == "" || !strings.HasPrefix(e.Reason, "send a form from another site") || e.Address != "192.0.2.1" || e.Object == "" {
				w.Errorf("the entry doesn't say whose browser was to do what: %+v", e)
			}
		}
		if a := w.get(admin, "/help"); a.StatusCode != http.StatusOK {
			w.Errorf("another site has signed %s out: %d", admin, a.StatusCode)
		}
	})
}

// onlyRefused holds that nothing changed but the audit log, by so many refusals.
func (w *world) onlyRefused(before map[string]string, entries, want int, after string) {
	w.Helper()
	if entries != want {
		w.Errorf("%s: %d entries in the audit log, want %d", after, entries, want)
	}
	for _, e := range w.entries()[:entries] {
		if e.Action != "access.refused" {
			w.Errorf("%s: the audit log has %+v", after, e)
		}
	}
	now := w.snapshot()
	for _, table := range []string{"audit_entries", "audit_hashes", "audit_checkpoints", "revisions"} {
		now[table] = before[table]
	}
	for table, sum := range now {
		if before[table] != sum {
			w.Errorf("%s changed the table %s: from %s to %s", after, table, before[table], sum)
		}
	}
}

func TestEveryForm_ignoresFieldsThatArentThere(t *testing.T) {
	eachForm(t, func(w *world, f form) {
		more := url.Values{"role": {"admin"}, "by": {"Mallory"}, "decided_by": {"Mallory"}, "name": {"Mallory"}, "subject": {"m"}, "actor": {"Mallory"},
			"state": {"active"}, "id": {"chosen"}, "standing": {"approved"}, "at": {"2020-01-01"}, "status": {"trusted"}}
		for name, values := range f.fields {
			more[name] = values
		}
		if !f.open {
			if a := w.post(viewer, f.target, more); a.StatusCode != http.StatusForbidden {
				w.Errorf("a viewer who says role=admin got %d", a.StatusCode)
			}
			w.notDecided()
		}
		if a := w.post(f.by(), f.target, more); a.StatusCode != http.StatusSeeOther {
			w.Errorf("%d: %s", a.StatusCode, text(a.body))
		}
		for _, e := range w.entries() {
			b, err := json.Marshal(e)
			w.must(err)
			if strings.Contains(string(b), "Mallory") || strings.Contains(string(b), "chosen") {
				w.Errorf("the audit log believed the form: %s", b)
			}
		}
		for _, d := range w.signer(keyless.ID).Decisions {
			if d.ID == "chosen" || d.DecidedBy[0].Name != f.by() || !d.DecidedBy[0].At.Equal(noon) {
				w.Errorf("the decision believed the form: %+v", d)
			}
		}
	})
}

func TestEveryForm_readsTheBodyAndNotTheAddress(t *testing.T) {
	eachForm(t, func(w *world, f form) {
		if f.open || len(f.fields) == 0 {
			w.Skip("has no field that decides")
		}
		for _, name := range []string{"decision", "reason", "revision", "repositories", "digest"} {
			if !f.fields.Has(name) {
				continue
			}
			rest := with(f.fields)
			rest.Del(name)
			a := w.post(f.by(), f.target+"?"+url.Values{name: f.fields[name]}.Encode(), rest)
			if a.StatusCode != http.StatusUnprocessableEntity {
				w.Errorf("with %s in the address: %d", name, a.StatusCode)
			}
		}
		w.notDecided()
	})
}

func TestEveryForm_refusesOneThatIsTooLarge(t *testing.T) {
	eachForm(t, func(w *world, f form) {
		fields := url.Values{"padding": {strings.Repeat("x", 1<<20)}}
		for name, values := range f.fields {
			fields[name] = values
		}
		w.cookie(f.by())
		before := w.snapshot()
		a := w.post(f.by(), f.target, fields)
		if a.StatusCode != http.StatusRequestEntityTooLarge || !a.says("larger than 1 MiB") {
			w.Errorf("%d: %s", a.StatusCode, text(a.body))
		}
		w.unchanged(before, "a form that is too large")
	})
}

func TestEveryForm_isUnmovedByAnotherContentType(t *testing.T) {
	eachForm(t, func(w *world, f form) {
		if f.open || len(f.fields) == 0 {
			w.Skip("has no field that decides")
		}
		w.cookie(f.by())
		before := w.snapshot()
		fields := map[string]string{}
		for name := range f.fields {
			fields[name] = f.fields.Get(name)
		}
		object, err := json.Marshal(fields)
		w.must(err)
		for kind, body := range map[string]string{
			"application/json": string(object), "text/plain": f.fields.Encode(), "": f.fields.Encode(),
			"multipart/form-data": "no boundary", "multipart/form-data; boundary=x": "--x\r\nnonsense", "application/xml": "<x/>",
		} {
			a := w.ask(f.by(), http.MethodPost, f.target, strings.NewReader(body), "Content-Type", kind)
			if a.StatusCode != http.StatusUnprocessableEntity || a.Header.Get("Content-Type") != page {
				w.Errorf("with Content-Type %q: %d %q: %s", kind, a.StatusCode, a.Header.Get("Content-Type"), text(a.body))
			}
		}
		w.unchanged(before, "another Content-Type")
	})
}

func TestQuarantine_isOfWhatTheBodyNames(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	w.post(reviewer, "/quarantine?repository=local/pay/api&tag=v1&image=local/pay/api:v1", url.Values{"digest": {string(digest(3))}, "reason": {"leaks"}})
	if i, err := w.db.Image(t.Context(), "local", "pay/web", digest(3), noon); err != nil || i.Quarantine == nil || i.Quarantine.Digest != digest(3) {
		t.Errorf("the address says what is held: %+v, %v", i.Quarantine, err)
	}
}
