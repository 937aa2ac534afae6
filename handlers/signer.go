package handlers

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/views"
)

// SignerStore is what the pages about signers read.
type SignerStore interface {
	Signers(ctx context.Context, standing inventory.Standing, kind inventory.SignerKind, p inventory.Page, now time.Time) ([]inventory.Signer, string, error)
	Signer(ctx context.Context, id inventory.SignerID, now time.Time) (inventory.Signer, error)
	SignerTeams(ctx context.Context, id inventory.SignerID) ([]string, error)
}

// Signer is the pages about signers.
type Signer struct {
	Pages
	Store     SignerStore
	Images    ImageStore
	Door      SignerDoor
	Approvers int
}

// List is GET /signers: the inbox, or the signers with another standing.
func (s Signer) List(w http.ResponseWriter, r *http.Request) error {
	frame, registries, err := s.frame(r, "Signers")
	if err != nil {
		return err
	}
	p := views.SignersPage{Frame: frame, Registries: len(registries), Cursor: r.FormValue("cursor")}
	standing := inventory.Pending
	if asked := r.FormValue("standing"); asked != "" {
		if standing, err = inventory.ParseStanding(asked); err != nil {
			return err
		}
		p.Standing = standing
	}
	if p.Counts, err = s.Around.Standings(r.Context(), frame.Now); err != nil {
		return err
	}
	if p.Signers, p.Next, err = s.Store.Signers(r.Context(), standing, "", page(r), frame.Now); err != nil {
		return err
	}
	return show(w, r, http.StatusOK, p)
}

// Show is GET /signers/{id}.
func (s Signer) Show(w http.ResponseWriter, r *http.Request) error {
	p, err := s.page(r, inventory.SignerID(param(r, "id")))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, p)
}

// page is a signer's page.
func (s Signer) page(r *http.Request, id inventory.SignerID) (views.SignerPage, error) {
	frame, _, err := s.frame(r, "Signer")
	if err != nil {
		return views.SignerPage{}, err
	}
	p := views.SignerPage{Frame: frame, Approvers: s.Approvers}
	if p.Signer, err = s.Store.Signer(r.Context(), id, frame.Now); err != nil {
		return p, err
	}
	if p.Signer.Name != "" {
		p.Frame.Title = p.Signer.Name
	}
	list, err := s.Images.Images(r.Context(), inventory.ImageFilter{Signer: id}, inventory.Page{Limit: 8}, frame.Now)
	if err != nil {
		return p, err
	}
	p.Images = list.Images
	p.Teams, err = s.Store.SignerTeams(r.Context(), id)
	return p, err
}

// SignerDoor is the door for decisions about signers.
type SignerDoor interface {
	Decide(ctx context.Context, actor inventory.Actor, r decision.SignerRequest) (inventory.Decision, error)
}

// Create is POST /signers/{id}/decisions.
func (s Signer) Create(w http.ResponseWriter, r *http.Request) error {
	id := inventory.SignerID(param(r, "id"))
	form := views.SignerForm{
		Decision: inventory.Verb(r.PostFormValue("decision")), Repositories: r.PostFormValue("repositories"),
		ExpiresAt: r.PostFormValue("expires_at"), Reason: r.PostFormValue("reason"),
	}
	request, err := parseDecision(id, form, r.PostFormValue("revision"))
	var made inventory.Decision
	if err == nil {
		made, err = s.Door.Decide(r.Context(), inventory.ActorFrom(r.Context()), request)
	}
	kind := inventory.KindOf(err)
	if e, ok := asError(err); ok && (kind == inventory.Invalid || kind == inventory.Conflict) {
		p, err := s.page(r, id)
		if err != nil {
			return err
		}
		form.Problem, form.Conflict = e.Message, kind == inventory.Conflict
		p.Form = form
		p.Frame.Path = id.Path()
		return show(w, r, status(kind), p)
	}
	if err != nil {
		return err
	}
	s.Notices.Notice(r.Context(), said(made))
	http.Redirect(w, r, id.Path(), http.StatusSeeOther)
	return nil
}

func parseDecision(id inventory.SignerID, form views.SignerForm, revision string) (decision.SignerRequest, error) {
	d := decision.SignerRequest{Signer: id, Reason: form.Reason}
	var err error
	if d.Verb, err = inventory.ParseVerb(string(form.Decision)); err != nil {
		return d, err
	}
	if d.Verb == inventory.Approve {
		if d.Repositories, err = inventory.ParseGlobs(strings.Fields(form.Repositories)); err != nil {
			return d, err
		}
		if d.ExpiresAt, err = day(form.ExpiresAt); err != nil {
			return d, err
		}
	}
	if d.Revision, err = strconv.ParseInt(revision, 10, 64); err != nil {
		return d, inventory.Errorf(inventory.Invalid, "The form doesn't say which state of the signer it was made for. Open the page again.")
	}
	return d, nil
}

// said is what the next page says of a decision.
func said(d inventory.Decision) string {
	switch {
	case d.State == inventory.StateProposed:
		return "Proposed. The approval counts once a second reviewer confirms it."
	case d.Verb == inventory.Approve:
		return "Approved. The statuses of the images follow in a moment."
	case d.Verb == inventory.Reject:
		return "Rejected. The statuses of the images follow in a moment."
	}
	return "Revoked. The statuses of the images follow in a moment."
}
