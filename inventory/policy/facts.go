package policy

import (
	"cmp"
	"time"

	"signboard/inventory"
)

// JudgeStored judges by what is stored of an image, as Judge does.
func JudgeStored(e inventory.StoredEvidence, decisions map[inventory.SignerID][]inventory.Decision, now time.Time) inventory.Verdict {
	return Judge(FactsOf(e, decisions), now)
}

// FactsOf is what a verdict on stored evidence depends on.
func FactsOf(e inventory.StoredEvidence, decisions map[inventory.SignerID][]inventory.Decision) Facts {
	return Facts{
		Repository: e.Repository, Checked: e.Checked, Failure: cmp.Or(e.Failure, e.Incomplete),
		Signatures: e.Signatures, Decisions: decisions,
	}
}
