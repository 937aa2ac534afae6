package store

import (
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/policy"
)

func TestReevaluation_saysWhatIsLeftAndAfterWhat(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.db.JudgeWith(policy.JudgeStored)
		left := func() inventory.Reevaluation {
			t.Helper()
			r, err := w.db.Reevaluation(t.Context(), w.now)
			w.must(err)
			return r
		}
		w.list("local", "app")
		w.look("local", "app", unjudged(signed(1, "", []int{7}, "v1"), w.now), unjudged(signed(2, "", []int{7, 8}, "v2"), w.now), unsigned(3, "v3"))
		if r := left(); r != (inventory.Reevaluation{}) {
			t.Errorf("before any decision %+v", r)
		}
		until := w.now.Add(time.Hour)
		w.decide(7, inventory.Approve, &until)
		if r := left(); r.Images != 2 || r.Signer == nil || r.Signer.Name != "key 7" || r.Verb != inventory.Approve || r.By != "Dana" {
			t.Errorf("after the approval %+v", r)
		}
		ids, err := w.db.StaleVerdicts(t.Context(), w.now, 1)
		w.must(err)
		evidence, err := w.db.Evidence(t.Context(), ids)
		w.must(err)
		d, err := w.db.Decisions(t.Context(), []inventory.SignerID{keyID(7), keyID(8)})
		w.must(err)
		w.must(w.db.RecordVerdicts(t.Context(), map[int64]inventory.Verdict{ids[0]: policy.JudgeStored(evidence[0], d.BySigner, w.now)}, d.Revision, w.now))
		if r := left(); r.Images != 1 {
			t.Errorf("after the first batch %+v", r)
		}
		w.rejudge()
		if r := left(); r != (inventory.Reevaluation{}) {
			t.Errorf("when all are judged %+v", r)
		}
		w.after(time.Hour)
		if r := left(); r.Images != 2 || r.Signer != nil {
			t.Errorf("when the approval has run out %+v", r)
		}
		v, err := w.db.Vitals(t.Context(), w.now)
		w.must(err)
		if v.Reevaluating != 2 {
			t.Errorf("monitoring is told %d", v.Reevaluating)
		}
	})
}

func TestClaimJudging_oneProcessAtATime(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		claim := func(owner string, lease time.Duration, want bool) {
			t.Helper()
			if mine, err := w.db.ClaimJudging(t.Context(), owner, w.now, lease); err != nil || mine != want {
				t.Errorf("%s has it: %v, %v", owner, mine, err)
			}
		}
		claim("a", time.Minute, true)
		claim("b", time.Minute, false)
		claim("b", 0, false) // gives back what it hasn't
		claim("a", time.Minute, true)
		claim("a", 0, true)
		claim("b", time.Minute, true)
		w.after(time.Minute) // it died
		claim("a", time.Minute, true)
	})
}
