package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// carrying is a finding of an image with signatures whose bytes are named.
func carrying(n int, status inventory.Status, marks ...string) inventory.ImageFinding {
	f := unsigned(n, "v1")
	f.Verdict = verdict(status)
	fingerprint := fmt.Sprint(n)
	for at, mark := range marks {
		fingerprint += " " + mark
		f.Evidence.Signatures = append(f.Evidence.Signatures, inventory.Signature{
			Format: inventory.FormatSimpleSigning, Index: at, Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK,
			Signer: &inventory.Signer{ID: keyID(7), Kind: inventory.KeySigner, Name: "key 7"},
			Chain:  []inventory.Link{{Role: inventory.RoleSignature, Fingerprint: mark}},
		})
	}
	f.Evidence.Fingerprint = inventory.DigestOf([]byte(fingerprint))
	for at := range f.Evidence.Signatures { // cosign keeps all of them in one manifest
		f.Evidence.Signatures[at].Manifest = f.Evidence.Fingerprint
	}
	return f
}

func incomplete(f inventory.ImageFinding) inventory.ImageFinding {
	f.Evidence.Incomplete, f.Evidence.Fingerprint, f.Unproven = outage, "", verdict(inventory.Unknown)
	return f
}

// told are an image's events, newest first: "+" appeared, "-" vanished.
func told(i inventory.Image) (list []string) {
	for _, e := range i.Events {
		sign, what := "+", fmt.Sprint(e.Count, " more")
		if e.Vanished {
			sign = "-"
		}
		if e.Trace != nil {
			what = e.Trace.Mark + e.Trace.PredicateType
		}
		list = append(list, sign+what)
	}
	return list
}

func (w *world) expect(i inventory.Image, cause inventory.CauseKind, events ...string) {
	w.Helper()
	if got := told(i); !slices.Equal(got, events) {
		w.Errorf("events are %q, want %q", got, events)
	}
	if len(i.History) == 0 || i.History[0].Cause.Kind != cause {
		w.Errorf("the latest change is %+v, want one caused by %q", i.History, cause)
	}
}

func TestHistory_signaturesAppearAndVanish(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", carrying(1, inventory.Unapproved, "s1"))
		i := w.image("local", "app", digest(1))
		w.expect(i, inventory.CauseFirstLook)
		if c := i.History[0].Cause; c.Signatures != 1 || i.History[0].Flagged {
			t.Errorf("the first look is told as %+v", i.History[0])
		}

		w.after(time.Hour)
		w.look("local", "app", carrying(1, inventory.Trusted, "s1", "s2"))
		i = w.image("local", "app", digest(1))
		w.expect(i, inventory.CauseSignatures, "+s2")
		if c := i.History[0].Cause; c.NAppeared != 1 || c.NVanished != 0 || c.Appeared[0].Signer.Name != "key 7" || i.History[0].Flagged {
			t.Errorf("the cause is %+v", c)
		}

		w.after(time.Hour)
		sbom := carrying(1, inventory.Trusted, "s1", "s2")
		sbom.Evidence.Attestations = []inventory.Attestation{{PredicateType: "sbom", Outcome: inventory.OutcomeVerified, Manifest: digest(50)}}
		sbom.Evidence.Fingerprint = digest(51)
		w.look("local", "app", sbom)
		w.expect(w.image("local", "app", digest(1)), inventory.CauseSignatures, "+sbom", "+s2")

		w.after(time.Hour)
		w.look("local", "app", unsigned(1, "v1"))
		i = w.image("local", "app", digest(1))
		w.expect(i, inventory.CauseSignatures, "-sbom", "-s2", "-s1", "+sbom", "+s2")
		if c := i.History[0]; !c.Flagged || c.From != inventory.Trusted || c.Cause.NVanished != 3 {
			t.Errorf("a signature that had made it trusted was removed, and that is told as %+v", c)
		}
		if len(i.History) != 3 {
			t.Errorf("history is %+v", i.History)
		}
		w.noDrift()
	})
}

