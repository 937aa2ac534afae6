// Package buildkit reads the attestation manifests that BuildKit puts into an
// index beside its images (BuildKit, docs/attestations/attestation-storage.md).
// Nobody signs them: whoever may push the index may write them. So each is
// reported as a claim, whatever it says, and none of it is ever evidence of a
// signature.
package buildkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"signboard/inventory"
	"signboard/inventory/verify"
)

const (
	typeAttestation = "attestation-manifest"         // of verify.AnnotationReferenceType
	typeStatement   = "application/vnd.in-toto+json" // of a layer
	// annotationPredicate says on a layer what its statement's predicate is: a
	// hint.
	annotationPredicate = "in-toto.io/predicate-type"
)

// maxStatement is how much of a statement is read. Provenance fits; the larger
// SBOMs don't, and are listed by what their manifest says of them. It is far
// below what could be read because what is kept of an image to check its
// signatures again has to hold it.
const maxStatement = 256 << 10

// Checker is the verify.Checker of BuildKit's attestations.
type Checker struct{}

// New makes the Checker.
func New() Checker { return Checker{} }

// Family says that there is nothing to discover: what an index holds is listed
// with it.
func (Checker) Family() verify.Family {
	return verify.Family{
		Revision: "buildkit 1",
		Likely:   func(inventory.Descriptor) bool { return false },
	}
}

// Claims goes by the index's own entry for the manifest. An entry of another
// type than attestation-manifest is to be ignored, says the specification.
func (Checker) Claims(i *verify.Item) bool {
	return i.Via == verify.ViaIndex && i.Listed.Annotations[verify.AnnotationReferenceType] == typeAttestation
}

// Check lists each statement of the manifest. Layers of other types are to be
// ignored, says the specification.
func (Checker) Check(ctx context.Context, i *verify.Item) verify.Findings {
	var f verify.Findings
	about, why, err := target(ctx, i)
	for _, layer := range i.Manifest.Layers {
		if layer.MediaType != typeStatement {
			continue
		}
		if len(f.Attestations) == verify.MaxSignatures {
			c := newClaim(i)
			c.unread(&inventory.LookError{Reason: inventory.ReasonTooMany,
				Message: fmt.Sprintf("One manifest holds more than %d attestations, and the rest was not read.", verify.MaxSignatures)})
			f.Attestations = append(f.Attestations, c.done())
			break
		}
		c := newClaim(i)
		if err != nil {
			c.PredicateType = shown(layer.Annotations[annotationPredicate])
			c.unread(inventory.AsLookError(err))
		} else {
			c.read(ctx, i, layer, about, why)
		}
		f.Attestations = append(f.Attestations, c.done())
	}
	return f
}

// target finds the image that the manifest is about by its entry in the index.
// Without one, why says what is wrong.
func target(ctx context.Context, i *verify.Item) (about inventory.Descriptor, why string, err error) {
	index, err := i.Image(ctx)
	if err != nil {
		return about, "", err
	}
	named := i.Listed.Annotations[verify.AnnotationReferenceDigest]
	for _, d := range index.Manifests {
		if string(d.Digest) == named && d.Annotations[verify.AnnotationReferenceType] == "" {
			return d, "", nil
		}
	}
	if named == "" {
		return about, "The index doesn't say which of its images it is about.", nil
	}
	return about, fmt.Sprintf("It is listed as being about %s, which is no image of this index.", shown(named)), nil
}

// claim is one attestation in the making.
type claim struct {
	inventory.Attestation
	verify.Trial
}

func newClaim(i *verify.Item) *claim {
	return &claim{Attestation: inventory.Attestation{
		Manifest: i.Manifest.Digest, Outcome: inventory.OutcomeUnverifiable, Reason: inventory.ReasonNoSignature,
		Message: "Claimed by the build, signed by nobody.",
	}}
}

