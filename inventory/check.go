package inventory

import "time"

// Answer is what CI, and whoever else is about to use images, is told about
// them.
type Answer struct {
	Allowed bool // every image is
	Decided bool // every image could be judged; without it, Allowed is false
	Images  []ImageAnswer
}

// ImageAnswer is the answer about one image. It is allowed only when it is
// trusted and nothing holds it, and that is known.
type ImageAnswer struct {
	Reference string // as it was asked for
	Digest    Digest // empty when nobody could find out
	Allowed   bool
	Decided   bool // there is an answer, be it no
	Status    Status
	Reason    Reason
	Message   string     // one sentence or two for a person
	CheckedAt *time.Time // when what the answer rests on was looked at; nil when nothing was
}

// NewAnswer sums up the answers about some images.
func NewAnswer(images []ImageAnswer) Answer {
	a := Answer{Allowed: len(images) > 0, Decided: len(images) > 0, Images: images}
	for _, i := range images {
		a.Allowed = a.Allowed && i.Allowed
		a.Decided = a.Decided && i.Decided
	}
	return a
}

// Refused reports whether the answer about one of the images is no.
func (a Answer) Refused() bool {
	for _, i := range a.Images {
		if i.Decided && !i.Allowed {
			return true
		}
	}
	return false
}

// Sighting is what the inventory keeps of an image for those who ask whether its
// verdict still holds.
type Sighting struct {
	ImageID       int64
	CheckedAt     *time.Time // the latest look; nil when there was none
	TrustRevision int64      // of the keys and roots it was verified with
}
