package inventory

import "time"

// Retention is how long what is over is kept. No length keeps it for good.
// Decisions, quarantines and the audit log are kept for good whatever it says.
type Retention struct {
	// History is how long verdict changes, signatures that came and went, and tag
	// moves are kept. The latest of each image stay, and so do verdicts that were
	// in force within that time, however old: what an image was, and why, can be
	// told for every moment of it.
	History time.Duration
	// Gone is how long an image that no tag points at, or a repository that the
	// registry doesn't list, is kept with all that is known of it.
	Gone time.Duration
}

// Pruned counts what a Retention had removed.
type Pruned struct {
	Verdicts, Events, Moves int
	Images, Repositories    int
}

// Empty reports whether there was nothing to remove.
func (p Pruned) Empty() bool { return p == Pruned{} }
