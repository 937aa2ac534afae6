package ui

import (
	"strings"

	"signboard/inventory"
)

// findPlaces are the pages whose name holds q, all of them for nothing.
func findPlaces(q string) []place {
	var found []place
	for _, p := range append(places[:len(places):len(places)], place{"/trust", "Roots of trust"}, place{"/help", "Keys and help"}) {
		if strings.Contains(strings.ToLower(p.Word), strings.ToLower(strings.TrimSpace(q))) {
			found = append(found, p)
		}
	}
	return found
}

// roleMeaning says what a role may do.
func roleMeaning(r inventory.Role) string {
	switch r {
	case inventory.Viewer:
		return "You can see everything and change nothing."
	case inventory.Reviewer:
		return "You can decide about signers and quarantine images."
	case inventory.Admin:
		return "You can decide about signers, quarantine images and manage tokens."
	}
	return ""
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// FindsPages reports whether one of the product's own pages is called so.
func FindsPages(q string) bool { return len(findPlaces(q)) > 0 }
