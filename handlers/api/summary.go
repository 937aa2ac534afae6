package api

import (
	"context"

	"signboard/inventory"
)

// CountStore counts images.
type CountStore interface {
	Counts(ctx context.Context, s inventory.Scope) (inventory.Counts, error)
	TeamCounts(ctx context.Context) ([]inventory.TeamCounts, error)
}
