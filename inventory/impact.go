package inventory

// Impact is what a decision about a signer would change if it counted now, over
// the images in use that carry a verified signature of the signer.
type Impact struct {
	// Revision is the signer's, which the decision has to name: with another one
	// the impact is of something else.
	Revision int64
	// State is the decision's, were the one who asks to make it: a proposed one
	// changes nothing until somebody else confirms it.
	State   DecisionState
	Images  int // that were judged, whether or not they change
	Changes []Change
	// Teams are those whose images change, sorted; NoTeam stands for images of
	// nobody's.
	Teams    []string
	Examples []ChangedImage // a handful of each change, in the order of the changes
}

// Changed is how many images change, and how many of them stay quarantined
// whatever their signatures say.
func (i Impact) Changed() (images, held int) {
	for _, c := range i.Changes {
		images += c.Images
		held += c.Held
	}
	return images, held
}

// Change is a number of images that go from one status to another.
type Change struct {
	From, To Status
	Images   int
	Held     int // of the images, those that are quarantined, and stay so
}

// ChangedImage is one image of a change.
type ChangedImage struct {
	Image    Image // as a list shows it
	From, To Status
}

// SignedImage is one image in use that carries a verified signature of a signer,
// with what its verdict depends on.
type SignedImage struct {
	// StoredEvidence holds all signatures that verified, of any signer, by their
	// signer and their end only. When Partial is set it holds none.
	StoredEvidence
	RepositoryID int64
	Held         bool // quarantined
	// Partial: the ends of its signatures weren't kept beside them; the evidence
	// itself has to be asked for.
	Partial bool
}
