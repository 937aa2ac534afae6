package handlers

import (
	"net/http"
	"strconv"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// EndProposal is POST /signers/{id}/proposals/{proposal}/end: a proposal is taken
// back by who made it, or declined by somebody else.
func (s Signer) EndProposal(w http.ResponseWriter, r *http.Request) error {
	id := inventory.SignerID(param(r, "id"))
	request := decision.ProposalRequest{Signer: id, ID: param(r, "proposal"), Reason: r.PostFormValue("reason")}
	var err error
	if request.Revision, err = strconv.ParseInt(r.PostFormValue("revision"), 10, 64); err != nil {
		err = errFormRevision
	}
	var ended inventory.Decision
	actor := inventory.ActorFrom(r.Context())
	if err == nil {
		ended, err = s.Door.EndProposal(r.Context(), actor, request)
	}
	kind := inventory.KindOf(err)
	if e, ok := asError(err); ok && (kind == inventory.Invalid || kind == inventory.Conflict) {
		p, err := s.page(r, id)
		if err != nil {
			return err
		}
		p.Form.Problem, p.Form.Reason, p.Form.Conflict = e.Message, request.Reason, kind == inventory.Conflict
		p.Ends = request.ID
		p.Frame.Path = id.Path()
		return show(w, r, status(kind), p)
	}
	if err != nil {
		return err
	}
	if ended.By(actor) {
		s.Notices.Notice(r.Context(), "Taken back. Nobody can confirm it any more.")
	} else {
		s.Notices.Notice(r.Context(), "The proposal is rejected. The signer is as it was.")
	}
	http.Redirect(w, r, id.Path(), http.StatusSeeOther)
	return nil
}
