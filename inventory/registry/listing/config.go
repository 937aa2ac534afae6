package listing

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// The ways to list. Auto is Docker Hub's, GHCR's, Quay's and GitLab's own for
// the hosts of those services, and the catalog everywhere else: what product
// answers at another host can't be told with certainty, but for Harbor's, which
// says so when it refuses the catalog.
const (
	Auto      = "auto"
	Catalog   = "catalog"
	Harbor    = "harbor"
	Quay      = "quay"
	GitLab    = "gitlab"
	DockerHub = "dockerhub"
	GHCR      = "ghcr"
)

var ways = []string{Auto, Catalog, Harbor, Quay, GitLab, DockerHub, GHCR}

// Config says how the repositories of a registry are listed.
type Config struct {
	Registry     string // the registry's URL
	Repositories []inventory.Glob
	Way          string // one of the constants; "" is Auto
	// URL is where the API lives; "" for the product's usual place.
	URL string
	// Username and Token are for the API. Without them Harbor is shown the
	// registry's credentials, when its API is at the registry's own host; the
	// others are shown none.
	Username, Token string
	// AllowPrivate permits credentials over plain HTTP, like everything on a
	// private network.
	AllowPrivate bool
}

// Problem is a configuration that can't work. Key is the key to change.
type Problem struct{ Key, Message string }

func (p *Problem) Error() string { return p.Key + ": " + p.Message }

func refuse(key, format string, args ...any) *Problem {
	return &Problem{Key: key, Message: fmt.Sprintf(format, args...)}
}

// Check finds what can't work, nil when nothing is wrong.
func (c Config) Check() *Problem {
	_, problem := c.plan()
	return problem
}

// plan is what a configuration comes to.
type plan struct {
	catalog    bool   // the lister is for when it is refused
	lister     lister // nil for the catalog alone
	url        string // "" at the registry's own host
	namespaces []string
}

// services are the hosts that are certainly a product's, and where it has its
// API.
var services = map[string]struct{ way, url string }{
	"docker.io":            {DockerHub, "https://hub.docker.com"},
	"index.docker.io":      {DockerHub, "https://hub.docker.com"},
	"registry-1.docker.io": {DockerHub, "https://hub.docker.com"},
	"ghcr.io":              {GHCR, "https://api.github.com"},
	"quay.io":              {Quay, ""},
	"registry.gitlab.com":  {GitLab, "https://gitlab.com"},
}

func (c Config) plan() (plan, *Problem) {
	way := cmp.Or(c.Way, Auto)
	if !slices.Contains(ways, way) {
		return plan{}, refuse("listing", "expected one of %s, found %q", strings.Join(ways, ", "), c.Way)
	}
	known := services[hostOf(c.Registry)]
	switch {
	case way == Auto && known.way != "":
		way = known.way
	case way == Auto:
		p := plan{catalog: true, lister: harbor{}}
		p.namespaces, _ = namespaces(Harbor, c.Repositories)
		return p, c.checkCatalog()
	case way == Catalog:
		return plan{catalog: true}, c.checkCatalog()
	}
	p := plan{url: c.URL}
	if p.url == "" && known.way == way {
		p.url = known.url
	}

	var problem *Problem
	switch way {
	case Harbor:
		p.lister, problem = harbor{username: c.Username, password: c.Token}, c.checkPair()
	case Quay:
		p.lister, problem = quay{token: c.Token}, c.checkToken("Quay")
	case GitLab:
		p.lister, problem = gitlab{token: c.Token}, c.checkToken("GitLab")
		if p.url == "" && problem == nil {
			problem = refuse("listing_url", "expected the address of GitLab itself, which isn't that of its registry, as https://gitlab.example.com")
		}
	case DockerHub:
		p.lister, problem = dockerHub{username: c.Username, token: c.Token}, c.checkPair()
		p.url = cmp.Or(p.url, "https://hub.docker.com")
	case GHCR:
		p.lister, problem = ghcr{token: c.Token}, c.checkToken("GitHub")
		if p.url == "" && problem == nil {
			problem = refuse("listing_url", "expected the address of GitHub's API for this registry, as https://github.example.com/api/v3")
		}
	}
	if problem != nil {
		return plan{}, problem
	}
	if problem := c.checkURL(p.url); problem != nil {
		return plan{}, problem
	}
	p.namespaces, problem = namespaces(way, c.Repositories)
	if problem != nil {
		return plan{}, problem
	}
	if way == GHCR && c.Token == "" && len(p.namespaces) > 0 {
		return plan{}, refuse("listing_token", "expected a GitHub personal access token (classic) with the scope read:packages, in listing_token_file: GitHub lists packages to nobody else. Or write the repositories' plain names instead of patterns")
	}
	return p, nil
}