func TestHistory_unreadPlaceTakesNothingAway(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", carrying(1, inventory.Trusted, "s1", "s2"))
		for _, look := range []inventory.ImageFinding{
			failed(1, "v1"),
			incomplete(carrying(1, inventory.Trusted, "s1")), // s2 may be where it wasn't read
			failed(1, "v1"),
			incomplete(carrying(1, inventory.Trusted, "s2")),
		} {
			w.after(time.Hour)
			w.look("local", "app", look)
			if got := told(w.image("local", "app", digest(1))); got != nil {
				t.Fatalf("after %+v: %q", look.Failure, got)
			}
		}
		w.after(time.Hour)
		w.look("local", "app", incomplete(carrying(1, inventory.Trusted, "s2", "s3")))
		if got := told(w.image("local", "app", digest(1))); !slices.Equal(got, []string{"+s3"}) {
			t.Errorf("a new one beside an unread place: %q", got)
		}
		w.after(time.Hour)
		w.look("local", "app", carrying(1, inventory.Trusted, "s1", "s3"))
		if got := told(w.image("local", "app", digest(1))); !slices.Equal(got, []string{"-s2", "+s3"}) {
			t.Errorf("when all was read: %q", got)
		}
		w.noDrift()
	})
}

func TestHistory_manifestThatCannotBeReadTakesNothingAway(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		first := carrying(1, inventory.Trusted, "s1", "s2")
		w.look("local", "app", first)
		w.after(time.Hour)
		broken := unsigned(1, "v1")
		broken.Verdict, broken.Evidence.Fingerprint = verdict(inventory.Unknown), digest(60)
		broken.Evidence.Signatures = []inventory.Signature{{
			Format: inventory.FormatSimpleSigning, Manifest: first.Evidence.Fingerprint, Outcome: inventory.OutcomeError, Reason: inventory.ReasonTooLarge}}
		w.look("local", "app", broken)
		w.after(time.Hour)
		w.look("local", "app", first)
		if got := told(w.image("local", "app", digest(1))); got != nil {
			t.Errorf("events are %q", got)
		}
	})
}

func TestHistory_manyChangesAreFewRows(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", unsigned(1, "v1"))
		var marks []string
		for n := range maxEvents + 5 {
			marks = append(marks, fmt.Sprint("s", n))
		}
		w.after(time.Hour)
		w.look("local", "app", carrying(1, inventory.Unapproved, marks...))
		i := w.image("local", "app", digest(1))
		if len(i.Events) != maxEvents+1 || i.Events[0].Count != 5 || i.Events[0].Trace != nil {
			t.Errorf("%d events, the latest %+v", len(i.Events), i.Events[0])
		}
		if c := i.History[0].Cause; c.NAppeared != maxEvents+5 || len(c.Appeared) != maxNamed {
			t.Errorf("the cause names %d of %d", len(c.Appeared), c.NAppeared)
		}
	})
}

