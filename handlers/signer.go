package handlers

import (
	"context"
	"errors"
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
	Signers(ctx context.Context, f inventory.SignerFilter, p inventory.Page, now time.Time) ([]inventory.Signer, string, error)
	Signer(ctx context.Context, id inventory.SignerID, now time.Time) (inventory.Signer, error)
	SignerTeams(ctx context.Context, id inventory.SignerID) ([]string, error)
	Matching(ctx context.Context, of inventory.SignerID, p inventory.IdentityPattern, first int, now time.Time) ([]inventory.SignerID, []inventory.Signer, error)
	NextSigner(ctx context.Context, f inventory.SignerFilter, after inventory.SignerID, now time.Time) (*inventory.Signer, error)
	ProposalStore
	Rotations(ctx context.Context, id inventory.SignerID, now time.Time) ([]inventory.Rotation, error)
	Successors(ctx context.Context, id inventory.SignerID, now time.Time) ([]inventory.Signer, error)
}

// Signer is the pages about signers.
type Signer struct {
	Pages
	Store     SignerStore
	Images    ImageStore
	Door      SignerDoor
	Approvers int
}

// Show is GET /signers/{id}; with a decision, what that would change.
func (s Signer) Show(w http.ResponseWriter, r *http.Request) error {
	id := inventory.SignerID(param(r, "id"))
	p, err := s.page(r, id)
	if err != nil {
		return err
	}
	if successor := r.URL.Query().Get("successor"); successor != "" {
		http.Redirect(w, r, views.ReplaceURL(inventory.SignerID(successor), id), http.StatusSeeOther)
		return nil
	}
	if p.Form, err = s.offer(r, p.Signer); err != nil {
		return err
	}
	if !r.URL.Query().Has("decision") {
		return show(w, r, http.StatusOK, p)
	}
	p.Form = signerForm(r.URL.Query().Get)
	request, err := parseDecision(id, p.Form, r.URL.Query().Get("revision"))
	if err == nil {
		var impact inventory.Impact
		impact, err = s.Door.Preview(r.Context(), inventory.ActorFrom(r.Context()), request)
		p.Impact = &impact
	}
	if e, ok := asError(err); ok && (e.Kind == inventory.Invalid || e.Kind == inventory.Conflict) {
		p.Form.Problem, p.Impact = e.Message, nil
		return show(w, r, status(e.Kind), p)
	}
	if err != nil {
		return err
	}
	if p.Impact.Revision != request.Revision {
		p.Form.Problem, p.Form.Conflict = "This signer changed while you were reading.", true
	}
	p.Signer.Revision = min(p.Signer.Revision, p.Impact.Revision) // should it change between the two: the form is refused then
	return show(w, r, http.StatusOK, p)
}

// offer is the form as a link asked for it to be filled in: with an approval to
// renew, or with another signer's scope to take over.
func (s Signer) offer(r *http.Request, signer inventory.Signer) (views.SignerForm, error) {
	now := s.Clock().UTC()
	if renew := r.URL.Query().Get("renew"); renew != "" {
		form, _ := views.Renewing(signer, renew)
		return form, nil
	}
	old := inventory.SignerID(r.URL.Query().Get("replaces"))
	if old == "" || old == signer.ID {
		return views.SignerForm{}, nil
	}
	replaced, err := s.Store.Signer(r.Context(), old, now)
	if err != nil {
		return views.SignerForm{}, err
	}
	return views.Replacing(replaced, decision.Scope(replaced, now), now), nil
}

// signerForm is the form about a signer as it was sent.
func signerForm(value func(string) string) views.SignerForm {
	return views.SignerForm{
		Decision: inventory.Verb(value("decision")), Repositories: value("repositories"),
		ExpiresAt: value("expires_at"), Reason: value("reason"), Replaces: inventory.SignerID(value("replaces")), ReplacedUntil: value("replaced_until"),
		Identities: value("identities"), OwnPattern: value("pattern"), Acknowledged: value("acknowledged") != "",
	}
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
	if p.Rotations, err = s.Store.Rotations(r.Context(), id, frame.Now); err != nil {
		return p, err
	}
	if p.Signer.Standing == inventory.Approved && frame.Actor.May(inventory.DecideSigner) {
		if p.Successors, err = s.Store.Successors(r.Context(), id, frame.Now); err != nil {
			return p, err
		}
	}
	if p.Teams, err = s.Store.SignerTeams(r.Context(), id); err != nil {
		return p, err
	}
	if p.Widening, err = s.widening(r, id, frame.Now); err != nil {
		return p, err
	}
	if p.FromInbox = r.Form.Has("inbox"); p.FromInbox {
		p.Inbox = r.FormValue("inbox")
		p.NextInbox, err = s.Store.NextSigner(r.Context(), inboxFilter(p.Inbox), id, frame.Now)
	}
	return p, err
}

