package handlers

import (
	"context"
	"net/http"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/views"
)

// QuarantineStore is what the pages about quarantine read. standing chooses
// those that hold now, or those that are over; both newest first.
type QuarantineStore interface {
	Quarantines(ctx context.Context, standing bool, p inventory.Page, now time.Time) ([]inventory.Quarantine, string, error)
}

// Quarantine is the pages about quarantine.
type Quarantine struct {
	Pages
	Store  QuarantineStore
	Images Image // its page comes back when a form is refused
	Door   QuarantineDoor
}

// QuarantineDoor is the door for holding and releasing images.
type QuarantineDoor interface {
	Quarantine(ctx context.Context, actor inventory.Actor, r decision.QuarantineRequest) (inventory.Quarantine, error)
	Release(ctx context.Context, actor inventory.Actor, id, reason string) error
}

// List is GET /quarantine.
func (q Quarantine) List(w http.ResponseWriter, r *http.Request) error {
	p, err := q.page(r)
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, p)
}

func (q Quarantine) page(r *http.Request) (views.QuarantinePage, error) {
	frame, registries, err := q.frame(r, "Quarantine")
	if err != nil {
		return views.QuarantinePage{}, err
	}
	p := views.QuarantinePage{Frame: frame, Registries: len(registries)}
	if p.Standing, _, err = q.Store.Quarantines(r.Context(), true, inventory.Page{Limit: inventory.MaxPage}, frame.Now); err != nil {
		return p, err
	}
	p.Released, p.Next, err = q.Store.Quarantines(r.Context(), false, page(r), frame.Now)
	return p, err
}

// Create is POST /quarantine, from an image's page: the image's digest, or one
// of its tags.
func (q Quarantine) Create(w http.ResponseWriter, r *http.Request) error {
	form := views.QuarantineForm{Tag: r.PostFormValue("tag"), Reason: r.PostFormValue("reason"), ExpiresAt: r.PostFormValue("expires_at")}
	digest, err := inventory.ParseDigest(r.PostFormValue("digest"))
	if err != nil {
		return err
	}
	repository := r.PostFormValue("repository")
	if _, err := q.Images.image(r.Context(), digest, repository); err != nil {
		return err
	}
	until, err := day(form.ExpiresAt)
	if err == nil {
		request := decision.QuarantineRequest{Digest: digest, Reason: form.Reason, ExpiresAt: until}
		if form.Tag != "" {
			request.Digest, request.Repository, request.Tag = "", repository, form.Tag
		}
		_, err = q.Door.Quarantine(r.Context(), inventory.ActorFrom(r.Context()), request)
	}
	if e, ok := asError(err); ok && e.Kind == inventory.Invalid {
		p, err := q.Images.page(r, digest, repository)
		if err != nil {
			return err
		}
		form.Problem = e.Message
		p.QuarantineForm = form
		p.Frame.Path = views.ImageURL(repository, digest)
		return show(w, r, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	q.Notices.Notice(r.Context(), "Quarantined. It is not allowed anywhere until somebody releases it.")
	http.Redirect(w, r, views.ImageURL(repository, digest), http.StatusSeeOther)
	return nil
}

// Release is POST /quarantine/{id}/release.
func (q Quarantine) Release(w http.ResponseWriter, r *http.Request) error {
	id, reason := param(r, "id"), r.PostFormValue("reason")
	err := q.Door.Release(r.Context(), inventory.ActorFrom(r.Context()), id, reason)
	if e, ok := asError(err); ok && (e.Kind == inventory.Invalid || e.Kind == inventory.Conflict) {
		p, err := q.page(r)
		if err != nil {
			return err
		}
		p.Refused, p.Problem, p.Reason = id, e.Message, reason
		if e.Kind == inventory.Conflict { // it is no longer among those that stand, with the form
			p.Frame.Flash = &views.Flash{Problem: true, Message: e.Message}
		}
		p.Frame.Path = "/quarantine"
		return show(w, r, status(e.Kind), p)
	}
	if err != nil {
		return err
	}
	q.Notices.Notice(r.Context(), "Released. Its own signatures decide again.")
	http.Redirect(w, r, "/quarantine", http.StatusSeeOther)
	return nil
}
