package session

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"signboard/inventory"
)

// lookAfter is how often Reachable looks at the most.
const lookAfter = time.Minute

// look is the latest look at the provider.
type look struct {
	mu      sync.Mutex
	running bool
	began   time.Time
	ended   bool // at least one has
	up      bool
}

// Reachable reports whether the provider answered when it was last looked at,
// and whether it was looked at yet. It never waits: it looks in the background,
// once a minute at the most. Without a provider nothing is known.
func (s *Sessions) Reachable() (up, known bool) {
	if s.provider == nil {
		return false, false
	}
	l := &s.look
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := s.Clock(); !l.running && (!l.ended || now.Sub(l.began).Abs() >= lookAfter) {
		l.running, l.began = true, now
		go func() {
			up := s.provider.answers()
			l.mu.Lock()
			defer l.mu.Unlock()
			l.running, l.ended, l.up = false, true, up
		}()
	}
	return l.up, l.ended
}

// answers asks for the provider's metadata and reads none of it.
func (p *provider) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.Issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return false
	}
	answer, err := p.client.Do(r)
	if err != nil {
		p.log.Debug("the identity provider does not answer", "issuer", inventory.Visible(p.Issuer), "error", err)
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
