package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"signboard/inventory"
)

const (
	renewEvery    = 10 * time.Minute // the age at which what the provider said is asked for again
	renewAgain    = time.Minute      // after the provider could not be asked
	renewPatience = 2 * time.Second  // how long a page waits for it
	renewTime     = 20 * time.Second // how long it may take beside the pages
)

// renew asks the provider about the person again when what it said is older than
// renewEvery, as far as it gave a refresh token. A page waits renewPatience for
// that and goes on with what was known: whom the provider doesn't answer about
// keeps their groups until it does, or until the session's end.
func (s *Sessions) renew(ctx context.Context) {
	h := heldIn(ctx)
	if h.Session == nil || h.RenewAt == nil {
		return
	}
	running := s.renewals.of(h.ID, !s.Clock().Before(*h.RenewAt), func(done func(*inventory.Session)) {
		token, known := s.scs.Token(ctx), *h.Session
		// Whoever asked may go away meanwhile; a refresh token that was used up
		// must still be replaced.
		beside, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTime)
		go func() {
			defer cancel()
			done(s.renewed(beside, token, known))
		}()
	})
	if running == nil {
		return
	}
	patience := time.NewTimer(renewPatience)
	defer patience.Stop()
	select {
	case <-running.done:
		if running.now != nil {
			copied := *running.now // others wait for the same one
			h.Session = &copied
			return
		}
		h.Session = nil
		if err := s.scs.Destroy(ctx); err != nil {
			s.Log.Error("a session could not be taken from a request", "error", err)
		}
	case <-patience.C:
	case <-ctx.Done():
	}
}

// renewals are those that run, by session. A request that comes while its session
// is renewed waits for the same answer, also when it isn't due by then.
type renewals struct {
	mu  sync.Mutex
	all map[string]*renewal
}

type renewal struct {
	done chan struct{}
	now  *inventory.Session // once done: nil when it has ended
}

// of returns the renewal of a session that runs, or begins one when it is due,
// or else returns nil.
func (r *renewals) of(id string, due bool, begin func(done func(*inventory.Session))) *renewal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if running := r.all[id]; running != nil || !due {
		return running
	}
	if r.all == nil {
		r.all = map[string]*renewal{}
	}
	begun := &renewal{done: make(chan struct{})}
	r.all[id] = begun
	begin(func(now *inventory.Session) {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.all, id)
		begun.now = now
		close(begun.done)
	})
	return begun
}

// renewed is a session with what the provider says now, as it was when it says
// nothing, and nil when it has ended.
func (s *Sessions) renewed(ctx context.Context, token string, known inventory.Session) *inventory.Session {
	mine, err := s.Store.ClaimRenewal(ctx, known, s.Clock().Add(renewAgain))
	if err != nil {
		s.Log.Warn("a session could not be renewed, will try again", "error", err)
		return &known
	}
	if !mine { // another process does it, or it has ended
		now, err := s.Store.Session(ctx, known.ID, s.Clock())
		switch {
		case inventory.KindOf(err) == inventory.NotFound:
			return nil
		case err != nil:
			return &known
		}
		return &now
	}
	next, err := s.askAgain(ctx, token, known)
	if err == nil {
		err = s.Store.RenewSession(ctx, next)
		if inventory.KindOf(err) == inventory.NotFound {
			return nil
		}
	}
	switch inventory.KindOf(err) {
	case inventory.Unauthorized:
		entry := inventory.AuditEntry{At: s.Clock(), Actor: s.actorOf(known), Action: "session.end", Object: known.Subject, Address: known.Address,
			Reason: "The identity provider no longer vouches for this sign-in: " + reasonOf(err)}
		if err := s.Store.EndSession(ctx, known.ID, known.Subject, entry); err != nil && inventory.KindOf(err) != inventory.NotFound {
			s.Log.Error("a session that the provider ended could not be ended", "error", err)
		}
		s.Log.Info("the identity provider ended a session", "person", known.Name, "subject", known.Subject, "error", err)
		return nil
	default:
		if err != nil {
			s.Log.Warn("the identity provider could not be asked about a person again, will try again", "person", known.Name, "error", err)
			return &known
		}
	}
	return &next
}

// askAgain uses the refresh token (OpenID Connect Core 1.0, section 12). Its
// error is Unauthorized when the provider refuses or what it says doesn't hold,
// and anything else when it couldn't be asked.
func (s *Sessions) askAgain(ctx context.Context, token string, known inventory.Session) (inventory.Session, error) {
	p := s.provider
	kept, err := unseal(token, known.Sealed)
	if err != nil {
		return known, unaccepted(err)
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return known, err
	}
	answer, err := p.config(m).TokenSource(oidc.ClientContext(ctx, p.client), &oauth2.Token{RefreshToken: kept.Refresh}).Token()
	if err != nil {
		if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.ErrorCode == "invalid_grant" {
			return known, rejected("The sign-in has ended at the identity provider.", errors.New("the token endpoint says invalid_grant"))
		}
		return known, p.unreachable(p.untraded(err))
	}
	next := known
	if raw, ok := answer.Extra("id_token").(string); ok {
		id, said, err := p.vouched(ctx, m, raw, answer)
		if err != nil {
			return known, err
		}
		who, err := p.person(ctx, m, id, said, answer)
		if err != nil {
			return known, err
		}
		if who.Subject != known.Subject {
			return known, unaccepted(errors.New("the ID token is about somebody else now"))
		}
		next.Name, next.Groups, kept.ID = who.Name, who.Groups, raw
	} else if m.UserInfoURL != "" {
		said, err := p.userInfo(ctx, m, known.Subject[len(p.Issuer)+1:], answer)
		if err != nil {
			return known, err
		}
		// Without an ID token, a claim that is missing may have been in there.
		if groups, ok := said.find(p.GroupsClaim); ok {
			next.Groups = p.groups(groups)
		}
	}
	kept.Refresh = answer.RefreshToken
	if next.Sealed, err = seal(token, kept); err != nil {
		return known, err
	}
	at := s.Clock().Add(renewEvery)
	next.RenewAt = &at
	return next, nil
}

// reasonOf is an error for the audit log.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*inventory.Error](err); ok {
		if e.Err != nil {
			return inventory.Visible(clip(e.Err.Error()))
		}
		return e.Message
	}
	return ""
}
