package sigstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"signboard/inventory"
)

// held is what is kept of a TUF repository: the trusted root, and the metadata
// that it and everything older has to be measured against (TUF specification,
// sections 5.3 to 5.5). It lies on the Shelf as JSON.
type held struct {
	Version     int              `json:"version"`          // heldVersion
	Repository  string           `json:"repository"`       // its address
	Anchor      inventory.Digest `json:"anchor,omitempty"` // of the root metadata it was begun with; empty for sigstore-go's
	TrustedRoot []byte           `json:"trusted_root"`
	Root        json.RawMessage  `json:"root"`
	Timestamp   json.RawMessage  `json:"timestamp"`
	Snapshot    json.RawMessage  `json:"snapshot"`
	RootVersion int64            `json:"root_version"`
	Expires     time.Time        `json:"expires"` // when the first of the metadata runs out
}

const heldVersion = 1

// anchor tells roots of trust apart that were begun with different metadata.
// sigstore-go's is one of a line, so a newer release of it changes nothing.
func (s Source) anchor() inventory.Digest {
	if len(s.TUFRoot) == 0 {
		return ""
	}
	return inventory.DigestOf(s.TUFRoot)
}

func (h *held) pack() []byte {
	raw, err := json.Marshal(h)
	if err != nil {
		panic(err) // strings, bytes and JSON that was read before
	}
	return raw
}

// unpack reads what pack wrote, and refuses what isn't of this source: the
// configuration may have come to mean another instance by the name.
func unpack(s Source, raw []byte) (*held, *Domain, error) {
	h := new(held)
	if err := json.Unmarshal(raw, h); err != nil {
		return nil, nil, fmt.Errorf("reading the copy of %s: %w", s.Name, err)
	}
	switch {
	case h.Version != heldVersion:
		return nil, nil, fmt.Errorf("the copy of %s is of version %d, another program's", s.Name, h.Version)
	case h.Repository != s.TUF || h.Anchor != s.anchor():
		return nil, nil, fmt.Errorf("the copy of %s is of %s, begun with other root metadata or from elsewhere", s.Name, h.Repository)
	}
	_, rootErr := metadata.Root().FromBytes(h.Root)
	_, timestampErr := metadata.Timestamp().FromBytes(h.Timestamp)
	_, snapshotErr := metadata.Snapshot().FromBytes(h.Snapshot)
	if err := errors.Join(rootErr, timestampErr, snapshotErr); err != nil {
		return nil, nil, fmt.Errorf("reading the copy of %s: %w", s.Name, err)
	}
	domain, err := parse(s.Name, h.TrustedRoot)
	return h, domain, err
}
