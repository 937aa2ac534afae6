package syncer_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signboard/inventory"
)

func TestHostile_companionTag(t *testing.T) {
	sig := func(h http.HandlerFunc) func(*world, inventory.Digest, inventory.Digest) handler {
		return func(_ *world, signed, _ inventory.Digest) handler { return at(signed.TagPrefix()+".sig", h) }
	}
	oci := inventory.MediaTypeOCIManifest
	for _, h := range []hostility{
		{name: "200 MiB", reason: inventory.ReasonTooLarge, handler: sig(endless(oci, 200<<20))},
		{name: "compressed", reason: inventory.ReasonRegistryInconsistent, handler: sig(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Encoding", "gzip")
			endless(oci, 200<<20)(rw, r)
		})},
		{name: "a byte at a time", reason: inventory.ReasonRegistryUnreachable, handler: sig(drip(oci))},
		{name: "deleted since it was listed", reason: inventory.ReasonRegistryInconsistent, handler: sig(status(404))},
		{name: "denied", reason: inventory.ReasonRegistryDenied, handler: sig(status(403))},
		{name: "without login", reason: inventory.ReasonRegistryDenied, handler: sig(status(401))},
		{name: "throttled", reason: inventory.ReasonRegistryThrottled, handler: sig(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "1")
			rw.WriteHeader(429)
		})},
		{name: "failing", reason: inventory.ReasonRegistryUnreachable, handler: sig(status(502))},
		{name: "a page for browsers", reason: inventory.ReasonRegistryInconsistent, handler: sig(body("text/html", "<!doctype html>"))},
		{name: "cut off", reason: inventory.ReasonPayloadMalformed, handler: sig(body(oci, `{"schemaVersion":2,"layers":[`))},
		{name: "a lying digest", reason: inventory.ReasonRegistryInconsistent, handler: sig(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Docker-Content-Digest", string(inventory.DigestOf([]byte("another"))))
			body(oci, `{"schemaVersion":2,"config":{"mediaType":"a","digest":"`+string(inventory.DigestOf(nil))+`","size":0},"layers":[]}`)(rw, r)
		})},
	} {
		h.signed = unknown
		t.Run(h.name, h.test)
	}
}

// TestHostile_referrers: what can't be read there leaves the trusted image
// trusted, by the signature that was read, and the unsigned one unknown.
func TestHostile_referrers(t *testing.T) {
	fixed := func(h http.HandlerFunc) func(*world, inventory.Digest, inventory.Digest) handler {
		return func(*world, inventory.Digest, inventory.Digest) handler { return at("/v2/app/referrers/", h) }
	}
	oci := inventory.MediaTypeOCIIndex
	for _, h := range []hostility{
		{name: "absent", handler: fixed(status(404))},
		{name: "empty", handler: fixed(body(oci, indexText()))},
		{name: "throttled", unsigned: unknown, reason: inventory.ReasonRegistryThrottled, handler: fixed(status(429))},
		{name: "failing", unsigned: unknown, reason: inventory.ReasonRegistryUnreachable, handler: fixed(status(500))},
		{name: "denied", unsigned: unknown, reason: inventory.ReasonRegistryDenied, handler: fixed(status(403))},
		{name: "cut off", unsigned: unknown, reason: inventory.ReasonPayloadMalformed, handler: fixed(body(oci, indexText()[:30]))},
		{name: "compressed", unsigned: unknown, reason: inventory.ReasonRegistryInconsistent, handler: fixed(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Encoding", "gzip")
			body(oci, indexText())(rw, r)
		})},
		{name: "huge", unsigned: unknown, reason: inventory.ReasonTooLarge, handler: fixed(endless(oci, 200<<20))},
		{name: "a byte at a time", unsigned: unknown, reason: inventory.ReasonRegistryUnreachable, handler: fixed(drip(oci))},
		{name: "without end", unsigned: unknown, reason: inventory.ReasonTooMany, handler: fixed(pages(func(n int64, r *http.Request) (string, string) {
			return indexText(), fmt.Sprintf("%s?n=%d", r.URL.Path, n)
		}))},
		{name: "that go on at themselves", unsigned: unknown, reason: inventory.ReasonTooMany, handler: fixed(pages(func(_ int64, r *http.Request) (string, string) {
			return indexText(), r.URL.String()
		}))},
		{name: "that go on elsewhere", unsigned: unknown, reason: inventory.ReasonTooMany, handler: fixed(pages(func(_ int64, r *http.Request) (string, string) {
			return indexText(), "http://127.0.0.1:1/"
		}))},
		{name: "a hundred thousand", unsigned: unknown, reason: inventory.ReasonTooMany, handler: fixed(pages(func(n int64, r *http.Request) (string, string) {
			var list []inventory.Descriptor
			for i := range 1000 {
				list = append(list, inventory.Descriptor{MediaType: inventory.MediaTypeOCIManifest, Digest: inventory.DigestOf(fmt.Appendf(nil, "%s %d %d", r.URL.Path, n, i)), Size: 500})
			}
			return indexText(list...), fmt.Sprintf("%s?n=%d", r.URL.Path, n)
		}))},
	} {
		t.Run(h.name, func(t *testing.T) {
			h.where = "local/app"
			h.test(t)
		})
	}
}

