package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/views"
)

// hostile is text that would be a part of the page if it weren't escaped, ends
// attributes of either kind, and reorders or hides what is around it.
const hostile = "x\"><script>alert(1)</script><img src=x onerror=alert(1)>' onmouseover='alert(1)\u202egnp\u200b\nnext{{1}}<!--"

// scripts are the elements that a page may have: our own two, from files.
var scripts = regexp.MustCompile(`<script src="/static/[0-9a-f]{24}/(htmx|app)\.js" defer></script>`)

// typed are fields of several lines with what is in them.
var typed = regexp.MustCompile(`(?s)<textarea[^>]*>[^<]*</textarea>`)

// safe reports what of the hostile text got into the page's markup.
func (w *world) safe(where string, a answer) {
	w.Helper()
	rest := scripts.ReplaceAllString(a.body, "")
	for _, bad := range []string{"<script", "<img", "onerror=alert(1)>", "' onmouseover='", "<!--"} {
		if i := strings.Index(rest, bad); i >= 0 {
			w.Errorf("%s holds %q: …%s…", where, bad, rest[max(0, i-80):min(len(rest), i+80)])
		}
	}
	// A form's field holds what it will send, as it is.
	if shown := typed.ReplaceAllString(a.body, ""); strings.ContainsAny(shown, "\u202e\u200b") {
		for line := range strings.SplitSeq(shown, "\n") {
			if i := strings.IndexAny(line, "\u202e\u200b"); i >= 0 && !inValue(line, i) {
				w.Errorf("%s shows what can't be seen, or reorders: …%s…", where, line[max(0, i-120):i])
			}
		}
	}
	// An empty href is the page itself.
	for _, m := range regexp.MustCompile(`(?:href="|(?:href|src|action|hx-get)="([^"]+))"`).FindAllStringSubmatch(a.body, -1) {
		if m[0] == `href=""` {
			continue
		}
		if !strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "#") || strings.HasPrefix(m[1], "//") {
			w.Errorf("%s leads to %s", where, m[1])
		}
	}
}

// inValue reports whether a place is inside an attribute that carries a value
// as it is: what a form sends back, or what a button copies.
func inValue(line string, at int) bool {
	before := line[:at]
	open := strings.LastIndex(before, `="`)
	if open < 0 || strings.Contains(before[open+2:], `"`) {
		return false
	}
	name := before[strings.LastIndexAny(before[:open], " \t")+1 : open]
	return name == "value" || name == "data-copy"
}

func TestHostileNames_areEscapedOnEveryPage(t *testing.T) {
	w := newWorld(t, plan{})
	s := inventory.Signer{ID: inventory.KeylessID("https://issuer.test", hostile), Kind: inventory.KeylessSigner, Name: hostile,
		Facts: []inventory.Fact{{Name: hostile, Value: hostile}, {Name: "link", Value: "javascript:alert(1)" + hostile}}}
	f := found(1, inventory.Unapproved, inventory.ReasonSignerNotApproved, hostile, []string{hostile}, s)
	f.Evidence.Notes = []string{hostile}
	f.MediaType = hostile
	f.Platforms = []inventory.Platform{{Platform: hostile, Digest: digest(2)}}
	signature := &f.Evidence.Signatures[0]
	signature.Message = hostile
	signature.Checks = append(signature.Checks, inventory.Check{Name: hostile, Result: inventory.Fail, Message: hostile})
	signature.Chain = append(signature.Chain, inventory.Link{Role: inventory.RoleStatement, Name: hostile, Issuer: hostile, Fingerprint: hostile,
		Facts: []inventory.Fact{{Name: hostile, Value: hostile}}})
	f.Evidence.Attestations = []inventory.Attestation{{PredicateType: hostile, Outcome: inventory.OutcomeVerified, Message: hostile, Signer: &s, Manifest: digest(3)}}
	repository := "odd/" + hostile
	w.lookHostile(repository, f, found(2, inventory.Unsigned, inventory.ReasonNoSignature, hostile, nil))
	full := "local/" + repository

	// People write such things, too.
	for target, fields := range map[string]url.Values{
		s.ID.Path() + "/decisions": {"decision": {"approve"}, "repositories": {"local/" + strings.Join(strings.Fields(strings.ReplaceAll(hostile, "/", "")), "")}, "reason": {hostile}, "revision": {"0"}},
		"/quarantine":              {"digest": {string(digest(1))}, "repository": {full}, "tag": {hostile}, "reason": {hostile}},
	} {
		if a := w.post(reviewer, target, fields); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: %d: %s", target, a.StatusCode, text(a.body))
		}
	}
	pages := []string{
		"/", "/images", "/images?q=odd", views.ImageURL(full, digest(1)), views.ImageURL(full, digest(2)), "/signers?standing=approved", s.ID.Path(),
		"/quarantine", "/registries", "/audit", "/search?q=odd", "/search?q=issuer.test", "/teams", "/teams/-", "/account",
	}
	for _, target := range pages {
		a := w.get(reviewer, target)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d: %s", target, a.StatusCode, text(a.body))
		}
		if !strings.Contains(a.body, "&lt;script&gt;") && !slices.Contains([]string{"/registries", "/teams", "/account"}, target) {
			t.Errorf("%s doesn't show the text at all", target)
		}
		w.safe(target, a)
	}
	// What isn't a page holds the text as it is, and says that it is no page.
	for target, kind := range map[string]string{
		"/images.csv": "text/csv", "/images.json": "application/json", "/signers.csv?standing=approved": "text/csv", "/signers.json?standing=approved": "application/json",
		"/quarantine.csv": "text/csv", "/quarantine.json": "application/json", "/audit.csv": "text/csv", "/audit.json": "application/json",
		"/teams.csv": "text/csv", "/registries.json": "application/json",
		"/api/v1/images": "application/json", "/api/v1/images/" + string(digest(1)) + "?repository=" + esc(full): "application/json",
		"/api/v1/signers?standing=approved": "application/json", "/api/v1/quarantines": "application/json", "/api/v1/audit": "application/json",
	} {
		a := w.get(reviewer, target)
		got, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
		if a.StatusCode != http.StatusOK || got != kind {
			t.Errorf("%s: %d %q, want %s: %.200s", target, a.StatusCode, a.Header.Get("Content-Type"), kind, a.body)
		}
		if file := !strings.HasPrefix(target, "/api/"); file != strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: Content-Disposition %q", target, a.Header.Get("Content-Disposition"))
		}
		w.guarded(target, a)
	}
	standing, _, err := w.db.Quarantines(t.Context(), true, inventory.Page{}, noon)
	w.must(err)
	w.post(reviewer, "/quarantine/"+standing[0].ID+"/release", url.Values{"reason": {hostile}})
	w.safe("/quarantine with what is over", w.get(reviewer, "/quarantine"))
}

