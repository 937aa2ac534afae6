package api

import (
	"time"

	"signboard/inventory"
)

// Signer is somebody or something that signs.
type Signer struct {
	ID           inventory.SignerID   `json:"id"`
	Kind         inventory.SignerKind `json:"kind"`
	Name         string               `json:"name"`
	Standing     inventory.Standing   `json:"standing"`
	Facts        []Fact               `json:"facts"`
	PublicKey    string               `json:"public_key" doc:"PEM, of a registered key; otherwise empty."`
	RegisteredAt *time.Time           `json:"registered_at"`
	RegisteredBy string               `json:"registered_by"`
	FirstSeen    *time.Time           `json:"first_seen" doc:"Null for a key that was registered and hasn't signed anything yet."`
	LastSeen     *time.Time           `json:"last_seen"`
	Images       int                  `json:"images" doc:"Images in use that carry its verified signature."`
	Waiting      int                  `json:"waiting" doc:"Of those, the ones that are unapproved."`
	Revision     int64                `json:"revision" doc:"Grows with every decision about it; a new decision names the one it was made in view of."`
}

// SignerDetail is a signer with what a list leaves out.
type SignerDetail struct {
	Signer
	Teams     []string   `json:"teams" doc:"Whose images it signed lately."`
	Decisions []Decision `json:"decisions" doc:"Newest first."`
	Lent      []Decision `json:"lent" doc:"Approvals of other signers whose patterns match this one, newest first: they count for it unless it was rejected or revoked itself."`
	Roots     []string   `json:"roots" doc:"Of a keyless identity: the roots of trust that its signatures came through so far."`
}

// Decision is what somebody decided about a signer.
type Decision struct {
	ID           string                  `json:"id"`
	Signer       inventory.SignerID      `json:"signer"`
	Decision     inventory.Verb          `json:"decision"`
	Repositories []string                `json:"repositories" doc:"Patterns over registry/repository."`
	Identities   string                  `json:"identities" doc:"The pattern by which an approval covers more identities of the signer's issuer; otherwise empty."`
	Roots        []string                `json:"roots" doc:"The roots of trust whose word an approval of a keyless identity goes by; none for any."`
	Reason       string                  `json:"reason"`
	ExpiresAt    *time.Time              `json:"expires_at"`
	State        inventory.DecisionState `json:"state" doc:"A proposed decision waits for a second reviewer, and counts for nothing until then."`
	DecidedBy    []Decider               `json:"decided_by"`
	Revision     int64                   `json:"revision" doc:"The signer's revision that the decision made."`
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
	}
}

// NewSignerDetail makes the object from a signer with its decisions, as they
// stand now.
func NewSignerDetail(s inventory.Signer, teams []string, now time.Time) SignerDetail {
	return SignerDetail{
		Signer: NewSigner(s), Teams: list(teams, same),
		Decisions: list(s.Decisions, func(d inventory.Decision) Decision { return NewDecision(d, now) }),
		Lent:      list(s.Lent, func(d inventory.Decision) Decision { return NewDecision(d, now) }), Roots: list(s.Roots, same),
	}
}

// NewDecision makes the object from a decision, as it stands now.
func NewDecision(d inventory.Decision, now time.Time) Decision {
	return Decision{
		ID: d.ID, Signer: d.Signer, Decision: d.Verb, Repositories: list(d.Repositories, func(g inventory.Glob) string { return string(g) }),
		Identities: string(d.Identities), Roots: list(d.Roots, same),
		Reason: d.Reason, ExpiresAt: utc(d.ExpiresAt), State: d.StateAt(now), Revision: d.Revision,
		DecidedBy: list(d.DecidedBy, func(by inventory.Decider) Decider { return Decider{Name: by.Name, At: by.At.UTC()} }),
	}
}
