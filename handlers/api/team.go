package api

import "signboard/inventory"

// Team is the coverage of one team's images; an image that two teams own counts
// for both.
type Team struct {
	Name        string         `json:"name" doc:"- for the images that no team owns."`
	Images      int            `json:"images"`
	ByStatus    map[string]int `json:"by_status" doc:"Images by status; every status is there."`
	Quarantined int            `json:"quarantined" doc:"Images that a quarantine holds; they are counted in their own status too."`
	Stale       int            `json:"stale" doc:"Images of which something older than it should be is shown."`
}

// NewTeam makes the object from what was counted.
func NewTeam(t inventory.TeamCounts) Team {
	made := Team{Name: t.Team, Images: t.Counts.Images, ByStatus: map[string]int{}, Quarantined: t.Counts.Quarantined, Stale: t.Counts.Stale}
	for _, status := range inventory.Statuses {
		made.ByStatus[string(status)] = t.Counts.Of(status)
	}
	return made
}
