package inventory

import (
	"strings"
	"unicode"
)

// skeleton is what a text looks like: two with the same one can be taken for each
// other. It follows the idea of UTS #39, section 4, for the letters that matter
// here: those of Visible and Suspicious, full-width and mathematical forms, and
// pairs of Latin letters that run together. Case makes no difference; hosts and
// the owners of repositories have none.
func skeleton(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] < 0x80
	}
	if !plain {
		s = strings.Map(likeLatin, s)
	}
	s = strings.Map(func(r rune) rune {
		switch r {
		case 'i', 'I', '1', '|':
			return 'l'
		case '0':
			return 'o'
		}
		return unicode.ToLower(r)
	}, s)
	return runTogether.Replace(s)
}

var runTogether = strings.NewReplacer("rn", "m", "vv", "w")

// likeLatin is the ASCII character that one looks like, -1 for one that nobody
// sees, and otherwise itself.
func likeLatin(r rune) rune {
	switch {
	case r < 0x80:
		return r
	case r >= 0xFF01 && r <= 0xFF5E: // full width
		return r - 0xFF01 + '!'
	case r >= 0x1D400 && r < 0x1D6A4: // mathematical letters, in alphabets of 52
		if n := (r - 0x1D400) % 52; n < 26 {
			return 'A' + n
		} else {
			return 'a' + n - 26
		}
	case r >= 0x1D7CE && r <= 0x1D7FF:
		return '0' + (r-0x1D7CE)%10
	case unicode.Is(unicode.Mn, r) || unseen(r) && !unicode.IsSpace(r):
		return -1
	case unicode.IsSpace(r):
		return ' '
	}
	if latin, ok := latinOf[r]; ok {
		return latin
	}
	return r
}

// latinOf is made of two rows for each script: the letters, and what they look
// like.
var latinOf = func() map[rune]rune {
	all := map[rune]rune{}
	for _, rows := range [][2]string{
		{"авсԁеһіјкӏморԛгѕтуѵԝхүАВСЕНІЈКМОРЅТУХѴԌ", "abcdehijklmopqrstyvwxyABCEHIJKMOPSTYXVG"}, // Cyrillic
		{"αβγικνορτυχωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abyikvoptuxwABEZHIKMNOPTYX"},                           // Greek
		{"օսհոցյզքՕՍԼ", "ouhngjqfOUL"},             // Armenian
		{"ᎪᏴᏟᎠᎬᏀᎻᎫᏦᏞᎷᏢᏚᎢᏙᎳᏃ", "ABCDEGHJKLMPSTVWZ"}, // Cherokee
		{"ıɑɡɩǀſ", "iagilf"},                       // Latin
		{"‐‑‒–—―−﹘․⁄∕", "--------.//"},
	} {
		like := []rune(rows[1])
		for i, r := range []rune(rows[0]) {
			all[r] = like[i]
		}
	}
	return all
}()
