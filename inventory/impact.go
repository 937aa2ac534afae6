package inventory

import (
	"cmp"
	"slices"
	"time"
)

// Impact is what a decision about a signer would change if it counted now, over
// the images in use that carry a verified signature of the signer.
type Impact struct {
	// Revision is the signer's, which the decision has to name: with another one
	// the impact is of something else.
	Revision int64
	// State is the decision's, were the one who asks to make it: a proposed one
	// changes nothing until somebody else confirms it.
	State  DecisionState
	Images int // that were judged, whether or not they change
	Tally
	Examples []ChangedImage // a handful of each change, in the order of the changes
	// Basis is what the impact was worked out from, for the decision to name. Only
	// the door for decisions reads it.
	Basis string
}

// Tally is the numbers of an impact.
type Tally struct {
	Changes []Change // the largest first
	// ByTeam are the same changes by whose images they are, the largest first. An
	// image of two teams is in both.
	ByTeam []TeamChange
	// Teams are those whose images change, sorted; NoTeam stands for images of
	// nobody's.
	Teams []string
}

// Changed is how many images change, and how many of them stay quarantined
// whatever their signatures say.
func (t Tally) Changed() (images, held int) {
	for _, c := range t.Changes {
		images += c.Images
		held += c.Held
	}
	return images, held
}

// Equal reports whether two tallies have the same numbers.
func (t Tally) Equal(u Tally) bool {
	return slices.Equal(t.Changes, u.Changes) && slices.Equal(t.ByTeam, u.ByTeam) && slices.Equal(t.Teams, u.Teams)
}

// Since is how many more images of each team change than in an earlier tally,
// fewer when negative, the largest difference first; teams without one are left
// out.
func (t Tally) Since(earlier Tally) []TeamDifference {
	by := map[TeamDifference]int{}
	for sign, tally := range map[int]Tally{1: t, -1: earlier} {
		for _, c := range tally.ByTeam {
			by[TeamDifference{Team: c.Team, From: c.From, To: c.To}] += sign * c.Images
		}
	}
	var list []TeamDifference
	for d, n := range by {
		if d.Images = n; n != 0 {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b TeamDifference) int {
		return cmp.Or(cmp.Compare(max(b.Images, -b.Images), max(a.Images, -a.Images)), cmp.Compare(a.Team, b.Team), cmp.Compare(a.To, b.To), cmp.Compare(a.From, b.From))
	})
	return list
}

// Change is a number of images that go from one status to another.
type Change struct {
	From   Status `json:"from"`
	To     Status `json:"to"`
	Images int    `json:"images"`
	Held   int    `json:"held"` // of the images, those that are quarantined, and stay so
}

// TeamChange is a number of images of one team that go from one status to
// another.
type TeamChange struct {
	Team   string `json:"team"`
	From   Status `json:"from"`
	To     Status `json:"to"`
	Images int    `json:"images"`
}

// TeamDifference is how many more images of a team change, or fewer.
type TeamDifference TeamChange

// ChangedImage is one image of a change.
type ChangedImage struct {
	Image    Image // as a list shows it
	From, To Status
}

// Footing is what an impact rests on. While it is the same, so is the impact.
type Footing struct {
	Decisions int64      // the revision of the decisions about everybody
	Images    int64      // grows when the signers' images change in a way that counts
	Until     *time.Time // when time alone may change what quarantines hold; nil: nothing does
}

// SignedImage is one image in use that carries a verified signature of a signer,
// with what its verdict depends on.
type SignedImage struct {
	// StoredEvidence holds all signatures that verified, of any signer, by their
	// signer, their root of trust and their end only. When Partial is set it holds
	// none.
	StoredEvidence
	RepositoryID int64
	Held         bool // quarantined
	// Partial: the ends of its signatures weren't kept beside them; the evidence
	// itself has to be asked for.
	Partial bool
}
