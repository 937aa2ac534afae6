package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signboard/inventory"
)

// Summary counts images and signers.
type Summary struct {
	Images      int            `json:"images"`
	ByStatus    map[string]int `json:"by_status" doc:"Images by status; every status is there."`
	Quarantined int            `json:"quarantined" doc:"Images that a quarantine holds; they are counted in their own status too."`
	Signers     map[string]int `json:"signers" doc:"Signers by standing, of all teams; every standing is there."`
	Stale       int            `json:"stale" doc:"Images of which something older than it should be is shown."`
	// Reevaluating may lag a second.
	Reevaluating int        `json:"reevaluating" doc:"Images that are still to be judged again after a decision, or after an approval ran out: counts and lists by status don't show them as they are yet. Each image by itself does."`
	LastSync     *time.Time `json:"last_sync" doc:"When a sync last read all of a registry; null before the first."`
}

// NewSummary makes the object from what was counted.
func NewSummary(c inventory.Counts, standings map[inventory.Standing]int, lastSync *time.Time) Summary {
	made := Summary{
		Images: c.Images, Quarantined: c.Quarantined, Stale: c.Stale, LastSync: utc(lastSync),
		ByStatus: map[string]int{}, Signers: map[string]int{},
	}
	for _, status := range inventory.Statuses {
		made.ByStatus[string(status)] = c.Of(status)
	}
	for _, standing := range inventory.Standings {
		made.Signers[string(standing)] = standings[standing]
	}
	return made
}

// CountStore counts images and signers.
type CountStore interface {
	Counts(ctx context.Context, s inventory.Scope) (inventory.Counts, error)
	Standings(ctx context.Context, now time.Time) (map[inventory.Standing]int, error)
	Reevaluation(ctx context.Context, now time.Time) (inventory.Reevaluation, error)
}

// summary adds the calls that count.
func (s *surface) summary() {
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/summary", OperationID: "summary", Tags: []string{"Summary"},
		Summary:     "Count images by status and signers by standing",
		Description: "How much is trusted, of all images or of one team's. A team that isn't known is refused.",
	}, s.count)
}

func (s *surface) count(ctx context.Context, in *struct {
	Team string `query:"team" doc:"A team's name, or - for images that no team's patterns match; nothing for all images."`
}) (*answer[Summary], error) {
	if err := (inventory.ImageFilter{Team: in.Team}).Configured(s.Teams, nil); err != nil {
		return nil, err
	}
	counts, err := s.Counts.Counts(ctx, inventory.Scope{Team: in.Team})
	if err != nil {
		return nil, err
	}
	standings, err := s.Counts.Standings(ctx, s.Clock().UTC())
	if err != nil {
		return nil, err
	}
	registries, err := s.Registries.Registries(ctx)
	if err != nil {
		return nil, err
	}
	left, err := s.Counts.Reevaluation(ctx, s.Clock().UTC())
	if err != nil {
		return nil, err
	}
	made := NewSummary(counts, standings, inventory.LastSync(registries))
	made.Reevaluating = left.Images
	return &answer[Summary]{made}, nil
}
