package sigstore

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"

	"signboard/inventory"
)

// Status describes each instance for people, in the order of the configuration.
func (r *Roots) Status() []inventory.TrustRoot {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.options.Now()
	var list []inventory.TrustRoot
	for _, s := range r.sources {
		t := inventory.TrustRoot{Kind: "sigstore", Name: s.Name, Source: s.File, Stale: s.stale(now), Failure: s.failure}
		if s.File == "" {
			t.Source = s.TUF
			if !s.obtained.IsZero() {
				at := s.obtained
				t.ObtainedAt = &at
			}
		}
		if s.domain != nil {
			t.Facts = facts(s.domain.Root)
		}
		if s.kept != nil {
			t.Facts = append(t.Facts, inventory.Fact{Name: "TUF metadata",
				Value: fmt.Sprintf("root version %d, good until %s", s.kept.RootVersion, s.kept.Expires.UTC().Format(time.DateOnly))})
		}
		if s.domain == nil && t.Failure == nil {
			t.Failure = &inventory.LookError{Reason: inventory.ReasonTrustRootStale, Message: "The TUF repository " + s.TUF + " was not asked yet."}
		}
		list = append(list, t)
	}
	return list
}

// facts lists what a trusted root vouches with, oldest first within each kind.
func facts(t *root.TrustedRoot) []inventory.Fact {
	const most = 64 // of each kind; real ones have a handful
	var list []inventory.Fact
	add := func(name string, values []entry) {
		slices.SortFunc(values, func(a, b entry) int { return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.what, b.what)) })
		for i, v := range values {
			if i == most {
				list = append(list, inventory.Fact{Name: name, Value: fmt.Sprintf("… and %d more", len(values)-i)})
				return
			}
			list = append(list, inventory.Fact{Name: name, Value: v.String()})
		}
	}
	var authorities, timestamps []entry
	for _, ca := range t.FulcioCertificateAuthorities() {
		if f, ok := ca.(*root.FulcioCertificateAuthority); ok {
			authorities = append(authorities, entry{f.Root.Subject.String(), f.URI, f.ValidityPeriodStart, earlier(f.ValidityPeriodEnd, f.Root.NotAfter)})
		}
	}
	for _, tsa := range t.TimestampingAuthorities() {
		a, ok := tsa.(*root.SigstoreTimestampingAuthority)
		if !ok {
			continue
		}
		certificate := a.Leaf
		if certificate == nil {
			certificate = a.Root
		}
		if certificate != nil {
			timestamps = append(timestamps, entry{certificate.Subject.String(), a.URI, a.ValidityPeriodStart, earlier(a.ValidityPeriodEnd, certificate.NotAfter)})
		}
	}
	add("Certificate authority", authorities)
	add("Transparency log", logs(t.RekorLogs()))
	add("Timestamp authority", timestamps)
	add("Certificate transparency log", logs(t.CTLogs()))
	return list
}

func logs(byID map[string]*root.TransparencyLog) []entry {
	var list []entry
	for id, l := range maps.All(byID) {
		what := l.BaseURL
		if what == "" {
			what = "log " + id
		}
		list = append(list, entry{what: what, from: l.ValidityPeriodStart, to: l.ValidityPeriodEnd})
	}
	return list
}

// entry is one thing that a trusted root names.
type entry struct {
	what, where string
	from, to    time.Time // zero: without end
}

func (e entry) String() string {
	s := shown(e.what)
	if e.where != "" {
		s += ", " + shown(e.where)
	}
	switch {
	case e.from.IsZero() && e.to.IsZero():
		return s
	case e.to.IsZero():
		return s + ", from " + e.from.UTC().Format(time.DateOnly)
	case e.from.IsZero():
		return s + ", until " + e.to.UTC().Format(time.DateOnly)
	}
	return s + fmt.Sprintf(", %s to %s", e.from.UTC().Format(time.DateOnly), e.to.UTC().Format(time.DateOnly))
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
