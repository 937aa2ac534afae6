package web_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"signboard/handlers"
	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/web"
)

// broken is a store and a door whose every answer is an error, or worse.
type broken struct {
	handlers.Around
	fail func() error
}

func (b broken) Registries(context.Context) ([]inventory.Registry, error) { return nil, b.fail() }
func (b broken) Reevaluation(context.Context, time.Time) (inventory.Reevaluation, error) {
	return inventory.Reevaluation{}, b.fail()
}
func (b broken) Preview(context.Context, inventory.Actor, decision.SignerRequest) (inventory.Impact, error) {
	return inventory.Impact{}, b.fail()
}
func (b broken) Decide(context.Context, inventory.Actor, decision.SignerRequest) (inventory.Decision, error) {
	return inventory.Decision{}, b.fail()
}
func (b broken) EndProposal(context.Context, inventory.Actor, decision.ProposalRequest) (inventory.Decision, error) {
	return inventory.Decision{}, b.fail()
}
func (b broken) PreviewQuarantine(context.Context, inventory.Actor, decision.QuarantineRequest) (inventory.HoldImpact, error) {
	return inventory.HoldImpact{}, b.fail()
}

func (b broken) PreviewRelease(context.Context, inventory.Actor, string) (inventory.Quarantine, inventory.HoldImpact, error) {
	return inventory.Quarantine{}, inventory.HoldImpact{}, b.fail()
}

func (b broken) ChangeEnd(context.Context, inventory.Actor, decision.EndRequest) (inventory.Quarantine, error) {
	return inventory.Quarantine{}, b.fail()
}

func (b broken) Quarantine(context.Context, inventory.Actor, decision.QuarantineRequest) (inventory.Quarantine, error) {
	return inventory.Quarantine{}, b.fail()
}
func (b broken) Release(context.Context, inventory.Actor, string, string) error { return b.fail() }

func (b broken) SyncNow(context.Context, inventory.Actor, string) error    { return b.fail() }
func (b broken) CancelSync(context.Context, inventory.Actor, string) error { return b.fail() }
func (b broken) TryRegistry(context.Context, inventory.Actor, string) ([]inventory.Step, error) {
	return nil, b.fail()
}

func (b broken) CreateToken(context.Context, inventory.Actor, decision.TokenRequest) (inventory.Token, inventory.TokenSecret, error) {
	return inventory.Token{}, "", b.fail()
}
func (b broken) RevokeToken(context.Context, inventory.Actor, string) (inventory.Token, error) {
	return inventory.Token{}, b.fail()
}

// breaking puts a broken store under the frame of every page and behind every
// form.
func breaking(fail func() error) func(*web.Routes) {
	return func(r *web.Routes) {
		b := broken{r.Overview.Around, fail}
		for _, pages := range []*handlers.Pages{
			&r.Overview.Pages, &r.Image.Pages, &r.Signer.Pages, &r.Quarantine.Pages, &r.Registry.Pages, &r.Trust.Pages, &r.Audit.Pages, &r.Learn.Pages, &r.Search.Pages, &r.Help.Pages, &r.Account.Pages, &r.Team.Pages, &r.Token.Pages, &r.Key.Pages, &r.Reevaluate.Pages,
		} {
			pages.Around = b
		}
		r.Signer.Door, r.Quarantine.Door, r.Registry.Door, r.Token.Door = b, b, b, b
	}
}

const secret = `select body from signatures where key = 'hunter2': SQL logic error at /var/lib/board.db`

var quoted = regexp.MustCompile(`Request <code>([a-z2-7]{12})</code>`)

func TestFailure_isAPageWithoutInternals(t *testing.T) {
	for name, fail := range map[string]func() error{
		"an error": func() error { return errors.New(secret) },
		"a panic":  func() error { panic(secret) },
		"a nil":    func() error { var q *inventory.Quarantine; return errors.New(q.Reason) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, plan{change: breaking(fail)})
			approved, held := w.fill()
			answers := map[string]answer{}
			for _, v := range visits(approved) {
				if v.person != nobody && v.status == http.StatusOK && v.kind == page {
					answers["GET "+v.target] = w.get(admin, v.target)
				}
			}
			for route, f := range w.forms(held) {
				if !f.open {
					answers["POST "+route] = w.post(admin, f.target, f.fields)
				}
			}
			for where, a := range answers {
				if a.StatusCode != http.StatusInternalServerError || a.title() != "Something went wrong · Signboard" || a.Header.Get("Content-Type") != page {
					t.Errorf("%s: %d %q", where, a.StatusCode, a.title())
				}
				for _, internal := range []string{"hunter2", "select", "SQL", "/var/lib", "panic", "goroutine", ".go:", "nil pointer", "runtime"} {
					if strings.Contains(text(a.body), internal) {
						t.Errorf("%s shows %q: %s", where, internal, text(a.body))
					}
				}
				w.guarded(where, a)
				id := quoted.FindStringSubmatch(a.body)
				if id == nil {
					t.Errorf("%s doesn't say the request's id: %s", where, text(a.body))
					continue
				}
				logged := 0
				for _, line := range w.log.errors() {
					if strings.Contains(line, "request="+id[1]) {
						logged++
						if name != "a nil" && !strings.Contains(line, "hunter2") {
							t.Errorf("%s: the log doesn't have the cause: %s", where, line)
						}
						if name != "an error" && !strings.Contains(line, "failure_test.go") {
							t.Errorf("%s: the log doesn't have the stack: %s", where, line)
						}
					}
				}
				if logged != 1 {
					t.Errorf("%s is in the log %d times", where, logged)
				}
			}
			if len(answers) < 18 {
				t.Errorf("only %d pages and forms were tried", len(answers))
			}
			w.notDecided()
		})
	}
}

