package views

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"signboard/inventory"
	"signboard/static"
)

func render(t *testing.T, s sample) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.page.Render(context.Background(), &b); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return b.String()
}

// elements are all elements of a page, in order.
func elements(t *testing.T, s sample) []*html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(render(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	var list []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			list = append(list, n)
		}
	}
	return list
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func page(t *testing.T, name string) sample {
	t.Helper()
	for _, s := range samples() {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("there is no sample %q", name)
	return sample{}
}

func TestPages_needNothingThePolicyForbids(t *testing.T) {
	for _, s := range samples() {
		for _, n := range elements(t, s) {
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") {
					t.Errorf("%s: <%s> has an attribute %s", s.name, n.Data, a.Key)
				}
				if (a.Key == "href" || a.Key == "src" || a.Key == "action") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%s: <%s> leads outside: %q", s.name, n.Data, a.Val)
				}
			}
			if n.Data == "style" || n.Data == "script" && n.FirstChild != nil {
				t.Errorf("%s: <%s> with content", s.name, n.Data)
			}
		}
	}
}

// Whatever comes from a registry or a certificate is text, and its invisible
// characters are shown.
func TestPages_showNastyStringsAsText(t *testing.T) {
	for _, s := range samples() {
		for _, n := range elements(t, s) {
			if src, ok := attr(n, "src"); ok && !strings.HasPrefix(src, "/static/") {
				t.Errorf("%s: <%s src=%q>", s.name, n.Data, src)
			}
			for c := range n.ChildNodes() {
				if c.Type == html.TextNode && strings.ContainsAny(c.Data, "\u202e\u2069") {
					t.Errorf("%s: <%s> holds a bidirectional control: %.80q", s.name, n.Data, c.Data)
				}
			}
		}
	}
	out := render(t, page(t, "image-nasty"))
	for _, want := range []string{"⟨U+202E⟩", "contains unusual characters", "&lt;script&gt;"} {
		if !strings.Contains(out, want) {
			t.Errorf("the page of an image with a nasty name lacks %q", want)
		}
	}
}

func TestPages_haveOneHeadlineAndSkipNoLevel(t *testing.T) {
	for _, s := range samples() {
		level, headlines := 0, 0
		for _, n := range elements(t, s) {
			if len(n.Data) != 2 || n.Data[0] != 'h' || n.Data[1] < '1' || n.Data[1] > '6' {
				continue
			}
			next := int(n.Data[1] - '0')
			if next == 1 {
				headlines++
			}
			if next > level+1 {
				t.Errorf("%s: h%d %q follows h%d", s.name, next, text(n), level)
			}
			if text(n) == "" {
				t.Errorf("%s: an empty h%d", s.name, next)
			}
			level = next
		}
		if headlines != 1 {
			t.Errorf("%s: %d headlines", s.name, headlines)
		}
	}
}

func TestPages_nameEveryControlAndReuseNoID(t *testing.T) {
	for _, s := range samples() {
		ids, labelled := map[string]bool{}, map[string]bool{}
		for _, n := range elements(t, s) {
			if id, ok := attr(n, "id"); ok {
				if ids[id] || strings.ContainsAny(id, " \t\n") || id == "" {
					t.Errorf("%s: the id %.60q is used twice or can't be one", s.name, id)
				}
				ids[id] = true
			}
			if to, ok := attr(n, "for"); ok {
				labelled[to] = true
			}
		}
		for _, n := range elements(t, s) {
			for _, ref := range []string{"aria-labelledby", "aria-describedby", "for"} {
				if id, ok := attr(n, ref); ok && !ids[id] {
					t.Errorf("%s: %s=%q names nothing", s.name, ref, id)
				}
			}
			kind, _ := attr(n, "type")
			id, _ := attr(n, "id")
			switch n.Data {
			case "input", "select", "textarea", "progress":
				if kind != "hidden" && !labelled[id] {
					t.Errorf("%s: <%s id=%q> has no label", s.name, n.Data, id)
				}
			case "a", "button", "summary":
				if label, _ := attr(n, "aria-label"); label == "" && text(n) == "" {
					t.Errorf("%s: <%s> has no name", s.name, n.Data)
				}
			}
		}
	}
}

