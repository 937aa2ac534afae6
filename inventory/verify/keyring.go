package verify

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"signboard/inventory"
)

// Keyring is the set of registered public keys at one moment. It never changes:
// registering a key makes another Keyring. A nil Keyring is empty. That a key
// is in it says that its signatures can be checked, not that it is trusted.
type Keyring struct {
	keys     []Key // by SPKI
	byDigest map[inventory.Digest]int
	revision int64
}

// NewKeyring takes the keys of signers; those without a public key are passed
// over. It fails on a key that can't be parsed or whose signer has the id of
// another key, since a set that silently lacks a key would turn verified images
// into unverifiable ones.
func NewKeyring(signers []inventory.Signer) (*Keyring, error) {
	r := &Keyring{byDigest: map[inventory.Digest]int{}}
	for _, s := range signers {
		if s.PublicKey == "" {
			continue
		}
		k, err := parseKey(s.Name, []byte(s.PublicKey))
		if err != nil {
			return nil, fmt.Errorf("the registered key %q: %w", s.Name, err)
		}
		if id := inventory.KeyID(k.SPKI); s.ID != "" && s.ID != id {
			return nil, fmt.Errorf("the registered key %q is kept as %s but is %s", s.Name, s.ID, id)
		}
		r.keys = append(r.keys, k)
	}
	slices.SortFunc(r.keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.SPKI, b.SPKI), cmp.Compare(a.Name, b.Name))
	})
	r.keys = slices.CompactFunc(r.keys, func(a, b Key) bool { return a.SPKI == b.SPKI })
	h := sha256.New()
	for i, k := range r.keys {
		r.byDigest[k.SPKI] = i
		fmt.Fprintf(h, "%s %q\n", k.SPKI, k.Name)
	}
	r.revision = int64(binary.BigEndian.Uint64(h.Sum(nil)) >> 1)
	return r, nil
}

// Len is the number of keys.
func (r *Keyring) Len() int {
	if r == nil {
		return 0
	}
	return len(r.keys)
}

// All yields every key, the one with the digest hint first if it is there.
func (r *Keyring) All(hint inventory.Digest) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		first, hinted := r.Find(hint)
		if hinted && !yield(first) || r == nil {
			return
		}
		for _, k := range r.keys {
			if hinted && k.SPKI == first.SPKI {
				continue
			}
			if !yield(k) {
				return
			}
		}
	}
}

// Find is the key with the digest of its SubjectPublicKeyInfo.
func (r *Keyring) Find(spki inventory.Digest) (Key, bool) {
	if r == nil {
		return Key{}, false
	}
	i, ok := r.byDigest[spki]
	if !ok {
		return Key{}, false
	}
	return r.keys[i], true
}

// Revision is the same for the same keys under the same names, in this process
// and in any other, and another one otherwise.
func (r *Keyring) Revision() int64 {
	if r == nil {
		return 0
	}
	return r.revision
}
