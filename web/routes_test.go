package web_test

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"signboard/inventory"
	"signboard/static"
	"signboard/views"
	"signboard/views/ui"
)

// visit is a GET that answers, with what a person must find.
type visit struct {
	route  string // of the table
	target string
	person string
	status int
	kind   string // Content-Type
	title  string
	says   string
}

const page, data, sheet = "text/html; charset=utf-8", "application/json", "text/csv; charset=utf-8"

// visits has one of each GET of the table, and some with other answers.
func visits(approved inventory.Signer) []visit {
	image := views.ImageURL("local/pay/api", digest(1))
	return []visit{
		{"/healthz", "/healthz", nobody, 200, data, "", `{"status":"ok"}`},
		{"/readyz", "/readyz", nobody, 200, data, "", `{"status":"ok"}`},
		{"/version", "/version", nobody, 200, data, "", `{"version":"v0.0.0-test"}`},
		{"/metrics", "/metrics", viewer, 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "", `signboard_images{registry="local",status="trusted"} 2`},
		{"/metrics", "/metrics", nobody, 401, asProblem, "", "metrics_listen"},
		{"/static/*", static.URL("app.css"), nobody, 200, "text/css; charset=utf-8", "", ""},
		{"/static/*", "/static/x/none.css", nobody, 404, "text/plain; charset=utf-8", "", ""},
		{"/favicon.ico", "/favicon.ico", nobody, 302, page, "", ""},
		{"/", "/", viewer, 200, page, "Overview · Signboard", "2 of 8 images are trusted"},
		{"/", "/?team=payments", viewer, 200, page, "Overview · Signboard", "2 of 4 images are trusted"},
		{"/images", "/images", viewer, 200, page, "Images · Signboard", "8 images"},
		{"/images", "/images?status=quarantined", viewer, 200, page, "Images · Signboard", "1 image matches"},
		{"/images/{digest}", image, viewer, 200, page, "pay/api:v1 · Signboard", "We trust this image."},
		{"/images/{digest}", views.ImageURL("local/pay/api", digest(2)), viewer, 200, page, "pay/api:v2 · Signboard", "we have not approved who signed it"},
		{"/images/{digest}", views.ImageURL("local/pay/web", digest(3)), viewer, 200, page, "pay/web:v1 · Signboard", "Nobody signed this image."},
		{"/images/{digest}", views.ImageURL("local/ops/base", digest(7)), viewer, 200, page, "ops/base:v4 · Signboard", "Held in quarantine"},
		{"/images/{digest}", views.ImageURL("local/pay/none", digest(1)), viewer, 404, page, "Not found · Signboard", ""},
		{"/images/{digest}", views.ImageURL("nothing", digest(1)), viewer, 422, page, "That was not understood · Signboard", "write registry/repository"},
		{"/images/{digest}", "/images/sha256:abc", viewer, 422, page, "That was not understood · Signboard", "is not a digest"},
		{"/images/{digest}", "/images/" + string(digest(99)), viewer, 404, page, "Not found · Signboard", "is known here"},
		{"/signers", "/signers", viewer, 200, page, "Signers · Signboard", "2 signers wait for a decision."},
		{"/signers", "/signers?standing=approved", viewer, 200, page, "Signers · Signboard", "release pipeline"},
		{"/signers", "/signers?standing=nonsense", viewer, 422, page, "That was not understood · Signboard", "is not a standing"},
		{"/signers/{id}", approved.ID.Path(), viewer, 200, page, "release pipeline · Signboard", "compared in person"},
		{"/signers/{id}", keyless.ID.Path(), viewer, 200, page, "release.yml of org/app · Signboard", string(keyless.ID)},
		{"/signers/{id}", "/signers/key:none", viewer, 404, page, "Not found · Signboard", "This signer isn't known here."},
		{"/quarantine", "/quarantine", viewer, 200, page, "Quarantine · Signboard", "holds a secret"},
		{"/quarantine/new", "/quarantine/new", viewer, 200, page, "Quarantine an image · Signboard", "What should be held back?"},
		{"/quarantine/new", "/quarantine/new?digest=" + string(digest(3)) + "&repository=local/x", viewer, 200, page, "Quarantine an image · Signboard", "1 image in 1 repository would be held, none of them trusted now."},
		{"/quarantine/new", "/quarantine/new?repository=none/x&tag=v1", viewer, 422, page, "Quarantine an image · Signboard", "There is no registry called"},
		{"/quarantine/{id}", "/quarantine/none", viewer, 404, page, "Not found · Signboard", "There is no such quarantine."},
		{"/teams", "/teams", viewer, 200, page, "Teams · Signboard", "4 images of 8 belong to no team."},
		{"/teams/{name}", "/teams/payments", viewer, 200, page, "payments · Signboard", "1 image of your team is not signed."},
		{"/teams/{name}", "/teams/payments", admin, 200, page, "payments · Signboard", "1 image of payments is not signed."},
		{"/teams/{name}", "/teams/-", viewer, 200, page, "No team · Signboard", "4 images belong to no team."},
		{"/teams/{name}", ui.TeamURL("ops & <b>/é"), viewer, 200, page, "ops & <b>/é · Signboard", "has no images."},
		{"/teams/{name}", "/teams/nobody", viewer, 404, page, "Not found · Signboard", "There is no team called"},
		{"/teams/{name}", "/teams/payments?cursor=x", viewer, 422, page, "That was not understood · Signboard", ""},
		{"/images.{format:csv|json}", "/images.csv", viewer, 200, sheet, "", "local,pay/api,v1,"},
		{"/images.{format:csv|json}", "/images.json?status=unsigned&team=payments", viewer, 200, data, "", `"repository":"pay/web"`},
		{"/images.{format:csv|json}", "/images.csv?status=purple", viewer, 422, page, "That was not understood · Signboard", "is not a status"},
		{"/images.{format:csv|json}", "/images.csv?team=nobody", viewer, 422, page, "That was not understood · Signboard", "There is no team called"},
		{"/images.{format:csv|json}", "/images.csv?registry=none", viewer, 422, page, "That was not understood · Signboard", "There is no registry called"},
		{"/signers.{format:csv|json}", "/signers.csv?standing=approved", viewer, 200, sheet, "", "release pipeline,approved,"},
		{"/signers.{format:csv|json}", "/signers.json", viewer, 200, data, "", `"standing":"pending"`},
		{"/signers.{format:csv|json}", "/signers.csv?kind=x", viewer, 422, page, "That was not understood · Signboard", "is not a kind of signer"},
		{"/quarantine.{format:csv|json}", "/quarantine.csv", viewer, 200, sheet, "", "holds a secret"},
		{"/teams.{format:csv|json}", "/teams.csv", viewer, 200, sheet, "", "payments,4,2,1,0,0,1,0,0,"},
		{"/teams.{format:csv|json}", "/teams.json", viewer, 200, data, "", `{"name":"-","images":4,`},
		{"/registries.{format:csv|json}", "/registries.csv", viewer, 200, sheet, "", "local,https://registry.test,"},
		{"/audit.{format:csv|json}", "/audit.csv", viewer, 200, sheet, "", "image.quarantine"},
		{"/audit.{format:csv|json}", "/audit.json?", viewer, 200, data, "", `"action":"image.quarantine"`},
		{"/registries", "/registries", viewer, 200, page, "Registries · Signboard", "https://registry.test"},
		{"/trust", "/trust", viewer, 200, page, "Roots of trust · Signboard", "1 of 2 roots of trust needs renewing."},
		{"/audit", "/audit", viewer, 200, page, "Audit · Signboard", "image.quarantine"},
		{"/audit", "/audit?action=image&who=" + reviewer, viewer, 200, page, "Audit · Signboard", "image.quarantine"},
		{"/audit", "/audit?action=token", viewer, 200, page, "Audit · Signboard", "No entry matches"},
		{"/audit", "/audit?action=made-up", viewer, 422, page, "Audit · Signboard", "is not an action of the audit log"},
		{"/audit", "/audit?who=x&cursor=x", viewer, 422, page, "Audit · Signboard", "The cursor isn"},
		{"/audit.{format:csv|json}", "/audit.csv?action=made-up", viewer, 422, page, "That was not understood · Signboard", "is not an action"},
		{"/audit/{index}", "/audit/0", viewer, 200, page, "Audit entry 0 · Signboard", "Download the proof"},
		{"/audit/{index}", "/audit/999999", viewer, 404, page, "Not found · Signboard", "The audit log has no entry 999999."},
		{"/audit/{index}", "/audit/00", viewer, 404, page, "Not found · Signboard", "The audit log has no entry"},
		{"/audit/{index}/proof", "/audit/0/proof", viewer, 200, data, "", `"checkpoint": "`},
		{"/audit/of/{id}", "/audit/of/none", viewer, 404, page, "Not found · Signboard", "The audit log has no entry about that."},
		{"/account", "/account", viewer, 200, page, "Your account · Signboard", "Your group staff gives you this role."},
		{"/tokens", "/tokens", admin, 200, page, "Tokens · Signboard", "No token is live."},
		{"/tokens", "/tokens?state=over", admin, 200, page, "Tokens · Signboard", "No token yet"},
		{"/tokens", "/tokens?cursor=x", admin, 422, page, "That was not understood · Signboard", "The cursor isn't one"},
		{"/tokens", "/tokens", reviewer, 403, page, "Not allowed · Signboard", "may not manage tokens"},
		{"/learn", "/learn", viewer, 200, page, "Learn · Signboard", "signature_mismatch"},
		{"/learn/{code}", "/learn/no_signature", viewer, 200, page, "What does “no_signature” mean? · Signboard", "cosign sign"},
		{"/learn/{code}", "/learn/no_signature?digest=nonsense", viewer, 422, page, "That was not understood · Signboard", "is not a digest"},
		{"/learn/{code}", "/learn/nonsense", viewer, 404, page, "Not found · Signboard", "is not a reason code"},
		{"/search", "/search?q=api", viewer, 200, page, "Search · Signboard", "local/pay/api"},
		{"/search", "/search", viewer, 200, page, "Search · Signboard", "What are you looking for?"},
		{"/keys/new", "/keys/new", reviewer, 200, page, "Add a key · Signboard", "private half"},
		{"/reevaluating", "/reevaluating", viewer, 200, page, "", "Every image is re-evaluated."},
		{"/help", "/help", viewer, 200, page, "Help · Signboard", "Ctrl"},
		{"/signin", "/signin", nobody, 200, page, "Sign in · Signboard", "Sign in with id.test"},
		{"/auth/start", "/auth/start", nobody, 302, page, "", ""},
		{"/auth/callback", "/auth/callback?state=x&code=y", nobody, 401, page, "Sign in · Signboard", "was not begun in this browser"},
	}
}

