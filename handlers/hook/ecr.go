package hook

import (
	"encoding/json"
	"strings"
)

// ecr reads Amazon ECR's events as EventBridge sends them
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html):
// of pushes and deletions, replication and pull-through caches. A rule may send
// those of several accounts and regions; a registry is one of each.
func ecr(r *reading, o object) (bool, error) {
	if !has(o, "detail-type", "detail") {
		return false, nil
	}
	var e struct {
		Repository string `json:"repository-name"`
		Action     string `json:"action-type"`
		Result     string `json:"result"`
	}
	if err := json.Unmarshal(o["detail"], &e); err != nil {
		return true, err
	}
	switch text(o, "detail-type") {
	case "ECR Image Action", "ECR Replication Action", "ECR Pull Through Cache Action":
	default:
		return true, nil
	}
	if e.Result == "FAILURE" {
		return true, nil
	}
	account, region := text(o, "account"), text(o, "region")
	r.add(e.Repository, e.Action == "DELETE")
	r.names[len(r.names)-1].on = func(host string) bool {
		labels := strings.Split(host, ".")
		if len(labels) < 4 || !strings.HasPrefix(labels[1], "dkr") { // a name of the operator's own
			return true
		}
		for _, label := range labels[2:] {
			if label == region {
				return labels[0] == account
			}
		}
		return false
	}
	return true, nil
}
