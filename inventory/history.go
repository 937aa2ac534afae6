package inventory

import (
	"cmp"
	"slices"
	"time"
)

// CauseKind says what made a verdict change.
type CauseKind string

const (
	CauseFirstLook  CauseKind = "first_look" // nothing was known before
	CauseSignatures CauseKind = "signatures" // a look found others on the image than there were
	CauseTags       CauseKind = "tags"       // so it did, as the image's tags changed: Docker Content Trust signs a digest for a tag
	CauseDecision   CauseKind = "decision"   // somebody decided about a signer
	CauseTrust      CauseKind = "trust"      // keys or roots became known here, or no longer are
	CauseTime       CauseKind = "time"       // an approval, a signature or a certificate ran out
	CauseRecheck    CauseKind = "recheck"    // a check was repeated that asks others: a certificate was revoked
	CauseFailure    CauseKind = "failure"    // the registry, or others that a check asks, could not be read
	CauseRecovery   CauseKind = "recovery"   // they can be read again
	CauseLook       CauseKind = "look"       // a look, and none of the above is known
)

// Cause is why a verdict changed, with what is worth naming of it.
type Cause struct {
	Kind CauseKind `json:"-"` // empty for changes from before causes were kept

	// Of CauseFirstLook: how much it found.
	Signatures   int `json:"signatures,omitempty"`
	Attestations int `json:"attestations,omitempty"`

	// What appeared and vanished: the first of each, and how many there were.
	Appeared  []Trace `json:"appeared,omitempty"`
	Vanished  []Trace `json:"vanished,omitempty"`
	NAppeared int     `json:"n_appeared,omitempty"`
	NVanished int     `json:"n_vanished,omitempty"`

	Decision *CauseDecided `json:"decision,omitempty"` // of CauseDecision

	// Of CauseTrust: whose signatures can be checked now, and whose no longer;
	// the first of each.
	Gained []NamedSigner `json:"gained,omitempty"`
	Lost   []NamedSigner `json:"lost,omitempty"`

	Reason Reason `json:"reason,omitempty"` // of CauseFailure
}

// CauseDecided is the decision that changed a verdict.
type CauseDecided struct {
	ID     string      `json:"id"`
	Verb   Verb        `json:"verb"`
	By     []string    `json:"by"`
	Signer NamedSigner `json:"signer"`
}

// NamedSigner is a signer as history keeps it: with the name it had.
type NamedSigner struct {
	ID   SignerID `json:"id"`
	Name string   `json:"name"`
}

// Trace is what history keeps of a signature or an attestation: enough to know
// it again and to name it.
type Trace struct {
	Format        Format       `json:"format,omitempty"`         // of a signature
	PredicateType string       `json:"predicate_type,omitempty"` // of an attestation
	Manifest      Digest       `json:"manifest,omitempty"`
	Index         int          `json:"index,omitempty"` // its place in the manifest
	Mark          string       `json:"mark,omitempty"`  // digest of the signature's own bytes, where it is known
	Signer        *NamedSigner `json:"signer,omitempty"`
}

// Ground is what history keeps of what a verdict rested on when it was passed.
type Ground struct {
	// Signature is the one that gave the answer, with its signer; nil where none
	// did. Only its signer may be known.
	Signature *Trace
	Root      string // the root of trust that vouched for the signer, as Signature.Domain
	Decision  string // id of the decision about the signer; empty when there was none

	Decisions int64      // the revision of all decisions at which it was judged
	Trust     int64      // the revision of the keys and roots that the image was checked with
	CheckedAt *time.Time // the look that it rests on; of an unknown image, the last one that succeeded
}

// TraceOf is the trace of a signature.
func TraceOf(s Signature) Trace {
	t := Trace{Format: s.Format, Manifest: s.Manifest, Index: s.Index, Signer: named(s.Signer)}
	for _, l := range s.Chain {
		if l.Role == RoleSignature {
			t.Mark = l.Fingerprint
		}
	}
	if s.Format == FormatDCT {
		// The signed list is signed anew whenever any tag of the repository is.
		t.Manifest, t.Mark = "", ""
	}
	return t
}

// TraceOfAttestation is the trace of an attestation.
func TraceOfAttestation(a Attestation) Trace {
	return Trace{PredicateType: a.PredicateType, Manifest: a.Manifest, Signer: named(a.Signer)}
}

func named(s *Signer) *NamedSigner {
	if s == nil {
		return nil
	}
	return &NamedSigner{ID: s.ID, Name: cmp.Or(s.Name, string(s.ID))}
}

// Attestation reports whether the trace is that of an attestation.
func (t Trace) Attestation() bool { return t.Format == "" }

