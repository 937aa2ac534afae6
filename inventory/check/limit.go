package check

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"signboard/inventory"
)

// What one person or token may ask about: a few hundred images at once, and then
// as many as a busy build farm needs. Each may cost requests to a registry.
const (
	burst     = 4 * MaxImages
	perSecond = 5
)

// Limit is how much everybody asks, each on their own account. The zero value is
// ready for use.
type Limit struct {
	mu       sync.Mutex
	accounts map[string]*rate.Limiter
}

// Allow takes a number of images from somebody's account, or says how long it
// takes until there are as many in it.
func (l *Limit) Allow(a inventory.Actor, images int) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	name := string(a.Kind) + " " + a.Subject + " " + a.Name
	account := l.accounts[name]
	if account == nil {
		l.tidy(now)
		if l.accounts == nil {
			l.accounts = map[string]*rate.Limiter{}
		}
		account = rate.NewLimiter(perSecond, burst)
		l.accounts[name] = account
	}
	r := account.ReserveN(now, images)
	if !r.OK() {
		return time.Minute, false // more than any account holds
	}
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return wait, false
	}
	return 0, true
}

// tidy forgets accounts that are full again: new ones are, too.
func (l *Limit) tidy(now time.Time) {
	const many = 1000
	if len(l.accounts) < many {
		return
	}
	for name, account := range l.accounts {
		if account.TokensAt(now) >= burst {
			delete(l.accounts, name)
		}
	}
}
