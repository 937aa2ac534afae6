package cosign

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// claim is who a certificate says the signer is. Only a domain that vouches for
// the certificate makes more of it than a claim.
type claim struct {
	certificate *x509.Certificate
	key         verify.Key
	identity    string // subject alternative name
	kind        string // of name that is: what it stands as in the certificate
	issuer      string // of the OpenID token, from Fulcio's extension
	issuers     int    // different ones that are named
	further     string // says so where it has more names than one
	facts       []inventory.Fact
}

// claimError is why a certificate can't be one, whatever its root.
type claimError struct {
	reason  inventory.Reason
	message string
}

// parseClaimPEM reads a certificate annotation.
func parseClaimPEM(text []byte) (*claim, *claimError) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, &claimError{inventory.ReasonCertificateInvalid, "The certificate that came with the signature can't be read."}
	case block.Type != "CERTIFICATE":
		return nil, &claimError{inventory.ReasonCertificateInvalid, "Something else stands where a certificate should be: " + shown(block.Type) + "."}
	}
	return parseClaim(block.Bytes)
}

// parseClaim checks what needs no root: that it is a certificate for signing
// code, with a key that can be used, and with an identity where Fulcio's
// certificate specification puts one.
func parseClaim(der []byte) (*claim, *claimError) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		message := "The certificate that came with the signature can't be read."
		if _, bare := x509.ParsePKIXPublicKey(der); bare == nil {
			message = "A bare public key stands where a certificate should be."
		}
		return nil, &claimError{inventory.ReasonCertificateInvalid, message}
	}
	key, err := verify.NewKey("", c.PublicKey)
	if err != nil {
		return nil, &claimError{inventory.ReasonCertificateInvalid, "The certificate holds a key of a kind or size that isn't supported."}
	}
	if !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) {
		return nil, &claimError{inventory.ReasonCertificateInvalid, "The certificate is not for signing code."}
	}
	summary, err := certificate.SummarizeCertificate(c)
	if err != nil {
		return nil, &claimError{inventory.ReasonIdentityMalformed, "The certificate names no identity where one should be."}
	}
	p := &claim{certificate: c, key: key, identity: summary.SubjectAlternativeName, issuer: summary.Issuer, issuers: issuers(c)}
	names := len(c.URIs) + len(c.EmailAddresses) + len(c.DNSNames) + len(c.IPAddresses)
	switch {
	case len(c.URIs) > 0:
		p.kind = "URI"
	case len(c.EmailAddresses) > 0:
		p.kind = "e-mail address"
	default:
		p.kind = "other name"
		names++
	}
	if names > 1 {
		p.further = fmt.Sprintf("%d names in all; only the first is the signer's", names)
	}
	for _, f := range []inventory.Fact{
		{Name: "Identity", Value: p.identity},
		{Name: "Kind of identity", Value: p.kind},
		{Name: "Further names", Value: p.further},
		{Name: "Issuer of the identity", Value: summary.Issuer},
		{Name: "Source repository", Value: summary.SourceRepositoryURI},
		{Name: "Source ref", Value: summary.SourceRepositoryRef},
		{Name: "Commit", Value: summary.SourceRepositoryDigest},
		{Name: "Workflow", Value: summary.BuildConfigURI},
		{Name: "Reusable workflow", Value: different(summary.BuildSignerURI, summary.BuildConfigURI)},
		{Name: "Trigger", Value: summary.BuildTrigger},
		{Name: "Run", Value: summary.RunInvocationURI},
		{Name: "Runner", Value: summary.RunnerEnvironment},
		{Name: "Visibility of the source", Value: summary.SourceRepositoryVisibilityAtSigning},
	} {
		if f.Value != "" {
			f.Value = shown(f.Value)
			p.facts = append(p.facts, f)
		}
	}
	return p, nil
}

func different(a, b string) string {
	if a == b {
		return ""
	}
	return a
}

// Fulcio's extensions for the issuer, the old one as it is and the new one as a
// DER string (Fulcio, oid-info.md).
var (
	oidIssuer   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1} // all that old certificates have
	oidIssuerV2 = certificate.OIDIssuerV2
)

// issuers counts the different issuers that a certificate names.
func issuers(c *x509.Certificate) int {
	seen := map[string]bool{}
	for _, e := range c.Extensions {
		switch {
		case e.Id.Equal(oidIssuer):
			seen[string(e.Value)] = true
		case e.Id.Equal(oidIssuerV2):
			var s string
			if certificate.ParseDERString(e.Value, &s) == nil {
				seen[s] = true
			}
		}
	}
	return len(seen)
}

// unfit says why an identity can't be a signer's, although a domain vouches for
// the certificate. What is refused couldn't be told apart from another signer's,
// or not be kept.
func (c *claim) unfit() string {
	const most = 16 << 10
	switch {
	case c.issuer == "":
		return "The certificate names no issuer who vouched for the identity."
	case c.issuers > 1:
		return "The certificate names several issuers who are to have vouched for the identity."
	case strings.ContainsAny(c.issuer, "|") || strings.ContainsRune(c.issuer+c.identity, 0) || !utf8.ValidString(c.issuer) || !utf8.ValidString(c.identity):
		return "The certificate's identity or its issuer holds characters that can't be in one."
	case len(c.issuer)+len(c.identity) > most:
		return fmt.Sprintf("The certificate's identity and issuer are %d bytes long; %d are the most that is taken.", len(c.issuer)+len(c.identity), most)
	}
	return ""
}

// signer is the identity, once a domain vouches for it.
func (c *claim) signer() inventory.Signer {
	return inventory.Signer{ID: inventory.KeylessID(c.issuer, c.identity), Kind: inventory.KeylessSigner, Name: shown(c.identity), Facts: c.facts}
}

// parseIntermediates reads the certificates that came along with a leaf: those
// that issue others and aren't their own issuer. They may stand between the leaf
// and a known root, and never in its place.
func parseIntermediates(text []byte) []*x509.Certificate {
	const most = 8
	var list []*x509.Certificate
	for len(list) < most {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && c.IsCA && !bytes.Equal(c.RawIssuer, c.RawSubject) {
			list = append(list, c)
		}
	}
	return list
}

func (c *claim) link() inventory.Link {
	return inventory.Link{
		Role: inventory.RoleLeaf, Name: shown(c.identity), Fingerprint: string(inventory.DigestOf(c.certificate.Raw)),
		Issuer: shown(c.certificate.Issuer.String()), NotBefore: &c.certificate.NotBefore, NotAfter: &c.certificate.NotAfter,
		Facts: append([]inventory.Fact{{Name: "Algorithm", Value: c.key.Algorithm}}, c.facts...),
	}
}
