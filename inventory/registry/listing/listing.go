// Package listing finds out what repositories a registry has where its catalog
// isn't the way to: with the product's own API. It is for Harbor, Quay, GitLab,
// Docker Hub and the GitHub container registry, each in a file of its own behind
// one interface. It only lists; tags and content are read by package registry,
// over whose guarded client everything here is asked, too.
//
// Who may list is decided by credentials that may be other than the registry's:
// they are sent to the API's host only, and the registry's own to no other host
// than the registry's.
//
// What an API doesn't show isn't there: a listing ends without an error only
// when every page of every namespace was read, and is as complete as the rights
// of its credentials.
package listing

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// attempts is how often a namespace is read that changes while it is read.
const attempts = 3

// lister knows one product's API.
type lister interface {
	// authorize makes the headers that everything of one listing is asked with.
	authorize(ctx context.Context, r *reading) (http.Header, error)
	// list passes the full names of the repositories in a namespace to r.found;
	// "" is the namespace of everything, where the product has it.
	list(ctx context.Context, r *reading, namespace string) error
}

// Registry is a registry whose repositories are listed in a way of their own.
type Registry struct {
	*registry.Client
	globs      []inventory.Glob
	service    *registry.Service // nil for the catalog, and where nothing is to be listed
	lister     lister            // without service: what is asked when the catalog is refused
	namespaces []string
	hollow     bool // an empty catalog says nothing
}

// New makes a Registry that reads with client. It fails with the *Problem that
// Config.Check finds, and contacts nobody.
func New(client *registry.Client, c Config) (*Registry, error) {
	p, problem := c.plan()
	if problem != nil {
		return nil, problem
	}
	r := &Registry{Client: client, globs: c.Repositories, lister: p.lister, namespaces: p.namespaces}
	r.hollow = strings.HasSuffix(hostOf(c.Registry), "-docker.pkg.dev") && slices.ContainsFunc(c.Repositories, inventory.Glob.Wild)
	if p.catalog || len(p.namespaces) == 0 {
		return r, nil
	}
	service, err := client.Service(p.url)
	if err != nil {
		return nil, err
	}
	r.service = service
	return r, nil
}

// Elsewhere reports whether the repositories are listed at another host than the
// registry's, so that an outage there says nothing of the registry.
func (r *Registry) Elsewhere() bool { return r.service != nil && !r.service.Own() }

// Repositories calls page with the repositories that the configuration asks for;
// no name comes twice. Names without a wildcard are passed on without asking. It
// returns nil only when everything was read to its end. A namespace that isn't
// shown to us doesn't keep the others from being read; an error of page ends the
// listing and is returned as it is.
func (r *Registry) Repositories(ctx context.Context, page func(names []string) error) error {
	if r.service == nil {
		return r.byCatalog(ctx, page)
	}
	seen := map[string]bool{}
	var plain []string
	for _, g := range r.globs {
		if !g.Wild() && !seen[string(g)] {
			seen[string(g)] = true
			plain = append(plain, string(g))
		}
	}
	if len(plain) > 0 {
		if err := page(plain); err != nil {
			return err
		}
	}
	return r.byService(ctx, r.service, seen, page)
}

// byService asks the product's API. Names in seen aren't passed on again.
func (r *Registry) byService(ctx context.Context, service *registry.Service, seen map[string]bool, page func(names []string) error) error {
	walk, ctx, cancel := service.Walk(ctx)
	defer cancel()
	reading := &reading{service: service, walk: walk, globs: r.globs, found: func(what string, names []string) error {
		fresh, odd := names[:0:0], 0
		for _, n := range names {
			switch {
			case !registry.ValidName(n, "latest"):
				odd++
			case !seen[n]:
				seen[n] = true
				if inventory.MatchAny(r.globs, n) {
					fresh = append(fresh, n)
				}
			}
		}
		service.WarnOdd(what, odd)
		if len(fresh) == 0 {
			return nil
		}
		return page(fresh)
	}}
	var err error
	if reading.header, err = r.lister.authorize(ctx, reading); err != nil {
		return err
	}
	return each(r.namespaces, func(namespace string) error { return r.lister.list(ctx, reading, namespace) })
}

