package listing

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// quay reads Quay's API (Red Hat Quay API reference, "listRepos"): GET
// /api/v1/repository of one namespace, with a next_page token in the answer. It
// takes an OAuth access token of a Quay application with the scope repo:read; a
// robot account's password, which the registry takes, isn't one. Without a token
// Quay lists what is public.
type quay struct{ token string }

func (q quay) authorize(context.Context, *reading) (http.Header, error) { return bearer(q.token), nil }

func (q quay) list(ctx context.Context, r *reading, namespace string) error {
	query := url.Values{"namespace": {namespace}, "public": {"true"}}
	u := r.service.URL(query, "api", "v1", "repository")
	ask := r.question(u, "the repositories of the organisation "+namespace)
	hints := map[int]string{}
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		hints[status] = "listing_token has to be an OAuth access token of a Quay application with the permission to view all visible repositories (repo:read); a robot account's token isn't one"
	}
	return r.pages(ctx, ask, hints, func(a registry.Answer) (contents, error) {
		var doc struct {
			Repositories json.RawMessage
			NextPage     string `json:"next_page"`
		}
		if err := inventory.StrictJSON(a.Body, &doc); err != nil {
			return contents{}, err
		}
		list, err := objects[struct{ Namespace, Name string }](doc.Repositories)
		if err != nil {
			return contents{}, err
		}
		c := contents{total: -1}
		for _, e := range list {
			if e.Name == "" || e.Namespace == "" {
				return contents{}, errNameless
			}
			c.names = append(c.names, e.Namespace+"/"+e.Name)
		}
		if doc.NextPage != "" {
			query.Set("next_page", doc.NextPage)
			c.next = r.service.URL(query, "api", "v1", "repository")
		}
		return c, nil
	}, func(names []string) error { return r.found(ask.What, names) })
}
