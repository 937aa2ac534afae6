package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"signboard/inventory"
)

// target is one image to look at, with the tags that point at it.
type target struct {
	descriptor inventory.Descriptor
	tags       []string
	failure    *inventory.LookError // none of the tags could be resolved
}

// resolution is what a registry answered for a tag.
type resolution struct {
	tag        string
	descriptor inventory.Descriptor
	failure    *inventory.LookError
	gone       bool
}

// resolve asks what each tag points at. present are the tags that are there,
// resolved or not; problem is set when there is a tag that could not be
// resolved and no image to say it of.
func (s *Syncer) resolve(ctx context.Context, look *looker, tags []string, t *tracker) (targets []target, present []string, problem *inventory.LookError) {
	answers := make([]resolution, len(tags))
	var group errgroup.Group
	group.SetLimit(s.Images)
	for i, tag := range tags {
		group.Go(func() error {
			d, err := look.peer.Registry.Resolve(ctx, look.work.Repository.Name, tag)
			answers[i] = resolution{tag: tag, descriptor: d}
			switch {
			case errors.Is(err, inventory.ErrNotFound):
				answers[i].gone = true
			case err != nil:
				answers[i].failure = inventory.AsLookError(err)
			}
			return nil
		})
	}
	group.Wait()
	s.confirm(ctx, look, answers)

	byDigest := map[inventory.Digest]int{}
	at := func(d inventory.Descriptor) *target {
		i, ok := byDigest[d.Digest]
		if !ok {
			i = len(targets)
			byDigest[d.Digest] = i
			targets = append(targets, target{descriptor: d})
		}
		return &targets[i]
	}
	for _, a := range answers {
		if a.gone {
			t.done(look.peer.Name, look.work.Repository.Name, 1)
			continue
		}
		present = append(present, a.tag)
		if a.failure == nil {
			target := at(a.descriptor)
			target.tags = append(target.tags, a.tag)
		}
	}
	for _, a := range answers {
		if a.failure == nil {
			continue
		}
		known, ok := look.work.Tags[a.tag]
		i, looked := byDigest[known]
		if !ok || looked && targets[i].failure == nil {
			problem = a.failure // the image, if there is one, is reached through another tag
			t.done(look.peer.Name, look.work.Repository.Name, 1)
			continue
		}
		target := at(inventory.Descriptor{Digest: known})
		target.tags, target.failure = append(target.tags, a.tag), a.failure
	}
	return targets, present, problem
}

// confirm asks once more whether known tags that answered "not found" are still
// listed. One that is wasn't deleted: the registry contradicts itself, and what
// is known of the tag stays.
func (s *Syncer) confirm(ctx context.Context, look *looker, answers []resolution) {
	known := func(a resolution) bool { _, ok := look.work.Tags[a.tag]; return a.gone && ok }
	if !slices.ContainsFunc(answers, known) {
		return
	}
	again, err := look.peer.Registry.Tags(ctx, look.work.Repository.Name)
	listed := make(map[string]bool, len(again))
	for _, tag := range again {
		listed[tag] = true
	}
	for i := range answers {
		a := &answers[i]
		switch {
		case !known(*a):
		case err != nil && !errors.Is(err, inventory.ErrNotFound):
			a.gone, a.failure = false, inventory.AsLookError(err)
		case listed[a.tag]:
			a.gone, a.failure = false, &inventory.LookError{Reason: inventory.ReasonRegistryInconsistent,
				Message: fmt.Sprintf("The registry lists the tag %s of %s, and says that it doesn't have it.", a.tag, look.work.Repository.Name)}
		}
	}
}
