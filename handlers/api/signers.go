package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signboard/inventory"
)

// SignerStore is what the calls about signers read.
type SignerStore interface {
	Signers(ctx context.Context, f inventory.SignerFilter, p inventory.Page, now time.Time) ([]inventory.Signer, string, error)
	Signer(ctx context.Context, id inventory.SignerID, now time.Time) (inventory.Signer, error)
	SignerTeams(ctx context.Context, id inventory.SignerID) ([]string, error)
}

// signers adds the calls that read signers.
func (s *surface) signers() {
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/signers", OperationID: "list-signers", Tags: []string{"Signers"},
		Summary:     "List signers",
		Description: "Whoever signs, and registered keys: those with the most images waiting for a decision first.",
	}, s.listSigners)
	s.only("/signers", "standing", anys(inventory.Standings))
	s.only("/signers", "kind", anys(inventory.SignerKinds))
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/signers/{id}", OperationID: "show-signer", Tags: []string{"Signers"},
		Summary:     "Show a signer with the decisions about it",
		Description: "One signer, the teams whose images it signs, and what people decided about it.",
	}, s.showSigner, http.StatusNotFound)
}

func (s *surface) listSigners(ctx context.Context, in *struct {
	Standing string `query:"standing" doc:"What people decided; nothing for signers of every standing."`
	Kind     string `query:"kind" doc:"What kind of identity signs."`
	Team     string `query:"team" doc:"Those that signed images of a team."`
	Unusual  string `query:"unusual" doc:"true for those about which something wants a closer look: see oddities."`
	Expiring string `query:"expiring" doc:"Those of which an approval ends within so many days, the soonest first; only an approval can end." example:"30d"`
	Paging
}) (*answer[List[Signer]], error) {
	filter, err := inventory.ParseSignerFilter(url.Values{"standing": {in.Standing}, "kind": {in.Kind}, "team": {in.Team}, "unusual": {in.Unusual}, "expiring": {in.Expiring}})
	if err == nil {
		err = filter.Configured(s.Teams)
	}
	if err != nil {
		return nil, err
	}
	page, err := in.page("signers")
	if err != nil {
		return nil, err
	}
	found, next, err := s.Signers.Signers(ctx, filter, page, s.Clock().UTC())
	if err != nil {
		return nil, err
	}
	return listed("signers", found, next, NewSigner), nil
}

// SignerID is the id of a signer in an address.
type SignerID struct {
	ID string `path:"id" maxLength:"4000" doc:"The signer's id, percent-encoded: it may hold slashes." example:"keyless:https://token.actions.githubusercontent.com|https://github.com/org/app/.github/workflows/release.yml@refs/heads/main"`
}

func (s *surface) showSigner(ctx context.Context, in *struct{ SignerID }) (*answer[SignerDetail], error) {
	now := s.Clock().UTC()
	signer, err := s.Signers.Signer(ctx, inventory.SignerID(in.ID), now)
	if err != nil {
		return nil, err
	}
	teams, err := s.Signers.SignerTeams(ctx, signer.ID)
	if err != nil {
		return nil, err
	}
	return &answer[SignerDetail]{NewSignerDetail(signer, teams, now)}, nil
}
