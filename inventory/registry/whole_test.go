package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"

	"signboard/inventory"
)

// push puts a manifest into a registry the plain way.
func push(t *testing.T, base, repository, reference, kind string, body []byte) inventory.Digest {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, base+"/v2/"+repository+"/manifests/"+reference, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("pushing %s:%s: %s", repository, reference, resp.Status)
	}
	return inventory.DigestOf(body)
}

func pushBlob(t *testing.T, base, repository string, body []byte) inventory.Descriptor {
	t.Helper()
	digest := inventory.DigestOf(body)
	resp, err := http.Post(base+"/v2/"+repository+"/blobs/uploads/?digest="+string(digest), "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("pushing a blob: %s", resp.Status)
	}
	return inventory.Descriptor{MediaType: "application/octet-stream", Digest: digest, Size: int64(len(body))}
}

// TestClient_readsARealRegistry reads an image, its signature and nothing else
// out of go-containerregistry's registry, with the referrers API and without.
func TestClient_readsARealRegistry(t *testing.T) {
	for _, native := range []bool{true, false} {
		t.Run(fmt.Sprintf("referrers API %v", native), func(t *testing.T) {
			server := httptest.NewServer(ggcr.New(ggcr.Logger(quiet), ggcr.WithReferrersSupport(native)))
			t.Cleanup(server.Close)
			ctx := context.Background()
			config := pushBlob(t, server.URL, "team/api", []byte("{}"))
			layer := pushBlob(t, server.URL, "team/api", []byte("bundle"))
			image := []byte(ociManifest)
			digest := push(t, server.URL, "team/api", "v1", inventory.MediaTypeOCIManifest, image)
			push(t, server.URL, "base", "latest", inventory.MediaTypeOCIManifest, image)
			signature := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[{"mediaType":"application/octet-stream","digest":%q,"size":6}],"subject":{"mediaType":%q,"digest":%q,"size":%d}}`,
				inventory.MediaTypeOCIManifest, config.Digest, layer.Digest, inventory.MediaTypeOCIManifest, digest, len(image))
			signed := push(t, server.URL, "team/api", string(inventory.DigestOf(signature)), inventory.MediaTypeOCIManifest, signature)

			c, _ := client(t, server)
			if err := c.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			names, err := repositories(c)
			if slices.Sort(names); err != nil || !slices.Equal(names, []string{"base", "team/api"}) {
				t.Fatalf("Repositories = %v, %v", names, err)
			}
			tags, err := c.Tags(ctx, "team/api")
			if err != nil || !slices.Contains(tags, "v1") {
				t.Fatalf("Tags = %v, %v", tags, err)
			}
			d, err := c.Resolve(ctx, "team/api", "v1")
			if err != nil || d.Digest != digest || d.Size != int64(len(image)) {
				t.Fatalf("Resolve = %+v, %v", d, err)
			}
			if _, err := c.Resolve(ctx, "team/api", "none"); !errors.Is(err, inventory.ErrNotFound) {
				t.Errorf("a tag that isn't there: %v", err)
			}
			list, supported, err := c.Referrers(ctx, "team/api", digest)
			if err != nil || supported != native {
				t.Fatalf("Referrers = %v, %v, %v", list, supported, err)
			}
			if native && (len(list) != 1 || list[0].Digest != signed) {
				t.Fatalf("Referrers = %v", list)
			}
			m, err := c.Manifest(ctx, "team/api", string(signed))
			if err != nil || m.Subject == nil || m.Subject.Digest != digest || len(m.Layers) != 1 {
				t.Fatalf("Manifest = %+v, %v", m, err)
			}
			blob, err := c.Blob(ctx, "team/api", m.Layers[0], 1<<20)
			if err != nil || string(blob) != "bundle" {
				t.Fatalf("Blob = %q, %v", blob, err)
			}
			// The challenge, and one each for what was asked above.
			if n := c.Traffic().Requests; n != 9 {
				t.Errorf("%d requests", n)
			}
		})
	}
}