func TestEveryPage_answersItsQuestion(t *testing.T) {
	w := newWorld(t, plan{})
	approved, _ := w.fill()
	for _, v := range visits(approved) {
		a := w.get(v.person, v.target)
		if a.StatusCode != v.status {
			t.Errorf("GET %s: status %d, want %d: %s", v.target, a.StatusCode, v.status, text(a.body))
		}
		if got := a.Header.Get("Content-Type"); got != v.kind {
			t.Errorf("GET %s: Content-Type %q, want %q", v.target, got, v.kind)
		}
		if got := a.title(); got != v.title {
			t.Errorf("GET %s: the title is %q, want %q", v.target, got, v.title)
		}
		if !a.says(v.says) {
			t.Errorf("GET %s does not say %q: %s", v.target, v.says, text(a.body))
		}
	}
	if lines := w.log.errors(); len(lines) > 0 {
		t.Errorf("answering what was asked for logged errors: %s", lines)
	}
}

// posts are the POSTs of the table, each of which has its own tests.
var posts = []string{
	"/signers/{id}/decisions", "/quarantine", "/quarantine/{id}/release", "/quarantine/{id}/end", "/registries/{name}/sync", "/registries/{name}/cancel", "/tokens/{id}/revoke", "/auth/logout", "/theme",
}

