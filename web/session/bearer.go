package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"signboard/inventory"
)

// Tokens finds the tokens that programs show.
type Tokens interface {
	// TokenByHash returns the token whose secret has the hash, in whatever state
	// it is, or fails with NotFound.
	TokenByHash(ctx context.Context, hash string) (inventory.Token, error)
	// RecordTokenUse notes when and from where a token was used.
	RecordTokenUse(ctx context.Context, id string, at time.Time, address string) error
}

// API puts the actor into the context of a request to the JSON API. One with an
// Authorization header has what the token in it may do and nothing else: the
// browser's session isn't looked at, nor is anybody local, and without a token
// that counts now it is refused with 401 and goes no further. A request without
// that header is a browser's, or nobody's: it is held to the session, and may
// change nothing when another site's page sent it.
//
// A token is read from that header only (RFC 6750, section 2.1). In an address
// (section 2.3) it would end up in logs and histories, so there it is ignored.
func (s *Sessions) API(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem(w, r, http.StatusForbidden, "This request came from another site's page, so it was refused. Programs show a token instead of a session.")
	}))
	browser := protection.Handler(s.Middleware(next))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Authorization")
		sent, there := r.Header["Authorization"]
		if !there {
			browser.ServeHTTP(w, r)
			return
		}
		actor, err := s.bearer(r, sent)
		if err == nil {
			next.ServeHTTP(w, r.WithContext(inventory.WithActor(r.Context(), actor)))
			return
		}
		if refused, ok := errors.AsType[*refusal](err); ok {
			refused.answer(w, r)
			return
		}
		if r.Context().Err() == nil {
			s.Log.Error("a token could not be looked up", "error", err)
		}
		w.Header().Set("Retry-After", "10")
		problem(w, r, http.StatusServiceUnavailable, "Tokens can't be checked at the moment. Try again soon.")
	})
}

// bearer is who shows a token. Its error is a refusal, or says why nobody knows.
func (s *Sessions) bearer(r *http.Request, sent []string) (inventory.Actor, error) {
	now, address := s.Clock(), Address(r)
	secret, err := credentials(sent)
	if err != nil {
		return inventory.Actor{}, s.refuse(r, inventory.Actor{}, err)
	}
	hash := secret.Hash()
	if !s.uses.known(hash) {
		if wait := s.refused.full(address, now); wait > 0 {
			return inventory.Actor{}, s.refuse(r, inventory.Actor{}, &refusal{cause: "limited", status: http.StatusTooManyRequests, wait: wait,
				detail: "Too many tokens were refused from your address. Try again in a minute."})
		}
	}
	if s.Tokens == nil {
		return inventory.Actor{}, s.refuse(r, inventory.Actor{}, unknownToken)
	}
	token, err := s.Tokens.TokenByHash(r.Context(), hash)
	switch {
	case inventory.KindOf(err) == inventory.NotFound:
		s.uses.forget(hash)
		return inventory.Actor{}, s.refuse(r, inventory.Actor{}, unknownToken)
	case err != nil:
		return inventory.Actor{}, err
	}
	actor := token.Actor(address)
	switch token.StateAt(now) {
	case inventory.TokenLive:
		s.used(r, hash, token, now)
		return actor, nil
	case inventory.TokenRevoked:
		err = &refusal{cause: "revoked", status: http.StatusUnauthorized, detail: "This token was revoked."}
	default:
		err = &refusal{cause: "expired", status: http.StatusUnauthorized, detail: fmt.Sprintf("This token expired on %s.", token.ExpiresAt.UTC().Format("2 January 2006 at 15:04 UTC"))}
	}
	s.uses.forget(hash)
	actor.Role = inventory.Nobody
	return inventory.Actor{}, s.refuse(r, actor, err)
}

var unknownToken = &refusal{cause: "unknown", status: http.StatusUnauthorized, detail: "This token isn't known here."}

// credentials reads the one Authorization header that a request may have: the
// scheme, in whatever case, then one space or more and the secret (RFC 9110,
// sections 11.1 and 11.4; RFC 6750, section 2.1).
func credentials(sent []string) (inventory.TokenSecret, error) {
	if len(sent) != 1 {
		return "", &refusal{cause: "malformed", status: http.StatusUnauthorized, detail: "The request has several Authorization headers. Send one."}
	}
	scheme, rest, _ := strings.Cut(strings.Trim(sent[0], " \t"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", &refusal{cause: "malformed", status: http.StatusUnauthorized, other: true, detail: "The Authorization header has to be the word Bearer and a token."}
	}
	secret, err := inventory.ParseTokenSecret(strings.TrimLeft(rest, " "))
	if e, ok := errors.AsType[*inventory.Error](err); ok {
		return "", &refusal{cause: "malformed", status: http.StatusUnauthorized, detail: e.Message}
	}
	return secret, err
}

// refusal is why a token doesn't count.
type refusal struct {
	cause  string // as Config.TokenRefused has it
	status int
	detail string        // a sentence for whoever sent it
	wait   time.Duration // until it is worth trying again; 0 when it isn't
	other  bool          // the request shows something that isn't a bearer token
}

func (r *refusal) Error() string { return r.detail }

// answer says so to the program (RFC 6750, section 3).
func (r *refusal) answer(w http.ResponseWriter, to *http.Request) {
	if r.status == http.StatusUnauthorized {
		challenge := `Bearer realm="Signboard"`
		if !r.other {
			challenge += `, error="invalid_token", error_description="` + r.detail + `"` // our own words, without quotes
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if r.wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((r.wait+time.Second-1)/time.Second)))
	}
	problem(w, to, r.status, r.detail)
}

// problem answers with a problem document (RFC 9457), with the members that the
// API's own have: its instance is the request's id.
func problem(w http.ResponseWriter, r *http.Request, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(struct {
		Type     string `json:"type"`
		Title    string `json:"title"`
		Status   int    `json:"status"`
		Detail   string `json:"detail"`
		Instance string `json:"instance"`
	}{"about:blank", http.StatusText(status), status, detail, middleware.GetReqID(r.Context())})
}

// useEvery is how much time lies between two notes of when a token was used.
const useEvery = time.Minute

// uses remembers the tokens that were good here, and when that was last noted.
// There are never more than there are tokens.
type uses struct {
	mu    sync.Mutex
	noted map[string]time.Time // by the hash of the secret
}

func (u *uses) known(hash string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.noted[hash]
	return ok
}

func (u *uses) forget(hash string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.noted, hash)
}

// due reports whether a use has to be noted, and takes it as done.
func (u *uses) due(hash string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.noted == nil {
		u.noted = map[string]time.Time{}
	}
	if last, ok := u.noted[hash]; ok && now.Sub(last).Abs() < useEvery {
		return false
	}
	u.noted[hash] = now
	return true
}

// used notes that a token was used, beside the answer: nobody waits for it, and
// an answer isn't worse when it fails.
func (s *Sessions) used(r *http.Request, hash string, token inventory.Token, now time.Time) {
	if !s.uses.due(hash, now) || token.LastUsedAt != nil && now.Sub(*token.LastUsedAt).Abs() < useEvery {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	address := Address(r)
	go func() {
		defer cancel()
		if err := s.Tokens.RecordTokenUse(ctx, token.ID, now, address); err != nil {
			s.Log.Warn("when a token was last used could not be noted, will try again", "token", token.Name, "error", err)
		}
	}()
}
