package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/policy"
)

func (w *world) past(n int, at time.Time) inventory.Past {
	w.Helper()
	p, err := w.db.Past(w.Context(), "local", "app", digest(n), at, w.now)
	w.must(err)
	return p
}

func (w *world) hold(id string, n int, until *time.Time) inventory.Quarantine {
	w.Helper()
	q := inventory.Quarantine{ID: id, Digest: digest(n), Reason: "because", By: "Dana", At: w.now, ExpiresAt: until}
	w.must(w.db.RecordQuarantine(w.Context(), q, w.entry("image.quarantine")))
	return q
}

func (w *world) letGo(q inventory.Quarantine) {
	w.Helper()
	at := w.now
	q.ReleasedAt, q.ReleasedBy, q.ReleasedReason = &at, "Eric", "done"
	w.must(w.db.RecordRelease(w.Context(), q, w.entry("image.release")))
}

func TestPast_tellsWhatAnImageWasAndWhy(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		start := w.now
		w.see("local", "app", bearing(1, "v1", madeBy(7, "s1")))
		w.after(time.Hour)
		approved := w.now
		w.decide(7, inventory.Approve, nil)
		w.settle()
		w.after(time.Hour)
		renewed := w.now
		w.decide(7, inventory.Approve, nil, "d-7-0")
		w.settle()
		w.after(time.Hour)
		held := w.hold("q1", 1, nil)
		w.after(time.Hour)
		w.letGo(held)
		w.after(time.Hour)
		down := w.now
		w.see("local", "app", failed(1, "v1"))
		w.after(time.Hour)
		w.see("local", "app", unsigned(2, "v1"))
		gone := w.now
		w.after(30 * day)

		if p := w.past(1, start.Add(-time.Minute)); p.Known != inventory.PastUnseen || p.Status != inventory.Unknown || !p.FirstSeen.Equal(start) || p.Verdict != nil {
			t.Errorf("before it was seen: %+v", p)
		}
		p := w.past(1, renewed.Add(30*time.Minute))
		if p.Known != inventory.PastKnown || p.Status != inventory.Trusted || !p.Since.Equal(approved) || !p.Verdict.At.Equal(renewed) || !p.Until.Equal(down) {
			t.Errorf("while it was trusted: %+v", p)
		}
		a := p.Approval
		if a == nil || a.ID != "d-7-1" || a.DecidedBy[0].Name != "Dana" || a.Scope != "**" || p.Verdict.Ground.Signature.Mark != "s1" || !slices.Equal(p.Tags, []string{"v1"}) || p.Held() {
			t.Errorf("it rested on %+v and %+v; tags %q, held by %+v", a, p.Verdict.Ground, p.Tags, p.Quarantines)
		}
		if p := w.past(1, approved); p.Approval == nil || p.Approval.ID != "d-7-0" {
			t.Errorf("before the approval was renewed it rested on %+v", p.Approval)
		}
		if p := w.past(1, held.At); len(p.Quarantines) != 1 || p.Quarantines[0].By != "Dana" || p.Status != inventory.Trusted {
			t.Errorf("while it was held: %+v", p)
		}
		if p := w.past(1, held.At.Add(time.Hour)); p.Held() {
			t.Errorf("when it was released: %+v", p.Quarantines)
		}
		if p := w.past(1, down.Add(time.Minute)); p.Status != inventory.Unknown || p.LastGood == nil || p.LastGood.Status != inventory.Trusted || !p.LastGood.CheckedAt.Equal(start) || p.Verdict.Reason != outage.Reason {
			t.Errorf("in the outage: %+v", p)
		}
		if p := w.past(1, gone.Add(day)); len(p.Tags) != 0 || p.GoneSince == nil || !p.GoneSince.Equal(gone) {
			t.Errorf("when no tag pointed at it any more: %+v", p)
		}
		if _, err := w.db.Past(t.Context(), "local", "app", digest(9), w.now, w.now); inventory.KindOf(err) != inventory.NotFound {
			t.Errorf("of an image that nobody saw it says %v", err)
		}
	})
}

