package inventory

import "time"

// Verdict is the judgement on one image in one repository. The zero value
// means unknown.
type Verdict struct {
	Status  Status
	Reason  Reason
	Message string // one sentence for a person
	// ReviewAt is when time alone may change the verdict (an approval or a
	// quarantine runs out); nil when only new facts can.
	ReviewAt *time.Time
}

// LastGood is the last verdict that rested on a complete look.
type LastGood struct {
	Status    Status    `json:"status"`
	CheckedAt time.Time `json:"checked_at"`
}
