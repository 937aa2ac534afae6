package listing

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"signboard/inventory"
)

// fakeHarbor answers as Harbor's API does: basic authentication, numbered pages,
// X-Total-Count and a relative Link.
func fakeHarbor(t *testing.T, username, password string) *server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != username || p != password {
			status(w, 401, `{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized"}]}`)
			return
		}
		if q := r.URL.Query(); q.Get("page_size") != "100" || q.Get("sort") != "name" {
			t.Errorf("asked for %s", r.URL)
		}
		page := r.URL.Query().Get("page")
		switch r.URL.Path {
		case "/api/v2.0/projects":
			w.Header().Set("X-Total-Count", "3")
			if page == "1" {
				link(w, r, "", "2")
			}
			recorded(t, w, r, "harbor/projects."+page+".json")
		case "/api/v2.0/projects/library/repositories":
			w.Header().Set("X-Total-Count", "1")
			recorded(t, w, r, "harbor/library."+page+".json")
		case "/api/v2.0/projects/payments/repositories":
			w.Header().Set("X-Total-Count", "2")
			recorded(t, w, r, "harbor/payments."+page+".json")
		case "/api/v2.0/projects/sandbox/repositories":
			w.Header().Set("X-Total-Count", "0")
			recorded(t, w, r, "harbor/sandbox."+page+".json")
		default:
			status(w, 403, `{"errors":[{"code":"FORBIDDEN","message":"forbidden"}]}`)
		}
	})
}

func TestHarbor(t *testing.T) {
	s := fakeHarbor(t, robot, secret)
	for _, tt := range []struct {
		patterns []string
		want     []string
		asked    int
	}{
		{[]string{"**"}, []string{"library/base", "payments/api", "payments/jobs/nightly"}, 5},
		{[]string{"payments/**"}, []string{"payments/api", "payments/jobs/nightly"}, 1},
		{[]string{"payments/*", "library/*"}, []string{"library/base", "payments/api"}, 2},
		{[]string{"pay*/**"}, []string{"payments/api", "payments/jobs/nightly"}, 3},
		{[]string{"sandbox/**"}, nil, 1},
		{[]string{"payments/api", "base"}, []string{"payments/api", "base"}, 0},
		{[]string{"payments/api", "payments/jobs/*"}, []string{"payments/api", "payments/jobs/nightly"}, 1},
	} {
		before := len(s.all())
		r := open(t, s, Config{Way: Harbor, Repositories: globs(t, tt.patterns...)})
		if r.Elsewhere() {
			t.Error("its own host is taken for another")
		}
		got, err := repositories(r)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v", tt.patterns, got, err)
		}
		if n := len(s.all()) - before; n != tt.asked || r.Traffic().Requests != int64(n) {
			t.Errorf("%s: %d requests, %d counted, want %d", tt.patterns, n, r.Traffic().Requests, tt.asked)
		}
	}
}

func TestHarbor_ownCredentialsForListing(t *testing.T) {
	s := fakeHarbor(t, "robot$lister", "lister-secret")
	c := Config{Way: Harbor, Username: "robot$lister", Token: "lister-secret", Repositories: globs(t, "**")}
	if got, err := repositories(open(t, s, c)); err != nil || len(got) != 3 {
		t.Errorf("%v, %v", got, err)
	}
	c = Config{Way: Harbor, URL: s.URL, Username: "robot$lister", Token: "lister-secret", Repositories: globs(t, "**")}
	if got, err := repositories(open(t, nobody(t), c)); err != nil || len(got) != 3 {
		t.Errorf("at another host: %v, %v", got, err)
	}
}

// TestHarbor_aDeniedProjectDoesNotHideTheOthers holds that the listing is
// incomplete then, and yet shows what can be read.
func TestHarbor_aDeniedProjectDoesNotHideTheOthers(t *testing.T) {
	s := fakeHarbor(t, robot, secret)
	got, err := repositories(open(t, s, Config{Way: Harbor, Repositories: globs(t, "hidden/**", "payments/**")}))
	wantLook(t, err, inventory.ReasonRegistryDenied, "hidden", "403", "robot account", "listing repositories")
	if !slices.Equal(got, []string{"payments/api", "payments/jobs/nightly"}) {
		t.Errorf("%v", got)
	}
}

