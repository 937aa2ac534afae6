package syncer_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/registry"
	"signboard/inventory/syncer"
)

// tight are limits that a test reaches quickly.
var tight = registry.Limits{Attempts: 2, RequestTimeout: time.Second, ListingBytes: 3 << 20, Pages: 40, Entries: 400, Referrers: 2000}

// handler answers a request instead of the registry, or doesn't.
type handler func(rw http.ResponseWriter, r *http.Request) bool

// answer mounts a handler.
func (w *world) answer(h handler) {
	f := (func(http.ResponseWriter, *http.Request) bool)(h)
	w.trouble.Store(&f)
}

// at answers requests whose path ends, or goes on, with part.
func at(part string, h http.HandlerFunc) handler {
	return func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, part) {
			return false
		}
		h(rw, r)
		return true
	}
}

func status(code int) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) }
}

func body(contentType, text string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", contentType)
		io.WriteString(rw, text)
	}
}

const octets = "application/octet-stream"

// endless sends size bytes of nothing, or until the client has had enough.
func endless(contentType string, size int64) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", contentType)
		chunk := bytes.Repeat([]byte(" "), 64<<10)
		for sent := int64(0); sent < size; sent += int64(len(chunk)) {
			if _, err := rw.Write(chunk); err != nil {
				return
			}
		}
	}
}

// drip sends a byte at a time until the client has had enough.
func drip(contentType string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", contentType)
		if r.Method == http.MethodHead { // whose answer ends with its header: the client wouldn't know that this goes on
			return
		}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				io.WriteString(rw, " ")
				rw.(http.Flusher).Flush()
			}
		}
	}
}

// pages answers a listing that never ends; next makes the n-th page and its
// Link.
func pages(next func(n int64, r *http.Request) (page, link string)) http.HandlerFunc {
	var n atomic.Int64
	return func(rw http.ResponseWriter, r *http.Request) {
		page, link := next(n.Add(1), r)
		rw.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.URL.Path, "/referrers/") {
			rw.Header().Set("Content-Type", inventory.MediaTypeOCIIndex)
		}
		rw.Header().Set("Link", "<"+link+`>; rel="next"`)
		io.WriteString(rw, page)
	}
}

// send puts content into the registry.
func (w *world) send(method, path, contentType string, content []byte) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, bytes.NewReader(content))
	w.must(err)
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	w.must(err)
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		text, _ := io.ReadAll(response.Body)
		w.t.Fatalf("%s %s: %s: %s", method, path, response.Status, text)
	}
}

func (w *world) blob(repository string, content []byte) inventory.Descriptor {
	w.t.Helper()
	d := inventory.DigestOf(content)
	w.send(http.MethodPost, "/v2/"+repository+"/blobs/uploads/?digest="+string(d), octets, content)
	return inventory.Descriptor{MediaType: octets, Digest: d, Size: int64(len(content))}
}

// manifest pushes a manifest under a tag, or by digest when there is none.
func (w *world) manifest(repository, tag, mediaType string, manifest any) inventory.Descriptor {
	w.t.Helper()
	raw, err := json.Marshal(manifest)
	w.must(err)
	d := inventory.DigestOf(raw)
	if tag == "" {
		tag = string(d)
	}
	w.send(http.MethodPut, "/v2/"+repository+"/manifests/"+tag, mediaType, raw)
	return inventory.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(raw))}
}

// signatureLayer is a layer that holds a cosign signature of a digest.
func (w *world) signatureLayer(repository string, of inventory.Digest, key *ecdsa.PrivateKey) inventory.Descriptor {
	w.t.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, repository, of)
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	w.must(err)
	d := w.blob(repository, payload)
	d.MediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
	d.Annotations = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)}
	return d
}

const sigArtifact = "application/vnd.dev.cosign.artifact.sig.v1+json"

// refer pushes a signature manifest that names a subject, and returns what a
// registry says of it.
func (w *world) refer(repository string, subject inventory.Digest, layers ...inventory.Descriptor) inventory.Descriptor {
	w.t.Helper()
	config := w.blob(repository, []byte("{}"))
	config.MediaType = "application/vnd.oci.empty.v1+json"
	d := w.manifest(repository, "", inventory.MediaTypeOCIManifest, map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "artifactType": sigArtifact,
		"config": config, "layers": layers, "subject": inventory.Descriptor{MediaType: inventory.MediaTypeOCIManifest, Digest: subject, Size: 1},
	})
	d.ArtifactType = sigArtifact
	return d
}

func index(list ...inventory.Descriptor) map[string]any {
	if list == nil {
		list = []inventory.Descriptor{}
	}
	return map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": list}
}

func indexText(list ...inventory.Descriptor) string {
	b, _ := json.Marshal(index(list...))
	return string(b)
}

