package api

import (
	"time"

	"signboard/inventory"
)

// Quarantine holds an image back: by digest, or by repository and tag.
type Quarantine struct {
	ID         string           `json:"id"`
	Digest     inventory.Digest `json:"digest,omitempty" doc:"The image it holds in whatever repository; there is either this or repository and tag."`
	Repository string           `json:"repository,omitempty" doc:"As registry/repository."`
	Tag        string           `json:"tag,omitempty" doc:"It holds whatever this tag points at."`
	Reason     string           `json:"reason"`
	By         string           `json:"by"`
	At         time.Time        `json:"at"`
	ExpiresAt  *time.Time       `json:"expires_at"`
	ReleasedAt *time.Time       `json:"released_at"`
}

// NewQuarantine makes the object from a quarantine.
func NewQuarantine(q inventory.Quarantine) Quarantine {
	return Quarantine{
		ID: q.ID, Digest: q.Digest, Repository: q.Repository, Tag: q.Tag, Reason: q.Reason, By: q.By, At: q.At.UTC(),
		ExpiresAt: utc(q.ExpiresAt), ReleasedAt: utc(q.ReleasedAt),
	}
}
