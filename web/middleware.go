package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"signboard/handlers"
	"signboard/inventory"
	"signboard/web/session"
)

// maxBody is the most bytes a request may send.
const maxBody = 1 << 20

// Guard is what every request passes through before it reaches a page.
type Guard struct {
	// Error shows an error to the person; id names the request.
	Error func(w http.ResponseWriter, r *http.Request, id string, err error)
	// Hosts are the host names this program answers to; empty answers to all.
	// Without sign-in it has to be set: a page elsewhere whose name was made to
	// resolve to this machine must not be able to read or decide anything.
	Hosts []string
	// Names are the host names under which people sign in; empty: any. Nobody can
	// be signed in under another: the identity provider leads back to base_url. Any
	// IP address does as well, and what machines ask for is answered under any
	// name, since they call this program what their network calls it.
	Names []string
	// FormAction are origins that a form may lead to besides our own: the
	// identity provider's, as far as it is known by then. Nil is none.
	FormAction func() []string
	HTTPS      bool // browsers reach us over https
	// Proxies are the networks of the reverse proxies in front of us. What one of
	// them says of the client's address in X-Forwarded-For is believed, and
	// nobody else.
	Proxies []netip.Prefix
	Log     *slog.Logger
	// Refused writes down what somebody was refused; nil: nobody does.
	Refused func(context.Context, inventory.AuditEntry) error
	Clock   func() time.Time // nil: time.Now

	refusals *refusals
}

// endpoint is a handler that returns what went wrong.
type endpoint = func(w http.ResponseWriter, r *http.Request) error

// page serves an endpoint. What it is sent is read before it looks; who may ask
// is settled before that, by the group of routes it is in or by may.
func (g Guard) page(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := readForm(r)
		if err == nil {
			err = e(w, r)
		}
		if err != nil {
			g.fail(w, r, err)
		}
	}
}

func (g Guard) fail(w http.ResponseWriter, r *http.Request, err error) {
	g.Error(w, r, middleware.GetReqID(r.Context()), err)
}

// may serves an endpoint to those who have a permission. It asks before anything
// of the request is read, so that whoever may not do a thing is refused, and
// written down, whatever they send.
func (g Guard) may(p inventory.Permission, e endpoint) http.HandlerFunc {
	return g.require(p)(g.page(e)).ServeHTTP
}

// require lets those pass who have a permission. Others are refused, and a
// refusal of more than to see is written down; whoever isn't signed in and only
// wants to see is led to the sign-in and back.
func (g Guard) require(p inventory.Permission) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			actor := inventory.ActorFrom(r.Context())
			refusal := actor.Require(p)
			if refusal == nil {
				next.ServeHTTP(w, r)
				return
			}
			reading := r.Method == http.MethodGet || r.Method == http.MethodHead
			if !reading || p != inventory.See {
				g.refusals.write(r, actor, string(p))
			}
			if actor.Role == inventory.Nobody && actor.Subject == "" && reading {
				http.Redirect(w, r, "/signin?return="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
				return
			}
			g.fail(w, r, refusal)
		})
	}
}

func notFound(w http.ResponseWriter, r *http.Request) error {
	return inventory.Errorf(inventory.NotFound, "There is nothing at this address.")
}

// otherMethod refuses a method, and says which ones the address has (RFC 9110,
// section 15.5.6).
func otherMethod(w http.ResponseWriter, r *http.Request) error {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	routes := chi.RouteContext(r.Context()).Routes
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		if !routes.Match(chi.NewRouteContext(), method, path) {
			continue
		}
		if allowed = append(allowed, method); method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return &handlers.StatusError{Status: http.StatusMethodNotAllowed, Err: inventory.Errorf(inventory.Invalid, "This address answers nothing but %s.", strings.Join(allowed, ", "))}
}

// forPrograms reports whether a request's errors are to be told to a program: it
// asks the API, or shows a token for a file.
func forPrograms(r *http.Request) bool {
	_, program := r.Header["Authorization"]
	return r.URL.Path == "/api" || strings.HasPrefix(r.URL.Path, "/api/") ||
		program && (strings.HasSuffix(r.URL.Path, ".csv") || strings.HasSuffix(r.URL.Path, ".json"))
}

// identify gives the request an id of ours. One that the client sends would
// choose what the log and the error page say.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(rand.Text()[:12])
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), middleware.RequestIDKey, id)))
	})
}

// address finds out where the request came from; session.Address has it
// afterwards. X-Forwarded-For is read from its end, where what our own proxies
// wrote stands, up to the first address that isn't one of them; what is before
// it, the client may have made up. Forwarded (RFC 7239) is never read: proxies
// that don't write it pass on what the client put there, and so few do that
// believing it would serve nobody else.
func (g Guard) address(next http.Handler) http.Handler {
	if len(g.Proxies) == 0 {
		return middleware.ClientIPFromRemoteAddr(next)
	}
	trusted := make([]string, len(g.Proxies))
	for i, p := range g.Proxies {
		trusted[i] = p.String()
	}
	return middleware.ClientIPFromXFF(trusted...)(next)
}

