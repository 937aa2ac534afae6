package api

import (
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// Impact is what a decision would change if it counted now.
type Impact struct {
	Revision int64                   `json:"revision" doc:"The signer's, for the decision to name."`
	State    inventory.DecisionState `json:"state" doc:"The decision's, were the one who asks to make it. A proposed one changes nothing until somebody else confirms it."`
	Images   int                     `json:"images" doc:"Images in use with a verified signature of the signer: all were judged."`
	Changes  []Change                `json:"changes" doc:"The largest first."`
	ByTeam   []TeamChange            `json:"by_team" doc:"The same changes by whose images they are, the largest first; - stands for images of no team. An image of two teams is in both."`
	Teams    []string                `json:"teams" doc:"Whose images change; - stands for images of no team."`
	Examples []ChangedImage          `json:"examples" doc:"A handful of each change."`
	Basis    string                  `json:"basis" doc:"What this was worked out from, for the decision to name: then it is refused when it would change something else. Opaque."`
}

// TeamChange is a number of images of one team that go from one status to
// another.
type TeamChange struct {
	Team   string           `json:"team"`
	From   inventory.Status `json:"from"`
	To     inventory.Status `json:"to"`
	Images int              `json:"images"`
}

// Moved is what was seen of a decision that would change something else by now.
type Moved struct {
	At      time.Time    `json:"at" doc:"When it was seen."`
	Changes []Change     `json:"changes"`
	ByTeam  []TeamChange `json:"by_team"`
	Teams   []string     `json:"teams"`
}

// Change is a number of images that go from one status to another.
type Change struct {
	From        inventory.Status `json:"from"`
	To          inventory.Status `json:"to"`
	Images      int              `json:"images"`
	Quarantined int              `json:"quarantined" doc:"Of the images, those that are quarantined, and stay so."`
}

// ChangedImage is one image of a change.
type ChangedImage struct {
	Registry    string           `json:"registry"`
	Repository  string           `json:"repository" doc:"Without the registry."`
	Digest      inventory.Digest `json:"digest"`
	Tags        []string         `json:"tags"`
	Teams       []string         `json:"teams"`
	Quarantined bool             `json:"quarantined"`
	From        inventory.Status `json:"from"`
	To          inventory.Status `json:"to"`
}

// NewImpact makes the object from an impact.
func NewImpact(i inventory.Impact) Impact {
	return Impact{
		Revision: i.Revision, State: i.State, Images: i.Images, Teams: list(i.Teams, same),
		Changes: list(i.Changes, newChange), ByTeam: list(i.ByTeam, newTeamChange), Basis: i.Basis,
		Examples: list(i.Examples, func(e inventory.ChangedImage) ChangedImage {
			return ChangedImage{
				Registry: e.Image.Registry, Repository: e.Image.Repository, Digest: e.Image.Digest, Tags: list(e.Image.Tags, same),
				Teams: list(e.Image.Teams, same), Quarantined: e.Image.Quarantine != nil, From: e.From, To: e.To,
			}
		}),
	}
}

func newChange(c inventory.Change) Change {
	return Change{From: c.From, To: c.To, Images: c.Images, Quarantined: c.Held}
}

func newTeamChange(c inventory.TeamChange) TeamChange {
	return TeamChange{Team: c.Team, From: c.From, To: c.To, Images: c.Images}
}

// moved adds to a problem what was seen, and what it is now.
func (p *Problem) moved(e *decision.MovedError) {
	impact := NewImpact(e.Now)
	p.Impact = &impact
	p.Was = &Moved{
		At: e.SeenAt, Changes: list(e.Seen.Changes, newChange), ByTeam: list(e.Seen.ByTeam, newTeamChange), Teams: list(e.Seen.Teams, same),
	}
}
