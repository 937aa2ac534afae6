package verify

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"signboard/inventory"
)

// Key is a public key that signatures can be checked with, in the form that is
// kept: parsed, and identified by the digest of its SubjectPublicKeyInfo.
type Key struct {
	Name      string // the registered name; empty for a key nobody registered
	SPKI      inventory.Digest
	Algorithm string // "ECDSA P-256", "RSA 3072", "Ed25519"
	Public    crypto.PublicKey
}

// NewKey accepts ECDSA keys on P-256, P-384 and P-521, RSA keys of 2048 to 8192
// bits, and Ed25519 keys. Anything else is refused with an Error that says why;
// the upper bound on RSA keeps a key that somebody else chose from costing
// minutes.
func NewKey(name string, public crypto.PublicKey) (Key, error) {
	k := Key{Name: name, Public: public}
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		switch p.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			k.Algorithm = "ECDSA " + p.Curve.Params().Name
		default:
			return Key{}, inventory.Errorf(inventory.Invalid, "The key is on the curve %s: use P-256, P-384 or P-521.", p.Curve.Params().Name)
		}
	case *rsa.PublicKey:
		bits := p.N.BitLen()
		if bits < 2048 || bits > 8192 {
			return Key{}, inventory.Errorf(inventory.Invalid, "The RSA key has %d bits: use 2048 to 8192.", bits)
		}
		k.Algorithm = fmt.Sprintf("RSA %d", bits)
	case ed25519.PublicKey:
		k.Algorithm = "Ed25519"
	default:
		return Key{}, inventory.Errorf(inventory.Invalid, "The key is of a kind that isn't supported: use ECDSA, RSA or Ed25519.")
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, &inventory.Error{Kind: inventory.Invalid, Message: "The key can't be read.", Err: err}
	}
	k.SPKI = inventory.DigestOf(der)
	return k, nil
}

// ParsePublicKey reads what an administrator pastes: exactly one PEM block of
// type PUBLIC KEY (RFC 7468, section 13) holding a key that NewKey accepts,
// and nothing after it. spki is the digest of the DER-encoded
// SubjectPublicKeyInfo. A private key, a certificate or an old key format is
// refused with an Error that says what it is.
func ParsePublicKey(text []byte) (public crypto.PublicKey, spki inventory.Digest, algorithm string, err error) {
	k, err := parseKey("", text)
	return k.Public, k.SPKI, k.Algorithm, err
}

// NewKeySigner parses a public key as ParsePublicKey does and makes the signer
// to register for it: id, facts and the key in canonical PEM.
func NewKeySigner(name string, text []byte) (inventory.Signer, error) {
	k, err := parseKey(name, text)
	if err != nil {
		return inventory.Signer{}, err
	}
	s := k.Signer()
	s.PublicKey = k.PEM()
	return s, nil
}

func parseKey(name string, text []byte) (Key, error) {
	if len(text) > 64<<10 {
		return Key{}, inventory.Errorf(inventory.Invalid, "This is too long to be a public key.")
	}
	if private(text) {
		return Key{}, inventory.Errorf(inventory.Invalid, "This is a private key. Nothing of it was kept, but it has been sent here: treat it as exposed and replace it. Register a public key (cosign.pub, not cosign.key).")
	}
	if ssh(text) {
		return Key{}, inventory.Errorf(inventory.Invalid, "This is an SSH key: image signatures aren't made with those. Convert it with ssh-keygen -e -m PKCS8 if it is used for that all the same.")
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return Key{}, inventory.Errorf(inventory.Invalid, "This is not a public key in PEM form: it should begin with -----BEGIN PUBLIC KEY-----.")
	}
	switch {
	case strings.Contains(block.Type, "CERTIFICATE"):
		return Key{}, inventory.Errorf(inventory.Invalid, "This is a certificate, not a public key.")
	case block.Type == "RSA PUBLIC KEY":
		return Key{}, inventory.Errorf(inventory.Invalid, "This is a key in the old PKCS #1 form: convert it with openssl rsa -RSAPublicKey_in -pubout.")
	case block.Type != "PUBLIC KEY":
		return Key{}, inventory.Errorf(inventory.Invalid, "This is a PEM block of type %q, not a PUBLIC KEY.", inventory.Visible(block.Type))
	case len(bytes.TrimSpace(rest)) > 0:
		return Key{}, inventory.Errorf(inventory.Invalid, "Something follows the public key: register one key at a time.")
	}
	if begin := bytes.Index(text, []byte("-----BEGIN")); len(bytes.TrimSpace(text[:begin])) > 0 {
		return Key{}, inventory.Errorf(inventory.Invalid, "Something stands before the public key.")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Key{}, &inventory.Error{Kind: inventory.Invalid, Message: "The public key can't be read.", Err: err}
	}
	return NewKey(name, public)
}