// writes are the API's calls that aren't a GET, tested in write_test.go and
// check_test.go.
var writes = []string{
	"POST /api/v1/signers/{id}/preview", "POST /api/v1/signers/{id}/decisions", "DELETE /api/v1/signers/{id}/decisions/{decision}", "POST /api/v1/quarantines", "POST /api/v1/quarantines/preview", "DELETE /api/v1/quarantines/{id}",
	"POST /api/v1/registries/{name}/sync", "POST /api/v1/registries/{name}/cancel", "POST /api/v1/check",
}

// others are routes that are neither a page nor a form that leads to one.
var others = []string{"POST /registries/{name}/test", "POST /tokens", "POST /keys", "POST /signers/{id}/proposals/{proposal}/end", "POST /account/sessions/{id}/end", "POST /account/others/end", "GET /registries/events"}

func TestEveryRoute_isTested(t *testing.T) {
	w := newWorld(t, plan{})
	tested := map[string]bool{"POST /hooks/{registry}": true, "OPTIONS /hooks/{registry}": true} // by hook_test.go
	for _, v := range visits(inventory.Signer{ID: "key:x"}) {
		tested["GET "+v.route] = true
	}
	for _, route := range posts {
		tested["POST "+route] = true
	}
	for _, route := range slices.Concat(others, writes) {
		tested[route] = true
	}
	for _, c := range apiCalls {
		tested[c.route] = true
	}
	seen := 0
	err := chi.Walk(w.handler.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if seen++; route == "/static/*" && method != http.MethodGet {
			return nil // refused by the files' own handler
		}
		if !tested[method+" "+route] {
			t.Errorf("%s %s is in no test of this package: add it to visits or posts", method, route)
		}
		delete(tested, method+" "+route)
		return nil
	})
	if err != nil || seen < 25 {
		t.Errorf("%d routes were seen: %v", seen, err)
	}
	for route := range tested {
		t.Errorf("%s is tested, but isn't in the table", route)
	}
}

