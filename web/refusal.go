package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/time/rate"

	"signboard/inventory"
	"signboard/web/session"
)

// How many refusals are written down one by one: of a person, of an address that
// nobody has signed in from, and of all those together. What is more is counted,
// and the count is written with the next, so that nobody fills the audit log.
const (
	refusalsOfPerson, personEvery   = 60, 10 * time.Second
	refusalsOfAddress, addressEvery = 10, time.Minute
	refusalsOfAll, allEvery         = 100, 10 * time.Second

	maxRefused   = 4096 // people and addresses that are remembered
	maxObject    = 300  // bytes of what a refusal was about
	crossSite    = "send a form from another site"
	refusedFrom  = "nobody (not signed in)"
	recordingFor = 5 * time.Second
)

// refusals writes into the audit log what people were refused.
type refusals struct {
	record func(context.Context, inventory.AuditEntry) error
	clock  func() time.Time
	log    *slog.Logger

	mu   sync.Mutex
	all  *rate.Limiter // of those who aren't signed in
	seen map[string]*refused
}

// refused is one who was refused.
type refused struct {
	*rate.Limiter
	missing int // refusals that weren't written down
}

func newRefusals(record func(context.Context, inventory.AuditEntry) error, clock func() time.Time, log *slog.Logger) *refusals {
	return &refusals{record: record, clock: clock, log: log,
		all: rate.NewLimiter(rate.Every(allEvery), refusalsOfAll), seen: map[string]*refused{}}
}

// write writes down that a request was refused, and for want of what. The refusal
// stands even when it can't be written down.
func (f *refusals) write(r *http.Request, actor inventory.Actor, what string) {
	if f.record == nil {
		return
	}
	now := f.clock()
	address := session.Address(r)
	missing, ok := f.due(actor, address, now)
	if !ok {
		return
	}
	if missing > 0 {
		what += fmt.Sprintf(" (and %d more times that aren't written down one by one)", missing)
	}
	if actor.Name == "" {
		actor.Kind, actor.Name = inventory.UserActor, refusedFrom
	}
	// The browser may be gone before it is written.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), recordingFor)
	defer cancel()
	err := f.record(ctx, inventory.AuditEntry{At: now, Actor: actor, Action: "access.refused", Object: about(r), Reason: what, Address: address})
	if err != nil {
		f.log.Error("a refusal could not be written into the audit log", "error", err)
	}
}

// refuses writes down what an endpoint refused by itself.
func (t Routes) refuses(e endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := e(w, r)
		if refused, ok := errors.AsType[*session.RefusedError](err); ok {
			t.refusals.write(r, refused.Actor, refused.Reason)
		}
		return err
	}
}

// due reports whether a refusal is to be written down, and how many before it
// were not.
func (f *refusals) due(actor inventory.Actor, address string, now time.Time) (missing int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stranger := actor.Subject == ""
	who, every, burst := "s "+actor.Subject, personEvery, refusalsOfPerson
	if stranger {
		who, every, burst = "a "+session.Network(address), addressEvery, refusalsOfAddress
	}
	one := f.seen[who]
	if one == nil {
		f.forget(now)
		one = &refused{Limiter: rate.NewLimiter(rate.Every(every), burst)}
		f.seen[who] = one
	}
	if !one.AllowN(now, 1) || stranger && !f.all.AllowN(now, 1) {
		if one.missing++; one.missing == 1 {
			f.log.Warn("refusals are counted and no longer written down one by one", "name", inventory.Visible(actor.Name), "from", address)
		}
		return 0, false
	}
	missing, one.missing = one.missing, 0
	return missing, true
}

// forget makes room for one more: first of those whose refusals are long over.
func (f *refusals) forget(now time.Time) {
	if len(f.seen) < maxRefused {
		return
	}
	for who, one := range f.seen {
		if one.TokensAt(now) >= float64(one.Burst()) {
			delete(f.seen, who)
		}
	}
	for who := range f.seen {
		if len(f.seen) < maxRefused {
			return
		}
		delete(f.seen, who)
	}
}

// about is what a request was about, for the audit log: what its address names,
// what its form names when it can be read, or else the address.
func about(r *http.Request) string {
	if route := chi.RouteContext(r.Context()); route != nil {
		for i := len(route.URLParams.Keys) - 1; i >= 0; i-- {
			if route.URLParams.Keys[i] == "*" {
				continue
			}
			name := route.URLParams.Values[i]
			if decoded, err := url.PathUnescape(name); err == nil && r.URL.RawPath != "" {
				name = decoded // chi matched the encoded path
			}
			return shorten(name)
		}
	}
	if r.Form == nil {
		_ = r.ParseMultipartForm(maxBody) // what can't be read names nothing
	}
	object := r.PostFormValue("digest")
	if tag := r.PostFormValue("tag"); tag != "" {
		object = r.PostFormValue("repository") + ":" + tag
	}
	return shorten(cmp.Or(object, r.URL.Path))
}

// shorten makes text of what a client sent that any database takes: PostgreSQL
// refuses NUL and what isn't UTF-8.
func shorten(s string) string {
	if len(s) > maxObject {
		s = s[:maxObject] + "…"
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}
