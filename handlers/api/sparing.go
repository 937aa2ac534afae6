package api

import (
	"context"
	"runtime"
	"sync"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// What previews may cost. One judges every image of a signer, which takes a
// processor a second where there are 100,000, and anybody who may see may ask.
const (
	previewCredit = 20 * time.Second // that one person may spend at once
	previewShare  = 5                // and then the fifth part of the time, for good
	previewWait   = 3 * time.Second  // for one's own previews and those of others to end
	maxPreviewers = 4096             // whose spending is remembered
)

// Sparing is a door through which nobody can keep the processors busy with
// previews: each person has one at a time, and as much time as reading takes;
// everybody together leaves a processor for the rest. Who asks for more is
// Throttled, with the time after which to ask again. Everything else goes through
// as it is. It is made with NewSparing.
type Sparing struct {
	decision.Door

	clock   func() time.Time
	places  chan struct{} // of previews that run
	mu      sync.Mutex
	persons map[string]*previewer
}

// previewer is what one person spends.
type previewer struct {
	turn  chan struct{}
	asked int           // previews that run or wait
	spent time.Duration // as of at
	at    time.Time
}

// NewSparing makes one over a door.
func NewSparing(d decision.Door, clock func() time.Time) *Sparing {
	return &Sparing{Door: d, clock: clock, places: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)), persons: map[string]*previewer{}}
}

// Preview is decision.Door's, or fails with Throttled.
func (s *Sparing) Preview(ctx context.Context, actor inventory.Actor, r decision.SignerRequest) (inventory.Impact, error) {
	var impact inventory.Impact
	err := s.spend(ctx, actor, func() (err error) {
		impact, err = s.Door.Preview(ctx, actor, r)
		return err
	})
	return impact, err
}

// spend does something on somebody's account.
func (s *Sparing) spend(ctx context.Context, actor inventory.Actor, do func() error) error {
	p, wait := s.enter(actor)
	if p == nil {
		return tooMany(wait)
	}
	defer s.leave(p)
	waiting, cancel := context.WithTimeout(ctx, previewWait)
	defer cancel()
	for _, room := range []chan struct{}{p.turn, s.places} {
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		case <-waiting.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return tooMany(previewWait)
		}
	}
	began := s.clock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		p.spent += s.clock().Sub(began)
	}()
	return do()
}

func tooMany(wait time.Duration) error {
	return &StatusError{Status: Status(inventory.Throttled), After: wait,
		Err: inventory.Errorf(inventory.Throttled, "Previews are being worked out for you already, or were for a long time. Try again in a few seconds.")}
}

// enter opens somebody's account, unless they spent too much or have others
// waiting: then it says for how long.
func (s *Sparing) enter(actor inventory.Actor) (*previewer, time.Duration) {
	const atOnce = 3 // one runs, and of those that wait a browser has given up all but one
	s.mu.Lock()
	defer s.mu.Unlock()
	now, name := s.clock(), string(actor.Kind)+" "+actor.Subject+" "+actor.Name
	p := s.persons[name]
	if p == nil {
		s.forget(now)
		p = &previewer{turn: make(chan struct{}, 1), at: now}
		s.persons[name] = p
	}
	if past := now.Sub(p.at); past > 0 {
		p.spent, p.at = max(0, p.spent-past/previewShare), now
	}
	if over := p.spent - previewCredit; over > 0 {
		return nil, over * previewShare
	}
	if p.asked == atOnce {
		return nil, previewWait
	}
	p.asked++
	return p, 0
}

func (s *Sparing) leave(p *previewer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.asked--
}

// forget makes room for one more person: of those who ask for nothing and whose
// account is full nothing is lost.
func (s *Sparing) forget(now time.Time) {
	if len(s.persons) < maxPreviewers {
		return
	}
	for name, p := range s.persons {
		if p.asked == 0 && p.spent <= now.Sub(p.at)/previewShare {
			delete(s.persons, name)
		}
	}
}
