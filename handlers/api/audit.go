package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signboard/inventory"
)

// AuditEntry records one thing that somebody did or was refused.
type AuditEntry struct {
	Index   int64     `json:"index" doc:"From 0, without gaps."`
	At      time.Time `json:"at"`
	Actor   Actor     `json:"actor"`
	Action  string    `json:"action" doc:"signer.approve, image.quarantine, access.refused, …"`
	Object  string    `json:"object" doc:"What it was about."`
	Reason  string    `json:"reason"`
	Before  string    `json:"before" doc:"JSON word for word as it was recorded, or empty."`
	After   string    `json:"after" doc:"JSON word for word as it was recorded, or empty."`
	Address string    `json:"address" doc:"Where the request came from."`
}

// Actor is who did something.
type Actor struct {
	Kind inventory.ActorKind `json:"kind"`
	Name string              `json:"name"`
}

// NewAuditEntry makes the object from an entry.
func NewAuditEntry(e inventory.AuditEntry) AuditEntry {
	return AuditEntry{
		Index: e.Index, At: e.At.UTC(), Actor: Actor{Kind: e.Actor.Kind, Name: e.Actor.Name}, Action: e.Action, Object: e.Object,
		Reason: e.Reason, Before: e.Before, After: e.After, Address: e.Address,
	}
}

// AuditStore is what the calls about the audit log read.
type AuditStore interface {
	AuditEntries(ctx context.Context, p inventory.Page) ([]inventory.AuditEntry, string, error)
}

// audit adds the calls that read the audit log.
func (s *surface) audit() {
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/audit", OperationID: "list-audit-entries", Tags: []string{"Audit"},
		Summary:     "List the entries of the audit log",
		Description: "What people and programs decided and changed here, and what they were refused; the newest first.",
	}, s.listAudit)
}

func (s *surface) listAudit(ctx context.Context, in *struct{ Paging }) (*answer[List[AuditEntry]], error) {
	page, err := in.page("audit")
	if err != nil {
		return nil, err
	}
	found, next, err := s.Audit.AuditEntries(ctx, page)
	if err != nil {
		return nil, err
	}
	return listed("audit", found, next, NewAuditEntry), nil
}
