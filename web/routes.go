package web

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"signboard/handlers"
	"signboard/handlers/api"
	"signboard/handlers/hook"
	"signboard/inventory"
	"signboard/static"
	"signboard/web/metrics"
	"signboard/web/session"
)

// file ends the address of a list as a file.
const file = ".{format:csv|json}"

// Routes is everything the program answers, on one page.
type Routes struct {
	Guard
	Sessions *session.Sessions

	Overview   handlers.Overview
	Image      handlers.Image
	Signer     handlers.Signer
	Key        handlers.Key
	Quarantine handlers.Quarantine
	Team       handlers.Team
	Export     handlers.Export
	Registry   handlers.Registry
	Trust      handlers.Trust
	Audit      handlers.Audit
	Token      handlers.Token
	Learn      handlers.Learn
	Search     handlers.Search
	Reevaluate handlers.Reevaluation
	Help       handlers.Help
	SignIn     handlers.SignIn
	Account    handlers.Account
	Theme      handlers.Theme
	Health     handlers.Health
	Hook       *hook.Hook
	API        api.API

	Metrics *metrics.Metrics // counts; may be nil
	Scrapes bool             // this address answers /metrics, no other does
}

// Handler is the table of routes with what every request passes through.
func (t Routes) Handler() http.Handler {
	if t.Clock == nil {
		t.Clock = time.Now
	}
	t.refusals = newRefusals(t.Refused, t.Clock, t.Log)
	t.API.Refused = t.refusals.write
	toPeople := t.Error
	t.Error = func(w http.ResponseWriter, r *http.Request, id string, err error) {
		if forPrograms(r) {
			t.API.Error(w, r, id, err)
		} else {
			toPeople(w, r, id, err)
		}
	}
	page, may := t.page, t.may

	r := chi.NewRouter()
	r.Use(identify, t.address, t.measure, t.log, t.headers, t.recover, t.hosts, t.limits, middleware.Compress(5, "text/html", "application/json", "application/problem+json"), middleware.GetHead)
	r.Get("/healthz", t.Health.Live)
	r.Get("/readyz", t.Health.Ready)
	r.Get("/version", t.Health.Version)
	if t.Scrapes {
		r.With(t.Sessions.API).Get("/metrics", t.scrape)
	}
	r.Post("/hooks/{registry}", t.Hook.Receive)
	r.Options("/hooks/{registry}", t.Hook.Shake)
	r.Handle("/static/*", static.Handler())
	r.Get("/favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, static.URL("favicon.svg"), http.StatusFound)
	})

	r.Route("/api", func(r chi.Router) {
		r.NotFound(page(notFound))
		r.MethodNotAllowed(page(otherMethod))
		r.Route("/v1", func(r chi.Router) { t.API.Routes(r, t.browsers(t.sameOrigin(t.Sessions.Peek)), t.Sessions.API) })
	})

	// In here nobody gets without being allowed to see: what a new route forgets to
	// ask for is refused. What changes something asks for more, by name.
	r.Group(func(r chi.Router) {
		r.Use(t.named, t.sameOrigin(t.Sessions.Peek), t.Sessions.Middleware, t.require(inventory.See))

		r.Get("/", page(t.Overview.Show))
		r.Get("/images", page(t.Image.List))
		r.Get("/images/{digest}", page(t.Image.Show))
		r.Get("/signers", page(t.Signer.List))
		r.Get("/signers/{id}", page(t.Signer.Show))
		r.Get("/keys/new", may(inventory.DecideSigner, t.Key.New))
		r.Post("/keys", may(inventory.DecideSigner, t.Key.Create))
		r.Post("/signers/{id}/decisions", may(inventory.DecideSigner, t.Signer.Create))
		r.Post("/signers/{id}/proposals/{proposal}/end", may(inventory.DecideSigner, t.Signer.EndProposal))
		r.Get("/quarantine", page(t.Quarantine.List))
		r.Post("/quarantine", may(inventory.DecideQuarantine, t.Quarantine.Create))
		r.Get("/quarantine/new", page(t.Quarantine.New))
		r.Get("/quarantine/{id}", page(t.Quarantine.Show))
		r.Post("/quarantine/{id}/end", may(inventory.DecideQuarantine, t.Quarantine.End))
		r.Post("/quarantine/{id}/release", may(inventory.DecideQuarantine, t.Quarantine.Release))
		r.Get("/teams", page(t.Team.List))
		r.Get("/teams/{name}", page(t.Team.Show))
		r.Get("/registries", page(t.Registry.List))
		r.Get(stream, page(t.Registry.Events))
		r.Post("/registries/{name}/sync", may(inventory.SyncNow, t.Registry.SyncNow))
		r.Post("/registries/{name}/cancel", may(inventory.SyncNow, t.Registry.Cancel))
		r.Post("/registries/{name}/test", may(inventory.TryRegistry, t.Registry.Try))
		r.Get("/account", page(t.Account.Show))
		r.Post("/account/sessions/{id}/end", page(t.refuses(t.Account.End)))
		r.Post("/account/others/end", page(t.refuses(t.Account.EndOthers)))
		r.Get("/trust", page(t.Trust.List))
		r.Get("/audit", page(t.Audit.List))
		r.Get("/audit/{index}", page(t.Audit.Show))
		r.Get("/audit/{index}/proof", page(t.Audit.Proof))
		r.Get("/audit/of/{id}", page(t.Audit.Of))
		r.Get("/tokens", may(inventory.ManageTokens, t.Token.List))
		r.Post("/tokens", may(inventory.ManageTokens, t.Token.Create))
		r.Post("/tokens/{id}/revoke", may(inventory.ManageTokens, t.Token.Revoke))
		r.Get("/learn", page(t.Learn.List))
		r.Get("/learn/{code}", page(t.Learn.Show))
		r.Get("/search", page(t.Search.Show))
		r.Get("/reevaluating", page(t.Reevaluate.Show))
		r.Get("/help", page(t.Help.Show))
	})

	// Lists as files are for browsers and for programs.
	r.Group(func(r chi.Router) {
		r.Use(t.browsers(t.named), t.browsers(t.sameOrigin(t.Sessions.Peek)), t.Sessions.API, t.require(inventory.See))

		r.Get("/images"+file, page(t.Export.Image))
		r.Get("/signers"+file, page(t.Export.Signer))
		r.Get("/quarantine"+file, page(t.Export.Quarantine))
		r.Get("/teams"+file, page(t.Export.Team))
		r.Get("/registries"+file, page(t.Export.Registry))
		r.Get("/audit"+file, page(t.Export.Entry))
	})

	// In here is everybody: the way in and out, and what shows nothing.
	r.Group(func(r chi.Router) {
		r.Use(t.named, t.sameOrigin(t.Sessions.Peek), t.Sessions.Middleware)

		r.Get("/signin", page(t.SignIn.Show))
		r.Get("/auth/start", page(t.Sessions.Start))
		r.Get("/auth/callback", page(t.refuses(t.signsIn(t.Sessions.Callback))))
		r.Post("/auth/logout", page(t.Sessions.End))
		r.Post("/theme", page(t.Theme.Create))

		r.NotFound(page(notFound))
		r.MethodNotAllowed(page(otherMethod))
	})
	return r
}
