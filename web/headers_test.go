package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"signboard/handlers"
	"signboard/inventory"
	"signboard/static"
	"signboard/web"
)

// always are the headers that every answer has, errors included.
var always = map[string]string{
	"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin", "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self' https://id.test; base-uri 'none'; frame-ancestors 'none'",
}

func (w *world) guarded(where string, a answer) {
	w.Helper()
	for name, want := range always {
		if w.plan.local {
			want = strings.ReplaceAll(want, " https://id.test", "")
		}
		if got := a.Header.Values(name); len(got) != 1 || got[0] != want {
			w.Errorf("%s: %s is %q, want %q", where, name, got, want)
		}
	}
	hsts := a.Header.Get("Strict-Transport-Security")
	if https := strings.HasPrefix(w.plan.baseURL, "https://"); https != (hsts == "max-age=31536000") || !https && hsts != "" {
		w.Errorf("%s: Strict-Transport-Security is %q", where, hsts)
	}
	if got := a.Header.Values("Cache-Control"); !strings.Contains(where, "/static/") && !strings.HasPrefix(strings.Join(got, ", "), "no-store") {
		w.Errorf("%s: Cache-Control is %q", where, got)
	}
	for _, name := range []string{"Server", "X-Powered-By", "Access-Control-Allow-Origin"} {
		if got := a.Header.Get(name); got != "" {
			w.Errorf("%s: %s is %q", where, name, got)
		}
	}
}

func TestHeaders_areOnEveryAnswer(t *testing.T) {
	for _, p := range []plan{{}, {baseURL: "https://signboard.test"}, {local: true, baseURL: "http://localhost:8080"}} {
		p.change = func(r *web.Routes) {
			r.Help = handlers.Help{} // panics
		}
		w := newWorld(t, p)
		approved, held := w.fill()
		for _, v := range visits(approved) {
			w.guarded(v.target, w.get(v.person, v.target))
			w.guarded(v.target, w.get(nobody, v.target))
		}
		for route, f := range w.forms(held) {
			w.guarded("POST "+route, w.post(reviewer, f.target, f.fields))
			w.guarded("POST "+route+" of a viewer", w.post(viewer, f.target, f.fields))
			elsewhere := w.ask(reviewer, http.MethodPost, f.target, strings.NewReader(f.fields.Encode()), "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site")
			if w.guarded("POST "+route+" from elsewhere", elsewhere); elsewhere.StatusCode != http.StatusForbidden {
				t.Errorf("POST %s from elsewhere: %d", route, elsewhere.StatusCode)
			}
		}
		w.guarded("nothing there", w.get(viewer, "/nothing"))
		w.guarded("another method", w.ask(viewer, http.MethodDelete, "/images", nil))
		w.guarded("another host", w.get(viewer, "/", "Host", "evil.test"))
		w.guarded("a session that isn't", w.get(nobody, "/images", "Cookie", "signboard="+strings.Repeat("x", 4000)))
		w.guarded("a form that is too large", w.post(viewer, "/theme", url.Values{"x": {strings.Repeat("x", 1<<20)}}))
	}
}

func TestStaticFiles_areKeptForGood(t *testing.T) {
	w := newWorld(t, plan{})
	for _, name := range []string{"app.css", "app.js", "htmx.js", "sprite.svg"} {
		a := w.get(nobody, static.URL(name))
		if got := a.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", name, got)
		}
		if len(a.Header.Values("Set-Cookie")) > 0 || strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Cookie") {
			t.Errorf("%s knows of sessions: %v", name, a.Header)
		}
	}
}

func TestPages_areCompressedWhenAsked(t *testing.T) {
	w := newWorld(t, plan{})
	a := w.get(viewer, "/learn", "Accept-Encoding", "gzip")
	if a.Header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(a.body, "\x1f\x8b") {
		t.Errorf("Content-Encoding %q", a.Header.Get("Content-Encoding"))
	}
	if a := w.get(viewer, "/learn"); a.Header.Get("Content-Encoding") != "" {
		t.Errorf("not asked for: Content-Encoding %q", a.Header.Get("Content-Encoding"))
	}
}

