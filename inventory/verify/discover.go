package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"signboard/inventory"
)

// How an attachment was found.
const (
	viaTag       = "tag"
	viaReferrers = "referrers"
	// ViaIndex: the manifest stands in the index that it is about.
	ViaIndex = "index"
)

// AnnotationReferenceType marks what stands in an index beside its images and
// says what it is ("attestation-manifest"); AnnotationReferenceDigest says
// which of the images it is about.
const (
	AnnotationReferenceType   = "vnd.docker.reference.type"
	AnnotationReferenceDigest = "vnd.docker.reference.digest"
)

// Discover lists what is attached to an image: under cosign's companion tags,
// through the referrers API, and under the referrers tag (distribution
// specification, "Referrers Tag Schema") wherever that exists, since some
// clients write it even beside an API that doesn't show it.
//
// Companion tags can be moved, so each is resolved to a digest here and
// everything after that goes by digest. A place that could not be read makes
// the result incomplete, and what the others hold is still listed.
//
// Of an image that is known already, tags are only resolved: a registry counts
// that as no pull, and there is mostly nothing new to read.
func (in *Inspector) Discover(ctx context.Context, s inventory.Subject) inventory.Attached {
	var a inventory.Attached
	incomplete := func(err *inventory.LookError) {
		if a.Incomplete == nil {
			a.Incomplete = err
		}
	}
	prefix := s.Manifest.Digest.TagPrefix()
	for _, c := range in.checkers {
		for _, suffix := range c.Family().Companions {
			tag := prefix + suffix
			if s.Tags != nil && !s.Tags[tag] {
				a.Spared++
				continue
			}
			d, err := in.companion(ctx, s, tag)
			switch {
			case errors.Is(err, inventory.ErrNotFound) && s.Tags == nil:
			case err != nil:
				incomplete(lookError(err, "the tag "+tag))
			default:
				a.Attachments = append(a.Attachments, inventory.Attachment{Manifest: d, Via: viaTag, Tag: tag})
			}
		}
	}

	listed, _, err := in.source.Referrers(ctx, s.Repository, s.Manifest.Digest)
	if err != nil && !errors.Is(err, inventory.ErrNotFound) {
		incomplete(inventory.AsLookError(err))
	}
	for _, d := range listed {
		a.Attachments = append(a.Attachments, inventory.Attachment{Manifest: d, Via: viaReferrers})
	}
	if s.Tags[prefix] || s.Tags == nil {
		if err := in.fallback(ctx, s, prefix, &a); err != nil {
			incomplete(err)
		}
	} else {
		a.Spared++
	}

	for _, o := range in.Outside {
		began := time.Now()
		found, err := o.Look(ctx, s)
		in.tell(found.Signatures, began)
		if err != nil {
			incomplete(inventory.AsLookError(err))
		}
		a.Outlying = append(a.Outlying, found)
	}

	in.arrange(&a)
	return a
}

// arrange puts what looks like a signature first, so that a pile of other things
// can't push it over the cap, and keeps to the cap.
func (in *Inspector) arrange(a *inventory.Attached) {
	slices.SortStableFunc(a.Attachments, func(x, y inventory.Attachment) int { return in.rank(x) - in.rank(y) })
	n := len(a.Attachments)
	if n <= MaxAttachments {
		return
	}
	a.Attachments = a.Attachments[:MaxAttachments:MaxAttachments]
	if a.Incomplete == nil {
		a.Incomplete = &inventory.LookError{Reason: inventory.ReasonTooMany,
			Message: fmt.Sprintf("%d things are attached to this image, and only %d were read.", n, MaxAttachments)}
	}
}

// companion is what a companion tag points at. The first time it is read at
// once, and put on the shelf.
func (in *Inspector) companion(ctx context.Context, s inventory.Subject, tag string) (inventory.Descriptor, error) {
	if s.Known != "" {
		return in.source.Resolve(ctx, s.Repository, tag)
	}
	m, err := in.source.Manifest(ctx, s.Repository, tag)
	if err != nil {
		return inventory.Descriptor{}, err
	}
	in.shelf.put(s.Repository, m)
	return m.Descriptor(), nil
}

// fallback adds what the index under the referrers tag lists. Anything else
// under that name is no list of referrers; one registry answers with the image
// itself.
func (in *Inspector) fallback(ctx context.Context, s inventory.Subject, tag string, a *inventory.Attached) *inventory.LookError {
	if s.Known != "" {
		d, err := in.source.Resolve(ctx, s.Repository, tag)
		switch {
		case errors.Is(err, inventory.ErrNotFound) && s.Tags == nil:
			return nil
		case err != nil:
			return lookError(err, "the tag "+tag)
		case d.Digest == s.Manifest.Digest:
			return nil
		}
		switch d.MediaType {
		case inventory.MediaTypeOCIIndex:
			a.List, a.Unread = d.Digest, true
			return nil
		case inventory.MediaTypeOCIManifest, inventory.MediaTypeDockerManifest, inventory.MediaTypeDockerList:
			return nil
		} // otherwise only its content can tell
	}
	m, err := in.source.Manifest(ctx, s.Repository, tag)
	switch {
	case errors.Is(err, inventory.ErrNotFound) && s.Tags == nil:
		return nil
	case err != nil:
		return lookError(err, "the tag "+tag)
	case m.Digest == s.Manifest.Digest || m.MediaType != inventory.MediaTypeOCIIndex:
		return nil
	}
	list(m, tag, a)
	return nil
}

// unread reads the list of referrers that discovery has only seen to be there.
func (in *Inspector) unread(ctx context.Context, s inventory.Subject, a *inventory.Attached) {
	if !a.Unread {
		return
	}
	m, err := byDigest(ctx, in.source, s.Repository, a.List)
	a.Unread, a.Attachments = false, slices.Clone(a.Attachments)
	switch {
	case err != nil:
		if a.Incomplete == nil {
			a.Incomplete = inventory.AsLookError(err)
		}
	case m.MediaType != inventory.MediaTypeOCIIndex:
		a.List = ""
	default:
		list(m, s.Manifest.Digest.TagPrefix(), a)
	}
	in.arrange(a)
}

// list adds what an index lists.
func list(m inventory.Manifest, tag string, a *inventory.Attached) {
	a.List = m.Digest
	for _, d := range m.Manifests {
		a.Attachments = append(a.Attachments, inventory.Attachment{Manifest: d, Via: inventory.ViaFallback, Tag: tag})
	}
}

// rank orders attachments by how likely they are to hold a signature. A listing
// may say nothing of what it lists, or give the type of the config instead.
func (in *Inspector) rank(a inventory.Attachment) int {
	if a.Via == viaTag {
		return 0
	}
	for _, c := range in.checkers {
		if c.Family().Likely(a.Manifest) {
			return 1
		}
	}
	switch a.Manifest.ArtifactType {
	case "", "application/vnd.oci.empty.v1+json", inventory.MediaTypeOCIConfig:
		return 2
	}
	return 3
}
