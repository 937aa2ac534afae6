package web

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"signboard/inventory"
	"signboard/web/metrics"
)

// measure counts requests by the pattern of the route that they match: what
// somebody writes into an address never becomes a label. The stream isn't timed,
// since it lasts as long as somebody listens.
func (t Routes) measure(next http.Handler) http.Handler {
	if t.Metrics == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer t.Metrics.Began()()
		start := time.Now()
		seen := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() { // a handler that aborts its answer panics
			route := chi.RouteContext(r.Context()).RoutePattern()
			if route == stream {
				return
			}
			status := seen.Status()
			if status == 0 {
				status = http.StatusOK
			}
			t.Metrics.Answered(route, r.Method, status, time.Since(start))
		}()
		next.ServeHTTP(seen, r)
	})
}

// scrape is GET /metrics for those who may see: it tells what is run here, and
// how well. Whoever asks is a program, and is refused as the API refuses.
func (t Routes) scrape(w http.ResponseWriter, r *http.Request) {
	err := inventory.ActorFrom(r.Context()).Require(inventory.See)
	if inventory.KindOf(err) == inventory.Unauthorized {
		err = inventory.Errorf(inventory.Unauthorized, "Nobody is signed in. Send a token as “Authorization: Bearer sgb_…”, or give metrics an address of their own with metrics_listen in the configuration.")
	}
	if err != nil {
		t.API.Error(w, r, middleware.GetReqID(r.Context()), err)
		return
	}
	t.Metrics.ServeHTTP(w, r)
}

// signsIn counts the sign-ins that an endpoint finishes.
func (t Routes) signsIn(e endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := e(w, r)
		if t.Metrics != nil {
			t.Metrics.SignIn(err == nil)
		}
		return err
	}
}

// Scrapes is what the listener of metrics_listen answers: /metrics, to everybody
// who reaches it. Without a sign-in, hosts are the names it answers to, as
// Guard.Hosts are.
func Scrapes(m *metrics.Metrics, hosts []string) http.Handler {
	r := chi.NewRouter()
	r.Use(Guard{Hosts: hosts}.hosts, middleware.SetHeader("X-Content-Type-Options", "nosniff"), middleware.GetHead)
	r.Method(http.MethodGet, "/metrics", m)
	return r
}
