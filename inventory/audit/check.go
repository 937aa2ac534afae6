package audit

import (
	"errors"
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Fault is the first thing that is wrong with a log.
type Fault struct {
	Index   int64  // the first entry that isn't what was written
	Message string // a sentence for a person
}

func (f *Fault) Error() string { return f.Message }

// Signed is a checkpoint as it is kept, under the size that it says it is of.
type Signed struct {
	Size int64
	Note []byte
}

// Stored is a log as it lies in a database.
type Stored struct {
	Records     iter.Seq2[Record, error]    // by index; a Fault with one is about what isn't signed of it
	Hashes      iter.Seq2[tlog.Hash, error] // in the order in which they were kept
	Checkpoints iter.Seq2[Signed, error]    // by size
	Next        int64                       // the index of the next entry
}

// Check reads a whole log, and reports its size, or the Fault of the first entry
// that is missing, was changed or was put in: every entry is held against the
// hashes that were kept with it, and the tree with it against the checkpoint that
// was signed then, and against those that were published elsewhere. Any other
// error says that the log could not be read, or that what was published isn't a
// checkpoint of it.
func Check(log Stored, published [][]byte, keys note.Verifiers) (size int64, err error) {
	hashes, stop := iter.Pull2(log.Hashes)
	defer stop()
	kept, stop := iter.Pull2(log.Checkpoints)
	defer stop()
	w := walk{hashes: hashes, kept: kept, keys: keys, published: map[int64][]Checkpoint{}}
	for _, signed := range published {
		c, err := OpenCheckpoint(signed, keys)
		if err != nil {
			return 0, err
		}
		w.published[c.Size] = append(w.published[c.Size], c)
	}
	for r, err := range log.Records {
		odd, isFault := errors.AsType[*Fault](err)
		if err != nil && !isFault {
			return w.size, err
		}
		if err := w.entry(r); err != nil {
			return w.size, err
		}
		if err := w.signed(); err != nil {
			return w.size, err
		}
		if isFault {
			return w.size, odd
		}
	}
	return w.size, w.end(log.Next)
}

// walk is how far the check of a log has come.
type walk struct {
	hashes    func() (tlog.Hash, error, bool)
	kept      func() (Signed, error, bool)
	published map[int64][]Checkpoint
	keys      note.Verifiers

	tree  memory
	size  int64 // entries so far
	shown int64 // entries that what was published vouches for
}

// entry takes the next entry of the log.
func (w *walk) entry(r Record) error {
	at := w.size
	if r.Index != at {
		return fault(at, "Entry %d is missing: entry %d is where it was.", at, r.Index)
	}
	leaf, err := r.Leaf()
	if err != nil {
		return fault(at, "Entry %d was changed: it isn't one that could have been written.", at)
	}
	added, err := tlog.StoredHashes(at, leaf, w.tree)
	if err != nil {
		return err
	}
	for level, want := range added {
		kept, err, more := w.hashes()
		switch {
		case err != nil:
			return err
		case !more:
			return fault(at, "Entry %d was put in: the log's tree ends before it.", at)
		case kept != want && level == 0:
			return fault(at, "Entry %d was changed: it isn't what was written.", at)
		case kept != want:
			return fault(at, "The log's tree was changed at entry %d.", at)
		}
	}
	w.tree = append(w.tree, added...)
	w.size++
	return nil
}

// signed holds the tree against the checkpoints of its size.
func (w *walk) signed() error {
	at := w.size - 1
	kept, err, more := w.kept()
	switch {
	case err != nil:
		return err
	case !more:
		return fault(at, "Entry %d was put in without the key: no checkpoint was signed for it.", at)
	case kept.Size > w.size:
		return fault(at, "The checkpoint of entry %d is missing.", at)
	}
	c, err := OpenCheckpoint(kept.Note, w.keys)
	if err != nil || kept.Size != w.size || c.Size != w.size {
		return fault(at, "The checkpoint of entry %d was changed, or another key signed it.", at)
	}
	root, err := tlog.TreeHash(w.size, w.tree)
	if err != nil {
		return err
	}
	if c.Root != root {
		return fault(at, "Entry %d was changed: it isn't the one that was signed.", at)
	}
	for _, c := range w.published[w.size] {
		if c.Root != root {
			return fault(w.shown, "One of the entries %d to %d was changed, and signed again: the tree of the first %d isn't the one that was published.", w.shown, at, w.size)
		}
		w.shown = w.size
	}
	delete(w.published, w.size)
	return nil
}

// end checks that the log ends where everything says it does.
func (w *walk) end(next int64) error {
	_, err, hash := w.hashes()
	if err != nil {
		return err
	}
	_, err, checkpoint := w.kept()
	if err != nil {
		return err
	}
	longest := next
	for size := range w.published {
		if size > 0 { // every log begins with none
			longest = max(longest, size)
		}
	}
	switch {
	case hash || checkpoint || longest > w.size:
		return fault(w.size, "Entry %d is missing: the log ends before it, and there was one.", w.size)
	case next < w.size:
		return fault(next, "Entry %d was put in: the log counts %d entries.", next, next)
	}
	return nil
}

func fault(index int64, format string, args ...any) error {
	return &Fault{Index: index, Message: fmt.Sprintf(format, args...)}
}

// memory is all hashes of a log: 64 bytes an entry.
type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, 0, len(indexes))
	for _, i := range indexes {
		if i >= int64(len(m)) {
			return nil, fmt.Errorf("hash %d of %d", i, len(m))
		}
		hashes = append(hashes, m[i])
	}
	return hashes, nil
}