// A form reaches its handler without JavaScript.
func TestPages_formsSayWhereTheyGo(t *testing.T) {
	for _, s := range samples() {
		for _, n := range elements(t, s) {
			if n.Data != "form" {
				continue
			}
			action, _ := attr(n, "action")
			method, _ := attr(n, "method")
			if !strings.HasPrefix(action, "/") || method != "get" && method != "post" {
				t.Errorf("%s: a form with action %q and method %q", s.name, action, method)
			}
		}
	}
}

func TestOverview_answersInOneSentence(t *testing.T) {
	out := ""
	for _, n := range elements(t, page(t, "overview")) {
		if n.Data == "h1" {
			out = text(n)
		}
	}
	if want := "24 of 41 images are trusted; 2 could not be checked."; out != want {
		t.Errorf("the headline is %q, want %q", out, want)
	}
}

func TestOverview_everyNumberOpensItsList(t *testing.T) {
	hrefs := map[string]string{}
	for _, n := range elements(t, page(t, "overview")) {
		if href, ok := attr(n, "href"); ok && n.Data == "a" {
			hrefs[href] = text(n)
		}
	}
	for _, s := range append(append([]inventory.Status{}, inventory.Statuses...), inventory.Quarantined) {
		if _, ok := hrefs["/images?status="+string(s)]; !ok {
			t.Errorf("no link to the images with status %s", s)
		}
	}
	if _, ok := hrefs["/images?status=unsigned&team=payments"]; !ok {
		t.Error("no link to the unsigned images of a team")
	}
}

func TestImage_listsEveryCheckOfEveryLink(t *testing.T) {
	s := page(t, "image-nasty")
	shown := map[string]int{}
	for _, n := range elements(t, s) {
		if class, _ := attr(n, "class"); class == "check-name" {
			shown[text(n)]++
		}
	}
	for _, sig := range heldImage().Signatures {
		for _, c := range sig.Checks {
			if name := strings.ReplaceAll(c.Name, "_", " "); shown[name] == 0 {
				t.Errorf("the check %s isn't listed", c.Name)
			} else {
				shown[name]--
			}
		}
	}
}