// TestHostile_referrersThatLie: each of these names something as a signature of
// app:v1 that isn't, or hides one that is.
func TestHostile_referrersThatLie(t *testing.T) {
	for name, test := range map[string]struct {
		list   func(w *world, d, other inventory.Digest) []inventory.Descriptor // what the API lists
		tag    bool                                                             // the fallback tag holds a true signature
		status inventory.Status
		reason inventory.Reason
	}{
		"an empty list, and the signature under the fallback tag": {nil, true, inventory.Trusted, inventory.ReasonOK},
		"a signature that names another image": {func(w *world, d, other inventory.Digest) []inventory.Descriptor {
			return []inventory.Descriptor{w.refer("app", other, w.signatureLayer("app", other, w.key))}
		}, false, inventory.Unsigned, inventory.ReasonNoSignature},
		"a signature of another image that names this one": {func(w *world, d, other inventory.Digest) []inventory.Descriptor {
			return []inventory.Descriptor{w.refer("app", d, w.signatureLayer("app", other, w.key))}
		}, false, inventory.Failed, inventory.ReasonDigestMismatch},
		"a true signature listed as something else": {func(w *world, d, other inventory.Digest) []inventory.Descriptor {
			s := w.refer("app", d, w.signatureLayer("app", d, w.key))
			s.ArtifactType = "application/vnd.cyclonedx+json"
			return []inventory.Descriptor{s}
		}, false, inventory.Trusted, inventory.ReasonOK},
		"something listed that isn't there": {func(w *world, d, other inventory.Digest) []inventory.Descriptor {
			return []inventory.Descriptor{{MediaType: inventory.MediaTypeOCIManifest, Digest: inventory.DigestOf([]byte("nothing")), Size: 9, ArtifactType: sigArtifact}}
		}, false, inventory.Unknown, inventory.ReasonRegistryInconsistent},
		"the image itself as its own signature": {func(w *world, d, other inventory.Digest) []inventory.Descriptor {
			return []inventory.Descriptor{{MediaType: inventory.MediaTypeOCIManifest, Digest: d, Size: 9, ArtifactType: sigArtifact}}
		}, false, inventory.Unsigned, inventory.ReasonNoSignature},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, tight)
			w.decide(inventory.Approve, "**", nil)
			d, other := w.push("app:v1"), w.push("app:v2")
			var list []inventory.Descriptor
			if test.list != nil {
				list = test.list(w, d, other)
			}
			if test.tag {
				w.manifest("app", d.TagPrefix(), inventory.MediaTypeOCIIndex, index(w.refer("app", d, w.signatureLayer("app", d, w.key))))
			}
			w.answer(func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/referrers/") {
					return false
				}
				text := indexText()
				if strings.HasSuffix(r.URL.Path, string(d)) {
					text = indexText(list...)
				}
				body(inventory.MediaTypeOCIIndex, text)(rw, r)
				return true
			})
			w.bounded()
			w.expect("app", d, test.status, test.reason)
			w.expect("app", other, inventory.Unsigned, inventory.ReasonNoSignature)
		})
	}
}

