package session

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"signboard/inventory"
)

// How much of refused tokens is written down and let through. Whoever sends them
// chooses how many there are, and from how many addresses.
const (
	refusedEach   = 30   // tokens refused from an address in a minute, after which none is looked up
	refusedWatch  = 4096 // addresses that are counted at once; beyond, none is limited
	refusedAudit  = 20   // addresses with audit entries of their own in a minute; the rest share one's
	refusedMinute = time.Minute
)

// refused counts refusals of tokens by address, in the last minute.
type refused struct {
	mu      sync.Mutex
	each    map[string]*minute // by address, for the limit
	audited map[string]*minute // by address, or "" for all the others, for the log
}

// minute counts what came in the minute that began at since.
type minute struct {
	since time.Time
	n     int
}

// Network is the address that limits go by: of IPv6 it is the /64, which is what
// one subscriber has at least.
func Network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is6() || a.Is4In6() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// full is how long an address has to wait, 0 when it needn't.
func (f *refused) full(address string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.each[Network(address)]
	if m == nil || m.n < refusedEach {
		return 0
	}
	return max(0, min(refusedMinute, m.since.Add(refusedMinute).Sub(now)))
}

// count takes a refusal in, and says whether it is the first of its address in
// a minute, which is when it is written down. What follows in that minute is
// told by rest, once, at its end; from is empty when it came from many places.
func (f *refused) count(address string, now time.Time, rest func(n int, from string, since time.Time)) (first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.each == nil {
		f.each, f.audited = map[string]*minute{}, map[string]*minute{}
	}
	address = Network(address)
	if m := f.each[address]; m != nil {
		m.n++
	} else if len(f.each) < refusedWatch {
		f.each[address] = &minute{now, 1}
		time.AfterFunc(refusedMinute, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.each, address)
		})
	}

	if f.audited[address] == nil && len(f.audited) >= refusedAudit {
		address = ""
	}
	if m := f.audited[address]; m != nil {
		m.n++
		return false
	}
	m := &minute{since: now}
	f.audited[address] = m
	time.AfterFunc(refusedMinute, func() {
		f.mu.Lock()
		n := m.n
		delete(f.audited, address)
		f.mu.Unlock()
		if n > 0 {
			rest(n, address, m.since)
		}
	})
	return true
}

// refuse counts a refusal, has it written down when it is the first of its
// address in a minute, and returns it. actor is whose token it was, as far as
// that is known.
func (s *Sessions) refuse(r *http.Request, actor inventory.Actor, err error) error {
	refused, ok := err.(*refusal)
	if !ok {
		return err
	}
	actor.Kind, actor.Address = inventory.TokenActor, Address(r)
	if actor.Name == "" {
		actor.Name = unknownName
	}
	if s.TokenRefused != nil {
		s.TokenRefused(refused.cause)
	}
	now := s.Clock()
	if s.refused.count(actor.Address, now, s.rest) {
		place := []rune(r.Method + " " + r.URL.Path)
		s.write(inventory.AuditEntry{At: now, Actor: actor, Action: "access.refused", Object: string(place[:min(len(place), 200)]), Reason: refused.detail, Address: actor.Address})
	}
	return refused
}

// unknownName is what the audit log calls a token that nobody made.
const unknownName = "unknown token"

// rest writes down how many refusals followed the one that was written down.
func (s *Sessions) rest(n int, from string, since time.Time) {
	what := "more requests were"
	if n == 1 {
		what = "more request was"
	}
	if from == "" {
		what = "requests from other addresses were"
	}
	s.write(inventory.AuditEntry{
		At: s.Clock(), Actor: inventory.Actor{Kind: inventory.TokenActor, Name: unknownName, Address: from}, Action: "access.refused", Object: "token", Address: from,
		Reason: fmt.Sprintf("%d %s refused for their tokens in the minute from %s.", n, what, since.UTC().Format(time.TimeOnly+" UTC")),
	})
}

// write puts an entry into the audit log, also when whoever it is about has hung
// up. A refusal stands even when it can't be written down.
func (s *Sessions) write(e inventory.AuditEntry) {
	if s.Audit == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Audit(ctx, e); err != nil {
		s.Log.Error("a refused token could not be written to the audit log", "error", err)
	}
}