func TestHistory_causes(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", carrying(1, inventory.Unapproved, "s1"))
		judge := func(status inventory.Status, review *time.Time) {
			t.Helper()
			ids, err := w.db.StaleVerdicts(t.Context(), w.now, 10)
			w.must(err)
			if len(ids) != 1 {
				t.Fatalf("to be judged again are %v", ids)
			}
			v := verdict(status)
			v.ReviewAt = review
			d, err := w.db.Decisions(t.Context(), nil)
			w.must(err)
			w.must(w.db.RecordVerdicts(t.Context(), map[int64]inventory.Verdict{ids[0]: v}, d.Revision, w.now))
		}
		latest := func(kind inventory.CauseKind) inventory.Cause {
			t.Helper()
			i := w.image("local", "app", digest(1))
			w.expect(i, kind)
			if !i.History[0].At.Equal(w.now) {
				t.Errorf("the latest change is from %s", i.History[0].At)
			}
			return i.History[0].Cause
		}

		w.after(time.Hour)
		until := w.now.Add(time.Hour)
		w.decide(7, inventory.Approve, &until)
		judge(inventory.Trusted, &until)
		c := latest(inventory.CauseDecision)
		if d := c.Decision; d == nil || d.ID != "d-7-0" || d.Verb != inventory.Approve || !slices.Equal(d.By, []string{"Dana"}) || d.Signer.ID != keyID(7) || d.Signer.Name != "key 7" {
			t.Errorf("the decision is %+v", c.Decision)
		}

		w.after(time.Hour)
		judge(inventory.Unapproved, nil)
		latest(inventory.CauseTime)

		w.after(time.Hour)
		w.must(w.db.FailRepository(t.Context(), w.claim("local", "app"), outage, verdict(inventory.Unknown), w.now, w.now))
		if c := latest(inventory.CauseFailure); c.Reason != outage.Reason {
			t.Errorf("the failure is told as %+v", c)
		}

		w.after(time.Hour)
		w.look("local", "app", inventory.ImageFinding{Digest: digest(1), Tags: []string{"v1"}, Unchanged: true})
		judge(inventory.Unapproved, nil)
		latest(inventory.CauseRecovery)

		w.after(time.Hour)
		gone := carrying(1, inventory.Unverifiable, "s1")
		gone.TrustRevision = 2
		gone.Evidence.Signatures[0].Outcome, gone.Evidence.Signatures[0].Signer = inventory.OutcomeUnverifiable, nil
		w.look("local", "app", gone)
		if c := latest(inventory.CauseTrust); len(c.Lost) != 1 || c.Lost[0].Name != "key 7" || c.Gained != nil {
			t.Errorf("the key that is gone: %+v", c)
		}

		w.after(time.Hour)
		back := carrying(1, inventory.Unapproved, "s1")
		back.TrustRevision = 3
		w.look("local", "app", back)
		if c := latest(inventory.CauseTrust); len(c.Gained) != 1 || c.Gained[0].Name != "key 7" || c.Lost != nil {
			t.Errorf("the key that is back: %+v", c)
		}
	})
}

func TestHistory_recheckSaysWhatItWas(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Unverifiable, nil, "v1"))
		recheck := func(f inventory.ImageFinding, revision int64) inventory.Image {
			t.Helper()
			w.after(time.Hour)
			stale, err := w.db.StaleMaterial(t.Context(), "local", 0, w.now, 1)
			w.must(err)
			w.reverified(inventory.Reverified{Was: stale[0], Evidence: f.Evidence, Verdict: f.Verdict, Unproven: verdict(inventory.Unknown), TrustRevision: revision})
			return w.image("local", "app", digest(1))
		}
		i := recheck(signed(1, inventory.Unapproved, []int{7}, "v1"), 2)
		w.expect(i, inventory.CauseTrust)
		if c := i.History[0].Cause; len(c.Gained) != 1 || c.Gained[0].ID != keyID(7) {
			t.Errorf("the cause is %+v", c)
		}
		i = recheck(signed(1, inventory.Failed, nil, "v1"), 2)
		w.expect(i, inventory.CauseRecheck)
	})
}