// read reads one statement.
func (c *claim) read(ctx context.Context, i *verify.Item, layer, about inventory.Descriptor, why string) {
	if about.Digest != "" {
		if p := about.Platform; p != nil {
			c.fact("Platform", shown(p.String()))
		}
		c.fact("About the image", string(about.Digest))
	}
	raw, err := i.Blob(ctx, layer, maxStatement)
	if err != nil {
		c.PredicateType = shown(layer.Annotations[annotationPredicate])
		if look := inventory.AsLookError(err); look.Reason != inventory.ReasonTooLarge {
			c.unread(look)
		} else {
			c.Skip(verify.CheckPayloadWellformed, "The statement is too long to be read here; its type is what its manifest says.")
			c.Skip(verify.CheckSubjectDigest, "What the statement is about wasn't read.")
			c.unsigned()
		}
		return
	}
	s, err := parse(raw)
	if err != nil {
		c.lie(verify.CheckPayloadWellformed, "It is not a well-formed in-toto statement: "+err.Error()+".")
		c.unsigned()
		return
	}
	c.PredicateType = shown(s.PredicateType)
	c.Pass(verify.CheckPayloadWellformed, "It is one well-formed in-toto statement.")
	if hint := layer.Annotations[annotationPredicate]; hint != "" && hint != s.PredicateType {
		c.lie(verify.CheckPredicateType, fmt.Sprintf("Its manifest calls it %s, and it calls itself %s.", shown(hint), shown(s.PredicateType)))
	}
	switch {
	case why != "":
		c.lie(verify.CheckSubjectDigest, why)
	case !s.about(about.Digest):
		c.lie(verify.CheckSubjectDigest, fmt.Sprintf("It stands beside the image %s and is about %s.", about.Digest.Short(), s.named()))
	default:
		c.Pass(verify.CheckSubjectDigest, "It is about an image of this index.")
	}
	c.Facts = append(c.Facts, verify.Predicate(s.PredicateType, s.Predicate)...)
	c.unsigned()
}

func (c *claim) fact(name, value string) {
	c.Facts = append(c.Facts, inventory.Fact{Name: name, Value: value})
}

// lie notes something that isn't so. The outcome stays what it is for anything
// that nobody signed.
func (c *claim) lie(check, message string) {
	c.Fail(check, inventory.ReasonPayloadMalformed, message)
	c.Message += " " + message
}

// unread notes that the statement could not be read.
func (c *claim) unread(look *inventory.LookError) {
	c.Unread(verify.CheckPayloadWellformed, look)
	c.Outcome, c.Reason, c.Message = inventory.OutcomeError, look.Reason, look.Message
}

// unsigned notes that there is no signature.
func (c *claim) unsigned() { c.Skip(verify.CheckSignature, "Nobody signed it.") }

func (c *claim) done() inventory.Attestation {
	c.Attestation.Checks = c.Trial.Checks
	return c.Attestation
}

// statement is what an in-toto statement says of itself (in-toto attestation
// framework, spec/v1/statement.md and spec/v0.1).
type statement struct {
	Type          string
	PredicateType string
	Subjects      []struct {
		Digest map[string]string `json:"digest"`
	}
	Predicate json.RawMessage
}

// parse reads a statement. Its own keys must be there once, however they are
// spelt; inside the predicate, where BuildKit lists build arguments by name,
// http_proxy and HTTP_PROXY are two.
func parse(raw []byte) (statement, error) {
	var s statement
	fields, err := keys(raw)
	if err != nil {
		return s, err
	}
	for name, into := range map[string]any{"_type": &s.Type, "predicateType": &s.PredicateType, "subject": &s.Subjects} {
		if json.Unmarshal(fields[name], into) != nil {
			return s, fmt.Errorf("%s is missing or of the wrong type", name)
		}
	}
	s.Predicate = fields["predicate"]
	switch {
	case s.Type != "https://in-toto.io/Statement/v0.1" && s.Type != "https://in-toto.io/Statement/v1":
		return s, fmt.Errorf("it says that it is %s", shown(s.Type))
	case s.PredicateType == "":
		return s, errors.New("it doesn't say of which type it is")
	}
	return s, nil
}

// keys takes the outermost object apart.
func keys(raw []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	fields, seen := map[string]json.RawMessage{}, map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, errors.New("it is no JSON")
		}
		key, _ := token.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("it is no JSON")
		}
		folded := inventory.FoldKey(key)
		if seen[folded] {
			return nil, fmt.Errorf("the key %s appears twice", shown(key))
		}
		seen[folded] = true
		fields[key] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("it is no JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows it")
	}
	return fields, nil
}

// about reports whether the statement names the image as a subject.
func (s statement) about(d inventory.Digest) bool {
	for _, sub := range s.Subjects {
		if sub.Digest[d.Algorithm()] == d.Hex() {
			return true
		}
	}
	return false
}

// named is what the statement is about, for a message about something else.
func (s statement) named() string {
	for _, sub := range s.Subjects {
		for _, algorithm := range []string{"sha256", "sha512"} {
			if d, err := inventory.ParseDigest(algorithm + ":" + sub.Digest[algorithm]); err == nil {
				return string(d.Short())
			}
		}
	}
	return "nothing that has a digest"
}

// shown makes a claim fit to be read: what can't be seen is made visible, and
// what is long is cut.
func shown(s string) string {
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return inventory.Visible(s)
}
