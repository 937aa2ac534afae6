package listing

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"

	"signboard/inventory/registry"
)

// gitlab reads GitLab's container registry API (docs.gitlab.com, "Container
// registry API", "List registry repositories" within a group, which includes its
// subgroups, and within a project). It lives at GitLab's host, not at the
// registry's. Paths are escaped as one segment ("Namespaced paths"); pages are
// followed by their Link header, whatever kind GitLab answers with, and X-Total is
// there up to 10,000 entries ("Pagination"). A token is shown as an OAuth one,
// which personal, group and project access tokens may be, too.
type gitlab struct{ token string }

func (g gitlab) authorize(context.Context, *reading) (http.Header, error) {
	return bearer(g.token), nil
}

// list asks for the path as a group and as a project. It may also go on below a
// project; what is above it is never asked for as a group, which would list less
// than a subgroup that isn't shown to us holds, and seem complete.
func (g gitlab) list(ctx context.Context, r *reading, namespace string) error {
	first := g.repositories(ctx, r, "groups", "group", namespace)
	if !errors.Is(first, errAbsent) {
		return first
	}
	for at := namespace; strings.Contains(at, "/"); at = path.Dir(at) {
		if err := g.repositories(ctx, r, "projects", "project", at); !errors.Is(err, errAbsent) {
			return err
		}
	}
	return first
}

func (g gitlab) repositories(ctx context.Context, r *reading, collection, noun, at string) error {
	u := r.service.URL(numbered("per_page"), "api", "v4", collection, at, "registry", "repositories")
	q := r.question(u, "the container repositories of the "+noun+" "+at)
	needs := "listing_token has to be an access token with the scope read_api, of somebody with at least the role Reporter there"
	if !r.authorized() {
		needs = "there is no listing_token; what isn't public needs an access token with the scope read_api"
	}
	hints := map[int]string{http.StatusUnauthorized: needs, http.StatusForbidden: needs,
		http.StatusNotFound: needs + "; the pattern has to begin with a group or a project, since the projects of a user can't be listed"}
	return r.pages(ctx, q, hints, func(a registry.Answer) (contents, error) {
		c := contents{total: total(a.Header.Get("X-Total"))}
		c.next, c.problem = registry.NextLink(a)
		list, err := objects[struct{ Path string }](a.Body)
		for _, e := range list {
			if e.Path == "" {
				return contents{}, errNameless
			}
			c.names = append(c.names, e.Path)
		}
		return c, err
	}, func(names []string) error { return r.found(q.What, names) })
}
