package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"signboard/inventory"
)

func repositories(c *Client) (names []string, err error) {
	err = c.Repositories(context.Background(), func(page []string) error {
		names = append(names, page...)
		return nil
	})
	return names, err
}

func globs(t *testing.T, patterns ...string) func(*Config) {
	t.Helper()
	list, err := inventory.ParseGlobs(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return func(cfg *Config) { cfg.Repositories = list }
}

// paged answers a list in pages of n, with relative Link headers.
func paged(key string, names []string, n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := 0
		if last := r.URL.Query().Get("last"); last != "" {
			start = slices.Index(names, last) + 1
		}
		page := names[start:min(len(names), start+n)]
		if start+n < len(names) {
			w.Header().Set("Link", fmt.Sprintf(`<%s?last=%s&n=%d>; rel="next"`, r.URL.Path, url.QueryEscape(page[len(page)-1]), n))
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{key: page})
	}
}

func TestRepositories_readsEveryPageAndFilters(t *testing.T) {
	all := []string{"base", "team-a/api", "team-a/web", "team-b/api", "team-b/deep/er"}
	server, _ := serve(t, map[string]http.HandlerFunc{"/v2/_catalog": paged("repositories", all, 2)})
	for pattern, want := range map[string][]string{
		"**":        all,
		"team-a/*":  all[1:3],
		"team-b/**": all[3:],
		"nobody/*":  nil,
	} {
		c, _ := client(t, server, globs(t, pattern))
		if got, err := repositories(c); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", pattern, got, err)
		}
	}
	c, _ := client(t, server)
	if got, err := repositories(c); err != nil || !slices.Equal(got, all) {
		t.Errorf("without patterns: %v, %v", got, err)
	}
}

func TestRepositories_plainNamesNeedNoCatalog(t *testing.T) {
	server, asked := serve(t, nil)
	c, _ := client(t, server, globs(t, "team-a/api", "base", "base"))
	if got, err := repositories(c); err != nil || !slices.Equal(got, []string{"team-a/api", "base"}) {
		t.Errorf("%v, %v", got, err)
	}
	if n := len(asked.all()); n != 0 {
		t.Errorf("the registry was asked %d times", n)
	}
}

func TestRepositories_withoutACatalogSaysWhatToDo(t *testing.T) {
	for _, status := range []int{401, 403, 404, 405, 501} {
		server, _ := serve(t, map[string]http.HandlerFunc{"/v2/_catalog": text(status, "application/json", `{"errors":[{"code":"UNSUPPORTED"}]}`)})
		c, _ := client(t, server, globs(t, "base", "team/*"))
		got, err := repositories(c)
		wantLook(t, err, inventory.ReasonRegistryDenied, "plain names", hostOf(t, server))
		if errors.Is(err, inventory.ErrNotFound) {
			t.Errorf("%d: no catalog isn't an empty registry", status)
		}
		if !slices.Equal(got, []string{"base"}) {
			t.Errorf("%d: the plain name among the patterns is missing: %v", status, got)
		}
	}
}

func TestRepositories_endsWithTheErrorOfPage(t *testing.T) {
	server, asked := serve(t, map[string]http.HandlerFunc{"/v2/_catalog": paged("repositories", []string{"a", "b", "c"}, 1)})
	c, _ := client(t, server)
	stop := errors.New("stop")
	if err := c.Repositories(context.Background(), func([]string) error { return stop }); err != stop {
		t.Errorf("err = %v", err)
	}
	if n := asked.count("/v2/_catalog"); n != 1 {
		t.Errorf("%d pages were read", n)
	}
}

