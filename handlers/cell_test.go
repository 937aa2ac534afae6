package handlers

import (
	"strings"
	"testing"
	"unicode"
)

func TestCell_letsNoFormulaThrough(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"local/pay/api":             "local/pay/api",
		"v1.2-rc+build@x=y":         "v1.2-rc+build@x=y",
		"=1+1":                      "'=1+1",
		"+1":                        "'+1",
		"-1":                        "'-1",
		"@SUM(A1)":                  "'@SUM(A1)",
		"＝1＋1":                      "'＝1＋1",
		"＋1":                        "'＋1",
		"－1":                        "'－1",
		"＠x":                        "'＠x",
		"\t=1":                      "'\t'=1",
		"\tx":                       "'\tx",
		"\rx":                       "'\rx",
		"\nx":                       "'\nx",
		"  =1":                      "'  =1",
		"\u00a0=1":                  "'\u00a0=1",
		"\ufeff=1":                  "'\ufeff=1",
		"\u200b\u202e=1":            "'\u200b\u202e=1",
		`"=1"`:                      `'"=1"`,
		"'=1":                       "''=1",
		"\x00=1":                    "'\x00=1",
		"a;=cmd|'/c calc'!A1":       "a;'=cmd|'/c calc'!A1",
		"a, =1":                     "a, '=1",
		"a\n@x":                     "a\n'@x",
		`a;"=1"`:                    `a;"'=1"`,
		";=1":                       ";'=1",
		"a; b=1; c":                 "a; b=1; c",
		"café = ☕":                  "café = ☕",
		"\xff\xfe=":                 "\xff\xfe=",
		"<script>alert(1)</script>": "<script>alert(1)</script>",
	} {
		if got := cell(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// Whatever the text: it comes back when the apostrophes that were put in are taken
// out, and no field of it, however it is cut, begins as a formula does.
func FuzzCell(f *testing.F) {
	for _, s := range []string{"=1", "a;=1", "\t-x", "＝", "\xff,+", "'@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := cell(s)
		if strings.ReplaceAll(out, "'", "") != strings.ReplaceAll(s, "'", "") {
			t.Fatalf("%q becomes %q", s, out)
		}
		if out != "" && strings.ContainsRune("\t\r\n", rune(out[0])) {
			t.Fatalf("%q begins with a break", out)
		}
		for field := range strings.FieldsFuncSeq(out, func(r rune) bool { return strings.ContainsRune(",;\t\r\n", r) }) {
			field = strings.TrimLeftFunc(field, func(r rune) bool {
				return r == '"' || unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
			})
			for _, sign := range []string{"=", "+", "-", "@", "＝", "＋", "－", "＠"} {
				if strings.HasPrefix(field, sign) {
					t.Fatalf("%q holds the field %q", out, field)
				}
			}
		}
	})
}
