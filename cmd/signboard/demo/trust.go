package demo

import (
	"slices"

	"signboard/inventory"
)

// TrustedRoot is the trusted_root.json of the demo's own Sigstore instance.
func (d *Demo) TrustedRoot() ([]byte, error) { return d.sigstore.trustedRoot("larkfield.example") }

// NotationCertificates is the organisation's certificate authority for
// Notation, in PEM form.
func (d *Demo) NotationCertificates() []byte { return encodePEM(d.notary.authority.certificate.Raw) }

// Identity is a signer without a key of its own, which the product gets to know
// when it verifies a signature, and what the reviewer decides about it then.
type Identity struct {
	ID     inventory.SignerID
	Scope  []string // globs over "registry/repository"
	Reason string
}

// Identities are those that the reviewer approves; the others wait.
func (d *Demo) Identities() []Identity {
	edge := identities[edgeWorkflow]
	return slices.Clone([]Identity{
		{
			ID: inventory.KeylessID(edge.issuer, edge.name()), Scope: []string{RegistryName + "/platform/**"},
			Reason: "The release workflow on main, behind two reviews (CHG-2252).",
		},
		{
			ID: d.notary.signer(), Scope: []string{RegistryName + "/partners/**"},
			Reason: "Issued by our own signing CA to the partner team (CHG-2260).",
		},
	})
}
