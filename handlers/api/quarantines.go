package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// QuarantineStore is what the calls about quarantines read. standing chooses
// those that hold now, or those that are over; both newest first.
type QuarantineStore interface {
	Quarantines(ctx context.Context, standing bool, p inventory.Page, now time.Time) ([]inventory.Quarantine, string, error)
	// Quarantine is one of them, or fails with NotFound.
	Quarantine(ctx context.Context, id string) (inventory.Quarantine, error)
}

// quarantines adds the calls that read quarantines.
func (s *surface) quarantines() {
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/quarantines", OperationID: "list-quarantines", Tags: []string{"Quarantines"},
		Summary:     "List quarantines",
		Description: "First those that stand now, then those that were released or ran out; each the newest first.",
	}, s.listQuarantines)
}

const standing, over = "standing", "over"

func (s *surface) listQuarantines(ctx context.Context, in *struct {
	State string `query:"state" enum:"standing,over" doc:"Those that stand now, or those that are over; nothing for both."`
	Paging
}) (*answer[List[Quarantine]], error) {
	page, err := in.page("quarantines")
	if err != nil {
		return nil, err
	}
	// The two lists of the store are one here, and the cursor says which of them it
	// is of.
	which := in.State
	if page.Cursor != "" {
		state, rest, ok := strings.Cut(page.Cursor, " ")
		if !ok || rest == "" && state != over || state != standing && state != over || which != "" && which != state {
			return nil, errCursor
		}
		which, page.Cursor = state, rest
	}
	now := s.Clock().UTC()
	var found []inventory.Quarantine
	next := ""
	if which != over {
		if found, next, err = s.Quarantines.Quarantines(ctx, true, page, now); err != nil {
			return nil, err
		}
		if next != "" {
			return listed("quarantines", found, standing+" "+next, NewQuarantine), nil
		}
	}
	if in.State == standing {
		return listed("quarantines", found, "", NewQuarantine), nil
	}
	if which != over {
		page.Cursor = ""
		if page.Limit -= len(found); page.Limit == 0 { // the others begin on the next page
			return listed("quarantines", found, over+" ", NewQuarantine), nil
		}
	}
	ended, next, err := s.Quarantines.Quarantines(ctx, false, page, now)
	if err != nil {
		return nil, err
	}
	if next != "" {
		next = over + " " + next
	}
	return listed("quarantines", append(found, ended...), next, NewQuarantine), nil
}

// holds adds the calls that hold and release images.
func (s *surface) holds() {
	call(s, huma.Operation{
		Method: http.MethodPost, Path: "/quarantines", OperationID: "quarantine", Tags: []string{"Quarantines"}, DefaultStatus: http.StatusCreated,
		Summary:     "Quarantine a digest, or whatever a tag points at",
		Description: "Takes a reviewer. Give either a digest, or a repository and a tag. What is held passes no check, whatever its signatures say, until it is released or the quarantine ends; the registry still hands it out. Exactly what is held already is a conflict, and so is another impact than was seen.",
		Middlewares: s.may(inventory.DecideQuarantine),
	}, s.quarantine, http.StatusConflict)
	call(s, huma.Operation{
		Method: http.MethodPost, Path: "/quarantines/preview", OperationID: "preview-quarantine", Tags: []string{"Quarantines"},
		Summary:     "What a quarantine would hold",
		Description: "Give either a digest, or a repository and a tag, as for the quarantine. Nothing is changed.",
	}, s.previewQuarantine)
	call(s, huma.Operation{
		Method: http.MethodDelete, Path: "/quarantines/{id}", OperationID: "release", Tags: []string{"Quarantines"},
		Summary:     "Release a quarantine",
		Description: "Takes a reviewer. Its images' own signatures decide again. One that no longer stands is a conflict.",
		Middlewares: s.may(inventory.DecideQuarantine),
	}, s.release, http.StatusNotFound, http.StatusConflict)
}

func (s *surface) quarantine(ctx context.Context, in *struct {
	Body struct {
		Digest     string     `json:"digest,omitempty" maxLength:"200" doc:"The image to hold in whatever repository."`
		Repository string     `json:"repository,omitempty" maxLength:"400" doc:"As registry/repository, with a tag."`
		Tag        string     `json:"tag,omitempty" maxLength:"200" doc:"Whatever it points at is held."`
		Reason     string     `json:"reason" maxLength:"2000" doc:"Why. It stays in the audit log."`
		ExpiresAt  *time.Time `json:"expires_at,omitempty" doc:"Without it, until somebody releases it."`
		Seen       string     `json:"seen,omitempty" maxLength:"100" doc:"Of the preview. Without it, whatever is there is held."`
	}
}) (*answer[Quarantine], error) {
	b := in.Body
	if !readable(b.Digest + b.Repository + b.Tag + b.Reason + b.Seen) {
		return nil, errBody
	}
	made, err := s.Door.Quarantine(ctx, inventory.ActorFrom(ctx), decision.QuarantineRequest{
		Digest: inventory.Digest(b.Digest), Repository: b.Repository, Tag: b.Tag, Reason: b.Reason, ExpiresAt: b.ExpiresAt, Seen: b.Seen,
	})
	if err != nil {
		return nil, err
	}
	if made, err = s.Quarantines.Quarantine(ctx, made.ID); err != nil {
		return nil, err
	}
	return &answer[Quarantine]{NewQuarantine(made)}, nil
}

func (s *surface) previewQuarantine(ctx context.Context, in *struct {
	Body struct {
		Digest     string `json:"digest,omitempty" maxLength:"200" doc:"The image to hold in whatever repository."`
		Repository string `json:"repository,omitempty" maxLength:"400" doc:"As registry/repository, with a tag."`
		Tag        string `json:"tag,omitempty" maxLength:"200" doc:"Whatever it points at is held."`
	}
}) (*answer[HoldImpact], error) {
	b := in.Body
	if !readable(b.Digest + b.Repository + b.Tag) {
		return nil, errBody
	}
	impact, err := s.Door.PreviewQuarantine(ctx, inventory.ActorFrom(ctx), decision.QuarantineRequest{
		Digest: inventory.Digest(b.Digest), Repository: b.Repository, Tag: b.Tag,
	})
	if err != nil {
		return nil, err
	}
	return &answer[HoldImpact]{NewHoldImpact(impact)}, nil
}

func (s *surface) release(ctx context.Context, in *struct {
	ID   string `path:"id" maxLength:"200" doc:"The quarantine's id."`
	Body struct {
		Reason string `json:"reason" maxLength:"2000" doc:"Why. It stays in the audit log."`
	}
}) (*answer[Quarantine], error) {
	if !readable(in.Body.Reason) {
		return nil, errBody
	}
	if err := s.Door.Release(ctx, inventory.ActorFrom(ctx), in.ID, in.Body.Reason); err != nil {
		return nil, err
	}
	ended, err := s.Quarantines.Quarantine(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &answer[Quarantine]{NewQuarantine(ended)}, nil
}
