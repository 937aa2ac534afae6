package inventory

import (
	"strings"
	"testing"
	"time"
)

func TestGlob_isAnchored(t *testing.T) {
	for _, test := range []struct {
		glob  Glob
		name  string
		match bool
	}{
		{"**", "a", true},
		{"**", "a/b/c", true},
		{"*", "a", true},
		{"*", "a/b", false},
		{"a", "a", true},
		{"a", "ab", false},
		{"a", "xa", false},
		{"a/**", "a/b", true},
		{"a/**", "a/b/c", true},
		{"a/**", "ab/c", false},
		{"a/*/c", "a/b/c", true},
		{"a/*/c", "a/b/b/c", false},
		{"a/**/c", "a/c", true},
		{"a/**/c", "a/b/b/c", true},
		{"a/**/c", "a/b/b/cc", false},
		{"**/c", "a/b/c", true},
		{"**/c", "a/b/cd", false},
		{"**/b/**", "a/b/c", true},
		{"**/b/**", "a/c/d", false},
		{"local/team-*/api", "local/team-a/api", true},
		{"local/team-*/api", "local/team-a/x/api", false},
		{"a?", "ab", true},
		{"a?", "a/", false},
		{"[ab]", "b", true},
	} {
		if got := test.glob.Match(test.name); got != test.match {
			t.Errorf("%q matches %q: %v", test.glob, test.name, got)
		}
	}
}

func TestGlob_costsLittleHoweverItIsWritten(t *testing.T) {
	g := Glob(strings.Repeat("**/a/", 60) + "b")
	start := time.Now()
	if g.Match(strings.Repeat("a/", 200) + "c") {
		t.Error("it matches")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("one match took %s", took)
	}
}

func TestParseGlob_refuses(t *testing.T) {
	for _, s := range []string{"", "/a", "a/", "a//b", "[", "a/[b", "a**", "**a/b", `a\`} {
		if g, err := ParseGlob(s); err == nil {
			t.Errorf("%q was accepted as %q", s, g)
		}
	}
}
