package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"signboard/inventory"
)

// RegistryStore is what the calls about registries read.
type RegistryStore interface {
	Registries(ctx context.Context) ([]inventory.Registry, error)
	// FailingRepositories are up to most repositories of each registry that
	// can't be read, by the registry's name.
	FailingRepositories(ctx context.Context, most int) (map[string][]inventory.Repository, error)
}

// maxFailing is how many repositories that can't be read a registry shows.
const maxFailing = 10

// registries adds the calls that read registries.
func (s *surface) registries() {
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/registries", OperationID: "list-registries", Tags: []string{"Registries"},
		Summary:     "List registries with the state and progress of their syncs",
		Description: "The configured registries in the configuration's order, how they are doing, and how far a running sync is.",
	}, s.listRegistries)
}

func (s *surface) listRegistries(ctx context.Context, in *struct{ Paging }) (*answer[List[Registry]], error) {
	page, err := in.page("registries")
	if err != nil {
		return nil, err
	}
	found, err := s.Registries.Registries(ctx)
	if err != nil {
		return nil, err
	}
	if page.Cursor != "" { // there are few: the store answers all
		last := slices.IndexFunc(found, func(r inventory.Registry) bool { return r.Name == page.Cursor })
		if last < 0 {
			return nil, errCursor
		}
		found = found[last+1:]
	}
	next := ""
	if size := page.Size(); len(found) > size {
		found = found[:size]
		next = found[size-1].Name
	}
	failing, err := s.Registries.FailingRepositories(ctx, maxFailing)
	if err != nil {
		return nil, err
	}
	now := s.Clock().UTC()
	return listed("registries", found, next, func(r inventory.Registry) Registry { return NewRegistry(r, failing[r.Name], now) }), nil
}

// syncs adds the calls that start and end syncs.
func (s *surface) syncs() {
	call(s, huma.Operation{
		Method: http.MethodPost, Path: "/registries/{name}/sync", OperationID: "sync-registry", Tags: []string{"Registries"}, DefaultStatus: http.StatusAccepted,
		Summary:     "Sync a registry now",
		Description: "Takes a reviewer. The sync begins as soon as somebody works on the registry; list the registries to see how far it is.",
		Middlewares: s.may(inventory.SyncNow),
	}, s.syncRegistry, http.StatusNotFound)
	call(s, huma.Operation{
		Method: http.MethodPost, Path: "/registries/{name}/cancel", OperationID: "cancel-sync", Tags: []string{"Registries"}, DefaultStatus: http.StatusAccepted,
		Summary:     "End a registry's sync",
		Description: "Takes a reviewer. What was read stays, and the rest waits for the next sync. With none to end it is a conflict.",
		Middlewares: s.may(inventory.SyncNow),
	}, s.cancelSync, http.StatusNotFound, http.StatusConflict)
}

// RegistryName is the name of a registry in an address.
type RegistryName struct {
	Name string `path:"name" maxLength:"200" doc:"The registry's name in the configuration."`
}

func (s *surface) syncRegistry(ctx context.Context, in *struct{ RegistryName }) (*answer[Registry], error) {
	if err := s.Door.SyncNow(ctx, inventory.ActorFrom(ctx), in.Name); err != nil {
		return nil, err
	}
	return s.registry(ctx, in.Name)
}

func (s *surface) cancelSync(ctx context.Context, in *struct{ RegistryName }) (*answer[Registry], error) {
	if err := s.Door.CancelSync(ctx, inventory.ActorFrom(ctx), in.Name); err != nil {
		return nil, err
	}
	return s.registry(ctx, in.Name)
}

// registry is one registry as it is now.
func (s *surface) registry(ctx context.Context, name string) (*answer[Registry], error) {
	found, err := s.Registries.Registries(ctx)
	if err != nil {
		return nil, err
	}
	failing, err := s.Registries.FailingRepositories(ctx, maxFailing)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		if r.Name == name {
			return &answer[Registry]{NewRegistry(r, failing[name], s.Clock().UTC())}, nil
		}
	}
	return nil, inventory.Errorf(inventory.NotFound, "There is no registry called %q.", inventory.Visible(clip(name)))
}
