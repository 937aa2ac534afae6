package cosign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	sgo "github.com/sigstore/sigstore-go/pkg/verify"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// bundled checks one Sigstore bundle and adds it where it belongs: only a
// statement whose predicate type is cosign's, and a bare message signature over
// the image's manifest, are image signatures. What a bundle is goes by the
// statement in it, never by the annotations of its manifest, with one
// exception: content that was too much to read goes by its annotation.
func (c *Checker) bundled(ctx context.Context, i *verify.Item, n int, layer inventory.Descriptor, f verify.Findings) verify.Findings {
	x := c.exam(i, inventory.FormatBundle, n)
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
	case errors.As(err, new(*unsupportedEntry)):
		x.Skip(verify.CheckLogEntry, "Log entry type unsupported: "+shown(err.Error())+".")
		x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonNotChecked, "The bundle holds "+shown(err.Error())+", which isn't supported here, so nothing in it was checked.")
		if hinted != "" && hinted != predicateSign {
			return attested(hinted)
		}
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
	predicate := x.envelope(&b.material, b.payloadType, b.payload)
	if predicate == predicateSign || predicate == "" {
		return signed()
	}
	return attested(predicate)
}

// envelopes checks one DSSE envelope of an .att manifest, as the bundle it would
// be today. It is an attestation whatever it says it is: cosign never put image
// signatures there. An envelope may be signed by several (DSSE, protocol.md);
// each of them is an attestation of its own.
func (c *Checker) envelopes(ctx context.Context, i *verify.Item, n int, layer inventory.Descriptor) []inventory.Attestation {
	x := c.exam(i, inventory.FormatSimpleSigning, n)
	hinted := layer.Annotations["predicateType"]
	if layer.MediaType != typeEnvelope {
		x.malformed(fmt.Sprintf("The layer is of type %s, which is not an attestation's.", shown(layer.MediaType)))
		return []inventory.Attestation{x.attestation(hinted)}
	}
	raw, err := i.Blob(ctx, layer, verify.MaxBundle)
	if err != nil {
		x.Unread(verify.CheckPayloadWellformed, err)
		return []inventory.Attestation{x.attestation(hinted)}
	}
	list, err := parseEnvelope(raw)
	if err != nil {
		x.malformed("The envelope is not well-formed: " + shown(err.Error()))
		return []inventory.Attestation{x.attestation(hinted)}
	}
	var found []inventory.Attestation
	for _, b := range list {
		x := c.exam(i, inventory.FormatSimpleSigning, n)
		m := annotated(layer)
		m.content, m.stamped = b.content, raw // cosign has the whole envelope stamped
		if len(list) > 1 && !m.by(b) {
			m = material{content: b.content} // what came along belongs to another of the signatures
		}
		found = append(found, x.attestation(x.envelope(&m, b.payloadType, b.payload)))
	}
	return found
}

// by reports whether the certificate or the log entry that came along is that of
// the signature.
func (m *material) by(b *parsed) bool {
	if m.claim != nil {
		m.artifact = about("", true)
		_, _, err := m.holds(m.claim.key)
		return err == nil
	}
	for i := range m.entries {
		if s := m.entries[i].signature; len(s) > 0 && !bytes.Equal(s, b.content.Signature()) {
			return false
		}
	}
	return true
}

func (x *exam) malformed(message string) {
	x.Fail(verify.CheckPayloadWellformed, inventory.ReasonPayloadMalformed, message)
}

// envelope checks a DSSE envelope and returns the predicate type of the
// statement in it, empty when it holds none that can be read.
func (x *exam) envelope(m *material, payloadType string, payload []byte) string {
	if payloadType != typeStatement {
		x.Skip(verify.CheckPayloadType, fmt.Sprintf("What was signed is of type %s, which isn't read here.", shown(payloadType)))
		x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonNotChecked, "This version reads in-toto statements only.")
		return payloadType
	}
	s, err := parseStatement(payload)
	if err != nil {
		x.malformed("What was signed is not a well-formed in-toto statement.")
		return s.PredicateType
	}
	x.statement.Name = "in-toto statement " + shown(s.PredicateType)
	x.statement.Fingerprint = string(inventory.DigestOf(payload))
	x.fingerprint = inventory.DigestOf(m.content.Signature())
	x.says(s)
	image := x.item.Subject.Manifest.Digest
	m.artifact = about(image, !s.about(image))
	m.agrees = func(result *sgo.VerificationResult) {
		if v := result.Statement; v.GetType() != s.Type || v.GetPredicateType() != s.PredicateType || len(v.GetSubject()) != len(s.Subjects) {
			x.malformed("The statement reads differently to different parsers.")
		}
	}
	m.about = func(e *logEntry) bool { return e.of(payload) }
	x.check(m)
	if s.PredicateType != predicateSign {
		x.facts = verify.Predicate(s.PredicateType, s.Predicate)
	}
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
	b.artifact = over(m.Raw)
	b.about = func(e *logEntry) bool { return e.of(m.Raw) }
	x.check(&b.material)
}

// parseEnvelope dresses a bare DSSE envelope as one bundle for each of its
// signatures.
func parseEnvelope(raw []byte) ([]*parsed, error) {
	type signature struct {
		Sig string `json:"sig"`
	}
	var e struct {
		PayloadType string      `json:"payloadType"`
		Payload     string      `json:"payload"`
		Signatures  []signature `json:"signatures"`
	}
	if err := inventory.StrictJSON(raw, &e); err != nil {
		return nil, err
	}
	const most = 16
	signatures := e.Signatures
	if len(signatures) == 0 || len(signatures) > most {
		return nil, fmt.Errorf("the envelope has %d signatures: 1 to %d are allowed", len(signatures), most)
	}
	var list []*parsed
	for _, s := range signatures {
		e.Signatures = []signature{s}
		dressed, err := json.Marshal(map[string]any{
			"mediaType":            typeBundlePrefix + ".v0.3+json",
			"verificationMaterial": map[string]any{"publicKey": map[string]any{}},
			"dsseEnvelope":         e,
		})
		if err != nil {
			return nil, err
		}
		b, err := parseBundle(dressed)
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, nil
}
