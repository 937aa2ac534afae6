package hook

import (
	"encoding/json"
	"strings"
)

// ghcr reads GitHub's package and registry_package events
// (https://docs.github.com/en/webhooks/webhook-events-and-payloads#package). The
// registry's names are in lower case, whatever case the owner's login has.
func ghcr(r *reading, o object) (bool, error) {
	raw, ok := o["package"]
	if !ok {
		raw, ok = o["registry_package"]
	}
	if !ok || !has(o, "action") {
		return false, nil
	}
	var p struct {
		Name  string `json:"name"`
		Type  string `json:"package_type"`
		Owner struct {
			Login string `json:"login"`
		} `json:"owner"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return true, err
	}
	if strings.EqualFold(p.Type, "container") || strings.EqualFold(p.Type, "docker") {
		r.push(strings.ToLower(p.Owner.Login + "/" + p.Name))
	}
	return true, nil
}
