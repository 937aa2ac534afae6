package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"signboard/inventory"
)

// Root is where the API is, and a server's address in its document.
const Root = "/api/v1"

// API is the calls. Every one but the document needs somebody who may see; what
// else it needs is said where it is.
type API struct {
	Images      ImageStore
	Signers     SignerStore
	Quarantines QuarantineStore
	Registries  RegistryStore
	Audit       AuditStore
	Proofs      ProofStore
	Counts      CountStore
	Door        Door
	Gate        Gate
	Teams       []inventory.Team // as configured

	// Refused writes down that somebody was refused, and what; nil: nobody does.
	Refused func(r *http.Request, actor inventory.Actor, what string)
	Version string // of the program
	Clock   func() time.Time
	Log     *slog.Logger
}

// Routes adds the calls to r, which stands at Root. who are what puts the actor
// into a request's context, the outermost first.
func (a API) Routes(r chi.Router, who ...func(http.Handler) http.Handler) {
	var s *surface
	r.Group(func(r chi.Router) {
		r.Use(who...)
		r.Use(a.see)
		s = a.surface(r)
	})
	document, err := json.Marshal(s.huma.OpenAPI())
	if err != nil {
		panic(err) // it is the same at every start
	}
	yaml, err := s.huma.OpenAPI().YAML()
	if err != nil {
		panic(err)
	}
	r.Get("/openapi.json", sent("application/json", document))
	r.Get("/openapi.yaml", sent("application/yaml", yaml))
}

func sent(kind string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(body) // the client went away
	}
}

// see refuses those who may not even see. A refusal of what would have changed
// something is written down.
func (a API) see(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor := inventory.ActorFrom(r.Context())
		err := actor.Require(inventory.See)
		if inventory.KindOf(err) == inventory.Unauthorized {
			err = inventory.Errorf(inventory.Unauthorized, "Nobody is signed in. Send a token as “Authorization: Bearer sgb_…”, or sign in with a browser.")
		}
		if err != nil {
			if a.Refused != nil && r.Method != http.MethodGet && r.Method != http.MethodHead {
				a.Refused(r, actor, string(inventory.See))
			}
			a.Error(w, r, middleware.GetReqID(r.Context()), err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// surface is the API while its calls are added.
type surface struct {
	API
	huma huma.API
}

// surface adds every call to r.
func (a API) surface(r chi.Router) *surface {
	const prefix = "#/components/schemas/"
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Signboard", Version: a.Version, Description: about},
			Servers: []*huma.Server{{URL: Root}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry(prefix, huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token":   {Type: "http", Scheme: "bearer", Description: "A token that an administrator made: sgb_…"},
					"session": {Type: "apiKey", In: "cookie", Name: "__Host-signboard", Description: "The session of a browser that has signed in. The cookie is called signboard where Signboard isn't reached over https."},
				},
			},
			Security: []map[string][]string{{"token": {}}, {"session": {}}},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
	}
	s := &surface{API: a, huma: humachi.New(r, config)}
	s.summary()
	s.images()
	s.signers()
	s.decisions()
	s.quarantines()
	s.holds()
	s.registries()
	s.syncs()
	s.checks()
	s.audit()
	s.proofs()
	s.words()
	return s
}

const about = `Who signed each container image, and whether they are trusted here.

Lists take limit and cursor, and answer {"items": […], "next_cursor": …}, null on the last page. Every error is a problem document (RFC 9457) whose detail is a sentence for a person. Times are RFC 3339 in UTC.`

// call adds an operation: do gets what was asked for, and its errors become
// problem documents. errs are the statuses of errors that the operation has
// besides those that any has.
func call[I, O any](s *surface, op huma.Operation, do func(context.Context, *I) (*O, error), errs ...int) {
	if op.OperationID == "" || op.Summary == "" || op.Description == "" || len(op.Tags) == 0 {
		panic("an operation without words: " + op.Method + " " + op.Path)
	}
	op.Errors = append([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}, errs...)
	if op.Method != http.MethodGet {
		op.Errors = append(op.Errors, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	slices.Sort(op.Errors)
	op.Errors = slices.Compact(op.Errors)
	op.Middlewares = append(op.Middlewares, s.strict)
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, middleware.GetReqID(ctx), op.Method+" "+op.Path, err)
		}
		return out, nil
	})
}

// may is what a call stands behind that needs a permission. It asks before
// anything of the request is read, so that whoever may not do a thing is refused,
// and written down, whatever they send.
func (s *surface) may(p inventory.Permission) huma.Middlewares {
	return huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
		actor := inventory.ActorFrom(ctx.Context())
		err := actor.Require(p)
		if err == nil {
			next(ctx)
			return
		}
		r, w := humachi.Unwrap(ctx)
		if s.Refused != nil {
			s.Refused(r, actor, string(p))
		}
		s.Error(w, r, middleware.GetReqID(ctx.Context()), err)
	}}
}