func TestPast_saysWhenNobodyLooked(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		look := func() { w.see("local", "app", unsigned(1, "v1")) }
		look()
		w.after(time.Hour)
		look()
		last := w.now
		if p := w.past(1, w.now.Add(-time.Minute)); p.Gap != nil {
			t.Errorf("in time there is a gap: %+v", p.Gap)
		}
		w.after(100 * time.Hour)
		if p := w.past(1, w.now.Add(-time.Hour)); p.Gap == nil || !p.Gap.From.Equal(last) || p.Gap.To != nil {
			t.Errorf("while nobody looks: %+v", p.Gap)
		}
		look()
		back := w.now
		w.after(time.Hour)
		look()
		if p := w.past(1, back.Add(-time.Hour)); p.Gap == nil || !p.Gap.From.Equal(last) || !p.Gap.To.Equal(back) || p.Status != inventory.Unsigned {
			t.Errorf("when somebody has looked again: %+v, %+v", p, p.Gap)
		}
		if p := w.past(1, last.Add(-time.Minute)); p.Gap != nil {
			t.Errorf("before it: %+v", p.Gap)
		}
	})
}

func TestPast_saysWhatIsNotKept(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.see("local", "app", failed(1, "v1"), unsigned(2, "v2"))
		first := w.now
		var changes []time.Time
		for n := range 4 {
			w.after(100 * day)
			changes = append(changes, w.now)
			if n%2 == 0 {
				w.see("local", "app", bearing(1, "v1", madeBy(7, "s1")), unsigned(2, "v2"))
			} else {
				w.see("local", "app", unsigned(1, "v1"), unsigned(2, "v2"))
			}
		}
		w.after(day)
		limit := w.now.Add(-150 * day)
		w.prune(inventory.Retention{History: 150 * day})
		for at := limit; at.Before(w.now); at = at.Add(10 * day) {
			want := inventory.Unsigned
			if at.Before(changes[3]) && !at.Before(changes[2]) {
				want = inventory.Unapproved
			}
			if p := w.past(1, at); p.Known != inventory.PastKnown || p.Status != want {
				t.Errorf("at %v it was %s, want %s: %+v", at, p.Status, want, p)
			}
		}
		if p := w.past(1, first.Add(day)); p.Known != inventory.PastForgotten || p.KeptFrom == nil || !p.KeptFrom.Equal(changes[1]) || p.Status != inventory.Unknown {
			t.Errorf("of what isn't kept it says %+v", p)
		}
		if p := w.past(2, first.Add(day)); p.Known != inventory.PastKnown || p.Status != inventory.Unsigned {
			t.Errorf("of what never changed it says %+v", p)
		}
	})
}

