package inventory

import (
	"fmt"
	"strings"
	"unicode"
)

// Visible rewrites the characters of an untrusted name that a reader can't see
// or that reorder what is around them (controls, line breaks, bidirectional
// marks, zero-width and other format characters, odd spaces) as ⟨U+202E⟩. The
// result is for showing only; identities are compared as they are.
func Visible(s string) string {
	if strings.IndexFunc(s, unseen) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unseen(r) {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unseen(r rune) bool {
	if r == ' ' {
		return false
	}
	return r == unicode.ReplacementChar || !unicode.IsPrint(r)
}

// Suspicious reports whether a name holds characters that Visible rewrites or
// mixes Latin letters with letters that look like them.
func Suspicious(s string) bool {
	latin, other := false, false
	for _, r := range s {
		switch {
		case unseen(r):
			return true
		case unicode.Is(unicode.Latin, r):
			latin = true
		case unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee):
			other = true
		}
	}
	return latin && other
}
