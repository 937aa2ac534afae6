package inventory

import (
	"fmt"
	"time"
)

// Quarantine holds images back whatever their signatures say. It is of one
// digest, or of a repository and tag: exactly one of Digest and (Repository, Tag)
// is set. Whichever it is of, it holds digests, each in every repository of every
// registry: see Hold.
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
	Images         int        `json:"images"`            // images in use that it holds now
	Digests        []Digest   `json:"digests,omitempty"` // those it holds, the latest first, at most MaxHeldDigests
	DigestCount    int        `json:"-"`                 // all of them
	// Hold says why it holds the image that it is shown with; nil elsewhere.
	Hold *Hold `json:"-"`
}

// MaxHeldDigests is how many digests of a quarantine are listed with it.
const MaxHeldDigests = 200

// StandsAt reports whether the quarantine holds at a moment.
func (q Quarantine) StandsAt(now time.Time) bool {
	return q.ReleasedAt == nil && (q.ExpiresAt == nil || now.Before(*q.ExpiresAt))
}

// Target names what the quarantine is of: a digest, or repository:tag.
func (q Quarantine) Target() string {
	if q.Digest != "" {
		return string(q.Digest)
	}
	return q.Repository + ":" + q.Tag
}

// Hold is one digest that a quarantine holds, in whatever repository, and why.
type Hold struct {
	Digest  Digest
	Because HoldCause
	// Of is the index whose platform the digest is (HeldAsPlatform), or the platform
	// for which the index is held (HeldForPlatform); else empty. Platform is its
	// name then, linux/arm64.
	Of       Digest
	Platform string
	Since    time.Time
}

// HoldCause says why a quarantine holds a digest.
type HoldCause string

// A held index holds its platforms, since they can be pulled by their own digests.
// A held digest holds each index that lists it, since that is how it is pulled;
// but not the other platforms of such an index, of which nobody said anything.
const (
	HeldByDigest    HoldCause = "digest"   // the quarantine is of it
	HeldByTag       HoldCause = "tag"      // the tag pointed at it while the quarantine stood
	HeldAsPlatform  HoldCause = "platform" // it is a platform of a held index
	HeldForPlatform HoldCause = "index"    // it is an index, and a platform of it is held
)

// Weight orders causes: of several for one digest the lightest is kept.
func (c HoldCause) Weight() int {
	switch c {
	case HeldByDigest:
		return 0
	case HeldByTag:
		return 1
	case HeldAsPlatform:
		return 2
	}
	return 3
}

// Why is the cause as the end of a sentence about the image, empty where the
// quarantine is of the image itself.
func (h Hold) Why() string {
	switch h.Because {
	case HeldAsPlatform:
		return fmt.Sprintf("held because it is the platform %s of the index %s", Visible(h.Platform), h.Of.Short())
	case HeldForPlatform:
		return fmt.Sprintf("held because its platform %s (%s) is", Visible(h.Platform), h.Of.Short())
	}
	return ""
}