func TestCookies_areSetOnlyWhereSomethingChanged(t *testing.T) {
	for _, p := range []plan{{}, {local: true, baseURL: "http://localhost:8080"}} {
		w := newWorld(t, p)
		approved, _ := w.fill()
		for _, v := range visits(approved) {
			if v.route == "/auth/start" {
				continue // it has to remember what it began
			}
			for _, target := range []string{v.target, "/nothing"} {
				if a := w.get(nobody, target); len(a.Header.Values("Set-Cookie")) > 0 {
					t.Errorf("GET %s of nobody sets %q", target, a.Header.Values("Set-Cookie"))
				}
			}
		}
		if a := w.post(nobody, "/quarantine", nil); len(a.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("a refused form sets %q", a.Header.Values("Set-Cookie"))
		}
	}
}

func TestCookies_haveTheirFlags(t *testing.T) {
	for base, name := range map[string]string{"http://signboard.test": "signboard", "https://signboard.test": "__Host-signboard"} {
		w := newWorld(t, plan{baseURL: base})
		secure := base[:5] == "https"
		c := w.cookie(viewer)
		if c.Name != name || !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) < 26 {
			t.Errorf("%s: the session's cookie is %s", base, c.Raw)
		}
		a := w.post(nobody, "/theme", url.Values{"theme": {"dark"}})
		if len(a.Cookies()) != 1 {
			t.Fatalf("%v", a.Cookies())
		}
		c = a.Cookies()[0]
		if c.Name != "signboard_theme" || c.Value != "dark" || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("%s: the theme's cookie is %s", base, c.Raw)
		}
		if a := w.post(nobody, "/theme", url.Values{"theme": {"dark; Domain=evil.test"}}); a.Cookies()[0].Value != "auto" || a.Cookies()[0].Domain != "" {
			t.Errorf("a theme that isn't one: %s", a.Cookies()[0].Raw)
		}
	}
}

func TestTheme_isWhatTheCookieSays(t *testing.T) {
	w := newWorld(t, plan{})
	for value, theme := range map[string]string{"dark": "dark", "light": "light", "auto": "auto", "neon": "auto", `"><script>`: "auto"} {
		if a := w.get(viewer, "/learn", "Cookie", "signboard_theme="+value); !strings.Contains(a.body, `data-theme="`+theme+`"`) {
			t.Errorf("%q is not %s", value, theme)
		}
	}
}

func TestSession_endsWithTheSignOut(t *testing.T) {
	w := newWorld(t, plan{})
	old := w.cookie(reviewer)
	a := w.post(reviewer, "/auth/logout", nil)
	if len(a.Cookies()) != 1 || a.Cookies()[0].Value != "" || a.Cookies()[0].MaxAge >= 0 {
		t.Errorf("the cookie stays: %v", a.Header.Values("Set-Cookie"))
	}
	r := httptest.NewRequest(http.MethodGet, "/images", nil)
	r.AddCookie(old)
	if a := w.send(r); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the old cookie still opens the images: %d", a.StatusCode)
	}
	if e := w.entries()[len(w.entries())-1]; e.Action != "session.start" || e.Actor.Name != reviewer {
		t.Errorf("the sign-in is not in the audit log: %+v", e)
	}
}

func TestRole_isThatOfTheConfigurationNow(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	f := w.forms(held)["/quarantine"]
	w.cookie(reviewer)
	w.roles[inventory.Reviewer] = nil
	w.roles[inventory.Viewer] = []string{groups[reviewer]}
	if a := w.post(reviewer, f.target, f.fields); a.StatusCode != http.StatusForbidden {
		t.Errorf("a reviewer of yesterday: %d", a.StatusCode)
	}
	w.roles[inventory.Viewer] = nil
	if a := w.get(reviewer, "/images"); a.StatusCode != http.StatusForbidden || a.says("pay/api") || !a.says("You are signed in as Dana") {
		t.Errorf("a viewer of yesterday: %d: %s", a.StatusCode, text(a.body))
	}
}

