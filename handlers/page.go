// Package handlers holds what each page does: parse the request into the
// inventory's words, ask once, render. Handlers hold no SQL and no policy, and
// ask nobody but inventory.Actor what a person may do. A GET changes nothing.
package handlers

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"

	"signboard/handlers/api"
	"signboard/inventory"
	"signboard/views"
	"signboard/views/ui"
)

// Around is what the frame of every page shows of the inventory.
type Around interface {
	Standings(ctx context.Context, now time.Time) (map[inventory.Standing]int, error)
	Registries(ctx context.Context) ([]inventory.Registry, error)
	Reevaluation(ctx context.Context, now time.Time) (inventory.Reevaluation, error)
}

// Notices passes one sentence from a form to the page that follows it.
type Notices interface {
	Notice(ctx context.Context, message string)
	TakeNotice(ctx context.Context) string
}

// Pages is what all pages have in common.
type Pages struct {
	Around  Around
	Notices Notices
	Teams   []inventory.Team // as configured
	SignIn  bool             // there is a provider to sign in with
	Demo    bool
	Version string
	Clock   func() time.Time
	Warning func() string // stands over every page while it isn't empty; may be nil
	Log     *slog.Logger
}

// frame is the page's surroundings for this request.
func (p Pages) frame(r *http.Request, title string) (views.Frame, []inventory.Registry, error) {
	f := p.bare(r, title)
	registries, err := p.Around.Registries(r.Context())
	if err != nil {
		return f, nil, err
	}
	f.LastSync = inventory.LastSync(registries)
	standings, err := p.Around.Standings(r.Context(), f.Now)
	if err != nil {
		return f, nil, err
	}
	f.Inbox = standings[inventory.Pending]
	if f.Reevaluation, err = p.Around.Reevaluation(r.Context(), f.Now); err != nil {
		return f, nil, err
	}
	if r.Method != http.MethodHead { // nobody would read it
		if message := p.Notices.TakeNotice(r.Context()); message != "" {
			f.Flash = &views.Flash{Message: message}
		}
	}
	return f, registries, nil
}

// bare is a frame that needs no database.
func (p Pages) bare(r *http.Request, title string) views.Frame {
	f := views.Frame{
		Title: title, Path: r.URL.RequestURI(), Now: p.Clock().UTC(), Actor: inventory.ActorFrom(r.Context()),
		Demo: p.Demo, Version: p.Version,
	}
	f.Teams = inventory.TeamsOf(p.Teams, f.Actor.Groups)
	if p.Warning != nil {
		f.Notice = p.Warning()
	}
	if c, err := r.Cookie(themeCookie); err == nil {
		f.Theme = ui.ParseTheme(c.Value)
	}
	if p.SignIn {
		if f.Actor.Role == inventory.Nobody {
			f.SignInURL = "/signin"
		} else {
			f.SignOutURL = "/auth/logout"
		}
	}
	return f
}

// show renders a page whole before it sends the first byte, so that a failure
// while rendering is still an error page.
func show(w http.ResponseWriter, r *http.Request, status int, page templ.Component) error {
	var b bytes.Buffer
	if err := page.Render(r.Context(), &b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	if err != nil {
		return nil // the browser went away
	}
	return nil
}

// StatusError is an error for which HTTP has a more exact status than that of
// its kind.
type StatusError = api.StatusError

// Error shows what went wrong. Only an inventory.Error's message is shown; the
// rest goes to the log, under the request's id. Where the browser has gone away,
// nothing went wrong.
func (p Pages) Error(w http.ResponseWriter, r *http.Request, id string, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		p.Log.Debug("the browser went away", "request", id, "method", r.Method, "path", r.URL.Path, "error", err)
		return
	}
	kind := inventory.KindOf(err)
	page := views.ErrorPage{Kind: kind, Status: status(kind), Request: id}
	if e, ok := asError(err); ok {
		page.Message = e.Message
	}
	if e, ok := errors.AsType[*StatusError](err); ok {
		page.Status = e.Status
		if e.After > 0 {
			w.Header().Set("Retry-After", strconv.FormatInt(int64((e.After+time.Second-1)/time.Second), 10))
		}
	}
	if kind == inventory.Internal || kind == inventory.Unavailable {
		p.Log.Error("a request failed", "request", id, "method", r.Method, "path", r.URL.Path, "error", err)
	} else if e, ok := asError(err); ok && e.Err != nil {
		p.Log.Warn("a request was refused", "request", id, "method", r.Method, "path", r.URL.Path, "error", err)
	}
	title := map[inventory.Kind]string{
		inventory.NotFound: "Not found", inventory.Invalid: "That was not understood", inventory.Conflict: "Changed meanwhile",
		inventory.Forbidden: "Not allowed", inventory.Unauthorized: "Sign in", inventory.Unavailable: "Not available",
		inventory.Throttled: "Too many requests",
	}[kind]
	if title == "" {
		title = "Something went wrong"
	}
	page.Frame = p.bare(r, title)
	if r.Method != http.MethodGet && r.Method != http.MethodHead || strings.HasPrefix(r.URL.Path, "/auth/") {
		page.Frame.Path = "" // no page to come back to, and a sign-in's codes aren't to be shown
	}
	if err := show(w, r, page.Status, page); err != nil {
		p.Log.Error("an error page could not be rendered", "request", id, "error", err)
		http.Error(w, title, page.Status)
	}
}

// status is the HTTP status of a kind of error, the same as the API has.
func status(kind inventory.Kind) int { return api.Status(kind) }

// param is a path parameter, decoded.
func param(r *http.Request, name string) string {
	raw := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return raw // chi matched the decoded path
	}
	if s, err := url.PathUnescape(raw); err == nil {
		return s
	}
	return raw
}

// page reads the paging of a list.
func page(r *http.Request) inventory.Page {
	return inventory.Page{Cursor: r.FormValue("cursor")}
}

// day reads a form's date as the end of that day, UTC; an empty one is nil.
func day(s string) (*time.Time, error) {
	if s == "" {
		return nil, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, s, time.UTC)
	if err != nil {
		return nil, inventory.Errorf(inventory.Invalid, "%q is not a date: write it as 2026-12-31.", inventory.Visible(clip(s)))
	}
	if t = t.AddDate(0, 0, 1); t.Year() > 9999 { // RFC 3339 can't write it
		return nil, inventory.Errorf(inventory.Invalid, "%s is too far away: leave the day empty for no end.", s)
	}
	return &t, nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
