package session

import (
	"encoding/json"
	"fmt"
	"time"
)

// codec writes a session as JSON with its keys in order, so that a session that
// says the same is the same bytes and needn't be stored again. All values are
// strings.
type codec struct{}

type record struct {
	Deadline time.Time         `json:"deadline"`
	Values   map[string]string `json:"values"`
}

func (codec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	r := record{Deadline: deadline, Values: make(map[string]string, len(values))}
	for key, v := range values {
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("session: %s is a %T, not text", key, v)
		}
		r.Values[key] = s
	}
	return json.Marshal(r)
}

func (codec) Decode(b []byte) (time.Time, map[string]any, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return time.Time{}, nil, fmt.Errorf("session: %w", err)
	}
	values := make(map[string]any, len(r.Values))
	for key, v := range r.Values {
		values[key] = v
	}
	return r.Deadline, values, nil
}
