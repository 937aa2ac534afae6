package hook

import (
	"encoding/json"
	"strings"
)

// dockerHub reads Docker Hub's webhooks:
// {"push_data":{…},"repository":{"repo_name":…},"callback_url":…}
// (https://docs.docker.com/docker-hub/repos/manage/webhooks/). The callback is
// nobody's to call but Docker Hub's own.
func dockerHub(r *reading, o object) (bool, error) {
	if !has(o, "push_data", "repository") {
		return false, nil
	}
	var repository struct {
		Name string `json:"repo_name"`
	}
	if err := json.Unmarshal(o["repository"], &repository); err != nil {
		return true, err
	}
	if !strings.Contains(repository.Name, "/") { // an official image, as the registry names it
		repository.Name = "library/" + repository.Name
	}
	r.push(repository.Name)
	return true, nil
}
