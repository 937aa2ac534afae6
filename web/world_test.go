package web_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"signboard/handlers"
	"signboard/handlers/api"
	"signboard/handlers/hook"
	"signboard/inventory"
	"signboard/inventory/audit"
	"signboard/inventory/decision"
	"signboard/inventory/policy"
	"signboard/inventory/store"
	"signboard/inventory/verify"
	"signboard/web"
	"signboard/web/metrics"
	"signboard/web/session"
)

// noon is what the clock of the pages says.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// The people of a world, by their role. The stranger had one when signing in.
const (
	viewer   = "Vera"
	reviewer = "Dana"
	second   = "Eric"
	admin    = "Ada"
	stranger = "Stan"
	nobody   = "" // not signed in
)

var groups = map[string]string{viewer: "staff", reviewer: "security", second: "security", admin: "platform", stranger: "former"}

// teams are the organisation's: the viewer's, the reviewer's, and one without
// images.
var teams = []inventory.Team{
	{Name: "payments", Groups: []string{"staff"}, Repositories: []inventory.Glob{"local/pay/**"}},
	{Name: "ops & <b>/é", Groups: []string{"security"}, Repositories: []inventory.Glob{"local/ops/none/**"}},
}

// hookSecret is what the registry local shows with its events.
const hookSecret = "correct-horse-battery"

// plan is what differs between worlds.
type plan struct {
	baseURL    string // http://signboard.test when empty
	local      bool   // no provider: everybody is the local operator
	approvers  int
	noRegistry bool
	dsn        string // a database of its own when empty
	change     func(*web.Routes)
}

// world is the program's pages over a real database, wired as the program
// wires them, and people with real sessions.
type world struct {
	auditKeys note.Verifiers // of the audit log
	*testing.T
	plan    plan
	db      *store.DB
	file    string
	door    decision.Door
	routes  web.Routes
	handler http.Handler
	log     journal

	live     *handlers.Live // not running
	provider *provider
	roles    map[inventory.Role][]string
	cookies  map[string]*http.Cookie // of people who have signed in
}

// journal is what was logged.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// errors are the lines that ask somebody to act.
func (j *journal) errors() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []string
	for line := range strings.Lines(j.b.String()) {
		if strings.Contains(line, "level=ERROR") {
			list = append(list, line)
		}
	}
	return list
}