func TestRepositories_leavesOutNamesThatCannotBe(t *testing.T) {
	odd := []string{"../../etc", "UPPER", "a//b", "<b>x</b>", "a b", "a/../b", "-a", "", "a\u202eb", strings.Repeat("a", 300), "ok", "ok"}
	server, _ := serve(t, map[string]http.HandlerFunc{"/v2/_catalog": paged("repositories", odd, 100)})
	c, _ := client(t, server)
	if got, err := repositories(c); err != nil || !slices.Equal(got, []string{"ok"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, name := range odd[:10] {
		_, err := c.Tags(context.Background(), name)
		wantLook(t, err, inventory.ReasonPayloadMalformed, "repository")
	}
}

func TestTags_readsEveryPage(t *testing.T) {
	all := []string{"v1", "v2", "sha256-" + strings.Repeat("a", 64) + ".sig", "latest"}
	server, _ := serve(t, map[string]http.HandlerFunc{
		"/v2/a/tags/list": paged("tags", all, 3),
		"/v2/b/tags/list": jsonAnswer(`{"name":"b","tags":null}`),
		"/v2/c/tags/list": paged("tags", []string{"ok", "no good", "../x", "<i>", ".dot", strings.Repeat("x", 129), "ok"}, 100),
	})
	c, _ := client(t, server)
	for repository, want := range map[string][]string{"a": all, "b": nil, "c": {"ok"}} {
		if got, err := c.Tags(context.Background(), repository); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", repository, got, err)
		}
	}
}

func TestTags_asksForSmallerPagesWhenTold(t *testing.T) {
	server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/tags/list": func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("n") == pageSize {
			text(http.StatusBadRequest, "application/json", `{"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]}`)(w, r)
			return
		}
		paged("tags", []string{"v1", "v2", "v3"}, 2)(w, r)
	}})
	c, _ := client(t, server)
	if got, err := c.Tags(context.Background(), "a"); err != nil || len(got) != 3 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestListing_whatIsNotAListIsNeverAnEmptyOne(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		reason inventory.Reason
	}{
		"cut off":        {jsonAnswer(`{"tags":["v1","v`), inventory.ReasonPayloadMalformed},
		"nothing":        {jsonAnswer(``), inventory.ReasonPayloadMalformed},
		"another object": {jsonAnswer(`{"errors":[]}`), inventory.ReasonPayloadMalformed},
		"a list":         {jsonAnswer(`["v1"]`), inventory.ReasonPayloadMalformed},
		"a wrong type":   {jsonAnswer(`{"tags":{"v1":1}}`), inventory.ReasonPayloadMalformed},
		"key twice":      {jsonAnswer(`{"tags":["v1"],"tags":[]}`), inventory.ReasonPayloadMalformed},
		"trailing data":  {jsonAnswer(`{"tags":[]}{"tags":["v1"]}`), inventory.ReasonPayloadMalformed},
		"a web page":     {text(200, "text/html", "<html>"), inventory.ReasonRegistryInconsistent},
		"a page as JSON": {jsonAnswer("\n<html>"), inventory.ReasonRegistryInconsistent},
		"no content":     {text(204, "application/json", ""), inventory.ReasonRegistryInconsistent},
		"compressed": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			jsonAnswer("\x1f\x8b")(w, r)
		}, inventory.ReasonRegistryInconsistent},
	} {
		t.Run(name, func(t *testing.T) {
			server, asked := serve(t, map[string]http.HandlerFunc{"/v2/a/tags/list": tt.answer, "/v2/_catalog": tt.answer})
			c, _ := client(t, server)
			_, err := c.Tags(context.Background(), "a")
			wantLook(t, err, tt.reason, hostOf(t, server))
			_, err = repositories(c)
			if err == nil {
				t.Error("the catalog was believed")
			}
			for _, r := range asked.all() {
				if r.Header.Get("Accept-Encoding") != "identity" {
					t.Errorf("Accept-Encoding: %q", r.Header.Get("Accept-Encoding"))
				}
			}
		})
	}
}

// TestListing_pagesThatNeverEnd holds for tags, the catalog and referrers.
func TestListing_pagesThatNeverEnd(t *testing.T) {
	other, visited := serve(t, nil)
	subject := inventory.DigestOf([]byte("image"))
	for name, link := range map[string]func(r *http.Request, n int) string{
		"to itself": func(r *http.Request, _ int) string { return "<" + r.URL.RequestURI() + `>; rel="next"` },
		"to the first page": func(r *http.Request, n int) string {
			return fmt.Sprintf(`<%s?n=1000&last=%d>; rel="next"`, r.URL.Path, n%3)
		},
		"to ever new pages":  func(r *http.Request, n int) string { return fmt.Sprintf(`<%s?last=%d>; rel="next"`, r.URL.Path, n) },
		"to another host":    func(*http.Request, int) string { return "<" + other.URL + `/v2/_catalog>; rel="next"` },
		"to another scheme":  func(r *http.Request, _ int) string { return "<https://" + r.Host + `/v2/_catalog>; rel="next"` },
		"to nowhere":         func(*http.Request, int) string { return `<::>; rel="next"` },
		"without an end":     func(*http.Request, int) string { return `</v2/_catalog; rel="next"` },
		"much too long":      func(*http.Request, int) string { return "</" + strings.Repeat("x", 9000) + `>; rel=next` },
		"with a second user": func(*http.Request, int) string { return "<http://a:b@" + hostOf(t, other) + `/>; rel="prev next"` },
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			endless := func(key string) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					n++
					w.Header().Set("Link", link(r, n))
					if key == "manifests" {
						text(200, inventory.MediaTypeOCIIndex, fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":%q,"size":1}]}`, inventory.DigestOf([]byte{byte(n), byte(n >> 8)})))(w, r)
						return
					}
					jsonAnswer(fmt.Sprintf(`{%q:["v%d"]}`, key, n))(w, r)
				}
			}
			server, _ := serve(t, map[string]http.HandlerFunc{
				"/v2/a/tags/list": endless("tags"), "/v2/_catalog": endless("repositories"), "/v2/a/referrers/" + string(subject): endless("manifests"),
			})
			c, _ := client(t, server, func(cfg *Config) { cfg.Limits.Pages = 50 })
			tags, err := c.Tags(context.Background(), "a")
			wantLook(t, err, inventory.ReasonTooMany, "incomplete", hostOf(t, server))
			if name == "to itself" && n != 1 || name == "to the first page" && n > 5 {
				t.Errorf("%d pages were read of a circle", n)
			}
			if len(tags) == 0 || n > 50 {
				t.Errorf("%d tags from %d pages", len(tags), n)
			}
			n = 0
			names, err := repositories(c)
			wantLook(t, err, inventory.ReasonTooMany, "incomplete")
			if len(names) == 0 || n > 50 {
				t.Errorf("%d names from %d pages", len(names), n)
			}
			n = 0
			list, supported, err := c.Referrers(context.Background(), "a", subject)
			wantLook(t, err, inventory.ReasonTooMany, "incomplete")
			if len(list) == 0 || n > 50 || !supported {
				t.Errorf("%d referrers from %d pages, supported %v", len(list), n, supported)
			}
		})
	}
	if n := len(visited.all()); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}

