// Package decision is the only door through which a person changes trust:
// approving, rejecting and revoking signers, registering keys, quarantining and
// releasing images; and through which a person starts or ends a sync, or makes
// and revokes the tokens of programs. Each verb asks actor.May, decides in pure
// code, and hands the decision to the store together with its audit entry; there
// is no other way to write either. It renders nothing and knows no SQL.
package decision

import (
	"context"
	"time"

	"signboard/inventory"
)

// Store writes decisions. Every write takes its audit entry along, in the same
// transaction; the store gives the entry its index.
type Store interface {
	// Signer returns a signer with its decisions, newest first, or NotFound.
	Signer(ctx context.Context, id inventory.SignerID, now time.Time) (inventory.Signer, error)
	// RecordDecision stores a decision about a signer whose revision is still
	// the one that was seen, and ends the decisions listed. It fails with
	// Conflict when the revision moved on.
	RecordDecision(ctx context.Context, d inventory.Decision, seen int64, ended []string, entry inventory.AuditEntry) error
	// RecordProposalEnd ends a proposal of a signer whose revision is still the
	// one that was seen; Conflict when it isn't, or the proposal no longer waits.
	RecordProposalEnd(ctx context.Context, d inventory.Decision, seen int64, entry inventory.AuditEntry) error
	// RecordKey registers a public key as a signer, pending. The same key twice
	// is a Conflict.
	RecordKey(ctx context.Context, s inventory.Signer, entry inventory.AuditEntry) error
	// RecordRefusal writes down that somebody was refused.
	RecordRefusal(ctx context.Context, entry inventory.AuditEntry) error
}

// QuarantineStore writes quarantines, and says what they hold.
type QuarantineStore interface {
	Quarantine(ctx context.Context, id string) (inventory.Quarantine, error)
	// WouldHold is what one would hold if it were made now. It fails with Invalid
	// when its repository is in no registry.
	WouldHold(ctx context.Context, of inventory.Quarantine, now time.Time) ([]inventory.Hold, error)
	// HoldImpact is what one would hold or, when it has an id, what it holds.
	HoldImpact(ctx context.Context, of inventory.Quarantine, now time.Time) (inventory.HoldImpact, error)
	// RecordEnd gives one that stands another end; Conflict when it no longer
	// stands, or its end isn't seen.
	RecordEnd(ctx context.Context, q inventory.Quarantine, seen *time.Time, entry inventory.AuditEntry) error
	// RecordQuarantine holds all that it is of at once, in the same transaction;
	// Conflict when exactly that is held already.
	RecordQuarantine(ctx context.Context, q inventory.Quarantine, entry inventory.AuditEntry) error
	// RecordRelease ends a quarantine that stands; Conflict when it no longer
	// does.
	RecordRelease(ctx context.Context, q inventory.Quarantine, entry inventory.AuditEntry) error
	RecordRefusal(ctx context.Context, entry inventory.AuditEntry) error
}

// RegistryStore writes what a person asks of a registry's sync.
type RegistryStore interface {
	// RecordSyncRequest makes a registry due now, or fails with NotFound.
	RecordSyncRequest(ctx context.Context, registry string, now time.Time, entry inventory.AuditEntry) error
	// RecordCancellation ends a registry's sync; Conflict when there is none.
	RecordCancellation(ctx context.Context, registry string, now time.Time, entry inventory.AuditEntry) error
	RecordRefusal(ctx context.Context, entry inventory.AuditEntry) error
}

// ImpactStore is what the preview of a decision is worked out from. It only
// reads.
type ImpactStore interface {
	// SignedImages lists images in use that carry a verified signature of the
	// signer, newest first: up to limit of those older than before, from the
	// newest on when that is 0.
	SignedImages(ctx context.Context, id inventory.SignerID, before int64, limit int, now time.Time) ([]inventory.SignedImage, error)
	// Evidence is the stored evidence of images.
	Evidence(ctx context.Context, imageIDs []int64) ([]inventory.StoredEvidence, error)
	Decisions(ctx context.Context, signers []inventory.SignerID) (inventory.Decisions, error)
	// Matching are the known signers that a pattern of a signer's issuer matches:
	// all of the ids, and who the first of them are.
	Matching(ctx context.Context, of inventory.SignerID, p inventory.IdentityPattern, first int, now time.Time) ([]inventory.SignerID, []inventory.Signer, error)
	// ImagesByID shows images as lists do, in the order of the ids.
	ImagesByID(ctx context.Context, ids []int64, now time.Time) ([]inventory.Image, error)
	// TeamsOf are the teams that own each of the repositories, sorted; one that
	// nobody owns belongs to NoTeam.
	TeamsOf(ctx context.Context, repositories []int64) (map[int64][]string, error)
	// Footing is what an impact on the images of some signers rests on.
	Footing(ctx context.Context, signers []inventory.SignerID, now time.Time) (inventory.Footing, error)
}

// TokenStore writes tokens.
type TokenStore interface {
	// Token returns the token with an id, or else the live one with that name, or
	// NotFound.
	Token(ctx context.Context, idOrName string, now time.Time) (inventory.Token, error)
	// RecordToken stores a token by the hash of its secret; Conflict when a live
	// one has the name, or any the id.
	RecordToken(ctx context.Context, t inventory.Token, hash string, entry inventory.AuditEntry) error
	// RecordTokenRevocation ends a token; Conflict when it was revoked before.
	RecordTokenRevocation(ctx context.Context, t inventory.Token, entry inventory.AuditEntry) error
	RecordRefusal(ctx context.Context, entry inventory.AuditEntry) error
}
