package metrics

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"signboard/inventory"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) *time.Time {
	t := noon.Add(-d)
	return &t
}

// known is an inventory with one registry that is well and one that isn't.
func known(context.Context, time.Time) (inventory.Vitals, error) {
	well := inventory.RegistryVitals{Registry: inventory.Registry{Name: "local", Interval: 15 * time.Minute, State: inventory.RegistryState{
		RepositoryCount: 3, LastCompleteAt: ago(10 * time.Minute), SyncStartedAt: ago(time.Minute), ReportedAt: ago(time.Second),
	}}}
	well.Counts = inventory.Counts{Images: 9, ByStatus: map[inventory.Status]int{inventory.Trusted: 7, inventory.Unknown: 2}, Quarantined: 1, Stale: 2}
	ill := inventory.RegistryVitals{Registry: inventory.Registry{Name: "hub", Interval: time.Hour, State: inventory.RegistryState{
		RepositoryCount: 5, FailingRepos: 4, Failing: &inventory.Failure{Reason: inventory.ReasonRegistryDenied},
		SyncStartedAt: ago(time.Hour), ReportedAt: ago(time.Minute), // its process was killed
	}}}
	expiry := noon.Add(36 * time.Hour)
	return inventory.Vitals{
		Registries: []inventory.RegistryVitals{ill, well}, Signers: map[inventory.Standing]int{inventory.Pending: 2, inventory.Approved: 1},
		Decisions: map[inventory.Verb]int{inventory.Approve: 4, inventory.Revoke: 1}, NextExpiry: &expiry, AuditEntries: 12, Reevaluating: 41,
	}, nil
}

// whole are Metrics of which there is one of everything.
func whole() *Metrics {
	m := New(Config{
		Version: "v1.2.3", Vitals: known, Clock: func() time.Time { return noon },
		Pools: func() map[string]sql.DBStats {
			return map[string]sql.DBStats{"read": {MaxOpenConnections: 8, InUse: 3, Idle: 1, WaitCount: 2, WaitDuration: 1500 * time.Millisecond}}
		},
		Roots: func() []inventory.TrustRoot {
			return []inventory.TrustRoot{
				{Kind: "sigstore", Name: "public-good", ObtainedAt: ago(time.Hour)},
				{Kind: "notation", Name: "acme"}, {Kind: "notation", Name: "acme", Stale: true},
			}
		},
		Traffic: func() map[string]inventory.Traffic {
			return map[string]inventory.Traffic{"local": {Requests: 100, Retried: 3, Saved: 900}}
		},
		Provider:  func() (up, known bool) { return true, true },
		Audit:     func() *inventory.AuditCheck { return &inventory.AuditCheck{At: *ago(time.Minute), Size: 5} },
		Published: func() map[string]bool { return map[string]bool{"file": true, "webhook": false} },
	})
	m.Answered("/images/{digest}", http.MethodGet, http.StatusOK, 20*time.Millisecond)
	m.Answered("", "BREW", http.StatusNotFound, time.Millisecond)
	m.Verified(inventory.FormatBundle, inventory.OutcomeVerified, 3*time.Millisecond)
	m.Unread("hub", inventory.ReasonRegistryDenied)
	m.SignIn(true)
	m.SignIn(false)
	m.TokenRefused("expired")
	m.Event("local", http.StatusAccepted, 2)
	m.Event("", http.StatusUnauthorized, 0)
	m.Began()
	return m
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("the answer is %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// says fails the test for each line that the text hasn't got.
func says(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			name, _, _ = strings.Cut(name, " ")
			t.Errorf("%s is missing; there is\n%s", line, strings.Join(regexp.MustCompile("(?m)^"+name+".*$").FindAllString(text, -1), "\n"))
		}
	}
}

func TestMetrics_sayHowTheInventoryIs(t *testing.T) {
	text := scrape(t, whole())
	says(t, text,
		`signboard_up 1`,
		`signboard_images{registry="local",status="trusted"} 7`,
		`signboard_images{registry="local",status="unknown"} 2`,
		`signboard_images{registry="local",status="invalid"} 0`,
		`signboard_images_quarantined{registry="local"} 1`,
		`signboard_images_stale{registry="local"} 2`,
		`signboard_repositories{registry="hub"} 5`,
		`signboard_repositories_failing{registry="hub"} 4`,
		`signboard_registry_failing{registry="hub"} 1`,
		`signboard_registry_failing{registry="local"} 0`,
		`signboard_sync_age_seconds{registry="local"} 600`,
		`signboard_sync_age_seconds{registry="hub"} +Inf`,
		`signboard_sync_interval_seconds{registry="local"} 900`,
		`signboard_sync_running{registry="local"} 1`,
		`signboard_sync_running{registry="hub"} 0`,
		`signboard_sync_errors_total{reason="registry_denied",registry="hub"} 1`,
		`signboard_signers{standing="pending"} 2`,
		`signboard_signers{standing="revoked"} 0`,
		`signboard_decisions_total{decision="approve"} 4`,
		`signboard_decisions_total{decision="reject"} 0`,
		`signboard_approval_next_expiry_timestamp_seconds 1.795392e+09`,
		`signboard_images_left_to_judge 41`,
		`signboard_audit_entries_total 12`,
	)
}