// bounded runs a sync and fails when it takes long or leaves much behind in
// memory.
func (w *world) bounded() syncer.Summary {
	w.t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	started := time.Now()
	summary := w.sync()
	if took := time.Since(started); took > 20*time.Second {
		w.t.Errorf("the sync took %s", took)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 24<<20 {
		w.t.Errorf("the sync left %d MiB behind", grown>>20)
	}
	if used := int64(after.TotalAlloc) - int64(before.TotalAlloc); used > 400<<20 {
		w.t.Errorf("the sync went through %d MiB of memory", used>>20)
	}
	return summary
}

// problem finds why a summary says that something couldn't be read.
func problem(s syncer.Summary, where string) inventory.Reason {
	for _, p := range s.Failures {
		if strings.HasPrefix(p.Where, where) {
			return p.Reason
		}
	}
	return ""
}

// hostility is a registry that was good and turns bad. The world holds app:v1,
// trusted by a signature under its companion tag, app:v2, unsigned, and
// other:v1, unsigned.
type hostility struct {
	name     string
	handler  func(w *world, signed, unsigned inventory.Digest) handler
	signed   inventory.Status // "" is as before
	unsigned inventory.Status
	reason   inventory.Reason // of what couldn't be read; "" when all could
	where    string           // where the summary puts it; default local/app
}

const (
	same    = inventory.Status("")
	unknown = inventory.Unknown
)

func (h hostility) test(t *testing.T) {
	w := newWorldWith(t, tight)
	w.decide(inventory.Approve, "**", nil)
	signed, unsigned, other := w.push("app:v1"), w.push("app:v2"), w.push("other:v1")
	w.sign("app", signed, signed, w.key)
	if s := w.sync(); !s.Complete() {
		t.Fatalf("before: %+v", s.Failures)
	}
	checked := w.clock()
	w.pass(time.Hour)
	w.answer(h.handler(w, signed, unsigned))
	summary := w.bounded()

	if summary.Complete() != (h.reason == "") {
		t.Errorf("the summary is complete: %v; %+v", summary.Complete(), summary.Failures)
	}
	where := h.where
	if where == "" {
		where = "local/app"
	}
	if got := problem(summary, where); got != h.reason {
		t.Errorf("the summary says %q of %s, want %q: %+v", got, where, h.reason, summary.Failures)
	}
	hold := func(d inventory.Digest, was, want inventory.Status) {
		t.Helper()
		i := w.image("app", d)
		if want == same {
			want = was
		}
		switch {
		case i.Status != want:
			t.Errorf("%s, which was %s, is %s (%s: %s), want %s", d.Short(), was, i.Status, i.Reason, i.Message, want)
		case want == unknown && i.Reason != h.reason:
			t.Errorf("%s is unknown for the reason %s (%s), want %s", d.Short(), i.Reason, i.Message, h.reason)
		case want == unknown && (i.LastGood == nil || i.LastGood.Status != was || !i.LastGood.CheckedAt.Equal(checked)):
			t.Errorf("the last good result of %s is %+v, want %s at %s", d.Short(), i.LastGood, was, checked)
		}
		if len(i.Tags) != 1 {
			t.Errorf("%s has the tags %q", d.Short(), i.Tags)
		}
		if was == inventory.Trusted && len(i.Signatures) != 1 {
			t.Errorf("what was known of its signatures is gone: %+v", i.Signatures)
		}
	}
	hold(signed, inventory.Trusted, h.signed)
	hold(unsigned, inventory.Unsigned, h.unsigned)
	w.expect("other", other, inventory.Unsigned, inventory.ReasonNoSignature)
	if i := w.image("other", other); where != "local" && i.CheckedAt.Sub(checked) < time.Hour {
		t.Errorf("the other repository was not looked at")
	}
	list, err := w.store.Registries(t.Context())
	w.must(err)
	if list[0].State.RepositoryCount < 2 {
		t.Errorf("of the repositories, %d are left", list[0].State.RepositoryCount)
	}

	w.recover()
	w.pass(time.Hour)
	if s := w.sync(); problem(s, "local/app") != "" || problem(s, "local/other") != "" {
		t.Errorf("afterwards: %+v", s.Failures)
	}
	w.expect("app", signed, inventory.Trusted, inventory.ReasonOK)
	w.expect("app", unsigned, inventory.Unsigned, inventory.ReasonNoSignature)
}

func TestHostile_listings(t *testing.T) {
	fixed := func(h handler) func(*world, inventory.Digest, inventory.Digest) handler {
		return func(*world, inventory.Digest, inventory.Digest) handler { return h }
	}
	const catalog, tags = "/v2/_catalog", "/v2/app/tags/list"
	known := `"app","other"`
	for _, h := range []hostility{
		{name: "a catalog without end", where: "local", reason: inventory.ReasonTooMany,
			handler: fixed(at(catalog, pages(func(n int64, _ *http.Request) (string, string) {
				return fmt.Sprintf(`{"repositories":["x/%d"]}`, n), fmt.Sprintf("/v2/_catalog?last=%d", n)
			})))},
		{name: "a catalog that goes on at itself", where: "local", reason: inventory.ReasonTooMany,
			handler: fixed(at(catalog, pages(func(_ int64, r *http.Request) (string, string) {
				return `{"repositories":[` + known + `]}`, r.URL.String()
			})))},
		{name: "a catalog that goes on elsewhere", where: "local", reason: inventory.ReasonTooMany,
			handler: fixed(at(catalog, pages(func(_ int64, r *http.Request) (string, string) {
				return `{"repositories":[` + known + `]}`, "http://127.0.0.1:1/v2/_catalog"
			})))},
		{name: "a catalog denied", where: "local", reason: inventory.ReasonRegistryDenied, handler: fixed(at(catalog, status(403)))},
		{name: "a catalog without login", where: "local", reason: inventory.ReasonRegistryDenied, handler: fixed(at(catalog, status(401)))},
		{name: "a catalog suddenly empty", where: "local", reason: inventory.ReasonRegistryDenied, handler: fixed(at(catalog, body("application/json", `{"repositories":[]}`)))},
		{name: "a catalog of null", where: "local", reason: inventory.ReasonRegistryDenied, handler: fixed(at(catalog, body("application/json", `{"repositories":null}`)))},
		{name: "a catalog cut off", where: "local", reason: inventory.ReasonPayloadMalformed, handler: fixed(at(catalog, body("application/json", `{"repositories":["app"`)))},
		{name: "a huge catalog", where: "local", reason: inventory.ReasonTooLarge, handler: fixed(at(catalog, endless("application/json", 200<<20)))},
		{name: "a catalog of odd names", reason: "", handler: fixed(at(catalog, body("application/json",
			`{"repositories":[`+known+`,"<script>alert(1)</script>","a\nb","../../etc","a/../b","","/","A","a\u0000b","\ud800",".","a//b","`+strings.Repeat("a", 1<<20)+`","`+strings.Repeat("a/", 200)+`a"]}`)))},
		{name: "tags without end", signed: unknown, unsigned: unknown, reason: inventory.ReasonTooMany,
			handler: fixed(at(tags, pages(func(n int64, _ *http.Request) (string, string) {
				return fmt.Sprintf(`{"name":"app","tags":["x%d"]}`, n), fmt.Sprintf("/v2/app/tags/list?last=%d", n)
			})))},
		{name: "tags that go on at themselves", signed: unknown, unsigned: unknown, reason: inventory.ReasonTooMany,
			handler: fixed(at(tags, pages(func(_ int64, r *http.Request) (string, string) { return `{"tags":["v1"]}`, r.URL.String() })))},
		{name: "tags that go on elsewhere", signed: unknown, unsigned: unknown, reason: inventory.ReasonTooMany,
			handler: fixed(at(tags, pages(func(_ int64, r *http.Request) (string, string) { return `{"tags":["v1"]}`, "http://127.0.0.1:1/" })))},
		{name: "tags denied", signed: unknown, unsigned: unknown, reason: inventory.ReasonRegistryDenied, handler: fixed(at(tags, status(403)))},
		{name: "tags without login", signed: unknown, unsigned: unknown, reason: inventory.ReasonRegistryDenied, handler: fixed(at(tags, status(401)))},
		{name: "tags that drip", signed: unknown, unsigned: unknown, reason: inventory.ReasonRegistryUnreachable, handler: fixed(at(tags, drip("application/json")))},
		{name: "tags compressed", signed: unknown, unsigned: unknown, reason: inventory.ReasonRegistryInconsistent,
			handler: fixed(at(tags, func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Encoding", "gzip")
				endless("application/json", 200<<20)(rw, r)
			}))},
		{name: "tags of HTML", signed: unknown, unsigned: unknown, reason: inventory.ReasonRegistryInconsistent, handler: fixed(at(tags, body("text/html", "<html>")))},
		{name: "HEAD without end", signed: unknown, unsigned: unknown, reason: inventory.ReasonRegistryUnreachable,
			handler: func(w *world, _, _ inventory.Digest) handler {
				return func(rw http.ResponseWriter, r *http.Request) bool {
					if r.Method == http.MethodHead && strings.HasPrefix(r.URL.Path, "/v2/app/") {
						<-r.Context().Done()
						return true
					}
					return false
				}
			}},
		{name: "tags that are listed and aren't there", signed: unknown, unsigned: unknown, reason: inventory.ReasonRegistryInconsistent,
			handler: func(w *world, _, _ inventory.Digest) handler {
				return func(rw http.ResponseWriter, r *http.Request) bool {
					if strings.HasPrefix(r.URL.Path, "/v2/app/manifests/v") {
						rw.WriteHeader(404)
						return true
					}
					return false
				}
			}},
	} {
		t.Run(h.name, h.test)
	}
}
