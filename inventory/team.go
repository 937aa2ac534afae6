package inventory

import "slices"

// Team owns the repositories its patterns match, as configured.
type Team struct {
	Name         string
	Groups       []string // groups of the OpenID provider
	Repositories []Glob   // over "registry/repository"
}

// Owns reports whether the team's patterns match "registry/repository".
func (t Team) Owns(repository string) bool { return MatchAny(t.Repositories, repository) }

// Has reports whether somebody with the groups belongs to the team.
func (t Team) Has(groups []string) bool {
	return slices.ContainsFunc(t.Groups, func(g string) bool { return slices.Contains(groups, g) })
}

// TeamsOf are the names of the teams that somebody with the groups belongs to, in
// order.
func TeamsOf(teams []Team, groups []string) []string {
	var names []string
	for _, t := range teams {
		if t.Has(groups) {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return names
}
