package api

import (
	"time"

	"signboard/inventory"
)

// Image is one digest in one repository with its verdict and all its evidence.
// Every field is always there, here and in what is below: lists are empty rather
// than null, text that there isn't is empty. Times are RFC 3339 in UTC.
type Image struct {
	Registry     string           `json:"registry"`
	Repository   string           `json:"repository"` // without the registry
	Digest       inventory.Digest `json:"digest"`     // empty when nobody could find out
	Tags         []string         `json:"tags"`
	Kind         string           `json:"kind"`
	MediaType    string           `json:"media_type"`
	Status       inventory.Status `json:"status"`
	Reason       inventory.Reason `json:"reason"`
	Message      string           `json:"message"`
	CheckedAt    *time.Time       `json:"checked_at"`
	Stale        bool             `json:"stale"`
	LastGood     *LastGood        `json:"last_good"`
	Quarantine   *Quarantine      `json:"quarantine"`
	Teams        []string         `json:"teams"`
	Platforms    []Platform       `json:"platforms"`
	Signatures   []Signature      `json:"signatures"`
	Attestations []Attestation    `json:"attestations"`
	Notes        []string         `json:"notes"`
	// Evidence is false in lists: platforms, signatures, attestations and notes
	// are empty there, whatever there is.
	Evidence bool          `json:"evidence" doc:"False in lists: platforms, signatures, attestations and notes are empty there, whatever there is."`
	Signers  []ImageSigner `json:"signers" doc:"Whose verified signature the image carries."`
}

// LastGood is the last verdict that rested on a complete look.
type LastGood struct {
	Status    inventory.Status `json:"status"`
	CheckedAt time.Time        `json:"checked_at"`
}

// Platform is one image of an index.
type Platform struct {
	Platform  string           `json:"platform"`
	Digest    inventory.Digest `json:"digest"`
	Status    inventory.Status `json:"status"`
	Inherited bool             `json:"inherited"` // the status is the index's
}

// Signature is the evidence about one signature. Its outcome says nothing of
// trust.
type Signature struct {
	Format         inventory.Format          `json:"format"`
	Manifest       inventory.Digest          `json:"manifest"`
	Outcome        inventory.Outcome         `json:"outcome"`
	Reason         inventory.Reason          `json:"reason"`
	Message        string                    `json:"message"`
	SignedAt       *time.Time                `json:"signed_at"`
	SignedAtSource *inventory.SignedAtSource `json:"signed_at_source"`
	Signer         *ImageSigner              `json:"signer"`
	Domain         string                    `json:"domain"` // the root of trust, by its configured name
	Expires        *Expiry                   `json:"expires"`
	Checks         []Check                   `json:"checks"`
	Chain          []Link                    `json:"chain"`
	// Reproduce is a command for a shell that repeats the check; empty when
	// there is none.
	Reproduce string `json:"reproduce"`
}

// Expiry is when a verified signature stops to hold, and why.
type Expiry struct {
	At      time.Time        `json:"at"`
	Reason  inventory.Reason `json:"reason"`
	Message string           `json:"message"`
}

// ImageSigner is who signed an image, with what people decided about them. The
// signer's own call knows more.
type ImageSigner struct {
	ID       inventory.SignerID   `json:"id"`
	Kind     inventory.SignerKind `json:"kind"`
	Name     string               `json:"name"`
	Standing inventory.Standing   `json:"standing"`
	Facts    []Fact               `json:"facts"`
}

// Fact is a named detail.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Check is one thing that was looked at.
type Check struct {
	Name    string           `json:"name"`
	Result  inventory.Result `json:"result"`
	Message string           `json:"message"`
}

// Link is one element of a chain of trust, in order from the image to the root;
// links of role tlog and timestamp are branches beside it.
type Link struct {
	Role        inventory.LinkRole `json:"role"`
	Name        string             `json:"name"`
	Fingerprint string             `json:"fingerprint"`
	Issuer      string             `json:"issuer"`
	NotBefore   *time.Time         `json:"not_before"`
	NotAfter    *time.Time         `json:"not_after"`
	Checks      []string           `json:"checks"` // names of checks of the signature
	Facts       []Fact             `json:"facts"`
}

// Attestation is a statement about an image that doesn't sign it.
type Attestation struct {
	PredicateType  string                    `json:"predicate_type"`
	Outcome        inventory.Outcome         `json:"outcome"`
	Reason         inventory.Reason          `json:"reason"`
	Message        string                    `json:"message"`
	Signer         *ImageSigner              `json:"signer"`
	Manifest       inventory.Digest          `json:"manifest"`
	SignedAt       *time.Time                `json:"signed_at"`
	SignedAtSource *inventory.SignedAtSource `json:"signed_at_source"`
	Domain         string                    `json:"domain"`
	Facts          []Fact                    `json:"facts"`
	Checks         []Check                   `json:"checks"`
	Reproduce      string                    `json:"reproduce"`
}

