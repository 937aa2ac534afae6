package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestTeam follows a developer who belongs to a team: the overview leads her to it,
// its page to what isn't signed with the command for its digest, and the list
// comes as a file.
func TestTeam(t *testing.T) {
	tb := newTab(t)
	tb.wear(looks[0])
	tb.signIn("Priya Raman", "/")
	if path := tb.path(); path != "/" {
		t.Errorf("she was sent to %s", path)
	}
	tb.click("main .yours a[href='/teams/payments']")
	tb.until(`location.pathname === "/teams/payments" && document.readyState === "complete"`)
	command := eval[string](tb, `document.querySelector(".to-sign details[open] pre").innerText`)
	if !regexp.MustCompile(`^cosign sign --key cosign\.key \\\n(  --allow-http-registry \\\n)?  127\.0\.0\.1:\d+/payments/\S+@sha256:[0-9a-f]{64}$`).MatchString(command) {
		t.Errorf("the first command is %q", command)
	}
	// The question is answered above the fold.
	if bottom := eval[float64](tb, `document.querySelector(".to-sign details[open] pre").getBoundingClientRect().bottom`); bottom > 800 {
		t.Errorf("the first command ends %v pixels down", bottom)
	}
	unsigned := eval[int](tb, `parseInt(document.querySelector("h1").innerText)`)
	digest := command[strings.LastIndex(command, "@")+1:]

	href := eval[string](tb, `document.querySelector("main .facts .exports a[download]").getAttribute("href")`)
	if href != "/images.csv?status=unsigned&team=payments" {
		t.Errorf("the file is at %s", href)
	}
	eval[bool](tb, fmt.Sprintf(`fetch(%q).then(async r => { globalThis.file = {kind: r.headers.get("Content-Type"), name: r.headers.get("Content-Disposition"), text: await r.text()}; return true })`, href))
	text := eval[string](tb, `file.text`)
	if lines := strings.Count(text, "\r\n"); lines != unsigned+1 || !strings.Contains(text, digest) || !strings.Contains(text, ",payments,") {
		t.Errorf("%d lines for %d images:\n%s", lines, unsigned, text)
	}
	if kind, name := eval[string](tb, `file.kind`), eval[string](tb, `file.name`); kind != "text/csv; charset=utf-8" || !strings.Contains(name, "signboard-images-unsigned-payments-") {
		t.Errorf("the file comes as %s, %s", kind, name)
	}
	tb.clean("with her team")
}