// strict refuses requests that say something that nobody would read: a filter
// that is misspelt shows more than was asked for.
func (s *surface) strict(ctx huma.Context, next func(huma.Context)) {
	if err := refused(ctx); err != nil {
		r, w := humachi.Unwrap(ctx)
		s.Error(w, r, middleware.GetReqID(ctx.Context()), err)
		return
	}
	next(ctx)
}

func refused(ctx huma.Context) error {
	u := ctx.URL()
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return &StatusError{Status: http.StatusBadRequest, Err: inventory.Errorf(inventory.Invalid, "The address holds something that can't be read: a %% without two digits after it, or a semicolon.")}
	}
	var known []string
	for _, p := range ctx.Operation().Parameters {
		switch p.In {
		case "query":
			known = append(known, p.Name)
		case "path":
			if !readable(ctx.Param(p.Name)) {
				return errUnreadable
			}
		}
	}
	for name, values := range query {
		switch {
		case !readable(name) || !readable(strings.Join(values, "")):
			return errUnreadable
		case !slices.Contains(known, name) && len(known) == 0:
			return inventory.Errorf(inventory.Invalid, "This call has no query parameter %q; it has none.", inventory.Visible(clip(name)))
		case !slices.Contains(known, name):
			return inventory.Errorf(inventory.Invalid, "This call has no query parameter %q; it has %s.", inventory.Visible(clip(name)), strings.Join(known, ", "))
		case len(values) > 1:
			return inventory.Errorf(inventory.Invalid, "The query parameter %q is there %d times, and can be only once.", name, len(values))
		}
	}
	return nil
}

var errUnreadable = &StatusError{Status: http.StatusBadRequest, Err: inventory.Errorf(inventory.Invalid, "The address holds bytes that are no text (UTF-8), or a NUL.")}

// readable reports whether a database can hold the text, or anybody type it.
func readable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}

// choices are the words that a type can say.
var choices = map[reflect.Type][]any{
	reflect.TypeFor[inventory.Status]():         anys(inventory.Statuses),
	reflect.TypeFor[inventory.Reason]():         anys(inventory.Reasons),
	reflect.TypeFor[inventory.Standing]():       anys(inventory.Standings),
	reflect.TypeFor[inventory.SignerKind]():     anys(inventory.SignerKinds),
	reflect.TypeFor[inventory.Format]():         anys(inventory.Formats),
	reflect.TypeFor[inventory.OddityKind]():     anys(inventory.OddityKinds),
	reflect.TypeFor[inventory.Outcome]():        {"verified", "unverifiable", "invalid", "error"},
	reflect.TypeFor[inventory.Result]():         {"pass", "fail", "skip", "error"},
	reflect.TypeFor[inventory.SignedAtSource](): {"tlog", "timestamp-authority", "claimed"},
	reflect.TypeFor[inventory.LinkRole]():       {"image", "statement", "signature", "key", "leaf", "intermediate", "root", "tlog", "timestamp", "delegation"},
	reflect.TypeFor[inventory.Verb]():           {"approve", "reject", "revoke"},
	reflect.TypeFor[inventory.DecisionState]():  {"proposed", "active", "rejected", "revoked", "expired"},
	reflect.TypeFor[inventory.ActorKind]():      {"user", "token", "system"},
	reflect.TypeFor[RegistryState]():            {"failing", "partial", "unread", "healthy"},
}

func anys[T ~string](values []T) []any {
	return list(values, func(v T) any { return string(v) })
}

// words completes the schemas with what Go's types don't say: the words that a
// field can hold, and which objects may be null.
func (s *surface) words() {
	registry := s.huma.OpenAPI().Components.Schemas
	for name, schema := range registry.Map() {
		t := registry.TypeFromRef("#/components/schemas/" + name)
		for _, field := range reflect.VisibleFields(t) {
			key, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			property := schema.Properties[key]
			if property == nil {
				continue
			}
			of := field.Type
			nullable := of.Kind() == reflect.Pointer && options == ""
			if of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
				of = of.Elem()
			}
			holder := property
			if field.Type.Kind() == reflect.Slice {
				holder = property.Items
			}
			if words := choices[of]; words != nil {
				holder.Enum = slices.Clone(words)
				if nullable {
					holder.Enum = append(holder.Enum, nil)
				}
				holder.PrecomputeMessages()
			}
			if nullable && property.Ref != "" {
				schema.Properties[key] = &huma.Schema{AnyOf: []*huma.Schema{{Ref: property.Ref}, {Type: "null"}}, Description: property.Description}
			}
		}
	}
}

// only says which values a query parameter takes.
func (s *surface) only(path, parameter string, values []any) {
	for _, p := range s.huma.OpenAPI().Paths[path].Get.Parameters {
		if p.Name == parameter {
			p.Schema.Enum = values
			p.Schema.PrecomputeMessages()
			return
		}
	}
	panic("there is no " + parameter + " of " + path)
}
