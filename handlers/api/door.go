package api

import (
	"context"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// Door is where people and programs change something. It asks who may, and
// writes down what was done and who was refused.
type Door interface {
	SignerDoor
	QuarantineDoor
	RegistryDoor
}

// SignerDoor is for decisions about signers. Preview only looks.
type SignerDoor interface {
	Preview(ctx context.Context, actor inventory.Actor, r decision.SignerRequest) (inventory.Impact, error)
	Decide(ctx context.Context, actor inventory.Actor, r decision.SignerRequest) (inventory.Decision, error)
	EndProposal(ctx context.Context, actor inventory.Actor, r decision.ProposalRequest) (inventory.Decision, error)
}

// QuarantineDoor is for holding and releasing images.
type QuarantineDoor interface {
	// PreviewQuarantine only looks.
	PreviewQuarantine(ctx context.Context, actor inventory.Actor, r decision.QuarantineRequest) (inventory.HoldImpact, error)
	Quarantine(ctx context.Context, actor inventory.Actor, r decision.QuarantineRequest) (inventory.Quarantine, error)
	Release(ctx context.Context, actor inventory.Actor, id, reason string) error
}

// RegistryDoor is for starting and ending syncs.
type RegistryDoor interface {
	SyncNow(ctx context.Context, actor inventory.Actor, registry string) error
	CancelSync(ctx context.Context, actor inventory.Actor, registry string) error
}
