package web_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/static"
	"signboard/views"
)

const somePublicKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEVfkZh7BEu6JRQzvhp1Vl7pM/FCfV
hW7O/ufbaMC1KJssv0scyKh9kXkrmxDWKjBD3fufvULrMWc9Y0EkulVjjA==
-----END PUBLIC KEY-----
`

// rule is who may use a route, and a request that does.
type rule struct {
	needs  inventory.Role // and those above it; of nobody, everybody may
	target string
	form   url.Values // of a page
	json   string     // of the API
	status int        // what everybody gets, where that isn't an answer
}

// rules has a line for each route of the table. A route without one fails the
// test: whoever adds a route says here who may use it.
func (w *world) rules(held inventory.Quarantine) map[string]rule {
	forms := w.forms(held)
	form := func(needs inventory.Role, route string) rule {
		return rule{needs: needs, target: forms[route].target, form: forms[route].fields}
	}
	see := func(target string) rule { return rule{needs: inventory.Viewer, target: target} }
	open := func(target string) rule { return rule{target: target} }
	return map[string]rule{
		"GET /healthz":              open("/healthz"),
		"GET /readyz":               open("/readyz"),
		"GET /version":              open("/version"),
		"GET /metrics":              see("/metrics"),
		"GET /static/*":             open(static.URL("app.css")),
		"GET /favicon.ico":          open("/favicon.ico"),
		"POST /hooks/{registry}":    {target: "/hooks/local", status: 401}, // needs the registry's secret: hook_test.go
		"OPTIONS /hooks/{registry}": {target: "/hooks/local", status: 401},

		"GET /signin":        open("/signin"),
		"GET /auth/start":    open("/auth/start"),
		"GET /auth/callback": {target: "/auth/callback?state=x&code=y", status: 401},
		"POST /auth/logout":  open("/auth/logout"),
		"POST /theme":        form(inventory.Nobody, "/theme"),

		"GET /images.{format:csv|json}":     see("/images.csv"),
		"GET /signers.{format:csv|json}":    see("/signers.csv"),
		"GET /quarantine.{format:csv|json}": see("/quarantine.json"),
		"GET /teams.{format:csv|json}":      see("/teams.csv"),
		"GET /registries.{format:csv|json}": see("/registries.json"),
		"GET /audit.{format:csv|json}":      see("/audit.csv"),

		"GET /":                          see("/"),
		"GET /images":                    see("/images"),
		"GET /images/{digest}":           see(views.ImageURL("local/pay/api", digest(1))),
		"GET /signers":                   see("/signers"),
		"GET /signers/{id}":              see(keyless.ID.Path()),
		"GET /keys/new":                  {needs: inventory.Reviewer, target: "/keys/new"},
		"POST /keys":                     {needs: inventory.Reviewer, target: "/keys", form: url.Values{"name": {"release"}, "key": {somePublicKey}}},
		"GET /quarantine":                see("/quarantine"),
		"GET /teams":                     see("/teams"),
		"GET /teams/{name}":              see("/teams/payments"),
		"GET /registries":                see("/registries"),
		"GET /registries/events":         see("/registries/events"),
		"GET /trust":                     see("/trust"),
		"GET /audit":                     see("/audit?action=image"),
		"GET /audit/{index}":             see("/audit/0"),
		"GET /audit/{index}/proof":       see("/audit/0/proof"),
		"GET /audit/of/{id}":             see("/audit/of/" + held.ID),
		"GET /learn":                     see("/learn"),
		"GET /learn/{code}":              see("/learn/no_signature"),
		"GET /search":                    see("/search?q=api"),
		"GET /reevaluating":              see("/reevaluating"),
		"GET /help":                      see("/help"),
		"GET /tokens":                    {needs: inventory.Admin, target: "/tokens"},
		"POST /tokens":                   {needs: inventory.Admin, target: "/tokens", form: url.Values{"form": {"mine"}}},
		"POST /tokens/{id}/revoke":       {needs: inventory.Admin, target: "/tokens/none/revoke"},
		"POST /signers/{id}/decisions":   form(inventory.Reviewer, "/signers/{id}/decisions"),
		"POST /quarantine":               form(inventory.Reviewer, "/quarantine"),
		"POST /quarantine/{id}/release":  form(inventory.Reviewer, "/quarantine/{id}/release"),
		"POST /quarantine/{id}/end":      form(inventory.Reviewer, "/quarantine/{id}/end"),
		"GET /quarantine/new":            see("/quarantine/new?digest=" + string(digest(3))),
		"GET /quarantine/{id}":           see("/quarantine/" + held.ID),
		"POST /registries/{name}/sync":   form(inventory.Reviewer, "/registries/{name}/sync"),
		"POST /registries/{name}/cancel": form(inventory.Reviewer, "/registries/{name}/cancel"),
		"POST /registries/{name}/test":   {needs: inventory.Admin, target: "/registries/local/test"},

		"POST /signers/{id}/proposals/{proposal}/end":      {needs: inventory.Reviewer, target: keyless.ID.Path() + "/proposals/none/end", form: url.Values{"revision": {"0"}, "reason": {"r"}}},
		"DELETE /api/v1/signers/{id}/decisions/{decision}": {needs: inventory.Reviewer, target: "/api/v1" + keyless.ID.Path() + "/decisions/none", json: `{"reason":"r","revision":0}`},

		"GET /account":                    see("/account"),
		"POST /account/sessions/{id}/end": {needs: inventory.Viewer, target: "/account/sessions/none/end"},
		"POST /account/others/end":        {needs: inventory.Viewer, target: "/account/others/end"},

		"GET /api/v1/openapi.json":              open("/api/v1/openapi.json"),
		"GET /api/v1/openapi.yaml":              open("/api/v1/openapi.yaml"),
		"GET /api/v1/images":                    see("/api/v1/images"),
		"GET /api/v1/images/{digest}":           see("/api/v1/images/" + string(digest(1)) + "?repository=local/pay/api"),
		"GET /api/v1/images/{digest}/history":   see("/api/v1/images/" + string(digest(1)) + "/history?repository=local/pay/api"),
		"GET /api/v1/summary":                   see("/api/v1/summary"),
		"GET /api/v1/signers":                   see("/api/v1/signers"),
		"GET /api/v1/signers/{id}":              see("/api/v1" + keyless.ID.Path()),
		"GET /api/v1/quarantines":               see("/api/v1/quarantines"),
		"GET /api/v1/registries":                see("/api/v1/registries"),
		"GET /api/v1/audit/checkpoint":          see("/api/v1/audit/checkpoint"),
		"GET /api/v1/audit/proof/{index}":       see("/api/v1/audit/proof/0"),
		"GET /api/v1/audit/{index}":             see("/api/v1/audit/0"),
		"GET /api/v1/audit":                     see("/api/v1/audit"),
		"POST /api/v1/signers/{id}/preview":     {needs: inventory.Viewer, target: "/api/v1" + keyless.ID.Path() + "/preview", json: `{"decision":"reject"}`},
		"POST /api/v1/signers/{id}/decisions":   {needs: inventory.Reviewer, target: "/api/v1" + unheard.ID.Path() + "/decisions", json: `{"decision":"reject","reason":"r","revision":0}`},
		"POST /api/v1/quarantines/preview":      {needs: inventory.Viewer, target: "/api/v1/quarantines/preview", json: `{"digest":"` + string(digest(3)) + `"}`},
		"POST /api/v1/quarantines":              {needs: inventory.Reviewer, target: "/api/v1/quarantines", json: `{"digest":"` + string(digest(3)) + `","reason":"r"}`},
		"DELETE /api/v1/quarantines/{id}":       {needs: inventory.Reviewer, target: "/api/v1/quarantines/" + held.ID, json: `{"reason":"r"}`},
		"POST /api/v1/registries/{name}/sync":   {needs: inventory.Reviewer, target: "/api/v1/registries/local/sync", json: `{}`},
		"POST /api/v1/registries/{name}/cancel": {needs: inventory.Reviewer, target: "/api/v1/registries/local/cancel", json: `{}`},
		"POST /api/v1/check":                    {needs: inventory.Viewer, target: "/api/v1/check", json: `{"images":["local/pay/api:v1"]}`},
	}
}

// asker is somebody who uses a route.
type asker struct {
	name   string
	person string
	token  string
	role   inventory.Role
}

// tokenOf makes a token of a role, that counts.
func (w *world) tokenOf(role inventory.Role) string {
	w.Helper()
	actor := inventory.Actor{Kind: inventory.UserActor, Name: admin, Subject: w.provider.URL + "|" + admin, Role: inventory.Admin}
	_, secret, err := w.door.CreateToken(w.Context(), actor, decision.TokenRequest{Name: "a " + role.String(), Role: role})
	w.must(err)
	return string(secret)
}

// TestEveryRoute_letsNobodyFurtherThanTheirRole goes through every route of the
// table as everybody there is, and holds each answer, and its headers, against
// the rules.
func TestEveryRoute_letsNobodyFurtherThanTheirRole(t *testing.T) {
	w := newWorld(t, plan{})
	_, held := w.fill()
	askers := []asker{{name: "nobody"}, {name: "somebody without a role", person: stranger}, {name: "a viewer", person: viewer, role: inventory.Viewer},
		{name: "a reviewer", person: reviewer, role: inventory.Reviewer}, {name: "an admin", person: admin, role: inventory.Admin},
		{name: "a made-up token", token: "sgb_" + strings.Repeat("x", 40)}, {name: "somebody with a made-up token", person: admin, token: "sgb_" + strings.Repeat("x", 40)}}
	for _, role := range []inventory.Role{inventory.Viewer, inventory.Reviewer, inventory.Admin} {
		askers = append(askers, asker{name: "a token of a " + role.String(), token: w.tokenOf(role), role: role})
	}
	rules := w.rules(held)
	err := chi.Walk(w.handler.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if route == "/static/*" && method != http.MethodGet {
			return nil // refused by the files' own handler
		}
		key := method + " " + route
		rule, ok := rules[key]
		if !ok {
			t.Errorf("%s: nobody has said who may: add it to the rules", key)
			return nil
		}
		delete(rules, key)
		for _, asker := range askers {
			w.rule(key, rule, asker)
		}
		return nil
	})
	w.must(err)
	for route := range rules {
		t.Errorf("%s is in the rules, but not in the table", route)
	}
}

// rule holds one route, for one asker, against its rule.
func (w *world) rule(key string, rule rule, who asker) {
	w.Helper()
	method, route, _ := strings.Cut(key, " ")
	if route == "/registries/events" {
		method = http.MethodHead // it would go on for as long as somebody listens
	}
	program := strings.HasPrefix(route, "/api/") || route == "/metrics" || strings.HasSuffix(route, ".{format:csv|json}") && who.token != ""
	role := who.role
	switch {
	case !program && who.token != "" && who.person == nobody:
		role = inventory.Nobody // pages know of no tokens
	case !program && who.person == admin:
		role = inventory.Admin
	}
	var set []string
	var body io.Reader
	switch {
	case rule.json != "":
		body, set = strings.NewReader(rule.json), append(set, "Content-Type", "application/json")
	case method == http.MethodPost:
		body, set = strings.NewReader(rule.form.Encode()), append(set, "Content-Type", "application/x-www-form-urlencoded")
	}
	if who.token != "" {
		set = append(set, "Authorization", "Bearer "+who.token)
	} else {
		set = append(set, "Sec-Fetch-Site", "same-origin")
	}
	a := w.ask(who.person, method, rule.target, body, set...)
	if route == "/auth/logout" {
		delete(w.cookies, who.person)
	}
	w.guarded(key+" of "+who.name+rule.target, a)

	location := a.Header.Get("Location")
	reading := method == http.MethodGet || method == http.MethodHead
	var want string
	ok := false
	switch {
	case rule.status != 0:
		want, ok = http.StatusText(rule.status), a.StatusCode == rule.status
	case role >= rule.needs:
		want = "an answer"
		ok = a.StatusCode != 401 && a.StatusCode != 403 && a.StatusCode < 500 && !strings.HasPrefix(location, "/signin?return=")
		if reading {
			ok = ok && a.StatusCode < 400
		}
	case program && (who.token != "" && role == inventory.Nobody || who.person == nobody && who.token == ""):
		want, ok = "401 with a challenge", a.StatusCode == 401 && strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") && a.Header.Get("Content-Type") == asProblem
	case role == inventory.Nobody && who.person == nobody && reading:
		want, ok = "the sign-in", a.StatusCode == 303 && location == "/signin?return="+url.QueryEscape(rule.target)
	case role == inventory.Nobody && who.person == nobody:
		want, ok = "401", a.StatusCode == 401
	default:
		want, ok = "403", a.StatusCode == 403
	}
	if !ok {
		w.Errorf("%s: %s got %d to %q, want %s: %.300s", key, who.name, a.StatusCode, location, want, text(a.body))
	}
	if role < rule.needs && (strings.Contains(a.body, "pay/api") || strings.Contains(a.body, string(held7))) {
		w.Errorf("%s: %s is refused and still shown something: %.300s", key, who.name, text(a.body))
	}
}

var held7 = digest(7)
