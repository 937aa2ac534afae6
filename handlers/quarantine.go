package handlers

import (
	"context"
	"net/http"
	"strings"
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
	Images Image // where whoever came from an image goes back to
	Door   QuarantineDoor
	// Locate finds the image that somebody typed: the repository, as
	// registry/repository, and the tag or digest.
	Locate func(typed string) (repository, at string, err error)
}

// QuarantineDoor is the door for holding and releasing images.
type QuarantineDoor interface {
	PreviewQuarantine(ctx context.Context, actor inventory.Actor, r decision.QuarantineRequest) (inventory.HoldImpact, error)
	PreviewRelease(ctx context.Context, actor inventory.Actor, id string) (inventory.Quarantine, inventory.HoldImpact, error)
	Quarantine(ctx context.Context, actor inventory.Actor, r decision.QuarantineRequest) (inventory.Quarantine, error)
	ChangeEnd(ctx context.Context, actor inventory.Actor, r decision.EndRequest) (inventory.Quarantine, error)
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

// target is what a form names: what was typed, or a repository and tag, or a digest.
func (q Quarantine) target(value func(name string) string) (decision.QuarantineRequest, error) {
	if typed := strings.TrimSpace(value("image")); typed != "" {
		if digest, err := inventory.ParseDigest(typed); err == nil {
			return decision.QuarantineRequest{Digest: digest}, nil
		}
		repository, at, err := q.Locate(typed)
		if err != nil {
			return decision.QuarantineRequest{}, err
		}
		if digest, err := inventory.ParseDigest(at); err == nil {
			return decision.QuarantineRequest{Digest: digest}, nil
		}
		return decision.QuarantineRequest{Repository: repository, Tag: at}, nil
	}
	if tag := value("tag"); tag != "" {
		return decision.QuarantineRequest{Repository: value("repository"), Tag: tag}, nil
	}
	digest, err := inventory.ParseDigest(value("digest"))
	return decision.QuarantineRequest{Digest: digest}, err
}

// New is GET /quarantine/new: what would be held, and the form that holds it.
func (q Quarantine) New(w http.ResponseWriter, r *http.Request) error {
	if r.FormValue("image")+r.FormValue("tag")+r.FormValue("digest") == "" {
		return q.form(w, r, http.StatusOK, decision.QuarantineRequest{}, "")
	}
	request, err := q.target(r.FormValue)
	if e, ok := asError(err); ok && e.Kind == inventory.Invalid {
		return q.form(w, r, http.StatusUnprocessableEntity, decision.QuarantineRequest{}, e.Message)
	}
	if err != nil {
		return err
	}
	return q.form(w, r, http.StatusOK, request, "")
}

// form shows the form with what it would hold and what was typed.
func (q Quarantine) form(w http.ResponseWriter, r *http.Request, status int, of decision.QuarantineRequest, problem string) error {
	frame, _, err := q.frame(r, "Quarantine an image")
	if err != nil {
		return err
	}
	p := views.HoldPage{
		Frame: frame, Typed: r.FormValue("image"), Repository: r.FormValue("repository"), Digest: r.FormValue("digest"),
		Form: views.QuarantineForm{Tag: r.FormValue("tag"), Reason: r.FormValue("reason"), ExpiresAt: r.FormValue("expires_at"), Problem: problem},
	}
	if r.Method == http.MethodPost {
		p.Frame.Path = "/quarantine/new"
	}
	if of.Digest != "" || of.Tag != "" {
		impact, err := q.Door.PreviewQuarantine(r.Context(), frame.Actor, of)
		if e, ok := asError(err); ok && e.Kind == inventory.Invalid {
			if problem == "" {
				p.Form.Problem, status = e.Message, http.StatusUnprocessableEntity
			}
		} else if err != nil {
			return err
		} else {
			p.Impact, p.Of = &impact, inventory.Quarantine{Digest: of.Digest, Repository: of.Repository, Tag: of.Tag}
		}
	}
	return show(w, r, status, p)
}

// Create is POST /quarantine. seen is what the form showed: when it would be
// something else now, the form comes back with that.
func (q Quarantine) Create(w http.ResponseWriter, r *http.Request) error {
	request, err := q.target(r.PostFormValue)
	if err == nil {
		request.ExpiresAt, err = day(r.PostFormValue("expires_at"))
	}
	var made inventory.Quarantine
	if err == nil {
		request.Reason, request.Seen = r.PostFormValue("reason"), r.PostFormValue("seen")
		made, err = q.Door.Quarantine(r.Context(), inventory.ActorFrom(r.Context()), request)
	}
	if e, ok := asError(err); ok && (e.Kind == inventory.Invalid || e.Kind == inventory.Conflict) {
		return q.form(w, r, status(e.Kind), request, e.Message)
	}
	if err != nil {
		return err
	}
	q.Notices.Notice(r.Context(), "Quarantined. No check lets it pass until somebody releases it.")
	to := "/quarantine/" + made.ID
	if digest, repository := inventory.Digest(r.PostFormValue("digest")), r.PostFormValue("repository"); digest != "" && repository != "" {
		if _, err := q.Images.image(r.Context(), digest, repository); err == nil {
			to = views.ImageURL(repository, digest)
		}
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// Show is GET /quarantine/{id}: what it holds, and what a release would let go.
func (q Quarantine) Show(w http.ResponseWriter, r *http.Request) error {
	return q.show(w, r, http.StatusOK, param(r, "id"), views.OneQuarantinePage{})
}

func (q Quarantine) show(w http.ResponseWriter, r *http.Request, status int, id string, p views.OneQuarantinePage) (err error) {
	if p.Frame, _, err = q.frame(r, "Quarantine"); err != nil {
		return err
	}
	if p.Quarantine, p.Impact, err = q.Door.PreviewRelease(r.Context(), p.Frame.Actor, id); err != nil {
		return err
	}
	p.Frame.Path = "/quarantine/" + p.Quarantine.ID
	return show(w, r, status, p)
}

// Release is POST /quarantine/{id}/release.
func (q Quarantine) Release(w http.ResponseWriter, r *http.Request) error {
	id, reason := param(r, "id"), r.PostFormValue("reason")
	err := q.Door.Release(r.Context(), inventory.ActorFrom(r.Context()), id, reason)
	if e, ok := asError(err); ok && (e.Kind == inventory.Invalid || e.Kind == inventory.Conflict) {
		return q.show(w, r, status(e.Kind), id, views.OneQuarantinePage{Problem: e.Message, Reason: reason})
	}
	if err != nil {
		return err
	}
	q.Notices.Notice(r.Context(), "Released. Its own signatures decide again, where nothing else holds it.")
	http.Redirect(w, r, "/quarantine", http.StatusSeeOther)
	return nil
}

// End is POST /quarantine/{id}/end: another end for it. seen is the one shown.
func (q Quarantine) End(w http.ResponseWriter, r *http.Request) error {
	id := param(r, "id")
	request := decision.EndRequest{ID: id, Reason: r.PostFormValue("reason")}
	until, err := day(r.PostFormValue("expires_at"))
	if err == nil {
		request.ExpiresAt = until
		if seen := r.PostFormValue("seen"); seen != "" {
			at, bad := time.Parse(time.RFC3339Nano, seen)
			if bad != nil {
				at = time.Time{} // no end that there is: the form is shown again
			}
			request.Seen = &at
		}
		_, err = q.Door.ChangeEnd(r.Context(), inventory.ActorFrom(r.Context()), request)
	}
	if e, ok := asError(err); ok && (e.Kind == inventory.Invalid || e.Kind == inventory.Conflict) {
		return q.show(w, r, status(e.Kind), id, views.OneQuarantinePage{EndProblem: e.Message, EndReason: request.Reason, EndDay: r.PostFormValue("expires_at")})
	}
	if err != nil {
		return err
	}
	q.Notices.Notice(r.Context(), "The quarantine has another end now.")
	http.Redirect(w, r, "/quarantine/"+id, http.StatusSeeOther)
	return nil
}
