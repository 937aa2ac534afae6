//go:build peers

package peers

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// password protects every private key that a tool wants protected.
const password = "peers-password"

// newKey makes a key by the name its kind has in the scenarios.
func newKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "ecdsa-p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa-p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("no such kind of key: %s", kind)
}

func writePEM(file, kind string, der ...[]byte) error {
	var out []byte
	for _, d := range der {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: d})...)
	}
	return os.WriteFile(file, out, 0o600)
}

// writeKey writes the key as NAME.key in plain PKCS #8, and NAME.pub.
func writeKey(dir, name string, key crypto.Signer) error {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(filepath.Join(dir, name+".key"), "PRIVATE KEY", private),
		writePEM(filepath.Join(dir, name+".pub"), "PUBLIC KEY", public),
	)
}

// writeLocked writes the key under the password: PBES2 of RFC 8018, which is
// what Fulcio and the timestamp authority read.
func writeLocked(file string, key crypto.Signer) error {
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	salt, iv := make([]byte, 16), make([]byte, aes.BlockSize)
	rand.Read(salt)
	rand.Read(iv)
	const rounds = 10_000
	secret, err := pbkdf2.Key(sha256.New, password, salt, rounds, 32)
	if err != nil {
		return err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return err
	}
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	for range padding {
		plain = append(plain, byte(padding))
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(plain, plain)

	type algorithm struct {
		ID         asn1.ObjectIdentifier
		Parameters any
	}
	type derivation struct {
		Salt   []byte
		Rounds int
		PRF    pkix.AlgorithmIdentifier
	}
	type scheme struct{ Derivation, Encryption algorithm }
	der, err := asn1.Marshal(struct {
		Algorithm algorithm
		Data      []byte
	}{algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}, scheme{
		algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}, derivation{salt, rounds,
			pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}, Parameters: asn1.NullRawValue}}},
		algorithm{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, iv},
	}}, plain})
	if err != nil {
		return err
	}
	return writePEM(file, "ENCRYPTED PRIVATE KEY", der)
}

// certificate is one with its key.
type certificate struct {
	*x509.Certificate
	key crypto.Signer
}

// issue makes a certificate, valid for ten years unless the template says
// otherwise; self-signed when there is no issuer.
func issue(template x509.Certificate, issuer *certificate) (*certificate, error) {
	key, err := newKey("ecdsa-p256")
	if err != nil {
		return nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, err
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().AddDate(10, 0, 0)
	}
	template.BasicConstraintsValid = true
	parent, signer := &template, key
	if issuer != nil {
		parent, signer = issuer.Certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return &certificate{parsed, key}, err
}

func named(name string) pkix.Name {
	return pkix.Name{Country: []string{"XX"}, Province: []string{"Peers"}, Organization: []string{"Peers"}, CommonName: name}
}

// authority is the template of a CA that issues leaves itself.
func authority(name string) x509.Certificate {
	return x509.Certificate{Subject: named(name), IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
}

// fingerprint is the SHA-256 digest of a certificate or of a public key's DER.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// tlsCertificate serves every TLS listener; notary-server shows it to
// notary-signer as well.
func tlsCertificate() (*certificate, error) {
	template := authority("loopback")
	template.KeyUsage |= x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.IPAddresses, template.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	return issue(template, nil)
}

// timestamping is the one extended key usage of a timestamp authority's
// certificate, and critical (RFC 3161, section 2.3), which x509 doesn't make it.
func timestamping() (pkix.Extension, error) {
	value, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: value}, err
}