// lookHostile is look for a repository whose name is no pattern.
func (w *world) lookHostile(repository string, findings ...inventory.ImageFinding) {
	w.Helper()
	w.look("odd/plain", findings...) // so that nothing else is due
	w.must(w.db.MakeDue(w.Context(), inventory.SyncScope{Registry: "local"}, noon))
	listing, err := w.db.ClaimRegistry(w.Context(), "test", inventory.SyncScope{}, noon, 1e9)
	w.must(err)
	w.must(w.db.RecordCatalog(w.Context(), listing, []string{repository, "odd/plain"}, false, noon))
	for {
		work, err := w.db.ClaimRepository(w.Context(), "test", inventory.SyncScope{}, noon, 1e9)
		w.must(err)
		if work == nil {
			return
		}
		if work.Repository.Name == repository {
			w.must(w.db.RecordImages(w.Context(), work, findings, noon))
			w.must(w.db.FinishRepository(w.Context(), work, []string{hostile}, noon.Add(1e9), noon))
			return
		}
	}
}

func TestHostileRequests_areEscapedInTheAnswer(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	q := esc(hostile)
	for _, target := range []string{
		"/?team=" + q, "/images?q=" + q, "/images?status=" + q, "/images?registry=" + q, "/images?repository=" + q, "/images?team=" + q, "/images?signer=" + q,
		"/images?signer=" + esc("keyless:"+hostile+"|x"), "/images?format=" + q, "/images?reason=" + q, "/images?tag=" + q, "/images?cursor=" + q,
		"/images/" + url.PathEscape(hostile), "/images/" + string(digest(1)) + "?repository=" + q, "/images/" + string(digest(1)) + "?repository=local/" + q,
		"/signers?standing=" + q, "/signers?cursor=" + q, "/signers/" + url.PathEscape(hostile), "/quarantine?cursor=" + q, "/audit?cursor=" + q,
		"/learn/" + url.PathEscape(hostile), "/learn/no_signature?image=" + q + "&tag=" + q, "/learn/no_signature?digest=" + q, "/search?q=" + q,
		"/" + url.PathEscape(hostile), "/auth/callback?state=" + q + "&error=" + q, "/help?" + q, "/help?x=" + q,
	} {
		w.safe(target, w.get(reviewer, target))
	}
	for _, target := range []string{"/signin?return=" + q, "/signin?return=/" + q, "/images?q=" + q} {
		w.safe(target, w.get(nobody, target))
	}
	for target, fields := range map[string]url.Values{
		keyless.ID.Path() + "/decisions":                   {"decision": {hostile}, "repositories": {hostile}, "reason": {hostile}, "expires_at": {hostile}, "revision": {hostile}},
		"/quarantine":                                      {"digest": {string(digest(1))}, "repository": {"local/pay/api"}, "tag": {hostile}, "reason": {hostile}, "expires_at": {hostile}},
		"/quarantine?x":                                    {"digest": {hostile}},
		"/quarantine/" + held.ID + "/release":              {"reason": {strings.Repeat(hostile, 40)}},
		"/registries/" + url.PathEscape(hostile) + "/sync": {},
	} {
		a := w.post(reviewer, target, fields)
		if a.StatusCode < 400 {
			t.Errorf("%s: %d", target, a.StatusCode)
		}
		w.safe(target, a)
	}
}

func TestCommandsToCopy_holdNothingOfTheAddressThatAShellWouldRun(t *testing.T) {
	w := newWorld(t, plan{})
	for _, image := range []string{"registry.test/x;reboot", "registry.test/x$(reboot)", "registry.test/x`reboot`", "registry.test/x\nreboot", "-rf/x", "registry.test/x&&reboot", "registry.test/x|reboot"} {
		for _, field := range []string{"image", "tag", "digest"} {
			a := w.get(viewer, "/learn/no_signature?"+field+"="+esc(image))
			commands := strings.Join(regexp.MustCompile(`(?s)<pre.*?</pre>`).FindAllString(a.body, -1), "\n")
			if field != "digest" && commands == "" {
				t.Fatalf("%s: %d, no commands: %s", image, a.StatusCode, text(a.body))
			}
			if strings.Contains(commands, "reboot") || strings.Contains(commands, "-rf/") {
				t.Errorf("%s=%q is in the commands: %s", field, image, commands)
			}
		}
	}
}
