package api

import (
	"time"

	"signboard/inventory"
)

// Signer is somebody or something that signs.
type Signer struct {
	ID               inventory.SignerID   `json:"id"`
	Kind             inventory.SignerKind `json:"kind"`
	Name             string               `json:"name"`
	Standing         inventory.Standing   `json:"standing"`
	Facts            []Fact               `json:"facts"`
	PublicKey        string               `json:"public_key" doc:"PEM, of a registered key; otherwise empty."`
	RegisteredAt     *time.Time           `json:"registered_at"`
	RegisteredBy     string               `json:"registered_by"`
	FirstSeen        *time.Time           `json:"first_seen" doc:"Null for a key that was registered and hasn't signed anything yet."`
	LastSeen         *time.Time           `json:"last_seen"`
	Images           int                  `json:"images" doc:"Images in use that carry its verified signature."`
	Waiting          int                  `json:"waiting" doc:"Of those, the ones that are unapproved."`
	Repositories     []string             `json:"repositories" doc:"Where it signed images in use, as registry/repository: the three with the most."`
	MoreRepositories bool                 `json:"more_repositories" doc:"It signed in other repositories, too."`
	Teams            []string             `json:"teams" doc:"Whose images it signed."`
	Formats          []inventory.Format   `json:"formats" doc:"Of its verified signatures."`
	EndsAt           *time.Time           `json:"ends_at" doc:"When the first of its approvals that have an end ends."`
	Oddities         []Oddity             `json:"oddities" doc:"What is unusual about a signer that nobody has decided about, the most telling first. None of it is a verdict."`
	Revision         int64                `json:"revision" doc:"Grows with every decision about it; a new decision names the one it was made in view of."`
}

// Oddity is one thing that is unusual about a signer.
type Oddity struct {
	Kind    inventory.OddityKind `json:"kind"`
	Message string               `json:"message"`
	Signer  *NamedSigner         `json:"signer" doc:"The signer that it is like, or that signed where it does before it did."`
}

// NamedSigner is a signer by its name.
type NamedSigner struct {
	ID   inventory.SignerID `json:"id"`
	Name string             `json:"name"`
}

// NewOddity makes the object from what is unusual.
func NewOddity(o inventory.Oddity) Oddity {
	made := Oddity{Kind: o.Kind, Message: o.Message}
	if o.Other != nil {
		made.Signer = &NamedSigner{o.Other.ID, o.Other.Name}
	}
	return made
}

// SignerDetail is a signer with what a list leaves out.
type SignerDetail struct {
	Signer
	Decisions []Decision `json:"decisions" doc:"Newest first."`
	Lent      []Decision `json:"lent" doc:"Approvals of other signers whose patterns match this one, newest first: they count for it unless it was rejected or revoked itself."`
	Roots     []string   `json:"roots" doc:"Of a keyless identity: the roots of trust that its signatures came through so far."`
}

// Decision is what somebody decided about a signer.
type Decision struct {
	ID            string                  `json:"id"`
	Signer        inventory.SignerID      `json:"signer"`
	Decision      inventory.Verb          `json:"decision"`
	Repositories  []string                `json:"repositories" doc:"Patterns over registry/repository."`
	Identities    string                  `json:"identities" doc:"The pattern by which an approval covers more identities of the signer's issuer; otherwise empty."`
	Roots         []string                `json:"roots" doc:"The roots of trust whose word an approval of a keyless identity goes by; none for any."`
	Reason        string                  `json:"reason"`
	ExpiresAt     *time.Time              `json:"expires_at"`
	Replaces      inventory.SignerID      `json:"replaces" doc:"The signer whose place this one takes; empty: nobody's."`
	ReplacedUntil *time.Time              `json:"replaced_until" doc:"When the approvals of that signer end at the latest; null: they stay as they are."`
	State         inventory.DecisionState `json:"state" doc:"A proposed decision waits for a second reviewer, and counts for nothing until then."`
	DecidedBy     []Decider               `json:"decided_by"`
	Revision      int64                   `json:"revision" doc:"The signer's revision that the decision made."`
}

// Decider is a person who took part in a decision, and when.
type Decider struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// NewSigner makes the object from a signer.
func NewSigner(s inventory.Signer) Signer {
	seen := newSigner(&s)
	return Signer{
		ID: seen.ID, Kind: seen.Kind, Name: seen.Name, Standing: seen.Standing, Facts: seen.Facts,
		PublicKey: s.PublicKey, RegisteredAt: utc(s.RegisteredAt), RegisteredBy: s.RegisteredBy, FirstSeen: utc(s.FirstSeen), LastSeen: utc(s.LastSeen),
		Images: s.Images, Waiting: s.Waiting, Revision: s.Revision,
		Repositories: list(s.Repositories, same), MoreRepositories: s.RepositoryCount > len(s.Repositories), Teams: list(s.Teams, same),
		Formats: list(s.Formats, func(f inventory.Format) inventory.Format { return f }), EndsAt: utc(s.EndsAt), Oddities: list(s.Oddities, NewOddity),
	}
}

// NewSignerDetail makes the object from a signer with its decisions, as they
// stand now.
func NewSignerDetail(s inventory.Signer, teams []string, now time.Time) SignerDetail {
	made := NewSigner(s)
	made.Teams = list(teams, same)
	return SignerDetail{
		Signer:    made,
		Decisions: list(s.Decisions, func(d inventory.Decision) Decision { return NewDecision(d, now) }),
		Lent:      list(s.Lent, func(d inventory.Decision) Decision { return NewDecision(d, now) }), Roots: list(s.Roots, same),
	}
}

// NewDecision makes the object from a decision, as it stands now.
func NewDecision(d inventory.Decision, now time.Time) Decision {
	return Decision{
		ID: d.ID, Signer: d.Signer, Decision: d.Verb, Repositories: list(d.Repositories, func(g inventory.Glob) string { return string(g) }),
		Identities: string(d.Identities), Roots: list(d.Roots, same),
		Reason: d.Reason, ExpiresAt: utc(d.ExpiresAt), Replaces: d.Replaces, ReplacedUntil: utc(d.ReplacedUntil), State: d.StateAt(now), Revision: d.Revision,
		DecidedBy: list(d.DecidedBy, func(by inventory.Decider) Decider { return Decider{Name: by.Name, At: by.At.UTC()} }),
	}
}