func TestImage_showsTheStatusUnderTheQuarantine(t *testing.T) {
	out := render(t, page(t, "image-nasty"))
	for _, want := range []string{"Quarantined", "Unapproved", "Held in quarantine: do not run this image."} {
		if !strings.Contains(out, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// What isn't one of the known words never looks good.
func TestBadge_showsWhatItDoesNotKnowAsUnknown(t *testing.T) {
	p := ImagesPage{Frame: frame("Images", "/images"), Registries: 1, List: inventory.ImageList{Images: []inventory.Image{{Registry: "r", Repository: "x", Status: "TRUSTED"}}, Total: 1}}
	out := render(t, sample{"images", p})
	if strings.Contains(out, `badge is-trusted`) || !strings.Contains(out, "Unknown") {
		t.Error("a made-up status isn't shown as unknown")
	}
}

func TestSigner_showsTheFormOnlyToThoseWhoMayDecide(t *testing.T) {
	has := func(name string) bool {
		return strings.Contains(render(t, page(t, name)), `name="decision"`)
	}
	if !has("signer") {
		t.Error("a reviewer sees no form")
	}
	if has("signer-approved") {
		t.Error("a viewer sees the form")
	}
	if p := page(t, "image").page.(ImagePage); strings.Contains(render(t, sample{"", func() ImagePage { p.Frame.Actor = viewer; return p }()}), `action="/quarantine"`) {
		t.Error("a viewer sees the quarantine form")
	}
}

func TestSigner_bindsTheFormToTheRevisionShown(t *testing.T) {
	for _, n := range elements(t, page(t, "signer")) {
		if name, _ := attr(n, "name"); name == "revision" {
			if v, _ := attr(n, "value"); v != fmt.Sprint(keyless().Revision) {
				t.Errorf("revision is %q", v)
			}
			return
		}
	}
	t.Error("the form has no revision")
}

func TestImages_linksKeepTheFilter(t *testing.T) {
	want := "/images?" + strings.TrimPrefix(ImagesURL(page(t, "images-narrowed").page.(ImagesPage).Filter, "c2"), "/images?")
	for _, n := range elements(t, page(t, "images-narrowed")) {
		if id, _ := attr(n, "id"); id == "pager-next" {
			if href, _ := attr(n, "href"); href != want {
				t.Errorf("the next page is %q, want %q", href, want)
			}
			return
		}
	}
	t.Error("there is no next page")
}

func TestLearn_explainsEveryReason(t *testing.T) {
	for _, r := range inventory.Reasons {
		e, ok := explanations[r]
		if !ok || e.title == "" || e.meaning == "" || e.who == "" || len(e.fix) == 0 || e.status == "" {
			t.Errorf("%s isn't explained whole", r)
		}
		if strings.Count(strings.TrimSuffix(e.meaning, "."), ". ") > 0 {
			t.Errorf("the meaning of %s is more than one sentence", r)
		}
		tabs := e.recipe.commands("registry.example:5000/team/api", digest(0))
		if len(tabs) != 4 {
			t.Errorf("%s has %d tabs", r, len(tabs))
		}
		opens := e.opens == ""
		for _, tab := range tabs {
			if !strings.Contains(tab.text, "registry.example:5000/team/api@"+string(digest(0))) {
				t.Errorf("the %s commands of %s don't name the image", tab.tool, r)
			}
			if tab.says == "" || strings.Contains(tab.text, "IMAGE") || strings.Contains(tab.text, "HOST") {
				t.Errorf("the %s commands of %s aren't filled in:\n%s", tab.tool, r, tab.text)
			}
			opens = opens || tab.id == e.opens
		}
		if !opens {
			t.Errorf("%s opens the commands of %q, and there are none", r, e.opens)
		}
	}
	if len(explanations) != len(inventory.Reasons) {
		t.Errorf("%d explanations for %d reasons", len(explanations), len(inventory.Reasons))
	}
}

// A command is pasted into a shell: nothing of it may come from a name that
// isn't a plain reference.
func TestLearn_putsOnlyPlainReferencesIntoCommands(t *testing.T) {
	for _, reference := range []string{"x; rm -rf /", "host/a$(id)", "host/`id`", "host/a b", "host/a\nid", "--flag/x y", "host/A", "host/a|b", "-host/a"} {
		for _, tab := range signRecipe.commands(reference, "sha256:short; id") {
			if strings.Contains(tab.text, reference) || strings.Contains(tab.text, "; id") {
				t.Errorf("%q is in the %s commands:\n%s", reference, tab.tool, tab.text)
			}
		}
	}
}

// A first visit is small: the page and everything it loads.
func TestFirstVisit_isSmall(t *testing.T) {
	const most, requests = 40 << 10, 6
	reference := regexp.MustCompile(`(?:src|href)="(/static/[^"#]+)[^"]*"`)
	for _, name := range []string{"overview", "images", "image", "learn", "signer", "registries"} {
		out := render(t, page(t, name))
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write([]byte(out))
		_ = z.Close()
		size, seen := packed.Len(), map[string]bool{}
		for _, m := range reference.FindAllStringSubmatch(out, -1) {
			if seen[m[1]] || strings.HasSuffix(m[1], "licences.txt") {
				continue
			}
			seen[m[1]] = true
			r := httptest.NewRequest(http.MethodGet, m[1], nil)
			r.Header.Set("Accept-Encoding", "gzip")
			w := httptest.NewRecorder()
			static.Handler().ServeHTTP(w, r)
			n, _ := io.Copy(io.Discard, w.Result().Body)
			if w.Code != http.StatusOK || n == 0 {
				t.Errorf("%s: %s answers %d with %d bytes", name, m[1], w.Code, n)
			}
			size += int(n)
		}
		t.Logf("%s: %d bytes in %d requests, %d of them the page", name, size, len(seen)+1, packed.Len())
		if size > most || len(seen)+1 > requests {
			t.Errorf("%s: %d bytes in %d requests, at most %d in %d", name, size, len(seen)+1, most, requests)
		}
	}
}
