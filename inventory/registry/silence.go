package registry

import (
	"sync"
	"time"
)

// Each request to a registry that doesn't answer costs its whole deadline, so a
// repository of a thousand tags would cost hours. After patientRequests in a
// row it isn't asked for more of that repository for a while, and after
// patientScopes such repositories in a row not for anything.
const (
	patientRequests = 4
	patientScopes   = 4
	silencePause    = 2 * time.Minute
	maxSilent       = 10_000 // repositories remembered
)

// silence keeps count of requests that ended at their deadline. Any answer,
// good or bad, ends the row.
type silence struct {
	now func() time.Time

	mu     sync.Mutex
	scopes map[string]*hush
	row    int       // of silent scopes
	until  time.Time // nothing is asked
}

type hush struct {
	row   int
	until time.Time
}

// holds reports whether a request of the scope would only be waited for.
func (s *silence) holds(scope string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	q := s.scopes[scope]
	return now.Before(s.until) || q != nil && now.Before(q.until)
}

// note learns how a request ended.
func (s *silence) note(scope string, timedOut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !timedOut {
		delete(s.scopes, scope)
		s.row = 0
		return
	}
	if s.scopes == nil || len(s.scopes) >= maxSilent {
		s.scopes = map[string]*hush{}
	}
	q := s.scopes[scope]
	if q == nil {
		q = &hush{}
		s.scopes[scope] = q
	}
	if q.row++; q.row == 1 {
		s.row++ // a repository whose very listing hangs counts at once
	}
	now := s.now()
	if q.row >= patientRequests {
		q.until = now.Add(silencePause)
	}
	if s.row >= patientScopes {
		s.until = now.Add(silencePause)
	}
}
