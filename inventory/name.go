package inventory

import "strings"

// Names are looked at for each request that goes out and each tag that a
// registry lists, which is too often for regular expressions; the tests have
// those.

// ValidRepository reports whether a registry could be asked for a repository of
// this name: it follows the grammar (distribution specification, "Pulling
// manifests"), and has at most 255 bytes.
func ValidRepository(name string) bool {
	if len(name) > 255 {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if !validPart(part) {
			return false
		}
	}
	return true
}

// validPart takes words of small letters and digits with a dot, one or two
// underscores or any number of dashes between them.
func validPart(s string) bool {
	for {
		word := 0
		for word < len(s) && (isLower(s[word]) || isDigit(s[word])) {
			word++
		}
		if word == 0 || word == len(s) {
			return word > 0
		}
		s = s[word:]
		switch {
		case s[0] == '.':
			s = s[1:]
		case s[0] == '_':
			s = strings.TrimPrefix(s[1:], "_")
		case s[0] == '-':
			s = strings.TrimLeft(s, "-")
		default:
			return false
		}
	}
}

// ValidTag reports whether a tag follows the grammar (distribution
// specification, "Pulling manifests"). What doesn't can't be asked for.
func ValidTag(tag string) bool {
	if tag == "" || len(tag) > 128 || tag[0] == '.' || tag[0] == '-' {
		return false
	}
	for i := range len(tag) {
		switch c := tag[i]; {
		case isLower(c), isDigit(c), c >= 'A' && c <= 'Z', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}

// CompanionTag reports whether a tag looks like those that carry signatures and
// other attachments rather than images: cosign's sha256-<hex>.sig, .att and
// .sbom, and the OCI referrers tag schema's bare sha256-<hex>.
func CompanionTag(tag string) bool {
	rest, ok := strings.CutPrefix(tag, "sha256-")
	digits := 64
	if !ok {
		if rest, ok = strings.CutPrefix(tag, "sha512-"); !ok {
			return false
		}
		digits = 128
	}
	if len(rest) < digits || !isHex(rest[:digits]) {
		return false
	}
	suffix := rest[digits:]
	if suffix == "" {
		return true
	}
	for i := 1; i < len(suffix); i++ {
		if !isLower(suffix[i]) {
			return false
		}
	}
	return suffix[0] == '.' && len(suffix) > 1
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}
