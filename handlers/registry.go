package handlers

import (
	"context"
	"net/http"
	"time"

	"signboard/inventory"
	"signboard/views"
)

// RegistryStore is what the page about registries reads.
type RegistryStore interface {
	Registries(ctx context.Context) ([]inventory.Registry, error)
	// FailingRepositories are up to most repositories of each registry that
	// can't be read, by the registry's name.
	FailingRepositories(ctx context.Context, most int) (map[string][]inventory.Repository, error)
}

// RegistryDoor is what a person may ask of a registry.
type RegistryDoor interface {
	// SyncNow makes a registry due now.
	SyncNow(ctx context.Context, actor inventory.Actor, registry string) error
	// CancelSync ends the sync that is going on.
	CancelSync(ctx context.Context, actor inventory.Actor, registry string) error
	// TryRegistry asks the registry what its credentials let us do.
	TryRegistry(ctx context.Context, actor inventory.Actor, registry string) ([]inventory.Step, error)
}

// Registry is the page about registries.
type Registry struct {
	Pages
	Store RegistryStore
	Door  RegistryDoor
	// Live tells open pages what changes.
	Live     *Live
	Sessions Current
}

// maxFailing is how many repositories that can't be read a registry shows.
const maxFailing = 10

// refresh is how often a browser without JavaScript loads the page again while a
// sync runs.
const refresh = 10 * time.Second

// List is GET /registries.
func (g Registry) List(w http.ResponseWriter, r *http.Request) error {
	return g.show(w, r, "", nil)
}

// show renders the page, with what came of trying one of the registries.
func (g Registry) show(w http.ResponseWriter, r *http.Request, tried string, steps []inventory.Step) error {
	frame, registries, err := g.frame(r, "Registries")
	if err != nil {
		return err
	}
	p := views.RegistriesPage{Frame: frame, Registries: registries, Tried: tried, Steps: steps}
	if p.Failing, err = g.Store.FailingRepositories(r.Context(), maxFailing); err != nil {
		return err
	}
	if tried != "" { // this address answers a form, and isn't one to come back to
		p.Frame.Path = "/registries"
		return show(w, r, http.StatusOK, p)
	}
	for _, registry := range registries {
		if registry.State.SyncStartedAt != nil {
			p.Frame.Refresh = refresh
		}
	}
	return show(w, r, http.StatusOK, p)
}

// SyncNow is POST /registries/{name}/sync.
func (g Registry) SyncNow(w http.ResponseWriter, r *http.Request) error {
	name := param(r, "name")
	if err := g.Door.SyncNow(r.Context(), inventory.ActorFrom(r.Context()), name); err != nil {
		return err
	}
	g.Notices.Notice(r.Context(), "The sync of "+inventory.Visible(name)+" starts now.")
	http.Redirect(w, r, "/registries", http.StatusSeeOther)
	return nil
}

// Cancel is POST /registries/{name}/cancel.
func (g Registry) Cancel(w http.ResponseWriter, r *http.Request) error {
	name := param(r, "name")
	if err := g.Door.CancelSync(r.Context(), inventory.ActorFrom(r.Context()), name); err != nil {
		return err
	}
	g.Notices.Notice(r.Context(), "The sync of "+inventory.Visible(name)+" is cancelled. What was read stays.")
	http.Redirect(w, r, "/registries", http.StatusSeeOther)
	return nil
}

// Try is POST /registries/{name}/test. It changes nothing, and what it found is
// of this moment only: the answer is the page itself, not a way to it.
func (g Registry) Try(w http.ResponseWriter, r *http.Request) error {
	name := param(r, "name")
	steps, err := g.Door.TryRegistry(r.Context(), inventory.ActorFrom(r.Context()), name)
	if err != nil {
		return err
	}
	return g.show(w, r, name, steps)
}