func newWorld(t *testing.T, p plan) *world {
	t.Helper()
	if p.baseURL == "" {
		p.baseURL = "http://signboard.test"
	}
	w := &world{T: t, plan: p, file: filepath.Join(t.TempDir(), "test.db")}
	var err error
	w.db, err = store.Open(t.Context(), cmp.Or(p.dsn, "sqlite:"+w.file))
	w.must(err)
	t.Cleanup(func() { w.db.Close() })
	key, made, err := audit.OpenKey(filepath.Join(t.TempDir(), "audit-key"), "signboard.test")
	w.must(err)
	w.auditKeys, err = audit.Keys(key.Public())
	w.must(err)
	w.must(w.db.Seal(t.Context(), key, w.auditKeys, made))
	if !p.noRegistry {
		w.must(w.db.ApplyConfig(t.Context(), []inventory.Registry{{
			Name: "local", URL: "https://registry.test", Interval: time.Hour, Repositories: []inventory.Glob{"**"}, Tags: []inventory.Glob{"**"},
		}}, teams, noon))
	}
	clock := func() time.Time { return noon }
	w.db.JudgeWith(policy.JudgeStored)
	w.door = decision.Door{Signers: w.db, Quarantines: w.db, Registries: w.db, Tokens: w.db, Impact: w.db, Try: try, Approvers: max(1, p.approvers), Clock: clock}
	log := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))

	https := strings.HasPrefix(p.baseURL, "https://")
	c := session.Config{Store: w.db, BaseURL: p.baseURL, Tokens: w.db, Audit: w.db.RecordRefusal, Log: log,
		Local: inventory.Actor{Kind: inventory.UserActor, Name: "local operator", Subject: "local", Role: inventory.Admin}}
	guard := web.Guard{HTTPS: https, Refused: w.db.RecordRefusal, Clock: clock, Log: log}
	guard.Names = web.LocalHosts(p.baseURL)
	if p.local {
		guard.Hosts = guard.Names
	} else {
		w.provider, w.cookies = newProvider(t), map[string]*http.Cookie{}
		w.roles = map[inventory.Role][]string{inventory.Viewer: {"staff"}, inventory.Reviewer: {"security"}, inventory.Admin: {"platform"}}
		c.OIDC = &session.OIDC{Issuer: w.provider.URL, ClientID: "signboard", GroupsClaim: "groups", Roles: w.roles}
		guard.FormAction = func() []string { return []string{"https://id.test"} }
	}
	sparing := api.NewSparing(w.door, clock)
	people := session.New(c)
	w.live = handlers.NewLive(w.db, log)
	pages := handlers.Pages{Around: w.db, Notices: people, Teams: teams, SignIn: people.CanSignIn(), Version: "v0.0.0-test", Clock: clock, Log: log}
	guard.Error = pages.Error
	image := handlers.Image{Pages: pages, Store: w.db, Signers: w.db}
	counted := metrics.New(metrics.Config{Version: "v0.0.0-test", Vitals: w.db.Vitals, Clock: clock, Log: log})
	w.routes = web.Routes{
		Guard: guard, Sessions: people,
		Overview:   handlers.Overview{Pages: pages, Store: w.db, Signers: w.db, Quarantines: w.db, Roots: roots},
		Image:      image,
		Signer:     handlers.Signer{Pages: pages, Store: w.db, Images: w.db, Door: sparing, Approvers: w.door.Approvers},
		Key:        handlers.Key{Pages: pages, Parse: verify.NewKeySigner, Register: w.register},
		Quarantine: handlers.Quarantine{Pages: pages, Store: w.db, Images: image, Door: w.door, Locate: locatedAt},
		Team:       handlers.Team{Pages: pages, Store: w.db},
		Export:     handlers.NewExport(handlers.Export{Pages: pages, Images: w.db, Signers: w.db, Quarantines: w.db, Audit: w.db, Coverage: w.db}),
		Registry:   handlers.Registry{Pages: pages, Store: w.db, Door: w.door, Live: w.live, Sessions: people},
		Trust:      handlers.Trust{Pages: pages, Roots: roots},
		Audit:      handlers.Audit{Pages: pages, Store: w.db, Proofs: w.db},
		Token:      handlers.Token{Pages: pages, Store: w.db, Door: w.door, API: p.baseURL},
		Learn:      handlers.Learn{Pages: pages},
		Reevaluate: handlers.Reevaluation{Pages: pages},
		Search:     handlers.Search{Pages: pages, Store: w.db},
		Help:       handlers.Help{Pages: pages},
		Account:    handlers.Account{Pages: pages, Sessions: people},
		SignIn:     handlers.SignIn{Pages: pages, Provider: "id.test", Local: session.Local},
		Theme:      handlers.Theme{Local: session.Local, Secure: https},
		Health:     handlers.Health{Store: w.db.Ready, Release: "v0.0.0-test", Log: log},
		Hook: hook.New(hook.Config{Store: w.db, Hinted: func() {}, Received: counted.Event, Clock: clock, Log: log, Registries: []hook.Registry{
			{Name: "local", Host: "registry.test", Secret: hookSecret, Repositories: []inventory.Glob{"**"}},
		}}),
		API:     api.API{Images: w.db, Signers: w.db, Quarantines: w.db, Registries: w.db, Audit: w.db, Proofs: w.db, Teams: teams, Counts: w.db, Door: sparing, Gate: w.gate(), Version: "v0.0.0-test", Clock: clock, Log: log},
		Metrics: counted, Scrapes: true,
	}
	if p.change != nil {
		p.change(&w.routes)
	}
	w.handler = w.routes.Handler()
	return w
}

// register parses and registers a key, as the command does.
func (w *world) register(ctx context.Context, actor inventory.Actor, name string, text []byte) (inventory.Signer, error) {
	s, err := verify.NewKeySigner(name, text)
	if err == nil {
		s, err = w.door.RegisterKey(ctx, actor, s)
	}
	return s, err
}

// roots are two roots of trust, one of which is too old.
func roots() []inventory.TrustRoot {
	old := noon.AddDate(0, 0, -12)
	return []inventory.TrustRoot{
		{Kind: "sigstore", Name: "plant", Source: "https://tuf.test", ObtainedAt: &old, Stale: true, Facts: []inventory.Fact{{Name: "Certificate authority", Value: "CN=plant"}}},
		{Kind: "notation", Name: "acme", Source: "acme.pem"},
	}
}

