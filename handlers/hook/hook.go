package hook

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"golang.org/x/time/rate"

	"signboard/inventory"
)

const (
	maxBody     = 1 << 20          // bytes of a request
	readTimeout = 10 * time.Second // for the body to arrive
	perSecond   = 200              // requests of a registry
	atOnce      = 400              // requests of a registry after a pause
	maxWaiting  = 64               // requests that are being answered at once
	maxUnproven = 8                // whose body is being read to see whether it is signed
	refusalLog  = time.Minute      // between two lines about refusals
)

// Registry is what the events of one registry are held against.
type Registry struct {
	Name         string
	Host         string // of its URL, without the port
	Secret       string // what it shows with its events; empty refuses all
	Repositories []inventory.Glob
}

// Store notes what is worth a look.
type Store interface {
	// Hint makes repositories of a registry the first to be read. It ignores some
	// of those that it doesn't know when there are too many.
	Hint(ctx context.Context, registry string, hints []inventory.Hint, now time.Time) (ignored int, err error)
}

// Config is what a Hook is made of.
type Config struct {
	Registries []Registry
	Store      Store
	Hinted     func() // is called when there is something to read
	// Received is told of each request: the registry's name, empty for one that
	// isn't configured, the status that it was answered with, and how many
	// repositories are to be read for it. May be nil.
	Received func(registry string, status, noted int)
	Clock    func() time.Time
	Log      *slog.Logger
}

// Hook answers POST /hooks/{registry}.
type Hook struct {
	Config
	senders map[string]*sender
	nobody  *sender // stands for every registry that isn't configured

	waiting, unproven chan struct{}
}

// sender is a registry that sends events.
type sender struct {
	Registry
	secret  secret
	limit   *rate.Limiter
	mailbox mailbox

	mu       sync.Mutex
	refused  int // since a line was logged
	loggedAt time.Time
}

// New makes a Hook.
func New(c Config) *Hook {
	h := &Hook{Config: c, senders: map[string]*sender{},
		waiting: make(chan struct{}, maxWaiting), unproven: make(chan struct{}, maxUnproven)}
	h.nobody = h.sender(Registry{})
	for _, r := range c.Registries {
		h.senders[r.Name] = h.sender(r)
	}
	return h
}

func (h *Hook) sender(r Registry) *sender {
	s := &sender{Registry: r, secret: secret(r.Secret), limit: rate.NewLimiter(perSecond, atOnce)}
	if s.secret == "" { // nobody knows it, and asking takes as long as with any other
		s.secret = secret(rand.Text())
	}
	s.mailbox.note = func(ctx context.Context, hints []inventory.Hint) error {
		ignored, err := h.Store.Hint(ctx, r.Name, hints, h.Clock())
		if err != nil {
			return err
		}
		if ignored > 0 {
			h.Log.Warn("events named too many repositories that aren't known; the next listing finds those that are there",
				"registry", r.Name, "ignored", ignored)
		}
		h.Hinted()
		return nil
	}
	return s
}

// Receive is POST /hooks/{registry}: 202 when what an event names is noted. It
// needs no session, only the registry's secret; the query, which may hold it, is
// never logged.
func (h *Hook) Receive(w http.ResponseWriter, r *http.Request) {
	from, noted := h.from(r), 0
	if h.Received != nil {
		seen := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		w = seen
		defer func() { h.Received(from.Name, seen.Status(), noted) }()
	}
	shown := from.secret.shown(r)
	var body []byte
	if !shown {
		var ok bool
		if body, ok = h.signed(w, r, from); !ok {
			return
		}
	}
	if !from.limit.Allow() {
		later(w, http.StatusTooManyRequests, time.Second, "Too many events in a second.")
		return
	}
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		later(w, http.StatusTooManyRequests, time.Second, "Too many events at once.")
		return
	}
	if shown {
		var err error
		body, err = h.body(w, r)
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			answer(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("An event may have %d MiB.", maxBody>>20))
			return
		}
		if err != nil {
			answer(w, http.StatusBadRequest, "The body didn't arrive.")
			return
		}
	}
	reading, err := read(r.Header, body)
	switch {
	case errors.Is(err, errTooMany):
		answer(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("A request may hold %d events.", maxEvents))
		return
	case err != nil:
		h.Log.Info("an event could not be read", "registry", from.Name, "error", err)
		answer(w, http.StatusBadRequest, "This is not an event that can be read here. It has to be JSON of one of the sources that the documentation names.")
		return
	case reading.shake != "":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"validationResponse": reading.shake}) // the client went away
		return
	}
	hints := from.choose(reading.names)
	h.Log.Debug("events", "registry", from.Name, "named", len(reading.names), "noted", len(hints))
	switch err := from.mailbox.put(r.Context(), hints); {
	case err == nil:
		noted = len(hints)
		w.WriteHeader(http.StatusAccepted)
	case errors.Is(err, errFull):
		later(w, http.StatusTooManyRequests, time.Second, "Too many events at once.")
	default:
		if !errors.Is(err, context.Canceled) {
			h.Log.Error("an event could not be noted", "registry", from.Name, "error", err)
		}
		later(w, http.StatusServiceUnavailable, 5*time.Second, "The event could not be noted. Send it again.")
	}
}

