package hook

import (
	"encoding/json"
	"strings"
)

// artifactRegistry reads Google Artifact Registry's messages, as a Pub/Sub push
// subscription sends them: {"message":{"data":BASE64},"subscription":…}, or
// without that wrapper
// (https://cloud.google.com/artifact-registry/docs/configure-notifications,
// https://cloud.google.com/pubsub/docs/push). The topic is of a whole project,
// whose registries are in several places.
func artifactRegistry(r *reading, o object) (bool, error) {
	raw, err := json.Marshal(o)
	if err != nil {
		return false, err
	}
	if has(o, "message", "subscription") {
		var m struct {
			Data []byte `json:"data"`
		}
		if err := json.Unmarshal(o["message"], &m); err != nil {
			return true, err
		}
		raw = m.Data
	} else if !has(o, "action", "digest") && !has(o, "action", "tag") {
		return false, nil
	}
	var e struct {
		Action string `json:"action"`
		Digest string `json:"digest"`
		Tag    string `json:"tag"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return true, err
	}
	name := e.Digest
	if name == "" {
		name = e.Tag
	}
	place, path, _ := strings.Cut(name, "/")
	path, _, _ = strings.Cut(path, "@")
	path, _, _ = strings.Cut(path, ":")
	if e.Action != "INSERT" && e.Action != "DELETE" {
		return true, nil
	}
	r.add(path, e.Action == "DELETE")
	r.names[len(r.names)-1].on = func(host string) bool { return strings.EqualFold(host, place) }
	return true, nil
}