func TestListing_entriesAndBytesAreCapped(t *testing.T) {
	server, asked := serve(t, map[string]http.HandlerFunc{"/v2/a/tags/list": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", `<?last=`+fmt.Sprint(len(r.URL.RawQuery))+`x`+r.URL.Query().Get("last")+`>; rel="next"`)
		jsonAnswer(`{"tags":["a","b","c","d","e","f","g","h","i","j"]}`)(w, r)
	}})
	c, _ := client(t, server, func(cfg *Config) { cfg.Limits.Entries = 35 })
	_, err := c.Tags(context.Background(), "a")
	wantLook(t, err, inventory.ReasonTooMany, "too many entries")
	if n := asked.count("/v2/a/"); n != 4 {
		t.Errorf("%d pages", n)
	}
	c, _ = client(t, server, func(cfg *Config) { cfg.Limits.ListingBytes = 20 })
	_, err = c.Tags(context.Background(), "a")
	wantLook(t, err, inventory.ReasonTooLarge, "20 bytes")
}

func TestListing_hasADeadlineOfItsOwn(t *testing.T) {
	server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/tags/list": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }})
	c, _ := client(t, server, func(cfg *Config) { cfg.Limits.ListingTimeout = 100e6 })
	_, err := c.Tags(context.Background(), "a")
	wantLook(t, err, inventory.ReasonTooMany, "100ms", "incomplete")
}

func TestNextPage(t *testing.T) {
	from := &url.URL{Scheme: "https", Host: "r.example", Path: "/v2/a/tags/list"}
	for header, want := range map[string]string{
		`</v2/a/tags/list?last=x&n=2>; rel="next"`:                      "https://r.example/v2/a/tags/list?last=x&n=2",
		`<?last=x>;rel=next`:                                            "https://r.example/v2/a/tags/list?last=x",
		`</first>; rel="first", </second>; title="a, b"; rel="NEXT"`:    "https://r.example/second",
		`/v2/a/tags/list?n=1000&last=v815; rel="next"`:                  "https://r.example/v2/a/tags/list?n=1000&last=v815", // zot 1.4.3
		`</x>; rel="prev"`:                                              "",
		`</x>; rel="nextish"`:                                           "",
		`nonsense`:                                                      "",
		`</x>; title="rel=next"`:                                        "",
		`<https://r.example/v2/x?last=a%2Cb>; rel="last next"; foo="b"`: "https://r.example/v2/x?last=a%2Cb",
	} {
		next, problem := nextPage([]string{header}, from)
		got := ""
		if next != nil {
			got = next.String()
		}
		if got != want || problem != "" {
			t.Errorf("%s: %q, %q; want %q", header, got, problem, want)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	digest := inventory.DigestOf([]byte(ociManifest))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			return
		}
		w.Header().Set("Content-Type", inventory.MediaTypeOCIManifest)
		w.Header().Set("Docker-Content-Digest", string(digest))
		w.Header().Set("Content-Length", fmt.Sprint(len(ociManifest)))
	}))
	defer server.Close()
	c, err := New(Config{URL: server.URL, AllowPrivate: true})
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := c.Resolve(context.Background(), "a", "v1"); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
