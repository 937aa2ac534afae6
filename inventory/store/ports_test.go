package store_test

import (
	"signboard/inventory/decision"
	"signboard/inventory/store"
	"signboard/inventory/syncer"
)

var (
	_ syncer.Store             = (*store.DB)(nil)
	_ decision.Store           = (*store.DB)(nil)
	_ decision.QuarantineStore = (*store.DB)(nil)
)
