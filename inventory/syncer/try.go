package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"signboard/inventory"
)

// tryTime is how long trying a registry may take in all.
const tryTime = 10 * time.Second

// Try asks a registry what its credentials let us do: whether it answers,
// whether it lists its repositories, and whether it shows the tags of one. It
// stores nothing and takes 10 seconds at most. What the registry refuses is a
// step that failed; the error is for a registry that isn't configured, or the
// store's.
func (s *Syncer) Try(ctx context.Context, registry string) ([]inventory.Step, error) {
	peer := s.peer(registry)
	if peer == nil {
		return nil, inventory.Errorf(inventory.NotFound, "There is no registry called %q.", inventory.Visible(registry))
	}
	known, err := s.store.KnownRepository(ctx, registry)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()

	var steps []inventory.Step
	if peer.Ping != nil {
		steps = append(steps, step("Answers", peer.Ping(ctx), "The registry answers."))
	}
	if len(steps) > 0 && steps[0].Result != inventory.Pass {
		return append(steps,
			inventory.Step{Name: "Lists repositories", Result: inventory.Skip, Message: "Not tried, since the registry doesn't answer as one."},
			inventory.Step{Name: "Shows tags", Result: inventory.Skip, Message: "Not tried, since the registry doesn't answer as one."}), nil
	}

	var listed []string
	enough := errors.New("one page is enough")
	err = peer.Registry.Repositories(ctx, func(names []string) error {
		if listed = names; len(names) == 0 {
			return nil
		}
		return enough
	})
	switch {
	case err != nil && !errors.Is(err, enough):
		steps = append(steps, step("Lists repositories", err, ""))
	case !peer.Listed:
		steps = append(steps, inventory.Step{Name: "Lists repositories", Result: inventory.Skip, Message: "Not needed: the configuration names the repositories."})
	case len(listed) == 0:
		steps = append(steps, inventory.Step{Name: "Lists repositories", Result: inventory.Fail,
			Message: "The registry lists no repository that the configuration asks for. Credentials without the right to list see an empty registry."})
	default:
		steps = append(steps, inventory.Step{Name: "Lists repositories", Result: inventory.Pass, Message: "The registry lists its repositories."})
	}

	if known == "" && len(listed) > 0 {
		known = listed[0]
	}
	if known == "" {
		return append(steps, inventory.Step{Name: "Shows tags", Result: inventory.Skip, Message: "Not tried, since no repository is known."}), nil
	}
	tags, err := peer.Registry.Tags(ctx, known)
	shows := fmt.Sprintf("%s shows %d tags.", known, len(tags))
	if len(tags) == 1 {
		shows = known + " shows 1 tag."
	}
	return append(steps, step("Shows tags", err, shows)), nil
}

// step is what came of a request.
func step(name string, err error, well string) inventory.Step {
	if err == nil {
		return inventory.Step{Name: name, Result: inventory.Pass, Message: well}
	}
	failure := inventory.AsLookError(err)
	result := inventory.Fail
	if errors.Is(err, context.DeadlineExceeded) {
		result = inventory.Errored
	}
	return inventory.Step{Name: name, Result: result, Message: failure.Message}
}

// peer is a registry by its name, nil when it isn't configured.
func (s *Syncer) peer(name string) *Peer {
	for i := range s.peers {
		if s.peers[i].Name == name {
			return &s.peers[i]
		}
	}
	return nil
}
