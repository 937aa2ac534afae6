package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxFamiliar is how many signers others are compared with: of those that are
// approved or registered, or once were approved, the ones with the most images.
const MaxFamiliar = 1000

// Familiar are the signers that people know: what a new one is compared with.
// Comparing takes time in proportion to their number, a fraction of a
// millisecond for a thousand.
type Familiar struct{ list []familiar }

type familiar struct {
	id       SignerID
	name     string
	family   string
	identity string // of a keyless signer, without the ref of a workflow; or a certificate's subject
	known    string // how it is known
	approved bool
	writing
}

// writing is a name by its parts, as they look to a reader.
type writing struct {
	class string     // names of different classes aren't compared
	parts []string   // skeletons
	looks string     // all of them
	words [][]string // of each part
	raw   []string   // as they are
}

// NewFamiliar prepares signers, with their standing, for being compared with; the
// first MaxFamiliar of them.
func NewFamiliar(list []Signer) *Familiar {
	f := &Familiar{list: make([]familiar, 0, min(len(list), MaxFamiliar))}
	for _, s := range list[:min(len(list), MaxFamiliar)] {
		one := newFamiliar(s)
		one.known, one.approved = "registered", s.Standing == Approved
		switch s.Standing {
		case Approved:
			one.known = "approved"
		case Expired:
			one.known = "known, though its approval ran out"
		case Revoked, Rejected:
			continue // to look like these earns nothing
		}
		f.list = append(f.list, one)
	}
	return f
}

func newFamiliar(s Signer) familiar {
	one := familiar{id: s.ID, name: s.Name, family: s.ID.Family(), writing: written(s.ID)}
	if s.ID.Kind() == KeySigner && s.RegisteredAt != nil {
		one.writing = writing{class: "name", raw: []string{s.Name}}
		one.looks = skeleton(s.Name)
		one.parts = []string{one.looks}
	}
	_, one.identity, _ = strings.Cut(one.family, "|")
	return one
}

// Like says which familiar signers a signer resembles; at most one oddity of a
// kind, by the one with the most images.
func (f *Familiar) Like(s Signer) []Oddity {
	self := newFamiliar(s)
	found := map[OddityKind]bool{}
	var list []Oddity
	for i := range f.list {
		other := &f.list[i]
		if other.id == self.id {
			continue
		}
		kind, detail := self.like(other)
		if kind == "" || found[kind] {
			continue
		}
		found[kind] = true
		list = append(list, Oddity{kind, detail, &NamedSigner{ID: other.id, Name: cmp.Or(other.name, string(other.id))}})
	}
	if found[OddAnotherIssuer] { // says more
		list = slices.DeleteFunc(list, func(o Oddity) bool { return o.Kind == OddLookAlike })
	}
	return list
}

func (f *familiar) like(other *familiar) (kind OddityKind, message string) {
	name := func() string { return Visible(cmp.Or(other.name, string(other.id))) }
	switch kind := f.id.Kind(); {
	case f.class != other.class || f.class == "":
		return "", ""
	case f.class == "name":
		switch {
		case f.name == other.name:
			return OddSameName, fmt.Sprintf("Another key is registered under the name %s. It is %s, and has another fingerprint.", name(), other.known)
		case f.looks == other.looks:
			return OddLookAlike, fmt.Sprintf("Its name reads like %s, the name of another key, which is %s, and is written otherwise.", name(), other.known)
		}
		return "", ""
	case f.family == other.family:
		if !other.approved {
			return "", ""
		}
		_, ref, _ := other.id.Workflow()
		return OddAnotherRef, fmt.Sprintf("The same workflow is approved for another ref, %s. An approval can cover several refs of a workflow at once, by a pattern.", Visible(ref))
	case f.identity == other.identity && kind == other.id.Kind():
		by := "another issuer, " + Visible(other.id.Authority())
		if kind == X509Signer {
			by = "another trust anchor, " + Visible(other.id.Authority())
		}
		return OddAnotherIssuer, fmt.Sprintf("A signer of the same name is %s, and is vouched for by %s. Here it is %s.", other.known, by, Visible(f.id.Authority()))
	}
	if mine, theirs, ok := f.alike(other.writing); ok {
		differ := ""
		if mine != "" {
			differ = fmt.Sprintf(" Here it says %q, there %q.", Visible(mine), Visible(theirs))
		}
		return OddLookAlike, fmt.Sprintf("Its name is nearly that of %s, which is %s, and isn't the same.%s", name(), other.known, differ)
	}
	return "", ""
}

