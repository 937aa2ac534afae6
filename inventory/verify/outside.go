package verify

import (
	"context"

	"signboard/inventory"
)

// Outside is a place beside the registry where signatures are kept: the server
// of Docker Content Trust. It is asked about each image at each look, so it
// remembers what it read of a repository for as long as a look takes.
type Outside interface {
	// Revision names its rules and its roots of trust, as Family.Revision does.
	Revision() string
	// Look finds and checks what is said of the image. That the server knows
	// nothing of the repository is no error; that it could not be asked, or that
	// what it answers can't be believed as a whole, is one with a LookError, and
	// makes the evidence incomplete.
	Look(ctx context.Context, s inventory.Subject) (inventory.Outlying, error)
}
