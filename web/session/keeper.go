package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"signboard/inventory"
)

// Store is where sessions live, each under the sha256 of its token.
type Store interface {
	// Session returns a session that hasn't expired, or fails with NotFound.
	Session(ctx context.Context, id string, now time.Time) (inventory.Session, error)
	// StartSession stores a new session with its audit entry.
	StartSession(ctx context.Context, s inventory.Session, entry inventory.AuditEntry) error
	// UseSession stores Data, LastSeenAt, ExpiresAt, Address and Agent. A session
	// that has ended meanwhile stays ended.
	UseSession(ctx context.Context, s inventory.Session) error
	// EndSession ends a session of a person with its audit entry, or fails with
	// NotFound.
	EndSession(ctx context.Context, id, subject string, entry inventory.AuditEntry) error
	Renewals
	Listed
}

// Listed is what a Store does for people who look at their sessions.
type Listed interface {
	// SessionsOf lists those that haven't expired, the one used last first.
	SessionsOf(ctx context.Context, subject string, now time.Time) ([]inventory.Session, error)
	// EndOtherSessions ends all but one with one audit entry, and returns how many
	// there were, or fails with NotFound.
	EndOtherSessions(ctx context.Context, keep, subject string, entry inventory.AuditEntry) (int, error)
}

// Renewals is what a Store does when the provider is asked about a person again.
type Renewals interface {
	// ClaimRenewal reports whether it moved RenewAt from what it is in s.
	ClaimRenewal(ctx context.Context, s inventory.Session, until time.Time) (bool, error)
	// RenewSession stores Name, Groups, Sealed and RenewAt, or fails
	// with NotFound.
	RenewSession(ctx context.Context, s inventory.Session) error
}

// idOf is what a session is called, by the token in the browser's cookie.
func idOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// held is the session of one request, as it was read; nil when there is none.
type held struct {
	*inventory.Session
	address, agent string // of the request
}

type heldKey struct{}

func withHeld(ctx context.Context, h *held) context.Context {
	return context.WithValue(ctx, heldKey{}, h)
}

// heldIn is the session of the request, never nil itself.
func heldIn(ctx context.Context) *held {
	if h, ok := ctx.Value(heldKey{}).(*held); ok {
		return h
	}
	return &held{}
}

// load reads a session outside of Middleware.
func (s *Sessions) load(ctx context.Context, token string) (context.Context, *held, error) {
	h := &held{}
	ctx, err := s.scs.Load(withHeld(ctx, h), token)
	return ctx, h, err
}

// slack is how much time lies at least between two notes of when a session was
// used last: reading a page doesn't wait for a writer.
const slack = time.Minute

// keeper is the scs.CtxStore through which scs keeps sessions. A session begins
// with StartSession alone: what nobody signed in to isn't stored, and what ended
// while a request ran isn't stored again when the request ends.
type keeper struct{ *Sessions }

func (k keeper) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	now := k.Clock()
	found, err := k.Store.Session(ctx, idOf(token), now)
	switch {
	case inventory.KindOf(err) == inventory.NotFound:
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case !now.Before(found.CreatedAt.Add(k.Lifetime)): // it was longer once
		return nil, false, nil
	}
	heldIn(ctx).Session = &found
	return found.Data, true, nil
}

func (k keeper) CommitCtx(ctx context.Context, token string, data []byte, _ time.Time) error {
	h := heldIn(ctx)
	if h.Session == nil || h.ID != idOf(token) {
		return nil
	}
	now := k.Clock()
	next := *h.Session
	next.Data, next.LastSeenAt, next.ExpiresAt, next.Address, next.Agent = data, now, k.expiry(next.CreatedAt, now), h.address, h.agent
	if string(next.Data) == string(h.Data) && next.LastSeenAt.Sub(h.LastSeenAt).Abs() < slack && next.Address == h.Address && next.Agent == h.Agent {
		return nil
	}
	return k.Store.UseSession(ctx, next)
}

// expiry is when a session ends that is used now.
func (s *Sessions) expiry(created, now time.Time) time.Time {
	end := created.Add(s.Lifetime)
	if idle := now.Add(s.Idle); idle.Before(end) {
		return idle
	}
	return end
}

// DeleteCtx does nothing: sessions end with an audit entry, or expire.
func (k keeper) DeleteCtx(context.Context, string) error { return nil }

var errNoContext = errors.New("session: the store is asked without a context")

func (k keeper) Find(string) ([]byte, bool, error)      { return nil, false, errNoContext }
func (k keeper) Commit(string, []byte, time.Time) error { return errNoContext }
func (k keeper) Delete(string) error                    { return errNoContext }
