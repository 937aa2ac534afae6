package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"signboard/inventory"
)

// listed are the images that a page links, by digest.
func (a answer) listed() []string {
	var list []string
	for _, m := range regexp.MustCompile(`href="/images/(sha256:[0-9a-f]{64})\?`).FindAllStringSubmatch(a.body, -1) {
		if !slices.Contains(list, m[1]) {
			list = append(list, m[1])
		}
	}
	slices.Sort(list)
	return list
}

func digests(n ...int) []string {
	var list []string
	for _, n := range n {
		list = append(list, string(digest(n)))
	}
	slices.Sort(list)
	return list
}

func TestImages_areNarrowedByEachFilter(t *testing.T) {
	w := newWorld(t, plan{})
	approved, _ := w.fill()
	for query, want := range map[string][]string{
		"":                                   digests(1, 2, 3, 4, 5, 6, 7),
		"status=trusted":                     digests(1),
		"status=unsigned":                    digests(3, 7),
		"status=quarantined":                 digests(7),
		"status=unsigned&team=payments":      digests(3),
		"team=-":                             digests(4, 5, 6, 7),
		"registry=local":                     digests(1, 2, 3, 4, 5, 6, 7),
		"registry=other":                     nil,
		"team=none":                          nil,
		"repository=local/pay/*":             digests(1, 2, 3),
		"repository=pay/web":                 digests(3),
		"reason=key_unknown":                 digests(5),
		"format=cosign-simplesigning":        digests(1, 2, 6),
		"format=dct":                         nil,
		"tag=v3":                             digests(6),
		"tag=v%25":                           nil,
		"q=ops":                              digests(4, 5, 6, 7),
		"q=OPS+BASE":                         digests(4, 5, 6, 7),
		"q=" + string(digest(5)):             digests(5),
		"q=" + string(digest(5))[:20]:        digests(5),
		"signer=" + esc(string(keyless.ID)):  digests(2),
		"signer=" + esc(string(approved.ID)): digests(1),
		"signer=keyless:a%7Cb":               nil,
		"limit=1":                            digests(1, 2, 3, 4, 5, 6, 7),
		"limit=99999999999999999999":         digests(1, 2, 3, 4, 5, 6, 7),
		"limit=-1":                           digests(1, 2, 3, 4, 5, 6, 7),
		"cursor=1":                           nil,
		"cursor=9223372036854775807":         digests(1, 2, 3, 4, 5, 6, 7),
	} {
		a := w.get(viewer, "/images?"+query)
		if a.StatusCode != http.StatusOK || !slices.Equal(a.listed(), want) {
			t.Errorf("?%s: %d, %d images, want %d", query, a.StatusCode, len(a.listed()), len(want))
		}
	}
}

func esc(s string) string { return url.QueryEscape(s) }

func TestImages_refuseAFilterThatSaysNothing(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for query, says := range map[string]string{
		"status=nonsense":                  "is not a status",
		"status=Trusted":                   "is not a status",
		"status=trusted%20":                "is not a status",
		"reason=nonsense":                  "is not a reason code",
		"format=cosign":                    "is not a signature format",
		"signer=nonsense":                  "is not the id of a signer",
		"signer=key:sha256:abc":            "is not the id of a signer",
		"signer=" + esc("key:<script>"):    "is not the id of a signer",
		"repository=a//b":                  "is not a pattern",
		"repository=" + esc("[a"):          "is not a pattern",
		"repository=" + esc("a/**b"):       "is not a pattern",
		"cursor=nonsense":                  "The cursor isn't one",
		"cursor=-1":                        "The cursor isn't one",
		"cursor=12.key:x":                  "The cursor isn't one",
		"cursor=99999999999999999999":      "The cursor isn't one",
		"cursor=" + esc("1 or 1=1"):        "The cursor isn't one",
		"status=%zz":                       "can't be read",
		"status=trusted;team=payments":     "can't be read",
		"status=trusted&cursor=%00":        "The cursor isn't one",
		"status=" + strings.Repeat("x", 9): "is not a status",
	} {
		a := w.get(viewer, "/images?"+query)
		if a.StatusCode != http.StatusUnprocessableEntity || !a.says(says) {
			t.Errorf("?%s: %d, without %q: %s", query, a.StatusCode, says, text(a.body))
		}
		if len(a.listed()) > 0 {
			t.Errorf("?%s: refused, and still lists %d images", query, len(a.listed()))
		}
	}
}

func TestOtherLists_refuseACursorThatIsNotTheirs(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for _, target := range []string{"/signers?standing=pending&cursor=", "/quarantine?cursor=", "/audit?cursor="} {
		for _, cursor := range []string{"nonsense", "-1", "99999999999999999999999", "%00", "%ff", "1%20or%201=1", "-1.x", strings.Repeat("9", 5000)} {
			if a := w.get(viewer, target+cursor); a.StatusCode != http.StatusUnprocessableEntity || !a.says("The cursor isn't one") {
				t.Errorf("%s%.20s: %d: %s", target, cursor, a.StatusCode, text(a.body))
			}
		}
	}
	// What could be theirs is a place in the list, and nothing else.
	for _, target := range []string{"/signers?cursor=0.zzz", "/signers?cursor=1.%27", "/audit?cursor=0", "/quarantine?cursor=1.zzz"} {
		if a := w.get(viewer, target); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", target, a.StatusCode)
		}
	}
}

