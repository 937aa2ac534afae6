package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// decisions adds the calls that decide about signers.
func (s *surface) decisions() {
	call(s, huma.Operation{
		Method: http.MethodPost, Path: "/signers/{id}/preview", OperationID: "preview-decision", Tags: []string{"Signers"},
		Summary:     "Show what a decision would change",
		Description: "Every image in use with a verified signature of the signer is judged again as if the decision were made. Nothing is changed. The revision is what the decision has to name, and the basis what it may.",
	}, s.previewDecision, http.StatusNotFound, http.StatusConflict)
	call(s, huma.Operation{
		Method: http.MethodPost, Path: "/signers/{id}/decisions", OperationID: "decide-signer", Tags: []string{"Signers"}, DefaultStatus: http.StatusCreated,
		Summary:     "Approve, reject or revoke a signer",
		Description: "Takes a reviewer. Where two have to approve, the first approval is proposed, and somebody else makes it active by repeating it: the same decision, the same repositories and the same pattern of identities. A revision that has moved on is a conflict: look again, then decide. So is a basis by which the decision would have changed something else: the problem then holds both.",
		Middlewares: s.may(inventory.DecideSigner),
	}, s.decideSigner, http.StatusNotFound, http.StatusConflict)
	call(s, huma.Operation{
		Method: http.MethodDelete, Path: "/signers/{id}/decisions/{decision}", OperationID: "end-proposal", Tags: []string{"Signers"},
		Summary:     "Take a proposal back, or reject it",
		Description: "Takes a reviewer. An approval that waits for a second reviewer can't be confirmed any more, and was never one: its state is rejected. What counts already is ended by a decision to revoke.",
		Middlewares: s.may(inventory.DecideSigner),
	}, s.endProposal, http.StatusNotFound, http.StatusConflict)
}

// Asked is what a decision would say.
type Asked struct {
	Decision     inventory.Verb `json:"decision" required:"true" enum:"approve,reject,revoke"`
	Repositories []string       `json:"repositories,omitempty" maxItems:"200" doc:"Of an approval: patterns over registry/repository. * stands for a part of a name, ** for any depth; a pattern always has to match the whole."`
	ExpiresAt    *time.Time     `json:"expires_at,omitempty" doc:"Of an approval; without it, until somebody revokes it."`
	Identities   string         `json:"identities,omitempty" maxLength:"1000" doc:"Of an approval of a keyless identity: the pattern by which it covers others of the same issuer, such as every tag of one workflow. * stands for one character or more, but for no / and no @; ** for those as well. It always has to match the whole, and the identity that is approved."`
	Acknowledged bool           `json:"acknowledged,omitempty" doc:"That you know how wide the pattern is: a pattern that holds what others can make needs it."`
	Roots        []string       `json:"roots,omitempty" maxItems:"50" doc:"Of an approval of a keyless identity: the roots of trust, as configured, whose word it goes by; some of those that its signatures came through so far. Without them it is all of those."`

	Replaces      string     `json:"replaces,omitempty" maxLength:"4000" doc:"Of an approval: the id of an approved signer whose place this one takes, with no more than its scope; without repositories, with all of it."`
	ReplacedUntil *time.Time `json:"replaced_until,omitempty" doc:"When the approvals of the signer that is replaced end at the latest; without it, they stay as they are."`
}

func (a Asked) request(id inventory.SignerID) (decision.SignerRequest, error) {
	r := decision.SignerRequest{Signer: id, ExpiresAt: a.ExpiresAt}
	var err error
	if r.Verb, err = inventory.ParseVerb(string(a.Decision)); err != nil {
		return r, err
	}
	if r.Verb != inventory.Approve {
		r.ExpiresAt = nil
		return r, nil
	}
	for _, glob := range a.Repositories {
		if !readable(glob) {
			return r, errBody
		}
	}
	for _, s := range append(slices.Clone(a.Roots), a.Identities) {
		if !readable(s) {
			return r, errBody
		}
	}
	r.Identities, r.Acknowledged, r.Roots = inventory.IdentityPattern(a.Identities), a.Acknowledged, a.Roots
	if !readable(a.Replaces) {
		return r, errBody
	}
	r.Replaces, r.ReplacedUntil = inventory.SignerID(a.Replaces), a.ReplacedUntil
	if len(a.Repositories) == 0 && r.Replaces != "" {
		return r, nil
	}
	r.Repositories, err = inventory.ParseGlobs(a.Repositories)
	return r, err
}

var errBody = inventory.Errorf(inventory.Invalid, "The body holds text with a NUL.")

func (s *surface) previewDecision(ctx context.Context, in *struct {
	SignerID
	Body Asked
}) (*answer[Impact], error) {
	r, err := in.Body.request(inventory.SignerID(in.ID))
	if err != nil {
		return nil, err
	}
	impact, err := s.Door.Preview(ctx, inventory.ActorFrom(ctx), r)
	if err != nil {
		return nil, err
	}
	return &answer[Impact]{NewImpact(impact)}, nil
}

func (s *surface) decideSigner(ctx context.Context, in *struct {
	SignerID
	Body struct {
		Asked
		Reason   string `json:"reason" maxLength:"2000" doc:"Why. It stays in the audit log."`
		Revision int64  `json:"revision" doc:"The signer's, as you saw it."`
		Basis    string `json:"basis,omitempty" maxLength:"65536" doc:"That of the preview you saw. Without it the decision is bound to the signer's revision alone."`
	}
}) (*answer[Decision], error) {
	r, err := in.Body.request(inventory.SignerID(in.ID))
	if err != nil {
		return nil, err
	}
	r.Basis = in.Body.Basis
	if r.Reason, r.Revision = in.Body.Reason, in.Body.Revision; !readable(r.Reason) {
		return nil, errBody
	}
	made, err := s.Door.Decide(ctx, inventory.ActorFrom(ctx), r)
	if err != nil {
		return nil, err
	}
	return &answer[Decision]{NewDecision(made, s.Clock().UTC())}, nil
}

func (s *surface) endProposal(ctx context.Context, in *struct {
	SignerID
	Decision string `path:"decision" maxLength:"100" doc:"The proposal's id."`
	Body     struct {
		Reason   string `json:"reason" maxLength:"2000" doc:"Why. It stays in the audit log."`
		Revision int64  `json:"revision" doc:"The signer's, as you saw it."`
	}
}) (*answer[Decision], error) {
	if !readable(in.Body.Reason) {
		return nil, errBody
	}
	ended, err := s.Door.EndProposal(ctx, inventory.ActorFrom(ctx), decision.ProposalRequest{
		Signer: inventory.SignerID(in.ID), ID: in.Decision, Reason: in.Body.Reason, Revision: in.Body.Revision})
	if err != nil {
		return nil, err
	}
	return &answer[Decision]{NewDecision(ended, s.Clock().UTC())}, nil
}
