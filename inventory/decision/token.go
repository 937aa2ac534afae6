package decision

import (
	"context"
	"strings"
	"time"

	"signboard/inventory"
)

// maxTokenName bounds the name of a token, in bytes.
const maxTokenName = 100

// TokenRequest is what somebody asks a token to be.
type TokenRequest struct {
	// ID is what the token will be called for good, made by NewTokenID before the
	// form was shown: the same form sent twice makes one token. Empty: a new one.
	ID        string
	Name      string
	Role      inventory.Role
	ExpiresAt *time.Time // nil: never
}

// NewTokenID makes an ID for a TokenRequest.
func NewTokenID() string { return newID() }

// ManageTokens fails with Forbidden, which is written down, unless the actor may
// see and manage tokens.
func (d Door) ManageTokens(ctx context.Context, actor inventory.Actor) error {
	return require(ctx, d.Tokens.RecordRefusal, actor, inventory.ManageTokens, d.now(), "tokens")
}

// CreateToken makes a token and returns its secret, which is in no other place:
// not in the store, not in the audit log. It fails with Forbidden or Invalid, or
// with Conflict when a live token has the name or the request was carried out
// before.
func (d Door) CreateToken(ctx context.Context, actor inventory.Actor, r TokenRequest) (inventory.Token, inventory.TokenSecret, error) {
	now := d.now()
	r.Name = strings.TrimSpace(r.Name)
	object := r.Name
	if len(object) > maxTokenName {
		object = "tokens"
	}
	if err := require(ctx, d.Tokens.RecordRefusal, actor, inventory.ManageTokens, now, object); err != nil {
		return inventory.Token{}, "", err
	}
	t, err := newToken(actor, r, now)
	if inventory.KindOf(err) == inventory.Forbidden {
		if err := d.Tokens.RecordRefusal(ctx, entry(actor, now, "access.refused", object, "make a token with the role "+r.Role.String(), nil, nil)); err != nil {
			return inventory.Token{}, "", err
		}
	}
	if err != nil {
		return inventory.Token{}, "", err
	}
	secret := inventory.NewTokenSecret()
	if err := d.Tokens.RecordToken(ctx, t, secret.Hash(), entry(actor, now, "token.create", t.Name, "", nil, withSecret(t, secret))); err != nil {
		return inventory.Token{}, "", err
	}
	return t, secret, nil
}

// newToken is the pure part: the token that an actor asks for, or a refusal.
func newToken(actor inventory.Actor, r TokenRequest, now time.Time) (inventory.Token, error) {
	switch {
	case r.Name == "":
		return inventory.Token{}, inventory.Errorf(inventory.Invalid, "A token needs a name that says which program has it.")
	case len(r.Name) > maxTokenName || inventory.Suspicious(r.Name):
		return inventory.Token{}, inventory.Errorf(inventory.Invalid, "The name of a token may have up to %d ordinary characters.", maxTokenName)
	case r.Role < inventory.Viewer || r.Role > inventory.Admin:
		return inventory.Token{}, inventory.Errorf(inventory.Invalid, "Choose the role of the token: viewer, reviewer or admin.")
	case r.Role > actor.Role:
		return inventory.Token{}, inventory.Errorf(inventory.Forbidden, "You are %s, and can't make a token that may do more than you.", actor.Role)
	}
	until, err := expiry(r.ExpiresAt, now)
	if err != nil {
		return inventory.Token{}, err
	}
	if r.ID == "" {
		r.ID = newID()
	} else if !validID(r.ID) {
		return inventory.Token{}, inventory.Errorf(inventory.Invalid, "This form wasn't made by Signboard. Open the page of tokens again.")
	}
	t := inventory.Token{ID: r.ID, Name: r.Name, Role: r.Role, Subject: actor.Subject, CreatedAt: now, CreatedBy: actor.Name, ExpiresAt: until}
	if actor.Kind == inventory.SystemActor || t.Subject == "" {
		// Nobody who signs in stands behind it.
		t.Subject = "token|" + t.ID
	}
	return t, nil
}

// validID reports whether newID could have made the id.
func validID(id string) bool {
	return len(id) == 26 && !strings.ContainsFunc(id, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') })
}

// RevokeToken ends the token with an id, or else the live one with that name,
// and returns it. It counts at the next request that shows it. It fails with
// Forbidden or NotFound, or with Conflict when it was revoked before.
func (d Door) RevokeToken(ctx context.Context, actor inventory.Actor, idOrName string) (inventory.Token, error) {
	now := d.now()
	if err := d.ManageTokens(ctx, actor); err != nil {
		return inventory.Token{}, err
	}
	t, err := d.Tokens.Token(ctx, idOrName, now)
	if err != nil {
		return inventory.Token{}, err
	}
	before := t
	t.RevokedAt, t.RevokedBy = &now, actor.Name
	if err := d.Tokens.RecordTokenRevocation(ctx, t, entry(actor, now, "token.revoke", t.Name, "", tokenRecord(before), tokenRecord(t))); err != nil {
		return inventory.Token{}, err
	}
	return t, nil
}

// withSecret adds the digest of the hash of a token's secret, so that one that was
// exchanged in the database shows. It is of no use to whoever reads it.
func withSecret(t inventory.Token, secret inventory.TokenSecret) any {
	record := tokenRecord(t)
	record["secret"] = inventory.DigestOf([]byte(secret.Hash()))
	return record
}

// tokenRecord is what the audit log keeps of a token.
func tokenRecord(t inventory.Token) map[string]any {
	return map[string]any{
		"id": t.ID, "role": t.Role.String(), "created_by": t.CreatedBy, "created_at": t.CreatedAt, "expires_at": t.ExpiresAt,
		"revoked_by": t.RevokedBy, "revoked_at": t.RevokedAt,
	}
}
