package inventory

import (
	"strings"
	"testing"
	"unicode/utf8"
)

const releaseTag = "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v1.2"

func TestIdentityPattern_Match(t *testing.T) {
	for _, test := range []struct {
		pattern, identity string
		want              bool
	}{
		{"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*", releaseTag, true},
		{"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v*", releaseTag, true},
		{"https://github.com/acme/api/.github/workflows/*.yml@refs/tags/v1.*", releaseTag, true},
		{"https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*", releaseTag, true},
		{"https://github.com/acme/**", releaseTag, true},
		{"**@refs/tags/v1.2", releaseTag, true},
		{"*@example.com", "dana@example.com", true},
		{"*@example.com", "jürgen@example.com", true},

		// Anchored at both ends, and nothing but the wildcard is free.
		{"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*", "https://evil.example/?" + releaseTag, false},
		{"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*", releaseTag + "/x", false},
		{"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*", "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/", false},
		{"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*", "https://github.com/acme/api/.github/workflows/release.yml@refs/heads/v1", false},
		{"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*", "https://github.com/acme/api-evil/.github/workflows/release.yml@refs/tags/v1", false},
		{"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*", strings.ToUpper(releaseTag), false},
		{"https://github.com/*/api", "https://github.com/acme/b/api", false},
		{"https://githubXcom/acme/*", "https://github.com/acme/api", false}, // no regular expression
		{"https://github.com/acme/*", "https://githubXcom/acme/api", false},
		{"*@example.com", "dana@evil.example@example.com", false},
		{"*@example.com", "dana@example.com.evil.example", false},
		{"*@example.com", "@example.com", false},
		{"*@example.com", "dana smith@example.com", false},
		{"*@example.com", "dana\n@example.com", false},
		{"**@example.com", "dana\n@example.com", false},
		{"*@example.com", "d\u0430na@example.com", false}, // a Cyrillic letter
		{"*@example.com", "dana\u202e@example.com", false},
		{"*@example.com", "dana\u200b@example.com", false},
		{"*@example.com", "dana\u00a0@example.com", false},
		{"*@example.com", "dana\uff20evil@example.com", false}, // a wide @
		{"https://github.com/acme/*", "https://github.com/acme/a\u2215b", false},
		{"*@example.com", "dana\xff@example.com", false},
		{"*@example.com", "", false},
		{"https://github.com/acme/**", "https://github.com/acme/../evil/api", false},
		{"https://github.com/acme/**", "https://github.com/acme/./api", false},
		{"https://github.com/acme/**", "https://github.com/acme/..", false},
		{"", "", false},
		{"", "dana@example.com", false},
	} {
		if got := IdentityPattern(test.pattern).Match(test.identity); got != test.want {
			t.Errorf("%q holds %q: %v", test.pattern, test.identity, got)
		}
	}
}

func TestParseIdentityPattern_refuses(t *testing.T) {
	for what, s := range map[string]string{
		"nothing":          "",
		"no wildcard":      "dana@example.com",
		"three stars":      "https://github.com/acme/***",
		"a line break":     "https://github.com/acme/*\n",
		"a space":          "https://github.com/acme /*",
		"a wide space":     "https://github.com/acme\u00a0/*",
		"a hidden mark":    "https://github.com/acme\u200b/*",
		"a look-alike":     "https://github.com/\u0430cme/*",
		"broken text":      "https://github.com/acme\xff/*",
		"too much":         strings.Repeat("a", 1000) + "*",
		"many wildcards":   "*a*a*a*a*a*a*",
		"a whole sequence": "****",
	} {
		if p, err := ParseIdentityPattern(s); KindOf(err) != Invalid {
			t.Errorf("%s: %q, %v", what, p, err)
		}
	}
	if _, err := ParseIdentityPattern("https://github.com/acme/**"); err != nil {
		t.Error(err)
	}
}

func TestDecision_Matches_onlyTheSameIssuer(t *testing.T) {
	const github = "https://token.actions.githubusercontent.com"
	d := Decision{Signer: KeylessID(github, releaseTag), Identities: "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*"}
	next := strings.TrimSuffix(releaseTag, "v1.2") + "v1.3"
	for id, want := range map[SignerID]bool{
		d.Signer:                                    true,
		KeylessID(github, next):                     true,
		KeylessID("https://gitlab.com", next):       false,
		KeylessID(github+"/acme", next):             false,
		KeylessID(strings.ToUpper(github), next):    false,
		KeylessID("", next):                         false,
		KeylessID(github, ""):                       false,
		SignerID("x509:" + github + "|" + next):     false,
		SignerID("tuf:" + github + "|" + next):      false,
		SignerID("keyless:" + github):               false,
		SignerID("keyless:" + github + "||" + next): false,
	} {
		if got := d.Matches(id); got != want {
			t.Errorf("%s: %v", id, got)
		}
	}
	if d.Identities = ""; d.Matches(d.Signer) || d.Lends(KeylessID(github, next)) {
		t.Error("a decision without a pattern holds somebody by it")
	}
}

// FuzzIdentityPattern holds what a match means, whatever the pattern: the
// identity is the literal parts in order, the first at its start and the last at
// its end, with something ordinary between.
func FuzzIdentityPattern(f *testing.F) {
	f.Add("https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*", releaseTag)
	f.Add("*@example.com", "dana@example.com")
	f.Add("**", "a\u202eb")
	f.Add("*a*a*", "aaaa")
	f.Fuzz(func(t *testing.T, pattern, identity string) {
		p, err := ParseIdentityPattern(pattern)
		if err != nil {
			return
		}
		if p.Match(identity) != slowMatch(identityTokens(pattern), identity, identity) {
			t.Fatalf("%q holds %q: %v", pattern, identity, p.Match(identity))
		}
		if !p.Match(identity) {
			return
		}
		tokens := identityTokens(pattern)
		first, last := tokens[0], tokens[len(tokens)-1]
		switch {
		case Suspicious(identity) || !utf8.ValidString(identity) || strings.ContainsAny(identity, " \t\n\r\u00a0"):
			t.Errorf("%q holds %q, which doesn't show as it is", pattern, identity)
		case first[0] != '*' && !strings.HasPrefix(identity, first) || last[0] != '*' && !strings.HasSuffix(identity, last):
			t.Errorf("%q isn't anchored: it holds %q", pattern, identity)
		case !strings.Contains(pattern, "**") && (strings.Count(identity, "/") != strings.Count(pattern, "/") || strings.Count(identity, "@") != strings.Count(pattern, "@")):
			t.Errorf("%q holds %q, across a / or an @", pattern, identity)
		}
	})
}

// slowMatch tries everything, for short texts.
func slowMatch(tokens []string, rest, whole string) bool {
	if len(whole) > 60 {
		return IdentityPattern(strings.Join(tokens, "")).Match(whole)
	}
	if whole == rest && (Suspicious(whole) || climbs(whole)) {
		return false
	}
	if len(tokens) == 0 {
		return rest == ""
	}
	t := tokens[0]
	if t[0] != '*' {
		after, ok := strings.CutPrefix(rest, t)
		return ok && slowMatch(tokens[1:], after, whole)
	}
	for i, r := range rest {
		if r <= ' ' || len(t) == 1 && (r == '/' || r == '@') || !stands(r, true) {
			return false
		}
		if slowMatch(tokens[1:], rest[i+len(string(r)):], whole) {
			return true
		}
	}
	return false
}
