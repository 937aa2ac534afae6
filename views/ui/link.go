package ui

import (
	"net/url"
	"strings"

	"signboard/inventory"
)

// ImageURL is the address of an image's page. repository is
// "registry/repository".
func ImageURL(repository string, d inventory.Digest) string {
	return WithQuery("/images/"+url.PathEscape(string(d)), url.Values{"repository": {repository}})
}

// ImagesURL is the address of a list of images; cursor is empty for its first
// page.
func ImagesURL(f inventory.ImageFilter, cursor string) string {
	q := url.Values{}
	for _, kv := range filterFields(f) {
		q.Set(kv[0], kv[1])
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	return WithQuery("/images", q)
}

// filterFields are the filter's fields that narrow something, by their names in
// a query.
func filterFields(f inventory.ImageFilter) [][2]string {
	var set [][2]string
	for _, kv := range [][2]string{
		{"q", f.Q},
		{"status", string(f.Status)},
		{"registry", f.Registry},
		{"repository", string(f.Repository)},
		{"team", f.Team},
		{"signer", string(f.Signer)},
		{"format", string(f.Format)},
		{"reason", string(f.Reason)},
		{"tag", f.Tag},
	} {
		if kv[1] != "" {
			set = append(set, kv)
		}
	}
	return set
}

// WithQuery is path with a query, if there is one.
func WithQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// TeamURL is the address of a team's page, or of the images that no team owns.
func TeamURL(team string) string { return "/teams/" + url.PathEscape(team) }

// ExportURL is the address of a list as a file: its page's, with a suffix.
func ExportURL(page, suffix string) string {
	path, query, ok := strings.Cut(page, "?")
	if path += "." + suffix; ok {
		path += "?" + query
	}
	return path
}

// FilterField is one field of a filter, by its name in a query.
type FilterField struct{ Name, Value string }

// FilterFields are the fields that narrow something, in the order to show them.
func FilterFields(f inventory.ImageFilter) []FilterField {
	var fields []FilterField
	for _, kv := range filterFields(f) {
		fields = append(fields, FilterField{kv[0], kv[1]})
	}
	return fields
}

// SetFilter is the filter with one field changed; an empty value widens it.
func SetFilter(f inventory.ImageFilter, name, value string) inventory.ImageFilter {
	switch name {
	case "q":
		f.Q = value
	case "status":
		f.Status = inventory.Status(value)
	case "registry":
		f.Registry = value
	case "repository":
		f.Repository = inventory.Glob(value)
	case "team":
		f.Team = value
	case "signer":
		f.Signer = inventory.SignerID(value)
	case "format":
		f.Format = inventory.Format(value)
	case "reason":
		f.Reason = inventory.Reason(value)
	case "tag":
		f.Tag = value
	}
	return f
}