func TestQuay(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case r.URL.Path != "/api/v1/repository" || q.Get("namespace") != "acme" || q.Get("public") != "true":
			t.Errorf("asked for %s", r.URL)
		case r.Header.Get("Authorization") != "Bearer quay-token":
			status(w, 401, `{"status":401,"error_message":"Requires authentication","title":"invalid_token","error_type":"invalid_token"}`)
		case q.Get("next_page") == "":
			recorded(t, w, r, "quay/acme.1.json")
		case q.Get("next_page") == "gAAAAABl0Zc3qv_6==":
			recorded(t, w, r, "quay/acme.2.json")
		default:
			status(w, 400, `{}`)
		}
	})
	got, err := repositories(open(t, s, Config{Way: Quay, Token: "quay-token", Repositories: globs(t, "acme/**")}))
	if err != nil || !slices.Equal(got, []string{"acme/api", "acme/web", "acme/jobs/nightly"}) {
		t.Errorf("%v, %v", got, err)
	}
	_, err = repositories(open(t, s, Config{Way: Quay, Token: "expired", Repositories: globs(t, "acme/**")}))
	wantLook(t, err, inventory.ReasonRegistryDenied, "401", "listing_token", "repo:read")
	// A robot account's password is no token of the API: without one nothing is shown.
	_, err = repositories(open(t, s, Config{Way: Quay, Repositories: globs(t, "acme/**")}))
	wantLook(t, err, inventory.ReasonRegistryDenied, "401")
	for _, r := range s.all() {
		if strings.HasPrefix(r.Header.Get("Authorization"), "Basic") {
			t.Error("the registry's credentials were sent to the API")
		}
	}
}

// fakeGitLab answers as GitLab's API does: numbered pages, an absolute Link, and
// 404 for what isn't there or isn't shown.
func fakeGitLab(t *testing.T, token string) *server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("page")
		switch {
		case r.Header.Get("Authorization") != "Bearer "+token:
			status(w, 401, `{"message":"401 Unauthorized"}`)
		case r.URL.Query().Get("per_page") != "100":
			t.Errorf("asked for %s", r.URL)
		case r.URL.EscapedPath() == "/api/v4/groups/acme/registry/repositories":
			w.Header().Set("X-Total", "3")
			if page == "1" {
				link(w, r, "http://"+r.Host, "2")
			}
			recorded(t, w, r, "gitlab/acme."+page+".json")
		case r.URL.EscapedPath() == "/api/v4/projects/acme%2Fapi/registry/repositories":
			recorded(t, w, r, "gitlab/project."+page+".json")
		default:
			status(w, 404, `{"message":"404 Not Found"}`)
		}
	})
}

func TestGitLab(t *testing.T) {
	s := fakeGitLab(t, "glpat-x")
	for _, tt := range []struct {
		pattern string
		want    []string
	}{
		{"acme/**", []string{"acme/api", "acme/api/releases", "acme/backend/jobs"}},
		{"acme/*", []string{"acme/api"}},
		{"acme/api/**", []string{"acme/api", "acme/api/releases"}},
		{"acme/api/releases/**", []string{"acme/api/releases"}}, // below a project
	} {
		got, err := repositories(open(t, nobody(t), Config{Way: GitLab, URL: s.URL, Token: "glpat-x", Repositories: globs(t, tt.pattern)}))
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v", tt.pattern, got, err)
		}
	}
}

// TestGitLab_aHiddenSubgroupIsNotAnEmptyOne holds that a subgroup which isn't
// shown isn't looked for in the group above: seen from there it would be empty.
func TestGitLab_aHiddenSubgroupIsNotAnEmptyOne(t *testing.T) {
	s := fakeGitLab(t, "glpat-x")
	for _, pattern := range []string{"acme/secret/**", "dana/**"} {
		got, err := repositories(open(t, nobody(t), Config{Way: GitLab, URL: s.URL, Token: "glpat-x", Repositories: globs(t, pattern)}))
		wantLook(t, err, inventory.ReasonRegistryDenied, "the group "+strings.TrimSuffix(pattern, "/**"), "404", "read_api", "group or a project")
		if len(got) != 0 {
			t.Errorf("%v", got)
		}
	}
	_, err := repositories(open(t, nobody(t), Config{Way: GitLab, URL: s.URL, Repositories: globs(t, "acme/**")}))
	wantLook(t, err, inventory.ReasonRegistryDenied, "401", "no listing_token")
}

func TestDockerHub(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch r.Method + " " + r.URL.Path {
		case "POST /v2/auth/token":
			var login struct{ Identifier, Secret string }
			if err := json.NewDecoder(r.Body).Decode(&login); err != nil || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "" {
				t.Errorf("a token was asked for with %v, %v", r.Header, err)
			}
			if login.Identifier != "acmebot" || login.Secret != "dckr_pat_x" {
				status(w, 401, `{"detail":"Incorrect authentication credentials"}`)
				return
			}
			recorded(t, w, r, "dockerhub/token.json")
		case "GET /v2/namespaces/acme/repositories":
			if q.Get("page_size") != "100" || q.Get("ordering") != "name" {
				t.Errorf("asked for %s", r.URL)
			}
			if r.Header.Get("Authorization") != "Bearer eyJhbGciOiJSUzI1NiJ9.written-from-documentation.c2ln" {
				status(w, 403, `{"detail":"forbidden","message":"forbidden"}`)
				return
			}
			recorded(t, w, r, "dockerhub/acme."+q.Get("page")+".json")
		default:
			t.Errorf("asked for %s %s", r.Method, r.URL)
		}
	})
	c := Config{Way: DockerHub, URL: s.URL, Username: "acmebot", Token: "dckr_pat_x", Repositories: globs(t, "acme/*")}
	r := open(t, nobody(t), c)
	got, err := repositories(r)
	if err != nil || !slices.Equal(got, []string{"acme/api", "acme/jobs", "acme/web"}) || r.Traffic().Requests != 3 {
		t.Errorf("%v, %v, %d requests", got, err, r.Traffic().Requests)
	}
	c.Token = "wrong"
	_, err = repositories(open(t, nobody(t), c))
	wantLook(t, err, inventory.ReasonRegistryDenied, "401", "listing_username")
	c.Username, c.Token = "", ""
	_, err = repositories(open(t, nobody(t), c))
	wantLook(t, err, inventory.ReasonRegistryDenied, "403", "listing_token")
}