func TestEveryPage_leadsToTheSignInAndBack(t *testing.T) {
	w := newWorld(t, plan{})
	approved, _ := w.fill()
	open := []string{"/healthz", "/readyz", "/version", "/metrics", "/static/*", "/favicon.ico", "/signin", "/auth/start", "/auth/callback"}
	for _, v := range visits(approved) {
		if slices.Contains(open, v.route) {
			continue
		}
		a := w.get(nobody, v.target)
		if want := "/signin?return=" + url.QueryEscape(v.target); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want {
			t.Errorf("GET %s: %d to %q, want %q", v.target, a.StatusCode, a.Header.Get("Location"), want)
		}
		if strings.Contains(a.body, "pay/") || strings.Contains(a.body, "release") && !strings.Contains(v.target, "release") {
			t.Errorf("GET %s shows something to nobody: %s", v.target, a.body)
		}
	}
}

func TestEveryPage_answersHead(t *testing.T) {
	w := newWorld(t, plan{})
	approved, _ := w.fill()
	server := httptest.NewServer(w.handler)
	defer server.Close()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, v := range visits(approved) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+v.target, nil)
		w.must(err)
		if v.person != nobody {
			r.AddCookie(w.cookie(v.person))
		}
		res, err := client.Do(r)
		w.must(err)
		res.Body.Close()
		if res.StatusCode != v.status || res.Header.Get("Content-Type") != v.kind {
			t.Errorf("HEAD %s: %d %q, want %d %q as GET has", v.target, res.StatusCode, res.Header.Get("Content-Type"), v.status, v.kind)
		}
	}
	if a := w.ask(nobody, http.MethodHead, "/images", nil); a.StatusCode != http.StatusSeeOther {
		t.Errorf("HEAD /images of nobody: %d", a.StatusCode)
	}
}

func TestUnknownPath_isAPage(t *testing.T) {
	w := newWorld(t, plan{})
	for _, person := range []string{nobody, viewer} {
		for _, target := range []string{"/nothing", "/images/", "/images/a/b", "/signers/keyless:https://issuer.test/x|y", "/../etc/passwd", "/%00", "/%ff", "//"} {
			a := w.get(person, target)
			if a.StatusCode != http.StatusNotFound || a.Header.Get("Content-Type") != page || !a.says("There is nothing at this address.") {
				t.Errorf("GET %s: %d %q: %s", target, a.StatusCode, a.Header.Get("Content-Type"), text(a.body))
			}
		}
	}
}

