package cosign

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/bundle"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// payloadType is what critical.type has to say (cosign's SIGNATURE_SPEC.md,
// "Simple Signing"); other tools sign the same document for other purposes.
const payloadType = "cosign container image signature"

// payload is a simple-signing document.
type payload struct {
	Critical struct {
		Identity struct {
			DockerReference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]any `json:"optional"`
}

func parsePayload(raw []byte) (payload, error) {
	var p payload
	err := inventory.StrictJSON(raw, &p)
	return p, err
}

// simpleSigning checks one layer of a signature manifest: the bytes of the
// payload under the signature in the layer's annotations, and then what the
// payload says.
func (c *Checker) simpleSigning(ctx context.Context, i *verify.Item, n int, layer inventory.Descriptor) inventory.Signature {
	x := c.exam(i, inventory.FormatSimpleSigning, n)
	x.statement.Name, x.statement.Fingerprint = "Simple-signing payload", string(layer.Digest)
	if layer.MediaType != typeSimpleSigning {
		x.Fail(verify.CheckPayloadWellformed, inventory.ReasonPayloadMalformed,
			fmt.Sprintf("The layer is of type %s, which is not a signature's.", shown(layer.MediaType)))
		return x.signature()
	}
	raw, err := i.Blob(ctx, layer, verify.MaxPayload)
	if err != nil {
		x.Unread(verify.CheckPayloadWellformed, err)
		return x.signature()
	}
	x.payload(raw)

	signature, err := base64.StdEncoding.DecodeString(layer.Annotations[annotationSignature])
	if err != nil || len(signature) == 0 {
		x.Fail(verify.CheckSignature, inventory.ReasonPayloadMalformed, "The layer carries no signature that can be read.")
		return x.signature()
	}
	x.fingerprint = inventory.DigestOf(signature)
	m := annotated(layer)
	m.content = message(raw, signature, m.entries)
	m.artifact = over(raw)
	m.about = func(e *logEntry) bool { return e.of(raw) }
	m.plain = func(k verify.Key) (string, bool) { return k.Verify(raw, signature) }
	x.check(&m)
	return x.signature()
}

// message is the signature over the payload, with the payload's digest as the log
// entry has it: signers with larger curves log a longer one.
func message(raw, signature []byte, entries []logEntry) *bundle.MessageSignature {
	for i := range entries {
		switch entries[i].algorithm {
		case "sha384":
			sum := sha512.Sum384(raw)
			return bundle.NewMessageSignature(sum[:], "SHA2_384", signature)
		case "sha512":
			sum := sha512.Sum512(raw)
			return bundle.NewMessageSignature(sum[:], "SHA2_512", signature)
		}
	}
	sum := sha256.Sum256(raw)
	return bundle.NewMessageSignature(sum[:], "SHA2_256", signature)
}

// payload checks what the payload says.
func (x *exam) payload(raw []byte) {
	p, err := parsePayload(raw)
	if err != nil {
		x.Fail(verify.CheckPayloadWellformed, inventory.ReasonPayloadMalformed, "The payload is not one well-formed JSON document.")
		return
	}
	x.Pass(verify.CheckPayloadWellformed, "The payload is one well-formed JSON document.")
	if p.Critical.Type != payloadType {
		x.Fail(verify.CheckPayloadType, inventory.ReasonPayloadMalformed,
			fmt.Sprintf("The payload says that it is %q, not a cosign image signature.", shown(p.Critical.Type)))
	} else {
		x.Pass(verify.CheckPayloadType, "The payload says that it is a cosign image signature.")
	}
	image := x.item.Subject.Manifest.Digest
	switch signed, err := inventory.ParseDigest(p.Critical.Image.Digest); {
	case err != nil:
		x.Fail(verify.CheckPayloadDigest, inventory.ReasonPayloadMalformed, "The payload names no image.")
	case signed != image:
		x.Fail(verify.CheckPayloadDigest, inventory.ReasonDigestMismatch,
			fmt.Sprintf("The signature is for the image %s, not for this one.", signed.Short()))
	default:
		x.Pass(verify.CheckPayloadDigest, "The payload names this image.")
	}
	if reference := p.Critical.Identity.DockerReference; reference != "" {
		name := "Signed as"
		if pathOf(reference) != x.item.Subject.Repository {
			name = "Signed as (another name than here)"
		}
		x.statement.Facts = append(x.statement.Facts, inventory.Fact{Name: name, Value: shown(reference)})
	}
	const most = 10
	for n, key := range slices.Sorted(maps.Keys(p.Optional)) {
		if n == most {
			break
		}
		value, ok := p.Optional[key].(string)
		if !ok {
			b, _ := json.Marshal(p.Optional[key])
			value = string(b)
		}
		x.statement.Facts = append(x.statement.Facts, inventory.Fact{Name: "Annotation " + shown(key), Value: shown(value)})
	}
}

// pathOf is a reference's repository without host, tag and digest.
func pathOf(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	if colon := strings.LastIndex(reference, ":"); colon > strings.LastIndex(reference, "/") {
		reference = reference[:colon]
	}
	host, path, ok := strings.Cut(reference, "/")
	if ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return path
	}
	return reference
}

// annotated reads what a layer's annotations bring along.
func annotated(layer inventory.Descriptor) material {
	var m material
	if text := layer.Annotations[annotationCertificate]; text != "" {
		m.claim, m.claimError = parseClaimPEM([]byte(text))
		m.intermediates = parseIntermediates([]byte(layer.Annotations[annotationChain]))
	}
	if text := layer.Annotations[annotationLogEntry]; text != "" {
		m.entries = []logEntry{annotatedEntry(text)}
	}
	if text := layer.Annotations[annotationTimestamp]; text != "" {
		var doc struct{ SignedRFC3161Timestamp []byte }
		if inventory.StrictJSON([]byte(text), &doc) != nil {
			doc.SignedRFC3161Timestamp = nil // unreadable, and found to be so when it is checked
		}
		m.timestamps = [][]byte{doc.SignedRFC3161Timestamp}
	}
	return m
}
