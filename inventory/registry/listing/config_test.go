package listing

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"signboard/inventory"
)

func TestConfig_saysWhatIsWrongAndWhatToWrite(t *testing.T) {
	const registry = "https://registry.example.com"
	for name, tt := range map[string]struct {
		c        Config
		patterns []string
		key      string
		words    []string
	}{
		"an unknown way":                {Config{Way: "nexus"}, []string{"**"}, "listing", []string{"auto, catalog, harbor", "nexus"}},
		"everything of Docker Hub":      {Config{Registry: "https://docker.io"}, []string{"**"}, "repositories", []string{"Docker Hub", "a namespace", "acme/**"}},
		"everything of Quay":            {Config{Registry: "quay.io"}, []string{"acme/*", "*/api"}, "repositories", []string{"Quay", "*/api", "acme/**"}},
		"everything of GitLab":          {Config{Registry: "https://registry.gitlab.com"}, []string{"*"}, "repositories", []string{"group", "acme/backend/**"}},
		"everything of GitHub":          {Config{Registry: "https://ghcr.io", Token: "x"}, []string{"acm?/**"}, "repositories", []string{"organisation or a user"}},
		"GitHub without a token":        {Config{Registry: "https://ghcr.io"}, []string{"acme/**"}, "listing_token", []string{"read:packages", "listing_token_file"}},
		"GitHub's packages elsewhere":   {Config{Registry: registry, Way: GHCR, Token: "x"}, []string{"acme/**"}, "listing_url", []string{"/api/v3"}},
		"GitLab without an address":     {Config{Registry: registry, Way: GitLab}, []string{"acme/**"}, "listing_url", []string{"GitLab itself", "https://gitlab.example.com"}},
		"an address that is none":       {Config{Registry: registry, Way: GitLab, URL: "gitlab.example.com"}, []string{"acme/**"}, "listing_url", []string{"https://"}},
		"an address with credentials":   {Config{Registry: registry, Way: Harbor, URL: "https://a:b@x.example"}, []string{"**"}, "listing_url", []string{"listing_token_file"}},
		"plain http on the internet":    {Config{Registry: registry, Way: GitLab, URL: "http://gitlab.example.com"}, []string{"acme/**"}, "listing_url", []string{"https://", "allow_private"}},
		"half a pair":                   {Config{Registry: registry, Way: Harbor, Username: "a"}, []string{"**"}, "listing_token", []string{"listing_username"}},
		"the other half":                {Config{Registry: "docker.io", Token: "a"}, []string{"acme/*"}, "listing_username", []string{"listing_token"}},
		"a user name nobody asks for":   {Config{Registry: "quay.io", Username: "a", Token: "b"}, []string{"acme/*"}, "listing_username", []string{"Quay", "leave it out"}},
		"a token for the catalog":       {Config{Registry: registry, Token: "b"}, []string{"**"}, "listing_token", []string{"catalog", "listing: gitlab"}},
		"an address for the catalog":    {Config{Registry: registry, Way: Catalog, URL: "https://x.example"}, []string{"**"}, "listing_url", []string{"catalog"}},
		"a beginning that can't be one": {Config{Registry: "docker.io"}, []string{"../*"}, "repositories", []string{"../*"}},
		"a beginning in upper case":     {Config{Registry: "docker.io"}, []string{"Acme/*"}, "repositories", []string{"Acme"}},
	} {
		tt.c.Repositories = globs(t, tt.patterns...)
		problem := tt.c.Check()
		if problem == nil {
			t.Errorf("%s: it was accepted", name)
			continue
		}
		if problem.Key != tt.key {
			t.Errorf("%s: it is about %s, not %s", name, problem.Key, tt.key)
		}
		for _, w := range tt.words {
			if !strings.Contains(problem.Message, w) {
				t.Errorf("%s: %q doesn't have %q", name, problem.Message, w)
			}
		}
	}
}

