package cosign

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// typeStatement is the DSSE payload type of in-toto statements.
const typeStatement = "application/vnd.in-toto+json"

// statement is what an in-toto statement says of itself, read strictly (in-toto
// attestation framework, spec/v1/statement.md). Until its signature holds it is
// a claim; afterwards it is only compared with what the verifier read.
type statement struct {
	Type          string
	PredicateType string
	Subjects      []subject
	Predicate     json.RawMessage
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// parseStatement refuses what verifiers read differently: keys that differ only
// in case, the spellings that only a reader of protocol buffers takes, digests
// that are no hex, and more subjects than sigstore-go takes.
func parseStatement(raw []byte) (statement, error) {
	var s statement
	var fields map[string]json.RawMessage
	if err := inventory.StrictJSON(raw, &fields); err != nil {
		return s, err
	}
	for _, other := range []string{"type", "predicate_type"} {
		if _, ok := fields[other]; ok {
			return s, fmt.Errorf("%s is another spelling of a field that is there", other)
		}
	}
	for _, field := range []struct { // the predicate type first: it says where to report a statement that is otherwise broken
		name string
		into any
	}{{"predicateType", &s.PredicateType}, {"_type", &s.Type}, {"subject", &s.Subjects}} {
		if err := json.Unmarshal(fields[field.name], field.into); err != nil {
			return s, fmt.Errorf("%s: %w", field.name, err)
		}
	}
	s.Predicate = fields["predicate"]
	const subjects, digests = 1024, 32
	if len(s.Subjects) == 0 || len(s.Subjects) > subjects {
		return s, errors.New("no subject, or too many")
	}
	for _, sub := range s.Subjects {
		if len(sub.Digest) > digests {
			return s, errors.New("too many digests")
		}
		for _, d := range sub.Digest {
			if _, err := hex.DecodeString(d); err != nil {
				return s, errors.New("a subject's digest is not hexadecimal")
			}
		}
	}
	return s, nil
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

// named is the image the statement is about, for a message about another.
func (s statement) named() string {
	for _, sub := range s.Subjects {
		for algorithm, h := range sub.Digest {
			if d, err := inventory.ParseDigest(algorithm + ":" + h); err == nil {
				return "the image " + d.Short()
			}
		}
	}
	return "something else"
}

// says checks what the statement says, image signature or not.
func (x *exam) says(s statement) {
	x.Pass(verify.CheckPayloadWellformed, "What was signed is one well-formed in-toto statement.")
	switch s.Type {
	case "https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1":
		x.Pass(verify.CheckPayloadType, "The statement is of a version that is understood here.")
	default:
		x.Fail(verify.CheckPayloadType, inventory.ReasonPayloadMalformed,
			fmt.Sprintf("The statement says that it is %q, not an in-toto statement.", shown(s.Type)))
	}
	if s.PredicateType == predicateSign {
		x.Pass(verify.CheckPredicateType, "The statement is an image signature.")
	} else {
		x.Pass(verify.CheckPredicateType, fmt.Sprintf("The statement is an attestation of type %s.", shown(s.PredicateType)))
	}
	if s.about(x.item.Subject.Manifest.Digest) {
		x.Pass(verify.CheckSubjectDigest, "The statement is about this image.")
	} else {
		x.Fail(verify.CheckSubjectDigest, inventory.ReasonDigestMismatch,
			fmt.Sprintf("The signature is for %s, not for this image.", s.named()))
	}
	for _, sub := range s.Subjects {
		if sub.Name != "" {
			x.statement.Facts = append(x.statement.Facts, inventory.Fact{Name: "Signed as", Value: shown(sub.Name)})
			break
		}
	}
	if n := len(s.Subjects); n > 1 {
		x.statement.Facts = append(x.statement.Facts, inventory.Fact{Name: "Subjects", Value: fmt.Sprint(n)})
	}
}
