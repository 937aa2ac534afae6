package cosign

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	sgo "github.com/sigstore/sigstore-go/pkg/verify"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// parsed is a bundle as sigstore-go reads it, with what it brings along.
type parsed struct {
	material
	message sgo.MessageSignatureContent // nil for an envelope

	payloadType string
	payload     []byte // of the envelope
}

// parseBundle reads a bundle of version 0.1 to 0.3. What lenient parsers disagree
// about (a key twice or in two spellings, an unknown one, something after the
// document) is refused by the parser of protocol buffers itself.
func parseBundle(raw []byte) (*parsed, error) {
	b := new(bundle.Bundle)
	if err := b.UnmarshalJSON(raw); err != nil {
		if kind := unreadEntry(raw); kind != "" {
			return nil, &unsupportedEntry{kind}
		}
		return nil, err
	}
	content, err := b.SignatureContent()
	if err != nil {
		return nil, err
	}
	p := &parsed{material: material{content: content}}
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
		p.keyless = true
		p.claim, p.claimError = parseClaim(der)
	}
	entries, err := b.TlogEntries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		p.entries = append(p.entries, readEntry(e))
	}
	const most = 32 // as many as sigstore-go takes
	if p.timestamps, err = b.Timestamps(); len(p.timestamps) > most {
		err = fmt.Errorf("%d timestamps: %d are allowed", len(p.timestamps), most)
	}
	return err
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

// about is the artifact that an envelope's statement has to be about: the image,
// or with another, anything. That it is about another image is known by then; who
// says so is still to be found out.
func about(image inventory.Digest, other bool) func() sgo.ArtifactPolicyOption {
	return func() sgo.ArtifactPolicyOption {
		sum, err := hex.DecodeString(image.Hex())
		if other || err != nil {
			return sgo.WithoutArtifactUnsafe()
		}
		return sgo.WithArtifactDigest(image.Algorithm(), sum)
	}
}

// over is the artifact of a signature that is over bytes.
func over(b []byte) func() sgo.ArtifactPolicyOption {
	return func() sgo.ArtifactPolicyOption { return sgo.WithArtifact(bytes.NewReader(b)) }
}

// holds asks sigstore-go whether the signature is a key's: no log, no time, no
// root.
func (m *material) holds(k verify.Key) (scheme string, result *sgo.VerificationResult, err error) {
	if m.plain != nil {
		scheme, ok := m.plain(k)
		if !ok {
			return "", nil, errNotTheKeys
		}
		return scheme, nil, nil
	}
	tried := &keyVerifier{key: k}
	v, err := sgo.NewVerifier(under(tried), sgo.WithNoObserverTimestamps(), sgo.WithoutStatementPredicate())
	if err != nil {
		return "", nil, err
	}
	result, err = v.Verify(&entity{content: m.content, holder: keyed()}, sgo.NewPolicy(m.artifact(), sgo.WithKey()))
	return tried.scheme, result, err
}
