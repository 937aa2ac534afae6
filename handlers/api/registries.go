package api

import (
	"context"

	"signboard/inventory"
)

// RegistryStore is what the calls about registries read.
type RegistryStore interface {
	Registries(ctx context.Context) ([]inventory.Registry, error)
}
