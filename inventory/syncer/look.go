package syncer

import (
	"context"
	"fmt"
	"sync/atomic"

	"signboard/inventory"
)

// looker looks at the images of one repository.
type looker struct {
	peer     Peer
	kept     Materials
	work     *inventory.RepositoryWork
	tags     map[string]bool // all tags, companions included
	revision int64           // of the trust material, read before anything is verified
	targets  map[inventory.Digest]bool
	saved    atomic.Int64 // see inventory.Traffic
}

// image looks at one image and, when it is an index, at the images it lists:
// first finding the image itself, then its platforms, each with its own
// evidence. doubt is set when the registry says that tags point at something it
// doesn't show: the findings are then about what the tags pointed at before.
func (l *looker) image(ctx context.Context, t target) (findings []inventory.ImageFinding, doubt *inventory.LookError) {
	self := inventory.ImageFinding{Digest: t.descriptor.Digest, Tags: t.tags, TrustRevision: l.revision}
	known, seen := l.work.Images[self.Digest]
	self.Kind, self.MediaType, self.Size, self.Platforms = known.Kind, known.MediaType, known.Size, known.Platforms
	if t.failure != nil {
		self.Failure = t.failure
		return []inventory.ImageFinding{self}, nil
	}
	if !seen || known.MediaType == "" {
		m, err := l.peer.Registry.Manifest(ctx, l.work.Repository.Name, string(self.Digest))
		if err != nil {
			self.Failure = inventory.AsLookError(err)
			if !seen && self.Failure.Reason == inventory.ReasonRegistryInconsistent {
				return l.disbelieve(t, self.Failure), self.Failure
			}
			return []inventory.ImageFinding{self}, nil
		}
		self.Kind, self.MediaType, self.Size = m.Kind(), m.MediaType, int64(len(m.Raw))
		if m.Index() {
			if self.Platforms, err = l.platforms(ctx, m, 1, map[inventory.Digest]bool{}); err != nil {
				self.Failure = inventory.AsLookError(err)
				return []inventory.ImageFinding{self}, nil
			}
		}
	}
	if seen && known.MediaType != "" {
		l.saved.Add(1)
	}
	l.inspect(ctx, &self)
	findings = append(findings, self)
	for _, p := range self.Platforms {
		child := inventory.ImageFinding{Digest: p.Digest, Kind: inventory.SingleImage, TrustRevision: l.revision}
		if known, ok := l.work.Images[p.Digest]; ok {
			child.Kind, child.MediaType, child.Size = known.Kind, known.MediaType, known.Size
		}
		if child.MediaType == "" {
			child.MediaType, child.Size = p.MediaType, p.Size
		}
		l.saved.Add(1)
		l.inspect(ctx, &child)
		findings = append(findings, child)
	}
	return findings, nil
}

// disbelieve is what is found when tags are said to point at a digest whose
// content the registry doesn't have, or has otherwise: nothing of it is stored,
// the tags stay where they were, and what they point at there is unknown.
func (l *looker) disbelieve(t target, failure *inventory.LookError) []inventory.ImageFinding {
	var findings []inventory.ImageFinding
	said := map[inventory.Digest]bool{}
	for _, tag := range t.tags {
		d, ok := l.work.Tags[tag]
		if !ok || said[d] || l.targets[d] { // another tag leads there, so it is looked at
			continue
		}
		said[d] = true
		known := l.work.Images[d]
		findings = append(findings, inventory.ImageFinding{
			Digest: d, Kind: known.Kind, MediaType: known.MediaType, Size: known.Size, Platforms: known.Platforms, Failure: failure,
		})
	}
	return findings
}

// platforms lists the images of an index, down to maxDepth nested indexes, each
// index once (read holds them) and no more than maxIndexes of them: an index
// without images costs a request and adds nothing to the list. BuildKit's
// attestation manifests stand beside the images and are none.
func (l *looker) platforms(ctx context.Context, m inventory.Manifest, depth int, read map[inventory.Digest]bool) ([]inventory.Platform, error) {
	if depth > maxDepth {
		return nil, &inventory.LookError{Reason: inventory.ReasonTooLarge,
			Message: fmt.Sprintf("The index holds indexes nested deeper than %d; that is not read.", maxDepth)}
	}
	var list []inventory.Platform
	for _, d := range m.Manifests {
		if d.Annotations["vnd.docker.reference.type"] != "" {
			continue
		}
		if d.MediaType == inventory.MediaTypeOCIIndex || d.MediaType == inventory.MediaTypeDockerList {
			if read[d.Digest] {
				continue
			}
			if read[d.Digest] = true; len(read) > maxIndexes {
				return nil, &inventory.LookError{Reason: inventory.ReasonTooMany,
					Message: fmt.Sprintf("The index holds more than %d other indexes; that is not read.", maxIndexes)}
			}
			nested, err := l.peer.Registry.Manifest(ctx, l.work.Repository.Name, string(d.Digest))
			if err != nil {
				return nil, err
			}
			inner, err := l.platforms(ctx, nested, depth+1, read)
			if err != nil {
				return nil, err
			}
			list = append(list, inner...)
		} else {
			p := inventory.Platform{Digest: d.Digest, MediaType: d.MediaType, Size: d.Size, Platform: "unknown"}
			if d.Platform != nil {
				p.Platform = d.Platform.String()
			}
			list = append(list, p)
		}
		if len(list) > maxPlatforms {
			return nil, &inventory.LookError{Reason: inventory.ReasonTooMany,
				Message: fmt.Sprintf("The index lists more than %d images; that is not read.", maxPlatforms)}
		}
	}
	return list, nil
}

// inspect finds out what is attached to an image and, unless all of it was
// verified before with the same trust material, verifies it: from what was kept
// when that is still what is attached. Other keys and roots say nothing new of an
// image that nothing is attached to; an index may hold something itself.
func (l *looker) inspect(ctx context.Context, f *inventory.ImageFinding) {
	subject := inventory.Subject{
		Registry: l.peer.Name, Repository: l.work.Repository.Name, Tags: l.tags,
		Manifest: inventory.Descriptor{MediaType: f.MediaType, Digest: f.Digest, Size: f.Size},
	}
	known, ok := l.work.Images[f.Digest]
	subject.Known = known.Fingerprint
	attached := l.peer.Inspector.Discover(ctx, subject)
	l.saved.Add(int64(attached.Spared))
	if fingerprint := attached.Fingerprint(); ok && fingerprint != "" && fingerprint == known.Fingerprint {
		saved := int64(2 * len(attached.Attachments))
		if attached.List != "" {
			saved += 2
		}
		if !known.Recheck && (known.TrustRevision == l.revision || attached.Empty() && f.Kind != inventory.IndexImage) {
			f.Unchanged = true
			l.saved.Add(saved)
			return
		}
		// Should the store not answer, it will say so when the finding is stored.
		body, err := l.kept.Material(ctx, known.ID)
		if err == nil && body != nil {
			evidence, possible := l.peer.Inspector.Reverify(ctx, subject, body)
			if possible && (evidence.Fingerprint == fingerprint || evidence.Incomplete != nil) {
				f.Evidence = evidence
				l.saved.Add(saved)
				return
			}
		}
	}
	f.Evidence = l.peer.Inspector.Verify(ctx, subject, attached)
	// A failure of the look, and nothing found: there is no evidence to keep in
	// place of what an earlier look found.
	if f.Evidence.Incomplete != nil && len(f.Evidence.Signatures) == 0 {
		f.Failure = f.Evidence.Incomplete
	}
}
