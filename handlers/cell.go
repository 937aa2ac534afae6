package handlers

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// cell is text as a field of CSV holds it: as it is, but with nothing in it that a
// spreadsheet takes for a formula. One computes what begins with =, +, - or @, in
// full width too, or with a tab or a line break, and a name can be anything (OWASP,
// "CSV Injection"). An apostrophe goes
//
//   - before the field when it begins with one of these, whatever white space,
//     quotation marks and invisible characters come first;
//   - before such a character in the middle that follows a comma, a semicolon, a
//     tab or a line break: a spreadsheet that was told another separator than the
//     comma begins a new field there.
func cell(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return computes(r) || separates(r) }) < 0 {
		return s
	}
	var b strings.Builder
	before, fresh, first := "", true, true
	for i, r := range s {
		switch {
		case separates(r):
			if i == 0 && r != ',' && r != ';' {
				before = "'"
			}
			fresh, first = true, false
		case fresh && computes(r):
			if first {
				before = "'"
			} else {
				b.WriteByte('\'')
			}
			fresh = false
		case fresh && !skipped(r):
			fresh = false
		}
		_, size := utf8.DecodeRuneInString(s[i:]) // what isn't UTF-8 stays as it is, too
		b.WriteString(s[i : i+size])
	}
	return before + b.String()
}

// computes reports whether a formula can begin with the character.
func computes(r rune) bool {
	switch r {
	case '=', '+', '-', '@', '＝', '＋', '－', '＠':
		return true
	}
	return false
}

// separates reports whether a new field begins after the character, for some
// spreadsheet.
func separates(r rune) bool {
	switch r {
	case ',', ';', '\t', '\n', '\r':
		return true
	}
	return false
}

// skipped reports whether a spreadsheet may pass over the character at the
// beginning of a field.
func skipped(r rune) bool {
	return r == '"' || r == '\'' || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.IsControl(r)
}
