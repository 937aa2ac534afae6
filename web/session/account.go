package session

import (
	"context"
	"fmt"

	"signboard/inventory"
)

// Account is how the person of the request is signed in.
func (s *Sessions) Account(ctx context.Context) (inventory.Account, error) {
	h := heldIn(ctx)
	if s.provider == nil || h.Session == nil {
		return inventory.Account{}, nil
	}
	a := inventory.Account{Issuer: s.OIDC.Issuer, This: *h.Session}
	_, a.By = s.OIDC.role(h.Groups)
	all, err := s.Store.SessionsOf(ctx, h.Subject, s.Clock())
	if err != nil {
		return a, fmt.Errorf("listing sessions: %w", err)
	}
	for _, one := range all {
		if !s.Clock().Before(one.CreatedAt.Add(s.Lifetime)) {
			continue // it was longer once
		}
		if end := one.CreatedAt.Add(s.Lifetime); end.Before(one.ExpiresAt) {
			one.ExpiresAt = end
		}
		one.Sealed, one.Data = "", nil
		a.Sessions = append(a.Sessions, one)
	}
	return a, nil
}

// EndOne ends another session of the same person. One of somebody else isn't
// there for them, and that they asked is a RefusedError.
func (s *Sessions) EndOne(ctx context.Context, id string) error {
	h, actor := heldIn(ctx), inventory.ActorFrom(ctx)
	if h.Session == nil {
		return errNoSessions
	}
	if id == h.ID {
		return inventory.Errorf(inventory.Invalid, "This is the session you are using. To end it, sign out.")
	}
	entry := inventory.AuditEntry{At: s.Clock(), Actor: actor, Action: "session.revoke", Object: h.Subject, Address: actor.Address, Reason: "one session"}
	err := s.Store.EndSession(ctx, id, h.Subject, entry)
	if inventory.KindOf(err) == inventory.NotFound {
		return &RefusedError{Actor: actor, Reason: "end a session that isn't theirs, or has ended", Err: err}
	}
	return err
}

// EndOthers ends all sessions of the person but the one that asks, and returns
// how many there were.
func (s *Sessions) EndOthers(ctx context.Context) (int, error) {
	h, actor := heldIn(ctx), inventory.ActorFrom(ctx)
	if h.Session == nil {
		return 0, errNoSessions
	}
	entry := inventory.AuditEntry{At: s.Clock(), Actor: actor, Action: "session.revoke", Object: h.Subject, Address: actor.Address, Reason: "all other sessions"}
	n, err := s.Store.EndOtherSessions(ctx, h.ID, h.Subject, entry)
	if inventory.KindOf(err) == inventory.NotFound {
		return 0, nil
	}
	return n, err
}

var errNoSessions = inventory.Errorf(inventory.NotFound, "Nobody signs in here, so there are no sessions to end.")
