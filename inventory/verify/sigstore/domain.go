// Package sigstore keeps the roots of Sigstore instances: of each, its
// certificate authorities, logs and timestamp authorities, as one trust domain.
// Domains are never merged: with one domain's authority and another's log,
// something would verify that neither of them vouches for. It knows no
// signature; cosign's checker verifies with it.
package sigstore

import (
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/root"

	"signboard/inventory"
)

// Domain is one Sigstore instance as it is known at one moment. It never
// changes; news make another Domain.
type Domain struct {
	Name     string            // as configured
	Root     *root.TrustedRoot // nil while nothing is known of it
	Revision inventory.Digest  // of the trusted root's bytes; empty without one
	// Stale is set when the root should be newer than it is, or isn't there at
	// all: what it doesn't know may well exist by now.
	Stale bool
}

// ParseDomain reads a trusted_root.json (sigstore protobuf-specs,
// sigstore_trustroot.proto).
func ParseDomain(name string, raw []byte) (*Domain, error) {
	r, err := root.NewTrustedRootFromJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("the trusted root of %s can't be read: %w", name, err)
	}
	return &Domain{Name: name, Root: r, Revision: inventory.DigestOf(raw)}, nil
}
