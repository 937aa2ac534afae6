package registry

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"signboard/inventory"
)

// FuzzNextPage: whatever a Link header says, what comes out is nothing, a
// problem, or an address without credentials that can be told from the origin.
func FuzzNextPage(f *testing.F) {
	for _, s := range []string{
		`</v2/_catalog?last=b&n=2>; rel="next"`, `<?last=x>;rel=next`, `<//evil.example/v2/_catalog>; rel="next"`,
		`<https://u:p@r.example/>; rel="next"`, `<a>; rel="prev", <b>; rel="x next"`, `</x; rel="next"`, `<javascript:alert(1)>; rel=next`, `<>; rel="next"`,
	} {
		f.Add(s)
	}
	from := &url.URL{Scheme: "https", Host: "r.example", Path: "/v2/a/tags/list", RawQuery: "n=1000"}
	f.Fuzz(func(t *testing.T, header string) {
		next, problem := nextPage([]string{header}, from)
		switch {
		case next != nil && problem != "":
			t.Fatalf("both %v and %q", next, problem)
		case next != nil && (next.Host == "" || next.User != nil || next.Fragment != ""):
			t.Fatalf("%q leads to %q", header, next)
		case next == nil && problem == "" && strings.HasPrefix(header, "<") && strings.HasSuffix(header, `>; rel="next"`) && strings.Count(header, ">") == 1:
			t.Fatalf("%q was taken for the end", header)
		}
	})
}

// FuzzNames: a list is read, or it is an error; a document without the list is
// never an empty list.
func FuzzNames(f *testing.F) {
	for _, s := range []string{`{"tags":["v1","v2"]}`, `{"tags":null}`, `{"tags":[]}`, `{}`, `null`, `[]`, `{"Tags":["a"]}`, `{"tags":[1]}`, `{"tags":["a"],"tags":["b"]}`, `<html>`, "{\"tags\":[\"\u202e\"]}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		names, err := parseNames(body, "tags")
		if err != nil && names != nil {
			t.Fatalf("%q: names and an error", body)
		}
		if err == nil && !strings.Contains(string(body), "tags") && !strings.Contains(string(body), `\u`) {
			t.Fatalf("%q was taken for a list", body)
		}
		for _, n := range names {
			if inventory.ValidTag(n) && strings.ContainsAny(n, "/?#%<>&\" \n") {
				t.Fatalf("%q was taken for a tag", n)
			}
		}
	})
}

// FuzzReferrersPage: an answer is an index, no such API, or an error, and never
// two of them; each entry has a digest.
func FuzzReferrersPage(f *testing.F) {
	for _, kind := range []string{inventory.MediaTypeOCIIndex, "application/json", "text/html", ""} {
		for _, body := range []string{indexOf(), indexOf(subject), indexOf(subject)[:70], `{"schemaVersion":2}`, `{"manifests":[{}]}`, `{}`, "", "<html>", ociManifest, `{"errors":[{"code":"NAME_UNKNOWN"}]}`} {
			f.Add(200, kind, []byte(body))
			f.Add(404, kind, []byte(body))
		}
	}
	c, err := New(Config{URL: "https://r.example"})
	if err != nil {
		f.Fatal(err)
	}
	q := request{what: "x", url: c.url("/", nil)}
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		list, support, err := c.referrersPage(q, answer{status: status, header: http.Header{"Content-Type": {kind}}, body: body}, subject)
		if err != nil {
			if inventory.AsLookError(err).Reason == "" || list != nil || support != unknown {
				t.Fatalf("%v, %v, %v", list, support, err)
			}
			return
		}
		if support != native && list != nil || support == native && status != 200 {
			t.Fatalf("%v, %v", list, support)
		}
		for _, d := range list {
			if _, err := inventory.ParseDigest(string(d.Digest)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
