package registry

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"signboard/inventory"
)

func manifestAnswer(kind, digest, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if digest != "" {
			w.Header().Set("Docker-Content-Digest", digest)
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		text(http.StatusOK, kind, body)(w, r)
	}
}

func TestResolve_byHEADAlone(t *testing.T) {
	digest := inventory.DigestOf([]byte(ociManifest))
	server, asked := serve(t, map[string]http.HandlerFunc{
		"/v2/a/manifests/v1": manifestAnswer(inventory.MediaTypeOCIManifest+"; charset=utf-8", string(digest), ociManifest),
	})
	c, _ := client(t, server)
	d, err := c.Resolve(context.Background(), "a", "v1")
	if err != nil || d.Digest != digest || d.Size != int64(len(ociManifest)) || d.MediaType != inventory.MediaTypeOCIManifest {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, r := range asked.all() {
		if strings.Contains(r.URL.Path, "manifests") && (r.Method != http.MethodHead || !strings.Contains(r.Header.Get("Accept"), inventory.MediaTypeOCIIndex)) {
			t.Errorf("%s with Accept %q", r.Method, r.Header.Get("Accept"))
		}
	}
}

func TestResolve_byGETWhereHEADSaysTooLittle(t *testing.T) {
	digest := inventory.DigestOf([]byte(ociManifest))
	get := manifestAnswer(inventory.MediaTypeOCIManifest, "", ociManifest)
	for name, head := range map[string]http.HandlerFunc{
		"not allowed":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) },
		"without digest": get,
		"odd digest":     manifestAnswer(inventory.MediaTypeOCIManifest, "md5:abc", ociManifest),
		"without type": func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = nil
			w.Header().Set("Docker-Content-Digest", string(digest))
			w.Header().Set("Content-Length", "5")
		},
		"without length": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Docker-Content-Digest", string(digest))
			w.Header().Set("Content-Type", inventory.MediaTypeOCIManifest)
			w.(http.Flusher).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/manifests/v1": func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodHead {
					head(w, r)
					return
				}
				get(w, r)
			}})
			c, _ := client(t, server)
			d, err := c.Resolve(context.Background(), "a", "v1")
			if err != nil || d.Digest != digest || d.Size != int64(len(ociManifest)) {
				t.Fatalf("%+v, %v", d, err)
			}
		})
	}
}

func TestManifest_thatIsNotWhatWasAskedFor(t *testing.T) {
	digest := inventory.DigestOf([]byte(ociManifest))
	other := inventory.DigestOf([]byte("another"))
	sum := sha512.Sum512([]byte(ociManifest))
	long := inventory.Digest("sha512:" + hex.EncodeToString(sum[:]))
	for name, tt := range map[string]struct {
		reference, kind, said, body string
		reason                      inventory.Reason
	}{
		"as it should be":           {string(digest), inventory.MediaTypeOCIManifest, string(digest), ociManifest, ""},
		"no header":                 {string(digest), inventory.MediaTypeOCIManifest, "", ociManifest, ""},
		"sha512":                    {string(long), inventory.MediaTypeOCIManifest, string(long), ociManifest, ""},
		"another body":              {string(digest), inventory.MediaTypeOCIManifest, string(digest), ociManifest + " ", inventory.ReasonRegistryInconsistent},
		"another body, honest":      {string(digest), inventory.MediaTypeOCIManifest, "", ociManifest + " ", inventory.ReasonRegistryInconsistent},
		"a lying header":            {"v1", inventory.MediaTypeOCIManifest, string(other), ociManifest, inventory.ReasonRegistryInconsistent},
		"a lying header, by digest": {string(digest), inventory.MediaTypeOCIManifest, string(other), ociManifest, inventory.ReasonRegistryInconsistent},
		"a header that is none":     {"v1", inventory.MediaTypeOCIManifest, "sha256:abc", ociManifest, inventory.ReasonRegistryInconsistent},
		"another type":              {"v1", inventory.MediaTypeOCIIndex, "", ociManifest, inventory.ReasonRegistryInconsistent},
		"a web page":                {"v1", "text/html", "", "<html>", inventory.ReasonRegistryInconsistent},
		"cut off":                   {"v1", inventory.MediaTypeOCIManifest, "", ociManifest[:40], inventory.ReasonPayloadMalformed},
		"empty":                     {"v1", inventory.MediaTypeOCIManifest, "", "", inventory.ReasonPayloadMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/manifests/" + tt.reference: manifestAnswer(tt.kind, tt.said, tt.body)})
			c, _ := client(t, server)
			m, err := c.Manifest(context.Background(), "a", tt.reference)
			if tt.reason != "" {
				wantLook(t, err, tt.reason, hostOf(t, server))
				return
			}
			if err != nil || string(m.Digest) != tt.reference || string(m.Raw) != tt.body {
				t.Fatalf("%+v, %v", m, err)
			}
		})
	}
}

