// Package ui holds the parts that pages are built from: the frame around every
// page, the status badge, digests, names, times, the trust chain and the
// charts. It shows what it is given; it decides nothing, reads no clock and
// knows no address but the product's own.
package ui

import (
	"time"

	"signboard/inventory"
)

// Frame is what every page shows around its own content. Handlers fill it from
// the request; everything that depends on the clock or the person comes in
// here.
type Frame struct {
	Title string // of the page, without the product's name
	Path  string // the request's path and query: marks the place in the menu, is printed, and is where the theme form returns
	Now   time.Time

	Actor      inventory.Actor // zero: nobody is signed in
	Teams      []string        // that the person belongs to, in order
	SignInURL  string          // where to sign in; empty hides the link
	SignOutURL string          // POST ends the session; empty hides the button

	Theme Theme  // as saved in the cookie
	Demo  bool   // shows the ribbon that says this is a demo
	Flash *Flash // what the last form came to; nil for nothing
	// Notice is a standing warning over every page ("the clock is a day off");
	// empty for none.
	Notice string

	// Refresh has a browser without JavaScript load the page again after so long;
	// 0 is never.
	Refresh time.Duration

	// Reevaluation is what is left of judging images again: counts lag until it is
	// done.
	Reevaluation inventory.Reevaluation

	LastSync *time.Time // the last complete sync of any registry; nil: never
	Inbox    int        // signers that wait for a decision: the number in the menu
	Version  string     // of the program, for the foot of the page
}

// Theme is the person's choice of colours.
type Theme string

const (
	ThemeAuto  Theme = "auto" // as the device says; also what an empty or unknown value means
	ThemeLight Theme = "light"
	ThemeDark  Theme = "dark"
)

// ParseTheme accepts light, dark and auto; anything else is auto.
func ParseTheme(s string) Theme {
	if t := Theme(s); t == ThemeLight || t == ThemeDark {
		return t
	}
	return ThemeAuto
}

// Flash is one sentence about what the last form came to.
type Flash struct {
	Problem bool // it did not work
	Message string
}
