package registry

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"net/http"
	"strings"

	"signboard/inventory"
)

var manifestTypes = strings.Join([]string{
	inventory.MediaTypeOCIIndex, inventory.MediaTypeOCIManifest, inventory.MediaTypeDockerList, inventory.MediaTypeDockerManifest,
}, ", ")

// Resolve asks what a tag points at: by HEAD, or by GET where the registry
// doesn't answer HEAD with digest, type and length. The digest of a HEAD is the
// registry's word until Manifest has read the bytes.
func (c *Client) Resolve(ctx context.Context, repository, tag string) (inventory.Descriptor, error) {
	if err := c.checkName(repository, tag); err != nil {
		return inventory.Descriptor{}, err
	}
	q := c.manifestRequest(http.MethodHead, repository, tag)
	a, err := c.do(ctx, q)
	if err != nil {
		return inventory.Descriptor{}, err
	}
	switch a.status {
	case http.StatusOK:
		digest, err := inventory.ParseDigest(a.header.Get("Docker-Content-Digest"))
		kind := mediaType(a.header)
		if err == nil && kind != "" && a.length > 0 {
			if web(a) {
				return inventory.Descriptor{}, c.notRegistry(q)
			}
			if isDigest(tag) && string(digest) != tag {
				return inventory.Descriptor{}, c.inconsistent(q, "it says that the digest is "+digest.Short())
			}
			return inventory.Descriptor{MediaType: kind, Digest: digest, Size: a.length}, nil
		}
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented:
	default:
		return inventory.Descriptor{}, c.refusal(q, a)
	}
	m, err := c.Manifest(ctx, repository, tag)
	if err != nil {
		return inventory.Descriptor{}, err
	}
	return inventory.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: int64(len(m.Raw))}, nil
}

// Manifest reads a manifest by digest or tag. The digest is computed from the
// bytes: one that differs from the digest that was asked for, or that the
// registry said, is registry_inconsistent.
func (c *Client) Manifest(ctx context.Context, repository, reference string) (inventory.Manifest, error) {
	if err := c.checkName(repository, reference); err != nil {
		return inventory.Manifest{}, err
	}
	q := c.manifestRequest(http.MethodGet, repository, reference)
	a, err := c.do(ctx, q)
	if err != nil {
		return inventory.Manifest{}, err
	}
	if a.status != http.StatusOK {
		return inventory.Manifest{}, c.refusal(q, a)
	}
	if web(a) {
		return inventory.Manifest{}, c.notRegistry(q)
	}
	digest := inventory.DigestOf(a.body)
	if isDigest(reference) {
		asked := inventory.Digest(reference)
		if asked.Algorithm() != digest.Algorithm() {
			digest = digestLike(asked, a.body)
		}
		if digest != asked {
			return inventory.Manifest{}, c.inconsistent(q, "the digest of what it sent is "+digest.Short())
		}
	}
	if said := a.header.Get("Docker-Content-Digest"); said != "" {
		d, err := inventory.ParseDigest(said)
		if err != nil || d != digest && digestLike(d, a.body) != d {
			return inventory.Manifest{}, c.inconsistent(q, "its Docker-Content-Digest isn't the digest of what it sent")
		}
		if !isDigest(reference) {
			digest = d
		}
	}
	m, err := inventory.ParseManifest(a.body, mediaType(a.header))
	if err != nil {
		e := inventory.AsLookError(err)
		return inventory.Manifest{}, look(e.Reason, err, "%s in %s can't be read: %s", upperFirst(q.what), c.origin.Host, lowerFirst(e.Message))
	}
	m.Digest = digest
	return m, nil
}

// Blob reads a blob and checks size and digest. A descriptor or a blob larger
// than max bytes is too_large; for the former nothing is asked.
func (c *Client) Blob(ctx context.Context, repository string, d inventory.Descriptor, max int64) ([]byte, error) {
	if err := c.checkName(repository, ""); err != nil {
		return nil, err
	}
	if _, err := inventory.ParseDigest(string(d.Digest)); err != nil || d.Size < 0 {
		return nil, look(inventory.ReasonPayloadMalformed, err, "A manifest in %s names content without a proper digest and size.", repository)
	}
	q := request{
		method: http.MethodGet, url: c.url("/v2/"+repository+"/blobs/"+string(d.Digest), nil), scope: pullScope(repository),
		max: min(max, d.Size), what: "the blob " + d.Digest.Short() + " of " + repository,
	}
	if d.Size > max {
		return nil, look(inventory.ReasonTooLarge, nil, "%s in %s is %s, more than the %s that are read of such content.", upperFirst(q.what), c.origin.Host, size(d.Size), size(max))
	}
	a, err := c.do(ctx, q)
	if err != nil {
		return nil, err
	}
	switch {
	case a.status != http.StatusOK:
		return nil, c.refusal(q, a)
	case int64(len(a.body)) != d.Size:
		return nil, c.inconsistent(q, "it sent "+size(int64(len(a.body)))+" instead of "+size(d.Size))
	case digestLike(d.Digest, a.body) != d.Digest:
		return nil, c.inconsistent(q, "the digest of what it sent is another")
	}
	return a.body, nil
}

func (c *Client) manifestRequest(method, repository, reference string) request {
	what := reference
	if isDigest(reference) {
		what = inventory.Digest(reference).Short()
	}
	return request{
		method: method, url: c.url("/v2/"+repository+"/manifests/"+reference, nil), scope: pullScope(repository),
		accept: manifestTypes, max: c.limits.ManifestBytes, what: "the manifest " + what + " of " + repository,
	}
}

func (c *Client) inconsistent(q request, how string) error {
	return look(inventory.ReasonRegistryInconsistent, nil, "%s contradicts itself about %s: %s. Nothing of it is used.", c.origin.Host, q.what, how)
}

// digestLike is the digest of b by the algorithm of another digest.
func digestLike(other inventory.Digest, b []byte) inventory.Digest {
	if other.Algorithm() == "sha512" {
		sum := sha512.Sum512(b)
		return inventory.Digest("sha512:" + hex.EncodeToString(sum[:]))
	}
	return inventory.DigestOf(b)
}

func isDigest(reference string) bool { return strings.Contains(reference, ":") }

// mediaType is the Content-Type without its parameters.
func mediaType(header http.Header) string {
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
