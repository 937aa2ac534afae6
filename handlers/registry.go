package handlers

import (
	"context"
	"net/http"

	"signboard/inventory"
	"signboard/views"
)

// RegistryStore is what the page about registries reads.
type RegistryStore interface {
	// FailingRepositories are up to most repositories of each registry that
	// can't be read, by the registry's name.
	FailingRepositories(ctx context.Context, most int) (map[string][]inventory.Repository, error)
}

// Registry is the page about registries.
type Registry struct {
	Pages
	Store RegistryStore
	// Sync makes a registry due now.
	Sync func(ctx context.Context, actor inventory.Actor, registry string) error
}

// List is GET /registries.
func (g Registry) List(w http.ResponseWriter, r *http.Request) error {
	frame, registries, err := g.frame(r, "Registries")
	if err != nil {
		return err
	}
	p := views.RegistriesPage{Frame: frame, Registries: registries}
	if p.Failing, err = g.Store.FailingRepositories(r.Context(), 10); err != nil {
		return err
	}
	return show(w, r, http.StatusOK, p)
}

// SyncNow is POST /registries/{name}/sync.
func (g Registry) SyncNow(w http.ResponseWriter, r *http.Request) error {
	name := param(r, "name")
	if err := g.Sync(r.Context(), inventory.ActorFrom(r.Context()), name); err != nil {
		return err
	}
	g.Notices.Notice(r.Context(), "The sync of "+inventory.Visible(name)+" starts now.")
	http.Redirect(w, r, "/registries", http.StatusSeeOther)
	return nil
}
