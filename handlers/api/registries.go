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
