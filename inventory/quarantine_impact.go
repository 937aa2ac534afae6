package inventory

import "fmt"

// HoldImpact is what a quarantine would hold if it were made now; or, of one that
// stands, what it holds and what a release would let go. Images are those in use.
type HoldImpact struct {
	Holds   []Hold // at most MaxHeldDigests; those that somebody named come first
	Digests int    // all of them
	// Counts are the images with one of the digests. Quarantined are those of them
	// that another quarantine holds, too: Others, at most a handful.
	Counts Counts
	Others []Quarantine
	// Free are the images that no other quarantine holds: they would be stopped
	// anew, or are let go.
	Free Counts

	Teams           []NamedCount // the most images first; NoTeam for images of nobody's
	Registries      []NamedCount
	Repositories    []NamedCount // registry/repository; a handful, in order of their names
	RepositoryCount int
	Tags            []string // registry/repository:tag, a handful, in order
	TagCount        int
	Examples        []Image // a handful, the newest first, as lists show them
}

// NamedCount is how many images something has.
type NamedCount struct {
	Name   string
	Images int
}

// Seen sums up what somebody was shown, to be compared when they confirm.
func (i HoldImpact) Seen() string {
	return fmt.Sprintf("%d-%d-%d", i.Digests, i.Counts.Images, i.Counts.ByStatus[Trusted])
}

// Differs says in a sentence what has changed since somebody was shown seen; it is
// empty when nothing has. What seen can't be is a change, too.
func (i HoldImpact) Differs(seen string) string {
	if seen == i.Seen() {
		return ""
	}
	now := held(i.Digests, i.Counts.Images, i.Counts.ByStatus[Trusted])
	var digests, images, trusted int
	if n, err := fmt.Sscanf(seen, "%d-%d-%d", &digests, &images, &trusted); n != 3 || err != nil {
		return "This would hold " + now + "."
	}
	return fmt.Sprintf("When you looked, this was %s; now it is %s.", held(digests, images, trusted), now)
}

func held(digests, images, trusted int) string {
	return fmt.Sprintf("%s in use with %s, %d of them trusted", plural(images, "image"), plural(digests, "digest"), trusted)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
