package sigstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"

	"signboard/inventory"
)

// How old a copy of a trusted root may be. Sigstore's own clients ask daily; a
// week is what the public-good instance gives its timestamps to live.
const (
	RefreshAfter = 24 * time.Hour     // ask again
	StaleAfter   = 7 * 24 * time.Hour // what isn't in it may well exist by now

	fetchTime  = 2 * time.Minute // one refresh of one instance, with all its files
	maxRoot    = 4 << 20         // bytes of a trusted_root.json
	tickEvery  = time.Minute     // how soon a changed file, or another process's refresh, is seen
	retryFirst = time.Minute
	retryMost  = time.Hour
	spread     = time.Hour // so that processes and installations don't ask all at once
)

// Source says where the trusted root of one instance comes from: a file, or a
// TUF repository.
type Source struct {
	Name string // as configured; no two are the same
	File string // a trusted_root.json, read again when it changes
	// TUF is the address of a TUF repository whose target trusted_root.json is
	// meant; TUFRoot is the root metadata to begin with. Without one it is that
	// of the public-good instance, as sigstore-go carries it.
	TUF     string
	TUFRoot []byte
	Client  *http.Client // guards its addresses and the length of its answers
}

// PublicGood is the instance that the Sigstore project runs for everybody.
func PublicGood(name string, client *http.Client) Source {
	return Source{Name: name, TUF: tuf.DefaultMirror, Client: client}
}

// Shelf keeps the last good copy of each trusted root, with what TUF has to
// remember, for all processes of an installation and over their restarts. raw
// is this room's own; nobody else needs to read it.
type Shelf interface {
	// TrustRoot answers no bytes and no error when nothing is kept.
	TrustRoot(ctx context.Context, name string) (raw []byte, obtained time.Time, err error)
	KeepTrustRoot(ctx context.Context, name string, raw []byte, at time.Time) error
}

// Options are what Roots needs besides its sources.
type Options struct {
	Shelf Shelf        // nil: what was fetched is forgotten at the end
	Log   *slog.Logger // nil: discards
	// Now and Wait stand in for the clock in tests. Wait returns early with the
	// context's error.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error
}

// Roots is the set of trust domains, kept up to date. It is safe for use by
// several goroutines.
//
// A domain from a TUF repository is stale when it was last fetched and found
// good more than StaleAfter ago, when the TUF metadata it came with has run out
// since, or when nothing was ever fetched. A stale domain stays in use: what
// its root vouches for was vouched for, and only what is missing from it proves
// nothing. One from a file has no age; it is stale when the file has changed
// into something that can't be read, and what it said before stays in use.
type Roots struct {
	options Options
	domains atomic.Pointer[[]*Domain]

	working sync.Mutex // one refresh at a time
	mu      sync.Mutex // guards the sources' states
	sources []*state
}

// state is what is known of one source.
type state struct {
	Source
	domain   *Domain   // nil: nothing yet
	kept     *held     // of a TUF repository: what domain was made of
	obtained time.Time // when that was last found good
	refused  time.Time // of a copy on the shelf that isn't this source's
	due      time.Time // when to ask again
	failures int       // in a row
	failure  *inventory.LookError
}

// NewRoots reads the files and the offline copies, and asks nobody: Refresh and
// Run do. A file that can't be read is an error with inventory.Invalid.
func NewRoots(ctx context.Context, sources []Source, o Options) (*Roots, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = func(ctx context.Context, d time.Duration) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(d):
				return nil
			}
		}
	}
	r := &Roots{options: o}
	for _, source := range sources {
		s := &state{Source: source}
		r.sources = append(r.sources, s)
		if s.File == "" {
			if err := r.adopt(ctx, s); err != nil {
				return nil, err
			}
			s.due = s.next(0) // a copy older than a day is due at once
			continue
		}
		if err := r.reread(s); err != nil {
			return nil, &inventory.Error{Kind: inventory.Invalid, Message: s.failure.Message, Err: err}
		}
	}
	r.publish()
	return r, nil
}

