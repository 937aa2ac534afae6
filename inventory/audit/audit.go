// Package audit makes the audit log one that nobody can quietly edit: its
// entries are the leaves of a Merkle tree (RFC 6962, section 2.1, by way of
// golang.org/x/mod/sumdb/tlog), and the tree's root is signed each time it grows
// (C2SP tlog-checkpoint, in a signed note). It makes leaves, signs and opens
// checkpoints, proves that an entry is in the log, and checks a whole log. Where
// entries and hashes are kept is not its business; that is inventory/store's.
package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	"golang.org/x/mod/sumdb/tlog"
)

// Record is an entry word for word as it is stored: what was signed has to be
// the same bytes for as long as the log is kept, whatever the program makes of
// them by then.
type Record struct {
	Index   int64  `json:"index"` // from 0, without gaps
	At      int64  `json:"at"`    // Unix milliseconds
	Actor   string `json:"actor"` // JSON
	Action  string `json:"action"`
	Object  string `json:"object"`
	Reason  string `json:"reason"`
	Before  string `json:"before"` // JSON, or empty
	After   string `json:"after"`  // JSON, or empty
	Address string `json:"address"`
}

// form is the version of the leaf's encoding.
const form = 1

// largest is the largest number that JSON passes on unchanged (RFC 7493, section
// 2.2).
const largest = 1<<53 - 1

// Leaf is the record as the tree has it: its fields and "form":1 as JSON in the
// canonical form of RFC 8785. It fails for what has no such form, and no record
// that was written ever has: text that isn't UTF-8, and numbers beyond 2⁵³.
func (r Record) Leaf() ([]byte, error) {
	for _, text := range []string{r.Actor, r.Action, r.Object, r.Reason, r.Before, r.After, r.Address} {
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("entry %d holds text that isn't UTF-8", r.Index)
		}
	}
	if r.Index < 0 || r.Index > largest || r.At < -largest || r.At > largest {
		return nil, fmt.Errorf("entry %d of %d milliseconds after 1970: one of the numbers is impossible", r.Index, r.At)
	}
	raw, err := json.Marshal(struct {
		Form int `json:"form"`
		Record
	}{form, r})
	if err != nil {
		return nil, fmt.Errorf("writing entry %d: %w", r.Index, err)
	}
	leaf, err := jsoncanonicalizer.Transform(raw)
	if err != nil {
		return nil, fmt.Errorf("writing entry %d: %w", r.Index, err)
	}
	return leaf, nil
}

// ParseLeaf reads what Leaf wrote, and refuses everything else.
func ParseLeaf(leaf []byte) (Record, error) {
	var r struct {
		Form int `json:"form"`
		Record
	}
	if err := json.Unmarshal(leaf, &r); err != nil {
		return Record{}, fmt.Errorf("reading a leaf: %w", err)
	}
	again, err := r.Record.Leaf()
	if err != nil || r.Form != form || !bytes.Equal(again, leaf) {
		return Record{}, fmt.Errorf("this is not a leaf of an audit log of form %d", form)
	}
	return r.Record, nil
}

// Append is the hashes that a record adds to the tree, in the order in which
// they are kept from tlog.StoredHashCount(r.Index) on, and the tree's root with
// the record in it. hashes is read for the ones that are kept already.
func Append(r Record, hashes tlog.HashReader) ([]tlog.Hash, tlog.Hash, error) {
	leaf, err := r.Leaf()
	if err != nil {
		return nil, tlog.Hash{}, err
	}
	added, err := tlog.StoredHashes(r.Index, leaf, hashes)
	if err != nil {
		return nil, tlog.Hash{}, fmt.Errorf("adding entry %d to the tree: %w", r.Index, err)
	}
	root, err := tlog.TreeHash(r.Index+1, with{hashes, tlog.StoredHashCount(r.Index), added})
	if err != nil {
		return nil, tlog.Hash{}, fmt.Errorf("hashing the tree of %d entries: %w", r.Index+1, err)
	}
	return added, root, nil
}

// with reads hashes of which the last ones aren't kept yet.
type with struct {
	kept  tlog.HashReader
	first int64
	added []tlog.Hash
}

func (w with) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var kept []int64
	for _, i := range indexes {
		if i < w.first {
			kept = append(kept, i)
		}
	}
	read, err := w.kept.ReadHashes(kept)
	if err != nil {
		return nil, err
	}
	hashes := make([]tlog.Hash, 0, len(indexes))
	for _, i := range indexes {
		if i >= w.first {
			hashes = append(hashes, w.added[i-w.first])
			continue
		}
		hashes, read = append(hashes, read[0]), read[1:]
	}
	return hashes, nil
}
