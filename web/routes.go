package web

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"signboard/handlers"
	"signboard/handlers/hook"
	"signboard/static"
	"signboard/web/session"
)

// Routes is everything the program answers, on one page.
type Routes struct {
	Guard
	Sessions *session.Sessions

	Overview   handlers.Overview
	Image      handlers.Image
	Signer     handlers.Signer
	Quarantine handlers.Quarantine
	Registry   handlers.Registry
	Trust      handlers.Trust
	Audit      handlers.Audit
	Learn      handlers.Learn
	Search     handlers.Search
	Help       handlers.Help
	SignIn     handlers.SignIn
	Theme      handlers.Theme
	Health     handlers.Health
	Hook       *hook.Hook
}

// Handler is the table of routes with what every request passes through.
func (t Routes) Handler() http.Handler {
	page, anybody := t.signedIn, t.anybody

	r := chi.NewRouter()
	r.Use(identify, t.address, t.log, t.headers, t.recover, t.hosts, t.limits, middleware.Compress(5, "text/html"), middleware.GetHead)
	r.Get("/healthz", t.Health.Live)
	r.Get("/readyz", t.Health.Ready)
	r.Get("/version", t.Health.Version)
	r.Post("/hooks/{registry}", t.Hook.Receive)
	r.Options("/hooks/{registry}", t.Hook.Shake)
	r.Handle("/static/*", static.Handler())
	r.Get("/favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, static.URL("favicon.svg"), http.StatusFound)
	})

	r.Group(func(r chi.Router) {
		r.Use(t.sameOrigin, t.Sessions.Middleware, t.form)

		r.Get("/", page(t.Overview.Show))
		r.Get("/images", page(t.Image.List))
		r.Get("/images/{digest}", page(t.Image.Show))
		r.Get("/signers", page(t.Signer.List))
		r.Get("/signers/{id}", page(t.Signer.Show))
		r.Post("/signers/{id}/decisions", page(t.Signer.Create))
		r.Get("/quarantine", page(t.Quarantine.List))
		r.Post("/quarantine", page(t.Quarantine.Create))
		r.Post("/quarantine/{id}/release", page(t.Quarantine.Release))
		r.Get("/registries", page(t.Registry.List))
		r.Get(stream, page(t.Registry.Events))
		r.Post("/registries/{name}/sync", page(t.Registry.SyncNow))
		r.Post("/registries/{name}/cancel", page(t.Registry.Cancel))
		r.Post("/registries/{name}/test", page(t.Registry.Try))
		r.Get("/trust", page(t.Trust.List))
		r.Get("/audit", page(t.Audit.List))
		r.Get("/learn", page(t.Learn.List))
		r.Get("/learn/{code}", page(t.Learn.Show))
		r.Get("/search", page(t.Search.Show))
		r.Get("/help", page(t.Help.Show))

		r.Get("/signin", anybody(t.SignIn.Show))
		r.Get("/auth/start", anybody(t.Sessions.Start))
		r.Get("/auth/callback", anybody(t.Sessions.Callback))
		r.Post("/auth/logout", anybody(t.Sessions.End))
		r.Post("/theme", anybody(t.Theme.Create))

		r.NotFound(anybody(notFound))
		r.MethodNotAllowed(anybody(otherMethod))
	})
	return r
}
