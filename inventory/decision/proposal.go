package decision

import (
	"context"
	"slices"

	"signboard/inventory"
)

// ProposalRequest is what somebody asks to be done about a proposal that waits.
type ProposalRequest struct {
	Signer   inventory.SignerID
	ID       string // of the proposal
	Reason   string
	Revision int64 // of the signer, as the person saw it
}

// EndProposal takes a proposal back, or declines it where somebody else made it:
// it then counts for nothing, and can't be confirmed any more. Whoever may decide
// may do so. It fails with Forbidden, Invalid or NotFound, or with Conflict when
// the signer changed since the person saw it or the proposal no longer waits.
func (d Door) EndProposal(ctx context.Context, actor inventory.Actor, r ProposalRequest) (inventory.Decision, error) {
	now := d.now()
	if err := require(ctx, d.Signers.RecordRefusal, actor, inventory.DecideSigner, now, string(r.Signer)); err != nil {
		return inventory.Decision{}, err
	}
	signer, err := d.Signers.Signer(ctx, r.Signer, now)
	if err != nil {
		return inventory.Decision{}, err
	}
	i := slices.IndexFunc(signer.Decisions, func(p inventory.Decision) bool { return p.ID == r.ID })
	switch {
	case i < 0:
		return inventory.Decision{}, inventory.Errorf(inventory.NotFound, "There is no such proposal.")
	case signer.Decisions[i].State != inventory.StateProposed:
		return inventory.Decision{}, inventory.Errorf(inventory.Conflict, "This proposal no longer waits for anybody.")
	case signer.Revision != r.Revision:
		return inventory.Decision{}, stale(signer)
	}
	why, err := reason(r.Reason)
	if err != nil {
		return inventory.Decision{}, err
	}
	before, ended := signer.Decisions[i], signer.Decisions[i]
	ended.State = inventory.StateRejected
	action := "signer.decline"
	if before.By(actor) {
		action = "signer.withdraw"
	}
	if err := d.Signers.RecordProposalEnd(ctx, ended, r.Revision, entry(actor, now, action, string(signer.ID), why, before, ended)); err != nil {
		return inventory.Decision{}, err
	}
	return ended, nil
}
