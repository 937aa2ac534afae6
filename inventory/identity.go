package inventory

import (
	"strings"
	"unicode"
)

// IdentityPattern widens an approval of one keyless identity to others of the
// same issuer: it is compared with the name in the certificate, whole and byte
// for byte, and the issuer is always the approved signer's own. "*" stands for
// one character or more, none of which is "/", "@" or a space; "**" may hold "/"
// and "@" as well. Both hold letters, digits and plain punctuation only. An
// empty pattern means the one identity and nothing else.
type IdentityPattern string

const (
	maxIdentityPattern = 1000 // bytes
	maxWildcards       = 6
)

// ParseIdentityPattern refuses what could not be read by a person, or would be
// read as something else than it is.
func ParseIdentityPattern(s string) (IdentityPattern, error) {
	wildcards := 0
	for _, t := range identityTokens(s) {
		if t[0] != '*' {
			continue
		}
		if len(t) > 2 {
			return "", Errorf(Invalid, "%q is not a pattern of identities: write * for a part of a name and ** for any depth.", clip(Visible(s), 80))
		}
		wildcards++
	}
	switch {
	case s == "":
		return "", Errorf(Invalid, "A pattern of identities is empty.")
	case len(s) > maxIdentityPattern:
		return "", Errorf(Invalid, "A pattern of identities may have up to %d characters.", maxIdentityPattern)
	case Suspicious(s) || strings.ContainsFunc(s, unicode.IsSpace):
		return "", Errorf(Invalid, "The pattern of identities %q holds characters that don't show, or letters that look like others.", clip(Visible(s), 80))
	case wildcards == 0:
		return "", Errorf(Invalid, "%q has no *: leave the pattern out to approve one identity.", clip(s, 80))
	case wildcards > maxWildcards:
		return "", Errorf(Invalid, "A pattern of identities may have up to %d wildcards.", maxWildcards)
	}
	return IdentityPattern(s), nil
}

// identityTokens cuts a pattern into what is compared as it is and what is "*".
func identityTokens(s string) []string {
	var list []string
	for s != "" {
		star := s[0] == '*'
		end := strings.IndexFunc(s, func(r rune) bool { return r == '*' != star })
		if end < 0 {
			end = len(s)
		}
		list = append(list, s[:end])
		s = s[end:]
	}
	return list
}

// Match reports whether the whole of an identity matches. One with characters
// that don't show or that look like others matches nothing, and neither does one
// that goes up a path.
func (p IdentityPattern) Match(identity string) bool {
	tokens := identityTokens(string(p))
	if len(tokens) == 0 || Suspicious(identity) || climbs(identity) {
		return false
	}
	// at holds where in the identity what was matched so far may end. No more
	// than tokens × length steps are needed, whatever the pattern.
	at := make([]bool, len(identity)+1)
	at[0] = true
	for _, t := range tokens {
		next := make([]bool, len(at))
		if t[0] == '*' {
			open := false
			for i, r := range identity {
				open = (open || at[i]) && stands(r, len(t) > 1)
				if open {
					next[i+len(string(r))] = true
				}
			}
		} else {
			for i := 0; i+len(t) <= len(identity); i++ {
				if at[i] && identity[i:i+len(t)] == t {
					next[i+len(t)] = true
				}
			}
		}
		at = next
	}
	return at[len(identity)]
}

// stands reports whether a wildcard may stand for a character.
func stands(r rune, deep bool) bool {
	if r == '/' || r == '@' {
		return deep
	}
	return r > ' ' && r <= '~' || r > '~' && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// climbs reports whether one of the parts of a path is "." or "..".
func climbs(identity string) bool {
	for part := range strings.FieldsFuncSeq(identity, func(r rune) bool { return r == '/' || r == '@' }) {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// Identity takes a keyless signer's id apart: who vouched, and for which name.
// It is not ok for other kinds.
func (id SignerID) Identity() (issuer, name string, ok bool) {
	rest, ok := strings.CutPrefix(string(id), string(KeylessSigner)+":")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "|") // there is none in an issuer
}

// Matches reports whether the decision's pattern holds a signer: a keyless one,
// of the issuer of the signer that the decision is about.
func (d Decision) Matches(id SignerID) bool {
	if d.Identities == "" {
		return false
	}
	own, _, ok := d.Signer.Identity()
	issuer, name, also := id.Identity()
	return ok && also && own == issuer && d.Identities.Match(name)
}

// Lends reports whether the decision is about another signer than id, and
// counts for id by its pattern.
func (d Decision) Lends(id SignerID) bool { return d.Identities != "" && d.Signer != id }
