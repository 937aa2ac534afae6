package api

import (
	"context"
	"net/http"
	"net/url"
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
	FindAudit(ctx context.Context, f inventory.AuditFilter, p inventory.Page) (inventory.AuditList, error)
}

// audit adds the calls that read the audit log.
func (s *surface) audit() {
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/audit", OperationID: "list-audit-entries", Tags: []string{"Audit"},
		Summary:     "List the entries of the audit log",
		Description: "What people and programs decided and changed here, and what they were refused; the newest first. Where two words of a filter rarely meet, a page may end before it is full, even without an item: there are more as long as next_cursor isn't null.",
	}, s.listAudit)
}

func (s *surface) listAudit(ctx context.Context, in *struct {
	Who    string `query:"who" maxLength:"4000" doc:"Whose entries: a name as it stands there, in large or small letters."`
	Action string `query:"action" maxLength:"100" doc:"One action, or all of a kind: signer.approve, signer." example:"signer"`
	Object string `query:"object" maxLength:"4000" doc:"What they are about, as it stands there: a signer's id, an image's digest, a registry's name."`
	From   string `query:"from" maxLength:"40" doc:"From this day on, UTC, or from this moment (RFC 3339) on." example:"2026-01-01"`
	To     string `query:"to" maxLength:"40" doc:"Up to and with this day, UTC, or up to this moment (RFC 3339)." example:"2026-12-31"`
	Paging
}) (*answer[List[AuditEntry]], error) {
	filter, err := inventory.ParseAuditFilter(url.Values{"who": {in.Who}, "action": {in.Action}, "object": {in.Object}, "from": {in.From}, "to": {in.To}})
	if err != nil {
		return nil, err
	}
	page, err := in.page("audit")
	if err != nil {
		return nil, err
	}
	found, err := s.Audit.FindAudit(ctx, filter, page)
	if err != nil {
		return nil, err
	}
	return listed("audit", found.Entries, found.Next, NewAuditEntry), nil
}
