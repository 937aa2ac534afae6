// Package static holds the files a browser loads besides the pages: one style
// sheet, our script, htmx, the icons and the mark. They are embedded, compressed
// once at start, and served under addresses that hold a hash of their content,
// so that a browser keeps them for good and never sees an old one. It holds no
// page and knows no data.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

//go:embed css app.js sprite.svg favicon.svg
//go:embed vendor/htmx-4.0.1 vendor/lucide-static-1.62.0/LICENSE
var files embed.FS

// asset is one file as it is served.
type asset struct {
	contentType string
	hash        string // the first 12 bytes of the content's SHA-256, in hexadecimal
	raw, gzip   []byte
}

var assets = map[string]asset{
	"app.css":      load("text/css; charset=utf-8", glob("css/*.css")...),
	"app.js":       load("text/javascript; charset=utf-8", "app.js"),
	"htmx.js":      load("text/javascript; charset=utf-8", "vendor/htmx-4.0.1/htmx.min.js"),
	"sprite.svg":   load("image/svg+xml", "sprite.svg"),
	"favicon.svg":  load("image/svg+xml", "favicon.svg"),
	"licences.txt": load("text/plain; charset=utf-8", "vendor/htmx-4.0.1/LICENSE", "vendor/lucide-static-1.62.0/LICENSE"),
}

// URL is the address of a file, which changes with its content. A name that
// isn't there is a defect and panics.
func URL(name string) string {
	a, ok := assets[name]
	if !ok {
		panic(fmt.Sprintf("static: there is no file %q", name))
	}
	return "/static/" + a.hash + "/" + name
}

// Handler serves the files under /static/. An address with an old hash gets
// the present content, not to be kept: during an upgrade a page of one version
// may ask a server of the other.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hash, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/static/"), "/")
		a, ok := assets[name]
		if !ok {
			http.Error(w, "There is no such file.", http.StatusNotFound)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "Files are only read.", http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Content-Type", a.contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Vary", "Accept-Encoding")
		h.Set("Cache-Control", "no-cache")
		if hash == a.hash {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		body, tag := a.raw, `"`+a.hash+`"`
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			body, tag = a.gzip, `"`+a.hash+`-gzip"`
			h.Set("Content-Encoding", "gzip")
		}
		h.Set("ETag", tag)
		if matches(r.Header.Values("If-None-Match"), tag) {
			h.Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(body) // the browser went away: nobody to tell
		}
	})
}

// load joins embedded files to one asset.
func load(contentType string, names ...string) asset {
	var raw []byte
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			panic(err) // embedded at build time
		}
		raw = append(raw, b...)
	}
	sum := sha256.Sum256(raw)
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is a valid one
	_, _ = z.Write(raw)                                        // a bytes.Buffer doesn't fail
	_ = z.Close()
	return asset{contentType: contentType, hash: hex.EncodeToString(sum[:12]), raw: raw, gzip: packed.Bytes()}
}

func glob(pattern string) []string {
	names, err := fs.Glob(files, pattern)
	if err != nil || len(names) == 0 {
		panic(fmt.Sprintf("static: nothing matches %q", pattern))
	}
	slices.Sort(names)
	return names
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3): gzip or *, not
// with a weight of zero.
func acceptsGzip(values []string) bool {
	accepted := false
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		coding, weight, weighted := strings.Cut(strings.TrimSpace(item), ";")
		coding = strings.TrimSpace(coding)
		if !strings.EqualFold(coding, "gzip") && coding != "*" {
			continue
		}
		q := 1.0
		if weighted {
			name, value, _ := strings.Cut(strings.TrimSpace(weight), "=")
			parsed, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if !strings.EqualFold(strings.TrimSpace(name), "q") || err != nil {
				continue
			}
			q = parsed
		}
		if strings.EqualFold(coding, "gzip") {
			return q > 0 // named, so * doesn't matter
		}
		accepted = q > 0
	}
	return accepted
}

// matches compares weakly, as If-None-Match asks (RFC 9110, section 13.1.2).
func matches(values []string, tag string) bool {
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		item = strings.TrimSpace(item)
		if item == "*" || strings.TrimPrefix(item, "W/") == tag {
			return true
		}
	}
	return false
}