// TestPast_isWhatWasWrittenDown has a random tale of looks, decisions,
// quarantines and time, keeps what each image was by judging it from nothing, and
// asks about random moments at the end.
func TestPast_isWhatWasWrittenDown(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const images, length = 3, 60
		w := newWorld(t, dsn)
		w.list("local", "app")
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 1))

		type state struct {
			seen, failed, looked bool
			signatures           []inventory.Signature
			tag                  string
		}
		type told struct {
			at                     time.Time
			seen                   bool
			status                 inventory.Status
			reason                 inventory.Reason
			decision, signer, good string
			marks                  []string
			tags, held             string
		}
		var model [images]state
		var tale [images][]told
		standing := map[string]inventory.Quarantine{}
		active := map[int][]string{}
		record := func() {
			for n := range model {
				m, is := &model[n], told{at: w.now}
				d, err := w.db.Decisions(t.Context(), []inventory.SignerID{keyID(7), keyID(8)})
				w.must(err)
				is.seen = m.seen
				facts := policy.Facts{Repository: "local/app", Checked: true, Signatures: m.signatures, Decisions: d.BySigner}
				if m.failed {
					facts.Failure, facts.Signatures = outage, nil
				}
				v := policy.Judge(facts, w.now)
				is.status, is.reason = v.Status, v.Reason
				if v.Basis.Decision != nil {
					is.decision = v.Basis.Decision.ID
				}
				if s := v.Basis.Signature; s != nil {
					is.signer = string(s.Signer.ID)
					for _, other := range m.signatures {
						if other.Signer.ID == s.Signer.ID {
							is.marks = append(is.marks, inventory.TraceOf(other).Mark)
						}
					}
				}
				if m.tag != "" {
					is.tags = m.tag
				}
				var held []string
				for id, q := range standing {
					if q.Digest == digest(n) && q.StandsAt(w.now) {
						held = append(held, id)
					}
				}
				slices.Sort(held)
				is.held = strings.Join(held, " ")
				if last := len(tale[n]) - 1; m.failed && m.looked && last >= 0 && tale[n][last].seen {
					if is.good = tale[n][last].good; tale[n][last].status != inventory.Unknown {
						is.good = string(tale[n][last].status)
					}
				}
				tale[n] = append(tale[n], is)
			}
		}
		begin := w.now
		for step := range length {
			w.after(time.Duration(1+r.IntN(90)) * time.Minute)
			w.settle() // what ran out meanwhile
			record()
			w.after(time.Minute)
			key := 7 + r.IntN(2)
			switch r.IntN(7) {
			case 0, 1, 2:
				var findings []inventory.ImageFinding
				for n := range model {
					m := &model[n]
					tag := fmt.Sprint("v", n)
					if r.IntN(4) == 0 && m.seen { // untagged
						m.tag = ""
						continue
					}
					if m.seen && m.tag != "" && r.IntN(3) == 0 || r.IntN(5) == 0 {
						m.failed, m.seen = true, true
						findings = append(findings, failed(n, tag))
					} else {
						m.failed, m.seen, m.looked, m.signatures = false, true, true, nil
						for range r.IntN(3) {
							m.signatures = append(m.signatures, madeBy(7+r.IntN(2), fmt.Sprint("s", r.IntN(3))))
						}
						findings = append(findings, bearing(n, tag, slices.Clone(m.signatures)...))
					}
					m.tag = tag
				}
				w.see("local", "app", findings...)
			case 3, 4:
				if _, err := w.db.Signer(t.Context(), keyID(key), w.now); err != nil {
					break // nobody has seen it
				}
				verb, until := inventory.Approve, (*time.Time)(nil)
				switch r.IntN(4) {
				case 0:
					verb = inventory.Revoke
				case 1:
					ends := w.now.Add(time.Duration(r.IntN(300)+1) * time.Minute)
					until = &ends
				}
				s, err := w.db.Signer(t.Context(), keyID(key), w.now)
				w.must(err)
				var ended []string
				if verb == inventory.Revoke {
					ended, active[key] = active[key], nil
				} else {
					active[key] = append(active[key], fmt.Sprintf("d-%d-%d", key, s.Revision))
				}
				w.decide(key, verb, until, ended...)
			case 5:
				id, until := fmt.Sprint("q", step), (*time.Time)(nil)
				if r.IntN(2) == 0 {
					ends := w.now.Add(time.Duration(r.IntN(300)+1) * time.Minute)
					until = &ends
				}
				n := r.IntN(images)
				if !slices.ContainsFunc(slices.Collect(maps.Values(standing)), func(q inventory.Quarantine) bool { return q.Digest == digest(n) && q.StandsAt(w.now) }) {
					standing[id] = w.hold(id, n, until)
				}
			case 6:
				for id, q := range standing {
					if q.StandsAt(w.now) {
						w.letGo(q)
						delete(standing, id)
						break
					}
				}
			}
			w.settle()
			record()
		}
		w.after(time.Hour)
		for range 300 {
			n := r.IntN(images)
			at := begin.Add(time.Duration(r.Int64N(int64(w.now.Sub(begin)))))
			// Time alone ends approvals when somebody looks: between two steps the
			// model knows no more than what was written down.
			i := -1
			for j, is := range tale[n] {
				if !is.at.After(at) {
					i = j
				}
			}
			if i < 0 || !model[n].seen {
				continue
			}
			at = tale[n][i].at
			want := tale[n][i]
			p := w.past(n, at)
			if !want.seen {
				if p.Known != inventory.PastUnseen {
					t.Fatalf("image %d at %v was not seen, and it says %+v", n, at, p)
				}
				continue
			}
			var held []string
			for _, q := range p.Quarantines {
				held = append(held, q.ID)
			}
			slices.Sort(held)
			good, decision, mark, signer := "", "", "", ""
			if p.LastGood != nil {
				good = string(p.LastGood.Status)
			}
			var reason inventory.Reason
			if p.Verdict != nil {
				reason = p.Verdict.Reason
				if g := p.Verdict.Ground; g != nil {
					decision = g.Decision
					if g.Signature != nil {
						mark, signer = g.Signature.Mark, string(g.Signature.Signer.ID)
					}
				}
			}
			if p.Known != inventory.PastKnown || p.Status != want.status || reason != want.reason || decision != want.decision || signer != want.signer || good != want.good ||
				(mark != "" || len(want.marks) > 0) && !slices.Contains(want.marks, mark) {
				t.Fatalf("image %d at %v was %+v, and it says %s, %s, decision %q, signature %q of %s, last good %q", n, at, want, p.Status, reason, decision, mark, signer, good)
			}
			if got := strings.Join(p.Tags, " "); got != want.tags || strings.Join(held, " ") != want.held {
				t.Fatalf("image %d at %v had the tags %q and was held by %q, and it says %q and %q", n, at, want.tags, want.held, got, held)
			}
		}
	})
}
