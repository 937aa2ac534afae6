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
	Basis    Basis
}

// Basis is what a verdict rests on: the signature that gave the answer, as it
// was judged, and the decision about its signer. Neither is set where no
// signature decides: unsigned and unknown.
type Basis struct {
	Signature *Signature
	// Decision is the approval that counts or, where none does, what comes closest
	// to one: an approval that ran out or that is for other repositories, a
	// revocation, a rejection. Nil when nobody decided.
	Decision *Decision
}

// LastGood is the last verdict that rested on a complete look.
type LastGood struct {
	Status    Status    `json:"status"`
	CheckedAt time.Time `json:"checked_at"`
}
