package demo

import (
	"fmt"
	"time"

	"github.com/sigstore/sigstore-go/pkg/sign"

	"signboard/inventory"
)

// Key is a public key that the organisation registers, and what its reviewer
// decided about it.
type Key struct {
	Name     string
	PEM      []byte             // SubjectPublicKeyInfo, as `cosign public-key` prints it
	Standing inventory.Standing // approved, pending or revoked
	// Scope are globs over "registry/repository": what the approval covers, or
	// covered before it was revoked. Empty for a pending key.
	Scope []string
	// Reason is what the reviewer wrote when approving; empty for a pending key.
	Reason string
	// RevokeReason is what the reviewer wrote when revoking; only for a revoked
	// key, which was approved first.
	RevokeReason string
	// Lasts is how long the approval lasts from now; 0 is until it is revoked.
	Lasts time.Duration
}

// Names of the signers. The last two are keys that nobody registers.
const (
	paymentsKey   = "payments release pipeline"
	platformKey   = "platform release pipeline"
	storefrontKey = "storefront CI"
	dataKey       = "data platform release"
	rotatedKey    = "storefront CI (new key)"
	legacyKey     = "platform build server (old)"
	contractorKey = "a contractor's laptop"
	unknownKey    = "somebody else's key"
)

var registered = []Key{
	{
		Name: paymentsKey, Standing: inventory.Approved, Scope: []string{RegistryName + "/payments/**"},
		Reason: "Fingerprint read out by Priya Raman and compared with the pipeline's own page (CHG-2207).",
	},
	{
		Name: platformKey, Standing: inventory.Approved, Scope: []string{RegistryName + "/platform/**"},
		Reason: "Key lives in the platform team's hardware module; ceremony protocol is CHG-2188.",
	},
	{
		Name: storefrontKey, Standing: inventory.Approved, Scope: []string{RegistryName + "/storefront/**"},
		Reason: "Storefront's CI key, compared in person with its maintainer (CHG-2231).",
	},
	{
		Name: dataKey, Standing: inventory.Approved, Scope: []string{RegistryName + "/data/**"}, Lasts: 12 * 24 * time.Hour,
		Reason: "For the quarter only: the data team moves to a key in the hardware module next (CHG-2240).",
	},
	{Name: rotatedKey, Standing: inventory.Pending},
	{
		Name: legacyKey, Standing: inventory.Revoked, Scope: []string{RegistryName + "/platform/**"},
		Reason:       "The build server's key, taken over from the old register (CHG-1702).",
		RevokeReason: "The server was found reachable from the guest network; its key counts as exposed (INC-341).",
	},
}

// Keys are the keys to register, in order. The keys themselves are new at every
// start.
func (d *Demo) Keys() []Key {
	keys := make([]Key, 0, len(registered))
	for _, k := range registered {
		k.PEM = []byte(d.keys.pem[k.Name])
		k.Scope = append([]string(nil), k.Scope...)
		keys = append(keys, k)
	}
	return keys
}

// keyring holds every signer's key pair by the signer's name.
type keyring struct {
	pair map[string]*sign.EphemeralKeypair
	pem  map[string]string
}

// newKeyring makes P-256 keys, the kind `cosign generate-key-pair` makes.
func newKeyring() (*keyring, error) {
	ring := &keyring{pair: map[string]*sign.EphemeralKeypair{}, pem: map[string]string{}}
	for _, name := range []string{paymentsKey, platformKey, storefrontKey, dataKey, rotatedKey, legacyKey, contractorKey, unknownKey} {
		pair, err := sign.NewEphemeralKeypair(nil)
		if err != nil {
			return nil, fmt.Errorf("making the key %q: %w", name, err)
		}
		public, err := pair.GetPublicKeyPem()
		if err != nil {
			return nil, fmt.Errorf("encoding the key %q: %w", name, err)
		}
		ring.pair[name], ring.pem[name] = pair, public
	}
	return ring, nil
}
