package hook

import "encoding/json"

// distributionEvent is what distribution, and what grew out of it, tells of one
// event (https://distribution.github.io/distribution/about/notifications/).
type distributionEvent struct {
	Action string `json:"action"`
	Target struct {
		MediaType  string `json:"mediaType"`
		Repository string `json:"repository"`
	} `json:"target"`
}

// distribution reads the envelope {"events":[…]}, and an event without one, as
// Azure Container Registry's own webhooks send it
// (https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference).
func distribution(r *reading, o object) (bool, error) {
	if has(o, "action", "target") {
		return true, r.distributionEvents(object{"target": o["target"], "action": o["action"]})
	}
	if !has(o, "events") {
		if text(o, "action") == "ping" && has(o, "id", "timestamp") { // Azure's, when a webhook is tried
			return true, nil
		}
		return false, nil
	}
	var events []object
	if err := json.Unmarshal(o["events"], &events); err != nil {
		return true, err
	}
	if len(events) > maxEvents {
		return true, errTooMany
	}
	return true, r.distributionEvents(events...)
}

// distributionEvents takes what changes the images of a repository: pulls don't,
// nor do layers, which are pushed before the manifest that names them.
func (r *reading) distributionEvents(events ...object) error {
	for _, o := range events {
		var e distributionEvent
		raw, err := json.Marshal(o)
		if err == nil {
			err = json.Unmarshal(raw, &e)
		}
		if err != nil {
			return err
		}
		switch {
		case e.Action == "delete":
			r.add(e.Target.Repository, true)
		case e.Action == "push" && e.Target.MediaType != "application/octet-stream":
			r.push(e.Target.Repository)
		}
	}
	return nil
}