func TestManifest_tooLargeIsNotRead(t *testing.T) {
	for name, tt := range map[string]struct {
		length string
		most   int64 // taken off the server, what the sockets hold included
	}{
		"unannounced": {"", 32 << 20},
		"announced":   {fmt.Sprint(200 << 20), 32 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/manifests/v1": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", inventory.MediaTypeOCIManifest)
				if tt.length != "" {
					w.Header().Set("Content-Length", tt.length)
				}
				chunk := bytes.Repeat([]byte(" "), 64<<10)
				for range 200 << 20 / len(chunk) {
					n, err := w.Write(chunk)
					sent.Add(int64(n))
					if err != nil {
						return
					}
				}
			}})
			c, _ := client(t, server)
			_, err := c.Manifest(context.Background(), "a", "v1")
			wantLook(t, err, inventory.ReasonTooLarge, "4 MiB")
			server.Close() // waits for the handler
			if n := sent.Load(); n > tt.most {
				t.Errorf("%d bytes were taken", n)
			}
		})
	}
}

func TestManifest_bombIsNotUnfolded(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.CopyN(z, zeroes{}, 64<<20)
	z.Close()
	server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/manifests/v1": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", inventory.MediaTypeOCIManifest)
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(packed.Bytes())
	}})
	c, _ := client(t, server)
	_, err := c.Manifest(context.Background(), "a", "v1")
	wantLook(t, err, inventory.ReasonRegistryInconsistent, "compressed")
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestManifest_followsARedirectWithoutCredentials(t *testing.T) {
	mirror, visited := serve(t, map[string]http.HandlerFunc{"/v2/m/manifests/v1": manifestAnswer(inventory.MediaTypeOCIManifest, "", ociManifest)})
	server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/manifests/v1": redirectTo(mirror.URL + "/v2/m/manifests/v1")})
	c, _ := client(t, server, withPassword)
	if _, err := c.Manifest(context.Background(), "a", "v1"); err != nil {
		t.Fatal(err)
	}
	for _, r := range visited.all() {
		if r.Header.Get("Authorization") != "" {
			t.Error("the mirror was shown credentials")
		}
	}
}

func TestManifest_refusesReferencesThatCannotBe(t *testing.T) {
	server, asked := serve(t, nil)
	c, _ := client(t, server)
	for _, reference := range []string{"../tags/list", "a/b", "v1?x=y", "sha256:abc", ".dot", "a b", "%2e%2e"} {
		_, err := c.Manifest(context.Background(), "a", reference)
		wantLook(t, err, inventory.ReasonPayloadMalformed)
		_, err = c.Resolve(context.Background(), "a", reference)
		wantLook(t, err, inventory.ReasonPayloadMalformed)
	}
	if n := len(asked.all()); n != 0 {
		t.Errorf("the registry was asked %d times", n)
	}
}

func TestBlob_isCheckedAgainstItsDescriptor(t *testing.T) {
	blob := []byte("the signature")
	digest := inventory.DigestOf(blob)
	for name, tt := range map[string]struct {
		sent   string
		size   int64
		max    int64
		digest inventory.Digest
		reason inventory.Reason
	}{
		"as it should be": {string(blob), 13, 100, digest, ""},
		"exactly as many": {string(blob), 13, 13, digest, ""},
		"another":         {"the signaturf", 13, 100, digest, inventory.ReasonRegistryInconsistent},
		"longer":          {string(blob) + "!", 13, 100, digest, inventory.ReasonTooLarge},
		"shorter":         {"the", 13, 100, digest, inventory.ReasonRegistryInconsistent},
		"too large":       {string(blob), 13, 12, digest, inventory.ReasonTooLarge},
		"no size":         {string(blob), -1, 100, digest, inventory.ReasonPayloadMalformed},
		"no digest":       {string(blob), 13, 100, "latest", inventory.ReasonPayloadMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/blobs/" + string(tt.digest): text(200, "application/octet-stream", tt.sent)})
			c, _ := client(t, server)
			got, err := c.Blob(context.Background(), "a", inventory.Descriptor{Digest: tt.digest, Size: tt.size}, tt.max)
			if tt.reason != "" {
				wantLook(t, err, tt.reason)
				return
			}
			if err != nil || !bytes.Equal(got, blob) {
				t.Fatalf("%q, %v", got, err)
			}
		})
	}
}
