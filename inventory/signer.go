package inventory

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// SignerKind says what kind of identity signs.
type SignerKind string

const (
	KeySigner     SignerKind = "key"
	KeylessSigner SignerKind = "keyless"
	X509Signer    SignerKind = "x509"
	TUFSigner     SignerKind = "tuf"
)

// SignerKinds lists every kind, in the contract's order.
var SignerKinds = []SignerKind{KeySigner, KeylessSigner, X509Signer, TUFSigner}

// SignerID identifies a signer for good; it is made from what was verified and
// nothing else. Its forms are the contract's.
type SignerID string

// KeyID is the id of the signer behind a public key. spki is the digest of its
// DER-encoded SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
func KeyID(spki Digest) SignerID { return SignerID("key:" + string(spki)) }

// KeylessID is the id of an identity vouched for by an OpenID issuer.
func KeylessID(issuer, san string) SignerID { return SignerID("keyless:" + issuer + "|" + san) }

// X509ID is the id of a certificate subject under a trust anchor.
func X509ID(anchor Digest, subject string) SignerID {
	return SignerID("x509:" + string(anchor) + "|" + subject)
}

// TUFID is the id of a key that signs for a collection of The Update Framework;
// gun is the collection's globally unique name, as Docker Content Trust has it.
func TUFID(gun, keyID string) SignerID { return SignerID("tuf:" + gun + "|" + keyID) }

// Kind is the part of the id before the first colon.
func (id SignerID) Kind() SignerKind {
	kind, _, _ := strings.Cut(string(id), ":")
	return SignerKind(kind)
}

// Path is the address of the signer's page.
func (id SignerID) Path() string { return "/signers/" + url.PathEscape(string(id)) }

// Standing is what people decided about a signer, at one moment.
type Standing string

const (
	Pending  Standing = "pending" // seen or registered, not decided
	Approved Standing = "approved"
	Rejected Standing = "rejected"
	Revoked  Standing = "revoked"
	Expired  Standing = "expired"
)

// Standings lists every standing, the ones that wait for somebody first.
var Standings = []Standing{Pending, Expired, Approved, Rejected, Revoked}

// ParseStanding accepts the standings.
func ParseStanding(s string) (Standing, error) {
	for _, standing := range Standings {
		if string(standing) == s {
			return standing, nil
		}
	}
	return "", Errorf(Invalid, "%q is not a standing: use pending, approved, rejected, revoked or expired", clip(s, 40))
}

// Signer is somebody or something that signs.
type Signer struct {
	ID       SignerID   `json:"id"`
	Kind     SignerKind `json:"kind"`
	Name     string     `json:"name"` // what a person would call it: a registered name, an identity, a fingerprint
	Standing Standing   `json:"standing"`
	Facts    []Fact     `json:"facts,omitempty"` // issuer, workflow, algorithm, …

	PublicKey    string     `json:"public_key,omitempty"` // PEM; set only for a registered key
	RegisteredAt *time.Time `json:"registered_at,omitempty"`
	RegisteredBy string     `json:"registered_by,omitempty"`
	FirstSeen    *time.Time `json:"first_seen,omitempty"` // nil: registered, but no signature of it was seen
	LastSeen     *time.Time `json:"last_seen,omitempty"`
	Images       int        `json:"images"`              // images in use that carry a verified signature of it
	Waiting      int        `json:"waiting"`             // of those, the ones that are unapproved
	Revision     int64      `json:"revision"`            // grows with every decision about it
	Decisions    []Decision `json:"decisions,omitempty"` // newest first
	// Lent are approvals of other signers whose patterns match this one, newest
	// first: active ones, and those that ran out or were revoked.
	Lent []Decision `json:"lent,omitempty"`
	// Roots are the roots of trust that verified signatures of a keyless signer
	// came through so far, sorted.
	Roots []string `json:"roots,omitempty"`

	// What lists of signers and a signer's page say of where it signs, and what is
	// unusual about that.
	Repositories    []string   `json:"repositories,omitempty"`     // registry/repository: those with the most of its images in use
	RepositoryCount int        `json:"repository_count,omitempty"` // of all such; one more than MaxCounted when there are more
	Teams           []string   `json:"teams,omitempty"`            // that own them, sorted
	Formats         []Format   `json:"formats,omitempty"`          // that it signs in
	EndsAt          *time.Time `json:"ends_at,omitempty"`          // when the first of its approvals that have an end ends
	Oddities        []Oddity   `json:"oddities,omitempty"`
}

// MaxCounted is where the repositories of a signer are no longer counted.
const MaxCounted = 20

// Counting are the decisions that count for the signer, as Judge and StandingAt
// read them: its own, newest first, and then those that others lend it.
func (s Signer) Counting() []Decision {
	return slices.Concat(s.Decisions, s.Lent)
}

// StandingAt derives a signer's standing from the decisions that count for it
// (see Counting) at a moment. What others lend it comes after its own, so that a
// rejection or a revocation of the signer itself ends that, too. Scope doesn't matter here: a signer approved anywhere is
// approved, and whether that covers an image is policy's to say.
func StandingAt(decisions []Decision, now time.Time) Standing {
	standing := Pending
	for _, d := range decisions {
		switch d.StateAt(now) {
		case StateActive:
			if d.Verb == Approve {
				return Approved
			}
			// A rejection or a revocation ends everything older than itself.
			if standing != Pending {
				return standing
			}
			if d.Verb == Reject {
				return Rejected
			}
			return Revoked
		case StateExpired:
			if standing == Pending {
				standing = Expired
			}
		case StateRevoked:
			if standing == Pending {
				standing = Revoked
			}
		}
	}
	return standing
}

// EndsAt is when the first of the approvals that count for a signer and have an
// end ends; nil when none does.
func EndsAt(decisions []Decision, now time.Time) *time.Time {
	var first *time.Time
	for _, d := range decisions {
		if d.Verb == Approve && d.StateAt(now) == StateActive && d.ExpiresAt != nil && (first == nil || d.ExpiresAt.Before(*first)) {
			first = d.ExpiresAt
		}
	}
	return first
}

// Valid reports whether the id has one of the contract's forms.
func (id SignerID) Valid() bool {
	_, rest, ok := strings.Cut(string(id), ":")
	if !ok || rest == "" {
		return false
	}
	switch id.Kind() {
	case KeySigner:
		_, err := ParseDigest(rest)
		return err == nil
	case KeylessSigner, X509Signer, TUFSigner:
		return strings.Contains(rest, "|")
	}
	return false
}
