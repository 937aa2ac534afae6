package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/views"
	"signboard/web"
)

// elsewhere are ways to spell another host, or a way that doesn't come back to
// a page.
var elsewhere = []string{
	"", "https://evil.test/", "//evil.test", "///evil.test", `/\evil.test`, `\/evil.test`, `\\evil.test`, "/\t/evil.test", "\t//evil.test", "/\n/evil.test", " //evil.test",
	"javascript:alert(1)", "data:text/html,x", "evil.test", "http:evil.test", "/x\r\nLocation: https://evil.test", "/\x00", "@evil.test", "?x", "/auth/logout", "/auth/start?return=/",
	"/" + strings.Repeat("x", 3000), "//evil.test@signboard.test", "//signboard.test@evil.test", "///evil.test/%2f..", "/\\/evil.test", "/\x7f/evil.test", "https:evil.test", "//evil%2etest",
	"\u2028//evil.test", "\u00a0//evil.test", "／／evil.test", "//ｅvil.test", "%2f%2fevil.test", "%5c%5cevil.test", "//[::1]", "//0x7f.1", "/auth/callback?code=x",
}

// inside reports whether a browser that follows a Location stays here.
func inside(t *testing.T, location string) bool {
	t.Helper()
	base, _ := url.Parse("http://signboard.test/theme")
	to, err := base.Parse(location)
	return err == nil && to.Host == base.Host && to.Scheme == "http" && !strings.HasPrefix(location, "//") && !strings.ContainsAny(location, "\\\t\r\n")
}

func TestReturn_neverLeadsElsewhere(t *testing.T) {
	w := newWorld(t, plan{})
	for _, back := range append(elsewhere, "/.//evil.test", "/..//evil.test", "/images/..//evil.test", "/%2f/evil.test", "/%5cevil.test", "/@evil.test", "/%2f%2fevil.test", "/%09/evil.test", "/%5c/evil.test", "/\u2028/evil.test", "/／evil.test", "/x?return=//evil.test", "/;//evil.test", "/x#//evil.test", "/\u202e//evil.test", "/%00//evil.test", "/é//evil.test") {
		for where, a := range map[string]answer{
			"/signin":      w.get(viewer, "/signin?return="+esc(back)),
			"/theme":       w.post(nobody, "/theme", url.Values{"return": {back}, "theme": {"dark"}}),
			"/theme twice": w.post(nobody, "/theme", url.Values{"return": {back, "https://evil.test"}}),
		} {
			if location := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || !inside(t, location) {
				t.Errorf("%s with return=%.40q: %d to %q", where, back, a.StatusCode, location)
			}
		}
		_, ended := w.signIn(second, back) // whose older sessions end with so many
		if location := ended.Header.Get("Location"); !inside(t, location) {
			t.Errorf("signing in with return=%.40q ends at %q", back, location)
		}
	}
	for _, back := range elsewhere {
		if a := w.post(nobody, "/theme", url.Values{"return": {back}}); a.Header.Get("Location") != "/" {
			t.Errorf("return=%.40q leads to %q", back, a.Header.Get("Location"))
		}
	}
}

func TestReturn_leadsBackToWhereItBegan(t *testing.T) {
	w := newWorld(t, plan{})
	for _, back := range []string{"/images?q=a+b&status=trusted", keyless.ID.Path(), "/signers?standing=approved", "/"} {
		if a := w.post(nobody, "/theme", url.Values{"return": {back}}); a.Header.Get("Location") != back {
			t.Errorf("/theme: from %s to %s", back, a.Header.Get("Location"))
		}
		if a := w.get(viewer, "/signin?return="+esc(back)); a.Header.Get("Location") != back {
			t.Errorf("/signin: from %s to %s", back, a.Header.Get("Location"))
		}
		// The whole way of somebody who isn't signed in.
		asked := w.get(nobody, back)
		door := w.get(nobody, asked.Header.Get("Location"))
		if start := "/auth/start?return=" + url.QueryEscape(back); !strings.Contains(door.body, `href="`+strings.ReplaceAll(start, "&", "&amp;")+`"`) {
			t.Errorf("the sign-in page of %s doesn't lead back: %s", back, door.body)
		}
		if _, ended := w.signIn(viewer, back); ended.Header.Get("Location") != back {
			t.Errorf("signing in: from %s to %s", back, ended.Header.Get("Location"))
		}
	}
}

func TestImageWithoutItsRepository_isFound(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for d, want := range map[inventory.Digest]string{
		digest(3): views.ImageURL("local/pay/web", digest(3)),                       // in one repository
		digest(1): views.ImagesURL(inventory.ImageFilter{Q: string(digest(1))}, ""), // in two
	} {
		a := w.get(viewer, "/images/"+string(d))
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want {
			t.Errorf("%d to %q, want %q", a.StatusCode, a.Header.Get("Location"), want)
		}
		if a := w.get(viewer, a.Header.Get("Location")); a.StatusCode != http.StatusOK || !a.says("pay/") {
			t.Errorf("%s: %d", want, a.StatusCode)
		}
	}
	if a := w.get(viewer, "/images/"+strings.ReplaceAll(string(digest(3)), ":", "%3A")+"?repository=local%2Fpay%2Fweb"); a.StatusCode != http.StatusOK {
		t.Errorf("with the colon encoded: %d", a.StatusCode)
	}
}

func TestSignIn_isNotThereWithoutAProvider(t *testing.T) {
	w := newWorld(t, plan{local: true, baseURL: "http://localhost:8080"})
	for _, target := range []string{"/auth/start", "/auth/callback?state=x"} {
		if a := w.get(nobody, target); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", target, a.StatusCode)
		}
	}
	if a := w.get(nobody, "/"); a.StatusCode != http.StatusOK || strings.Contains(a.body, "/auth/logout") {
		t.Errorf("/: %d, or it offers to sign out", a.StatusCode)
	}
}

func TestErrorPage_showsNoCodeOfASignIn(t *testing.T) {
	w := newWorld(t, plan{})
	a := w.get(nobody, "/auth/callback?code=hunter2&state=hunter3")
	if strings.Contains(a.body, "hunter") {
		t.Errorf("the page holds the code: %s", text(a.body))
	}
	if strings.Contains(w.log.b.String(), "hunter") {
		t.Errorf("the log holds the code")
	}
}

func TestProviderThatIsDown_isSaid(t *testing.T) {
	w := newWorld(t, plan{})
	w.provider.Close()
	a := w.get(nobody, "/auth/start?return=/images")
	if a.StatusCode != http.StatusServiceUnavailable || !a.says("can't be reached at the moment") || len(w.log.errors()) != 1 {
		t.Errorf("%d: %s", a.StatusCode, text(a.body))
	}
}

func TestLoopback_isThisMachineOnly(t *testing.T) {
	for listen, want := range map[string]bool{
		"127.0.0.1:8080": true, "localhost:1": true, "[::1]:1": true, "127.9.9.9:1": true, "[::ffff:127.0.0.1]:1": true,
		":8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "192.0.2.1:1": false, "board.internal:1": false, "127.0.0.1": false, "localhost.evil.test:1": false,
	} {
		if got := web.Loopback(listen); got != want {
			t.Errorf("%s: %v", listen, got)
		}
	}
}
