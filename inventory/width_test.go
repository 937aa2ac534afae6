package inventory

import (
	"slices"
	"strings"
	"testing"
)

const (
	githubIssuer = "https://token.actions.githubusercontent.com"
	gitlabIssuer = "https://gitlab.com"
)

func TestIdentityPattern_Reach(t *testing.T) {
	const workflow = "https://github.com/acme/api/.github/workflows/release.yml@"
	for _, test := range []struct {
		issuer, pattern string
		want            Width
		acknowledge     bool
		refused         bool
		says            string
	}{
		{githubIssuer, "", OneIdentity, false, false, "Only this"},
		{githubIssuer, workflow + "refs/tags/*", AnyTag, false, false, "push a tag to github.com/acme/api "},
		{githubIssuer, workflow + "refs/tags/v1.*", AnyTag, false, false, "push a tag"},
		{githubIssuer, workflow + "refs/heads/*", AnyRef, false, false, "push a branch or a tag to github.com/acme/api,"},
		{githubIssuer, workflow + "**", AnyRef, false, false, "branch"},
		{githubIssuer, workflow + "refs/tags*", AnyRef, false, false, "branch"},
		{githubIssuer, "https://github.com/acme/api/.github/workflows/*@refs/tags/v1", AnyWorkflow, false, false, "push to github.com/acme/api can"},
		{githubIssuer, "https://github.com/acme/api/**", AnyWorkflow, false, false, "github.com/acme/api can"},
		{githubIssuer, "https://github.com/acme/api*", AnyBelow, true, false, "below github.com/acme can"},
		{githubIssuer, "https://github.com/acme/*/.github/workflows/release.yml@refs/tags/v1", AnyBelow, true, false, "below github.com/acme can"},
		{githubIssuer, "https://github.com/acme/**", AnyBelow, true, false, "below github.com/acme can"},
		{githubIssuer, "https://github.com/acme*/**", AnyOfIssuer, false, true, ""},
		{githubIssuer, "https://github.com/acme**", AnyOfIssuer, false, true, ""},
		{githubIssuer, "https://github.com/*/api/.github/workflows/release.yml@refs/tags/v1", AnyOfIssuer, false, true, ""},
		{githubIssuer, "https://github.com/**", AnyOfIssuer, false, true, ""},
		{githubIssuer, "https://github.com*", AnyOfIssuer, false, true, ""},
		{githubIssuer, "https://**", AnyOfIssuer, false, true, ""},
		{githubIssuer, "**", AnyOfIssuer, false, true, ""},
		{githubIssuer, "**@refs/tags/v1", AnyOfIssuer, false, true, ""},
		{githubIssuer, "*/api/.github/workflows/release.yml", AnyOfIssuer, false, true, ""},
		{gitlabIssuer, "https://gitlab.com/acme/deep/api//.gitlab-ci.yml@refs/tags/*", AnyTag, false, false, "push a tag to gitlab.com/acme/deep/api "},
		{gitlabIssuer, "https://gitlab.com/acme/deep/api//*", AnyWorkflow, false, false, "gitlab.com/acme/deep/api can"},
		{gitlabIssuer, "https://gitlab.com/acme/deep/*//.gitlab-ci.yml@refs/heads/main", AnyBelow, true, false, "below gitlab.com/acme/deep can"},
		{gitlabIssuer, "https://gitlab.com/acme/deep/**", AnyBelow, true, false, "below gitlab.com/acme/deep can"},
		{gitlabIssuer, "https://gitlab.com/acme/**", AnyBelow, true, false, "below gitlab.com/acme can"},
		{gitlabIssuer, "https://gitlab.com/*/api//.gitlab-ci.yml@refs/heads/main", AnyOfIssuer, false, true, ""},
		{githubIssuer, "https://github.com/@acme/**", AnyBelow, true, false, "below github.com/@acme can"},
		{githubIssuer, "https://github.com/acme/a@b/**", AnyWorkflow, false, false, ""},
		{"https://git.acme.example", "https://git.acme.example/**", AnyOfIssuer, true, false, "Everybody to whom https://git.acme.example"},
		{"https://accounts.google.com", "*@acme.example", AnyOfDomain, true, false, "an address at acme.example"},
		{"https://accounts.google.com", "release-*@acme.example", AnyOfDomain, true, false, "acme.example"},
		{"https://accounts.google.com", "**@acme.example", AnyOfIssuer, false, true, ""},
		{"https://accounts.google.com", "*@*", AnyOfIssuer, false, true, ""},
		{"https://accounts.google.com", "dana@*", AnyOfIssuer, false, true, ""},
		{"https://accounts.google.com", "dana@acme.*", AnyOfIssuer, false, true, ""},
		{"https://accounts.google.com", "*@gmail.com", AnyOfIssuer, false, true, "gmail.com"},
		{"https://idp.acme.example", "*@Gmail.com", AnyOfIssuer, false, true, "Gmail.com"},
		{"https://idp.acme.example", "*", AnyOfIssuer, true, false, "Everybody"},
		{"https://spire.acme.example", "spiffe://acme.example/**", AnyOfDomain, true, false, "trust domain acme.example"},
		{"https://spire.acme.example", "spiffe://acme.example/ns/prod/*", AnyBelow, true, false, "below acme.example/ns/prod,"},
		{"https://spire.acme.example", "spiffe://acme*/x", AnyOfIssuer, true, false, ""},
	} {
		r := IdentityPattern(test.pattern).Reach(KeylessID(test.issuer, "x"))
		if r.Width != test.want || r.Acknowledge != test.acknowledge || (r.Refused != "") != test.refused || !strings.Contains(r.Says+r.Refused, test.says) {
			t.Errorf("%q of %s: %s %+v", test.pattern, test.issuer, r.Width, r)
		}
		if !strings.HasSuffix(r.Says, ".") || test.refused && !strings.HasSuffix(r.Refused, ".") {
			t.Errorf("%q: %q, %q", test.pattern, r.Says, r.Refused)
		}
	}
}