// Domains is what is known of each instance at this moment, in the order of the
// configuration. It costs nothing, and a Domain stays the same one until there
// are news of it. The caller must not change the list.
func (r *Roots) Domains() []*Domain { return *r.domains.Load() }

// Refresh brings up to date what is due: files that changed, copies that another
// process fetched, and, where a copy is older than RefreshAfter, what the TUF
// repository has to say. What fails keeps what it had, and is in the error and
// in Status; after a failure the next attempt waits for a while.
func (r *Roots) Refresh(ctx context.Context) error {
	r.working.Lock()
	defer r.working.Unlock()
	failed := make([]error, len(r.sources))
	var working sync.WaitGroup
	for i, s := range r.sources {
		working.Go(func() {
			if s.File != "" {
				failed[i] = r.reread(s)
			} else {
				failed[i] = r.update(ctx, s)
			}
			r.publish()
		})
	}
	working.Wait()
	failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	if len(failed) == 0 {
		return nil
	}
	return failures(failed)
}

// failures are several, told as a person would want to read them in a log.
type failures []error

func (f failures) Error() string {
	var list []string
	for _, err := range f {
		text := err.Error()
		if look, ok := errors.AsType[*inventory.LookError](err); ok {
			text = look.Message
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

func (f failures) Unwrap() []error { return f }

// Run refreshes in the background until ctx ends.
func (r *Roots) Run(ctx context.Context) {
	if len(r.sources) == 0 {
		return
	}
	for {
		if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
			r.options.Log.Warn("a root of trust could not be refreshed; what was known stays in use", "error", err)
		}
		if r.options.Wait(ctx, tickEvery) != nil {
			return
		}
	}
}

// reread reads a trusted root's file. Only a change is an error, so that one
// broken file is told of once.
func (r *Roots) reread(s *state) error {
	domain, err := readFile(s.Name, s.File)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		told := s.failure != nil && s.failure.Message == err.Message
		if s.failure = err; told {
			return nil
		}
		return err
	}
	s.failure = nil
	if s.domain == nil || s.domain.Revision != domain.Revision {
		if s.domain != nil {
			r.options.Log.Info("a trusted root changed", "name", s.Name, "file", s.File)
		}
		s.domain = domain
	}
	return nil
}

func readFile(name, file string) (*Domain, *inventory.LookError) {
	broken := func(err error, why string) *inventory.LookError {
		return &inventory.LookError{Reason: inventory.ReasonTrustRootStale, Message: fmt.Sprintf("The trusted root %s %s.", file, why), Err: err}
	}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, broken(err, "can't be read: "+cause(err))
	case !info.Mode().IsRegular():
		return nil, broken(nil, "is not a file")
	case info.Size() > maxRoot:
		return nil, broken(nil, fmt.Sprintf("is longer than %d MiB", maxRoot>>20))
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, broken(err, "can't be read: "+cause(err))
	}
	domain, err := parse(name, raw)
	if err != nil {
		return nil, broken(err, "is not a trusted_root.json: "+cause(err))
	}
	return domain, nil
}

// CheckFile reports whether a file is a trusted_root.json that something can be
// checked with. Its error is a LookError.
func CheckFile(file string) error {
	if _, err := readFile("the instance", file); err != nil {
		return err
	}
	return nil
}

// parse reads a trusted root and refuses one that can vouch for nothing.
func parse(name string, raw []byte) (*Domain, error) {
	domain, err := ParseDomain(name, raw)
	if err != nil {
		return nil, err
	}
	t := domain.Root
	if len(t.FulcioCertificateAuthorities())+len(t.RekorLogs())+len(t.TimestampingAuthorities()) == 0 {
		return nil, errors.New("it names no certificate authority, no log and no timestamp authority")
	}
	return domain, nil
}

