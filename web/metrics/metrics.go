// Package metrics says in Prometheus' format how the inventory is and how the
// program does. What happens in this process is counted as it happens; what the
// database knows is read when somebody asks, and is the same from every replica.
// No label has a value that somebody outside can choose: registries, routes and
// roots of trust are the configuration's and the program's own.
package metrics

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"signboard/inventory"
)

// Config is what the numbers come from. Only Vitals has to be there.
type Config struct {
	Version string
	// Vitals reads the inventory's numbers from the database.
	Vitals  func(ctx context.Context, now time.Time) (inventory.Vitals, error)
	Pools   func() map[string]sql.DBStats       // the connections to the database, by what they are for
	Roots   func() []inventory.TrustRoot        // as the page of roots of trust has them
	Traffic func() map[string]inventory.Traffic // with each registry, by its name
	// Provider reports whether the identity provider answered when it was last
	// looked at, and whether it was looked at yet.
	Provider func() (up, known bool)
	// Audit is what the last check of the audit log came to, nil before the first.
	Audit func() *inventory.AuditCheck
	// Published says, by kind of place, whether the latest checkpoint is there.
	Published func() map[string]bool
	Clock     func() time.Time
	Log       *slog.Logger
}

// Metrics counts. Its methods may be called from any number of goroutines. Make
// it with New.
type Metrics struct {
	Config
	scrapes http.Handler

	requests *prometheus.HistogramVec
	inFlight prometheus.Gauge
	verified *prometheus.HistogramVec
	unread   *prometheus.CounterVec
	signIns  *prometheus.CounterVec
	tokens   *prometheus.CounterVec
	events   *prometheus.CounterVec
	noted    *prometheus.CounterVec
}

// New makes Metrics that read nothing until they are asked.
func New(c Config) *Metrics {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	m := &Metrics{
		Config: c,
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "signboard_http_request_duration_seconds", Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
			Help: "How long this process took to answer requests, by the route's pattern, the method and the class of the answer's status. The stream of a sync's progress is left out: it lasts as long as somebody listens.",
		}, []string{"route", "method", "code"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signboard_http_requests_in_flight",
			Help: "Requests that this process is answering, streams included.",
		}),
		verified: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "signboard_verification_duration_seconds", Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
			Help: "How long this process took to check signatures, reading what that needs included, by format and outcome. The time a manifest took is shared among its signatures.",
		}, []string{"format", "outcome"}),
		unread: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signboard_sync_errors_total",
			Help: "Registries, repositories and images that this process could not read or check, by registry and reason.",
		}, []string{"registry", "reason"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signboard_sign_ins_total",
			Help: "Sign-ins that came back from the identity provider to this process, by what came of them: ok or failed.",
		}, []string{"result"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signboard_tokens_refused_total",
			Help: "Requests to the API that this process refused for their token, by cause. limited: too many came from one address.",
		}, []string{"cause"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signboard_hook_requests_total",
			Help: "Requests with registries' events that this process answered, by registry (empty: none that is configured) and status. 202: what they name is noted.",
		}, []string{"registry", "code"}),
		noted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signboard_hook_repositories_total",
			Help: "Repositories that registries' events named and that were noted to be read, by registry.",
		}, []string{"registry"}),
	}
	for _, result := range []string{"ok", "failed"} {
		m.signIns.WithLabelValues(result)
	}
	for _, cause := range []string{"malformed", "unknown", "expired", "revoked", "limited"} {
		m.tokens.WithLabelValues(cause)
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "signboard_build_info", ConstLabels: prometheus.Labels{"version": c.Version, "goversion": runtime.Version()},
		Help: "Always 1; its labels are the version of the program and of Go.",
	})
	build.Set(1)
	all := prometheus.NewRegistry()
	all.MustRegister(m.requests, m.inFlight, m.verified, m.unread, m.signIns, m.tokens, m.events, m.noted, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &vitals{Config: c})
	m.scrapes = promhttp.HandlerFor(all, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes, ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelError),
	})
	return m
}

// Began counts a request that is being answered; the function it returns ends
// that.
func (m *Metrics) Began() (ended func()) {
	m.inFlight.Inc()
	return m.inFlight.Dec
}

// Answered counts a request. Route is the pattern that it matched, empty for none.
func (m *Metrics) Answered(route, method string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	if !slices.Contains(methods, method) {
		method = "other" // anybody can send any word
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// Verified counts a signature that was checked.
func (m *Metrics) Verified(format inventory.Format, outcome inventory.Outcome, took time.Duration) {
	m.verified.WithLabelValues(string(format), string(outcome)).Observe(took.Seconds())
}

// Unread counts something that could not be read or checked.
func (m *Metrics) Unread(registry string, reason inventory.Reason) {
	m.unread.WithLabelValues(registry, string(reason)).Inc()
}

// SignIn counts a sign-in that came back from the identity provider.
func (m *Metrics) SignIn(ok bool) {
	result := "failed"
	if ok {
		result = "ok"
	}
	m.signIns.WithLabelValues(result).Inc()
}

// TokenRefused counts a request that was refused for its token.
func (m *Metrics) TokenRefused(cause string) { m.tokens.WithLabelValues(cause).Inc() }

// Event counts a request with a registry's events by the status that answered
// it, and the repositories that were noted to be read for it.
func (m *Metrics) Event(registry string, status, noted int) {
	m.events.WithLabelValues(registry, strconv.Itoa(status)).Inc()
	if noted > 0 {
		m.noted.WithLabelValues(registry).Add(float64(noted))
	}
}

// maxScrapes is how many ask at once at the most; the next ones are answered 503.
const maxScrapes = 4

// ServeHTTP answers with all numbers. When the database doesn't answer, those
// that come from it are left out and signboard_up is 0.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	m.scrapes.ServeHTTP(w, r)
}
