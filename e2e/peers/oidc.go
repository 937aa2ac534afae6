//go:build peers

package peers

import (
	"crypto"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// issuer is an OpenID provider as Fulcio sees one: a discovery document, keys,
// and the tokens that people and workflows come with. It is two issuers, so
// that the same name can come from another one.
type issuer struct {
	server *httptest.Server
	signer jose.Signer
}

// The paths of the issuers.
const (
	people    = "/people"    // tokens with an e-mail address
	strangers = "/strangers" // the same of another company
	workflows = "/workflows" // tokens of CI jobs
)

func newIssuer() (*issuer, error) {
	key, err := newKey("rsa") // cosign takes a token for one only when it is signed with RS256
	if err != nil {
		return nil, err
	}
	i := &issuer{}
	if i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "peers"}}, nil); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, path := range []string{people, strangers, workflows} {
		mux.HandleFunc("GET "+path+"/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
			json.NewEncoder(w).Encode(map[string]any{
				"issuer": i.url(path), "jwks_uri": i.url(path) + "/keys",
				"authorization_endpoint": i.url(path) + "/authorize", "token_endpoint": i.url(path) + "/token",
				"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
				"id_token_signing_alg_values_supported": []string{"RS256"},
			})
		})
		mux.HandleFunc("GET "+path+"/keys", func(w http.ResponseWriter, r *http.Request) {
			json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: crypto.PublicKey(key.Public()), KeyID: "peers", Algorithm: "RS256", Use: "sig"}}})
		})
	}
	i.server = httptest.NewServer(mux)
	return i, nil
}

func (i *issuer) url(path string) string { return i.server.URL + path }

// person is the token of somebody with an e-mail address.
func (i *issuer) person(path, email string) (string, error) {
	return i.token(path, email, map[string]any{"email": email, "email_verified": true})
}

// The workflow that signs, as CI systems describe one.
const (
	source   = "https://ci.example.com/team-a/api"
	job      = "team-a/api/.ci/workflows/release.yaml@refs/tags/v1"
	commit   = "5f0c1f2b9d8e7a6b5c4d3e2f1a0b9c8d7e6f5a4b"
	workflow = "https://ci.example.com/" + job
)

// workflow is the token of a job that builds a release.
func (i *issuer) workflow() (string, error) {
	return i.token(workflows, "repo:team-a/api:ref:refs/tags/v1", map[string]any{
		"repository": "team-a/api", "job_workflow_ref": job, "sha": commit, "ref": "refs/tags/v1", "event_name": "push",
		"workflow": "release", "run_id": "42", "run_attempt": "1", "runner_environment": "self-hosted",
	})
}

func (i *issuer) token(path, subject string, claims map[string]any) (string, error) {
	now := time.Now()
	return jwt.Signed(i.signer).Claims(jwt.Claims{
		Issuer: i.url(path), Subject: subject, Audience: jwt.Audience{"sigstore"},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(30 * time.Minute)),
	}).Claims(claims).Serialize()
}

// fulcioConfig tells Fulcio what each issuer's tokens say. The workflows' are
// described as its own configuration describes GitHub's.
func (i *issuer) fulcioConfig() ([]byte, error) {
	type object = map[string]any
	entry := func(path, kind string) object {
		return object{"IssuerURL": i.url(path), "ClientID": "sigstore", "Type": kind, "Contact": "peers@example.com", "Description": "peers"}
	}
	ci := entry(workflows, "ci-provider")
	ci["CIProvider"] = "peers-ci"
	return json.Marshal(object{
		"OIDCIssuers": object{
			i.url(people): entry(people, "email"), i.url(strangers): entry(strangers, "email"), i.url(workflows): ci,
		},
		"CIIssuerMetadata": object{"peers-ci": object{
			"DefaultTemplateValues": object{"url": "https://ci.example.com"},
			"ExtensionTemplates": object{
				"GithubWorkflowTrigger": "event_name", "GithubWorkflowSHA": "sha", "GithubWorkflowName": "workflow",
				"GithubWorkflowRepository": "repository", "GithubWorkflowRef": "ref",
				"BuildSignerURI": "{{ .url }}/{{ .job_workflow_ref }}", "BuildSignerDigest": "sha", "BuildTrigger": "event_name",
				"RunnerEnvironment": "runner_environment", "SourceRepositoryURI": "{{ .url }}/{{ .repository }}",
				"SourceRepositoryDigest": "sha", "SourceRepositoryRef": "ref",
				"RunInvocationURI": "{{ .url }}/{{ .repository }}/runs/{{ .run_id }}/attempts/{{ .run_attempt }}",
			},
			"SubjectAlternativeNameTemplate": "{{ .url }}/{{ .job_workflow_ref }}",
		}},
	})
}