// try stands for asking the registry, which nobody runs here.
func try(_ context.Context, name string) ([]inventory.Step, error) {
	if name != "local" {
		return nil, inventory.Errorf(inventory.NotFound, "There is no registry called %q.", inventory.Visible(name))
	}
	return []inventory.Step{
		{Name: "Answers", Result: inventory.Pass, Message: "The registry answers."},
		{Name: "Lists repositories", Result: inventory.Fail, Message: "It may not list <b>."},
	}, nil
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// cookie is the session of somebody who has signed in.
func (w *world) cookie(person string) *http.Cookie {
	w.Helper()
	if w.cookies[person] == nil {
		w.roles[inventory.Viewer] = append(w.roles[inventory.Viewer], groups[stranger])
		w.cookies[person], _ = w.signIn(person, "/")
		w.roles[inventory.Viewer] = w.roles[inventory.Viewer][:1]
	}
	return w.cookies[person]
}

// answer is what a request came to.
type answer struct {
	*http.Response
	body string
}

var titled = regexp.MustCompile(`<title>([^<]*)</title>`)

func (a answer) title() string {
	if m := titled.FindStringSubmatch(a.body); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

// says reports whether the page has the words, as a reader sees them.
func (a answer) says(words string) bool {
	return strings.Contains(a.body, words) || strings.Contains(text(a.body), words)
}

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

// text is a page without its tags.
func text(page string) string {
	return spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(page, "")), " ")
}

// ask sends a request of somebody.
func (w *world) ask(person, method, target string, body io.Reader, set ...string) answer {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), method, target, body)
	if person != nobody && !w.plan.local {
		r.AddCookie(w.cookie(person))
	}
	for i := 0; i+1 < len(set); i += 2 {
		if set[i] == "Host" {
			r.Host = set[i+1]
		}
		r.Header.Add(set[i], set[i+1])
	}
	return w.send(r)
}

func (w *world) send(r *http.Request) answer {
	w.Helper()
	if r.Host == "example.com" {
		u, err := url.Parse(w.plan.baseURL)
		w.must(err)
		r.Host = u.Host
	}
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	return answer{recorder.Result(), recorder.Body.String()}
}

func (w *world) get(person, target string, set ...string) answer {
	w.Helper()
	return w.ask(person, http.MethodGet, target, nil, set...)
}

// post sends a form as this program's own pages do.
func (w *world) post(person, target string, form url.Values, set ...string) answer {
	w.Helper()
	set = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}, set...)
	return w.ask(person, http.MethodPost, target, strings.NewReader(form.Encode()), set...)
}

func digest(n int) inventory.Digest { return inventory.DigestOf(fmt.Appendf(nil, "image %d", n)) }

// look stores one complete look at a repository with what was found.
func (w *world) look(repository string, findings ...inventory.ImageFinding) {
	w.Helper()
	ctx, scope := w.Context(), inventory.SyncScope{Registry: "local"}
	w.must(w.db.MakeDue(ctx, scope, noon))
	listing, err := w.db.ClaimRegistry(ctx, "test", scope, noon, time.Minute)
	w.must(err)
	w.must(w.db.RecordCatalog(ctx, listing, []string{repository}, false, noon))
	scope.Repository = inventory.Glob("local/" + repository)
	w.must(w.db.MakeDue(ctx, scope, noon))
	work, err := w.db.ClaimRepository(ctx, "test", scope, noon, time.Minute)
	w.must(err)
	if work == nil {
		w.Fatalf("%s isn't due", repository)
	}
	revision, err := w.db.Decisions(ctx, nil)
	w.must(err)
	var names []string
	for i := range findings {
		findings[i].JudgedAt = revision.Revision
		names = append(names, findings[i].Tags...)
	}
	w.must(w.db.RecordImages(ctx, work, findings, noon))
	w.must(w.db.FinishRepository(ctx, work, names, noon.Add(time.Hour), noon))
}

