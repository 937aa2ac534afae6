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
