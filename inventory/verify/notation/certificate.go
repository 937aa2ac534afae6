package notation

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	nx509 "github.com/notaryproject/notation-core-go/x509"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// maxChain is how many certificates a chain may have. Checking one costs as
// much as checking a signature does.
const maxChain = 10

// improper says what is wrong with a chain beyond what notation-core-go looks
// for; empty when nothing is. Every key of the chain has to be strong, since a
// forged intermediate is as good as a forged leaf, and of a size that is no
// attack on whoever checks it. A leaf for any use is refused, as the
// specification has it (signature specification, "Certificate Requirements").
func improper(chain []*x509.Certificate) string {
	if len(chain) > maxChain {
		return fmt.Sprintf("The chain has %d certificates; %d is the most that are looked at.", len(chain), maxChain)
	}
	for _, c := range chain {
		if _, err := verify.NewKey("", c.PublicKey); err != nil {
			return fmt.Sprintf("The certificate of %s can't be used: %s", distinguished(c.Subject), message(err))
		}
	}
	if slices.Contains(chain[0].ExtKeyUsage, x509.ExtKeyUsageAny) {
		return "The signing certificate is for any use; one for signing code was expected."
	}
	return ""
}

// unfit says why the library won't have a chain for signing, whatever its root;
// empty when it will.
func unfit(chain []*x509.Certificate) string {
	if err := nx509.ValidateCodeSigningCertChain(chain, nil); err != nil {
		return "The certificates don't make a chain that is fit for signing: " + shown(err.Error()) + "."
	}
	return ""
}

// nameless says why a certificate can't tell one signer from another.
func nameless(leaf *x509.Certificate) string {
	switch dn := leaf.Subject.String(); {
	case dn == "":
		return "The signing certificate names nobody: its subject is empty."
	case !utf8.ValidString(dn):
		return "The subject of the signing certificate isn't readable text."
	}
	return ""
}

// signerOf is the identity behind a chain, as a trust anchor vouches for it.
func signerOf(chain []*x509.Certificate, anchor *x509.Certificate, store *Store, scheme string) *inventory.Signer {
	leaf, root := chain[0], inventory.DigestOf(anchor.Raw)
	return &inventory.Signer{
		ID: inventory.X509ID(root, leaf.Subject.String()), Kind: inventory.X509Signer, Name: common(leaf.Subject),
		Facts: []inventory.Fact{
			{Name: "Subject", Value: distinguished(leaf.Subject)},
			{Name: "Issuer", Value: distinguished(leaf.Issuer)},
			{Name: "Serial", Value: serial(leaf)},
			{Name: "Valid", Value: validity(leaf)},
			{Name: "Algorithm", Value: algorithm(leaf)},
			{Name: "Trust anchor", Value: distinguished(anchor.Subject)},
			{Name: "Trust anchor's fingerprint", Value: string(root)},
			{Name: "Trust store", Value: shown(store.Name)},
			{Name: "Scheme", Value: scheme},
		},
	}
}

// links are the certificates as elements of a trust chain, leaf first.
func links(chain []*x509.Certificate) []inventory.Link {
	list := make([]inventory.Link, len(chain))
	for i, c := range chain {
		role := inventory.RoleIntermediate
		switch i {
		case 0:
			role = inventory.RoleLeaf
		case len(chain) - 1:
			role = inventory.RoleRoot
		}
		list[i] = inventory.Link{Role: role, Name: common(c.Subject), Fingerprint: string(inventory.DigestOf(c.Raw)),
			Issuer: distinguished(c.Issuer), NotBefore: &c.NotBefore, NotAfter: &c.NotAfter,
			Facts: []inventory.Fact{
				{Name: "Subject", Value: distinguished(c.Subject)},
				{Name: "Serial", Value: serial(c)},
				{Name: "Algorithm", Value: algorithm(c)},
			}}
	}
	return list
}

// distinguished is a distinguished name (RFC 4514) for showing.
func distinguished(n pkix.Name) string { return shown(n.String()) }

// common is what a person would call the holder of a certificate.
func common(n pkix.Name) string {
	if n.CommonName != "" {
		return shown(n.CommonName)
	}
	return distinguished(n)
}

func serial(c *x509.Certificate) string { return shown(c.SerialNumber.Text(16)) }

func validity(c *x509.Certificate) string {
	return day(c.NotBefore) + " to " + day(c.NotAfter)
}

func algorithm(c *x509.Certificate) string {
	k, err := verify.NewKey("", c.PublicKey)
	if err != nil {
		return "not supported"
	}
	return k.Algorithm
}

// day and moment are how a time stands in a sentence.
func day(t time.Time) string    { return t.UTC().Format("2 January 2006") }
func moment(t time.Time) string { return t.UTC().Format("2 January 2006 15:04:05 UTC") }
