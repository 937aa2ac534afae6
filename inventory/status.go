package inventory

import "slices"

// Status is what can be said of one image in one repository. The words are the
// contract's; only policy.Judge chooses one.
type Status string

const (
	Unknown      Status = "unknown"      // not checked yet, or it could not be checked
	Unsigned     Status = "unsigned"     // every place a signature could be was read, and there is none
	Failed       Status = "invalid"      // signed, and every signature failed its checks
	Unverifiable Status = "unverifiable" // signed, but the key or root needed isn't known here
	Unapproved   Status = "unapproved"   // a signature verified; nobody approved its signer for this repository
	Trusted      Status = "trusted"      // a signature verified, by a signer approved for this repository
)

// Quarantined is not a status but the overlay that wins over each of them. It
// appears where statuses are filtered and counted.
const Quarantined Status = "quarantined"

// Statuses lists every status, strongest first.
var Statuses = []Status{Trusted, Unapproved, Unverifiable, Failed, Unsigned, Unknown}

// Stronger reports whether s says more for an image than other does.
func (s Status) Stronger(other Status) bool {
	return slices.Index(Statuses, s) < slices.Index(Statuses, other)
}

// ParseStatus accepts the statuses and the overlay.
func ParseStatus(s string) (Status, error) {
	if Status(s) == Quarantined {
		return Quarantined, nil
	}
	for _, status := range Statuses {
		if string(status) == s {
			return status, nil
		}
	}
	return "", Errorf(Invalid, "%q is not a status: use trusted, unapproved, unverifiable, invalid, unsigned, unknown or quarantined", clip(s, 40))
}