// SignerDoor is the door for decisions about signers. Preview only looks.
type SignerDoor interface {
	Preview(ctx context.Context, actor inventory.Actor, r decision.SignerRequest) (inventory.Impact, error)
	Decide(ctx context.Context, actor inventory.Actor, r decision.SignerRequest) (inventory.Decision, error)
	EndProposal(ctx context.Context, actor inventory.Actor, r decision.ProposalRequest) (inventory.Decision, error)
}

// Create is POST /signers/{id}/decisions. Who has not seen yet what the decision
// changes is shown it, and asked once more; a form without the field that says so
// isn't the page's, and is bound to the signer's revision as a call of the API is.
func (s Signer) Create(w http.ResponseWriter, r *http.Request) error {
	id := inventory.SignerID(param(r, "id"))
	form := signerForm(r.PostFormValue)
	request, err := parseDecision(id, form, r.PostFormValue("revision"))
	request.Basis = r.PostFormValue("basis")
	if err == nil && request.Basis == "" && r.PostForm.Has("basis") {
		return s.ask(w, r, request, form)
	}
	var made inventory.Decision
	if err == nil {
		made, err = s.Door.Decide(r.Context(), inventory.ActorFrom(r.Context()), request)
	}
	if err != nil {
		return s.refused(w, r, request, form, err)
	}
	s.Notices.Notice(r.Context(), said(made))
	return s.onward(w, r, id)
}

// ask shows what a decision changes before it is made.
func (s Signer) ask(w http.ResponseWriter, r *http.Request, request decision.SignerRequest, form views.SignerForm) error {
	impact, err := s.Door.Preview(r.Context(), inventory.ActorFrom(r.Context()), request)
	if err == nil && impact.Revision != request.Revision {
		err = inventory.Errorf(inventory.Conflict, "This signer changed while you were reading.")
	}
	if err != nil {
		return s.refused(w, r, request, form, err)
	}
	p, err := s.page(r, request.Signer)
	if err != nil {
		return err
	}
	form.Asks = true
	p.Form, p.Impact = form, &impact
	p.Signer.Revision = min(p.Signer.Revision, impact.Revision)
	p.Frame.Path = request.Signer.Path()
	return show(w, r, http.StatusOK, p)
}

// refused shows the form again that came to nothing, as it was filled in, with
// what is in its way and what the decision would change now.
func (s Signer) refused(w http.ResponseWriter, r *http.Request, request decision.SignerRequest, form views.SignerForm, refusal error) error {
	e, ok := asError(refusal)
	if !ok || e.Kind != inventory.Invalid && e.Kind != inventory.Conflict {
		return refusal
	}
	p, err := s.page(r, request.Signer)
	if err != nil {
		return err
	}
	form.Problem = e.Message
	if moved, ok := errors.AsType[*decision.MovedError](refusal); ok {
		p.Impact, p.Seen = &moved.Now, &moved.Seen
	} else {
		form.Conflict = p.Signer.Revision != request.Revision
		if impact, err := s.Door.Preview(r.Context(), inventory.ActorFrom(r.Context()), request); err == nil {
			p.Impact = &impact
		}
	}
	if p.Impact != nil {
		p.Signer.Revision = min(p.Signer.Revision, p.Impact.Revision)
	}
	p.Form = form
	p.Frame.Path = request.Signer.Path()
	return show(w, r, status(e.Kind), p)
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
		d.Identities, d.Acknowledged = form.Pattern(), form.Acknowledged
		if d.ExpiresAt, err = day(form.ExpiresAt); err != nil {
			return d, err
		}
		d.Replaces = form.Replaces
		if d.ReplacedUntil, err = day(form.ReplacedUntil); err != nil {
			return d, err
		}
	}
	if d.Revision, err = strconv.ParseInt(revision, 10, 64); err != nil {
		return d, errFormRevision
	}
	return d, nil
}

var errFormRevision = inventory.Errorf(inventory.Invalid, "The form doesn't say which state of the signer it was made for. Open the page again.")

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
