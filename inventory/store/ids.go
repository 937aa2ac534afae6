package store

import (
	"math/rand/v2"
	"sync"
	"time"
)

// idSource makes ids that grow with time: 41 bits of milliseconds, then 22 bits
// that start anywhere in each millisecond, so that ids of several processes
// hardly ever meet; when they do, the primary key says so and the transaction
// runs again.
type idSource struct {
	mu   sync.Mutex
	last int64
}

// epoch is 2024-01-01: ids made this way last until 2093.
const epoch = 1704067200000

func (s *idSource) next(now time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := (now.UnixMilli()-epoch)<<22 | rand.Int64N(1<<21)
	if id>>22 <= s.last>>22 { // the same millisecond, or the clock went back
		id = s.last + 1
	}
	s.last = id
	return id
}

// firstID is where the ids of rows made since a moment begin.
func firstID(since time.Time) int64 { return max(0, since.UnixMilli()-epoch) << 22 }
