package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"signboard/inventory"
	"signboard/inventory/audit"
	"signboard/views"
)

// AuditStore finds entries of the audit log.
type AuditStore interface {
	FindAudit(ctx context.Context, f inventory.AuditFilter, p inventory.Page) (inventory.AuditList, error)
}

// AuditProofs reads single entries, and what shows that they are what was written.
type AuditProofs interface {
	AuditEntry(ctx context.Context, index int64) (inventory.AuditEntry, error)
	AuditEntryOf(ctx context.Context, id string) (int64, error)
	AuditBeside(ctx context.Context, e inventory.AuditEntry) (before, after *int64, err error)
	AuditHead(ctx context.Context) (size int64, at time.Time, signed []byte, err error)
	AuditProof(ctx context.Context, index int64) (audit.Proof, error)
}

// Audit is the pages of the audit log.
type Audit struct {
	Pages
	Store  AuditStore
	Proofs AuditProofs
	State  func() inventory.AuditState // what the checks in the background found; nil: there are none
}

// List is GET /audit.
func (a Audit) List(w http.ResponseWriter, r *http.Request) error {
	frame, _, err := a.frame(r, "Audit")
	if err != nil {
		return err
	}
	p := views.AuditPage{Frame: frame, Cursor: r.FormValue("cursor")}
	if a.State != nil {
		p.State = a.State()
	}
	var signed []byte
	if p.Size, p.SignedAt, signed, err = a.Proofs.AuditHead(r.Context()); err != nil {
		return err
	}
	p.Checkpoint = string(signed)
	answer := http.StatusOK
	if p.Filter, err = inventory.ParseAuditFilter(r.Form); err == nil {
		p.List, err = a.Store.FindAudit(r.Context(), p.Filter, page(r))
	}
	if e, ok := errors.AsType[*inventory.Error](err); ok && e.Kind == inventory.Invalid {
		p.Problem, answer, err = e.Message, status(e.Kind), nil
	}
	if err != nil {
		return err
	}
	return show(w, r, answer, p)
}

// Show is GET /audit/{index}, the permanent page of an entry.
func (a Audit) Show(w http.ResponseWriter, r *http.Request) error {
	index, err := entryIndex(r)
	if err != nil {
		return err
	}
	entry, err := a.Proofs.AuditEntry(r.Context(), index)
	if err != nil {
		return err
	}
	frame, _, err := a.frame(r, fmt.Sprintf("Audit entry %d", index))
	if err != nil {
		return err
	}
	p := views.AuditEntryPage{Frame: frame, Entry: entry}
	if p.Before, p.After, err = a.Proofs.AuditBeside(r.Context(), entry); err != nil {
		return err
	}
	if p.Size, _, _, err = a.Proofs.AuditHead(r.Context()); err != nil {
		return err
	}
	proof, err := a.Proofs.AuditProof(r.Context(), index)
	p.Path = len(proof.Hashes)
	if e, ok := errors.AsType[*inventory.Error](err); ok && (e.Kind == inventory.Unavailable || e.Kind == inventory.NotFound) {
		p.Unproved, err = e.Message, nil // shown beside the entry, which is what was asked for
	}
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, p)
}

// Proof is GET /audit/{index}/proof, a file.
func (a Audit) Proof(w http.ResponseWriter, r *http.Request) error {
	index, err := entryIndex(r)
	if err != nil {
		return err
	}
	proof, err := a.Proofs.AuditProof(r.Context(), index)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(proof, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="signboard-audit-%d.json"`, index))
	w.Header().Set("Cache-Control", "no-store")
	if _, err := w.Write(append(text, '\n')); err != nil {
		return nil // the browser went away
	}
	return nil
}

// Of is GET /audit/of/{id}: it leads to the entry of a decision, a quarantine or a
// token.
func (a Audit) Of(w http.ResponseWriter, r *http.Request) error {
	index, err := a.Proofs.AuditEntryOf(r.Context(), param(r, "id"))
	if err != nil {
		return err
	}
	http.Redirect(w, r, views.AuditEntryURL(index), http.StatusSeeOther)
	return nil
}

func entryIndex(r *http.Request) (int64, error) {
	text := param(r, "index")
	index, err := strconv.ParseInt(text, 10, 64)
	if err != nil || index < 0 || strconv.FormatInt(index, 10) != text {
		return 0, inventory.Errorf(inventory.NotFound, "The audit log has no entry %q.", inventory.Visible(clip(text)))
	}
	return index, nil
}