// written takes apart what a signer's id says of its name, for the kinds that
// have one.
func written(id SignerID) writing {
	var w writing
	switch id.Kind() {
	case KeylessSigner:
		_, san, _ := id.Identity()
		if address, _, ok := id.Workflow(); ok {
			san = address
		}
		if local, domain, ok := strings.Cut(san, "@"); ok && !strings.Contains(san, "/") {
			w.class, w.raw = "e-mail", []string{local, domain}
		} else {
			w.class, w.raw = "address", strings.Split(san, "/")
		}
	case X509Signer:
		_, subject, _ := strings.Cut(string(id), "|")
		w.class, w.raw = "subject", strings.Split(subject, ",")
	default:
		return writing{}
	}
	for _, p := range w.raw {
		looks := skeleton(p)
		w.parts, w.words = append(w.parts, looks), append(w.words, words(looks))
	}
	w.looks = strings.Join(w.parts, "/")
	return w
}

// alike reports whether two names that aren't the same look so: letter by letter,
// or but for a slip of the pen in one of their parts, in which case that part is
// returned of both.
func (w writing) alike(other writing) (mine, theirs string, ok bool) {
	if len(w.parts) != len(other.parts) {
		return "", "", false
	}
	if w.looks == other.looks {
		for i := range w.raw {
			if w.raw[i] != other.raw[i] {
				return w.raw[i], other.raw[i], true
			}
		}
		return "", "", true
	}
	at := -1
	for i := range w.parts {
		if w.parts[i] != other.parts[i] {
			if at >= 0 {
				return "", "", false
			}
			at = i
		}
	}
	if !slip(w.parts[at], other.parts[at], w.words[at], other.words[at]) {
		return "", "", false
	}
	return w.raw[at], other.raw[at], true
}

// slip reports whether two texts, of these words, differ by no more than a slip
// of the pen: one letter in a word of at least five, two in one of at least nine,
// of which a transposition is one. What names are numbered and told apart by is
// none: a digit, a short word.
func slip(a, b string, one, two []string) bool {
	if len(one) != len(two) { // a separator more or less
		return min(len(a), len(b)) >= 5 && within(a, b, 1) >= 0 && !digitsDiffer(a, b)
	}
	differ := -1
	for i := range one {
		if one[i] != two[i] {
			if differ >= 0 {
				return false
			}
			differ = i
		}
	}
	if differ < 0 { // only in what separates them
		return len(a) >= 5
	}
	a, b = one[differ], two[differ]
	shorter, most := min(utf8.RuneCountInString(a), utf8.RuneCountInString(b)), 1
	switch {
	case shorter < 5:
		return false
	case shorter >= 9:
		most = 2
	}
	return within(a, b, most) >= 0 && !digitsDiffer(a, b)
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("-_. +=:", r) })
}

// digitsDiffer reports whether two texts hold different digits.
func digitsDiffer(a, b string) bool {
	for {
		i, j := strings.IndexFunc(a, unicode.IsDigit), strings.IndexFunc(b, unicode.IsDigit)
		if i < 0 || j < 0 {
			return i != j
		}
		if a[i] != b[j] {
			return true
		}
		a, b = a[i+1:], b[j+1:]
	}
}

// within is how many letters have to be changed, added, taken away or swapped
// with their neighbour to turn one text into the other, -1 when that is more than
// most (optimal string alignment).
func within(one, two string, most int) int {
	var first, second [longest]rune
	a, b := runes(one, &first), runes(two, &second)
	if a == nil || b == nil || len(a)-len(b) > most || len(b)-len(a) > most {
		return -1
	}
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if most == 1 && max(len(a), len(b)) > 2 {
		return -1
	}
	var rows [3][longest + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best > most {
			return -1
		}
		before, last, row = last, row, before
	}
	if last[len(b)] > most {
		return -1
	}
	return last[len(b)]
}

// longest is the longest text that is compared letter by letter: in a longer one
// nobody sees a slip.
const longest = 64

func runes(s string, into *[longest]rune) []rune {
	n := 0
	for _, r := range s {
		if n == longest {
			return nil
		}
		into[n] = r
		n++
	}
	return into[:n]
}
