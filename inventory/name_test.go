package inventory

import (
	"regexp"
	"strings"
	"testing"
)

// The grammars as they are written down (distribution specification, "Pulling
// manifests"; the last two are this program's).
var (
	repositoryGrammar = regexp.MustCompile(`\A[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*\z`)
	tagGrammar        = regexp.MustCompile(`\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\z`)
	companionGrammar  = regexp.MustCompile(`\Asha(256-[0-9a-f]{64}|512-[0-9a-f]{128})(\.[a-z]+)?\z`)
	digestGrammar     = regexp.MustCompile(`\A(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\z`)
)

func FuzzNames(f *testing.F) {
	hexed := strings.Repeat("0a", 64)
	for _, s := range []string{
		"", "a", "library/nginx", "a.b_c__d-e---f/0", "a..b", "a___b", "a_", "-a", "a/", "/a", "a//b", "A/b", "ä", "a.-b", "a b", "a\n",
		"v1", "_v", ".v", "-v", "v\n", "V1.2_3-4", strings.Repeat("a", 128), strings.Repeat("a", 129), strings.Repeat("a", 256), "v:1", "ſ",
		"sha256-" + hexed[:64], "sha256-" + hexed[:64] + ".sig", "sha256-" + hexed[:64] + ".", "sha256-" + hexed[:64] + ".s1g", "sha256-" + hexed[:64] + "sig",
		"sha256-" + hexed[:63], "sha256-" + hexed[:65], "sha512-" + hexed + ".att", "sha512-" + hexed[:64], "sha256-" + strings.ToUpper(hexed[:64]),
		"sha256:" + hexed[:64], "sha512:" + hexed, "sha256:" + hexed, "sha1:" + hexed[:40], "sha256:" + hexed[:63] + "g", "sha256" + hexed[:64],
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := ParseDigest(s)
		for name, c := range map[string]struct{ got, want bool }{
			"repository": {ValidRepository(s), len(s) <= 255 && repositoryGrammar.MatchString(s)},
			"tag":        {ValidTag(s), tagGrammar.MatchString(s)},
			"companion":  {CompanionTag(s), companionGrammar.MatchString(s)},
			"digest":     {err == nil, digestGrammar.MatchString(s)},
		} {
			if c.got != c.want {
				t.Errorf("%q is a %s: %v, want %v", s, name, c.got, c.want)
			}
		}
	})
}