// odd is text that has broken programs of this kind.
var odd = map[string]string{
	"ten thousand letters": strings.Repeat("a", 10_000), "ten thousand words": strings.Repeat("a ", 5_000),
	"percent": "%", "underscore": "p_y", "quote": `pay' or '1'='1`, "double quote": `"pay`, "backslash": `pay\`,
	"NUL": "pay\x00", "not UTF-8": "pay\xff\xfe", "a line": "pay\nSet-Cookie: x=y", "bidi": "pay\u202e", "star": "pay*", "semicolon": "pay;drop table images",
}

func TestSearch_takesWhateverIsTyped(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for name, q := range odd {
		for _, path := range []string{"/images?q=", "/search?q=", "/images?tag=", "/images?registry=", "/images?team=", "/?team=", "/learn/no_signature?image=", "/learn/no_signature?tag="} {
			a := w.get(viewer, path+esc(q))
			want := http.StatusOK
			if path == "/search?q=" && len(strings.TrimSpace(q)) > 200 {
				want = http.StatusUnprocessableEntity
			}
			if a.StatusCode != want {
				t.Errorf("%s with %s: %d: %.300s", path, name, a.StatusCode, text(a.body))
			}
			if strings.Contains(path, "q=") && strings.Contains(a.body, "local/pay/") && strings.Contains(path, "search") {
				t.Errorf("%s with %s finds something: a sign is taken for any letter", path, name)
			}
			if len(a.Header["Set-Cookie"]) > 0 && strings.Contains(a.Header["Set-Cookie"][0], "x=y") {
				t.Errorf("%s with %s sets a header", path, name)
			}
		}
	}
	if lines := w.log.errors(); len(lines) > 0 {
		t.Errorf("errors were logged: %.500s", lines)
	}
}

func TestSearch_findsByAnyPart(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	for q, says := range map[string]string{
		"PAY api": "local/pay/api", "release pipe": "release pipeline", "issuer.test": keyless.Name, "refs/heads/main": keyless.Name,
		string(digest(4))[:20]: "local/ops/base", string(digest(4)): "local/ops/base", "regis": "Registries", "no such thing": "Nothing matches",
	} {
		if a := w.get(viewer, "/search?q="+esc(q)); a.StatusCode != http.StatusOK || !a.says(says) {
			t.Errorf("%q: %d, without %q: %s", q, a.StatusCode, says, text(a.body))
		}
	}
}

func TestSignerID_travelsWholeThroughAddresses(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	var signers []inventory.Signer
	for _, id := range []inventory.SignerID{
		"keyless:https://issuer.test/a%2Fb|https://forge.test/x+y?z=1&w=2#f;@refs/tags/v1.0%20",
		"keyless:https://issuer.test|dana@example.com",
		"x509:sha256:" + inventory.SignerID(strings.Repeat("a", 64)) + "|CN=Ünïcode, O=A/B\\C \"quoted\", C=DE",
		"tuf:registry.test/pay/../api|0123",
	} {
		signers = append(signers, inventory.Signer{ID: id, Kind: id.Kind(), Name: "name of " + string(id)})
	}
	w.look("odd/signers", found(20, inventory.Unapproved, inventory.ReasonSignerNotApproved, "Nobody.", []string{"v1"}, signers...))
	for _, s := range signers {
		if a := w.get(viewer, s.ID.Path()); a.StatusCode != http.StatusOK || !a.says(string(s.ID)) {
			t.Errorf("%s: %d: %s", s.ID.Path(), a.StatusCode, text(a.body))
		}
		// Encoded to the last character, as some clients do.
		var every strings.Builder
		for _, c := range []byte(s.ID) {
			fmt.Fprintf(&every, "%%%02x", c)
		}
		if a := w.get(viewer, "/signers/"+every.String()); a.StatusCode != http.StatusOK || !a.says(string(s.ID)) {
			t.Errorf("%s in percent: %d", s.ID, a.StatusCode)
		}
		if a := w.get(viewer, "/images?signer="+esc(string(s.ID))); !slices.Equal(a.listed(), digests(20)) {
			t.Errorf("the images of %s: %v", s.ID, a.listed())
		}
		a := w.post(reviewer, s.ID.Path()+"/decisions", url.Values{"decision": {"reject"}, "reason": {"x"}, "revision": {"0"}})
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != s.ID.Path() {
			t.Errorf("deciding about %s: %d to %q", s.ID, a.StatusCode, a.Header.Get("Location"))
		}
		if w.signer(s.ID).Standing != inventory.Rejected {
			t.Errorf("%s is not rejected", s.ID)
		}
	}
}

func TestImages_areReadPageByPage(t *testing.T) {
	w := newWorld(t, plan{})
	var all []inventory.ImageFinding
	for n := range 120 {
		all = append(all, found(5000+n, inventory.Unsigned, inventory.ReasonNoSignature, "There is no signature.", []string{fmt.Sprintf("v%d", n)}))
	}
	w.look("many/tags", all...)
	seen, target := map[string]bool{}, "/images?status=unsigned"
	for range 4 {
		a := w.get(viewer, target)
		for _, d := range a.listed() {
			if seen[d] {
				t.Errorf("%s is on two pages", d)
			}
			seen[d] = true
		}
		next := regexp.MustCompile(`<a href="([^"]*)" id="pager-next"`).FindStringSubmatch(a.body)
		if next == nil {
			break
		}
		if target = strings.ReplaceAll(next[1], "&amp;", "&"); !strings.Contains(target, "status=unsigned") {
			t.Fatalf("the next page has another filter: %s", target)
		}
	}
	if len(seen) != 120 {
		t.Errorf("%d of 120 images were on the pages", len(seen))
	}
	a := w.get(viewer, "/images?cursor=1") // past the end
	if a.StatusCode != http.StatusOK || len(a.listed()) != 0 || !strings.Contains(a.body, `id="pager-first"`) {
		t.Errorf("past the end: %d, %d images, and no way back: %s", a.StatusCode, len(a.listed()), text(a.body))
	}
}
