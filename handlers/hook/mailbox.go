package hook

import (
	"context"
	"errors"
	"sync"
	"time"

	"signboard/inventory"
)

const (
	// maxGathered is how many repositories may wait in memory to be noted.
	maxGathered = 10_000
	// noteTimeout is how long noting them may take.
	noteTimeout = 20 * time.Second
)

var errFull = errors.New("too many repositories wait to be noted")

// mailbox gathers the hints about one registry. What comes while some are being
// noted is noted together after that, each repository once: however many events
// there are, one transaction runs at a time.
type mailbox struct {
	note func(ctx context.Context, hints []inventory.Hint) error

	mu     sync.Mutex
	round  *round // gathers; nil when nothing waits
	noting bool
}

// round is hints that are noted together.
type round struct {
	deleted map[string]bool // by repository: nothing else was said of it
	done    chan struct{}
	err     error
}

// put returns once the hints have been noted, or ctx has ended; they are noted
// all the same then.
func (m *mailbox) put(ctx context.Context, hints []inventory.Hint) error {
	if len(hints) == 0 {
		return nil
	}
	m.mu.Lock()
	if m.round == nil {
		m.round = &round{deleted: map[string]bool{}, done: make(chan struct{})}
	}
	r := m.round
	if len(r.deleted)+len(hints) > maxGathered {
		m.mu.Unlock()
		return errFull
	}
	for _, h := range hints {
		was, ok := r.deleted[h.Repository]
		r.deleted[h.Repository] = h.Deleted && (was || !ok)
	}
	if !m.noting {
		m.noting = true
		go m.work()
	}
	m.mu.Unlock()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work notes one round after the other until none waits.
func (m *mailbox) work() {
	for {
		m.mu.Lock()
		r := m.round
		m.round = nil
		m.noting = r != nil
		m.mu.Unlock()
		if r == nil {
			return
		}
		hints := make([]inventory.Hint, 0, len(r.deleted))
		for name, deleted := range r.deleted {
			hints = append(hints, inventory.Hint{Repository: name, Deleted: deleted})
		}
		ctx, cancel := context.WithTimeout(context.Background(), noteTimeout)
		r.err = m.note(ctx, hints)
		cancel()
		close(r.done)
	}
}
