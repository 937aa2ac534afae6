package listing

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// dockerHub reads Docker Hub's API (docs.docker.com, "Docker HUB API", "List
// repositories in a namespace"): pages of at most 100, with the count and the
// address of the next page in the answer. They are asked for in the order of the
// names: by the last push entries would move between pages. A user name with a
// personal access token, or an organisation with one of its access tokens, is
// exchanged for a bearer token that lives for minutes ("Create access token").
// Without one, and for an organisation's token without the scope
// scope-repository-list, Docker Hub lists what is public.
type dockerHub struct{ username, token string }

func (d dockerHub) authorize(ctx context.Context, r *reading) (http.Header, error) {
	if d.token == "" {
		return http.Header{}, nil
	}
	body, err := json.Marshal(map[string]string{"identifier": d.username, "secret": d.token})
	if err != nil {
		return nil, err
	}
	q := registry.Question{
		Method: http.MethodPost, URL: r.service.URL(nil, "v2", "auth", "token"), Body: body,
		Header: http.Header{"Content-Type": {"application/json"}}, What: "a token for listing",
	}
	a, err := r.service.Ask(ctx, q)
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusOK {
		const wrong = "check listing_username and listing_token; where single sign-on is enforced a personal or organisation access token is needed"
		return nil, r.refuse(q, a, map[int]string{http.StatusUnauthorized: wrong, http.StatusForbidden: wrong})
	}
	var doc struct {
		AccessToken string `json:"access_token"`
	}
	if err := inventory.StrictJSON(a.Body, &doc); err != nil || doc.AccessToken == "" {
		// The cause would quote an answer that may hold a token.
		return nil, r.service.Malformed(q, registry.Answer{Status: a.Status, Header: a.Header, URL: a.URL}, errors.New("no token that can be used"))
	}
	return bearer(doc.AccessToken), nil
}

func (d dockerHub) list(ctx context.Context, r *reading, namespace string) error {
	u := r.service.URL(numbered("page_size", "ordering", "name"), "v2", "namespaces", namespace, "repositories")
	q := r.question(u, "the repositories of the namespace "+namespace)
	const token = "listing_token has to be an access token with at least the permission to read repositories, of a member of the namespace"
	return r.pages(ctx, q, map[int]string{http.StatusUnauthorized: token, http.StatusForbidden: token, http.StatusNotFound: "check the namespace's name"},
		func(a registry.Answer) (contents, error) {
			var doc struct {
				Count   *int
				Next    *string
				Results json.RawMessage
			}
			if err := inventory.StrictJSON(a.Body, &doc); err != nil {
				return contents{}, err
			}
			list, err := objects[struct{ Namespace, Name string }](doc.Results)
			if err != nil {
				return contents{}, err
			}
			c := contents{total: -1}
			if doc.Count != nil {
				c.total = max(-1, *doc.Count)
			}
			for _, e := range list {
				if e.Name == "" {
					return contents{}, errNameless
				}
				c.names = append(c.names, namespace+"/"+e.Name)
			}
			if doc.Next != nil && *doc.Next != "" {
				c.next, c.problem = registry.NextAddress(a, *doc.Next)
			}
			return c, nil
		}, func(names []string) error { return r.found(q.What, names) })
}