// found is a finding with a verdict; by are those whose signature holds.
func found(n int, status inventory.Status, reason inventory.Reason, message string, names []string, by ...inventory.Signer) inventory.ImageFinding {
	f := inventory.ImageFinding{
		Digest: digest(n), Kind: inventory.SingleImage, MediaType: inventory.MediaTypeOCIManifest, Size: 100, Tags: names, TrustRevision: 1,
		Evidence: inventory.Evidence{Fingerprint: digest(1000 + n)},
		Verdict:  inventory.Verdict{Status: status, Reason: reason, Message: message},
	}
	for _, s := range by {
		f.Evidence.Signatures = append(f.Evidence.Signatures, inventory.Signature{
			Format: inventory.FormatSimpleSigning, Manifest: digest(2000 + n), Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK,
			Message: "The signature holds.", Signer: &inventory.Signer{ID: s.ID, Kind: s.Kind, Name: s.Name, Facts: s.Facts},
			Checks: []inventory.Check{{Name: "signature", Result: inventory.Pass, Message: "The signature is made with the key."}},
			Chain:  []inventory.Link{{Role: inventory.RoleImage, Name: "the image"}, {Role: inventory.RoleKey, Name: s.Name, Checks: []string{"signature"}}},
		})
	}
	return f
}

var (
	keyless = inventory.Signer{
		ID:   inventory.KeylessID("https://issuer.test/x", "https://forge.test/org/app/.github/workflows/release.yml@refs/heads/main"),
		Kind: inventory.KeylessSigner, Name: "release.yml of org/app",
	}
	unheard = inventory.Signer{ID: inventory.KeyID(inventory.DigestOf([]byte("another key"))), Kind: inventory.KeySigner, Name: "unheard key"}
)

// fill stores an image of every status, an approved signer, two that wait, and
// a quarantine.
func (w *world) fill() (approved inventory.Signer, held inventory.Quarantine) {
	w.Helper()
	actor := inventory.Actor{Kind: inventory.UserActor, Name: second, Subject: "https://id.test|" + second, Role: inventory.Reviewer}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	w.must(err)
	s, err := verify.NewKeySigner("release pipeline", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	w.must(err)
	approved, err = w.door.RegisterKey(w.Context(), actor, s)
	w.must(err)
	d := inventory.Decision{ID: "first", Signer: s.ID, Verb: inventory.Approve, Repositories: []inventory.Glob{"local/**"}, Reason: "compared in person",
		State: inventory.StateActive, DecidedBy: []inventory.Decider{{Name: second, Subject: actor.Subject, At: noon}}, Revision: 1}
	w.must(w.db.RecordDecision(w.Context(), d, 0, nil, inventory.AuditEntry{At: noon, Actor: actor, Action: "signer.approve", Object: string(s.ID), Reason: d.Reason}))

	w.look("pay/api",
		found(1, inventory.Trusted, inventory.ReasonOK, "Signed by release pipeline.", []string{"v1"}, approved),
		found(2, inventory.Unapproved, inventory.ReasonSignerNotApproved, "Nobody has approved the signer.", []string{"v2"}, keyless))
	w.look("pay/web", found(3, inventory.Unsigned, inventory.ReasonNoSignature, "There is no signature.", []string{"v1"}))
	w.look("ops/base",
		found(4, inventory.Failed, inventory.ReasonSignatureMismatch, "The signature is of something else.", []string{"v1"}),
		found(5, inventory.Unverifiable, inventory.ReasonKeyUnknown, "The key isn't known here.", []string{"v2"}),
		found(6, inventory.Unapproved, inventory.ReasonSignerNotApproved, "Nobody has approved the signer.", []string{"v3"}, unheard),
		found(7, inventory.Unsigned, inventory.ReasonNoSignature, "There is no signature.", []string{"v4"}))
	w.look("pay/copy", found(1, inventory.Trusted, inventory.ReasonOK, "Signed by release pipeline.", []string{"v1"}, approved))
	held, err = w.door.Quarantine(w.Context(), actor, decision.QuarantineRequest{Digest: digest(7), Reason: "holds a secret"})
	w.must(err)
	return approved, held
}

// entries is the audit log, newest first.
func (w *world) entries() []inventory.AuditEntry {
	w.Helper()
	list, _, err := w.db.AuditEntries(w.Context(), inventory.Page{Limit: inventory.MaxPage})
	w.must(err)
	return list
}

func (w *world) signer(id inventory.SignerID) inventory.Signer {
	w.Helper()
	s, err := w.db.Signer(w.Context(), id, noon)
	w.must(err)
	return s
}
