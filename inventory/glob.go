package inventory

import (
	"path"
	"strings"
)

// Glob is a pattern over slash-separated names: "*" and "?" stay inside one
// segment, "**" as a whole segment stands for any number of segments. It is
// always anchored at both ends.
type Glob string

// ParseGlob refuses patterns that could never match or that path.Match can't
// read.
func ParseGlob(s string) (Glob, error) {
	if s == "" {
		return "", Errorf(Invalid, "a repository pattern is empty: write ** for everything")
	}
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "" {
			return "", Errorf(Invalid, "%q is not a pattern: it has an empty segment", clip(s, 80))
		}
		if _, err := path.Match(segment, ""); err != nil {
			return "", Errorf(Invalid, "%q is not a pattern: %q can't be read", clip(s, 80), clip(segment, 80))
		}
		if segment != "**" && strings.Contains(segment, "**") {
			return "", Errorf(Invalid, "%q is not a pattern: ** has to stand alone between slashes", clip(s, 80))
		}
	}
	return Glob(s), nil
}

// Match reports whether the whole of name matches.
func (g Glob) Match(name string) bool {
	return matchSegments(strings.Split(string(g), "/"), strings.Split(name, "/"))
}

// matchSegments walks both sides once and, on a mismatch, goes back only to the
// last "**": len(pattern) × len(name) steps at the most.
func matchSegments(pattern, name []string) bool {
	p, n := 0, 0
	star, retry := -1, 0
	for n < len(name) {
		if p < len(pattern) && pattern[p] == "**" {
			star, retry = p, n
			p++
			continue
		}
		if p < len(pattern) {
			if ok, err := path.Match(pattern[p], name[n]); err == nil && ok {
				p++
				n++
				continue
			}
		}
		if star < 0 {
			return false
		}
		retry++
		p, n = star+1, retry
	}
	for p < len(pattern) && pattern[p] == "**" {
		p++
	}
	return p == len(pattern)
}

// MatchAny reports whether one of the patterns matches name.
func MatchAny(patterns []Glob, name string) bool {
	for _, g := range patterns {
		if g.Match(name) {
			return true
		}
	}
	return false
}

// ParseGlobs parses each pattern and names the first that is refused.
func ParseGlobs(patterns []string) ([]Glob, error) {
	globs := make([]Glob, 0, len(patterns))
	for _, s := range patterns {
		g, err := ParseGlob(strings.TrimSpace(s))
		if err != nil {
			return nil, err
		}
		globs = append(globs, g)
	}
	return globs, nil
}

// Wild reports whether the pattern is more than a plain name.
func (g Glob) Wild() bool { return strings.ContainsAny(string(g), `*?[\`) }