func TestDockerHub_aLoginThatAnswersNonsenseIsNotQuoted(t *testing.T) {
	for _, body := range []string{`{"access_token":""}`, `{"token":"tok-secret"}`, `tok-secret`, ``} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { status(w, 200, body) })
		_, err := repositories(open(t, nobody(t), Config{Way: DockerHub, URL: s.URL, Username: "a", Token: "b", Repositories: globs(t, "acme/*")}))
		wantLook(t, err, inventory.ReasonPayloadMalformed)
		if strings.Contains(err.Error(), "tok-secret") || len(s.all()) != 1 {
			t.Errorf("%v after %d requests", err, len(s.all()))
		}
	}
}

// fakeGitHub answers as GitHub's REST API does.
func fakeGitHub(t *testing.T, sso string) *server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "application/vnd.github+json" || r.Header.Get("X-GitHub-Api-Version") != "2022-11-28" {
			t.Errorf("asked with %v", r.Header)
		}
		if sso != "" {
			w.Header().Set("X-GitHub-SSO", sso)
		}
		q := r.URL.Query()
		switch {
		case r.Header.Get("Authorization") != "Bearer ghp_x":
			status(w, 401, `{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest","status":"401"}`)
		case r.URL.Path == "/users/acme":
			recorded(t, w, r, "ghcr/account.json")
		case r.URL.Path == "/users/dana":
			status(w, 200, `{"login":"dana","type":"User"}`)
		case r.URL.Path == "/users/old-name":
			status(w, 200, `{"login":"New-Name","type":"Organization"}`)
		case r.URL.Path == "/users/dana/packages":
			status(w, 200, `[{"name":"tool","package_type":"container"}]`)
		case r.URL.Path == "/orgs/acme/packages" && q.Get("package_type") == "container" && q.Get("per_page") == "100":
			if q.Get("page") == "1" {
				link(w, r, "http://"+r.Host, "2")
			}
			recorded(t, w, r, "ghcr/acme."+q.Get("page")+".json")
		default:
			status(w, 404, `{"message":"Not Found","documentation_url":"https://docs.github.com/rest","status":"404"}`)
		}
	})
}

func TestGHCR(t *testing.T) {
	s := fakeGitHub(t, "")
	c := Config{Way: GHCR, URL: s.URL, Token: "ghp_x", Repositories: globs(t, "acme/**", "dana/*", "plain/name")}
	got, err := repositories(open(t, nobody(t), c))
	if err != nil || !slices.Equal(got, []string{"plain/name", "acme/api", "acme/backend/jobs", "acme/web", "dana/tool"}) {
		t.Errorf("%v, %v", got, err)
	}
	c.Token = "ghp_old"
	_, err = repositories(open(t, nobody(t), c))
	wantLook(t, err, inventory.ReasonRegistryDenied, "401", "read:packages")
	c.Token, c.Repositories = "ghp_x", globs(t, "nobody/*")
	_, err = repositories(open(t, nobody(t), c))
	wantLook(t, err, inventory.ReasonRegistryDenied, "404", "organisation or a user")
	c.Repositories = globs(t, "old-name/*")
	_, err = repositories(open(t, nobody(t), c))
	wantLook(t, err, inventory.ReasonRegistryDenied, "old-name", "new-name")
}

// TestGHCR_partialResultsAreIncomplete holds that what GitHub leaves out for a
// token that single sign-on doesn't know isn't taken for gone.
func TestGHCR_partialResultsAreIncomplete(t *testing.T) {
	s := fakeGitHub(t, "partial-results; organizations=21955855,20582480")
	_, err := repositories(open(t, nobody(t), Config{Way: GHCR, URL: s.URL, Token: "ghp_x", Repositories: globs(t, "acme/**")}))
	wantLook(t, err, inventory.ReasonRegistryDenied, "single sign-on", "listing_token")
}

// TestGitLab_anOutageIsNotAnAbsentGroup holds that only what isn't there is
// looked for elsewhere.
func TestGitLab_anOutageIsNotAnAbsentGroup(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/v4/groups/") {
			status(w, 502, `{}`)
			return
		}
		status(w, 200, `[]`)
	})
	_, err := repositories(open(t, nobody(t), Config{Way: GitLab, URL: s.URL, Token: "x", Repositories: globs(t, "acme/api/**")}))
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "502")
}