// TestHostile_capAfterATrueSignature: an image that is trusted by a signature
// read before a cap stays so, and says that the rest wasn't read.
func TestHostile_capAfterATrueSignature(t *testing.T) {
	many := func(w *world, d inventory.Digest, n int) (layers []inventory.Descriptor) {
		layer := w.signatureLayer("app", d, w.key)
		layer.Annotations = map[string]string{"dev.cosignproject.cosign/signature": "AAAA"}
		return repeat(layer, n)
	}
	config := func(w *world) inventory.Descriptor {
		c := w.blob("app", []byte("{}"))
		c.MediaType = inventory.MediaTypeOCIConfig
		return c
	}
	under := func(w *world, d inventory.Digest, layers []inventory.Descriptor) {
		w.manifest("app", d.TagPrefix()+".sig", inventory.MediaTypeOCIManifest, map[string]any{
			"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "config": config(w), "layers": layers})
	}
	for name, test := range map[string]struct {
		attach func(w *world, d inventory.Digest)
		status inventory.Status
		reason inventory.Reason
		says   string
	}{
		"10,000 layers after a true one": {func(w *world, d inventory.Digest) {
			under(w, d, append([]inventory.Descriptor{w.signatureLayer("app", d, w.key)}, many(w, d, 10_000)...))
		}, inventory.Trusted, inventory.ReasonOK, "signatures, and only the first"},
		"10,000 layers before a true one": {func(w *world, d inventory.Digest) {
			under(w, d, append(many(w, d, 10_000), w.signatureLayer("app", d, w.key)))
		}, inventory.Unverifiable, inventory.ReasonKeyUnknown, "and only the first"},
		"a 50 MiB signature after a true one": {func(w *world, d inventory.Digest) {
			large := w.signatureLayer("app", d, w.key)
			large.Digest, large.Size = inventory.DigestOf([]byte("large")), 50<<20
			under(w, d, []inventory.Descriptor{w.signatureLayer("app", d, w.key), large})
		}, inventory.Trusted, inventory.ReasonOK, "was not read"},
		"a 50 MiB signature alone": {func(w *world, d inventory.Digest) {
			large := w.signatureLayer("app", d, w.key)
			large.Digest, large.Size = inventory.DigestOf([]byte("large")), 50<<20
			under(w, d, []inventory.Descriptor{large})
		}, inventory.Unknown, inventory.ReasonTooLarge, ""},
		"a signature that is 50 MiB and says less": {func(w *world, d inventory.Digest) {
			under(w, d, many(w, d, 1))
			w.answer(at("/blobs/", endless(octets, 50<<20)))
		}, inventory.Unknown, inventory.ReasonTooLarge, ""},
		"a signature whose content is another's": {func(w *world, d inventory.Digest) {
			under(w, d, many(w, d, 1))
			w.answer(at("/blobs/", body(octets, strings.Repeat("x", int(w.signatureLayer("app", d, w.key).Size)))))
		}, inventory.Unknown, inventory.ReasonRegistryInconsistent, ""},
		"a signature that drips": {func(w *world, d inventory.Digest) {
			under(w, d, many(w, d, 1))
			w.answer(at("/blobs/", drip(octets)))
		}, inventory.Unknown, inventory.ReasonRegistryUnreachable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, tight)
			w.decide(inventory.Approve, "**", nil)
			d, other := w.push("app:v1"), w.push("other:v1")
			test.attach(w, d)
			summary := w.bounded()
			i := w.image("app", d)
			if i.Status != test.status || test.reason != "" && i.Reason != test.reason || !strings.Contains(i.Message, test.says) {
				t.Errorf("it is %s, %s: %s", i.Status, i.Reason, i.Message)
			}
			if summary.Complete() {
				t.Error("the summary says that all could be checked")
			}
			if len(i.Signatures) > 100 {
				t.Errorf("%d signatures are stored", len(i.Signatures))
			}
			w.expect("other", other, inventory.Unsigned, inventory.ReasonNoSignature)
		})
	}
}

