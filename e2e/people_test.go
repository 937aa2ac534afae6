package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var clearCache = chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
	_, err := cdp.Call(ctx, t, network.ClearBrowserCache, cdp.Empty{})
	return err
})

// TestPeople_haveTheirRoles signs each of the three in and holds what the pages
// offer them.
func TestPeople_haveTheirRoles(t *testing.T) {
	for _, p := range []struct {
		name    string
		decides bool
	}{{"Maya Okafor", false}, {"Sam Lindqvist", true}, {"Priya Raman", false}} {
		t.Run(p.name, func(t *testing.T) {
			tb := newTab(t)
			tb.wear(looks[0])
			tb.signIn(p.name, "/signers")
			if path := tb.path(); path != "/signers" {
				t.Fatalf("the sign-in led to %s, not back to where it began", path)
			}
			if !strings.Contains(tb.text(), p.name) {
				t.Errorf("the page does not say who is signed in")
			}
			tb.open(tb.first("main a[href^='/signers/key']"))
			if form := eval[bool](tb, `!!document.querySelector("form[action$='/decisions']")`); form != p.decides {
				t.Errorf("the form that decides is shown: %v", form)
			}
			tb.clean("signing in as " + p.name)
		})
	}
}

// TestViewer_mayNotDecide posts a decision that the page doesn't offer: it is
// refused, and the refusal is in the audit log.
func TestViewer_mayNotDecide(t *testing.T) {
	tb := newTab(t)
	tb.wear(looks[0])
	tb.signIn("Maya Okafor", "/signers")
	path := tb.first("main a[href^='/signers/key']")
	tb.expected = "status of 403"
	status := eval[int](tb, fmt.Sprintf(`fetch(%q, {method: "POST", body: new URLSearchParams({decision: "approve", repositories: "**", reason: "x", revision: "0", role: "admin"})}).then(r => r.status)`, path+"/decisions"))
	if status != http.StatusForbidden {
		t.Errorf("the answer is %d", status)
	}
	tb.open("/audit")
	if text := tb.text(); !strings.Contains(text, "access.refused") && !strings.Contains(text, "refused") {
		t.Errorf("the audit log does not tell of the refusal:\n%s", text)
	}
}

// TestOtherSite_mayNotPost sends what a browser sends for another site's form.
func TestOtherSite_mayNotPost(t *testing.T) {
	for _, header := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Origin": {"https://evil.example"}},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, demoURL+"/theme", strings.NewReader("theme=dark"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header.Clone()
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusForbidden {
			t.Errorf("with %v the answer is %s", header, response.Status)
		}
	}
}

// TestReviewer_approvesAndQuarantines walks a reviewer's day: a pending signer
// is approved, its images turn trusted, one of them is quarantined and
// released, and the audit log tells all of it.
func TestReviewer_approvesAndQuarantines(t *testing.T) {
	tb := newTab(t)
	tb.wear(looks[0])
	tb.signIn("Sam Lindqvist", "/signers")
	signer := tb.first("main a[href^='/signers/key']")
	tb.open(signer)
	image := tb.first("main a[href^='/images/sha256']")
	tb.open(image)
	if !strings.Contains(tb.text(), "nobody has approved") {
		t.Fatalf("the image isn't waiting for the signer:\n%s", tb.text())
	}
	tb.open(signer)
	tb.do(
		chromedp.Click("form[action$='/decisions'] [name=decision][value=approve]"),
		chromedp.SetValue("form[action$='/decisions'] [name=repositories]", "demo/**"),
		chromedp.SetValue("form[action$='/decisions'] [name=reason]", "Compared in person (e2e)."),
	)
	tb.record()
	tb.until(`document.body.innerText.includes("Approved.")`)
	tb.eventually(image, "We trust this image")

	tb.open(image)
	tb.press("summary", "Hold this image back")
	tb.press("form[action='/quarantine/new'] button", "See what would be held")
	tb.until(`document.body.innerText.includes("would be held")`)
	tb.do(chromedp.SetValue("form[action='/quarantine'] [name=reason]", "Found something odd (e2e)."))
	tb.press("form[action='/quarantine'] button", "uarantine")
	tb.until(`document.body.innerText.includes("Quarantined.")`)
	tb.open("/images?status=quarantined")
	if !strings.Contains(tb.text(), "sha256") {
		t.Errorf("the list of what is quarantined is empty:\n%s", tb.text())
	}
	tb.open("/quarantine")
	tb.press("a", "Release or change")
	tb.do(chromedp.SetValue("form[action$='/release'] [name=reason]", "False alarm (e2e)."))
	tb.press("form[action$='/release'] button", "elease")
	tb.until(`document.body.innerText.includes("Released.")`)

	tb.open("/audit")
	text := tb.text()
	for _, want := range []string{"Compared in person (e2e).", "Found something odd (e2e).", "False alarm (e2e)."} {
		if !strings.Contains(text, want) {
			t.Errorf("the audit log does not tell %q", want)
		}
	}
	tb.clean("the reviewer's day")
}

// record presses the button that records a decision, which shows what it changes,
// and once more when that is on the page.
func (tb *tab) record() {
	tb.t.Helper()
	tb.press("form[action$='/decisions'] button", "Record the decision")
	tb.until(`document.readyState === "complete" && document.body.innerText.includes("This is what changes. Record it?")`)
	tb.press("form[action$='/decisions'] button", "Record the decision")
}

// eventually opens an image's page until its verdict says something.
func (tb *tab) eventually(path, says string) {
	tb.t.Helper()
	verdict := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		tb.open(path)
		verdict = eval[string](tb, `document.querySelector("main section, main .verdict").innerText`)
		if strings.Contains(verdict, says) {
			return
		}
	}
	tb.t.Fatalf("%s never says %q, but %q", path, says, verdict)
}

// key presses a key as a keyboard does: a page that takes it for itself keeps it
// from the field that has the focus then.
func (tb *tab) key(k string) {
	tb.t.Helper()
	for _, press := range []input.DispatchKeyEventParams{{Type: input.DispatchKeyEventTypeKeyDown, Key: k, Text: k}, {Type: input.DispatchKeyEventTypeKeyUp, Key: k}} {
		_, err := chromedp.Call(tb.ctx, input.DispatchKeyEvent, press)
		tb.must(err)
	}
}

// TestKeyboard holds the keys that every page answers.
func TestKeyboard(t *testing.T) {
	tb := newTab(t)
	tb.wear(looks[0])
	tb.signIn("Maya Okafor", "/images")
	tb.key("/")
	tb.until(`document.activeElement.matches("input[type=search], input[name=q]")`)
	tb.do(chromedp.KeyEvent("gateway"), chromedp.KeyEvent(kb.Enter))
	tb.until(`location.search.includes("q=gateway")`)
	tb.open("/images")
	tb.key("j")
	tb.until(`document.activeElement.closest("tr, li") !== null`)
	tb.key("?")
	tb.until(`location.pathname === "/help" || document.querySelector("dialog[open]") !== null`)
	tb.clean("keys")
}