// log writes one line per request that changed something or failed. A registry's
// events come in any number, and what comes of them is logged.
func (g Guard) log(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		seen := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(seen, r)
		level := slog.LevelDebug
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.HasPrefix(r.URL.Path, "/hooks/") {
			level = slog.LevelInfo
		}
		g.Log.Log(r.Context(), level, "request", "request", middleware.GetReqID(r.Context()), "method", r.Method,
			"path", r.URL.Path, "from", session.Address(r), "status", seen.Status(), "bytes", seen.BytesWritten(), "ms", time.Since(start).Milliseconds())
	})
}

// recover turns a panic into an error page. The panic is a defect, and is
// logged as one.
func (g Guard) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			g.fail(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}()
		next.ServeHTTP(w, r)
	})
}

// hosts refuses requests for a host name that isn't ours.
func (g Guard) hosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(g.Hosts) > 0 && !slices.Contains(g.Hosts, hostname(r.Host)) {
			why := "This Signboard doesn't answer to the name " + inventory.Visible(shorten(hostname(r.Host))) + ". Its configuration says which names it has: base_url."
			if forPrograms(r) {
				g.fail(w, r, &handlers.StatusError{Status: http.StatusMisdirectedRequest, Err: inventory.Errorf(inventory.Invalid, "%s", why)})
				return
			}
			http.Error(w, why, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// named refuses to show pages, and to sign anybody in, under a name that isn't
// ours: a cookie set for it or a link that leads to it would be somebody else's.
func (g Guard) named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := hostname(r.Host)
		if _, err := netip.ParseAddr(name); err != nil && len(g.Names) > 0 && !slices.Contains(g.Names, name) {
			g.fail(w, r, &handlers.StatusError{Status: http.StatusMisdirectedRequest, Err: inventory.Errorf(inventory.Invalid,
				"This Signboard doesn't answer to the name %s. Its configuration says which name it has: base_url. A proxy in front of it has to pass on the Host header of the browser.", inventory.Visible(shorten(name)))})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostname is a Host header without its port, in lower case.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// LocalHosts are the names that only this machine has, and baseURL's.
func LocalHosts(baseURL string) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if u, err := url.Parse(baseURL); err == nil {
		hosts = append(hosts, strings.ToLower(u.Hostname()))
	}
	return hosts
}

// Loopback reports whether a listen address reaches this machine only.
func Loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// headers sets what tells browsers how little this program needs: nothing but
// its own files (Content Security Policy Level 3).
func (g Guard) headers(next http.Handler) http.Handler {
	const policy, rest = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'", "; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		forms := ""
		if g.FormAction != nil {
			for _, origin := range g.FormAction() {
				forms += " " + origin
			}
		}
		h.Set("Content-Security-Policy", policy+forms+rest)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store") // where nothing else is said, as of the static files
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
		if g.HTTPS {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// stream is the address whose answer lasts as long as somebody listens.
const stream = "/registries/events"

// lasting reports whether the answer takes as long as it has to, and bounds its
// parts itself: the stream, and lists as files.
func lasting(path string) bool {
	list, suffix, _ := strings.Cut(strings.TrimPrefix(path, "/"), ".")
	return path == stream || (suffix == "csv" || suffix == "json") && !strings.Contains(list, "/")
}

// limits bounds what a request may send and how long it may take.
func (g Guard) limits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if lasting(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// readForm reads the query and the form, once and before anybody looks: what
// can't be read would otherwise be missing without a word, and a filter that is
// missing shows more than was asked for.
func readForm(r *http.Request) error {
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxBody)
	}
	tooLong := &http.MaxBytesError{}
	switch {
	case errors.As(err, &tooLong):
		return &handlers.StatusError{Status: http.StatusRequestEntityTooLarge, Err: inventory.Errorf(inventory.Invalid, "This form is larger than %d MiB, more than any here needs.", tooLong.Limit>>20)}
	case err != nil && !errors.Is(err, http.ErrNotMultipart):
		return &inventory.Error{Kind: inventory.Invalid, Message: "The address or the form holds something that can't be read: a % without two digits after it, or a semicolon.", Err: err}
	}
	return nil
}

// sameOrigin refuses requests that another site's page made and that would
// change something, and writes down whose browser was to make it: peek says.
func (g Guard) sameOrigin(peek func(*http.Request) inventory.Actor) func(http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := crossSite
		if origin := r.Header.Get("Origin"); origin != "" {
			what += " (" + shorten(origin) + ")"
		}
		g.refusals.write(r, peek(r), what)
		g.fail(w, r, inventory.Errorf(inventory.Forbidden, "This request came from another site, so it was refused. Open Signboard itself and try again."))
	}))
	return protection.Handler
}

// browsers uses a middleware for requests that show no token, which are those of
// browsers.
func (g Guard) browsers(middleware func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		browser := middleware(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, program := r.Header["Authorization"]; program {
				next.ServeHTTP(w, r)
				return
			}
			browser.ServeHTTP(w, r)
		})
	}
}