// private reports whether a text holds a private key, in whatever form people
// keep them, whole or not.
func private(text []byte) bool {
	for _, mark := range []string{"PRIVATE KEY", "SECRET KEY", "secret key", "PuTTY-User-Key-File", "\"d\":", "\"d\" :"} {
		if bytes.Contains(text, []byte(mark)) {
			return true
		}
	}
	if _, err := x509.ParsePKCS8PrivateKey(text); err == nil {
		return true
	}
	if _, err := x509.ParsePKCS1PrivateKey(text); err == nil {
		return true
	}
	_, err := x509.ParseECPrivateKey(text)
	return err == nil
}

func ssh(text []byte) bool {
	text = bytes.TrimSpace(text)
	for _, begin := range []string{"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "---- BEGIN SSH2"} {
		if bytes.HasPrefix(text, []byte(begin)) {
			return true
		}
	}
	return false
}

// PEM is the key in canonical form.
func (k Key) PEM() string {
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		return ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Signer is the identity behind the key. Without a registered name it is called
// by its fingerprint.
func (k Key) Signer() inventory.Signer {
	name := k.Name
	if name == "" {
		name = k.SPKI.Short()
	}
	return inventory.Signer{
		ID: inventory.KeyID(k.SPKI), Kind: inventory.KeySigner, Name: name,
		Facts: []inventory.Fact{{Name: "Algorithm", Value: k.Algorithm}, {Name: "Fingerprint", Value: string(k.SPKI)}},
	}
}

// Verify reports whether signature is the key's over message, and under which
// scheme. cosign hashes with SHA-256 unless told otherwise, key services and
// newer signers with the hash that suits the curve, so the three SHA-2 hashes
// are tried in that order; RSA is PKCS #1 v1.5 (RFC 8017, section 8.2), and
// Ed25519 is taken pure and then prehashed (RFC 8032, section 5.1).
func (k Key) Verify(message, signature []byte) (scheme string, ok bool) {
	if p, isEd := k.Public.(ed25519.PublicKey); isEd {
		if len(p) != ed25519.PublicKeySize {
			return "", false
		}
		if ed25519.Verify(p, message, signature) {
			return "Ed25519", true
		}
		sum := sha512.Sum512(message)
		if ed25519.VerifyWithOptions(p, sum[:], signature, &ed25519.Options{Hash: crypto.SHA512}) == nil {
			return "Ed25519ph", true
		}
		return "", false
	}
	if p, isEC := k.Public.(*ecdsa.PublicKey); isEC && len(signature) < shortest(p) {
		return "", false
	}
	var buffer [sha512.Size]byte
	for _, hash := range hashes {
		sum := digest(hash, message, &buffer)
		switch p := k.Public.(type) {
		case *ecdsa.PublicKey:
			if ecdsa.VerifyASN1(p, sum, signature) {
				return k.Algorithm + " with " + hash.String(), true
			}
		case *rsa.PublicKey:
			if rsa.VerifyPKCS1v15(p, hash, sum, signature) == nil {
				return k.Algorithm + " with " + hash.String(), true
			}
		}
	}
	return "", false
}

// shortest is the least length of a signature worth trying: the most that one on
// the next smaller curve can have. That a real one is shorter has a probability
// below 2^-200, and trying every signature on the large curves is slow.
func shortest(p *ecdsa.PublicKey) int {
	switch p.Curve {
	case elliptic.P384():
		return 73
	case elliptic.P521():
		return 105
	}
	return 0
}

var hashes = [...]crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}

func digest(hash crypto.Hash, message []byte, into *[sha512.Size]byte) []byte {
	switch hash {
	case crypto.SHA384:
		sum := sha512.Sum384(message)
		return into[:copy(into[:], sum[:])]
	case crypto.SHA512:
		sum := sha512.Sum512(message)
		return into[:copy(into[:], sum[:])]
	}
	sum := sha256.Sum256(message)
	return into[:copy(into[:], sum[:])]
}
