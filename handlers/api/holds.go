package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// holds adds the calls that hold and release images.
func (s *surface) holds() {
	call(s, huma.Operation{
		Method: http.MethodPost, Path: "/quarantines", OperationID: "quarantine", Tags: []string{"Quarantines"}, DefaultStatus: http.StatusCreated,
		Summary:     "Quarantine a digest, or whatever a tag points at",
		Description: "Takes a reviewer. Give either a digest, or a repository and a tag. What is held is allowed nowhere, whatever its signatures say, until it is released or the quarantine ends.",
		Middlewares: s.may(inventory.DecideQuarantine),
	}, s.quarantine)
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
	}
}) (*answer[Quarantine], error) {
	b := in.Body
	if !readable(b.Digest + b.Repository + b.Tag + b.Reason) {
		return nil, errBody
	}
	made, err := s.Door.Quarantine(ctx, inventory.ActorFrom(ctx), decision.QuarantineRequest{
		Digest: inventory.Digest(b.Digest), Repository: b.Repository, Tag: b.Tag, Reason: b.Reason, ExpiresAt: b.ExpiresAt,
	})
	if err != nil {
		return nil, err
	}
	return &answer[Quarantine]{NewQuarantine(made)}, nil
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
