package session

import (
	"encoding/json"
	"slices"
	"strings"

	"signboard/inventory"
)

// claims are what a token or the userinfo endpoint says about a person.
type claims map[string]json.RawMessage

// find looks a claim up: by its exact name first, since a name may hold dots as
// https://example.com/groups does, and then as a path into nested claims, as
// realm_access.roles is one.
func (c claims) find(path string) (json.RawMessage, bool) {
	if v, ok := c[path]; ok {
		return v, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		var inner claims
		if v, ok := c[path[:i]]; ok && json.Unmarshal(v, &inner) == nil {
			if v, ok := inner.find(path[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// text is the first of the claims that is a text which isn't empty.
func (c claims) text(names ...string) string {
	for _, name := range names {
		var v string
		if json.Unmarshal(c[name], &v) == nil && strings.TrimSpace(v) != "" {
			return clip(v)
		}
	}
	return ""
}

// left reports whether the provider left a claim out and named another place to
// ask for it instead (OpenID Connect Core 1.0, section 5.6.2): Entra ID does so
// with the groups of somebody who has more than 200.
func (c claims) left(path string) bool {
	var names map[string]json.RawMessage
	_ = json.Unmarshal(c["_claim_names"], &names) // none, or none that can be read
	if _, ok := names[path]; ok {
		return true
	}
	first, _, _ := strings.Cut(path, ".")
	_, ok := names[first]
	var has bool
	return ok || path == "groups" && json.Unmarshal(c["hasgroups"], &has) == nil && has
}

// maxGroups is how many groups a session remembers.
const maxGroups = 1000

// groups reads a claim that is a list of names or a single one. What isn't a
// name is passed over. Of more than maxGroups, those that give a role stay.
func (o OIDC) groups(claim json.RawMessage) []string {
	var one string
	if json.Unmarshal(claim, &one) == nil {
		if one == "" {
			return nil
		}
		return []string{one}
	}
	var list []json.RawMessage
	_ = json.Unmarshal(claim, &list) // no list is no groups
	var names []string
	for _, raw := range list {
		var name string
		if json.Unmarshal(raw, &name) == nil && name != "" {
			names = append(names, name)
		}
	}
	if len(names) > maxGroups {
		slices.SortStableFunc(names, func(a, b string) int { return o.weight(a) - o.weight(b) })
		names = names[:maxGroups]
	}
	return names
}

// weight sorts groups that give a role before others.
func (o OIDC) weight(group string) int {
	for _, groups := range o.Roles {
		if slices.Contains(groups, group) {
			return 0
		}
	}
	return 1
}

// role is the highest role that one of the groups gives, and the group: "*" is
// everybody who can sign in.
func (o OIDC) role(groups []string) (inventory.Role, string) {
	for _, role := range []inventory.Role{inventory.Admin, inventory.Reviewer, inventory.Viewer} {
		by := ""
		for _, g := range o.Roles[role] {
			if g != "*" && slices.Contains(groups, g) {
				return role, g
			}
			if g == "*" {
				by = g
			}
		}
		if by != "" {
			return role, by
		}
	}
	return inventory.Nobody, ""
}

func clip(s string) string {
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
