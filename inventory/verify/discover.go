package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"signboard/inventory"
)

// How an attachment was found.
const (
	viaTag       = "tag"
	viaReferrers = "referrers"
	viaFallback  = "fallback"
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
				continue
			}
			m, err := in.source.Manifest(ctx, s.Repository, tag)
			switch {
			case errors.Is(err, inventory.ErrNotFound) && s.Tags == nil:
			case err != nil:
				incomplete(lookError(err, "the tag "+tag))
			default:
				in.shelf.put(s.Repository, m)
				a.Attachments = append(a.Attachments, inventory.Attachment{Manifest: m.Descriptor(), Via: viaTag, Tag: tag})
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
		listed, err := in.fallback(ctx, s, prefix)
		if err != nil {
			incomplete(err)
		}
		for _, d := range listed {
			a.Attachments = append(a.Attachments, inventory.Attachment{Manifest: d, Via: viaFallback, Tag: prefix})
		}
	}

	for _, o := range in.Outside {
		found, err := o.Look(ctx, s)
		if err != nil {
			incomplete(inventory.AsLookError(err))
		}
		a.Outlying = append(a.Outlying, found)
	}

	// What looks like a signature goes first, so that a pile of other things
	// can't push it over the cap.
	slices.SortStableFunc(a.Attachments, func(x, y inventory.Attachment) int { return in.rank(x) - in.rank(y) })
	if n := len(a.Attachments); n > MaxAttachments {
		a.Attachments = a.Attachments[:MaxAttachments:MaxAttachments]
		incomplete(&inventory.LookError{Reason: inventory.ReasonTooMany,
			Message: fmt.Sprintf("%d things are attached to this image, and only %d were read.", n, MaxAttachments)})
	}
	return a
}

// fallback reads the index under the referrers tag. Anything else under that
// name is no list of referrers; one registry answers with the image itself.
func (in *Inspector) fallback(ctx context.Context, s inventory.Subject, tag string) ([]inventory.Descriptor, *inventory.LookError) {
	m, err := in.source.Manifest(ctx, s.Repository, tag)
	switch {
	case errors.Is(err, inventory.ErrNotFound) && s.Tags == nil:
		return nil, nil
	case err != nil:
		return nil, lookError(err, "the tag "+tag)
	case m.Digest == s.Manifest.Digest || m.MediaType != inventory.MediaTypeOCIIndex:
		return nil, nil
	}
	return m.Manifests, nil
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
