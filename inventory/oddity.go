package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// OddityKind is what is unusual about a signer. It is never a verdict: all of
// these have honest reasons, and a reviewer should know them before deciding.
type OddityKind string

const (
	OddNewHere       OddityKind = "new_in_repository" // it signs where always somebody else did
	OddNewIssuer     OddityKind = "new_issuer"        // who vouches for it was never seen before
	OddLookAlike     OddityKind = "look_alike"        // its name is nearly that of one that is known
	OddAnotherIssuer OddityKind = "another_issuer"    // its name is that of one that is known, and somebody else vouches for it
	OddSameName      OddityKind = "same_name"         // a key registered under the name of another
	OddAnotherRef    OddityKind = "another_ref"       // a workflow that is approved for another Git ref
)

// OddityKinds lists every kind, in the order in which they are said.
var OddityKinds = []OddityKind{OddLookAlike, OddAnotherIssuer, OddSameName, OddNewHere, OddNewIssuer, OddAnotherRef}

// Unusual reports whether the kind wants a closer look. That a workflow is
// approved for another ref is help with deciding, and nothing to worry about.
func (k OddityKind) Unusual() bool { return k != OddAnotherRef }

// Oddity is one thing that is unusual about a signer.
type Oddity struct {
	Kind    OddityKind   `json:"kind"`
	Message string       `json:"message"`         // a sentence or two for a person
	Other   *NamedSigner `json:"other,omitempty"` // the signer that it is like, or that signed before it
}

// Unusual reports whether anything about the signer wants a closer look.
func (s Signer) Unusual() bool {
	return slices.ContainsFunc(s.Oddities, func(o Oddity) bool { return o.Kind.Unusual() })
}

// Surroundings are what is known around a signer: what Oddities goes by.
type Surroundings struct {
	Places []SignedIn // some of the repositories it signed in
	// VouchedSince is when a signer was first seen that the same issuer or anchor
	// vouches for; nil where nobody vouches. VouchedDecided: one of them was decided
	// about.
	VouchedSince   *time.Time
	VouchedDecided bool
	// KindSince and KindDecided say the same of all signers of its kind.
	KindSince   *time.Time
	KindDecided bool
	Familiar    *Familiar // signers that are approved or registered; may be nil
}

// SignedIn is a repository that a signer signed in, and who else did.
type SignedIn struct {
	Repository string    // registry/repository
	Since      time.Time // by then it had signed there
	NotBefore  time.Time // and not before then; zero when nobody looked before
	// Families that signed there, the signer's own among them. Crowded says that
	// there are more than these.
	Families []FamilySince
	Crowded  bool
}

// FamilySince is a family of signers (see SignerID.Family) in a repository.
type FamilySince struct {
	Family string
	Since  time.Time    // by then the first of them had signed
	Signer *NamedSigner // that first one; filled in where it matters
	Images int          // in use, with a signature of one of them; filled in where it matters
}

// settled is how much longer than a signer another must have been in a
// repository for "always" to mean anything: several sign one image, one after
// the other.
const settled = 24 * time.Hour

// Before is the family that alone had signed in the repository before the signer
// did; ok is false when there is none, when there are several, when it is the
// signer's own, and when nobody can know.
func (p SignedIn) Before(id SignerID) (before FamilySince, ok bool) {
	if p.Crowded || p.NotBefore.IsZero() {
		return before, false
	}
	n := 0
	for _, f := range p.Families {
		switch {
		case !f.Since.Before(p.NotBefore):
		case f.Family == id.Family():
			return before, false
		default:
			before = f
			n++
		}
	}
	return before, n == 1 && !before.Since.Add(settled).After(p.NotBefore)
}

// Oddities says what is unusual about a signer nobody has decided about yet, the
// most telling first; at most one of each kind.
func Oddities(s Signer, around Surroundings) []Oddity {
	if s.Standing != Pending {
		return nil
	}
	var list []Oddity
	if around.Familiar != nil {
		list = around.Familiar.Like(s)
	}
	if o, ok := newHere(s.ID, around.Places); ok {
		list = append(list, o)
	}
	if o, ok := newIssuer(s.ID, around); ok {
		list = append(list, o)
	}
	slices.SortStableFunc(list, func(a, b Oddity) int {
		return cmp.Compare(slices.Index(OddityKinds, a.Kind), slices.Index(OddityKinds, b.Kind))
	})
	return list
}

const oddDay = "2 January 2006"

// newHere speaks of the repository where most images carry the other signature.
func newHere(id SignerID, places []SignedIn) (Oddity, bool) {
	var where SignedIn
	var other FamilySince
	n := 0
	for _, p := range places {
		if before, ok := p.Before(id); ok {
			if n == 0 || before.Images > other.Images {
				where, other = p, before
			}
			n++
		}
	}
	if n == 0 {
		return Oddity{}, false
	}
	name := other.Family
	if other.Signer != nil && string(other.Signer.ID) == other.Family { // not one of several refs
		name = cmp.Or(other.Signer.Name, name)
	} else if address, _, ok := SignerID(other.Family + "@refs/").Workflow(); ok {
		name = "the workflow " + address
	}
	images := "no image in use carries it any more"
	switch {
	case other.Images == 1:
		images = "1 image in use carries it"
	case other.Images > 1:
		images = fmt.Sprintf("%d images in use carry it", other.Images)
	}
	first := "This signer first signed there on " + where.Since.UTC().Format(oddDay)
	if where.Since.Sub(where.NotBefore) > settled {
		first = "This signer came after that, by " + where.Since.UTC().Format(oddDay)
	}
	message := fmt.Sprintf("In %s every verified signature before %s, from %s on, was by %s (%s). %s.",
		Visible(where.Repository), where.NotBefore.UTC().Format(oddDay), other.Since.UTC().Format(oddDay), Visible(name), images, first)
	switch {
	case n == 2:
		message += " It is the same in another repository."
	case n > 2:
		message += fmt.Sprintf(" It is the same in %d other repositories.", n-1)
	}
	return Oddity{OddNewHere, message, other.Signer}, true
}

func newIssuer(id SignerID, around Surroundings) (Oddity, bool) {
	authority := id.Authority()
	if authority == "" || around.VouchedSince == nil || around.VouchedDecided {
		return Oddity{}, false
	}
	older := around.KindSince != nil && !around.KindSince.Add(settled).After(*around.VouchedSince)
	if !older && !around.KindDecided {
		return Oddity{}, false // everybody is new
	}
	what := "The issuer " + Visible(authority)
	if id.Kind() == X509Signer {
		what = "The trust anchor " + Visible(authority)
	}
	return Oddity{Kind: OddNewIssuer, Message: fmt.Sprintf("%s is new here: nobody has decided about any signer that it vouches for, and the first was seen on %s.",
		what, around.VouchedSince.UTC().Format(oddDay))}, true
}
