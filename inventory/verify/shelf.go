package verify

import (
	"sync"

	"signboard/inventory"
)

// shelf holds the manifests of companion tags between Discover, which has to
// read them to know their digest, and Verify, which would otherwise ask again.
// Content goes by digest, so what lies here can't be out of date.
type shelf struct {
	mu    sync.Mutex
	items []shelved // oldest first
	bytes int
}

type shelved struct {
	repository string
	manifest   inventory.Manifest
}

const (
	shelfItems = 512
	shelfBytes = 16 << 20
)

func (s *shelf) put(repository string, m inventory.Manifest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items = append(s.items, shelved{repository, m})
	s.bytes += len(m.Raw)
	for len(s.items) > shelfItems || s.bytes > shelfBytes {
		s.remove(0)
	}
}

// take hands a manifest out once.
func (s *shelf) take(repository string, d inventory.Digest) (inventory.Manifest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.items {
		if m := s.items[i].manifest; m.Digest == d && s.items[i].repository == repository {
			s.remove(i)
			return m, true
		}
	}
	return inventory.Manifest{}, false
}

func (s *shelf) remove(i int) {
	s.bytes -= len(s.items[i].manifest.Raw)
	s.items[i] = shelved{}
	s.items = append(s.items[:i], s.items[i+1:]...)
}
