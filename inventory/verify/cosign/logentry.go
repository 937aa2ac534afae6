package cosign

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/tlog"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// logEntry is a transparency-log entry, with what it says of itself. Whether a
// log vouches for any of it is for a domain that knows the log to say.
type logEntry struct {
	entry     *tlog.Entry // nil with a problem or of an unsupported kind
	kind      string
	logID     string    // as the entry gives it, raw
	index     int64     // in the log, or in its tree where only a proof comes along
	at        time.Time // when the log says it took the entry; zero if it doesn't say
	signature []byte    // empty where the entry doesn't hold it
	algorithm string    // of digest: sha256, sha384, sha512
	digest    []byte    // of what was signed; empty where the entry doesn't hold it
	key       *verify.Key

	problem     string // why it can't be an entry at all
	unsupported bool   // it may be one, of a kind that isn't read here
}

// of reports whether the entry is about content, as far as it says.
func (e *logEntry) of(content []byte) bool {
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

// with says what the log gave along with the entry.
func (e *logEntry) with() string {
	switch {
	case e.entry == nil:
		return ""
	case e.entry.HasInclusionPromise() && e.entry.HasInclusionProof():
		return "promise and proof of inclusion"
	case e.entry.HasInclusionProof():
		return "proof of inclusion"
	case e.entry.HasInclusionPromise():
		return "promise of inclusion"
	}
	return "neither promise nor proof of inclusion"
}

func (e *logEntry) link() inventory.Link {
	l := inventory.Link{Role: inventory.RoleTlog, Name: "Transparency-log entry", Facts: []inventory.Fact{
		{Name: "Log index", Value: strconv.FormatInt(e.index, 10)},
		{Name: "Log", Value: shown(hex.EncodeToString([]byte(e.logID)))},
		{Name: "Kind", Value: shown(e.kind)},
	}}
	if with := e.with(); with != "" {
		l.Facts = append(l.Facts, inventory.Fact{Name: "Came with", Value: with})
	}
	return l
}

// supported are the entries that can be compared with the signature they came
// with (Rekor's types). Of intoto 0.0.1 the signature isn't part.
func supported(kind, version string) bool {
	switch kind + " " + version {
	case "hashedrekord 0.0.1", "hashedrekord 0.0.2", "dsse 0.0.1", "intoto 0.0.2":
		return true
	}
	return false
}

// unsupportedEntry says that a bundle holds an entry of a kind that isn't read.
type unsupportedEntry struct{ kind string }

func (e *unsupportedEntry) Error() string { return "a log entry of type " + e.kind }

// unreadEntry finds the kind that keeps a bundle from being read.
func unreadEntry(raw []byte) string {
	var b struct {
		VerificationMaterial struct {
			TlogEntries []struct {
				CanonicalizedBody []byte `json:"canonicalizedBody"`
			} `json:"tlogEntries"`
		} `json:"verificationMaterial"`
	}
	if json.Unmarshal(raw, &b) != nil {
		return ""
	}
	for _, e := range b.VerificationMaterial.TlogEntries {
		if kind, version, err := kindOfBody(e.CanonicalizedBody); err == nil && !supported(kind, version) {
			return kind + " " + version
		}
	}
	return ""
}

func kindOfBody(body []byte) (kind, version string, err error) {
	var b struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	err = inventory.StrictJSON(body, &b)
	if err == nil && b.Kind == "" {
		err = fmt.Errorf("the entry is of no kind")
	}
	return b.Kind, b.Version, err
}

// annotatedEntry reads cosign's bundle annotation: an entry of Rekor version 1
// with the log's promise to include it.
func annotatedEntry(text string) logEntry {
	bad := logEntry{kind: "unreadable", problem: "The transparency-log entry can't be read."}
	var doc struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		} `json:"Payload"`
	}
	if inventory.StrictJSON([]byte(text), &doc) != nil {
		return bad
	}
	id, err := hex.DecodeString(doc.Payload.LogID)
	if err != nil || len(id) == 0 {
		return bad
	}
	kind, version, err := kindOfBody(doc.Payload.Body)
	if err != nil {
		return bad
	}
	if !supported(kind, version) {
		return logEntry{kind: kind + " " + version, logID: string(id), index: doc.Payload.LogIndex, unsupported: true}
	}
	t, err := tlog.ParseTransparencyLogEntry(&protorekor.TransparencyLogEntry{
		LogIndex: doc.Payload.LogIndex, LogId: &protocommon.LogId{KeyId: id}, IntegratedTime: doc.Payload.IntegratedTime,
		KindVersion:       &protorekor.KindVersion{Kind: kind, Version: version},
		InclusionPromise:  &protorekor.InclusionPromise{SignedEntryTimestamp: doc.SignedEntryTimestamp},
		CanonicalizedBody: doc.Payload.Body,
	})
	if err != nil || tlog.ValidateEntry(t) != nil {
		return bad
	}
	return readEntry(t)
}

// readEntry reads what an entry says.
func readEntry(t *tlog.Entry) logEntry {
	raw := t.TransparencyLogEntry()
	e := logEntry{entry: t, logID: t.LogKeyID(), index: t.LogIndex()}
	kind, version, err := kindOfBody(raw.GetCanonicalizedBody())
	if err != nil || tlog.ValidateEntry(t) != nil {
		return logEntry{kind: "unreadable", logID: e.logID, problem: "The transparency-log entry can't be read."}
	}
	if said := raw.GetKindVersion(); said.GetKind() != kind || said.GetVersion() != version {
		return logEntry{kind: kind + " " + version, logID: e.logID, problem: "The transparency-log entry is said to be of another kind than it is."}
	}
	e.kind, e.signature = kind+" "+version, t.Signature()
	switch proof := raw.GetInclusionProof(); {
	case proof == nil:
	case t.IsRekorV2():
		// Version 2 is verified by the entry's own index and the signed checkpoint,
		// so what else the proof says would go by unnoticed.
		if proof.GetLogIndex() != raw.GetLogIndex() || !sameTree(proof) {
			return logEntry{kind: e.kind, logID: e.logID, problem: "The proof that came with the transparency-log entry contradicts itself."}
		}
	case !t.HasInclusionPromise():
		e.index = proof.GetLogIndex() // the other one isn't vouched for
	}
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

// sameTree reports whether a proof is for the tree of its checkpoint (C2SP,
// tlog-checkpoint: origin, size and root hash, a line each).
func sameTree(proof *protorekor.InclusionProof) bool {
	lines := strings.SplitN(proof.GetCheckpoint().GetEnvelope(), "\n", 4)
	return len(lines) == 4 && lines[1] == strconv.FormatInt(proof.GetTreeSize(), 10) &&
		lines[2] == base64.StdEncoding.EncodeToString(proof.GetRootHash())
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