func TestConfig_choosesTheWay(t *testing.T) {
	for name, tt := range map[string]struct {
		c          Config
		patterns   []string
		lister     lister
		url        string
		namespaces []string
	}{
		"anywhere":                  {Config{Registry: "https://registry.example.com"}, []string{"**"}, nil, "", nil},
		"a catalog asked for":       {Config{Registry: "https://ghcr.io", Way: Catalog}, []string{"**"}, nil, "", nil},
		"Docker Hub":                {Config{Registry: "https://docker.io"}, []string{"acme/*"}, dockerHub{}, "https://hub.docker.com", []string{"acme"}},
		"Docker Hub's registry":     {Config{Registry: "https://registry-1.docker.io", Way: Auto, Username: "u", Token: "p"}, []string{"acme/*"}, dockerHub{"u", "p"}, "https://hub.docker.com", []string{"acme"}},
		"GHCR":                      {Config{Registry: "https://GHCR.io:443", Token: "x"}, []string{"acme/**"}, ghcr{"x"}, "https://api.github.com", []string{"acme"}},
		"Quay":                      {Config{Registry: "quay.io"}, []string{"acme/**"}, quay{}, "", []string{"acme"}},
		"GitLab.com":                {Config{Registry: "https://registry.gitlab.com"}, []string{"acme/**"}, gitlab{}, "https://gitlab.com", []string{"acme"}},
		"another port isn't theirs": {Config{Registry: "https://ghcr.io:8443"}, []string{"**"}, nil, "", nil},
		"another scheme isn't":      {Config{Registry: "http://ghcr.io"}, []string{"**"}, nil, "", nil},
		"a mirror isn't theirs":     {Config{Registry: "https://ghcr.io.example.com"}, []string{"**"}, nil, "", nil},
		"plain names ask nobody":    {Config{Registry: "https://ghcr.io"}, []string{"acme/api", "acme/web"}, ghcr{}, "https://api.github.com", nil},
		"all of Harbor":             {Config{Way: Harbor}, []string{"acme/*", "**"}, harbor{}, "", []string{""}},
		"projects of Harbor":        {Config{Way: Harbor}, []string{"acme/*", "acme/x/*", "base", "lib/**"}, harbor{}, "", []string{"acme", "lib"}},
		"groups of GitLab": {Config{Way: GitLab, URL: "https://gitlab.example.com/git/"}, []string{"acme/backend/*", "acme/**", "acme-b/x/*", "b/c/d*"}, gitlab{},
			"https://gitlab.example.com/git/", []string{"acme", "acme-b/x", "b/c"}},
	} {
		tt.c.Repositories = globs(t, tt.patterns...)
		p, problem := tt.c.plan()
		if problem != nil {
			t.Errorf("%s: %v", name, problem)
			continue
		}
		if p.catalog {
			p.lister, p.namespaces = nil, nil // what is asked when it is refused has a test of its own
		}
		if p.lister != tt.lister || p.url != tt.url || !slices.Equal(p.namespaces, tt.namespaces) {
			t.Errorf("%s: %#v at %q for %q", name, p.lister, p.url, p.namespaces)
		}
	}
}

// TestRepositories_byTheCatalog holds that the catalog is read as ever.
func TestRepositories_byTheCatalog(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { status(w, 200, `{"repositories":["base","acme/api"]}`) })
	r := open(t, s, Config{Repositories: globs(t, "acme/*")})
	if got, err := repositories(r); err != nil || !slices.Equal(got, []string{"acme/api"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestRepositories_anEmptyCatalogOfArtifactRegistrySaysNothing holds that a
// catalog which is always empty doesn't make an empty inventory.
func TestRepositories_anEmptyCatalogOfArtifactRegistrySaysNothing(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { status(w, 200, `{"repositories":[]}`) })
	r := open(t, s, Config{Repositories: globs(t, "p/**", "p/r/plain")})
	if got, err := repositories(r); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	c := Config{Registry: "https://europe-west3-docker.pkg.dev", Repositories: r.globs}
	gar, err := New(r.Client, c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := repositories(gar)
	wantLook(t, err, inventory.ReasonRegistryDenied, "project/repository/image")
	if !slices.Equal(got, []string{"p/r/plain"}) {
		t.Errorf("%v", got)
	}
	c.Repositories = globs(t, "p/r/plain")
	if gar, err = New(r.Client, c); err != nil || gar.hollow {
		t.Errorf("plain names are doubted; %v", err)
	}
}

// harborFront is a Harbor whose catalog is for administrators; name is what its
// token service is called.
func harborFront(t *testing.T, name string) *server {
	harbor := fakeHarbor(t, robot, secret)
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/service/token":
			status(w, 200, `{"token":"registry-token"}`)
		case strings.HasPrefix(r.URL.Path, "/v2/"):
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/service/token",service="`+name+`"`)
			status(w, 401, `{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized to list catalog"}]}`)
		default:
			harbor.Config.Handler.ServeHTTP(w, r)
		}
	})
}

// TestRepositories_ofAHarborWhoseCatalogIsRefused holds that Harbor needn't be
// named: its API is asked in the catalog's place, with the registry's
// credentials, at the registry's host.
func TestRepositories_ofAHarborWhoseCatalogIsRefused(t *testing.T) {
	s := harborFront(t, "harbor-registry")
	for _, way := range []string{"", Auto} {
		r := open(t, s, Config{Way: way, Repositories: globs(t, "payments/api", "**")})
		if got, err := repositories(r); err != nil || !slices.Equal(got, []string{"payments/api", "library/base", "payments/jobs/nightly"}) {
			t.Errorf("%v, %v", got, err)
		}
	}
	_, err := repositories(open(t, s, Config{Way: Catalog, Repositories: globs(t, "**")}))
	wantLook(t, err, inventory.ReasonRegistryDenied, "plain names")
	_, err = repositories(open(t, harborFront(t, "some-registry"), Config{Repositories: globs(t, "**")}))
	wantLook(t, err, inventory.ReasonRegistryDenied, "plain names", "listing")
	// A token service that isn't known to be the registry's is shown nothing, nor is its API asked.
	elsewhere := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://token.invalid/service/token",service="harbor-registry"`)
		status(w, 401, `{}`)
	})
	_, err = repositories(open(t, elsewhere, Config{Repositories: globs(t, "**")}))
	wantLook(t, err, inventory.ReasonRegistryDenied, "token_hosts")
	for _, r := range elsewhere.all() {
		if r.Header.Get("Authorization") != "" || r.URL.Path != "/v2/" {
			t.Errorf("%s was asked for with %q", r.URL, r.Header.Get("Authorization"))
		}
	}
}