func TestSignerID_Widenings(t *testing.T) {
	for _, test := range []struct {
		issuer, name string
		want         []IdentityPattern
	}{
		{githubIssuer, releaseTag, []IdentityPattern{
			"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*",
			"https://github.com/acme/api/.github/workflows/release.yml@refs/**",
			"https://github.com/acme/api/.github/workflows/*@refs/**",
			"https://github.com/acme/*/.github/workflows/release.yml@refs/tags/v1.2",
			"https://github.com/acme/**",
		}},
		{githubIssuer, "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/api/v1", []IdentityPattern{
			"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/**",
			"https://github.com/acme/api/.github/workflows/release.yml@refs/**",
			"https://github.com/acme/api/.github/workflows/*@refs/**",
			"https://github.com/acme/*/.github/workflows/release.yml@refs/tags/api/v1",
			"https://github.com/acme/**",
		}},
		{gitlabIssuer, "https://gitlab.com/acme/deep/api//.gitlab-ci.yml@refs/heads/main", []IdentityPattern{
			"https://gitlab.com/acme/deep/api//.gitlab-ci.yml@refs/**",
			"https://gitlab.com/acme/deep/api//*@refs/**",
			"https://gitlab.com/acme/deep/*//.gitlab-ci.yml@refs/heads/main",
			"https://gitlab.com/acme/deep/**",
		}},
		{"https://accounts.google.com", "dana@acme.example", []IdentityPattern{"*@acme.example"}},
		{"https://accounts.google.com", "dana@gmail.com", nil},
		{"https://spire.acme.example", "spiffe://acme.example/ns/prod/sa/api", []IdentityPattern{"spiffe://acme.example/ns/prod/sa/*", "spiffe://acme.example/**"}},
		{githubIssuer, "d\u0430na@acme.example", nil},
		{githubIssuer, "https://github.com/acme/../api/.github/workflows/a.yml@refs/tags/v1", nil},
		{githubIssuer, "something else", nil},
		{githubIssuer, "", nil},
	} {
		id := KeylessID(test.issuer, test.name)
		got := id.Widenings()
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\n got %q\nwant %q", test.name, got, test.want)
		}
		for i, p := range got {
			if i > 0 && p.Reach(id).Width < got[i-1].Reach(id).Width {
				t.Errorf("%q comes after a wider one", p)
			}
		}
	}
	if KeyID(DigestOf(nil)).Widenings() != nil {
		t.Error("a key can be widened")
	}
}

// A pattern that holds more is never graded narrower, and what is refused is
// never offered.
func TestReach_growsWithWhatAPatternHolds(t *testing.T) {
	chain := []IdentityPattern{
		"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v1.*",
		"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*",
		"https://github.com/acme/api/.github/workflows/release.yml@refs/**",
		"https://github.com/acme/api/.github/workflows/*@refs/**",
		"https://github.com/acme/api/**",
		"https://github.com/acme/**",
		"https://github.com/**",
		"**",
	}
	last := Reach{}
	for _, p := range chain {
		r := p.Reach(KeylessID(githubIssuer, releaseTag))
		if !p.Match(releaseTag) || r.Width < last.Width || last.Acknowledge && !r.Acknowledge && r.Refused == "" {
			t.Errorf("%q is graded %s after %s", p, r.Width, last.Width)
		}
		last = r
	}
	if last.Refused == "" {
		t.Error("the whole of a public issuer isn't refused")
	}
}
