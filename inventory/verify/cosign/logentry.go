package cosign

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tlog"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// logEntry is what a transparency-log entry says of itself. No log is known in
// this version, so none of it is verified.
type logEntry struct {
	kind      string
	logID     string // hex
	index     int64
	at        time.Time // when the log says it took the entry; zero if it doesn't say
	signature []byte    // empty where the entry doesn't hold it
	algorithm string    // of digest: sha256, sha384, sha512
	digest    []byte    // of what was signed; empty where the entry doesn't hold it
	key       *verify.Key
	problem   string // why it can't be an entry at all
}

// of reports whether the entry is about content, as far as it says.
func (e logEntry) of(content []byte) bool {
	switch e.algorithm {
	case "sha256":
		sum := sha256.Sum256(content)
		return bytes.Equal(sum[:], e.digest)
	case "sha384":
		sum := sha512.Sum384(content)
		return bytes.Equal(sum[:], e.digest)
	case "sha512":
		sum := sha512.Sum512(content)
		return bytes.Equal(sum[:], e.digest)
	}
	return len(e.digest) == 0
}

func (e logEntry) link() inventory.Link {
	l := inventory.Link{Role: inventory.RoleTlog, Name: "Transparency-log entry", Facts: []inventory.Fact{
		{Name: "Log index", Value: strconv.FormatInt(e.index, 10)},
		{Name: "Log", Value: shown(e.logID)},
		{Name: "Kind", Value: shown(e.kind)},
	}}
	if !e.at.IsZero() {
		l.Facts = append(l.Facts, inventory.Fact{Name: "Time (not checked)", Value: e.at.UTC().Format(time.RFC3339)})
	}
	return l
}

// annotatedEntry reads cosign's bundle annotation: an entry of Rekor version 1
// with the log's promise to include it.
func annotatedEntry(text string) logEntry {
	bad := logEntry{kind: "unreadable", problem: "The transparency-log entry can't be read."}
	var doc struct {
		Payload struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		} `json:"Payload"`
	}
	if inventory.StrictJSON([]byte(text), &doc) != nil {
		return bad
	}
	var body struct {
		Kind string          `json:"kind"`
		Spec json.RawMessage `json:"spec"`
	}
	if inventory.StrictJSON(doc.Payload.Body, &body) != nil {
		return bad
	}
	e := logEntry{kind: body.Kind, logID: doc.Payload.LogID, index: doc.Payload.LogIndex}
	if doc.Payload.IntegratedTime > 0 {
		e.at = time.Unix(doc.Payload.IntegratedTime, 0)
	}
	if body.Kind != "hashedrekord" { // shown as it is; what it holds isn't compared
		return e
	}
	var spec struct {
		Data struct {
			Hash struct {
				Algorithm string `json:"algorithm"`
				Value     string `json:"value"`
			} `json:"hash"`
		} `json:"data"`
		Signature struct {
			Content   []byte `json:"content"`
			PublicKey struct {
				Content []byte `json:"content"`
			} `json:"publicKey"`
		} `json:"signature"`
	}
	if json.Unmarshal(body.Spec, &spec) != nil {
		return bad
	}
	digest, err := hex.DecodeString(spec.Data.Hash.Value)
	if err != nil || len(digest) == 0 || len(spec.Signature.Content) == 0 {
		return bad
	}
	e.algorithm, e.digest, e.signature = spec.Data.Hash.Algorithm, digest, spec.Signature.Content
	if public, _, _, err := verify.ParsePublicKey(spec.Signature.PublicKey.Content); err == nil {
		e.key = loggedKey(public)
	}
	return e
}

// bundledEntry reads an entry of a Sigstore bundle.
func bundledEntry(t *tlog.Entry) logEntry {
	e := logEntry{kind: t.TransparencyLogEntry().GetKindVersion().GetKind(), logID: hex.EncodeToString([]byte(t.LogKeyID())),
		index: t.LogIndex(), signature: t.Signature()}
	if at := t.IntegratedTime(); at.Unix() > 0 {
		e.at = at
	}
	if digest, ok := t.GetDssePayloadHash(); ok {
		e.algorithm, e.digest = "sha256", digest
	} else if digest, algorithm, ok := t.GetHashedRekordDigest(); ok && !t.IsRekorV2() {
		e.algorithm, e.digest = algorithm, digest
	}
	if public := t.PublicKey(); public != nil {
		e.key = loggedKey(public)
	}
	return e
}

// loggedKey is nil for a certificate and for a key that isn't accepted.
func loggedKey(public crypto.PublicKey) *verify.Key {
	k, err := verify.NewKey("", public)
	if err != nil {
		return nil
	}
	return &k
}

// parseHint reads a bundle's hint. cosign makes it the base64 of the SHA-256 of
// the SubjectPublicKeyInfo; the specification leaves it to the signer.
func parseHint(hint string) inventory.Digest {
	if b, err := base64.StdEncoding.DecodeString(hint); err == nil && len(b) == sha256.Size {
		return inventory.Digest("sha256:" + hex.EncodeToString(b))
	}
	return ""
}
