package policy

import (
	"cmp"

	"signboard/inventory"
)

// FactsOf is what a verdict on stored evidence depends on.
func FactsOf(e inventory.StoredEvidence, decisions map[inventory.SignerID][]inventory.Decision) Facts {
	return Facts{
		Repository: e.Repository, Checked: e.Checked, Failure: cmp.Or(e.Failure, e.Incomplete),
		Signatures: e.Signatures, Decisions: decisions,
	}
}
