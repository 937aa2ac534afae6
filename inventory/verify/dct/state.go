package dct

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"signboard/inventory"
)

// state is what is remembered of one repository.
type state struct {
	Format    int            `json:"format"` // stateFormat
	FirstSeen time.Time      `json:"first_seen"`
	Root      []byte         `json:"root"`     // root.json as it was, when it was last found good
	Versions  map[string]int `json:"versions"` // the highest seen, by role
}

const stateFormat = 1

// recall reads what is remembered. What can't be read is a failure: it isn't
// the same as nothing.
func recall(body []byte) (state, error) {
	if len(body) == 0 {
		return state{}, nil
	}
	var s state
	if err := json.Unmarshal(body, &s); err != nil || s.Format != stateFormat || len(s.Root) == 0 {
		return state{}, &inventory.LookError{Reason: inventory.ReasonNotChecked,
			Message: "What was remembered of the repository's signatures can't be read.", Err: fmt.Errorf("reading TUF state: %w", err)}
	}
	return s, nil
}

func (s state) body() ([]byte, error) {
	s.Format = stateFormat
	return json.Marshal(s)
}

// after is the state once a view was found good. Versions only go up, and those
// of roles that are gone stay: a role that comes back goes on from there.
func (s state) after(v *view) state {
	next := state{FirstSeen: s.FirstSeen, Root: v.root.raw, Versions: maps.Clone(s.Versions)}
	if next.Versions == nil {
		next.Versions = map[string]int{}
	}
	seen := func(role string, version int) { next.Versions[role] = max(next.Versions[role], version) }
	seen("root", v.root.version)
	seen("timestamp", v.timestamp.version)
	seen("snapshot", v.snapshot.version)
	for _, r := range v.roles {
		if r.fault() == nil {
			seen(r.name, r.version)
		}
	}
	return next
}
