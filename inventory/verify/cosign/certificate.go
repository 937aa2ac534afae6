package cosign

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// claim is who a certificate says the signer is. Nothing vouches for it here.
type claim struct {
	certificate *x509.Certificate
	key         verify.Key
	identity    string // subject alternative name
	issuer      string // of the OpenID token, from Fulcio's extension
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
	p := &claim{certificate: c, key: key, identity: summary.SubjectAlternativeName, issuer: summary.Issuer}
	if n := len(c.URIs) + len(c.EmailAddresses); n > 1 {
		p.facts = append(p.facts, inventory.Fact{Name: "Further names", Value: fmt.Sprintf("%d names in all; only the first is shown", n)})
	}
	for _, f := range []inventory.Fact{
		{Name: "Issuer of the identity", Value: summary.Issuer},
		{Name: "Source repository", Value: summary.SourceRepositoryURI},
		{Name: "Source ref", Value: summary.SourceRepositoryRef},
		{Name: "Workflow", Value: summary.BuildConfigURI},
		{Name: "Run", Value: summary.RunInvocationURI},
	} {
		if f.Value != "" {
			f.Value = shown(f.Value)
			p.facts = append(p.facts, f)
		}
	}
	return p, nil
}

func (c *claim) link() inventory.Link {
	return inventory.Link{
		Role: inventory.RoleLeaf, Name: shown(c.identity), Fingerprint: string(inventory.DigestOf(c.certificate.Raw)),
		Issuer: shown(c.certificate.Issuer.String()), NotBefore: &c.certificate.NotBefore, NotAfter: &c.certificate.NotAfter,
		Facts: append([]inventory.Fact{{Name: "Algorithm", Value: c.key.Algorithm}}, c.facts...),
	}
}

// certificate reports a signature by its certificate: what it claims, and that
// nothing here can vouch for that.
func (x *exam) certificate(m material, holds func(verify.Key) (string, bool)) {
	if m.claimError != nil {
		x.end = inventory.Link{Role: inventory.RoleLeaf, Name: "Unreadable certificate"}
		x.Fail(verify.CheckCertificate, m.claimError.reason, m.claimError.message)
		x.Skip(verify.CheckSignature, "There is no usable certificate to check it with.")
		return
	}
	c := m.claim
	x.end = c.link()
	scheme, ok := holds(c.key)
	if !ok {
		x.Fail(verify.CheckSignature, inventory.ReasonSignatureMismatch, "The signature does not hold under the certificate that came with it.")
		x.Skip(verify.CheckCertificate, "The certificate is not this signature's.")
		return
	}
	x.scheme = scheme
	x.Pass(verify.CheckSignature, fmt.Sprintf("The signature holds under the certificate that came with it (%s). That alone proves nothing: anybody can make a certificate.", scheme))
	x.Skip(verify.CheckCertificate, "No root is configured here that could vouch for the certificate.")
	issuer := c.issuer
	if issuer == "" {
		issuer = "none named"
	}
	x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonRootUnknown,
		fmt.Sprintf("The signer claims to be %s (issuer %s); its root isn't known here.", shown(c.identity), shown(issuer)))
}
