package listing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// ghcr reads GitHub's REST API (docs.github.com, "REST API endpoints for
// packages", "List packages for an organization" and "for a user"), version
// 2022-11-28: the packages of type container, in pages of at most 100 with a Link
// to the next. It takes a personal access token (classic) with the scope
// read:packages. Packages are named without their owner.
type ghcr struct{ token string }

func (g ghcr) authorize(context.Context, *reading) (http.Header, error) {
	h := bearer(g.token)
	h.Set("Accept", "application/vnd.github+json")
	h.Set("X-GitHub-Api-Version", "2022-11-28")
	return h, nil
}

func (g ghcr) list(ctx context.Context, r *reading, owner string) error {
	collection, err := g.collection(ctx, r, owner)
	if err != nil {
		return err
	}
	u := r.service.URL(numbered("per_page", "package_type", "container"), collection, owner, "packages")
	q := r.question(u, "the container packages of "+owner)
	return r.pages(ctx, q, g.hints(), func(a registry.Answer) (contents, error) {
		// A token that an organisation's single sign-on doesn't know sees less
		// than there is, with status 200 ("Authenticating to the REST API").
		if strings.Contains(a.Header.Get("X-GitHub-SSO"), "partial-results") {
			return contents{}, r.service.Denied(q, a, r.service.Host()+" leaves out some of "+q.What+": listing_token has to be authorised for the single sign-on of the organisation.")
		}
		c := contents{total: -1}
		c.next, c.problem = registry.NextLink(a)
		list, err := objects[struct{ Name string }](a.Body)
		for _, e := range list {
			if e.Name == "" {
				return contents{}, errNameless
			}
			c.names = append(c.names, owner+"/"+e.Name)
		}
		return c, err
	}, func(names []string) error { return r.found(q.What, names) })
}

// collection asks whether the owner is an organisation or a user: asked for as
// the other, an owner seems to have nothing.
func (g ghcr) collection(ctx context.Context, r *reading, owner string) (string, error) {
	q := r.question(r.service.URL(nil, "users", owner), "the account "+owner)
	a, err := r.service.Ask(ctx, q)
	if err != nil {
		return "", err
	}
	if a.Status != http.StatusOK {
		return "", r.refuse(q, a, g.hints())
	}
	var account struct{ Login, Type string }
	if err := inventory.StrictJSON(a.Body, &account); err != nil {
		return "", r.service.Malformed(q, a, err)
	}
	name := strings.ToLower(account.Login)
	switch {
	case !registry.ValidName(name, "latest"):
		return "", r.service.Malformed(q, a, errNameless)
	case name != owner:
		return "", r.service.Denied(q, a, fmt.Sprintf("%s says that %s is called %s now: begin the patterns under repositories with that.", r.service.Host(), owner, name))
	case account.Type == "Organization":
		return "orgs", nil
	case account.Type == "User":
		return "users", nil
	}
	return "", r.service.Malformed(q, a, errors.New("neither an organisation nor a user"))
}

func (ghcr) hints() map[int]string {
	const token = "listing_token has to be a personal access token (classic) with the scope read:packages"
	return map[int]string{
		http.StatusUnauthorized: token + " that hasn't expired",
		http.StatusForbidden:    token + ", authorised for the organisation's single sign-on where it has one",
		http.StatusNotFound:     "the pattern has to begin with an organisation or a user",
	}
}
