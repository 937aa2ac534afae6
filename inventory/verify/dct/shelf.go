package dct

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"signboard/inventory"
)

const (
	// keptFor is how long what was read of a repository is taken as it is.
	keptFor = time.Minute
	// The most that is kept of all repositories together.
	keptViews = 1024
	keptBytes = 64 << 20
)

// shelf keeps views for as long as a look at a repository takes, and makes
// those who ask for the same one at the same time wait for one reading.
type shelf struct {
	mu    sync.Mutex
	views map[string]*kept
	loads map[string]*flight
	bytes int
}

type kept struct {
	view    *view
	err     error
	checked time.Time // when it was last seen to be as it is
	used    time.Time
	state   []byte // what was remembered when it was made
}

type flight struct {
	done chan struct{}
	view *view
	err  error
}

// view is what the server says of a repository.
func (p *Place) view(ctx context.Context, gun string) (*view, error) {
	s := &p.shelf
	s.mu.Lock()
	if s.views == nil {
		s.views, s.loads = map[string]*kept{}, map[string]*flight{}
	}
	now := p.now()
	old := s.views[gun]
	if old != nil && old.good(now) && now.Sub(old.checked) < keptFor && !now.Before(old.checked) {
		old.used = now
		s.mu.Unlock()
		return old.view, old.err
	}
	f := s.loads[gun]
	if f == nil {
		f = &flight{done: make(chan struct{})}
		s.loads[gun] = f
		// Not in the caller's context: others wait for it, too.
		go p.fly(context.WithoutCancel(ctx), gun, old, f)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.view, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// good reports whether nothing in the view has run out since it was made.
func (k *kept) good(now time.Time) bool {
	return k.err != nil || k.view.absent || k.view.until.IsZero() || now.Before(k.view.until)
}

func (p *Place) fly(ctx context.Context, gun string, old *kept, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	next := p.refresh(ctx, gun, old)
	p.note(next.view, next.err)
	f.view, f.err = next.view, next.err
	s := &p.shelf
	s.mu.Lock()
	s.put(gun, next)
	delete(s.loads, gun)
	s.mu.Unlock()
	close(f.done)
}

// refresh reads a repository's metadata, or just its timestamp where that shows
// that nothing else has changed.
func (p *Place) refresh(ctx context.Context, gun string, old *kept) (next *kept) {
	now := p.now()
	next = &kept{checked: now, used: now}
	defer func() {
		if r := recover(); r != nil { // the parsers are other people's, and their input an attacker's
			next.view = nil
			next.err = &inventory.LookError{Reason: inventory.ReasonPayloadMalformed, Message: "What the signing server answered could not be read.",
				Err: fmt.Errorf("panic while reading the metadata of %s: %v", gun, r)}
		}
	}()
	body, err := p.memory.TUF(ctx, gun)
	if err != nil {
		next.err = &inventory.LookError{Reason: inventory.ReasonNotChecked, Message: "What was seen of the repository's signatures before could not be read.", Err: err}
		return next
	}
	if old != nil && old.err == nil && !old.view.absent && old.view.whole() && old.good(now) && bytes.Equal(body, old.state) {
		raw, err := p.remote.session(gun).file(ctx, "timestamp", maxTimestamp)
		if err == nil && bytes.Equal(raw, old.view.timestamp.raw) {
			next.view, next.state = old.view, old.state
			return next
		}
	}
	known, err := recall(body)
	if err == nil {
		next.view, err = p.load(ctx, gun, known)
	}
	if err == nil && next.view.believable() {
		next.state, err = p.remember(ctx, gun, body, next.view)
	}
	if err != nil {
		next.view, next.err = nil, err
	}
	return next
}

// whole reports whether everything in the view holds.
func (v *view) whole() bool {
	if v.frame.fault() != nil || v.unread != nil {
		return false
	}
	for _, r := range v.roles {
		if r.fault() != nil {
			return false
		}
	}
	return true
}

// believable reports whether the view may be remembered: everything holds but
// the lists of delegates, of which each is remembered for itself. One that
// nobody mends would keep every later step back from being noticed otherwise.
func (v *view) believable() bool {
	return !v.absent && v.frame.fault() == nil && v.roles[0].fault() == nil
}

// remember keeps what was seen. Another process may have seen something newer
// meanwhile: then that stays.
func (p *Place) remember(ctx context.Context, gun string, read []byte, v *view) ([]byte, error) {
	body, err := v.known.after(v).body()
	if err != nil || bytes.Equal(body, read) {
		return body, err
	}
	present, err := p.memory.TUF(ctx, gun)
	if err == nil && !bytes.Equal(present, read) {
		return read, nil // the next look starts from what is there now
	}
	if err == nil {
		err = p.memory.KeepTUF(ctx, gun, body)
	}
	if err != nil {
		return nil, &inventory.LookError{Reason: inventory.ReasonNotChecked,
			Message: "What was seen of the repository's signatures could not be kept, and without that a step back wouldn't be noticed.", Err: err}
	}
	return body, nil
}

// put keeps a view, and lets the ones go that were used longest ago.
func (s *shelf) put(gun string, k *kept) {
	if old := s.views[gun]; old != nil {
		s.bytes -= old.weight()
	}
	s.views[gun] = k
	s.bytes += k.weight()
	for len(s.views) > keptViews || s.bytes > keptBytes && len(s.views) > 1 {
		oldest := ""
		for name, k := range s.views {
			if name != gun && (oldest == "" || k.used.Before(s.views[oldest].used)) {
				oldest = name
			}
		}
		s.bytes -= s.views[oldest].weight()
		delete(s.views, oldest)
	}
}

func (k *kept) weight() int {
	if k.view == nil {
		return 0
	}
	return k.view.weight
}