// hosted is a registry that answers for one more tag of app, under a digest.
func hosted(tag, mediaType string, raw []byte, d inventory.Digest, get http.HandlerFunc) handler {
	return func(rw http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/v2/app/tags/list"):
			fmt.Fprintf(rw, `{"name":"app","tags":["v1",%q]}`, tag)
		case strings.HasSuffix(r.URL.Path, "/manifests/"+tag) && r.Method == http.MethodHead:
			rw.Header().Set("Content-Type", mediaType)
			rw.Header().Set("Docker-Content-Digest", string(d))
			rw.Header().Set("Content-Length", fmt.Sprint(max(1, len(raw))))
		case strings.HasSuffix(r.URL.Path, "/manifests/"+tag), strings.HasSuffix(r.URL.Path, "/manifests/"+string(d)):
			if get != nil {
				get(rw, r)
				return true
			}
			rw.Header().Set("Content-Type", mediaType)
			rw.Write(raw)
		default:
			return false
		}
		return true
	}
}

// TestHostile_newImage: a tag appears whose manifest can't be had, or is a
// trap. What can't be believed isn't stored; what is too much is unknown.
func TestHostile_newImage(t *testing.T) {
	oci, list := inventory.MediaTypeOCIManifest, inventory.MediaTypeOCIIndex
	empty := []byte(indexText())
	digest := inventory.DigestOf(empty)
	for name, test := range map[string]struct {
		handler handler
		stored  bool
		reason  inventory.Reason
	}{
		"200 MiB":          {hosted("bad", oci, nil, digest, endless(oci, 200<<20)), true, inventory.ReasonTooLarge},
		"a byte at a time": {hosted("bad", oci, nil, digest, drip(oci)), true, inventory.ReasonRegistryUnreachable},
		"compressed": {hosted("bad", oci, nil, digest, func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Encoding", "gzip")
			endless(oci, 200<<20)(rw, r)
		}), false, inventory.ReasonRegistryInconsistent},
		"another body":            {hosted("bad", oci, nil, digest, body(oci, "{}")), false, inventory.ReasonRegistryInconsistent},
		"a HEAD that lies":        {hosted("bad", oci, nil, digest, status(404)), false, inventory.ReasonRegistryInconsistent},
		"both kinds at once":      {hosted("bad", list, []byte(`{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}`), inventory.DigestOf([]byte(`{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}`)), nil), true, inventory.ReasonPayloadMalformed},
		"a denial":                {hosted("bad", oci, nil, digest, status(403)), true, inventory.ReasonRegistryDenied},
		"another type than HEAD":  {hosted("bad", oci, nil, digest, body(oci, string(empty))), false, inventory.ReasonRegistryInconsistent},
		"no digest and no length": {hosted("bad", oci, nil, "", status(404)), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, tight)
			w.decide(inventory.Approve, "**", nil)
			d := w.push("app:v1")
			w.sign("app", d, d, w.key)
			w.sync()
			w.pass(time.Hour)
			w.answer(test.handler)
			summary := w.bounded()
			if got := problem(summary, "local/app"); got != test.reason {
				t.Errorf("the summary says %q, want %q: %+v", got, test.reason, summary.Failures)
			}
			page, err := w.store.Images(t.Context(), inventory.ImageFilter{}, inventory.Page{Limit: 10}, w.clock())
			w.must(err)
			if stored := len(page.Images) > 1; stored != test.stored {
				t.Errorf("the bad image is stored: %v: %+v", stored, page.Images)
			}
			w.recover()
			w.pass(time.Hour)
			w.sync()
			w.expect("app", d, inventory.Trusted, inventory.ReasonOK)
		})
	}
}

