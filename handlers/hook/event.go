package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"signboard/inventory"
)

// maxEvents is how many events one request may hold.
const maxEvents = 1000

var (
	errTooMany = fmt.Errorf("more than %d events at once", maxEvents)
	errUnknown = errors.New("this isn't an event of a registry that is known here")
)

// named is a repository that an event names.
type named struct {
	inventory.Hint
	// on says whether a registry is the one that is meant; nil where a source
	// speaks of one registry only.
	on func(host string) bool
}

// reading is what a request came to.
type reading struct {
	names []named
	// shake is the code of a source that wants to see it again before it sends
	// events.
	shake string
}

func (r *reading) push(repository string) { r.add(repository, false) }

func (r *reading) add(repository string, deleted bool) {
	r.names = append(r.names, named{Hint: inventory.Hint{Repository: repository, Deleted: deleted}})
}

// object is a JSON object of which only the keys are looked at yet.
type object = map[string]json.RawMessage

// sources recognise their payloads by their keys. Each answers false to what
// isn't its own, and an error to its own that can't be read.
var sources = []func(r *reading, o object) (bool, error){
	cloudEvent, eventGrid, distribution, harbor, quay, dockerHub, ghcr, ecr, artifactRegistry,
}

// read finds the repositories that a request names.
func read(header http.Header, body []byte) (*reading, error) {
	r := &reading{}
	if kind := header.Get("X-GitHub-Event"); kind != "" && kind != "package" && kind != "registry_package" {
		return r, nil // a ping, or more than was asked for
	}
	if kind := header.Get("Ce-Type"); kind != "" && header.Get("Ce-Specversion") != "" {
		return r, r.cloudEvent(kind, body)
	}
	var objects []json.RawMessage
	if err := json.Unmarshal(body, &objects); err != nil { // it isn't an array
		objects = []json.RawMessage{body}
	}
	if len(objects) > maxEvents {
		return nil, errTooMany
	}
	if len(objects) == 0 {
		return nil, errUnknown
	}
	for _, raw := range objects {
		if err := r.object(raw); err != nil {
			return nil, err
		}
		if len(r.names) > maxEvents {
			return nil, errTooMany
		}
	}
	return r, nil
}

func (r *reading) object(raw json.RawMessage) error {
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		return err
	}
	for _, source := range sources {
		if its, err := source(r, o); its || err != nil {
			return err
		}
	}
	return errUnknown
}

// text is a key's string, empty when it is none.
func text(o object, key string) (s string) {
	if json.Unmarshal(o[key], &s) != nil {
		return ""
	}
	return s
}

// has reports whether all of the keys are there.
func has(o object, keys ...string) bool {
	for _, k := range keys {
		if _, ok := o[k]; !ok {
			return false
		}
	}
	return true
}
