package session

import (
	"crypto/x509"

	"signboard/inventory"
)

// OIDC is the provider that people sign in with.
type OIDC struct {
	Issuer       string
	ClientID     string
	ClientSecret string // empty for a public client
	Scopes       []string
	// GroupsClaim is the claim that holds a person's groups: its name, or the
	// path to it with dots.
	GroupsClaim string
	Roles       map[inventory.Role][]string // groups that give a role; "*" is anyone who can sign in
	RootCAs     *x509.CertPool              // that vouch for the provider; nil for the system's
}
