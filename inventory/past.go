package inventory

import (
	"strings"
	"time"
)

// Past is what was known of an image at a moment that is over.
type Past struct {
	At    time.Time // never after Asked
	Asked time.Time
	// Known says whether the verdict of then can be told.
	Known     PastKnowledge
	FirstSeen time.Time
	// KeptFrom is from when on it can be told; set with PastForgotten.
	KeptFrom *time.Time

	Status   Status         // Unknown unless Known is PastKnown
	Since    *time.Time     // when it became so; nil: that isn't kept
	Until    *time.Time     // when the status became another; nil: it hasn't
	Verdict  *VerdictChange // the row of history that was in force; nil where there is none
	LastGood *LastGood      // of an unknown image: what was shown beside it
	Approval *PastDecision  // the decision that the verdict rested on; nil: none, or it wasn't kept

	Tags        []string     // that pointed at the image then, in order
	Quarantines []Quarantine // that held it then
	Gap         *Gap         // nobody looked at the repository between two moments around this one
	GoneSince   *time.Time   // no tag had pointed at it since then, so nobody looked
}

// PastKnowledge is what can be told of a moment.
type PastKnowledge string

const (
	PastKnown     PastKnowledge = "known"
	PastUnseen    PastKnowledge = "unseen"    // Signboard saw the image later
	PastUnchecked PastKnowledge = "unchecked" // it was seen, and nobody had looked at its signatures
	PastForgotten PastKnowledge = "forgotten" // it was known and isn't kept
)

// PastDecision is a decision that a verdict rested on.
type PastDecision struct {
	Decision
	Scope      Glob   // the first of its globs that covers the repository; empty where none does
	AuditIndex *int64 // of its entry in the audit log; nil when it isn't known
}

// Gap is a time in which nobody looked at a repository for longer than a sync
// should take.
type Gap struct {
	From time.Time
	To   *time.Time // nil: nobody has since
}

// Held reports whether a quarantine held the image then.
func (p Past) Held() bool { return len(p.Quarantines) > 0 }

// HeldAt reports whether the hold was in force at a moment.
func (h Hold) HeldAt(q Quarantine, at time.Time) bool {
	return !h.Since.After(at) && (q.ReleasedAt == nil || q.ReleasedAt.After(at)) && (q.ExpiresAt == nil || q.ExpiresAt.After(at))
}

// ParsePast reads the moment somebody asks about: an RFC 3339 time, or a date,
// which means the end of that day (UTC), or now where it is today. What lies in
// the future is refused.
func ParsePast(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		day, err := time.Parse("2006-01-02", s)
		if err != nil {
			return time.Time{}, Errorf(Invalid, "%q is not a date: write 2026-10-01, or a moment as 2026-10-01T14:30:00Z.", Visible(clip(s, 40)))
		}
		at = day.AddDate(0, 0, 1).Add(-time.Millisecond)
		if day.Before(now) && at.After(now) {
			at = now
		}
	}
	if at.After(now) {
		return time.Time{}, Errorf(Invalid, "%s lies in the future: what an image will be, nobody knows.", Visible(clip(s, 40)))
	}
	return at.UTC().Truncate(time.Millisecond), nil
}
