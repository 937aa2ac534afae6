package hook

import (
	"encoding/json"
	"regexp"
)

const azureRegistry = "Microsoft.ContainerRegistry."

// eventGrid reads Azure Event Grid's own schema, which comes as an array
// (https://learn.microsoft.com/azure/event-grid/event-schema-container-registry),
// and its handshake: before it sends events it wants a code back
// (https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema).
// The address that it offers for the same is never called.
func eventGrid(r *reading, o object) (bool, error) {
	if !has(o, "eventType", "data") {
		return false, nil
	}
	kind := text(o, "eventType")
	if kind == "Microsoft.EventGrid.SubscriptionValidationEvent" {
		var data struct {
			Code string `json:"validationCode"`
		}
		err := json.Unmarshal(o["data"], &data)
		if validationCode.MatchString(data.Code) {
			r.shake = data.Code
		}
		return true, err
	}
	if len(kind) < len(azureRegistry) || kind[:len(azureRegistry)] != azureRegistry {
		return true, errUnknown
	}
	return true, r.azureEvent(o["data"])
}

var validationCode = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)

// azureEvent reads what is inside: an event of distribution.
func (r *reading) azureEvent(data []byte) error {
	var o object
	if err := json.Unmarshal(data, &o); err != nil {
		return err
	}
	return r.distributionEvents(o)
}