// Compare finds what is in after and not in before, and the other way round. A
// signature is the same when its bytes are, wherever they are kept: cosign
// writes all signatures of an image into a new manifest when one is added.
// Where the bytes aren't known its place stands for them; and where the place
// moves, as in Docker Content Trust and with cosign's attestations, its signer.
func Compare(before, after []Trace) (appeared, vanished []Trace) {
	vanished, appeared = slices.Clone(before), slices.Clone(after)
	for _, same := range []func(a, b Trace) bool{
		func(a, b Trace) bool { return a.Mark != "" && a.Mark == b.Mark },
		func(a, b Trace) bool {
			return (a.Mark == "" || b.Mark == "") && a.Manifest != "" && a.Manifest == b.Manifest && a.Index == b.Index
		},
		func(a, b Trace) bool {
			return (a.Attestation() || a.Manifest == "" && b.Manifest == "") && a.signer() == b.signer()
		},
	} {
		appeared = slices.DeleteFunc(appeared, func(a Trace) bool {
			i := slices.IndexFunc(vanished, func(b Trace) bool {
				return a.Format == b.Format && a.PredicateType == b.PredicateType && same(a, b)
			})
			if i >= 0 {
				vanished = slices.Delete(vanished, i, i+1)
			}
			return i >= 0
		})
	}
	return appeared, vanished
}

func (t Trace) signer() SignerID {
	if t.Signer == nil {
		return ""
	}
	return t.Signer.ID
}

// ImageEvent is a signature or attestation that appeared on an image after the
// first look, or vanished from it.
type ImageEvent struct {
	At       time.Time
	Vanished bool
	Trace    *Trace // nil where there were too many to keep each
	Count    int    // 1 with a trace
}

// LostSignature is an image that a signature had made trusted which the
// registry no longer shows.
type LostSignature struct {
	Registry   string
	Repository string // without the registry
	Digest     Digest
	Tags       []string
	Status     Status // now
	At         time.Time
}

// Chapter is one entry of an image's timeline. One of Verdict, Move, Event
// and Quarantine is set, or else its kind says it all.
type Chapter struct {
	At      time.Time
	Kind    ChapterKind
	Verdict *VerdictChange
	Move    *TagMove
	Event   *ImageEvent
	// Quarantine is what held the image, with its Hold.
	Quarantine *Quarantine
}

// ChapterKind says what a chapter tells.
type ChapterKind string

const (
	ChapterVerdict        ChapterKind = "verdict"
	ChapterMove           ChapterKind = "move"
	ChapterEvent          ChapterKind = "event"
	ChapterHeld           ChapterKind = "held"
	ChapterReleased       ChapterKind = "released"
	ChapterRanOut         ChapterKind = "ran_out" // a quarantine came to its end
	ChapterFirstSeen      ChapterKind = "first_seen"
	ChapterUntagged       ChapterKind = "untagged"        // no tag points at the image any more
	ChapterRepositoryGone ChapterKind = "repository_gone" // the registry doesn't list its repository
)

// Timeline is all that is known of what happened to an image, newest first.
// Where not all of one kind was read, it ends before what would then be told
// with gaps, and cut is set.
func (i Image) Timeline(now time.Time) (chapters []Chapter, cut bool) {
	for n := range i.History {
		chapters = append(chapters, Chapter{At: i.History[n].At, Kind: ChapterVerdict, Verdict: &i.History[n]})
	}
	for n := range i.Events {
		chapters = append(chapters, Chapter{At: i.Events[n].At, Kind: ChapterEvent, Event: &i.Events[n]})
	}
	for n := range i.TagMoves {
		chapters = append(chapters, Chapter{At: i.TagMoves[n].At, Kind: ChapterMove, Move: &i.TagMoves[n]})
	}
	for n := range i.Holds {
		q := &i.Holds[n]
		chapters = append(chapters, Chapter{At: q.Hold.Since, Kind: ChapterHeld, Quarantine: q})
		switch {
		case q.ReleasedAt != nil:
			chapters = append(chapters, Chapter{At: *q.ReleasedAt, Kind: ChapterReleased, Quarantine: q})
		case q.ExpiresAt != nil && !now.Before(*q.ExpiresAt):
			chapters = append(chapters, Chapter{At: *q.ExpiresAt, Kind: ChapterRanOut, Quarantine: q})
		}
	}
	if i.GoneAt != nil {
		chapters = append(chapters, Chapter{At: *i.GoneAt, Kind: ChapterUntagged})
	}
	if i.RepositoryGoneAt != nil {
		chapters = append(chapters, Chapter{At: *i.RepositoryGoneAt, Kind: ChapterRepositoryGone})
	}
	chapters = append(chapters, Chapter{At: i.FirstSeen, Kind: ChapterFirstSeen})
	// Of the same moment, what follows from another thing comes above it.
	order := []ChapterKind{ChapterUntagged, ChapterRepositoryGone, ChapterRanOut, ChapterReleased, ChapterHeld, ChapterVerdict, ChapterEvent, ChapterMove, ChapterFirstSeen}
	slices.SortStableFunc(chapters, func(a, b Chapter) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)))
	})
	if from := i.HistoryFrom; from != nil {
		known := slices.IndexFunc(chapters, func(c Chapter) bool { return c.At.Before(*from) })
		if known >= 0 {
			return chapters[:known], true
		}
	}
	return chapters, false
}
