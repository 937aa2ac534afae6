package cosign

import (
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	sgo "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"signboard/inventory/verify"
)

// entity is one signature with what came along, as sigstore-go verifies it,
// whatever form it was found in.
type entity struct {
	content    sgo.SignatureContent
	holder     sgo.VerificationContent // the certificate, or the place of a key
	entries    []*tlog.Entry
	timestamps [][]byte
}

func (e *entity) HasInclusionPromise() bool {
	for _, entry := range e.entries {
		if entry.HasInclusionPromise() {
			return true
		}
	}
	return false
}

func (e *entity) HasInclusionProof() bool {
	for _, entry := range e.entries {
		if entry.HasInclusionProof() {
			return true
		}
	}
	return false
}

func (e *entity) SignatureContent() (sgo.SignatureContent, error)       { return e.content, nil }
func (e *entity) VerificationContent() (sgo.VerificationContent, error) { return e.holder, nil }
func (e *entity) TlogEntries() ([]*tlog.Entry, error)                   { return e.entries, nil }
func (e *entity) Timestamps() ([][]byte, error)                         { return e.timestamps, nil }

// Version is that of the bundles of today; up to it, sigstore-go also takes
// SHA-256 with the larger curves, as older signers made it.
func (e *entity) Version() (string, error) { return "v0.3", nil }

// certified is a certificate in the place of a key. Undated, it is good at any
// time: for finding out what besides its dates is wrong. Certificates between it
// and a root are the witness's to know.
type certified struct {
	leaf    *x509.Certificate
	undated bool
}

func (c certified) CompareKey(key any, _ root.TrustedMaterial) bool {
	other, ok := key.(*x509.Certificate)
	return ok && c.leaf.Equal(other)
}

func (c certified) ValidAtTime(t time.Time, _ root.TrustedMaterial) bool {
	return c.undated || within(t, c.leaf.NotBefore, c.leaf.NotAfter)
}

func (c certified) Certificate() *x509.Certificate     { return c.leaf }
func (c certified) Intermediates() []*x509.Certificate { return nil }
func (c certified) PublicKey() sgo.PublicKeyProvider   { return nil }

// keyed says that a key from outside is to be used, whatever came along.
func keyed() sgo.VerificationContent { return &bundle.PublicKey{} }

// keyVerifier is a Key as sigstore-go wants it. It remembers the scheme.
type keyVerifier struct {
	key    verify.Key
	scheme string
}

func (v *keyVerifier) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return v.key.Public, nil
}

// VerifySignature verifies over the message itself; options that would replace
// it by a digest are never passed here, and are not looked at.
func (v *keyVerifier) VerifySignature(sig, message io.Reader, _ ...signature.VerifyOption) error {
	s, err := io.ReadAll(sig)
	if err != nil {
		return err
	}
	m, err := io.ReadAll(message)
	if err != nil {
		return err
	}
	scheme, ok := v.key.Verify(m, s)
	if !ok {
		return errNotTheKeys
	}
	v.scheme = scheme
	return nil
}

var errNotTheKeys = errors.New("the signature is not this key's")

// under is trusted material of one key and nothing else. A registered key has no
// dates.
func under(v *keyVerifier) root.TrustedMaterial {
	return root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		return root.NewExpiringKey(v, time.Time{}, time.Time{}), nil
	})
}
