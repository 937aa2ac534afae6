package registry

import (
	"crypto/sha256"
	"sync"

	"signboard/inventory"
)

const (
	maxRepeatBytes = 8 << 10  // of a list that is kept
	maxRepeats     = 32 << 20 // bytes of all lists
	maxETag        = 256
)

// repeats keeps short lists of referrers of registries that give them an ETag
// (RFC 9110, section 8.8.3), so that asking again costs the registry no list and
// us no reading. It begins anew when it is full: what isn't kept is read, and
// compared with what is stored of the image by its fingerprint.
type repeats struct {
	mu    sync.Mutex
	lists map[[sha256.Size]byte]unchanged
	bytes int
}

// unchanged is what an answer of 304 stands for.
type unchanged struct {
	etag string
	list []inventory.Descriptor
	size int // of the answer
}

func repeatKey(repository string, d inventory.Digest) [sha256.Size]byte {
	return sha256.Sum256([]byte(repository + "@" + string(d)))
}

func (r *repeats) of(repository string, d inventory.Digest) unchanged {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lists[repeatKey(repository, d)]
}

func (r *repeats) put(repository string, d inventory.Digest, u unchanged) {
	key := repeatKey(repository, d)
	r.mu.Lock()
	defer r.mu.Unlock()
	if before, ok := r.lists[key]; ok {
		delete(r.lists, key)
		r.bytes -= before.cost()
	}
	if u.etag == "" || len(u.etag) > maxETag || u.size > maxRepeatBytes {
		return
	}
	if r.lists == nil || r.bytes+u.cost() > maxRepeats {
		r.lists, r.bytes = map[[sha256.Size]byte]unchanged{}, 0
	}
	r.lists[key] = u
	r.bytes += u.cost()
}

// cost is about what it takes in memory, the map's own share included.
func (u unchanged) cost() int { return u.size + len(u.etag) + 256 }