func TestMetrics_sayHowTheProgramDoes(t *testing.T) {
	text := scrape(t, whole())
	says(t, text,
		`signboard_http_request_duration_seconds_count{code="2xx",method="GET",route="/images/{digest}"} 1`,
		`signboard_http_request_duration_seconds_bucket{code="2xx",method="GET",route="/images/{digest}",le="0.025"} 1`,
		`signboard_http_request_duration_seconds_count{code="4xx",method="other",route="none"} 1`,
		`signboard_http_requests_in_flight 1`,
		`signboard_verification_duration_seconds_count{format="cosign-bundle",outcome="verified"} 1`,
		`signboard_registry_requests_total{registry="local"} 100`,
		`signboard_registry_requests_retried_total{registry="local"} 3`,
		`signboard_registry_requests_saved_total{registry="local"} 900`,
		`signboard_sign_ins_total{result="ok"} 1`,
		`signboard_sign_ins_total{result="failed"} 1`,
		`signboard_tokens_refused_total{cause="expired"} 1`,
		`signboard_tokens_refused_total{cause="unknown"} 0`,
		`signboard_hook_requests_total{code="202",registry="local"} 1`,
		`signboard_hook_requests_total{code="401",registry=""} 1`,
		`signboard_hook_repositories_total{registry="local"} 2`,
		`signboard_trust_root_age_seconds{kind="sigstore",name="public-good"} 3600`,
		`signboard_trust_root_stale{kind="sigstore",name="public-good"} 0`,
		`signboard_trust_root_stale{kind="notation",name="acme"} 1`,
		`signboard_identity_provider_up 1`,
		`signboard_database_connections{pool="read",state="in_use"} 3`,
		`signboard_database_connections_max{pool="read"} 8`,
		`signboard_database_waits_total{pool="read"} 2`,
		`signboard_database_wait_seconds_total{pool="read"} 1.5`,
	)
	for _, want := range []string{`signboard_build_info{goversion="go1`, `version="v1.2.3"} 1`, "\ngo_goroutines ", "\nprocess_start_time_seconds "} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

// TestMetrics_haveGoodNames holds the names against Prometheus' own conventions.
func TestMetrics_haveGoodNames(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(scrape(t, whole()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestMetrics_withoutDatabase holds that an outage leaves out what only the
// database knows, and nothing else, and is logged once.
func TestMetrics_withoutDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := whole()
		var log bytes.Buffer
		down := true
		m = New(Config{
			Log: slog.New(slog.NewTextHandler(&log, nil)), Clock: m.Clock, Traffic: m.Traffic,
			Vitals: func(ctx context.Context, now time.Time) (inventory.Vitals, error) {
				if down {
					return inventory.Vitals{}, errors.New("no such host")
				}
				return known(ctx, now)
			},
		})
		for range 3 {
			text := scrape(t, m)
			says(t, text, `signboard_up 0`, `signboard_registry_requests_total{registry="local"} 100`)
			if strings.Contains(text, "\nsignboard_images{") || strings.Contains(text, "\nsignboard_sync_age_seconds{") {
				t.Errorf("numbers of the database are there without it:\n%s", text)
			}
			time.Sleep(2 * kept)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("the outage was logged %d times:\n%s", n, &log)
		}
		down = false
		says(t, scrape(t, m), `signboard_up 1`, `signboard_images{registry="local",status="trusted"} 7`)
	})
}

// TestMetrics_databaseThatHangs holds that whoever asks has an answer within
// patience, and that the database is asked by one at a time.
func TestMetrics_databaseThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		hang := make(chan struct{})
		m := New(Config{Vitals: func(ctx context.Context, now time.Time) (inventory.Vitals, error) {
			asked.Add(1)
			<-hang // a driver that doesn't heed its context
			return known(ctx, now)
		}})
		began := time.Now()
		answers := make(chan string)
		for range maxScrapes {
			go func() {
				w := httptest.NewRecorder()
				m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
				answers <- w.Body.String()
			}()
		}
		for range maxScrapes {
			says(t, <-answers, `signboard_up 0`)
		}
		if took := time.Since(began); took > patience {
			t.Errorf("the answers took %s", took)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("the database was asked %d times at once", n)
		}
		close(hang)
		synctest.Wait()
		says(t, scrape(t, m), `signboard_up 1`)
	})
}

// TestMetrics_areReadOnceASecond holds that several who ask cost the database
// what one does.
func TestMetrics_areReadOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		m := New(Config{Vitals: func(ctx context.Context, now time.Time) (inventory.Vitals, error) {
			asked++
			return known(ctx, now)
		}})
		for range 5 {
			scrape(t, m)
		}
		time.Sleep(kept - time.Millisecond)
		scrape(t, m)
		if asked != 1 {
			t.Errorf("within a second the database was asked %d times", asked)
		}
		time.Sleep(time.Millisecond)
		scrape(t, m)
		if asked != 2 {
			t.Errorf("after a second it was asked %d times altogether", asked)
		}
	})
}
