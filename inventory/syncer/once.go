package syncer

import (
	"context"
	"fmt"
	"strings"

	"signboard/inventory"
)

// Once looks at one image now, as a sync would, and stores nothing and claims
// nothing: the findings are of the image itself and then, when it is an index,
// of each image it lists, with the verdicts that the decisions of this moment
// give. What is known from before isn't used. reference is a tag or a digest.
//
// An image that could not be looked at is a finding with a Failure, as in a
// sync; only when it isn't even known which image the reference means, its
// digest is empty. The error is the store's.
func (s *Syncer) Once(ctx context.Context, registry, repository, reference string) ([]inventory.ImageFinding, error) {
	peer := s.peer(registry)
	if peer == nil {
		return nil, inventory.Errorf(inventory.NotFound, "There is no registry called %q.", inventory.Visible(registry))
	}
	if peer.Refresh != nil {
		if err := peer.Refresh(ctx); err != nil {
			return nil, err
		}
	}
	work := &inventory.RepositoryWork{Repository: inventory.Repository{Registry: registry, Name: repository}}
	findings := once(ctx, &looker{peer: *peer, work: work, revision: peer.Inspector.TrustRevision()}, reference)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // our own stopping is no finding
	}
	return findings, s.judge(ctx, work.Repository, findings)
}

func once(ctx context.Context, l *looker, reference string) []inventory.ImageFinding {
	t := target{descriptor: inventory.Descriptor{Digest: inventory.Digest(reference)}}
	if !strings.Contains(reference, ":") { // tags have none, digests do
		t.tags = []string{reference}
		var err error
		t.descriptor, err = l.peer.Registry.Resolve(ctx, l.work.Repository.Name, reference)
		if err != nil {
			return []inventory.ImageFinding{{Tags: t.tags, Failure: inventory.AsLookError(err)}}
		}
	}
	findings, doubt := l.image(ctx, t)
	if doubt != nil {
		return []inventory.ImageFinding{{Digest: t.descriptor.Digest, Tags: t.tags, Failure: doubt}}
	}
	if len(findings) == 0 {
		return []inventory.ImageFinding{{Digest: t.descriptor.Digest, Tags: t.tags, Failure: inventory.AsLookError(
			fmt.Errorf("looking at %s in %s found nothing", t.descriptor.Digest, l.work.Repository.FullName()))}}
	}
	return findings
}

// Resolve asks a registry what a tag points at now. A tag that can't be resolved
// is a LookError.
func (s *Syncer) Resolve(ctx context.Context, registry, repository, tag string) (inventory.Digest, error) {
	peer := s.peer(registry)
	if peer == nil {
		return "", inventory.Errorf(inventory.NotFound, "There is no registry called %q.", inventory.Visible(registry))
	}
	d, err := peer.Registry.Resolve(ctx, repository, tag)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", inventory.AsLookError(err)
	}
	return d.Digest, nil
}

// Alone is Once for a digest, and doesn't look at the images that an index lists:
// it says which those are, and what is attached to the digest itself.
func (s *Syncer) Alone(ctx context.Context, registry, repository string, digest inventory.Digest) (inventory.ImageFinding, error) {
	peer := s.peer(registry)
	if peer == nil {
		return inventory.ImageFinding{}, inventory.Errorf(inventory.NotFound, "There is no registry called %q.", inventory.Visible(registry))
	}
	if err := refresh(ctx, *peer); err != nil {
		return inventory.ImageFinding{}, err
	}
	work := &inventory.RepositoryWork{Repository: inventory.Repository{Registry: registry, Name: repository}}
	l := &looker{peer: *peer, work: work, revision: peer.Inspector.TrustRevision()}
	f := inventory.ImageFinding{Digest: digest, TrustRevision: l.revision}
	if m, err := peer.Registry.Manifest(ctx, repository, string(digest)); err != nil {
		f.Failure = inventory.AsLookError(err)
	} else {
		f.Kind, f.MediaType, f.Size = m.Kind(), m.MediaType, int64(len(m.Raw))
		if m.Index() {
			f.Platforms, err = l.platforms(ctx, m, 1, map[inventory.Digest]bool{})
		}
		if err != nil {
			f.Failure = inventory.AsLookError(err)
		} else {
			l.inspect(ctx, &f)
		}
	}
	if ctx.Err() != nil {
		return inventory.ImageFinding{}, context.Cause(ctx) // our own stopping is no finding
	}
	findings := []inventory.ImageFinding{f}
	err := s.judge(ctx, work.Repository, findings)
	return findings[0], err
}

// TrustRevision is the revision of the keys and roots that images of a registry
// are verified with now. An image that was verified with another one has to be
// looked at again.
func (s *Syncer) TrustRevision(ctx context.Context, registry string) (int64, error) {
	peer := s.peer(registry)
	if peer == nil {
		return 0, inventory.Errorf(inventory.NotFound, "There is no registry called %q.", inventory.Visible(registry))
	}
	if err := refresh(ctx, *peer); err != nil {
		return 0, err
	}
	return peer.Inspector.TrustRevision(), nil
}
