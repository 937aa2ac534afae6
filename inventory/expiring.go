package inventory

import (
	"slices"
	"time"
)

// The windows in which an approval that runs out is announced: quietly, as
// something that needs somebody, and urgently.
const (
	ExpiringSoon   = 30 * 24 * time.Hour
	ExpiringNext   = 7 * 24 * time.Hour
	ExpiringAtOnce = 24 * time.Hour
)

// Expiring is an approval that runs out, and hasn't been renewed.
type Expiring struct {
	Signer   Signer // without its decisions
	Decision Decision
	// Trusted is how many trusted images in use carry a signature of the signer:
	// no more than these turn unapproved, fewer where somebody else or another
	// approval vouches for them.
	Trusted int
}

// Renewed reports whether another of the decisions about the same signer goes on
// with the approval when it ends: for the same, and for longer.
func (d Decision) Renewed(others []Decision) bool {
	return slices.ContainsFunc(others, func(o Decision) bool {
		return o.ID != d.ID && o.Verb == Approve && o.State == StateActive && o.Identities == d.Identities &&
			(o.ExpiresAt == nil || d.ExpiresAt != nil && o.ExpiresAt.After(*d.ExpiresAt)) &&
			contains(o.Repositories, d.Repositories) && (len(o.Roots) == 0 || len(d.Roots) > 0 && contains(o.Roots, d.Roots))
	})
}

func contains[T comparable](all, some []T) bool {
	return !slices.ContainsFunc(some, func(one T) bool { return !slices.Contains(all, one) })
}
