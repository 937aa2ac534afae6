package audit

import (
	"encoding/json"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"signboard/inventory"
)

// Proof shows that an entry is in the log of a checkpoint, to whoever has the
// log's public key and nothing else.
type Proof struct {
	Leaf       []byte
	Index      int64
	Hashes     []tlog.Hash // RFC 6962, section 2.1.1
	Checkpoint []byte      // signed
}

// Prove proves an entry by the hashes of a log that has at least the
// checkpoint's size.
func Prove(leaf []byte, index int64, c Checkpoint, signed []byte, hashes tlog.HashReader) (Proof, error) {
	path, err := tlog.ProveRecord(c.Size, index, hashes)
	if err != nil {
		return Proof{}, fmt.Errorf("proving entry %d of %d: %w", index, c.Size, err)
	}
	p := Proof{Leaf: leaf, Index: index, Hashes: path, Checkpoint: signed}
	if err := tlog.CheckRecord(path, c.Size, c.Root, index, tlog.RecordHash(leaf)); err != nil {
		return Proof{}, fmt.Errorf("proving entry %d of %d: the log isn't what was signed: %w", index, c.Size, err)
	}
	return p, nil
}

// Check checks the proof against the log's public keys and returns the record
// that is proved.
func (p Proof) Check(keys note.Verifiers) (Record, error) {
	c, err := OpenCheckpoint(p.Checkpoint, keys)
	if err != nil {
		return Record{}, err
	}
	if p.Index < 0 || p.Index >= c.Size {
		return Record{}, fmt.Errorf("entry %d isn't in the log of the checkpoint, which has %d entries", p.Index, c.Size)
	}
	if err := tlog.CheckRecord(p.Hashes, c.Size, c.Root, p.Index, tlog.RecordHash(p.Leaf)); err != nil {
		return Record{}, fmt.Errorf("entry %d isn't in the log of the checkpoint: %w", p.Index, err)
	}
	r, err := ParseLeaf(p.Leaf)
	if err == nil && r.Index != p.Index {
		err = fmt.Errorf("the leaf is that of entry %d, not of %d", r.Index, p.Index)
	}
	return r, err
}

// proofFile is a proof as it is handed out, in the API and as a file.
type proofFile struct {
	Index      int64    `json:"index"`
	Leaf       string   `json:"leaf"`
	Hashes     []string `json:"hashes"` // base64
	Checkpoint string   `json:"checkpoint"`
}

// maxProof is more than any proof needs: a log of 2⁶² entries has 62 hashes, and
// an entry is bounded where it is written.
const maxProof = 16 << 20

// errProof is what is said of a file that holds no proof.
var errProof = inventory.Errorf(inventory.Invalid, "This is not a proof of an entry: expected the file that the page of an entry offers, or what GET /api/v1/audit/proof/{index} answered.")

// ReadProof reads a proof as MarshalJSON wrote it. It says nothing about whether
// that holds.
func ReadProof(raw []byte) (Proof, error) {
	var f proofFile
	if len(raw) > maxProof {
		return Proof{}, errProof
	}
	if err := inventory.StrictJSON(raw, &f); err != nil || f.Leaf == "" || f.Checkpoint == "" {
		return Proof{}, errProof
	}
	p := Proof{Leaf: []byte(f.Leaf), Index: f.Index, Checkpoint: []byte(f.Checkpoint)}
	for _, text := range f.Hashes {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return Proof{}, errProof
		}
		p.Hashes = append(p.Hashes, hash)
	}
	return p, nil
}

// MarshalJSON implements json.Marshaler.
func (p Proof) MarshalJSON() ([]byte, error) {
	f := proofFile{Index: p.Index, Leaf: string(p.Leaf), Checkpoint: string(p.Checkpoint), Hashes: []string{}}
	for _, hash := range p.Hashes {
		f.Hashes = append(f.Hashes, hash.String())
	}
	return json.Marshal(f)
}
