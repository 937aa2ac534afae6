package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

var wholeToken = regexp.MustCompile(`sgb_[0-9A-Za-z]{38}`)

// ask asks the API as a script does.
func (o *owner) ask(base, token, path string) (status int, body string) {
	o.t.Helper()
	request, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, base+path, nil)
	o.must(err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	o.must(err)
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	o.must(err)
	return response.StatusCode, string(b)
}

// TestToken_madeOnThePageOpensTheAPI makes a token as an administrator does,
// without JavaScript, uses it as a script does, and takes it back; then the same
// with the command, while the server runs.
func TestToken_madeOnThePageOpensTheAPI(t *testing.T) {
	o := newOwner(t)
	o.push("team-a/web", "v1", false)
	if out, code := run(t, o.dir, "", "sync"); code != 0 {
		t.Fatalf("sync ends with %d:\n%s", code, out)
	}
	server, err := launch(binary, o.dir, nil, "serve")
	o.must(err)
	t.Cleanup(server.kill)
	match, err := server.wait(serving)
	o.must(err)
	base := match[1]

	tb := newTab(t)
	tb.wear(looks[0])
	tb.open(base + "/tokens")
	tb.axe("the page of tokens")
	tb.scripts(false)
	tb.open(base + "/tokens")
	if text := tb.text(); !strings.Contains(text, "No token yet") {
		t.Errorf("the page doesn't say that there is none:\n%s", text)
	}
	tb.do(chromedp.SetValue("[name=name]", "nightly report"))
	tb.press("button", "Make the token")
	tb.until(`document.body.innerText.includes("The token of nightly report is made.")`)
	secret := wholeToken.FindString(tb.text())
	if secret == "" {
		t.Fatalf("the token isn't shown:\n%s", tb.text())
	}
	if path := tb.path(); strings.Contains(path, "sgb_") {
		t.Errorf("the token is in the address %s", path)
	}
	tb.scripts(true)
	tb.axe("the page with a token")

	const unsigned = "/api/v1/images?status=unsigned"
	status, body := o.ask(base, secret, unsigned)
	var answer struct {
		Items []struct{ Repository string }
	}
	if err := json.Unmarshal([]byte(body), &answer); status != http.StatusOK || err != nil || len(answer.Items) != 1 || answer.Items[0].Repository != "team-a/web" {
		t.Errorf("with the token the API answers %d, %v: %s", status, err, body)
	}
	// Nobody has to sign in here, and still a token that is none counts for nothing.
	if status, body := o.ask(base, secret[:41]+"!", unsigned); status != http.StatusUnauthorized {
		t.Errorf("a token that is none: %d %s", status, body)
	}

	tb.expected = "status of 409"
	tb.do(chromedp.Reload())
	tb.until(`document.readyState === "complete"`)
	if text := tb.text(); wholeToken.MatchString(text) || !strings.Contains(text, "shown only once") {
		t.Errorf("after a reload the page says\n%s", text)
	}
	tb.open(base + "/tokens")
	if text := tb.text(); !strings.Contains(text, "1 token is live.") || !strings.Contains(text, "nightly report") || wholeToken.MatchString(text) {
		t.Errorf("after a reload there are\n%s", text)
	}

	made, code := run(t, o.dir, "", "token", "create", "--name", "pipeline", "--role", "viewer", "--expires", "720h")
	pipeline := wholeToken.FindString(made)
	if code != 0 || pipeline == "" {
		t.Fatalf("token create ends with %d:\n%s", code, made)
	}
	if status, body := o.ask(base, pipeline, unsigned); status != http.StatusOK {
		t.Errorf("the command's token, while the server runs: %d %s", status, body)
	}
	if out, code := run(t, o.dir, "", "token", "revoke", "pipeline"); code != 0 {
		t.Errorf("token revoke ends with %d:\n%s", code, out)
	}
	if status, body := o.ask(base, pipeline, unsigned); status != http.StatusUnauthorized || !strings.Contains(body, "revoked") {
		t.Errorf("the command's token after it was revoked: %d %s", status, body)
	}

	tb.press("summary", "Revoke")
	tb.press("button", "Revoke nightly report")
	tb.until(`document.body.innerText.includes("No token is live.")`)
	if status, _ := o.ask(base, secret, unsigned); status != http.StatusUnauthorized {
		t.Errorf("the page's token after it was revoked: %d", status)
	}
	tb.open(base + "/tokens?state=over")
	tb.axe("the page of tokens that are over")
	tb.open(base + "/audit")
	text := tb.text()
	for _, want := range []string{"token.create", "token.revoke", "access.refused", "nightly report", "at the command line"} {
		if !strings.Contains(text, want) {
			t.Errorf("the audit log doesn't tell of %q", want)
		}
	}
	tb.clean("making tokens")

	files, err := os.ReadDir(o.dir)
	o.must(err)
	kept := server.printed() + text
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(o.dir, f.Name()))
		o.must(err)
		kept += string(b)
	}
	for _, s := range []string{secret, pipeline} {
		if strings.Contains(kept, s[4:20]) {
			t.Error("a token is in what the server printed, in its folder or in the audit log")
		}
	}
}
