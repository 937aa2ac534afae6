package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5/middleware"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// Problem is what every error under /api/ is told as (RFC 9457).
type Problem struct {
	Type     string `json:"type" doc:"about:blank: the status says what kind of problem it is." example:"about:blank"`
	Title    string `json:"title" doc:"The status in words."`
	Status   int    `json:"status" doc:"The HTTP status."`
	Detail   string `json:"detail" doc:"What went wrong this time, in a sentence for a person."`
	Instance string `json:"instance" doc:"The id of the request, as the log has it."`

	Was    *Moved  `json:"was,omitempty" doc:"Of a decision that would change something else than was seen: what was seen."`
	Impact *Impact `json:"impact,omitempty" doc:"Of such a decision: what it would change now, with a new basis."`

	after time.Duration // before which asking again is in vain
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the problem's own.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders are the headers that go with the status.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="Signboard"`) // RFC 6750, section 3
	}
	if p.after > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.after+time.Second-1)/time.Second), 10)) // RFC 9110, section 10.2.3
	}
	return h
}

// StatusError is an error for which HTTP has a more exact status than that of
// its kind.
type StatusError struct {
	Status int
	Err    error
	After  time.Duration // when to ask again; 0: nothing is said
}

func (e *StatusError) Error() string { return e.Err.Error() }

func (e *StatusError) Unwrap() error { return e.Err }

// Status is the HTTP status of a kind of error.
func Status(kind inventory.Kind) int {
	switch kind {
	case inventory.NotFound:
		return http.StatusNotFound
	case inventory.Invalid:
		return http.StatusUnprocessableEntity
	case inventory.Conflict:
		return http.StatusConflict
	case inventory.Forbidden:
		return http.StatusForbidden
	case inventory.Unauthorized:
		return http.StatusUnauthorized
	case inventory.Throttled:
		return http.StatusTooManyRequests
	case inventory.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// closed is the status of a request whose client went away: nobody reads it.
const closed = 499

func problem(status int, instance, detail string) *Problem {
	title := http.StatusText(status)
	if title == "" {
		title = "Client Closed Request"
	}
	return &Problem{Type: "about:blank", Title: title, Status: status, Detail: detail, Instance: instance}
}

// problem says what went wrong. Only an inventory.Error's message is shown; the
// rest goes to the log, under the request's id.
func (a API) problem(ctx context.Context, id, call string, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		a.Log.Debug("the client went away", "request", id, "call", call, "error", err)
		return problem(closed, id, "The client went away.")
	}
	kind := inventory.KindOf(err)
	status, detail := Status(kind), "Something went wrong here. The log has it under the request's id."
	known, said := errors.AsType[*inventory.Error](err)
	exact, isExact := errors.AsType[*StatusError](err)
	tooLong, isTooLong := errors.AsType[*http.MaxBytesError](err)
	switch {
	case isTooLong:
		status, detail = http.StatusRequestEntityTooLarge, tooLarge(tooLong.Limit)
	case said && kind != inventory.Internal:
		detail = known.Message
	case errors.Is(err, context.DeadlineExceeded):
		status, detail = http.StatusServiceUnavailable, "This took too long. Try again in a moment, or ask for less."
	}
	if isExact {
		status = exact.Status
	}
	switch {
	case status >= http.StatusInternalServerError:
		a.Log.Error("a call failed", "request", id, "call", call, "error", err)
	case said && known.Err != nil:
		a.Log.Warn("a call was refused", "request", id, "call", call, "error", err)
	}
	p := problem(status, id, detail)
	if isExact {
		p.after = exact.After
	}
	if e, ok := errors.AsType[*decision.MovedError](err); ok {
		p.moved(e)
	}
	return p
}

// Error answers a request with what went wrong; id names the request.
func (a API) Error(w http.ResponseWriter, r *http.Request, id string, err error) {
	p := a.problem(r.Context(), id, r.Method+" "+r.URL.Path, err)
	h := w.Header()
	for name, values := range p.GetHeaders() {
		h[name] = values
	}
	h.Set("Content-Type", p.ContentType(""))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(p) // the client went away
}

// The library makes its own errors with these, for the whole program.
func init() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return library(status, "", message, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		return library(status, middleware.GetReqID(ctx.Context()), message, errs)
	}
	huma.DefaultArrayNullable = false
}

// library tells an error of the library's: a parameter or a body that doesn't
// hold to the document.
func library(status int, id, message string, errs []error) *Problem {
	if status >= http.StatusInternalServerError {
		// All it reports itself is that a body couldn't be read to its end.
		for _, err := range errs {
			if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
				return problem(http.StatusRequestEntityTooLarge, id, tooLarge(e.Limit))
			}
		}
		return problem(http.StatusBadRequest, id, "The body could not be read to its end.")
	}
	var said []string
	for _, err := range errs {
		if len(said) == 5 {
			said = append(said, "and more")
			break
		}
		if d, ok := err.(*huma.ErrorDetail); ok {
			said = append(said, place(d.Location)+d.Message)
		} else if e, ok := errors.AsType[*inventory.Error](err); ok {
			said = append(said, e.Message)
		}
	}
	switch {
	case status == http.StatusUnsupportedMediaType:
		message = "The body has to be JSON: send it with “Content-Type: application/json”."
	case status == http.StatusRequestEntityTooLarge:
		message = tooLarge(maxBody)
	case status == http.StatusRequestTimeout:
		message = "The body took too long to arrive."
	case len(said) > 0:
		message = strings.Join(said, "; ")
	}
	return problem(status, id, clipTo(message, 1000))
}

// maxBody is the most bytes that the body of a call may have.
const maxBody = 1 << 20

func tooLarge(limit int64) string {
	if limit != maxBody {
		return "The body is larger than any call needs."
	}
	return "The body is larger than 1 MiB, more than any call needs."
}

// place says where a value stands that the library refuses: "query.limit".
func place(location string) string {
	in, name, ok := strings.Cut(location, ".")
	switch {
	case location == "":
		return ""
	case !ok:
		return "the " + in + ": "
	}
	return inventory.Visible(clip(name)) + " in the " + in + ": "
}

func clipTo(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
