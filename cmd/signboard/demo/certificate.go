package demo

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// authority is a certificate with its key, and the chain above it.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	above       *authority // nil for a root
}

// chain runs from the certificate up to its root.
func (a *authority) chain() []*x509.Certificate {
	if a == nil {
		return nil
	}
	return append([]*x509.Certificate{a.certificate}, a.above.chain()...)
}

// newRoot makes a self-signed certificate authority.
func newRoot(name string) (*authority, error) {
	return (*authority)(nil).issue(&x509.Certificate{
		Subject: subjectOf(name), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		NotAfter: time.Now().AddDate(10, 0, 0),
	})
}

// intermediate makes an authority below another, for one use.
func (a *authority) intermediate(name string, use ...x509.ExtKeyUsage) (*authority, error) {
	return a.issue(&x509.Certificate{
		Subject: subjectOf(name), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, ExtKeyUsage: use,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		NotAfter: time.Now().AddDate(5, 0, 0),
	})
}

// issue makes a P-256 key and a certificate for it; without an authority it
// signs itself. Its beginning is a day ago unless the template says otherwise.
func (a *authority) issue(template *x509.Certificate) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.certificate, a.key
	}
	made, err := certify(template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return &authority{certificate: made, key: key, above: a}, nil
}

func certify(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	if template.SerialNumber == nil {
		serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
		if err != nil {
			return nil, fmt.Errorf("making a serial number: %w", err)
		}
		template.SerialNumber = serial
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().AddDate(0, 0, -1)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return made, nil
}

func subjectOf(name string) pkix.Name {
	return pkix.Name{Country: []string{"NL"}, Province: []string{"Utrecht"}, Organization: []string{"Larkfield"}, CommonName: name}
}
