package inventory

import (
	"slices"
	"testing"
	"time"
)

func mark(format Format, manifest, mark string, signer SignerID) Trace {
	t := Trace{Format: format, Manifest: Digest(manifest), Mark: mark}
	if signer != "" {
		t.Signer = &NamedSigner{ID: signer, Name: string(signer)}
	}
	return t
}

func TestCompare(t *testing.T) {
	a, b := mark(FormatSimpleSigning, "m1", "s1", "key:a"), mark(FormatSimpleSigning, "m1", "s2", "key:b")
	moved := mark(FormatSimpleSigning, "m2", "s1", "key:a")
	again := mark(FormatSimpleSigning, "m9", "s9", "key:a")
	unread := mark(FormatSimpleSigning, "m1", "", "")
	delegated, other := mark(FormatDCT, "", "", "tuf:app|1"), mark(FormatDCT, "", "", "tuf:app|2")
	sbom := Trace{PredicateType: "sbom", Manifest: "m3", Signer: &NamedSigner{ID: "key:a"}}
	rewritten := Trace{PredicateType: "sbom", Manifest: "m4", Signer: &NamedSigner{ID: "key:a"}}
	for name, test := range map[string]struct{ before, after, appeared, vanished []Trace }{
		"nothing":                              {},
		"the same":                             {[]Trace{a, b}, []Trace{b, a}, nil, nil},
		"one more":                             {[]Trace{a}, []Trace{a, b}, []Trace{b}, nil},
		"all are gone":                         {[]Trace{a, b}, nil, nil, []Trace{a, b}},
		"written into a new manifest with one": {[]Trace{a}, []Trace{moved, b}, []Trace{b}, nil},
		"its bytes weren't read before":        {[]Trace{unread}, []Trace{a}, nil, nil},
		"signed again by the same key":         {[]Trace{a}, []Trace{again}, []Trace{again}, []Trace{a}},
		"another signer of the list":           {[]Trace{delegated}, []Trace{other}, []Trace{other}, []Trace{delegated}},
		"the list was signed again":            {[]Trace{delegated}, []Trace{delegated}, nil, nil},
		"an attestation in a new manifest":     {[]Trace{sbom}, []Trace{rewritten}, nil, nil},
		"two of a kind, one left":              {[]Trace{delegated, delegated}, []Trace{delegated}, nil, []Trace{delegated}},
	} {
		t.Run(name, func(t *testing.T) {
			appeared, vanished := Compare(test.before, test.after)
			if !slices.Equal(appeared, test.appeared) || !slices.Equal(vanished, test.vanished) {
				t.Errorf("appeared %v, vanished %v", appeared, vanished)
			}
		})
	}
}

func TestTimeline_newestFirstAndWithoutGaps(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }
	gone := day(9)
	i := Image{
		FirstSeen: day(1), GoneAt: &gone,
		History:  []VerdictChange{{At: day(5), To: Unsigned}, {At: day(1), To: Trusted}},
		Events:   []ImageEvent{{At: day(5), Vanished: true, Count: 1}},
		TagMoves: []TagMove{{At: day(9), Tag: "v1"}, {At: day(1), Tag: "v1"}},
	}
	kinds := func(list []Chapter) (kinds []ChapterKind) {
		for _, c := range list {
			kinds = append(kinds, c.Kind)
		}
		return kinds
	}
	want := []ChapterKind{ChapterUntagged, ChapterMove, ChapterVerdict, ChapterEvent, ChapterVerdict, ChapterMove, ChapterFirstSeen}
	if got, cut := i.Timeline(time.Now()); !slices.Equal(kinds(got), want) || cut {
		t.Errorf("the timeline is %v, cut %v", kinds(got), cut)
	}
	from := day(5)
	i.HistoryFrom = &from
	if got, cut := i.Timeline(time.Now()); !slices.Equal(kinds(got), want[:4]) || !cut {
		t.Errorf("of what was read the timeline is %v, cut %v", kinds(got), cut)
	}
}
