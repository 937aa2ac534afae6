package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// page is one page that is looked at in every way.
type page struct {
	name   string
	path   string
	says   string // words a person must find on it, with any look
	status string // a status that the browser reports as an error, when it is meant
}

// pages lists every page; a new one joins here. The addresses that only the
// running demo knows are found on the pages themselves.
func pages(tb *tab) []page {
	tb.t.Helper()
	list := []page{
		{name: "overview", path: "/", says: "trusted"},
		{name: "overview-team", path: "/?team=payments", says: "trusted"},
		{name: "images", path: "/images", says: "payments"},
		{name: "images-nothing", path: "/images?q=there-is-no-such-thing", says: "match"},
		{name: "images-refused", path: "/images?status=nonsense", says: "not a status", status: "422"},
		{name: "signers", path: "/signers", says: "new key"},
		{name: "signers-approved", path: "/signers?standing=approved", says: "payments release pipeline"},
		{name: "quarantine", path: "/quarantine", says: "uarantine"},
		{name: "teams", path: "/teams", says: "storefront"},
		{name: "team", path: "/teams/payments", says: "payments"},
		{name: "team-nobody", path: "/teams/-", says: "signboard.yaml"},
		{name: "registries", path: "/registries", says: "demo"},
		{name: "trust", path: "/trust", says: "oot"},
		{name: "audit", path: "/audit", says: "Sam Lindqvist"},
		{name: "learn", path: "/learn", says: "no_signature"},
		{name: "reason", path: "/learn/no_signature?image=registry.example.com/app&tag=v1&digest=sha256:" + strings.Repeat("a", 64), says: "cosign sign"},
		{name: "search", path: "/search?q=api", says: "api"},
		{name: "help", path: "/help", says: "Ctrl"},
		{name: "not-found", path: "/nothing/here", says: "nothing at this address", status: "404"},
	}
	for _, status := range []string{"trusted", "unapproved", "unverifiable", "invalid", "unsigned"} {
		tb.open("/images?status=" + status)
		list = append(list, page{name: "images-" + status, path: "/images?status=" + status, says: ""},
			page{name: "image-" + status, path: tb.first("main a[href^='/images/sha256']"), says: "sha256"})
	}
	tb.open("/images?q=gateway")
	tb.open("/signers")
	list = append(list, page{name: "signer-pending", path: tb.first("main a[href^='/signers/key']"), says: "Approve"})
	tb.open("/signers?standing=approved")
	list = append(list, page{name: "signer-approved", path: tb.first("main a[href^='/signers/key']"), says: "Revoke"})
	return list
}

// first is the address of the first link that a selector finds.
func (tb *tab) first(selector string) string {
	tb.t.Helper()
	path := eval[string](tb, fmt.Sprintf(`(document.querySelector(%q) || {getAttribute() { return "" }}).getAttribute("href")`, selector))
	if path == "" {
		tb.t.Fatalf("%s has no link %s:\n%s", tb.path(), selector, tb.text())
	}
	return path
}

// TestPages opens every page in light, dark and narrow, with the pages' scripts
// on and off: no violation that axe-core finds, no error the browser reports,
// nothing wider than the window, and the words a person came for.
func TestPages(t *testing.T) {
	for _, scripts := range []bool{true, false} {
		for _, l := range looks {
			name := l.name
			if !scripts {
				name += "-noscript"
			}
			t.Run(name, func(t *testing.T) {
				tb := newTab(t)
				tb.wear(l)
				tb.signIn("Sam Lindqvist", "/")
				list := pages(tb)
				tb.clean("while looking for pages")
				for _, p := range list {
					tb.visit(p, l, name, scripts)
				}
			})
		}
	}
}

func (tb *tab) visit(p page, l look, name string, scripts bool) {
	tb.t.Helper()
	where := p.name + " (" + name + ")"
	tb.mu.Lock()
	tb.expected = "nothing of the kind"
	if p.status != "" {
		tb.expected = "status of " + p.status
	}
	tb.mu.Unlock()
	tb.scripts(scripts)
	tb.open(p.path)
	tb.shoot(p.name + "-" + name)
	// The page's own scripts have had their chance; what follows is ours.
	tb.scripts(true)
	if text := tb.text(); !strings.Contains(text, p.says) {
		tb.t.Errorf("%s does not say %q:\n%s", where, p.says, text)
	}
	if wide := eval[int](tb, `document.documentElement.scrollWidth`); wide > int(l.width) {
		tb.t.Errorf("%s is %d pixels wide in a window of %d", where, wide, l.width)
	}
	if untitled := eval[bool](tb, `document.title.trim() === "" || document.querySelectorAll("h1").length !== 1`); untitled {
		tb.t.Errorf("%s has no title, or not exactly one first heading", where)
	}
	tb.axe(where)
	tb.clean(where)
}

// TestSignInPage looks at the sign-in page, which only somebody who isn't
// signed in sees.
func TestSignInPage(t *testing.T) {
	for _, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			tb := newTab(t)
			tb.wear(l)
			tb.visit(page{name: "signin", path: "/", says: "Sign in"}, l, l.name, true)
			if path := tb.path(); !strings.HasPrefix(path, "/signin") {
				t.Errorf("somebody who isn't signed in got to %s", path)
			}
		})
	}
}

// TestReasons looks at the page of every reason code.
func TestReasons(t *testing.T) {
	tb := newTab(t)
	tb.wear(looks[0])
	tb.signIn("Maya Okafor", "/learn")
	codes := eval[[]string](tb, `[...new Set([...document.querySelectorAll("main a[href^='/learn/']")].map(a => a.getAttribute("href")))]`)
	if len(codes) != 29 {
		t.Errorf("the glossary links %d reason codes, the contract has 29: %v", len(codes), codes)
	}
	for _, path := range codes {
		tb.open(path)
		tb.axe(path)
		tb.clean(path)
	}
}

// TestFirstVisit_isSmall holds what a first visit costs: at most 6 requests and
// 40 KB over the wire.
func TestFirstVisit_isSmall(t *testing.T) {
	tb := newTab(t)
	tb.wear(looks[0])
	tb.signIn("Maya Okafor", "/")
	fresh := newTab(t)
	fresh.wear(looks[0])
	fresh.signIn("Maya Okafor", "/help") // a session, and then an empty cache
	fresh.do(clearCache)
	fresh.open("/")
	fresh.until(`document.readyState === "complete"`)
	requests := eval[int](fresh, `performance.getEntriesByType("resource").length + 1`)
	bytes := eval[int](fresh, `[...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")].reduce((n, e) => n + e.transferSize, 0)`)
	t.Logf("a first visit to the overview: %d requests, %d bytes", requests, bytes)
	if requests > 6 || bytes > 40_000 {
		t.Errorf("a first visit takes %d requests and %d bytes; at most 6 and 40,000", requests, bytes)
	}
	if bytes < 5_000 {
		t.Errorf("%d bytes: the cache was not empty, so this measured nothing", bytes)
	}
}

// TestDemo_isReadySoon holds that the demo, once built, is ready in 5 seconds.
func TestDemo_isReadySoon(t *testing.T) {
	t.Logf("the demo was ready after %s", startedAt.Round(10*time.Millisecond))
	if startedAt > 5*time.Second {
		t.Errorf("the demo took %s to be ready; at most 5 s", startedAt)
	}
}
