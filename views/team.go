package views

import (
	"encoding/json"
	"slices"
	"strings"

	"signboard/inventory"
)

// unowned reports whether the page is that of the images without a team.
func (p TeamPage) unowned() bool { return p.Team.Name == inventory.NoTeam }

func (p TeamPage) title() string {
	if p.unowned() {
		return "No team"
	}
	return inventory.Visible(p.Team.Name)
}

// list is the list of the team's images with a status.
func (p TeamPage) list(s inventory.Status) string {
	return scopeStatusURL(inventory.Scope{Team: p.Team.Name}, s)
}

// reference is host/repository of an image as a command names it, and whether its
// registry has to be spoken to without TLS.
func (p TeamPage) reference(i inventory.Image) (reference string, plainHTTP bool) {
	address := p.Addresses[i.Registry]
	host, plainHTTP := strings.CutPrefix(address, "http://")
	if host == "" {
		return "", false
	}
	return strings.TrimPrefix(host, "https://") + "/" + i.Repository, plainHTTP
}

// ways are the commands that sign an image.
func (p TeamPage) ways(i inventory.Image) []tab {
	reference, plainHTTP := p.reference(i)
	return signWays(reference, i.Digest, plainHTTP)
}

// learn is the page of an image's reason, filled in for it.
func (p TeamPage) learn(i inventory.Image) string {
	reference, _ := p.reference(i)
	return learnURL(i.Reason, reference, firstTag(i.Tags), i.Digest)
}

// words are what an Attention says behind its count.
func (a Attention) words() string {
	_, words, _ := strings.Cut(a.Title, " ")
	return words
}

// teamNeedSays is what a team has to know of its images with a status.
func teamNeedSays(s inventory.Status) string {
	switch s {
	case inventory.Failed:
		return "Look at these first: find out how the signature came there before anybody signs again."
	case inventory.Unapproved:
		return "Signing again doesn't help: a reviewer decides about the signer, once for all of them."
	case inventory.Unverifiable:
		return "Send the public key, or name the root, to whoever runs Signboard; then they are checked again."
	case inventory.Unknown:
		return "Nothing is assumed about these. The registry's operator can help."
	case inventory.Quarantined:
		return "They are allowed nowhere until a reviewer releases them."
	}
	return ""
}

// teamLines are the lines of the configuration that give repositories, each
// "registry/repository", to a team.
func teamLines(repositories []string) string {
	var patterns []string
	for _, name := range repositories {
		pattern := name
		if registry, rest, _ := strings.Cut(name, "/"); strings.Contains(rest, "/") {
			folder, _, _ := strings.Cut(rest, "/")
			pattern = registry + "/" + folder + "/**"
		}
		if plain, err := inventory.ParseGlob(pattern); err != nil || inventory.Suspicious(pattern) || inventory.Glob(name).Wild() || slices.Contains(patterns, string(plain)) {
			continue
		}
		if patterns = append(patterns, pattern); len(patterns) == maxLines {
			break
		}
	}
	if len(patterns) == 0 {
		patterns = []string{"REGISTRY/team-a/**"}
	}
	lines := "teams:\n  - name: NAME\n    groups: [GROUP]          # of the identity provider\n    repositories:"
	for _, pattern := range patterns {
		quoted, _ := json.Marshal(pattern) // YAML reads JSON's strings
		lines += "\n      - " + string(quoted)
	}
	return lines
}

// mostOwn is how many of somebody's own teams a page leads to.
const mostOwn = 3

// maxLines is how many patterns are proposed.
const maxLines = 8

// ownTeams are the person's teams that are counted, with their coverage.
func ownTeams(f Frame, teams []inventory.TeamCounts) []inventory.TeamCounts {
	var own []inventory.TeamCounts
	for _, t := range teams {
		if slices.Contains(f.Teams, t.Team) {
			own = append(own, t)
		}
	}
	slices.SortFunc(own, func(a, b inventory.TeamCounts) int { return strings.Compare(a.Team, b.Team) })
	return own
}
