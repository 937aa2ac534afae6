package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"signboard/inventory"
)

// Checker knows one family of signature formats.
type Checker interface {
	// Family says what discovery has to know.
	Family() Family
	// Claims reports whether a manifest is this family's to check. It looks at
	// the manifest itself; what a listing said of it is only a hint.
	Claims(i *Item) bool
	// Check checks everything in the manifest. It must end, whatever the
	// manifest holds, and an image signature it can't judge is still reported,
	// so that the image never reads as unsigned.
	Check(ctx context.Context, i *Item) Findings
}

// Family is what discovery has to know of a family of formats.
type Family struct {
	// Revision names the family's rules and its roots of trust: when it
	// changes, everything is checked again.
	Revision string
	// Companions are the suffixes of the companion tags it uses beside the
	// referrers API: ".sig" for sha256-<hex>.sig.
	Companions []string
	// Likely reports whether something listed may be one of its image
	// signatures, going by what the listing says. That is a hint: it decides
	// what is read first and nothing else.
	Likely func(inventory.Descriptor) bool
}

// Findings is what one manifest came to.
type Findings struct {
	Signatures   []inventory.Signature
	Attestations []inventory.Attestation
}

// Item is one manifest attached to an image, read by digest, with what is
// needed to check it.
type Item struct {
	Subject  inventory.Subject
	Via      string               // how it was found: "tag", "referrers", "fallback" or "index"
	Tag      string               // the companion tag it was found under
	Listed   inventory.Descriptor // what the listing said of it: hints
	Manifest inventory.Manifest
	Keys     *Keyring
	Now      time.Time // the moment of the check, for what can run out

	source Source
	blobs  map[inventory.Digest][]byte // several signatures often share a payload
	budget *budget
}

// budget is what may still be fetched for one image.
type budget struct {
	blobs int
	bytes int64
}

func newBudget() *budget { return &budget{blobs: maxBlobs, bytes: maxBytes} }

// NewItem makes an Item that reads from source. The Inspector makes its own;
// this is for those who check a single manifest.
func NewItem(source Source, s inventory.Subject, a inventory.Attachment, m inventory.Manifest, keys *Keyring) *Item {
	return newItem(source, s, a, m, keys, newBudget())
}

func newItem(source Source, s inventory.Subject, a inventory.Attachment, m inventory.Manifest, keys *Keyring, b *budget) *Item {
	return &Item{Subject: s, Via: a.Via, Tag: a.Tag, Listed: a.Manifest, Manifest: m, Keys: keys, Now: time.Now(), source: source, budget: b}
}

// Blob reads a blob of the manifest. Its content has the descriptor's digest
// and at most max bytes; anything else is an error with a LookError.
func (i *Item) Blob(ctx context.Context, d inventory.Descriptor, max int64) ([]byte, error) {
	if d.Size > max {
		return nil, &inventory.LookError{Reason: inventory.ReasonTooLarge,
			Message: fmt.Sprintf("A signature of %d bytes was not read: %d is the most that is.", d.Size, max)}
	}
	if b, ok := i.blobs[d.Digest]; ok {
		return b, nil
	}
	if i.budget.blobs <= 0 || i.budget.bytes <= 0 {
		return nil, &inventory.LookError{Reason: inventory.ReasonTooMany,
			Message: fmt.Sprintf("More than %d signatures and attestations, or more than %d MiB of them, are attached; the rest was not read.", maxBlobs, maxBytes>>20)}
	}
	i.budget.blobs--
	b, err := i.source.Blob(ctx, i.Subject.Repository, d, max)
	i.budget.bytes -= int64(len(b))
	switch {
	case errors.Is(err, inventory.ErrNotFound):
		return nil, &inventory.LookError{Reason: inventory.ReasonRegistryInconsistent,
			Message: fmt.Sprintf("The registry lists a signature but doesn't have its content, %s.", d.Digest.Short()), Err: err}
	case err != nil:
		return nil, err
	case int64(len(b)) > max:
		return nil, &inventory.LookError{Reason: inventory.ReasonTooLarge,
			Message: fmt.Sprintf("A signature of %d bytes was not read: %d is the most that is.", len(b), max)}
	case !matches(d.Digest, b):
		return nil, &inventory.LookError{Reason: inventory.ReasonRegistryInconsistent,
			Message: fmt.Sprintf("The registry answered with other content than %s.", d.Digest.Short())}
	}
	if len(b) <= keepBytes {
		if i.blobs == nil {
			i.blobs = map[inventory.Digest][]byte{}
		}
		i.blobs[d.Digest] = b
	}
	return b, nil
}

// Image reads the image's own manifest, for formats that sign its bytes.
func (i *Item) Image(ctx context.Context) (inventory.Manifest, error) {
	return byDigest(ctx, i.source, i.Subject.Repository, i.Subject.Manifest.Digest)
}

// byDigest reads a manifest and makes sure that it is the one asked for.
func byDigest(ctx context.Context, source Source, repository string, d inventory.Digest) (inventory.Manifest, error) {
	m, err := source.Manifest(ctx, repository, string(d))
	if err == nil && !matches(d, m.Raw) {
		err = &inventory.LookError{Reason: inventory.ReasonRegistryInconsistent,
			Message: fmt.Sprintf("The registry answered with another manifest than %s.", d.Short())}
	}
	if errors.Is(err, inventory.ErrNotFound) {
		err = &inventory.LookError{Reason: inventory.ReasonRegistryInconsistent,
			Message: fmt.Sprintf("The registry lists the manifest %s but doesn't have it.", d.Short()), Err: err}
	}
	return m, err
}
