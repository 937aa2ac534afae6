package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"signboard/inventory"
)

func (w *world) signers(f inventory.SignerFilter) []inventory.Signer {
	w.Helper()
	var all []inventory.Signer
	for p := (inventory.Page{Limit: 2}); ; {
		list, next, err := w.db.Signers(w.Context(), f, p, w.now)
		w.must(err)
		all = append(all, list...)
		if p.Cursor = next; next == "" {
			return all
		}
	}
}

func oddities(s inventory.Signer) (kinds []inventory.OddityKind) {
	for _, o := range s.Oddities {
		kinds = append(kinds, o.Kind)
	}
	return kinds
}

func TestSigners_sayWhereTheySignAndWhatIsUnusual(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api", "base")
		regular, main := keyID(1), workflowID("org/api", "heads/main")
		w.look("local", "base", by(20, main, nil, "v1"))
		w.look("local", "pay/api", by(1, regular, nil, "v1"), by(2, regular, nil, "v2"))
		s, err := w.db.Signer(t.Context(), main, w.now)
		w.must(err)
		until := w.now.Add(20 * day)
		w.must(w.db.RecordDecision(t.Context(), inventory.Decision{ID: "d", Signer: main, Verb: inventory.Approve, Repositories: []inventory.Glob{"**"}, Reason: "it is", State: inventory.StateActive, ExpiresAt: &until},
			s.Revision, nil, w.entry("signer.approve")))
		w.after(10 * day)
		tag, twin, stranger := workflowID("org/api", "tags/v1"), inventory.KeylessID(gitIssuer, "https://git.example/0rg/api/.github/workflows/release.yml@refs/heads/main"), inventory.KeylessID("https://login.example", "eve@else.example")
		w.look("local", "base", by(20, main, nil, "v1"), by(21, tag, nil, "v2"))
		w.look("local", "pay/api", by(1, regular, nil, "v1"), by(2, regular, nil, "v2"), by(3, twin, nil, "v3"))
		w.after(2 * day)
		w.look("local", "pay/api", by(1, regular, nil, "v1"), by(2, regular, nil, "v2"), by(3, twin, nil, "v3"), by(4, stranger, nil, "v4"))
		want := map[inventory.SignerID][]inventory.OddityKind{
			regular:  nil,
			tag:      {inventory.OddAnotherRef},
			twin:     {inventory.OddLookAlike, inventory.OddNewHere},
			stranger: {inventory.OddNewIssuer},
		}
		pending := w.signers(inventory.SignerFilter{Standing: inventory.Pending})
		if len(pending) != len(want) || pending[0].ID != regular {
			t.Errorf("the inbox holds %d", len(pending))
		}
		for _, s := range pending {
			if !slices.Equal(oddities(s), want[s.ID]) {
				t.Errorf("%s: %+v", s.ID, s.Oddities)
			}
			one, err := w.db.Signer(t.Context(), s.ID, w.now)
			if err != nil || !slices.Equal(one.Oddities, s.Oddities) && fmt.Sprint(oddities(one)) != fmt.Sprint(oddities(s)) {
				t.Errorf("%s has %+v on its page, and %+v in the list (%v)", s.ID, one.Oddities, s.Oddities, err)
			}
		}
		if s := pending[0]; !slices.Equal(s.Repositories, []string{"local/pay/api"}) || s.RepositoryCount != 1 || !slices.Equal(s.Teams, []string{"payments"}) || !slices.Equal(s.Formats, []inventory.Format{inventory.FormatBundle}) {
			t.Errorf("it signs %+v", s)
		}
		for _, s := range pending {
			if s.ID == twin && (s.Oddities[1].Other.ID != regular || s.Oddities[1].Message != fmt.Sprintf("In local/pay/api every verified signature before %s, from %s on, was by %s (2 images in use carry it). This signer first signed there on %s.",
				w.now.Add(-2*day).Format("2 January 2006"), w.now.Add(-12*day).Format("2 January 2006"), regular, w.now.Add(-2*day).Format("2 January 2006"))) {
				t.Errorf("it says %+v", s.Oddities[1])
			}
		}
		ids := func(f inventory.SignerFilter) (list []inventory.SignerID) {
			for _, s := range w.signers(f) {
				list = append(list, s.ID)
			}
			return list
		}
		for _, c := range []struct {
			f    inventory.SignerFilter
			want []inventory.SignerID
		}{
			{inventory.SignerFilter{Unusual: true}, []inventory.SignerID{stranger, twin}},
			{inventory.SignerFilter{Team: "platform"}, []inventory.SignerID{main, tag}},
			{inventory.SignerFilter{Team: "platform", Standing: inventory.Pending}, []inventory.SignerID{tag}},
			{inventory.SignerFilter{Team: "nobody"}, nil},
			{inventory.SignerFilter{Standing: inventory.Approved, Expiring: 30 * day}, []inventory.SignerID{main}},
			{inventory.SignerFilter{Standing: inventory.Approved, Expiring: 7 * day}, nil},
		} {
			got := ids(c.f)
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("%+v selects %v", c.f, got)
			}
		}
		if list := w.signers(inventory.SignerFilter{Expiring: 30 * day}); len(list) != 1 || list[0].EndsAt == nil || ms(*list[0].EndsAt) != ms(until) {
			t.Errorf("those that end are %+v", list)
		}

		next := func(after inventory.SignerID) inventory.SignerID {
			t.Helper()
			s, err := w.db.NextSigner(t.Context(), inventory.SignerFilter{Standing: inventory.Pending}, after, w.now)
			w.must(err)
			if s == nil {
				return ""
			}
			return s.ID
		}
		met := map[inventory.SignerID]bool{}
		at := regular
		for range want {
			met[at] = true
			at = next(at)
		}
		if len(met) != len(want) || at != regular {
			t.Errorf("one after the other leads to %v, and then to %s", met, at)
		}
		if at := next(main); at != tag { // it isn't in the list itself
			t.Errorf("after one that was decided about comes %s", at)
		}
	})
}

// However many releases of one workflow signed in a repository, a stranger in it
// is one, and another release is none.
func TestSigners_knowAWorkflowOfManyReleases(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "base")
		var all []inventory.ImageFinding
		release := func(n int) inventory.ImageFinding {
			at := w.now.Add(-time.Duration(400-n) * day)
			return by(n, workflowID("org/base", fmt.Sprintf("tags/v%d", n)), &at, fmt.Sprintf("v%d", n))
		}
		for n := range 60 {
			all = append(all, release(n))
		}
		w.look("local", "base", all...)
		w.after(day)
		eve := inventory.KeylessID(gitIssuer, "https://git.example/eve/base/.github/workflows/release.yml@refs/heads/main")
		w.look("local", "base", append(all, release(61), by(62, eve, nil, "v62"))...)
		list := w.signers(inventory.SignerFilter{Unusual: true})
		if len(list) != 1 || list[0].ID != eve || !slices.Equal(oddities(list[0]), []inventory.OddityKind{inventory.OddNewHere}) {
			t.Fatalf("unusual are %+v", list)
		}
		if m := list[0].Oddities[0].Message; m != "In local/base every verified signature before "+w.now.Format("2 January 2006")+", from "+w.now.Add(-401*day).Format("2 January 2006")+
			" on, was by the workflow https://git.example/org/base/.github/workflows/release.yml (61 images in use carry it). This signer first signed there on "+w.now.Format("2 January 2006")+"." {
			t.Errorf("it says %q", m)
		}
	})
}