// checkCatalog refuses keys that would do nothing.
func (c Config) checkCatalog() *Problem {
	for _, k := range []struct{ key, value string }{{"listing_url", c.URL}, {"listing_username", c.Username}, {"listing_token", c.Token}} {
		if k.value != "" {
			return refuse(k.key, "it says nothing for the catalog, which is read at the registry with the registry's credentials; say whose API lists the repositories, as listing: gitlab")
		}
	}
	return nil
}

func (c Config) checkPair() *Problem {
	switch {
	case c.Username != "" && c.Token == "":
		return refuse("listing_token", "expected it with listing_username")
	case c.Username == "" && c.Token != "":
		return refuse("listing_username", "expected it with listing_token")
	}
	return nil
}

func (c Config) checkToken(product string) *Problem {
	if c.Username != "" {
		return refuse("listing_username", "%s's API takes a token alone: leave it out", product)
	}
	return nil
}

// checkURL refuses an address that can't be one, and one that would carry
// credentials unencrypted over the internet.
func (c Config) checkURL(address string) *Problem {
	if address == "" {
		return nil
	}
	u, err := registry.ParseServiceURL(address)
	if err != nil {
		return refuse("listing_url", "%v", err)
	}
	if u.Scheme == "http" && !c.AllowPrivate {
		return refuse("listing_url", "expected https://, unless allow_private is set for this registry")
	}
	return nil
}

// namespaces are what has to be asked for so that every pattern is covered: the
// literal beginnings of the patterns. Plain names need no asking.
func namespaces(way string, globs []inventory.Glob) ([]string, *Problem) {
	var list []string
	for _, g := range globs {
		if !g.Wild() {
			continue
		}
		var literal []string
		for segment := range strings.SplitSeq(string(g), "/") {
			if inventory.Glob(segment).Wild() || way != GitLab && len(literal) == 1 {
				break
			}
			literal = append(literal, segment)
		}
		namespace := strings.Join(literal, "/")
		switch {
		case namespace == "" && way == Harbor:
			return []string{""}, nil // everything
		case namespace == "":
			return nil, refuse("repositories", "%s can't list everything: begin the pattern %q with %s, as %s", products[way].name, string(g), products[way].namespace, products[way].example)
		case !registry.ValidName(namespace, "latest"):
			return nil, refuse("repositories", "no repository can match %q: %q can't be the beginning of a name", string(g), namespace)
		}
		list = append(list, namespace)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	// What is below another of them is listed with it.
	return slices.DeleteFunc(slices.Clone(list), func(n string) bool {
		return slices.ContainsFunc(list, func(above string) bool { return strings.HasPrefix(n, above+"/") })
	}), nil
}

var products = map[string]struct{ name, namespace, example string }{
	Quay:      {"Quay", "an organisation", "acme/**"},
	GitLab:    {"GitLab", "a group or a project", "acme/** or acme/backend/**"},
	DockerHub: {"Docker Hub", "a namespace", "acme/**"},
	GHCR:      {"GitHub", "an organisation or a user", "acme/**"},
}

// hostOf is the host of a registry's URL, without the port that is meant anyway.
func hostOf(address string) string {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Port() != "" && u.Port() != "443" {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