func TestFailure_thatAnOperatorCanMendSaysHow(t *testing.T) {
	w := newWorld(t, plan{change: breaking(func() error {
		return &inventory.Error{Kind: inventory.Unavailable, Message: "The disk is full.", Err: errors.New(secret)}
	})})
	a := w.get(viewer, "/images")
	if a.StatusCode != http.StatusServiceUnavailable || !a.says("The disk is full.") || strings.Contains(a.body, "hunter2") {
		t.Errorf("%d: %s", a.StatusCode, text(a.body))
	}
}

// TestReady_saysWhichOfTheTwoIsWrong holds that a database that a newer version
// has changed is told from one that isn't there.
func TestReady_saysWhichOfTheTwoIsWrong(t *testing.T) {
	w := newWorld(t, plan{})
	db, err := sql.Open("sqlite", w.file)
	w.must(err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "insert into goose_db_version (version_id, is_applied) values (9999, true)")
	w.must(err)
	if a := w.get(nobody, "/readyz"); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, "another version") || strings.Contains(a.body, w.file) {
		t.Errorf("with a newer schema: %d: %s", a.StatusCode, a.body)
	}
	w.must(w.db.Close())
	if a := w.get(nobody, "/readyz"); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, "does not answer") {
		t.Errorf("without a database: %d: %s", a.StatusCode, a.body)
	}
}

func TestDatabaseThatIsGone_isSaidEverywhere(t *testing.T) {
	w := newWorld(t, plan{})
	approved, held := w.fill()
	w.cookie(viewer)
	w.cookie(reviewer)
	w.must(w.db.Close())
	if a := w.get(nobody, "/healthz"); a.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %d: the process is there", a.StatusCode)
	}
	if a := w.get(nobody, "/readyz"); a.StatusCode != http.StatusServiceUnavailable || strings.Contains(a.body, "sql") {
		t.Errorf("/readyz: %d: %s", a.StatusCode, a.body)
	}
	for _, v := range visits(approved) {
		if v.person == nobody {
			continue
		}
		if a := w.get(viewer, v.target); a.StatusCode < 500 || strings.Contains(a.body, "sql") || strings.Contains(a.body, "closed") {
			t.Errorf("%s: %d: %s", v.target, a.StatusCode, text(a.body))
		}
	}
	f := w.forms(held)["/quarantine"]
	if a := w.post(reviewer, f.target, f.fields); a.StatusCode < 500 {
		t.Errorf("a decision that can't be stored: %d", a.StatusCode)
	}
}

func TestCanceledRequest_isNobodysFault(t *testing.T) {
	w := newWorld(t, plan{})
	approved, held := w.fill()
	cookie := w.cookie(reviewer)
	send := func(method, target string, fields url.Values) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(fields.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(cookie)
		w.send(r)
		if lines := w.log.errors(); len(lines) > 0 {
			t.Fatalf("%s %s, given up by the browser, asks somebody to act: %s", method, target, lines)
		}
	}
	for _, v := range visits(approved) {
		send(http.MethodGet, v.target, nil)
	}
	for _, f := range w.forms(held) {
		send(http.MethodPost, f.target, f.fields)
	}
}

// A browser that goes away while a page is made is the same.
func TestCanceledWhileItRuns_isNobodysFault(t *testing.T) {
	var cancel context.CancelFunc
	w := newWorld(t, plan{change: func(r *web.Routes) {
		around := r.Image.Around
		r.Image.Around = canceling{around, func() { cancel() }}
	}})
	w.fill()
	cookie := w.cookie(viewer)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cancel = stop
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/images", nil)
	r.AddCookie(cookie)
	w.send(r)
	if lines := w.log.errors(); len(lines) > 0 {
		t.Errorf("it asks somebody to act: %s", lines)
	}
}

func TestSlowRequest_endsInTime(t *testing.T) {
	deadline := make(chan time.Time, 1)
	w := newWorld(t, plan{change: func(r *web.Routes) {
		r.Registry.Door = timed{r.Registry.Door, deadline}
	}})
	w.post(reviewer, "/registries/local/sync", nil)
	if left := time.Until(<-deadline); left < time.Second || left > 30*time.Second {
		t.Errorf("a request may take %s", left)
	}
}

// timed tells how long a request may take.
type timed struct {
	handlers.RegistryDoor
	deadline chan<- time.Time
}

func (d timed) SyncNow(ctx context.Context, _ inventory.Actor, _ string) error {
	at, _ := ctx.Deadline()
	d.deadline <- at
	return nil
}

type canceling struct {
	handlers.Around
	cancel func()
}

func (c canceling) Registries(ctx context.Context) ([]inventory.Registry, error) {
	c.cancel()
	return c.Around.Registries(ctx)
}
