package inventory

import "time"

// Session is one browser in which somebody is signed in.
type Session struct {
	ID      string   // sha256 of the token in the browser's cookie, in hexadecimal
	Subject string   // issuer|sub
	Name    string   // as the provider gave it last
	Groups  []string // likewise
	Data    []byte   // what is left for the next page
	Sealed  string   // the provider's tokens, which only the browser's cookie opens; may be empty

	CreatedAt  time.Time  // when somebody signed in
	LastSeenAt time.Time  // to about a minute
	ExpiresAt  time.Time  // unless it is used before
	RenewAt    *time.Time // when the provider is asked about the groups again; nil: never

	Address string // where it was used last from
	Agent   string // what the browser calls itself, cut
}

// MaxSessions is how many sessions one person has at most. One more ends the one
// that wasn't used for the longest.
const MaxSessions = 100

// Account is what somebody may know of how they are signed in.
type Account struct {
	Issuer   string    // who vouches for them; empty where nobody signs in
	By       string    // the group that gives their role; "*" is anybody who can sign in
	This     Session   // the session that asks
	Sessions []Session // all of theirs, the one used last first
}
