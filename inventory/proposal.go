package inventory

import "time"

// Proposal is an approval that one reviewer made and that waits for a second.
type Proposal struct {
	Signer   Signer // without its decisions
	Decision Decision
}

// OpenAt reports whether the decision is a proposal that somebody may still
// confirm: one whose own end has come can't be confirmed any more.
func (d Decision) OpenAt(now time.Time) bool {
	return d.State == StateProposed && (d.ExpiresAt == nil || now.Before(*d.ExpiresAt))
}

// By reports whether somebody took part in the decision.
func (d Decision) By(a Actor) bool {
	for _, by := range d.DecidedBy {
		if by.Is(a) {
			return true
		}
	}
	return false
}

// Is reports whether a decider is the actor: by the provider's stable id, and by
// name where there is none.
func (d Decider) Is(a Actor) bool {
	if d.Subject != "" && a.Subject != "" {
		return d.Subject == a.Subject
	}
	return d.Name == a.Name
}
