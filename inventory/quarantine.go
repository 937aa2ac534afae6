package inventory

import "time"

// Quarantine holds an image back whatever its signatures say: one digest
// everywhere, or whatever a tag of one repository points at. Exactly one of
// Digest and (Repository, Tag) is set.
type Quarantine struct {
	ID             string     `json:"id"`
	Digest         Digest     `json:"digest,omitempty"`
	Repository     string     `json:"repository,omitempty"` // "registry/repository"
	Tag            string     `json:"tag,omitempty"`
	Reason         string     `json:"reason"`
	By             string     `json:"by"`
	At             time.Time  `json:"at"`
	ExpiresAt      *time.Time `json:"expires_at"`
	ReleasedAt     *time.Time `json:"released_at"`
	ReleasedBy     string     `json:"released_by,omitempty"`
	ReleasedReason string     `json:"released_reason,omitempty"`
	Images         int        `json:"images"` // images it holds now
}

// StandsAt reports whether the quarantine holds at a moment.
func (q Quarantine) StandsAt(now time.Time) bool {
	return q.ReleasedAt == nil && (q.ExpiresAt == nil || now.Before(*q.ExpiresAt))
}
