package hook

import (
	"encoding/json"
	"strings"
)

// zotEvent reads what zot's events extension sends: CloudEvents in binary mode,
// of the types PREFIX.image.updated, .image.deleted, .image.lint_failed,
// .image.scanned and .repository.created, where PREFIX is zotregistry unless
// typePrefix says otherwise
// (https://zotregistry.dev/latest/articles/events/).
func (r *reading) zotEvent(kind string, data []byte) error {
	var event struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(data, &event); err != nil {
		return err
	}
	switch {
	case strings.HasSuffix(kind, ".image.deleted"):
		r.add(event.Name, true)
	case strings.HasSuffix(kind, ".image.updated"), strings.HasSuffix(kind, ".repository.created"):
		r.push(event.Name)
	}
	return nil
}
