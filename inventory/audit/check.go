package audit

import (
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
	Records     iter.Seq2[Record, error]    // by index
	Hashes      iter.Seq2[tlog.Hash, error] // in the order in which they were kept
	Checkpoints iter.Seq2[Signed, error]    // by size
	Next        int64                       // the index of the next entry
}

// Check reads a whole log, and reports its size, or the Fault of the first entry
// that is missing, was changed or was put in: every entry is held against the
// hashes that were kept with it, and the tree against every checkpoint, those
// that were published elsewhere too. Any other error says that the log could not
// be read, or that what was published isn't a checkpoint of it.
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
	if err := w.turn(); err != nil {
		return 0, err
	}
	for r, err := range log.Records {
		if err != nil {
			return w.size, err
		}
		if err := w.entry(r); err != nil {
			return w.size, err
		}
		if err := w.signed(); err != nil {
			return w.size, err
		}
	}
	return w.size, w.end(log.Next)
}

// walk is how far the check of a log has come.
type walk struct {
	hashes    func() (tlog.Hash, error, bool)
	kept      func() (Signed, error, bool)
	next      *Signed // the first checkpoint that wasn't looked at
	published map[int64][]Checkpoint
	keys      note.Verifiers

	tree  memory
	size  int64 // entries so far
	good  int64 // entries that a checkpoint vouches for
	first bool  // a checkpoint was kept
	last  int64 // size of the last one
}

// turn goes on to the next checkpoint.
func (w *walk) turn() error {
	s, err, more := w.kept()
	if err != nil {
		return err
	}
	if w.next = nil; more {
		w.next, w.last, w.first = &s, s.Size, true
	}
	return nil
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
	checkpoints := w.published[w.size]
	delete(w.published, w.size)
	for w.next != nil && w.next.Size <= w.size {
		c, err := OpenCheckpoint(w.next.Note, w.keys)
		if err != nil || c.Size != w.next.Size || c.Size != w.size {
			return fault(w.size-1, "The checkpoint of entry %d was changed, or another key signed it.", max(w.next.Size-1, 0))
		}
		checkpoints = append(checkpoints, c)
		if err := w.turn(); err != nil {
			return err
		}
	}
	if len(checkpoints) == 0 {
		return nil
	}
	root, err := tlog.TreeHash(w.size, w.tree)
	if err != nil {
		return err
	}
	for _, c := range checkpoints {
		switch {
		case root == c.Root:
		case w.good == w.size-1:
			return fault(w.good, "Entry %d was changed: it isn't the one that was signed.", w.good)
		default:
			return fault(w.good, "One of the entries %d to %d was changed: they aren't the ones that were signed.", w.good, w.size-1)
		}
	}
	w.good = w.size
	return nil
}

// end checks that the log ends where everything says it does.
func (w *walk) end(next int64) error {
	_, err, more := w.hashes()
	if err != nil {
		return err
	}
	longest := next
	for size := range w.published {
		if size > 0 { // every log begins with none
			longest = max(longest, size)
		}
	}
	if w.next != nil {
		longest = max(longest, w.next.Size)
	}
	switch {
	case more || longest > w.size:
		return fault(w.size, "Entry %d is missing: the log ends before it, and there was one.", w.size)
	case next < w.size:
		return fault(next, "Entry %d was put in: the log counts %d entries.", next, next)
	case w.first && w.last < w.size:
		return fault(w.last, "Entry %d was put in without the key: no checkpoint was signed for it.", w.last)
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
