package session

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"signboard/inventory"
)

// How many steps of a sign-in one address takes: a whole office behind one may
// come at nine o'clock. Each step costs a few hashes at most, and no step writes
// anything before the provider vouched for somebody.
const (
	stepsAtOnce   = 120
	stepsInSecond = 2
	maxAddresses  = 4096 // that are remembered
)

// limiter bounds what comes from one address.
type limiter struct {
	mu   sync.Mutex
	each map[string]*rate.Limiter
}

// wait is how long an address has to wait, 0 when it needn't.
func (l *limiter) wait(address string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	address = Network(address)
	one := l.each[address]
	if one == nil {
		l.forget(now)
		one = rate.NewLimiter(stepsInSecond, stepsAtOnce)
		l.each[address] = one
	}
	taken := one.ReserveN(now, 1)
	wait := taken.DelayFrom(now)
	if wait > 0 {
		taken.CancelAt(now)
	}
	return wait
}

// forget makes room for one more: of addresses that have all their steps left
// nothing is lost, and when there are too many others, some begin anew.
func (l *limiter) forget(now time.Time) {
	if l.each == nil {
		l.each = map[string]*rate.Limiter{}
	}
	if len(l.each) < maxAddresses {
		return
	}
	for address, one := range l.each {
		if one.TokensAt(now) >= stepsAtOnce {
			delete(l.each, address)
		}
	}
	for address := range l.each {
		if len(l.each) < maxAddresses {
			return
		}
		delete(l.each, address)
	}
}

// limited refuses a step of a sign-in when the address took too many.
func (s *Sessions) limited(w http.ResponseWriter, r *http.Request) error {
	wait := s.steps.wait(Address(r), s.Clock())
	if wait == 0 {
		return nil
	}
	w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	return inventory.Errorf(inventory.Throttled, "There were too many sign-ins from your address. Try again in a few seconds.")
}

// RefusedError is a request that was refused, for the audit log.
type RefusedError struct {
	Actor  inventory.Actor // whom the provider vouched for, if it did
	Reason string          // holds no secret
	Err    error           // for the person
}

func (e *RefusedError) Error() string { return e.Err.Error() }

func (e *RefusedError) Unwrap() error { return e.Err }

// refusedSignIn is err as a RefusedError when somebody was refused, and as it is
// when something failed.
func refusedSignIn(actor inventory.Actor, err error) error {
	switch inventory.KindOf(err) {
	case inventory.Unauthorized, inventory.Forbidden:
		return &RefusedError{Actor: actor, Reason: "sign in: " + reasonOf(err), Err: err}
	}
	return err
}