// TestHostile_indexes: trees of indexes that would be read for ever.
func TestHostile_indexes(t *testing.T) {
	list := inventory.MediaTypeOCIIndex
	for name, test := range map[string]struct {
		push   func(w *world)
		reason inventory.Reason
	}{
		"too deep": {func(w *world) {
			d := w.manifest("app", "", list, index())
			for range 5 {
				d = w.manifest("app", "", list, index(d))
			}
			w.manifest("app", "tree", list, index(d))
		}, inventory.ReasonTooLarge},
		"10,000 children": {func(w *world) {
			var children []inventory.Descriptor
			for i := range 10_000 {
				children = append(children, inventory.Descriptor{MediaType: inventory.MediaTypeOCIManifest, Digest: inventory.DigestOf(fmt.Append(nil, i)), Size: 1})
			}
			w.answer(hostedTree(children))
		}, inventory.ReasonTooMany},
		"the same empty index 10,000 times on each floor": {func(w *world) {
			d := w.manifest("app", "", list, index())
			d = w.manifest("app", "", list, index(repeat(d, 10_000)...))
			w.manifest("app", "tree", list, index(repeat(d, 10_000)...))
		}, ""},
		"500 empty indexes": {func(w *world) {
			var children []inventory.Descriptor
			for i := range 500 {
				children = append(children, w.manifest("app", "", list, map[string]any{"schemaVersion": 2, "mediaType": list, "manifests": []any{}, "annotations": map[string]string{"n": fmt.Sprint(i)}}))
			}
			w.manifest("app", "tree", list, index(children...))
		}, inventory.ReasonTooMany},
		"an index that is said to contain itself": {func(w *world) {
			d := inventory.DigestOf([]byte("round"))
			raw := indexText(inventory.Descriptor{MediaType: list, Digest: d, Size: 1})
			child := inventory.Descriptor{MediaType: list, Digest: d, Size: 1}
			w.answer(func(rw http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, string(d)) {
					body(list, raw)(rw, r)
					return true
				}
				return hostedTree([]inventory.Descriptor{child})(rw, r)
			})
		}, inventory.ReasonRegistryInconsistent},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, tight)
			fine := w.push("other:v1")
			w.push("app:v1")
			test.push(w)
			before := w.gets.Load()
			summary := w.bounded()
			if n := w.gets.Load() - before; n > 100 {
				t.Errorf("%d manifests and blobs were read", n)
			}
			if got := problem(summary, "local/app"); got != test.reason {
				t.Errorf("the summary says %q, want %q: %+v", got, test.reason, summary.Failures)
			}
			w.expect("other", fine, inventory.Unsigned, inventory.ReasonNoSignature)
		})
	}
}

func repeat(d inventory.Descriptor, n int) (list []inventory.Descriptor) {
	for range n {
		list = append(list, d)
	}
	return list
}

func hostedTree(children []inventory.Descriptor) handler {
	raw := []byte(indexText(children...))
	return hosted("tree", inventory.MediaTypeOCIIndex, raw, inventory.DigestOf(raw), nil)
}

// TestHostile_names: tags that look like companion tags and aren't, and ones
// that can't be asked for.
func TestHostile_names(t *testing.T) {
	w := newWorldWith(t, tight)
	d := w.push("app:v1")
	odd := []string{"sha256-xyz.sig", "SHA256-" + strings.ToUpper(d.Hex()) + ".sig", "sha256-" + strings.ToUpper(d.Hex()) + ".sig", "sha256-" + d.Hex()[:63] + ".sig"}
	for _, tag := range odd {
		w.push("app:" + tag)
	}
	var inner atomic.Int64
	w.answer(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			if strings.ContainsAny(r.URL.Path, "<\n\x00") || strings.Contains(r.URL.Path, "..") {
				inner.Add(1)
			}
			return false
		}
		var b bytes.Buffer
		b.WriteString(`{"name":"<b>","tags":["v1"`)
		for _, tag := range append(odd, "<img src=x>", "../../other/manifests/v1", "a/b", "", strings.Repeat("t", 1<<20), "é", "a b") {
			fmt.Fprintf(&b, ",%q", tag)
		}
		b.WriteString(`,"a\nb","a\u0000b","` + "\xff\xfe" + `"]}`)
		io.Copy(rw, &b)
		return true
	})
	w.bounded()
	i := w.expect("app", d, inventory.Unsigned, inventory.ReasonNoSignature)
	if len(i.Tags) != 1 {
		t.Errorf("the image has the tags %q", i.Tags)
	}
	if inner.Load() > 0 {
		t.Error("a name that can't be one was asked for")
	}
	page, err := w.store.Images(t.Context(), inventory.ImageFilter{}, inventory.Page{Limit: 50}, w.clock())
	w.must(err)
	if len(page.Images) != 1+len(odd) {
		t.Errorf("%d images are listed, want %d: tags that are no companion tags are images", len(page.Images), 1+len(odd))
	}
}
