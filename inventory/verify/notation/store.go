package notation

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
)

// The kinds of trust stores (trust store specification, "Trust Store").
const (
	TypeCA               = "ca"               // vouches for signers, scheme notary.x509
	TypeSigningAuthority = "signingAuthority" // vouches for signers and their time, scheme notary.x509.signingAuthority
	TypeTSA              = "tsa"              // vouches for countersignatures
)

var types = []string{TypeCA, TypeSigningAuthority, TypeTSA}

// Store is a named set of certificates that are relied on for one purpose.
type Store struct {
	Name         string
	Type         string
	Certificates []*x509.Certificate
	Source       string // where they were read from, for a person; may be empty
}

// ParseStore reads a trust store from PEM, or from DER. Every certificate has
// to be a certificate authority's or signed by itself, and in a tsa store both:
// what notation demands of its own trust stores. An error is an
// inventory.Error that says what was expected.
func ParseStore(name, kind string, text []byte) (Store, error) {
	s := Store{Name: name, Type: kind}
	if name == "" {
		return Store{}, inventory.Errorf(inventory.Invalid, "A trust store needs a name.")
	}
	if !slices.Contains(types, kind) {
		return Store{}, inventory.Errorf(inventory.Invalid, "The trust store %s has the type %q: use ca, signingAuthority or tsa.", shown(name), shown(kind))
	}
	var err error
	if s.Certificates, err = parseCertificates(text); err != nil {
		return Store{}, &inventory.Error{Kind: inventory.Invalid, Message: fmt.Sprintf("The trust store %s can't be read: %s", shown(name), message(err)), Err: err}
	}
	for _, c := range s.Certificates {
		self := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
		switch root := c.CheckSignatureFrom(c) == nil && bytes.Equal(c.RawSubject, c.RawIssuer); {
		case kind == TypeTSA && !root:
			return Store{}, inventory.Errorf(inventory.Invalid, "The trust store %s holds the certificate of %s; a tsa store needs root certificates, which are certificate authorities signed by themselves.", shown(name), distinguished(c.Subject))
		case !c.IsCA && !self:
			return Store{}, inventory.Errorf(inventory.Invalid, "The trust store %s holds the certificate of %s; a certificate authority's or one signed by itself was expected.", shown(name), distinguished(c.Subject))
		}
	}
	return s, nil
}

func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	if block, _ := pem.Decode(text); block == nil {
		if certificates, err := x509.ParseCertificates(text); err == nil && len(certificates) > 0 {
			return certificates, nil
		}
		return nil, inventory.Errorf(inventory.Invalid, "it holds no certificate; a PEM file with -----BEGIN CERTIFICATE----- was expected.")
	}
	var certificates []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, inventory.Errorf(inventory.Invalid, "it holds a %s; only certificates were expected.", shown(block.Type))
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &inventory.Error{Kind: inventory.Invalid, Message: fmt.Sprintf("certificate %d of it is malformed.", len(certificates)+1), Err: err}
		}
		certificates = append(certificates, c)
	}
	return certificates, nil
}

// message is the sentence of an error of ours, without its cause.
func message(err error) string {
	if e, ok := err.(*inventory.Error); ok {
		return e.Message
	}
	return err.Error()
}

// TrustRoots are the stores as they are shown. One whose certificates have all
// run out is stale: nothing new can be signed under it.
func TrustRoots(stores []Store) []inventory.TrustRoot {
	now := time.Now()
	var roots []inventory.TrustRoot
	for _, s := range stores {
		r := inventory.TrustRoot{Kind: "notation", Name: s.Name, Source: s.Source, Facts: []inventory.Fact{{Name: "Type", Value: s.Type}}}
		valid := 0
		for _, c := range s.Certificates {
			r.Facts = append(r.Facts,
				inventory.Fact{Name: "Certificate", Value: distinguished(c.Subject)},
				inventory.Fact{Name: "Fingerprint", Value: string(inventory.DigestOf(c.Raw))},
				inventory.Fact{Name: "Valid", Value: validity(c)})
			if !now.After(c.NotAfter) {
				valid++
			}
		}
		if valid == 0 {
			r.Stale = true
			r.Failure = &inventory.LookError{Reason: inventory.ReasonTrustRootStale,
				Message: fmt.Sprintf("Every certificate in the trust store %s has run out.", shown(s.Name))}
		}
		roots = append(roots, r)
	}
	return roots
}

// anchor finds the certificate of a chain, nearest to the leaf, that is in a
// store of the type, as signature.VerifyAuthenticity does. Of several stores
// that hold it, the one configured first counts.
func (c Checker) anchor(chain []*x509.Certificate, kind string) (*x509.Certificate, *Store) {
	for _, certificate := range chain {
		for i := range c.stores {
			s := &c.stores[i]
			if s.Type == kind && slices.ContainsFunc(s.Certificates, certificate.Equal) {
				return certificate, s
			}
		}
	}
	return nil, nil
}

// authorities are the roots of all timestamp authorities in the stores; nil
// when there is none.
func authorities(stores []Store) *x509.CertPool {
	var pool *x509.CertPool
	for _, s := range stores {
		if s.Type != TypeTSA {
			continue
		}
		if pool == nil {
			pool = x509.NewCertPool()
		}
		for _, certificate := range s.Certificates {
			pool.AddCert(certificate)
		}
	}
	return pool
}

// shown makes text from a signature fit to be read: what can't be seen is made
// visible, and what is long is cut.
func shown(s string) string {
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return inventory.Visible(s)
}