func TestOtherMethod_isRefusedWithThoseThatAreAllowed(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	w.cookie(reviewer)
	before := w.snapshot()
	for _, c := range []struct{ method, target, allow string }{
		{"POST", "/", "GET, HEAD"},
		{"DELETE", "/images", "GET, HEAD"},
		{"PUT", "/quarantine", "GET, HEAD, POST"},
		{"GET", "/quarantine/" + held.ID + "/release", "POST"},
		{"GET", "/auth/logout", "POST"},
		{"GET", "/theme", "POST"},
		{"GET", keyless.ID.Path() + "/decisions", "POST"},
		{"POST", "/healthz", "GET, HEAD"},
		{"BREW", "/images", "GET, HEAD"},
	} {
		a := w.ask(reviewer, c.method, c.target, nil)
		allowed := strings.Split(strings.Join(a.Header.Values("Allow"), ", "), ", ")
		slices.Sort(allowed)
		if a.StatusCode != http.StatusMethodNotAllowed || strings.Join(allowed, ", ") != c.allow {
			t.Errorf("%s %s: %d, Allow %q, want 405 and %q", c.method, c.target, a.StatusCode, allowed, c.allow)
		}
		if a.Header.Get("Content-Type") != page {
			t.Errorf("%s %s: Content-Type %q", c.method, c.target, a.Header.Get("Content-Type"))
		}
	}
	w.unchanged(before, "methods that aren't there")
}

func TestGet_changesNothing(t *testing.T) {
	w := newWorld(t, plan{})
	approved, _ := w.fill()
	for person := range groups {
		w.cookie(person) // signing in is in the audit log
	}
	before := w.snapshot()
	for _, v := range visits(approved) {
		refused, count := false, len(w.entries())
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, person := range []string{nobody, viewer, reviewer, admin} {
				a := w.ask(person, method, v.target, nil)
				refused = refused || a.StatusCode == http.StatusForbidden || a.StatusCode == http.StatusUnauthorized
			}
		}
		if !refused {
			w.unchanged(before, "GET "+v.target)
			continue
		}
		w.onlyRefused(before, len(w.entries())-count, len(w.entries())-count, "GET "+v.target)
		before = w.snapshot()
	}
	// Not even when it is written like a form.
	form := "decision=approve&repositories=**&reason=x&revision=0&digest=" + string(digest(1)) + "&theme=dark"
	for _, target := range []string{"/quarantine?", keyless.ID.Path() + "/decisions?", keyless.ID.Path() + "?", "/registries/local/sync?", "/theme?", "/auth/logout?"} {
		a := w.get(reviewer, target+form)
		w.unchanged(before, "GET "+target+form)
		if a.StatusCode == http.StatusSeeOther || strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), ""), "theme") {
			t.Errorf("GET %s is taken for a form: %d", target, a.StatusCode)
		}
	}
}

// snapshot is a checksum of every table but the sessions'.
func (w *world) snapshot() map[string]string {
	w.Helper()
	db, err := sql.Open("sqlite", w.file)
	w.must(err)
	defer db.Close()
	tables := w.rows(db, "select name from sqlite_master where type = 'table' and name not in ('sessions', 'sqlite_stat1') order by name")
	if len(tables) < 20 {
		w.Fatalf("only these tables: %v", tables)
	}
	sums := map[string]string{}
	for _, table := range tables {
		rows := w.rows(db, "select * from "+table)
		slices.Sort(rows)
		sums[table] = fmt.Sprintf("%d rows, %x", len(rows), sha256.Sum256([]byte(strings.Join(rows, "\n"))))
	}
	return sums
}

// rows are the rows of a query, each as text.
func (w *world) rows(db *sql.DB, query string) []string {
	w.Helper()
	rows, err := db.QueryContext(w.Context(), query)
	w.must(err)
	defer rows.Close()
	columns, err := rows.Columns()
	w.must(err)
	var list []string
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		w.must(rows.Scan(into...))
		var line []string
		for _, v := range values {
			line = append(line, v.String)
		}
		list = append(list, strings.Join(line, "\x1f"))
	}
	w.must(rows.Err())
	return list
}

// unchanged reports tables that aren't as they were.
func (w *world) unchanged(before map[string]string, after string) {
	w.Helper()
	for table, sum := range w.snapshot() {
		if before[table] != sum {
			w.Errorf("%s changed the table %s: from %s to %s", after, table, before[table], sum)
			before[table] = sum
		}
	}
}
