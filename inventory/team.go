package inventory

// Team owns the repositories its patterns match, as configured.
type Team struct {
	Name         string
	Groups       []string // groups of the OpenID provider
	Repositories []Glob   // over "registry/repository"
}

// Owns reports whether the team's patterns match "registry/repository".
func (t Team) Owns(repository string) bool { return MatchAny(t.Repositories, repository) }
