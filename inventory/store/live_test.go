package store

import (
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/policy"
)

// unjudged is a finding with the verdict of the real judge, while nobody has
// decided anything.
func unjudged(f inventory.ImageFinding, now time.Time) inventory.ImageFinding {
	f.Verdict = policy.Judge(policy.Facts{Checked: true, Signatures: f.Evidence.Signatures}, now)
	return f
}

// A decision counts for every question from the moment it is made, however many
// stored verdicts are still to follow.
func TestJudgeWith_aDecisionCountsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.db.JudgeWith(policy.JudgeStored)
		w.list("local", "pay/api", "base")
		index := unjudged(signed(1, "", []int{7}, "v1"), w.now)
		index.Kind, index.MediaType = inventory.IndexImage, inventory.MediaTypeOCIIndex
		index.Platforms = []inventory.Platform{
			{Platform: "linux/amd64", Digest: digest(2), MediaType: inventory.MediaTypeOCIManifest},
			{Platform: "linux/arm64", Digest: digest(3), MediaType: inventory.MediaTypeOCIManifest},
		}
		w.look("local", "pay/api", index, unjudged(signed(2, "", []int{7}), w.now), unsigned(3), unjudged(signed(4, "", []int{8}, "v4"), w.now))
		w.look("local", "base", unjudged(signed(1, "", []int{7}, "v1"), w.now))

		see := func(when string, want inventory.Status, overtaken bool) {
			t.Helper()
			i := w.image("local", "pay/api", digest(1))
			if i.Status != want || i.Overtaken != overtaken || !strings.Contains(i.Message, "key 7") {
				t.Errorf("%s the image is %s, overtaken %v: %s", when, i.Status, i.Overtaken, i.Message)
			}
			if i.Platforms[0].Status != want || i.Platforms[0].Inherited || i.Platforms[1].Status != want || !i.Platforms[1].Inherited {
				t.Errorf("%s its platforms are %+v", when, i.Platforms)
			}
			if len(i.Elsewhere) != 1 || i.Elsewhere[0].Status != want {
				t.Errorf("%s elsewhere it is %+v", when, i.Elsewhere)
			}
			if p := w.image("local", "pay/api", digest(2)).Parents; len(p) != 1 || p[0].Status != want {
				t.Errorf("%s the parents of its platform are %+v", when, p)
			}
			for _, i := range w.images(inventory.ImageFilter{}).Images {
				is := want
				if i.Digest == digest(4) {
					is = inventory.Unapproved
				}
				if i.Status != is {
					t.Errorf("%s a list shows %s of %s as %s", when, i.Digest.Short(), i.FullRepository(), i.Status)
				}
			}
		}
		see("before any decision", inventory.Unapproved, false)
		w.decide(7, inventory.Approve, nil)
		see("at the approval", inventory.Trusted, true)
		if c := w.counts(""); c.Of(inventory.Unapproved) != 3 {
			t.Fatalf("counts follow later, and are %+v", c)
		}
		late := w.images(inventory.ImageFilter{Status: inventory.Unapproved}).Images
		if len(late) != 3 || late[0].Status != inventory.Trusted && late[1].Status != inventory.Trusted {
			t.Errorf("a list that lags shows %+v", late)
		}
		oldest, _, err := w.db.OldestImages(t.Context(), "payments", inventory.Unapproved, inventory.Page{}, w.now)
		w.must(err)
		if len(oldest) != 2 || oldest[0].Status != inventory.Trusted {
			t.Errorf("a team's oldest unapproved images are %+v", oldest)
		}
		w.rejudge()
		see("when all have followed", inventory.Trusted, false)
		if c := w.counts(""); c.Of(inventory.Trusted) != 2 {
			t.Errorf("counts are %+v", c)
		}
		w.decide(7, inventory.Revoke, nil)
		see("at the revocation", inventory.Unapproved, true)
		w.noDrift()
	})
}

// An approval ends when it ends, not when somebody has written that down.
func TestJudgeWith_anApprovalEndsOnTime(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.db.JudgeWith(policy.JudgeStored)
		w.list("local", "app")
		w.look("local", "app", unjudged(signed(1, "", []int{7}, "v1"), w.now))
		until := w.now.Add(time.Hour)
		w.decide(7, inventory.Approve, &until)
		w.rejudge()
		w.after(time.Hour - time.Millisecond)
		if i := w.image("local", "app", digest(1)); i.Status != inventory.Trusted || i.Overtaken {
			t.Errorf("before its end the image is %s, overtaken %v", i.Status, i.Overtaken)
		}
		w.after(time.Millisecond)
		if i := w.image("local", "app", digest(1)); i.Status != inventory.Unapproved || i.Reason != inventory.ReasonApprovalExpired || !i.Overtaken {
			t.Errorf("at its end the image is %s (%s), overtaken %v", i.Status, i.Reason, i.Overtaken)
		}
	})
}

// What can't be looked at stays unknown, whatever is decided about who signed it.
func TestJudgeWith_anOutageStaysUnknown(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.db.JudgeWith(policy.JudgeStored)
		w.list("local", "app")
		w.look("local", "app", unjudged(signed(1, "", []int{7}, "v1"), w.now))
		out := failed(1, "v1")
		out.Verdict = policy.Judge(policy.Facts{Checked: true, Failure: out.Failure}, w.now)
		w.look("local", "app", out)
		w.decide(7, inventory.Approve, nil)
		i := w.image("local", "app", digest(1))
		if i.Status != inventory.Unknown || i.Overtaken || i.LastGood == nil || i.LastGood.Status != inventory.Unapproved {
			t.Errorf("the image is %s, overtaken %v, last good %+v", i.Status, i.Overtaken, i.LastGood)
		}
	})
}