// NewImage makes the object from an image with all its evidence, its signers
// with their standing. address is where its registry is, for the commands that
// repeat a check: as inventory.Reproduce takes it, empty for no such commands.
func NewImage(i inventory.Image, address string) Image {
	image := Image{
		Registry: i.Registry, Repository: i.Repository, Digest: i.Digest, Tags: list(i.Tags, same), Kind: string(i.Kind), MediaType: i.MediaType,
		Status: i.Status, Reason: i.Reason, Message: i.Message, CheckedAt: utc(i.CheckedAt), Stale: i.Stale,
		Teams: list(i.Teams, same), Notes: list(i.Notes, same), Evidence: true, Signers: signersOf(i),
		Platforms: list(i.Platforms, func(p inventory.Platform) Platform {
			return Platform{Platform: p.Platform, Digest: p.Digest, Status: p.Status, Inherited: p.Inherited}
		}),
		Signatures: list(i.Signatures, func(s inventory.Signature) Signature {
			made := newSignature(s)
			if address != "" {
				made.Reproduce = inventory.Reproduce(i, s, address)
			}
			return made
		}),
		Attestations: list(i.Attestations, func(a inventory.Attestation) Attestation {
			made := newAttestation(a)
			if address != "" {
				made.Reproduce = inventory.ReproduceAttestation(i, a, address)
			}
			return made
		}),
	}
	if image.Status == "" {
		image.Status = inventory.Unknown
	}
	if i.LastGood != nil {
		image.LastGood = &LastGood{Status: i.LastGood.Status, CheckedAt: i.LastGood.CheckedAt.UTC()}
	}
	if i.Quarantine != nil {
		q := NewQuarantine(*i.Quarantine)
		q.Digests, q.Images = nil, nil
		image.Quarantine = &q
	}
	return image
}

// NewListedImage makes the object from an image as lists have it, without
// evidence.
func NewListedImage(i inventory.Image) Image {
	image := NewImage(i, "")
	image.Evidence = false
	return image
}

// signersOf are those whose verified signature an image carries, as its list has
// them, or else its evidence.
func signersOf(i inventory.Image) []ImageSigner {
	made := list(i.Signers, func(s inventory.Signer) ImageSigner { return *newSigner(&s) })
	if len(made) > 0 {
		return made
	}
	seen := map[inventory.SignerID]bool{}
	for _, s := range i.Signatures {
		if s.Signer != nil && s.Outcome == inventory.OutcomeVerified && !seen[s.Signer.ID] {
			seen[s.Signer.ID] = true
			made = append(made, *newSigner(s.Signer))
		}
	}
	return made
}

func newSignature(s inventory.Signature) Signature {
	made := Signature{
		Format: s.Format, Manifest: s.Manifest, Outcome: s.Outcome, Reason: s.Reason, Message: s.Message,
		SignedAt: utc(s.SignedAt), SignedAtSource: source(s.SignedAtSource), Signer: newSigner(s.Signer), Domain: s.Domain,
		Checks: list(s.Checks, newCheck), Chain: list(s.Chain, newLink),
	}
	if e := s.Expires; e != nil {
		made.Expires = &Expiry{At: e.At.UTC(), Reason: e.Reason, Message: e.Message}
	}
	return made
}

func newAttestation(a inventory.Attestation) Attestation {
	return Attestation{
		PredicateType: a.PredicateType, Outcome: a.Outcome, Reason: a.Reason, Message: a.Message, Signer: newSigner(a.Signer),
		Manifest: a.Manifest, SignedAt: utc(a.SignedAt), SignedAtSource: source(a.SignedAtSource), Domain: a.Domain,
		Facts: list(a.Facts, newFact), Checks: list(a.Checks, newCheck),
	}
}

// newSigner makes the signer of a signature. One that nobody has heard of is
// pending.
func newSigner(s *inventory.Signer) *ImageSigner {
	if s == nil {
		return nil
	}
	made := &ImageSigner{ID: s.ID, Kind: s.Kind, Name: s.Name, Standing: s.Standing, Facts: list(s.Facts, newFact)}
	if made.Kind == "" {
		made.Kind = s.ID.Kind()
	}
	if made.Standing == "" {
		made.Standing = inventory.Pending
	}
	return made
}

func newCheck(c inventory.Check) Check { return Check(c) }

func newFact(f inventory.Fact) Fact { return Fact(f) }

func newLink(l inventory.Link) Link {
	return Link{
		Role: l.Role, Name: l.Name, Fingerprint: l.Fingerprint, Issuer: l.Issuer,
		NotBefore: utc(l.NotBefore), NotAfter: utc(l.NotAfter), Checks: list(l.Checks, same), Facts: list(l.Facts, newFact),
	}
}

// list makes each element anew; the result is never nil.
func list[A, B any](from []A, element func(A) B) []B {
	made := make([]B, 0, len(from))
	for _, a := range from {
		made = append(made, element(a))
	}
	return made
}

func same(s string) string { return s }

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	in := t.UTC()
	return &in
}

func source(s inventory.SignedAtSource) *inventory.SignedAtSource {
	if s == "" {
		return nil
	}
	return &s
}