// byCatalog reads the catalog. Two products have one that doesn't help: Google
// Artifact Registry's holds nothing, whatever there is; Harbor's is for
// administrators, and unless the catalog was asked for by name, Harbor's API at
// the same host is asked in its place.
func (r *Registry) byCatalog(ctx context.Context, page func(names []string) error) error {
	seen, listed := map[string]bool{}, false
	err := r.Client.Repositories(ctx, func(names []string) error {
		for _, n := range names {
			seen[n] = true
			listed = listed || !slices.Contains(r.globs, inventory.Glob(n))
		}
		return page(names)
	})
	switch {
	case r.lister != nil && denied(err) && r.TokenService() == harborTokenService:
		service, err := r.Client.Service("")
		if err != nil {
			return err
		}
		return r.byService(ctx, service, seen, page)
	case err == nil && !listed && r.hollow:
		return &inventory.LookError{Reason: inventory.ReasonRegistryDenied,
			Message: "Google Artifact Registry doesn't list its repositories: write their plain names under repositories of this registry, as project/repository/image, instead of patterns."}
	}
	return err
}

// denied reports whether somebody has to give us rights.
func denied(err error) bool {
	e, ok := errors.AsType[*inventory.LookError](err)
	return ok && e.Reason == inventory.ReasonRegistryDenied
}

// each goes on after what is denied, and returns the first of such errors.
func each(namespaces []string, list func(namespace string) error) error {
	var first error
	for _, n := range namespaces {
		err := list(n)
		switch {
		case denied(err):
			if first == nil {
				first = err
			}
		case err != nil:
			return err
		}
	}
	return first
}

// reading is one listing under way.
type reading struct {
	service *registry.Service
	walk    *registry.Walk
	globs   []inventory.Glob
	header  http.Header
	found   func(what string, names []string) error
}

// question asks for u with the listing's credentials. what is for a person.
func (r *reading) question(u *url.URL, what string) registry.Question {
	return registry.Question{Method: http.MethodGet, URL: u, Header: r.header, What: what}
}

// authorized reports whether credentials are shown.
func (r *reading) authorized() bool { return r.header.Get("Authorization") != "" }

// contents is what a page holds.
type contents struct {
	names   []string
	total   int // what all pages together are said to hold; -1 where that isn't said
	next    *url.URL
	problem string // why the next page can't be found
}

// pages reads every page from q on and passes the names to found. Where the
// pages are numbered, something deleted meanwhile moves what follows it to a page
// that was read already: when the total has fallen, or isn't reached, they are
// read again.
func (r *reading) pages(ctx context.Context, q registry.Question, hints map[int]string, read func(registry.Answer) (contents, error), found func(names []string) error) error {
	for attempt := 1; ; attempt++ {
		first, last, entries := -1, -1, 0
		err := r.walk.Pages(ctx, q, func(a registry.Answer) (registry.Page, error) {
			if a.Status != http.StatusOK {
				return registry.Page{}, r.refuse(q, a, hints)
			}
			c, err := read(a)
			if e, ok := errors.AsType[*inventory.LookError](err); ok {
				return registry.Page{}, e
			}
			if err != nil {
				return registry.Page{}, r.service.Malformed(q, a, err)
			}
			if last = c.total; first < 0 {
				first = last
			}
			entries += len(c.names)
			return registry.Page{Entries: len(c.names), Next: c.next, Problem: c.problem}, found(c.names)
		})
		switch {
		case err != nil:
			return err
		case last < 0, last >= first && entries >= last:
			return nil
		case attempt >= attempts:
			return r.service.Inconsistent("%s holds %d entries, says %s, but shows %d: the list seems to change while it is read. It will be read again later.",
				strings.ToUpper(q.What[:1])+q.What[1:], last, r.service.Host(), entries)
		}
	}
}

// refuse puts an answer that isn't a success into words, with a hint for the
// status where there is one.
func (r *reading) refuse(q registry.Question, a registry.Answer, hints map[int]string) error {
	e := r.service.Refusal(q, a)
	if hint := hints[a.Status]; hint != "" && e.Reason == inventory.ReasonRegistryDenied {
		e.Message = strings.TrimSuffix(e.Message, ".") + ": " + hint + "."
	}
	if a.Status == http.StatusNotFound {
		e.Err = errors.Join(errAbsent, e.Err)
	}
	return e
}

// bearer is the header that shows a token, none when there is none.
func bearer(token string) http.Header {
	if token == "" {
		return http.Header{}
	}
	return http.Header{"Authorization": {"Bearer " + token}}
}

// objects reads a JSON array of objects. An answer that holds anything else, or
// nothing, says nothing: not that there is nothing.
func objects[T any](body []byte) ([]T, error) {
	var list []T
	if err := inventory.StrictJSON(body, &list); err != nil {
		return nil, err
	}
	if list == nil {
		return nil, errors.New("the list is null")
	}
	return list, nil
}

// errAbsent is what isn't there, or isn't shown to us: such APIs don't tell.
var errAbsent = errors.New("not found")

// errNameless is an entry without the name that it is there for.
var errNameless = errors.New("an entry has no name")
