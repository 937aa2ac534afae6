package verify

import (
	"encoding/json"
	"errors"
	"strings"

	"signboard/inventory"
)

// Predicate types of SLSA provenance (SLSA, provenance v1 and v0.2).
const (
	provenanceV1 = "https://slsa.dev/provenance/v1"
	provenanceV0 = "https://slsa.dev/provenance/v0.2"
)

// resource is what a build read (SLSA's ResourceDescriptor and ConfigSource).
type resource struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest"`
}

// vcs is where BuildKit puts what its client says of the working copy.
type vcs struct {
	Source   string `json:"source"`
	Revision string `json:"revision"`
}

// Provenance picks builder, source repository, ref and commit out of a predicate
// of SLSA provenance, as GitHub, BuildKit and those who follow them write it; of
// any other type it is nil. What the facts are worth is what the statement is
// worth: nothing but a claim until its signature held. The values can be shown
// as they are.
func Provenance(predicateType string, predicate []byte) []inventory.Fact {
	var builder, run string
	var source origin
	switch predicateType {
	case provenanceV1:
		var p struct {
			BuildDefinition struct {
				ExternalParameters struct {
					Workflow struct {
						Repository string `json:"repository"`
						Ref        string `json:"ref"`
					} `json:"workflow"`
					ConfigSource resource `json:"configSource"`
					Source       resource `json:"source"`
				} `json:"externalParameters"`
				ResolvedDependencies []resource `json:"resolvedDependencies"`
			} `json:"buildDefinition"`
			RunDetails struct {
				Builder struct {
					ID string `json:"id"`
				} `json:"builder"`
				Metadata struct {
					InvocationID string `json:"invocationId"`
					BuildKit     struct {
						VCS vcs `json:"vcs"`
					} `json:"buildkit_metadata"`
				} `json:"metadata"`
			} `json:"runDetails"`
		}
		if !decode(predicate, &p) {
			return nil
		}
		builder, run = p.RunDetails.Builder.ID, p.RunDetails.Metadata.InvocationID
		d := p.BuildDefinition
		source.repository, source.ref = d.ExternalParameters.Workflow.Repository, d.ExternalParameters.Workflow.Ref
		source.from(d.ExternalParameters.ConfigSource)
		source.from(d.ExternalParameters.Source)
		source.said(p.RunDetails.Metadata.BuildKit.VCS)
		source.among(d.ResolvedDependencies)
	case provenanceV0:
		var p struct {
			Builder struct {
				ID string `json:"id"`
			} `json:"builder"`
			Invocation struct {
				ConfigSource resource `json:"configSource"`
			} `json:"invocation"`
			Metadata struct {
				InvocationID string `json:"buildInvocationID"` // matches buildInvocationId too
				BuildKit     struct {
					VCS vcs `json:"vcs"`
				} `json:"https://mobyproject.org/buildkit@v1#metadata"`
			} `json:"metadata"`
			Materials []resource `json:"materials"`
		}
		if !decode(predicate, &p) {
			return nil
		}
		builder, run = p.Builder.ID, p.Metadata.InvocationID
		source.from(p.Invocation.ConfigSource)
		source.said(p.Metadata.BuildKit.VCS)
		source.among(p.Materials)
	}
	var facts []inventory.Fact
	for _, f := range []inventory.Fact{
		{Name: "Builder", Value: builder}, {Name: "Source repository", Value: source.repository},
		{Name: "Source ref", Value: source.ref}, {Name: "Commit", Value: source.commit}, {Name: "Run", Value: run},
	} {
		if f.Value != "" {
			f.Value = shown(f.Value)
			facts = append(facts, f)
		}
	}
	return facts
}

// decode reads what it can: one field of an unexpected type doesn't hide the
// others.
func decode(raw []byte, into any) bool {
	err := json.Unmarshal(raw, into)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return true
	}
	return err == nil
}

// origin is where a build's source came from. What is known already isn't
// replaced: the places to look go from the firmest to the loosest.
type origin struct{ repository, ref, commit string }

func (o *origin) from(r resource) {
	repository, ref := split(r.URI)
	if o.repository != "" && repository != "" && !same(o.repository, repository) {
		return
	}
	if o.repository == "" {
		o.repository = repository
	}
	if o.ref == "" {
		o.ref = ref
	}
	if o.commit == "" {
		o.commit = r.commit()
	}
}

func (o *origin) said(v vcs) {
	if o.repository != "" || v.Source == "" {
		return
	}
	o.repository, o.commit = v.Source, v.Revision
}

// among looks for the source among all that a build read, where it is one of
// many.
func (o *origin) among(list []resource) {
	for _, r := range list {
		repository, _ := split(r.URI)
		git := strings.HasPrefix(r.URI, "git+") || strings.HasSuffix(repository, ".git")
		if git && r.commit() != "" && (o.repository == "" || same(o.repository, repository)) {
			o.from(r)
			return
		}
	}
}

func (r resource) commit() string {
	if c := r.Digest["gitCommit"]; c != "" {
		return c
	}
	return r.Digest["sha1"]
}

// split takes a source's address apart: git+https://host/path@ref as SPDX and
// GitHub write it, https://host/path.git#ref as BuildKit does.
func split(uri string) (repository, ref string) {
	uri = strings.TrimPrefix(uri, "git+")
	if repository, ref, ok := strings.Cut(uri, "#"); ok {
		return repository, ref
	}
	if i := strings.LastIndex(uri, "@"); i > 0 && strings.Count(uri[:i], "/") > 2 { // not that of user@host
		return uri[:i], uri[i+1:]
	}
	return uri, ""
}

func same(a, b string) bool {
	return strings.TrimSuffix(a, ".git") == strings.TrimSuffix(b, ".git")
}

// shown makes a claim fit to be read: what can't be seen is made visible, and
// what is long is cut.
func shown(s string) string {
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return inventory.Visible(s)
}
