package hook

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// cloudEvent reads CloudEvents in structured mode (CloudEvents 1.0, JSON event
// format, section 3; HTTP protocol binding, section 3.2). In binary mode the type
// is in a header and the body is the data (section 3.1).
func cloudEvent(r *reading, o object) (bool, error) {
	if !has(o, "specversion", "type") {
		return false, nil
	}
	data := o["data"]
	if encoded, ok := o["data_base64"]; ok {
		var s string
		if err := json.Unmarshal(encoded, &s); err != nil {
			return true, err
		}
		var err error
		if data, err = base64.StdEncoding.DecodeString(s); err != nil {
			return true, err
		}
	}
	return true, r.cloudEvent(text(o, "type"), data)
}

// cloudEvent reads the data of a CloudEvent by its type.
func (r *reading) cloudEvent(kind string, data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil { // JSON inside a string, where the sender took it for text
		data = []byte(s)
	}
	switch {
	case strings.HasPrefix(kind, "harbor."):
		return r.harborEvent(kind, data)
	case strings.HasPrefix(kind, azureRegistry):
		return r.azureEvent(data)
	case strings.Contains(kind, ".image.") || strings.Contains(kind, ".repository."):
		return r.zotEvent(kind, data)
	}
	return fmt.Errorf("%w: a CloudEvent of another type", errUnknown)
}
