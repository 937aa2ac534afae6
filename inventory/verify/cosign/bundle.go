package cosign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/bundle"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// bundled checks one Sigstore bundle and adds it where it belongs: only a
// statement whose predicate type is cosign's, and a bare message signature over
// the image's manifest, are image signatures. What a bundle is goes by the
// statement in it, never by the annotations of its manifest, with one
// exception: content that was too much to read goes by its annotation.
func bundled(ctx context.Context, i *verify.Item, n int, layer inventory.Descriptor, f verify.Findings) verify.Findings {
	x := newExam(i, inventory.FormatBundle, n)
	x.statement.Name = "Sigstore bundle"
	hinted := i.Manifest.Annotations[annotationPredicate]
	attested := func(predicate string) verify.Findings {
		f.Attestations = append(f.Attestations, x.attestation(predicate))
		return f
	}
	signed := func() verify.Findings {
		f.Signatures = append(f.Signatures, x.signature())
		return f
	}
	raw, err := i.Blob(ctx, layer, verify.MaxBundle)
	if err != nil {
		x.Unread(verify.CheckPayloadWellformed, err)
		if hinted != "" && hinted != predicateSign {
			return attested(hinted)
		}
		return signed()
	}
	b, err := parseBundle(raw)
	switch {
	case errors.Is(err, bundle.ErrUnsupportedMediaType):
		x.Unread(verify.CheckPayloadWellformed, &inventory.LookError{Reason: inventory.ReasonNotChecked,
			Message: "The bundle is of a version that this program doesn't read.", Err: err})
		return signed()
	case err != nil:
		x.malformed("The bundle is not well-formed: " + shown(err.Error()))
		return signed()
	}
	x.fingerprint = inventory.DigestOf(b.content.Signature())
	if b.message != nil {
		x.manifest(ctx, b)
		return signed()
	}
	x.statement.Fingerprint = string(inventory.DigestOf(b.payload))
	predicate := x.envelope(b)
	if predicate == predicateSign || predicate == "" {
		return signed()
	}
	return attested(predicate)
}

// envelope checks one DSSE envelope of an .att manifest, as the bundle it would
// be today. It is an attestation whatever it says it is: cosign never put image
// signatures there.
func envelope(ctx context.Context, i *verify.Item, n int, layer inventory.Descriptor) inventory.Attestation {
	x := newExam(i, inventory.FormatSimpleSigning, n)
	hinted := layer.Annotations["predicateType"]
	if layer.MediaType != typeEnvelope {
		x.malformed(fmt.Sprintf("The layer is of type %s, which is not an attestation's.", shown(layer.MediaType)))
		return x.attestation(hinted)
	}
	raw, err := i.Blob(ctx, layer, verify.MaxBundle)
	if err != nil {
		x.Unread(verify.CheckPayloadWellformed, err)
		return x.attestation(hinted)
	}
	b, err := parseEnvelope(raw)
	if err != nil {
		x.malformed("The envelope is not well-formed: " + shown(err.Error()))
		return x.attestation(hinted)
	}
	m := annotated(layer)
	b.claim, b.claimError, b.entries, b.timestamps = m.claim, m.claimError, m.entries, m.timestamps
	predicate := x.envelope(b)
	return x.attestation(predicate)
}

func (x *exam) malformed(message string) {
	x.Fail(verify.CheckPayloadWellformed, inventory.ReasonPayloadMalformed, message)
}

// envelope checks a DSSE envelope and returns the predicate type of the
// statement in it, empty when it holds none that can be read.
func (x *exam) envelope(b *parsed) string {
	if b.payloadType != typeStatement {
		x.Skip(verify.CheckPayloadType, fmt.Sprintf("What was signed is of type %s, which isn't read here.", shown(b.payloadType)))
		x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonNotChecked, "This version reads in-toto statements only.")
		return b.payloadType
	}
	s, err := parseStatement(b.payload)
	if err != nil {
		x.malformed("What was signed is not a well-formed in-toto statement.")
		return s.PredicateType
	}
	x.statement.Name = "in-toto statement " + shown(s.PredicateType)
	x.says(s)
	about := s.about(x.item.Subject.Manifest.Digest)
	x.key(b.material, b.certified, func(k verify.Key) (string, bool) {
		scheme, result, err := b.holds(k, x.item.Subject.Manifest.Digest, about)
		if err != nil {
			return "", false
		}
		if v := result.Statement; v.GetType() != s.Type || v.GetPredicateType() != s.PredicateType || len(v.GetSubject()) != len(s.Subjects) {
			x.malformed("The statement reads differently to different parsers.")
		}
		return scheme, true
	})
	x.log(b.material, b.content.Signature(), func(e logEntry) bool { return e.of(b.payload) })
	return s.PredicateType
}

// manifest checks a message signature, which in the place of an image signature
// is over the bytes of the image's manifest.
func (x *exam) manifest(ctx context.Context, b *parsed) {
	image := x.item.Subject.Manifest.Digest
	x.statement.Name, x.statement.Fingerprint = "The image's manifest", string(image)
	m, err := x.item.Image(ctx)
	if err != nil {
		x.Unread(verify.CheckSubjectDigest, err)
		return
	}
	x.Pass(verify.CheckPayloadWellformed, "The bundle is well-formed; what was signed is the image's manifest itself.")
	if !b.names(m.Raw) {
		x.Fail(verify.CheckSubjectDigest, inventory.ReasonDigestMismatch, "The signature is for something else, not for this image.")
	} else {
		x.Pass(verify.CheckSubjectDigest, "The bundle names this image's manifest.")
	}
	x.key(b.material, b.certified, func(k verify.Key) (string, bool) {
		scheme, err := b.holdsOver(k, m.Raw)
		return scheme, err == nil
	})
	x.log(b.material, b.content.Signature(), func(e logEntry) bool { return e.of(m.Raw) })
}

// parseEnvelope dresses a bare DSSE envelope as a bundle.
func parseEnvelope(raw []byte) (*parsed, error) {
	var e struct {
		PayloadType string `json:"payloadType"`
		Payload     string `json:"payload"`
		Signatures  []struct {
			Sig string `json:"sig"`
		} `json:"signatures"`
	}
	if err := inventory.StrictJSON(raw, &e); err != nil {
		return nil, err
	}
	dressed, err := json.Marshal(map[string]any{
		"mediaType":            typeBundlePrefix + ".v0.3+json",
		"verificationMaterial": map[string]any{"publicKey": map[string]any{}},
		"dsseEnvelope":         e,
	})
	if err != nil {
		return nil, err
	}
	return parseBundle(dressed)
}
