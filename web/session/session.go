// Package session knows who is asking: it signs people in with OpenID Connect,
// keeps their session in the database behind a cookie, and puts the actor into
// each request's context. What an actor may do is not its business; that is
// inventory.Actor's.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"signboard/inventory"
)

// How long a session lives unless it is configured: from sign-in, and since it
// was last used.
const (
	DefaultLifetime = 12 * time.Hour
	DefaultIdle     = 2 * time.Hour
)

// Sessions knows who is asking. Make it with New.
type Sessions struct {
	Config
	scs      *scs.SessionManager
	provider *provider // nil: nobody signs in
	renewals renewals
	look     look
	steps    limiter // of sign-ins

	uses    uses
	refused refused
}

// Config says how people sign in.
type Config struct {
	Store   Store  // where sessions live
	BaseURL string // where browsers find this program; https makes the cookie Secure
	OIDC    *OIDC  // nil: nobody signs in, and everybody is Local
	// Lifetime and Idle are how long a session lasts from sign-in, and since it
	// was last used; 0 is the default.
	Lifetime, Idle time.Duration
	// Local is who asks when there is no provider to sign in with. It is only
	// safe while the program listens on loopback.
	Local  inventory.Actor
	Tokens Tokens // of programs; nil: there are none
	// TokenRefused is told why a token was refused: malformed, unknown, expired,
	// revoked, or limited, which is too many from one address. May be nil.
	TokenRefused func(cause string)
	// Audit writes down who signed in.
	Audit func(context.Context, inventory.AuditEntry) error
	Clock func() time.Time
	Log   *slog.Logger
}

// New makes Sessions. It asks no provider anything yet, so that the program
// starts while the provider is down.
func New(c Config) *Sessions {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Lifetime == 0 {
		c.Lifetime = DefaultLifetime
	}
	if c.Idle == 0 {
		c.Idle = DefaultIdle
	}
	m := scs.New()
	m.Codec = codec{}
	m.Lifetime, m.IdleTimeout = c.Lifetime, c.Idle
	m.Cookie.HttpOnly, m.Cookie.Path, m.Cookie.SameSite = true, "/", http.SameSiteLaxMode
	m.Cookie.Name = "signboard"
	if strings.HasPrefix(c.BaseURL, "https://") {
		// The prefix has browsers refuse a cookie of that name from anybody but
		// this host over https (RFC 6265bis, section 4.1.3.2).
		m.Cookie.Name, m.Cookie.Secure = "__Host-signboard", true
	}
	s := &Sessions{Config: c, scs: m}
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		if errors.Is(err, context.Canceled) {
			return // the browser went away
		}
		c.Log.Error("a session could not be read or written", "error", err)
		const why = "Your session could not be read. Try again in a moment."
		if strings.HasPrefix(r.URL.Path, "/api/") {
			problem(w, r, http.StatusServiceUnavailable, why)
			return
		}
		http.Error(w, why, http.StatusServiceUnavailable)
	}
	m.Store = memstore.New() // of nobody in particular, for the sentence after a form
	if c.OIDC != nil {
		m.Store = keeper{s}
		s.provider = newProvider(*c.OIDC, c.BaseURL, c.Clock, c.Log)
	}
	return s
}

const noticeKey = "notice"

// Middleware loads the session and puts the actor into the request's context.
func (s *Sessions) Middleware(next http.Handler) http.Handler {
	inner := s.scs.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.renew(r.Context())
		actor := s.actor(r.Context())
		actor.Address = Address(r)
		next.ServeHTTP(w, r.WithContext(inventory.WithActor(r.Context(), actor)))
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := &held{address: Address(r), agent: clip(r.UserAgent())}
		inner.ServeHTTP(w, r.WithContext(withHeld(r.Context(), h)))
	})
}

// actor is who the session in the context belongs to.
func (s *Sessions) actor(ctx context.Context) inventory.Actor {
	if s.provider == nil {
		return s.Local
	}
	if h := heldIn(ctx); h.Session != nil {
		return s.actorOf(*h.Session)
	}
	return inventory.Actor{}
}

// actorOf is a session's person. The role is worked out anew each time, so that a
// changed configuration counts at once.
func (s *Sessions) actorOf(h inventory.Session) inventory.Actor {
	role, _ := s.OIDC.role(h.Groups)
	return inventory.Actor{Kind: inventory.UserActor, Name: h.Name, Subject: h.Subject, Groups: h.Groups, Role: role}
}

// Current is who is behind a request now, however long ago it began, and what
// their session is called. Asking doesn't make the session last longer.
func (s *Sessions) Current(ctx context.Context) (actor inventory.Actor, session string, err error) {
	if s.provider == nil {
		return s.Local, "local", nil
	}
	token := s.scs.Token(ctx)
	// A context of its own: the request's holds the session as it was.
	fresh, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if fresh, _, err = s.load(fresh, token); err != nil {
		return inventory.Actor{}, "", fmt.Errorf("reading a session: %w", err)
	}
	s.renew(fresh)
	actor = s.actor(fresh)
	actor.Address = inventory.ActorFrom(ctx).Address
	return actor, idOf(token), nil
}

// CanSignIn reports whether there is a provider to sign in with.
func (s *Sessions) CanSignIn() bool { return s.provider != nil }

// Notice leaves one sentence for the person's next page. Nobody has no next page.
func (s *Sessions) Notice(ctx context.Context, message string) {
	if s.provider == nil || heldIn(ctx).Session != nil {
		s.scs.Put(ctx, noticeKey, message)
	}
}

// TakeNotice returns the sentence that was left, once.
func (s *Sessions) TakeNotice(ctx context.Context) string {
	if !s.scs.Exists(ctx, noticeKey) {
		return ""
	}
	return s.scs.PopString(ctx, noticeKey)
}

// Local returns path if it is a path of this program to go on to after signing
// in, and "/" otherwise: never another host, however it is spelt.
func Local(path string) string {
	if len(path) < 1 || len(path) > 2000 || path[0] != '/' || strings.HasPrefix(path, "//") ||
		strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }) ||
		strings.HasPrefix(path, "/auth/") {
		return "/"
	}
	return path
}
