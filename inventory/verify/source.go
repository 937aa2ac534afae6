package verify

import (
	"context"
	"crypto/sha512"
	"encoding/hex"

	"signboard/inventory"
)

// Source reads one registry. An error for which errors.Is says ErrNotFound
// means that the registry answered and the thing isn't there; every other
// error carries an inventory.LookError.
type Source interface {
	// Resolve asks what a tag points at without reading it. What it answers is
	// the registry's word.
	Resolve(ctx context.Context, repository, tag string) (inventory.Descriptor, error)
	// Manifest reads a manifest by digest or tag.
	Manifest(ctx context.Context, repository, reference string) (inventory.Manifest, error)
	// Blob reads a blob of at most max bytes; a longer one is too_large.
	Blob(ctx context.Context, repository string, d inventory.Descriptor, max int64) ([]byte, error)
	// Referrers lists the manifests that name the digest as their subject
	// (distribution specification, "Listing Referrers"). The second result is
	// false when the registry doesn't have that API. A listing that ends in an
	// error comes with what was read before it.
	Referrers(ctx context.Context, repository string, digest inventory.Digest) ([]inventory.Descriptor, bool, error)
}

// matches reports whether content has the digest it is supposed to have.
func matches(d inventory.Digest, content []byte) bool {
	if d.Algorithm() == "sha512" {
		sum := sha512.Sum512(content)
		return d.Hex() == hex.EncodeToString(sum[:])
	}
	return d == inventory.DigestOf(content)
}
