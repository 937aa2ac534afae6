package verify

import (
	"strings"
	"testing"
)

func TestProvenance_readsWhatBuildersWrite(t *testing.T) {
	for name, test := range map[string]struct{ predicateType, predicate, want string }{
		"GitHub, v1": {provenanceV1, `{"buildDefinition":{"buildType":"https://actions.github.io/buildtypes/workflow/v1",
			"externalParameters":{"workflow":{"ref":"refs/tags/v1","repository":"https://github.com/acme/api","path":".github/workflows/release.yml"}},
			"resolvedDependencies":[{"uri":"git+https://github.com/other/thing@refs/heads/main","digest":{"gitCommit":"bbbb"}},
				{"uri":"git+https://github.com/acme/api@refs/tags/v1","digest":{"gitCommit":"aaaa"}}]},
			"runDetails":{"builder":{"id":"https://github.com/actions/runner/github-hosted"},"metadata":{"invocationId":"https://github.com/acme/api/actions/runs/7"}}}`,
			"Builder=https://github.com/actions/runner/github-hosted Source repository=https://github.com/acme/api Source ref=refs/tags/v1 Commit=aaaa Run=https://github.com/acme/api/actions/runs/7"},
		"BuildKit from git, v1": {provenanceV1, `{"buildDefinition":{"externalParameters":{"configSource":{"uri":"https://github.com/acme/api.git#refs/tags/v2","digest":{"sha1":"cccc"},"path":"Dockerfile"}}},
			"runDetails":{"builder":{"id":""},"metadata":{"invocationId":"yirb"}}}`,
			"Source repository=https://github.com/acme/api.git Source ref=refs/tags/v2 Commit=cccc Run=yirb"},
		"BuildKit from a folder, v1": {provenanceV1, `{"buildDefinition":{"externalParameters":{"configSource":{"path":"Dockerfile"}},
			"resolvedDependencies":[{"uri":"pkg:docker/alpine@latest?platform=linux%2Famd64","digest":{"sha256":"89"}}]},
			"runDetails":{"metadata":{"buildkit_metadata":{"vcs":{"source":"https://github.com/acme/api.git","revision":"dddd"}}}}}`,
			"Source repository=https://github.com/acme/api.git Commit=dddd"},
		"BuildKit, v0.2": {provenanceV0, `{"builder":{"id":"https://ci.example.com/7"},"invocation":{"configSource":{"entryPoint":"Dockerfile"}},
			"materials":[{"uri":"pkg:docker/alpine@3","digest":{"sha256":"89"}},{"uri":"https://github.com/acme/api.git#main","digest":{"sha1":"eeee"}}],
			"metadata":{"buildInvocationID":"qq","https://mobyproject.org/buildkit@v1#metadata":{"vcs":{}}}}`,
			"Builder=https://ci.example.com/7 Source repository=https://github.com/acme/api.git Source ref=main Commit=eeee Run=qq"},
		"slsa-github-generator, v0.2": {provenanceV0, `{"builder":{"id":"https://github.com/slsa-framework/b@refs/tags/v1"},"invocation":{"configSource":{"uri":"git+https://github.com/acme/api@refs/heads/main","digest":{"sha1":"ffff"}}}}`,
			"Builder=https://github.com/slsa-framework/b@refs/tags/v1 Source repository=https://github.com/acme/api Source ref=refs/heads/main Commit=ffff"},
		"a field of the wrong type hides no other": {provenanceV1, `{"buildDefinition":{"resolvedDependencies":{"no":"list"}},"runDetails":{"builder":{"id":"b"}}}`, "Builder=b"},
		"names that trick the eye":                 {provenanceV1, "{\"runDetails\":{\"builder\":{\"id\":\"b\u202e\"}}}", "Builder=b⟨U+202E⟩"},
		"an SBOM":                                  {"https://spdx.dev/Document", `{"builder":{"id":"b"}}`, ""},
		"no JSON":                                  {provenanceV1, `{`, ""},
		"nothing":                                  {provenanceV1, ``, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range Provenance(test.predicateType, []byte(test.predicate)) {
				got = append(got, f.Name+"="+f.Value)
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, " "), test.want)
			}
		})
	}
}

func TestProvenance_cutsWhatIsLong(t *testing.T) {
	facts := Provenance(provenanceV1, []byte(`{"runDetails":{"builder":{"id":"`+strings.Repeat("x", 10_000)+`"}}}`))
	if len(facts) != 1 || len(facts[0].Value) > 310 {
		t.Errorf("got %d facts", len(facts))
	}
}
