package audit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"signboard/inventory"
	"signboard/inventory/audit"
)

// book is a log as a database would keep it.
type book struct {
	records     []audit.Record
	hashes      hashes
	checkpoints []audit.Signed
	next        int64
}

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var list []tlog.Hash
	for _, i := range indexes {
		list = append(list, h[i])
	}
	return list, nil
}

func newKey(t *testing.T) (audit.Key, note.Verifiers) {
	t.Helper()
	key, _, err := audit.OpenKey(filepath.Join(t.TempDir(), "audit.key"), "signboard.example.com")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := audit.Keys(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, keys
}

func record(i int) audit.Record {
	return audit.Record{
		Index: int64(i), At: 1795435200000 + int64(i), Actor: `{"kind":"user","name":"Dana <dana@example.com>"}`, Action: "signer.approve",
		Object: fmt.Sprintf("key:sha256:%d", i), Reason: "compared \u2028 in person \b", Before: "", After: `{"state":"active"}`, Address: "192.0.2.1",
	}
}

// add writes an entry as it should be; seal is nil for one without a checkpoint.
func (b *book) add(t *testing.T, r audit.Record, seal *audit.Key) {
	t.Helper()
	added, root, err := audit.Append(r, b.hashes)
	if err != nil {
		t.Fatal(err)
	}
	b.records, b.hashes, b.next = append(b.records, r), append(b.hashes, added...), r.Index+1
	if seal == nil {
		return
	}
	signed, err := seal.Sign(audit.Checkpoint{Size: r.Index + 1, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	b.checkpoints = append(b.checkpoints, audit.Signed{Size: r.Index + 1, Note: signed})
}

func newBook(t *testing.T, n int, key audit.Key) book {
	var b book
	for i := range n {
		b.add(t, record(i), &key)
	}
	return b
}

func (b book) stored() audit.Stored {
	return audit.Stored{Records: all(b.records), Hashes: all(b.hashes), Checkpoints: all(b.checkpoints), Next: b.next}
}

func all[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (b book) clone() book {
	return book{slices.Clone(b.records), slices.Clone(b.hashes), slices.Clone(b.checkpoints), b.next}
}

func TestCheck_wholeLogs(t *testing.T) {
	key, keys := newKey(t)
	for _, n := range []int{0, 1, 2, 3, 7, 8, 9, 64, 100} {
		b := newBook(t, n, key)
		size, err := audit.Check(b.stored(), nil, keys)
		if err != nil || size != int64(n) {
			t.Errorf("%d entries: got %d, %v", n, size, err)
		}
	}
	b := newBook(t, 9, key)
	if _, err := audit.Check(b.stored(), [][]byte{b.checkpoints[3].Note, b.checkpoints[8].Note}, keys); err != nil {
		t.Error(err)
	}
}

// TestCheck_namesTheFirstBadEntry changes a log by hand in every way we could
// think of.
func TestCheck_namesTheFirstBadEntry(t *testing.T) {
	key, keys := newKey(t)
	other, _ := newKey(t)
	whole := newBook(t, 13, key)
	const at = 6
	rehash := func(b *book, seal *audit.Key) { // as somebody would who knows the program, but hasn't its key
		records, kept := b.records, b.checkpoints
		*b = book{checkpoints: kept}
		for i, r := range records {
			r.Index = int64(i)
			if seal == nil {
				b.add(t, r, nil)
				continue
			}
			b.checkpoints = b.checkpoints[:min(i, len(b.checkpoints))]
			b.add(t, r, seal)
		}
	}
	tests := map[string]struct {
		change func(b *book)
		index  int64
	}{
		"the reason":       {func(b *book) { b.records[at].Reason = "x" }, at},
		"the actor":        {func(b *book) { b.records[at].Actor = `{"kind":"user","name":"Eric"}` }, at},
		"a space in JSON":  {func(b *book) { b.records[at].After += " " }, at},
		"the time":         {func(b *book) { b.records[at].At++ }, at},
		"an absurd time":   {func(b *book) { b.records[at].At = 1 << 60 }, at},
		"the action":       {func(b *book) { b.records[at].Action = "signer.reject" }, at},
		"the object":       {func(b *book) { b.records[at].Object += "0" }, at},
		"before":           {func(b *book) { b.records[at].Before = "{}" }, at},
		"the address":      {func(b *book) { b.records[at].Address = "" }, at},
		"text not UTF-8":   {func(b *book) { b.records[at].Reason += "\xff" }, at},
		"the first":        {func(b *book) { b.records[0].Reason = "x" }, 0},
		"the last":         {func(b *book) { b.records[12].Reason = "x" }, 12},
		"a deleted entry":  {func(b *book) { b.records = slices.Delete(b.records, at, at+1) }, at},
		"the first gone":   {func(b *book) { b.records = b.records[1:] }, 0},
		"the last gone":    {func(b *book) { b.records = b.records[:12] }, 12},
		"all gone":         {func(b *book) { b.records = nil }, 0},
		"entries swapped":  {func(b *book) { b.records[at], b.records[at+1] = b.records[at+1], b.records[at] }, at},
		"contents swapped": {func(b *book) { swap(b, at, at+3) }, at},
		"an entry twice":   {func(b *book) { b.records = slices.Insert(b.records, at, b.records[at]) }, at + 1},
		"one put in": {func(b *book) {
			b.records = slices.Insert(b.records, at, record(99))
			for i := range b.records {
				b.records[i].Index = int64(i)
			}
		}, at},
		"one added": {func(b *book) { b.records = append(b.records, record(13)) }, 13},
		"one added with its hashes, not counted": {func(b *book) {
			b.add(t, record(13), &key)
			b.next = 13
		}, 13},
		"one added with all but the key": {func(b *book) { b.add(t, record(13), nil) }, 13},
		"one added and signed otherwise": {func(b *book) { b.add(t, record(13), &other) }, 13},
		"a hash":                         {func(b *book) { b.hashes[tlog.StoredHashIndex(0, at)][0] ^= 1 }, at},
		"an inner hash":                  {func(b *book) { b.hashes[tlog.StoredHashIndex(1, 3)][0] ^= 1 }, 7},
		"the last hash gone":             {func(b *book) { b.hashes = b.hashes[:len(b.hashes)-1] }, 12},
		"all hashes gone":                {func(b *book) { b.hashes = nil }, 0},
		"a hash too many":                {func(b *book) { b.hashes = append(b.hashes, tlog.Hash{}) }, 13},
		"the tail gone, not the count": {func(b *book) {
			b.records, b.hashes, b.checkpoints = b.records[:8], b.hashes[:tlog.StoredHashCount(8)], b.checkpoints[:8]
		}, 8},
		"the tail gone, not the checkpoints": {func(b *book) {
			b.records, b.hashes, b.next = b.records[:8], b.hashes[:tlog.StoredHashCount(8)], 8
		}, 8},
		"changed and hashed anew":         {func(b *book) { b.records[at].Reason = "x"; rehash(b, nil) }, at},
		"deleted and hashed anew":         {func(b *book) { b.records = slices.Delete(b.records, at, at+1); rehash(b, nil) }, at},
		"changed and signed with another": {func(b *book) { b.records[at].Reason = "x"; rehash(b, &other) }, 0},
		"a checkpoint of another key":     {func(b *book) { b.checkpoints[at] = otherwise(t, b.checkpoints[at], other, keys) }, at},
		"a checkpoint changed": {func(b *book) {
			b.checkpoints[at].Note = []byte(strings.Replace(string(b.checkpoints[at].Note), "\n7\n", "\n8\n", 1))
		}, at},
		"a checkpoint under another's size":  {func(b *book) { b.checkpoints[at].Note = b.checkpoints[at-1].Note }, at},
		"the last checkpoint gone":           {func(b *book) { b.checkpoints = b.checkpoints[:12] }, 12},
		"a checkpoint that isn't one":        {func(b *book) { b.checkpoints[at].Note = []byte("x") }, at},
		"a checkpoint of nothing":            {func(b *book) { b.checkpoints[0].Size = -5 }, 0},
		"hashed anew without any checkpoint": {func(b *book) { b.records[at].Reason = "x"; b.checkpoints = nil; rehash(b, nil) }, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := whole.clone()
			test.change(&b)
			_, err := audit.Check(b.stored(), nil, keys)
			fault, ok := errors.AsType[*audit.Fault](err)
			if !ok || fault.Index != test.index {
				t.Fatalf("got %v, want entry %d named", err, test.index)
			}
			if !strings.Contains(fault.Message, fmt.Sprint(test.index)) {
				t.Errorf("%q doesn't name entry %d", fault.Message, test.index)
			}
		})
	}
}

func swap(b *book, i, j int) {
	b.records[i], b.records[j] = b.records[j], b.records[i]
	b.records[i].Index, b.records[j].Index = int64(i), int64(j)
}

func otherwise(t *testing.T, s audit.Signed, key audit.Key, keys note.Verifiers) audit.Signed {
	t.Helper()
	c, err := audit.OpenCheckpoint(s.Note, keys)
	if err != nil {
		t.Fatal(err)
	}
	if s.Note, err = key.Sign(c); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCheck_anOlderCopyPutBack is whole in itself; only what was published
// elsewhere tells.
func TestCheck_anOlderCopyPutBack(t *testing.T) {
	key, keys := newKey(t)
	old, now := newBook(t, 8, key), newBook(t, 13, key)
	if _, err := audit.Check(old.stored(), nil, keys); err != nil {
		t.Fatal(err)
	}
	_, err := audit.Check(old.stored(), [][]byte{now.checkpoints[12].Note}, keys)
	if fault, ok := errors.AsType[*audit.Fault](err); !ok || fault.Index != 8 {
		t.Errorf("got %v", err)
	}
	again := old.clone() // by somebody who has the key
	again.records[5].Reason = "x"
	records := again.records
	again = book{}
	for _, r := range records {
		again.add(t, r, &key)
	}
	_, err = audit.Check(again.stored(), [][]byte{now.checkpoints[3].Note, now.checkpoints[6].Note}, keys)
	if fault, ok := errors.AsType[*audit.Fault](err); !ok || fault.Index != 4 || !strings.Contains(fault.Message, "4 to 6") {
		t.Errorf("signed again: got %v", err)
	}
	foreign, _ := newKey(t)
	if _, err = audit.Check(old.stored(), [][]byte{newBook(t, 3, foreign).checkpoints[2].Note}, keys); !errors.Is(err, audit.ErrCheckpoint) {
		t.Errorf("a published checkpoint of another key: %v", err)
	}
}

func TestCheck_saysWhenItCannotRead(t *testing.T) {
	key, keys := newKey(t)
	broken := errors.New("the disk is gone")
	for name, change := range map[string]func(s *audit.Stored){
		"records":     func(s *audit.Stored) { s.Records = failing(s.Records, 5, broken) },
		"hashes":      func(s *audit.Stored) { s.Hashes = failing(s.Hashes, 5, broken) },
		"checkpoints": func(s *audit.Stored) { s.Checkpoints = failing(s.Checkpoints, 5, broken) },
	} {
		stored := newBook(t, 13, key).stored()
		change(&stored)
		if _, err := audit.Check(stored, nil, keys); !errors.Is(err, broken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func failing[T any](seq iter.Seq2[T, error], after int, broken error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		n := 0
		for v, err := range seq {
			if n++; n > after {
				var none T
				yield(none, broken)
				return
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

func TestProof_provesEachEntryAndNothingElse(t *testing.T) {
	key, keys := newKey(t)
	b := newBook(t, 13, key)
	last := b.checkpoints[12].Note
	c, err := audit.OpenCheckpoint(last, keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range b.records {
		leaf, err := r.Leaf()
		if err != nil {
			t.Fatal(err)
		}
		p, err := audit.Prove(leaf, int64(i), c, last, b.hashes)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Check(keys); err != nil || got != r {
			t.Fatalf("entry %d: got %+v, %v", i, got, err)
		}
		written, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := audit.ReadProof(written)
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("entry %d: its proof is read back as %+v, %v", i, again, err)
		}
		for name, bad := range map[string]func(p audit.Proof) audit.Proof{
			"another index":      func(p audit.Proof) audit.Proof { p.Index = (p.Index + 1) % 13; return p },
			"no such index":      func(p audit.Proof) audit.Proof { p.Index = 13; return p },
			"an index below all": func(p audit.Proof) audit.Proof { p.Index = -1; return p },
			"another leaf":       func(p audit.Proof) audit.Proof { p.Leaf = append(slices.Clone(p.Leaf), ' '); return p },
			"a hash less":        func(p audit.Proof) audit.Proof { p.Hashes = p.Hashes[1:]; return p },
			"a hash changed": func(p audit.Proof) audit.Proof {
				p.Hashes = slices.Clone(p.Hashes)
				p.Hashes[0][5] ^= 1
				return p
			},
			"another checkpoint": func(p audit.Proof) audit.Proof { p.Checkpoint = b.checkpoints[11].Note; return p },
			"no checkpoint":      func(p audit.Proof) audit.Proof { p.Checkpoint = nil; return p },
		} {
			if _, err := bad(p).Check(keys); err == nil {
				t.Errorf("entry %d: %s passes", i, name)
			}
		}
	}
	changed := b.records[3]
	changed.Reason = "x"
	leaf, _ := changed.Leaf()
	if _, err := audit.Prove(leaf, 3, c, last, b.hashes); err == nil {
		t.Error("a changed entry is proved")
	}
}

func TestReadProof_refusesWhatIsNone(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":        "",
		"another object": `{"items":[],"next_cursor":null}`,
		"no hashes":      `{"index":0,"leaf":"{}","hashes":["AAAA"],"checkpoint":"x"}`,
		"twice":          `{"index":0,"index":1,"leaf":"{}","hashes":[],"checkpoint":"x"}`,
		"two documents":  `{"index":0,"leaf":"{}","hashes":[],"checkpoint":"x"} {}`,
		"huge":           strings.Repeat(" ", 17<<20) + `{"index":0,"leaf":"{}","hashes":[],"checkpoint":"x"}`,
	} {
		if _, err := audit.ReadProof([]byte(text)); inventory.KindOf(err) != inventory.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLeaf_isWhatItWas holds the encoding: a log that was written must verify for
// as long as it is kept.
func TestLeaf_isWhatItWas(t *testing.T) {
	r := record(7)
	leaf, err := r.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"action":"signer.approve","actor":"{\"kind\":\"user\",\"name\":\"Dana <dana@example.com>\"}","address":"192.0.2.1",` +
		`"after":"{\"state\":\"active\"}","at":1795435200007,"before":"","form":1,"index":7,"object":"key:sha256:7","reason":"compared ` + "\u2028" + ` in person \b"}`
	if string(leaf) != want {
		t.Errorf("the leaf is\n%s\nand was\n%s", leaf, want)
	}
	if got := tlog.RecordHash(leaf).String(); got != "4pYIbyRlidL+WUFf/OpESMEEAvufv2aGzKaS1WRyDnE=" {
		t.Errorf("its hash is %s", got)
	}
	if back, err := audit.ParseLeaf(leaf); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("read back it is %+v, %v", back, err)
	}
	for _, bad := range []string{"", "{}", strings.Replace(want, `"form":1`, `"form":2`, 1), " " + want, strings.Replace(want, `"at"`, `"At"`, 1)} {
		if _, err := audit.ParseLeaf([]byte(bad)); err == nil {
			t.Errorf("%q passes for a leaf", bad)
		}
	}
}

func TestOpenCheckpoint_refuses(t *testing.T) {
	key, keys := newKey(t)
	other, _ := newKey(t)
	good := string(newBook(t, 5, key).checkpoints[4].Note)
	if _, err := audit.OpenCheckpoint([]byte(good), keys); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"nothing":          "",
		"another size":     strings.Replace(good, "\n5\n", "\n6\n", 1),
		"another name":     strings.Replace(good, "signboard.example.com\n", "signboard.example.org\n", 1),
		"another key":      string(newBook(t, 5, other).checkpoints[4].Note),
		"no signature":     good[:strings.Index(good, "\n\n")+2],
		"something before": "x\n" + good,
	} {
		if _, err := audit.OpenCheckpoint([]byte(bad), keys); !errors.Is(err, audit.ErrCheckpoint) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"two lines":   "signboard.example.com\n5\n",
		"no size":     "signboard.example.com\n+5\n" + tlog.Hash{}.String() + "\n",
		"no root":     "signboard.example.com\n5\nroot\n",
		"for another": "elsewhere.example.com\n5\n" + tlog.Hash{}.String() + "\n",
	} {
		if _, err := audit.OpenCheckpoint(sign(t, text, key), keys); !errors.Is(err, audit.ErrCheckpoint) {
			t.Errorf("signed, with %s: got %v", name, err)
		}
	}
}

// sign signs any text with the key of a file that MakeKey wrote.
func sign(t *testing.T, text string, key audit.Key) []byte {
	t.Helper()
	signed, err := key.SignText(text)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestOpenKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.key")
	made, isNew, err := audit.OpenKey(file, "sign board+x")
	if err != nil || !isNew {
		t.Fatal(err)
	}
	if made.Name() != "sign-board-x" {
		t.Errorf("its name is %q", made.Name())
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	again, isNew, err := audit.OpenKey(file, "another name")
	if err != nil || isNew || again.Public() != made.Public() {
		t.Errorf("opened again it is %v, %v", again.Public(), err)
	}
	if _, err := audit.MakeKey(file, "x"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made again: %v", err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := audit.OpenKey(file, "x"); inventory.KindOf(err) != inventory.Invalid || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
	os.Chmod(file, 0o600)
	lines := strings.SplitAfter(read(t, file), "\n")
	elsewhere, err := audit.MakeKey(filepath.Join(t.TempDir(), "k"), "sign-board-x")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"nothing": "", "another file": "hello\n", "half": lines[0], "another's public key": lines[0] + elsewhere.Public()} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := audit.OpenKey(file, "x"); inventory.KindOf(err) != inventory.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := audit.Keys("nonsense"); inventory.KindOf(err) != inventory.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestOpenKey_manyAtOnceMakeOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.key")
	made := make(chan string, 20)
	for range cap(made) {
		go func() {
			key, _, err := audit.OpenKey(file, "x")
			if err != nil {
				t.Error(err)
				made <- ""
				return
			}
			made <- key.Public()
		}()
	}
	first := <-made
	for range cap(made) - 1 {
		if next := <-made; next != first {
			t.Errorf("two keys: %s and %s", first, next)
		}
	}
	left, _ := os.ReadDir(filepath.Dir(file))
	if len(left) != 1 {
		t.Errorf("left over: %v", left)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
