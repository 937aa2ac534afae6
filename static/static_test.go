package static

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write sprite.svg and vendor/checksums.txt anew")

func ask(t *testing.T, path string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header = header
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestHandler_servesEveryFileForGood(t *testing.T) {
	for name := range assets {
		res := ask(t, URL(name), http.Header{})
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != http.StatusOK || len(body) == 0 {
			t.Errorf("%s: status %d, %d bytes", name, res.StatusCode, len(body))
		}
		if got := res.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control is %q", name, got)
		}
		if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: X-Content-Type-Options is %q", name, got)
		}
	}
}

func TestHandler_compressesOnlyWhenAsked(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "gzip;q=0, *": false, "*": true, "identity": false, "gzip;q=nonsense": false,
	} {
		res := ask(t, URL("app.css"), http.Header{"Accept-Encoding": {accept}})
		var body io.Reader = res.Body
		if got := res.Header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("Accept-Encoding %q: compressed is %t", accept, got)
			continue
		}
		if want {
			z, err := gzip.NewReader(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		b, _ := io.ReadAll(body)
		if string(b) != string(assets["app.css"].raw) {
			t.Errorf("Accept-Encoding %q: another content", accept)
		}
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: Vary is %q", accept, res.Header.Get("Vary"))
		}
	}
}

func TestHandler_answersNotModified(t *testing.T) {
	first := ask(t, URL("app.js"), http.Header{"Accept-Encoding": {"gzip"}})
	again := ask(t, URL("app.js"), http.Header{"Accept-Encoding": {"gzip"}, "If-None-Match": {`"other", W/` + first.Header.Get("ETag")}})
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("status %d", again.StatusCode)
	}
	plain := ask(t, URL("app.js"), http.Header{"If-None-Match": {first.Header.Get("ETag")}})
	if plain.StatusCode != http.StatusOK {
		t.Errorf("the tag of the compressed form answers for the plain one: status %d", plain.StatusCode)
	}
}

func TestHandler_keepsNothingUnderAnOldHash(t *testing.T) {
	res := ask(t, "/static/000000000000000000000000/app.css", http.Header{})
	if res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("status %d, Cache-Control %q", res.StatusCode, res.Header.Get("Cache-Control"))
	}
}

func TestHandler_refusesWhatIsNotListed(t *testing.T) {
	for _, path := range []string{"/static/", "/static/x/", "/static/x/static.go", "/static/x/../static.go", "/static/x/vendor/axe-core-4.14.1/axe.min.js", "/static/x/css/10-tokens.css"} {
		if res := ask(t, path, http.Header{}); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, URL("app.js"), nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", w.Code)
	}
}

// What browsers run and people can't review line by line is what its makers
// published, byte for byte.
func TestVendor_isUnmodified(t *testing.T) {
	found := map[string]string{}
	var lines []string
	err := filepath.WalkDir("vendor", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == "vendor/checksums.txt" {
			return err
		}
		b, err := os.ReadFile(path)
		sum := sha256.Sum256(b)
		name := strings.TrimPrefix(path, "vendor/")
		found[name] = hex.EncodeToString(sum[:])
		lines = append(lines, found[name]+"  "+name+"\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("vendor/checksums.txt", []byte(strings.Join(lines, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open("vendor/checksums.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		sum, name, _ := strings.Cut(s.Text(), "  ")
		if found[name] != sum {
			t.Errorf("vendor/%s has checksum %q, listed is %q", name, found[name], sum)
		}
		delete(found, name)
	}
	for name := range found {
		t.Errorf("vendor/%s is not listed in checksums.txt", name)
	}
}

func TestVendor_hasALicenceBesideEachPart(t *testing.T) {
	parts, err := filepath.Glob("vendor/*-*")
	if err != nil || len(parts) == 0 {
		t.Fatalf("no parts: %v", err)
	}
	for _, part := range parts {
		if !regexp.MustCompile(`-\d+\.\d+\.\d+$`).MatchString(part) {
			t.Errorf("%s doesn't say its version", part)
		}
		if _, err := os.Stat(filepath.Join(part, "LICENSE")); err != nil {
			t.Errorf("%s: %v", part, err)
		}
	}
}

func TestEmbedded_leavesTestToolsOut(t *testing.T) {
	err := fs.WalkDir(files, ".", func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, "axe") {
			t.Errorf("%s is in the binary", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	comment = regexp.MustCompile(`(?s)<!--.*?-->`)
	inner   = regexp.MustCompile(`(?s)<svg([^>]*)>(.*)</svg>`)
	viewBox = regexp.MustCompile(`viewBox="([^"]*)"`)
	spaces  = regexp.MustCompile(`\s+`)
)

// sprite collects our own icons and the vendored ones of lucide.
func sprite(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("<!-- Icons: lucide-static 1.62.0, ISC licence, see licences.txt; seals and check marks: Signboard. Made by go test ./static -update -->\n")
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg">` + "\n")
	for _, pattern := range []string{"icons/*.svg", "vendor/lucide-static-1.62.0/icons/*.svg"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", pattern, names, err)
		}
		for _, name := range names {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			m := inner.FindStringSubmatch(comment.ReplaceAllString(string(raw), ""))
			if m == nil {
				t.Fatalf("%s is not an icon", name)
			}
			box := viewBox.FindStringSubmatch(m[1])
			body := strings.ReplaceAll(strings.TrimSpace(spaces.ReplaceAllString(m[2], " ")), "> <", "><")
			b.WriteString(`<symbol id="` + strings.TrimSuffix(filepath.Base(name), ".svg") + `" viewBox="` + box[1] + `">` + body + "</symbol>\n")
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func TestSprite_isMadeOfItsIcons(t *testing.T) {
	want := sprite(t)
	if *update {
		if err := os.WriteFile("sprite.svg", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("sprite.svg")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("sprite.svg is stale: go test ./static -run Sprite -update")
	}
}

func TestScript_needsNoEval(t *testing.T) {
	b, err := os.ReadFile("app.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"eval(", "Function(", ".innerHTML", ".outerHTML", "insertAdjacentHTML", "document.write", ".style.", ".cssText"} {
		if strings.Contains(string(b), word) {
			t.Errorf("app.js uses %s", word)
		}
	}
}
