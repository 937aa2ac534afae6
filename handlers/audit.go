package handlers

import (
	"context"
	"net/http"

	"signboard/inventory"
	"signboard/views"
)

// AuditStore is what the audit page reads.
type AuditStore interface {
	AuditEntries(ctx context.Context, p inventory.Page) ([]inventory.AuditEntry, string, error)
}

// Audit is the page of the audit log.
type Audit struct {
	Pages
	Store AuditStore
}

// List is GET /audit.
func (a Audit) List(w http.ResponseWriter, r *http.Request) error {
	frame, _, err := a.frame(r, "Audit")
	if err != nil {
		return err
	}
	p := views.AuditPage{Frame: frame, Cursor: r.FormValue("cursor")}
	if p.Entries, p.Next, err = a.Store.AuditEntries(r.Context(), page(r)); err != nil {
		return err
	}
	return show(w, r, http.StatusOK, p)
}