func TestOtherHost_isRefusedWhereNobodySignsIn(t *testing.T) {
	w := newWorld(t, plan{local: true, baseURL: "http://Board.internal:8080"})
	_, held := w.fill()
	before := w.snapshot()
	for _, host := range []string{"evil.test", "evil.test:8080", "localhost.evil.test", "127.0.0.1.evil.test", "127.0.0.2", "0.0.0.0", "[::2]", "board.internal.evil.test", "board.internal@evil.test", "localhost:8080:1"} {
		for _, target := range []string{"/", "/healthz", "/audit", static.URL("app.js")} {
			if a := w.get(nobody, target, "Host", host); a.StatusCode != http.StatusMisdirectedRequest || a.says("pay/") {
				t.Errorf("GET %s at %s: %d", target, host, a.StatusCode)
			}
		}
		for route, f := range w.forms(held) {
			if a := w.post(nobody, f.target, f.fields, "Host", host, "Origin", "http://"+host); a.StatusCode != http.StatusMisdirectedRequest {
				t.Errorf("POST %s at %s: %d", route, host, a.StatusCode)
			}
		}
	}
	w.unchanged(before, "another host's page")
	for _, host := range []string{"localhost", "localhost:8080", "LOCALHOST", "127.0.0.1:1", "[::1]:8080", "[::1]", "board.internal", "BOARD.internal:99"} {
		if a := w.get(nobody, "/audit", "Host", host); a.StatusCode != http.StatusOK || !a.says("local operator") {
			t.Errorf("at %s: %d", host, a.StatusCode)
		}
	}
}

// TestOtherName_isRefusedWherePeopleSignIn: nobody can be signed in under another
// name, and what that name is told could be used against ours.
func TestOtherName_isRefusedWherePeopleSignIn(t *testing.T) {
	w := newWorld(t, plan{})
	approved, held := w.fill()
	w.cookie(admin)
	before := w.snapshot()
	machines := []string{"/healthz", "/readyz", "/version", "/static/*", "/favicon.ico"}
	for _, host := range []string{"evil.test", "signboard.test.evil.test", "signboard.test.", "evil.test:80", "signboard.test@evil.test", "10.0.0.1.evil.test", strings.Repeat("x", 5000)} {
		for _, v := range visits(approved) {
			a := w.get(admin, v.target, "Host", host)
			switch {
			case v.route == "/metrics": // asks for a token, or for a session of that name
			case slices.Contains(machines, v.route):
				if a.StatusCode != v.status {
					t.Errorf("GET %s at %.40s: %d", v.target, host, a.StatusCode)
				}
			case a.StatusCode != http.StatusMisdirectedRequest || a.Header.Get("Location") != "" || len(a.Cookies()) > 0 || a.says("pay/") || a.says(admin):
				t.Errorf("GET %s at %.40s: %d to %q", v.target, host, a.StatusCode, a.Header.Get("Location"))
			}
			w.guarded(v.target, a)
		}
		for route, f := range w.forms(held) {
			if a := w.post(admin, f.target, f.fields, "Host", host, "Origin", "http://"+host); a.StatusCode != http.StatusMisdirectedRequest {
				t.Errorf("POST %s at %.40s: %d", route, host, a.StatusCode)
			}
		}
	}
	w.unchanged(before, "another host's page")
	for _, host := range []string{"signboard.test", "SIGNBOARD.test:8080", "10.0.0.1:8080", "[fd00::1]:8080", "[fd00::1]", "127.0.0.1", "localhost:1"} {
		if a := w.get(admin, "/help", "Host", host); a.StatusCode != http.StatusOK {
			t.Errorf("at %s: %d: %s", host, a.StatusCode, text(a.body))
		}
	}
}

func TestForwardedHeaders_areNotBelieved(t *testing.T) {
	lies := []string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "localhost", "X-Forwarded-Proto", "https", "Forwarded", "for=203.0.113.9;host=localhost;proto=https",
		"X-Real-Ip", "203.0.113.9", "True-Client-Ip", "203.0.113.9", "X-Request-Id", "chosen", "X-Http-Method-Override", "DELETE", "X-Original-Url", "/audit", "X-Remote-User", admin}
	w := newWorld(t, plan{})
	_, held := w.fill()
	f := w.forms(held)["/quarantine"]
	a := w.post(viewer, f.target, f.fields, lies...)
	if e := w.entries()[0]; a.StatusCode != http.StatusForbidden || e.Action != "access.refused" || strings.Contains(fmt.Sprint(e), "203.0.113.9") || e.Address != "192.0.2.1" {
		t.Errorf("%d, and the entry is %+v", a.StatusCode, e)
	}
	if strings.Contains(a.body, "chosen") || strings.Contains(w.log.b.String(), "chosen") {
		t.Errorf("the client chose the request's id: %s", text(a.body))
	}
	if a := w.get(nobody, "/images", lies...); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin") || a.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	local := newWorld(t, plan{local: true, baseURL: "http://localhost:8080"})
	if a := local.get(nobody, "/", append(lies, "Host", "evil.test")...); a.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another host that says it is localhost: %d", a.StatusCode)
	}
}
