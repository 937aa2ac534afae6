package ui

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"signboard/inventory"
)

// Plural chooses the word for a number of things.
func Plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Count is a number with the word that fits it: "1 image", "2,140 images".
func Count(n int, one, many string) string { return Number(n) + " " + Plural(n, one, many) }

// Number groups the digits of n by three: 12,345.
func Number(n int) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Day is a date in UTC: 4 March 2026.
func Day(t time.Time) string { return t.UTC().Format("2 January 2006") }

// ShortName is what a line of text calls a signer: its name, made visible, cut
// in the middle when it is very long. The signer's page has all of it.
func ShortName(s inventory.Signer) string {
	name := s.Name
	if name == "" {
		name = string(s.ID)
	}
	return Middle(inventory.Visible(name), 96)
}

// Middle keeps both ends of a text of more than n characters, and more of the
// end, where identities differ.
func Middle(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n || n < 8 {
		return s
	}
	head := n / 3
	return string(runes[:head]) + "…" + string(runes[len(runes)-(n-head-1):])
}

// Anchor is a fragment identifier for a name that may hold anything.
func Anchor(kind, name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" && name != "" {
		return kind + "-" + name
	}
	return kind + "-x" + hex.EncodeToString([]byte(name))
}

// ShortID is a signer's id for a line of text: a key's digest by its ends,
// anything else by more of its end.
func ShortID(id inventory.SignerID) string {
	if rest, ok := strings.CutPrefix(string(id), "key:"); ok {
		return inventory.Visible(inventory.Digest(rest).Short())
	}
	return Middle(inventory.Visible(string(id)), 64)
}
