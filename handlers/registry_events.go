package handlers

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"signboard/inventory"
	"signboard/views"
)

const (
	// liveEvery is how often the database is asked what has changed, by this
	// process and while somebody listens; and the most often that a stream is told
	// of one registry.
	liveEvery = time.Second
	// heartbeat keeps what stands between from closing a silent stream; the
	// session is looked at again, and ages are brought up to date.
	heartbeat = 15 * time.Second
	// A stream is given up when the browser doesn't take what it is sent.
	writeTime = 10 * time.Second

	maxStreams, maxStreamsOfOne = 100, 4
)

// Current says who is behind a request now, though it began long ago, and what
// its session is called. A session that has ended has an actor who may nothing.
type Current interface {
	Current(ctx context.Context) (actor inventory.Actor, session string, err error)
}

// Live watches the registries for all open pages together: one reader of the
// database per process, and none while nobody listens.
type Live struct {
	store RegistryStore
	log   *slog.Logger
	every time.Duration

	mu      sync.Mutex
	streams map[*stream]bool
	state   liveState
	ended   bool
	wake    chan struct{}
}

type liveState struct {
	registries []inventory.Registry
	failing    map[string][]inventory.Repository
}

// stream is one open page.
type stream struct {
	session string
	changed chan struct{} // holds at most one
	ended   chan struct{}
}

// NewLive makes a Live; nothing is watched before Run.
func NewLive(store RegistryStore, log *slog.Logger) *Live {
	return &Live{store: store, log: log, every: liveEvery, streams: map[*stream]bool{}, wake: make(chan struct{}, 1)}
}

// Run watches until ctx ends, and ends all streams then.
func (l *Live) Run(ctx context.Context) {
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		if l.listeners() == 0 {
			select {
			case <-l.wake:
			case <-ctx.Done():
			}
		} else if err := l.look(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("open pages could not be told how syncs go, will try again", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for s := range l.streams {
		close(s.ended)
	}
}

func (l *Live) listeners() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.streams)
}

// look reads what there is and tells the streams when it is something else.
func (l *Live) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var now liveState
	var err error
	if now.registries, err = l.store.Registries(ctx); err != nil {
		return err
	}
	if now.failing, err = l.store.FailingRepositories(ctx, maxFailing); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if reflect.DeepEqual(now, l.state) {
		return nil
	}
	l.state = now
	for s := range l.streams {
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}
	return nil
}

func (l *Live) current() liveState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// join opens a stream, unless there are too many.
func (l *Live) join(session string) (*stream, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := 0
	for s := range l.streams {
		if s.session == session {
			own++
		}
	}
	if l.ended || len(l.streams) >= maxStreams || own >= maxStreamsOfOne {
		return nil, inventory.Errorf(inventory.Conflict, "Too many pages follow the syncs at once. Close some, or load this page again to see what is new.")
	}
	s := &stream{session: session, changed: make(chan struct{}, 1), ended: make(chan struct{})}
	l.streams[s] = true
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return s, nil
}

func (l *Live) leave(s *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, s)
}

// Events is GET /registries/events: the parts of the page that change, each as
// an event whose id is the part's and whose data is its HTML (HTML standard,
// section 9.2). What is sent is the state, never a difference, so that nothing
// is lost with an event that wasn't received.
func (g Registry) Events(w http.ResponseWriter, r *http.Request) error {
	actor, session, err := g.Sessions.Current(r.Context())
	if err != nil {
		return err
	}
	s, err := g.Live.join(session)
	if err != nil {
		w.Header().Set("Retry-After", "30")
		return &StatusError{Status: http.StatusTooManyRequests, Err: err}
	}
	defer g.Live.leave(s)

	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // some proxies would gather events otherwise
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	// From here on there is nobody to tell an error: the browser comes back.
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // the server's is for requests that end
	send := func(text string) error {
		if err := out.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return out.Flush()
	}
	if send("retry: 3000\n\n") != nil {
		return nil
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	sent := map[string]string{}
	for {
		said := ": still here\n\n"
		select {
		case <-r.Context().Done():
			return nil
		case <-s.ended:
			return nil
		case <-s.changed:
			said = ""
		case <-beat.C:
			if actor, _, err = g.Sessions.Current(r.Context()); err != nil || !actor.May(inventory.See) {
				return nil
			}
		}
		events, err := g.changes(r.WithContext(inventory.WithActor(r.Context(), actor)), sent)
		if err != nil {
			g.Log.Error("an event could not be rendered", "error", err)
			return nil
		}
		if events+said != "" && send(events+said) != nil {
			return nil
		}
	}
}

// changes are the events of those parts of the page that differ from what was
// sent.
func (g Registry) changes(r *http.Request, sent map[string]string) (string, error) {
	state := g.Live.current()
	p := views.RegistriesPage{Frame: g.bare(r, "Registries"), Registries: state.registries, Failing: state.failing}
	var events strings.Builder
	add := func(id string, part templ.Component) error {
		var b bytes.Buffer
		if err := part.Render(r.Context(), &b); err != nil {
			return err
		}
		html := b.String()
		if sent[id] == html {
			return nil
		}
		sent[id] = html
		fmt.Fprintf(&events, "id: %s\n", id)
		for line := range strings.Lines(html) {
			fmt.Fprintf(&events, "data: %s\n", strings.TrimRight(line, "\r\n"))
		}
		events.WriteString("\n")
		return nil
	}
	if len(state.registries) == 0 {
		return "", nil
	}
	if err := add(views.RegistriesHeadID, p.Head()); err != nil {
		return "", err
	}
	for _, registry := range state.registries {
		if err := add(p.RowID(registry), p.Row(registry)); err != nil {
			return "", err
		}
	}
	return events.String(), nil
}