func TestGone_sinceTheLastTagLeftUntilOneIsBack(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app", "other")
		w.look("local", "app", unsigned(1, "v1", "v2"), unsigned(2, "v3"))
		if i := w.image("local", "app", digest(1)); i.GoneAt != nil || i.RepositoryGoneAt != nil {
			t.Errorf("a tagged image is gone since %v, %v", i.GoneAt, i.RepositoryGoneAt)
		}
		w.after(time.Hour)
		w.look("local", "app", unsigned(1, "v1"), unsigned(2, "v3"))
		if i := w.image("local", "app", digest(1)); i.GoneAt != nil {
			t.Error("one of its tags is left, and it is gone")
		}
		w.after(time.Hour)
		left := w.now
		w.look("local", "app", unsigned(2, "v3"))
		w.after(time.Hour)
		w.look("local", "app", unsigned(2, "v3"))
		if i := w.image("local", "app", digest(1)); i.GoneAt == nil || !i.GoneAt.Equal(left) {
			t.Errorf("it is gone since %v, and its tag left at %v", i.GoneAt, left)
		}
		w.after(time.Hour)
		w.look("local", "app", unsigned(1, "v3"))
		if i := w.image("local", "app", digest(1)); i.GoneAt != nil {
			t.Error("a tag is back, and it is gone")
		}
		if i := w.image("local", "app", digest(2)); i.GoneAt == nil || !i.GoneAt.Equal(w.now) {
			t.Errorf("the tag moved on now, and it is gone since %v", i.GoneAt)
		}

		w.after(time.Hour)
		w.list("local", "other")
		i := w.image("local", "app", digest(1))
		if i.GoneAt == nil || i.RepositoryGoneAt == nil || !i.RepositoryGoneAt.Equal(w.now) {
			t.Errorf("its repository is gone: %v, %v", i.GoneAt, i.RepositoryGoneAt)
		}
		w.after(time.Hour)
		w.list("local", "app", "other")
		w.look("local", "app", unsigned(1, "v1"))
		if i := w.image("local", "app", digest(1)); i.GoneAt != nil || i.RepositoryGoneAt != nil {
			t.Errorf("its repository is back: %v, %v", i.GoneAt, i.RepositoryGoneAt)
		}
		w.noDrift()
	})
}

func TestGone_registryThatIsNotConfiguredShowsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", unsigned(1, "v1"))
		all := w.registries
		w.registries = all[1:]
		w.configure()
		for _, table := range []string{"images", "repositories"} {
			if n, err := database.Value[int](t.Context(), w.db.sql.Reader, "select count(*) from "+table+" where gone_at is not null"); err != nil || n != 0 {
				t.Errorf("%d of %s are gone, %v", n, table, err)
			}
		}
		w.registries = all
		w.configure()
		if i := w.image("local", "app", digest(1)); i.GoneAt != nil || i.RepositoryGoneAt != nil {
			t.Errorf("back again it is gone since %v, %v", i.GoneAt, i.RepositoryGoneAt)
		}
	})
}

func TestLostSignatures_untilTheImageIsTrustedAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app", "old")
		lost := func(since time.Duration) []inventory.LostSignature {
			t.Helper()
			list, err := w.db.LostSignatures(t.Context(), w.now.Add(-since), 10)
			w.must(err)
			return list
		}
		w.look("local", "app", carrying(1, inventory.Trusted, "s1"))
		w.look("local", "old", carrying(2, inventory.Trusted, "s2"))
		w.after(time.Hour)
		w.look("local", "app", failed(1, "v1")) // an outage takes nothing away
		w.look("local", "old", unsigned(2, "v1"))
		if l := lost(day); len(l) != 1 || l[0].Repository != "old" {
			t.Errorf("after an outage: %+v", l)
		}
		w.after(time.Hour)
		w.look("local", "app", unsigned(1, "v1"))
		w.look("local", "old", unsigned(3, "v1")) // nobody uses the other image any more
		l := lost(day)
		if len(l) != 1 || l[0].Digest != digest(1) || l[0].Status != inventory.Unsigned || !slices.Equal(l[0].Tags, []string{"v1"}) || !l[0].At.Equal(w.now) {
			t.Errorf("removed are %+v", l)
		}
		if i := w.image("local", "app", digest(1)); i.History[0].From != inventory.Unknown || !i.History[0].Flagged {
			t.Errorf("told after an outage: %+v", i.History[0])
		}
		w.after(2 * day)
		if l := lost(day); len(l) != 0 {
			t.Errorf("of the last day: %+v", l)
		}
		w.look("local", "app", carrying(1, inventory.Trusted, "s3"))
		if l := lost(9 * day); len(l) != 0 {
			t.Errorf("trusted again: %+v", l)
		}
	})
}