// signed reads the body of a request that shows the secret only in a signature
// of it, and answers all others. Whether it does is known late, so few such
// requests are read at once.
func (h *Hook) signed(w http.ResponseWriter, r *http.Request, from *sender) (body []byte, ok bool) {
	signature := r.Header.Get(signatureHeader)
	if signature == "" {
		h.refuse(w, from)
		return nil, false
	}
	select {
	case h.unproven <- struct{}{}:
		defer func() { <-h.unproven }()
	default:
		later(w, http.StatusTooManyRequests, time.Second, "Too many events at once.")
		return nil, false
	}
	body, err := h.body(w, r)
	if err != nil || !from.secret.signed(signature, body) {
		h.refuse(w, from)
		return nil, false
	}
	return body, true
}

// Shake is OPTIONS /hooks/{registry}: it tells a sender of CloudEvents that it
// may send them here (CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery",
// section 4).
func (h *Hook) Shake(w http.ResponseWriter, r *http.Request) {
	from := h.from(r)
	if !from.secret.shown(r) {
		h.refuse(w, from)
		return
	}
	w.Header().Set("Allow", http.MethodPost)
	if origin := r.Header.Get("WebHook-Request-Origin"); originName.MatchString(origin) {
		w.Header().Set("WebHook-Allowed-Origin", origin)
		w.Header().Set("WebHook-Allowed-Rate", fmt.Sprint(perSecond*60)) // a minute
	}
	w.WriteHeader(http.StatusOK)
}

var originName = regexp.MustCompile(`^[A-Za-z0-9.:-]{1,255}$`)

func (h *Hook) from(r *http.Request) *sender {
	name := chi.URLParam(r, "registry")
	if unescaped, err := url.PathUnescape(name); err == nil {
		name = unescaped
	}
	if s := h.senders[name]; s != nil {
		return s
	}
	return h.nobody
}

func (h *Hook) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// Not every server lets go of a slow sender by itself.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
}

// choose keeps the names that belong to this registry and that it is configured
// to look at, each once.
func (s *sender) choose(names []named) []inventory.Hint {
	var hints []inventory.Hint
	at := map[string]int{}
	for _, n := range names {
		if !inventory.ValidRepository(n.Repository) || n.on != nil && !n.on(s.Host) || !inventory.MatchAny(s.Repositories, n.Repository) {
			continue
		}
		if i, ok := at[n.Repository]; ok {
			hints[i].Deleted = hints[i].Deleted && n.Deleted
			continue
		}
		at[n.Repository] = len(hints)
		hints = append(hints, n.Hint)
	}
	return hints
}

// refuse answers who doesn't show the secret, as it answers for a registry that
// isn't there or has none.
func (h *Hook) refuse(w http.ResponseWriter, from *sender) {
	from.mu.Lock()
	from.refused++
	n, now := from.refused, h.Clock()
	due := now.Sub(from.loggedAt) >= refusalLog
	if due {
		from.refused, from.loggedAt = 0, now
	}
	from.mu.Unlock()
	if due {
		h.Log.Warn("events were refused: they don't show the secret of a configured registry (hook_secret)", "registry", cmp.Or(from.Name, "(not configured)"), "events", n)
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	answer(w, http.StatusUnauthorized, "The secret is missing or wrong.")
}

func later(w http.ResponseWriter, status int, after time.Duration, sentence string) {
	w.Header().Set("Retry-After", fmt.Sprint(int(after.Seconds())))
	answer(w, status, sentence)
}

func answer(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, strings.TrimSpace(sentence)+"\n") // the client went away
}
