package hook

import (
	"encoding/json"
	"strings"
)

type harborData struct {
	Repository struct {
		FullName string `json:"repo_full_name"`
	} `json:"repository"`
}

// harbor reads Harbor's payloads in its default format:
// {"type":"PUSH_ARTIFACT","event_data":{"repository":{"repo_full_name":…}}}
// (https://goharbor.io/docs/latest/working-with-projects/project-configuration/configure-webhooks/).
// Events of quotas, scans and replications name no repository to look at.
func harbor(r *reading, o object) (bool, error) {
	if !has(o, "type", "event_data") {
		return false, nil
	}
	return true, r.harborEvent(strings.ToLower(text(o, "type")), o["event_data"])
}

// harborEvent reads what both formats share. The type is push_artifact in one,
// and harbor.artifact.pushed in the other.
func (r *reading) harborEvent(kind string, raw []byte) error {
	var data harborData
	if err := json.Unmarshal(raw, &data); err != nil {
		return err
	}
	switch kind {
	case "push_artifact", "harbor.artifact.pushed":
		r.push(data.Repository.FullName)
	case "delete_artifact", "harbor.artifact.deleted":
		r.add(data.Repository.FullName, true)
	}
	return nil
}
