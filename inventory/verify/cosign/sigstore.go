package cosign

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sigstore "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// parsed is a bundle as sigstore-go reads it, with what it brings along.
type parsed struct {
	material
	certified bool // it has a certificate where a key's hint would be
	entity    entity
	content   sigstore.SignatureContent
	message   sigstore.MessageSignatureContent // nil for an envelope

	payloadType string
	payload     []byte // of the envelope
}

// parseBundle reads a bundle of version 0.1 to 0.3. The JSON is checked first
// for what lenient parsers disagree about.
func parseBundle(raw []byte) (*parsed, error) {
	var object struct{}
	if err := inventory.StrictJSON(raw, &object); err != nil {
		return nil, err
	}
	b := new(bundle.Bundle)
	if err := b.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	content, err := b.SignatureContent()
	if err != nil {
		return nil, err
	}
	p := &parsed{content: content, entity: entity{Bundle: b, content: content}}
	if len(content.Signature()) == 0 {
		return nil, errors.New("there is no signature in it")
	}
	if envelope := content.EnvelopeContent(); envelope != nil {
		e := envelope.RawEnvelope()
		if len(e.Signatures) != 1 {
			return nil, fmt.Errorf("the envelope has %d signatures: one is allowed", len(e.Signatures))
		}
		e.Signatures[0].KeyID = "" // a hint that isn't signed; with it, sigstore-go passes over keys it doesn't name
		if p.payload, err = e.DecodeB64Payload(); err != nil {
			return nil, err
		}
		p.payloadType = e.PayloadType
	} else {
		p.message = content.MessageSignatureContent()
	}
	if err := p.brings(b); err != nil {
		return nil, err
	}
	return p, nil
}

// brings collects the bundle's verification material.
func (p *parsed) brings(b *bundle.Bundle) error {
	m := b.GetVerificationMaterial()
	if key := m.GetPublicKey(); key != nil {
		p.hintText, p.hint = key.GetHint(), parseHint(key.GetHint())
	} else {
		der := m.GetCertificate().GetRawBytes()
		if chain := m.GetX509CertificateChain().GetCertificates(); len(chain) > 0 {
			der = chain[0].GetRawBytes()
		}
		p.certified = true
		p.claim, p.claimError = parseClaim(der)
	}
	entries, err := b.TlogEntries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		p.entries = append(p.entries, bundledEntry(e))
	}
	p.timestamps = len(m.GetTimestampVerificationData().GetRfc3161Timestamps())
	return nil
}

// names reports whether a message signature's digest is the artifact's. The
// digest isn't signed; it can only show that the signature is another's.
func (p *parsed) names(artifact []byte) bool {
	var sum []byte
	switch p.message.DigestAlgorithm() {
	case "SHA2_256":
		s := sha256.Sum256(artifact)
		sum = s[:]
	case "SHA2_384":
		s := sha512.Sum384(artifact)
		sum = s[:]
	case "SHA2_512":
		s := sha512.Sum512(artifact)
		sum = s[:]
	default:
		return false
	}
	return bytes.Equal(sum, p.message.Digest())
}

// holds asks sigstore-go whether the envelope is signed by the key, and with
// about also whether the statement is about the image.
func (p *parsed) holds(k verify.Key, image inventory.Digest, about bool) (string, *sigstore.VerificationResult, error) {
	artifact := sigstore.WithoutArtifactUnsafe() // the statement is about another image: find out who says so
	if about {
		sum, err := hex.DecodeString(image.Hex())
		if err != nil {
			return "", nil, err
		}
		artifact = sigstore.WithArtifactDigest(image.Algorithm(), sum)
	}
	return p.verify(k, artifact)
}

// holdsOver asks sigstore-go whether the message signature over the artifact is
// the key's.
func (p *parsed) holdsOver(k verify.Key, artifact []byte) (string, error) {
	scheme, _, err := p.verify(k, sigstore.WithArtifact(bytes.NewReader(artifact)))
	return scheme, err
}

// verify verifies with one key and nothing else: no log, no time, no root.
func (p *parsed) verify(k verify.Key, artifact sigstore.ArtifactPolicyOption) (string, *sigstore.VerificationResult, error) {
	tried := &keyVerifier{key: k}
	material := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		return root.NewExpiringKey(tried, time.Time{}, time.Time{}), nil
	})
	v, err := sigstore.NewVerifier(material, sigstore.WithNoObserverTimestamps(), sigstore.WithoutStatementPredicate())
	if err != nil {
		return "", nil, err
	}
	result, err := v.Verify(p.entity, sigstore.NewPolicy(artifact, sigstore.WithKey()))
	return tried.scheme, result, err
}

// entity is the bundle with the key taken from outside: whatever it brings
// along, it is verified with the key that is being tried.
type entity struct {
	*bundle.Bundle
	content sigstore.SignatureContent
}

func (e entity) VerificationContent() (sigstore.VerificationContent, error) {
	return &bundle.PublicKey{}, nil
}

func (e entity) SignatureContent() (sigstore.SignatureContent, error) { return e.content, nil }

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
		return errors.New("the signature is not this key's")
	}
	v.scheme = scheme
	return nil
}