// adopt takes over the copy on the shelf if it is newer than what is known.
func (r *Roots) adopt(ctx context.Context, s *state) error {
	if r.options.Shelf == nil {
		return nil
	}
	raw, at, err := r.options.Shelf.TrustRoot(ctx, s.Name)
	switch {
	case inventory.KindOf(err) == inventory.NotFound:
		return nil
	case err != nil:
		return fmt.Errorf("reading the copy of the trusted root of %s: %w", s.Name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(raw) == 0 || !at.After(s.obtained) || at.Equal(s.refused) {
		return nil
	}
	h, domain, err := unpack(s.Source, raw)
	if err != nil {
		s.refused = at
		r.options.Log.Warn("the copy of a trusted root is not used", "name", s.Name, "error", err)
		return nil
	}
	s.take(h, domain, at)
	return nil
}

// take makes what was fetched, or found on the shelf, what is known.
func (s *state) take(h *held, domain *Domain, at time.Time) {
	if s.domain == nil || s.domain.Revision != domain.Revision {
		s.domain = domain
	}
	s.kept, s.obtained, s.failure, s.failures = h, at, nil, 0
	s.due = s.next(rand.N(spread))
}

// next is when to ask again for what was obtained: after a day, and in good time
// before the metadata runs out.
func (s *state) next(later time.Duration) time.Time {
	due := s.obtained.Add(RefreshAfter + later)
	if s.kept != nil {
		if early := s.kept.Expires.Add(-s.kept.Expires.Sub(s.obtained) / 10); early.Before(due) {
			return early
		}
	}
	return due
}

// update asks the TUF repository, when that is due.
func (r *Roots) update(ctx context.Context, s *state) error {
	if err := r.adopt(ctx, s); err != nil {
		return err
	}
	now := r.options.Now()
	r.mu.Lock()
	due, kept := !now.Before(s.due), s.kept
	r.mu.Unlock()
	if !due {
		return nil
	}
	fetching, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	h, err := fetch(fetching, s.Source, kept, now)
	var domain *Domain
	if err == nil {
		domain, err = parse(s.Name, h.TrustedRoot)
	}
	if err != nil {
		failed := failure(s.TUF, err)
		r.mu.Lock()
		defer r.mu.Unlock()
		s.failure = failed
		s.failures++
		s.due = now.Add(backoff(s.failures))
		return failed
	}
	r.mu.Lock()
	if s.domain != nil && s.domain.Revision != domain.Revision {
		r.options.Log.Info("a trusted root changed", "name", s.Name, "from", s.TUF)
	}
	s.take(h, domain, now)
	r.mu.Unlock()
	if r.options.Shelf == nil {
		return nil
	}
	if err := r.options.Shelf.KeepTrustRoot(ctx, s.Name, h.pack(), now); err != nil {
		return fmt.Errorf("keeping a copy of the trusted root of %s: %w", s.Name, err)
	}
	return nil
}

// backoff is how long to wait after so many failures in a row: longer each
// time, and never the same for two.
func backoff(failures int) time.Duration {
	d := retryFirst << min(failures-1, 10)
	d = min(d, retryMost)
	return d/2 + rand.N(d/2)
}

// stale reports whether the domain should be newer than it is.
func (s *state) stale(now time.Time) bool {
	switch {
	case s.domain == nil:
		return true
	case s.File != "":
		return s.failure != nil
	}
	return now.After(s.obtained.Add(StaleAfter)) || now.After(s.kept.Expires)
}

// publish makes the list that Domains answers, and keeps each Domain that
// nothing is new of.
func (r *Roots) publish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.options.Now()
	list := make([]*Domain, len(r.sources))
	for i, s := range r.sources {
		stale := s.stale(now)
		if s.domain == nil {
			list[i] = &Domain{Name: s.Name, Stale: stale}
			continue
		}
		if s.domain.Stale != stale {
			d := *s.domain
			d.Stale = stale
			s.domain = &d
		}
		list[i] = s.domain
	}
	if old := r.domains.Load(); old == nil || !slices.Equal(*old, list) {
		r.domains.Store(&list)
	}
}
