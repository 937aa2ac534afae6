// Package session knows who is asking: it signs people in with OpenID Connect,
// keeps their session in the database behind a cookie, and puts the actor into
// each request's context. What an actor may do is not its business; that is
// inventory.Actor's.
package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"signboard/inventory"
)

// How long a session lives: from sign-in, and since it was last used.
const (
	lifetime = 12 * time.Hour
	idle     = 2 * time.Hour
)

// Sessions knows who is asking. Make it with New.
type Sessions struct {
	Config
	scs      *scs.SessionManager
	provider *provider // nil: nobody signs in

	uses    uses
	refused refused
}

// Config says how people sign in.
type Config struct {
	Store   scs.Store // where sessions live; it must not keep tokens in the clear
	BaseURL string    // where browsers find this program; https makes the cookie Secure
	OIDC    *OIDC     // nil: nobody signs in, and everybody is Local
	// Local is who asks when there is no provider to sign in with. It is only
	// safe while the program listens on loopback.
	Local  inventory.Actor
	Tokens Tokens // of programs; nil: there are none
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
	m := scs.New()
	m.Store, m.Codec = c.Store, codec{}
	m.Lifetime, m.IdleTimeout = lifetime, idle
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
	if c.OIDC != nil {
		s.provider = newProvider(*c.OIDC, c.BaseURL, c.Clock, c.Log)
	}
	return s
}

// person is what a session remembers of who signed in. Roles are worked out
// anew at each request, so that a changed configuration counts at once.
type person struct {
	Subject string   `json:"subject"` // issuer|sub
	Name    string   `json:"name"`
	Groups  []string `json:"groups"`
}

const personKey, noticeKey = "person", "notice"

// Middleware loads the session and puts the actor into the request's context.
func (s *Sessions) Middleware(next http.Handler) http.Handler {
	return s.scs.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor := s.actor(r.Context())
		actor.Address = Address(r)
		next.ServeHTTP(w, r.WithContext(inventory.WithActor(r.Context(), actor)))
	}))
}

func (s *Sessions) actor(ctx context.Context) inventory.Actor {
	if s.provider == nil {
		return s.Local
	}
	var p person
	if err := json.Unmarshal([]byte(s.scs.GetString(ctx, personKey)), &p); err != nil || p.Subject == "" {
		return inventory.Actor{}
	}
	role, _ := s.OIDC.role(p.Groups)
	return inventory.Actor{Kind: inventory.UserActor, Name: p.Name, Subject: p.Subject, Groups: p.Groups, Role: role}
}

// Current is who is behind a request now, however long ago it began, and what
// their session is called: its token's hash. Asking doesn't make the session
// last longer.
func (s *Sessions) Current(ctx context.Context) (actor inventory.Actor, session string, err error) {
	if s.provider == nil {
		return s.Local, "local", nil
	}
	token := s.scs.Token(ctx)
	sum := sha256.Sum256([]byte(token))
	// A context of its own: the request's holds the session as it was.
	fresh, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if fresh, err = s.scs.Load(fresh, token); err != nil {
		return inventory.Actor{}, "", fmt.Errorf("reading a session: %w", err)
	}
	actor = s.actor(fresh)
	actor.Address = inventory.ActorFrom(ctx).Address
	return actor, hex.EncodeToString(sum[:]), nil
}

// CanSignIn reports whether there is a provider to sign in with.
func (s *Sessions) CanSignIn() bool { return s.provider != nil }

// Notice leaves one sentence for the person's next page.
func (s *Sessions) Notice(ctx context.Context, message string) { s.scs.Put(ctx, noticeKey, message) }

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
