package listing

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// harbor reads Harbor's API 2.0 (api/v2.0/swagger.yaml, "listProjects" and
// "listRepositories"): pages by number, at most 100 entries each, with
// X-Total-Count and a Link to the next. Accounts and robot accounts use basic
// authentication; Harbor shows projects that the account is a member of, that the
// robot account covers, or that are public. Harbor's list of all repositories is
// not asked: older versions show a robot account only the public ones there.
type harbor struct{ username, password string }

// harborTokenService is what Harbor's token service is called; it can't be called
// otherwise (src/core/service/token).
const harborTokenService = "harbor-registry"

func (h harbor) authorize(ctx context.Context, r *reading) (http.Header, error) {
	username, password := h.username, h.password
	if username == "" {
		var err error
		if username, password, err = r.service.Credentials(ctx); err != nil {
			return nil, err
		}
	}
	if username == "" {
		return http.Header{}, nil
	}
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))}}, nil
}

func (h harbor) list(ctx context.Context, r *reading, project string) error {
	if project != "" {
		return h.repositories(ctx, r, project)
	}
	var projects []string
	q := r.question(r.service.URL(numbered("page_size", "sort", "name"), "api", "v2.0", "projects"), "the list of its projects")
	err := r.pages(ctx, q, h.hints(r), h.read, func(names []string) error {
		odd := 0
		for _, n := range names {
			switch {
			case !registry.ValidName(n, "latest") || strings.Contains(n, "/"):
				odd++
			case mayHold(r.globs, n):
				projects = append(projects, n)
			}
		}
		r.service.WarnOdd(q.What, odd)
		return nil
	})
	if err != nil {
		return err
	}
	return each(projects, func(p string) error { return h.repositories(ctx, r, p) })
}

func (h harbor) repositories(ctx context.Context, r *reading, project string) error {
	u := r.service.URL(numbered("page_size", "sort", "name"), "api", "v2.0", "projects", project, "repositories")
	q := r.question(u, "the repositories of the project "+project)
	return r.pages(ctx, q, h.hints(r), h.read, func(names []string) error { return r.found(q.What, names) })
}

// read takes the names of projects, or those of repositories, which begin with
// their project's.
func (harbor) read(a registry.Answer) (contents, error) {
	c := contents{total: total(a.Header.Get("X-Total-Count"))}
	c.next, c.problem = registry.NextLink(a)
	if strings.TrimSpace(string(a.Body)) == "null" && c.total == 0 { // how an empty list is written
		return c, nil
	}
	list, err := objects[struct{ Name string }](a.Body)
	for _, e := range list {
		if e.Name == "" {
			return contents{}, errNameless
		}
		c.names = append(c.names, e.Name)
	}
	return c, err
}

func (harbor) hints(r *reading) map[int]string {
	if !r.authorized() {
		const none = "there are no credentials for its API; configure username and password of this registry, or listing_username and listing_token"
		return map[int]string{http.StatusUnauthorized: none, http.StatusForbidden: none, http.StatusNotFound: none}
	}
	return map[int]string{
		http.StatusUnauthorized: "the credentials are wrong or have expired; a robot account's name includes its prefix, as robot$signboard",
		http.StatusForbidden:    "the account has to be a member of the project, or a robot account whose permissions for it include listing repositories",
		http.StatusNotFound:     "check that the project exists, and the account may see it",
	}
}

// numbered is the query for the first page of pages that have numbers.
func numbered(size string, more ...string) url.Values {
	v := url.Values{"page": {"1"}, size: {"100"}}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

// total reads a count in a header; -1 when it isn't one.
func total(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// mayHold reports whether a pattern could match a repository of the namespace.
func mayHold(globs []inventory.Glob, namespace string) bool {
	for _, g := range globs {
		first, _, _ := strings.Cut(string(g), "/")
		if g.Wild() && (first == "**" || inventory.Glob(first).Match(namespace)) {
			return true
		}
	}
	return false
}
