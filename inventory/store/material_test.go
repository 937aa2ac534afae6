package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// stale is the material of the registry "local" that another revision than 1, or
// than the one given, has to check again.
func (w *world) stale(revision int64) []inventory.StoredMaterial {
	w.Helper()
	list, err := w.db.StaleMaterial(w.Context(), "local", revision, w.now, 100)
	w.must(err)
	return list
}

// reverified stores repeated checks as judged at the present decisions.
func (w *world) reverified(list ...inventory.Reverified) {
	w.Helper()
	d, err := w.db.Decisions(w.Context(), nil)
	w.must(err)
	for i := range list {
		list[i].JudgedAt = d.Revision
	}
	w.must(w.db.RecordReverified(w.Context(), list, w.now))
}

// again is what checking material again came to: what the finding says, with
// revision 2.
func again(m inventory.StoredMaterial, f inventory.ImageFinding) inventory.Reverified {
	f.Evidence.Fingerprint = m.Fingerprint
	return inventory.Reverified{Was: m, Evidence: f.Evidence, Verdict: f.Verdict, Unproven: verdict(inventory.Unknown), TrustRevision: 2}
}

// shaken is one that a responder that is down left unfinished.
func shaken(m inventory.StoredMaterial) inventory.Reverified {
	return inventory.Reverified{Was: m, TrustRevision: 2, Verdict: verdict(inventory.Unknown), Unproven: verdict(inventory.Unknown),
		Evidence: inventory.Evidence{Incomplete: down, Signatures: []inventory.Signature{{Format: inventory.FormatNotationJWS, Outcome: inventory.OutcomeError}}}}
}

var down = &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "The responder doesn't answer."}

func (w *world) materials() int {
	w.Helper()
	n, err := database.Value[int](w.Context(), w.db.sql.Reader, "select count(*) from materials")
	w.must(err)
	return n
}

func TestRecordImages_keepsMaterialBesideTheEvidence(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api")
		w.look("local", "pay/api", signed(1, inventory.Unverifiable, nil, "v1"), unsigned(2, "v2"))
		if n := w.materials(); n != 1 {
			t.Fatalf("%d are kept, with one image that something is attached to", n)
		}
		i := w.image("local", "pay/api", digest(1))
		body, err := w.db.Material(t.Context(), i.ID)
		if err != nil || string(body) != "material 1\x00\xff" {
			t.Errorf("kept is %q, %v", body, err)
		}
		list := w.stale(2)
		want := inventory.Subject{Registry: "local", Repository: "pay/api",
			Manifest: inventory.Descriptor{MediaType: inventory.MediaTypeOCIManifest, Digest: digest(1), Size: 100}}
		if len(list) != 1 || list[0].ImageID != i.ID || list[0].Subject.Manifest.Digest != want.Manifest.Digest ||
			list[0].Subject.Manifest.Size != 100 || list[0].Subject.Manifest.MediaType != want.Manifest.MediaType ||
			list[0].Subject.Registry != "local" || list[0].Subject.Repository != "pay/api" ||
			string(list[0].Body) != "material 1\x00\xff" || list[0].Fingerprint != digest(2001) || list[0].TrustRevision != 1 {
			t.Errorf("it is returned as %+v", list)
		}
		// A failed look keeps it, an unchanged one too; another finding replaces it,
		// and with the last signature it goes.
		w.look("local", "pay/api", failed(1, "v1"))
		w.look("local", "pay/api", inventory.ImageFinding{Digest: digest(1), Tags: []string{"v1"}, Unchanged: true})
		if n := w.materials(); n != 1 {
			t.Errorf("a failed look left %d", n)
		}
		next := signed(1, inventory.Unverifiable, nil, "v1")
		next.Evidence.Material = []byte("other")
		w.look("local", "pay/api", next)
		if body, err := w.db.Material(t.Context(), i.ID); err != nil || string(body) != "other" {
			t.Errorf("kept is %q, %v", body, err)
		}
		w.look("local", "pay/api", unsigned(1, "v1"))
		if body, err := w.db.Material(t.Context(), i.ID); err != nil || body != nil || w.materials() != 0 {
			t.Errorf("without a signature %q is kept, %v", body, err)
		}
	})
}

func TestStaleMaterial_isWhatAnotherRevisionCheckedOrWhatIsDue(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.list("other", "app")
		soon, at := noon.Add(time.Second), noon.Add(2*time.Hour)
		older, newer, due, early := signed(1, inventory.Unverifiable, nil, "v1"), signed(2, inventory.Unverifiable, nil, "v2"), signed(3, inventory.Unverifiable, nil, "v3"), signed(4, inventory.Unverifiable, nil, "v4")
		older.TrustRevision, newer.TrustRevision, due.TrustRevision, early.TrustRevision = 5, 9, 7, 7
		due.Evidence.RecheckAt, early.Evidence.RecheckAt = &at, &soon
		w.look("local", "app", older, newer, due, early, signed(5, inventory.Trusted, []int{1}, "v5"))
		w.look("other", "app", older)
		stale := func(limit int) (found []inventory.Digest) {
			list, err := w.db.StaleMaterial(t.Context(), "local", 7, w.now, limit)
			w.must(err)
			for _, m := range list {
				found = append(found, m.Subject.Manifest.Digest)
			}
			return found
		}
		is := func(when string, want ...inventory.Digest) {
			t.Helper()
			if got := stale(10); !slices.Equal(got, want) {
				t.Errorf("%s: %d are stale, want %d", when, len(got), len(want))
			}
		}
		is("at first", digest(1), digest(2), digest(5))
		if n := len(stale(2)); n != 2 {
			t.Errorf("%d of two", n)
		}
		w.after(2 * time.Second)
		is("sooner than a minute", digest(1), digest(2), digest(5))
		w.after(time.Minute)
		is("after a minute", digest(1), digest(2), digest(4), digest(5))
		if next, err := w.db.NextDue(t.Context()); err != nil || next.After(w.now) {
			t.Errorf("the next work is due at %v, %v", next, err)
		}
		w.after(2 * time.Hour)
		is("when it is time", digest(1), digest(2), digest(3), digest(4), digest(5))
		w.registries = w.registries[1:]
		w.configure()
		is("of a registry that isn't configured any more")
		if list, err := w.db.StaleMaterial(t.Context(), "no such", 7, w.now, 10); err != nil || len(list) != 0 {
			t.Errorf("of none: %v, %v", list, err)
		}
	})
}

func TestStaleMaterial_isReadInBoundedMemory(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		for n := range 10 {
			f := signed(n, inventory.Unverifiable, nil, fmt.Sprint("v", n))
			f.Evidence.Material = make([]byte, 4<<20)
			w.look("local", "app", f)
		}
		list := w.stale(2)
		if len(list) == 0 || len(list) > 6 {
			t.Errorf("%d of 4 MiB each at once", len(list))
		}
		for _, m := range list {
			if len(m.Body) != 4<<20 {
				t.Errorf("one has %d bytes", len(m.Body))
			}
		}
	})
}

// What finds stale material reads two ends of one index and the beginning of
// another, and no body.
func TestStaleMaterial_everyRangeIsReadFromAnIndex(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/signboard.db")
	for _, r := range staleMaterial(1, 2, w.now) {
		var plans []string
		explained{w.db.sql.Reader, t, &plans}.explain(t.Context(), r.query, append(r.args, 10))
		if len(plans) != 1 || !strings.HasPrefix(plans[0], "SEARCH materials USING COVERING INDEX materials_re") {
			t.Errorf("the plan is %q", plans)
		}
	}
}

func TestRecordReverified_isWhatALookWouldHaveStored(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api")
		w.look("local", "pay/api", signed(1, inventory.Unverifiable, nil, "v1"), signed(2, inventory.Trusted, []int{7}, "v2"))
		w.after(time.Hour)
		stale := w.stale(2)
		recheck := w.now.Add(24 * time.Hour)
		f := signed(1, inventory.Trusted, []int{8})
		f.Evidence.Attestations = []inventory.Attestation{{PredicateType: "https://slsa.dev/provenance/v1", Outcome: inventory.OutcomeVerified, Domain: "public-good",
			Facts: []inventory.Fact{{Name: "Builder", Value: "b"}}, Checks: []inventory.Check{{Name: "signature", Result: inventory.Pass}}}}
		f.Evidence.Notes = []string{"Something was left out."}
		f.Evidence.RecheckAt = &recheck
		w.reverified(again(stale[0], f), again(stale[1], signed(2, inventory.Unverifiable, nil)))

		i := w.image("local", "pay/api", digest(1))
		if i.Status != inventory.Trusted || len(i.Signers) != 1 || i.Signers[0].ID != keyID(8) || len(i.History) != 2 || i.History[0].From != inventory.Unverifiable {
			t.Errorf("the image is %+v", i)
		}
		if len(i.Attestations) != 1 || i.Attestations[0].Domain != "public-good" || len(i.Attestations[0].Facts) != 1 || len(i.Attestations[0].Checks) != 1 || len(i.Notes) != 1 {
			t.Errorf("attestations are %+v, notes %q", i.Attestations, i.Notes)
		}
		if !i.CheckedAt.Equal(noon) {
			t.Errorf("it was looked at %s", i.CheckedAt)
		}
		if o := w.image("local", "pay/api", digest(2)); o.Status != inventory.Unverifiable || len(o.Signers) != 0 {
			t.Errorf("the one that lost its root is %s, signed by %+v", o.Status, o.Signers)
		}
		if c := w.counts("payments"); c.Of(inventory.Trusted) != 1 || c.Of(inventory.Unverifiable) != 1 {
			t.Errorf("counts are %+v", c)
		}
		if l := w.images(inventory.ImageFilter{Signer: keyID(8)}); len(l.Images) != 1 {
			t.Errorf("the new signer's images are %+v", l)
		}
		w.noDrift()
		if left := w.stale(2); len(left) != 0 || w.materials() != 2 {
			t.Errorf("still stale: %+v; %d are kept", left, w.materials())
		}
		w.now = recheck
		if due := w.stale(2); len(due) != 1 || due[0].Fingerprint != digest(2001) || due[0].TrustRevision != 2 {
			t.Errorf("to be checked again are %+v", due)
		}
		// A decision about the new signer reaches the image.
		w.decide(8, inventory.Approve, nil)
		if ids, err := w.db.StaleVerdicts(t.Context(), w.now, 10); err != nil || !slices.Contains(ids, i.ID) {
			t.Errorf("to judge again: %v, %v", ids, err)
		}
	})
}

func TestRecordReverified_aLookThatCameBetweenWins(t *testing.T) {
	looks := map[string]struct {
		change func(f *inventory.ImageFinding)
		status inventory.Status
	}{
		"with other attachments":      {func(f *inventory.ImageFinding) { f.Evidence.Fingerprint = digest(1) }, inventory.Unapproved},
		"with another revision":       {func(f *inventory.ImageFinding) { f.TrustRevision = 3 }, inventory.Unapproved},
		"that found nothing any more": {func(f *inventory.ImageFinding) { *f = unsigned(1, "v1") }, inventory.Unsigned},
		"that failed":                 {func(f *inventory.ImageFinding) { *f = failed(1, "v1") }, inventory.Unknown},
		"that read more but not all":  {func(f *inventory.ImageFinding) { f.Evidence.Incomplete, f.Evidence.Fingerprint = outage, "" }, inventory.Unapproved},
		"that found everything the same": {func(f *inventory.ImageFinding) {
			*f = inventory.ImageFinding{Digest: f.Digest, Tags: f.Tags, Unchanged: true}
		}, inventory.Trusted},
	}
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, dsn string) {
				w := newWorld(t, dsn)
				w.list("local", "app")
				w.look("local", "app", signed(1, inventory.Unverifiable, nil, "v1"))
				was := w.stale(2)[0]
				f := signed(1, inventory.Unapproved, []int{7}, "v1")
				look.change(&f)
				w.look("local", "app", f)
				w.reverified(again(was, signed(1, inventory.Trusted, []int{8})))
				i := w.image("local", "app", digest(1))
				if i.Status != look.status {
					t.Errorf("the image is %s (%s), want %s", i.Status, i.Message, look.status)
				}
				w.noDrift()
			})
		})
	}
}

// The registry is down: what is checked again meanwhile is stored, and counts
// once a look succeeds.
func TestRecordReverified_doesNotEndTheFailureOfALook(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Unverifiable, nil, "v1"))
		w.look("local", "app", failed(1, "v1"))
		was := w.stale(2)
		w.reverified(again(was[0], signed(1, inventory.Trusted, []int{8})))
		i := w.image("local", "app", digest(1))
		if i.Status != inventory.Unknown || i.LastGood == nil || i.LastGood.Status != inventory.Unverifiable || i.Message != "It is unknown." {
			t.Errorf("the image is %s (%s), last good %+v", i.Status, i.Message, i.LastGood)
		}
		if e, err := w.db.Evidence(t.Context(), []int64{i.ID}); err != nil || e[0].Failure == nil || len(e[0].Signatures) != 0 {
			t.Errorf("the evidence counts already: %+v, %v", e, err)
		}
		w.noDrift()
		w.look("local", "app", inventory.ImageFinding{Digest: digest(1), Tags: []string{"v1"}, Unchanged: true})
		e, err := w.db.Evidence(t.Context(), []int64{i.ID})
		if err != nil || e[0].Failure != nil || len(e[0].Signatures) != 1 || e[0].Signatures[0].Signer.ID != keyID(8) {
			t.Errorf("the evidence of the repeated check doesn't count: %+v, %v", e, err)
		}
		if ids, err := w.db.StaleVerdicts(t.Context(), w.now, 10); err != nil || len(ids) != 1 {
			t.Errorf("to judge again: %v, %v", ids, err)
		}
	})
}

func TestRecordReverified_refusesVerdictsOlderThanDecision(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Unapproved, []int{7}, "v1"))
		v := again(w.stale(2)[0], signed(1, inventory.Unapproved, []int{7}))
		w.decide(7, inventory.Approve, nil)
		if err := w.db.RecordReverified(t.Context(), []inventory.Reverified{v}, w.now); !errors.Is(err, inventory.ErrRejudge) {
			t.Fatalf("storing says %v", err)
		}
		if len(w.stale(2)) != 1 {
			t.Error("it was stored all the same")
		}
		w.reverified(v)
		if len(w.stale(2)) != 0 {
			t.Error("judged again, it wasn't stored")
		}
	})
}

func TestRecordReverified_unfinishedIsUnknownAndTriedLessAndLess(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Trusted, []int{7}, "v1"))
		for _, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			due := w.stale(2)
			if len(due) != 1 {
				t.Fatalf("%d are due", len(due))
			}
			w.reverified(shaken(due[0]))
			i := w.image("local", "app", digest(1))
			if i.Status != inventory.Unknown || i.LastGood == nil || i.LastGood.Status != inventory.Trusted || !i.LastGood.CheckedAt.Equal(noon) {
				t.Errorf("the image is %s, last good %+v", i.Status, i.LastGood)
			}
			if len(i.Signatures) != 1 || i.Signatures[0].Outcome != inventory.OutcomeVerified || len(i.Signers) != 1 {
				t.Errorf("known evidence is gone: %+v", i.Signatures)
			}
			e, err := w.db.Evidence(t.Context(), []int64{i.ID})
			if err != nil || e[0].Failure == nil || e[0].Failure.Message != down.Message || len(e[0].Signatures) != 0 {
				t.Errorf("the stored evidence still counts: %+v, %v", e, err)
			}
			w.after(wait*time.Minute - time.Millisecond)
			if due := w.stale(2); len(due) != 0 {
				t.Errorf("due again before %d minutes are over", wait)
			}
			w.after(time.Millisecond)
		}
		w.noDrift()

		// Neither an outage of the registry nor its end makes it count again.
		w.look("local", "app", failed(1, "v1"))
		work := w.claim("local", "app")
		if !work.Images[digest(1)].Recheck {
			t.Error("the next look isn't told")
		}
		w.must(w.db.RecordImages(t.Context(), work, []inventory.ImageFinding{{Digest: digest(1), Tags: []string{"v1"}, Unchanged: true}}, w.now))
		id := w.image("local", "app", digest(1)).ID
		if e, err := w.db.Evidence(t.Context(), []int64{id}); err != nil || e[0].Failure == nil || len(e[0].Signatures) != 0 {
			t.Errorf("after the outage the evidence counts: %+v, %v", e, err)
		}
		if ids, err := w.db.StaleVerdicts(t.Context(), w.now, 10); err != nil || len(ids) != 0 {
			t.Errorf("to judge again: %v, %v", ids, err)
		}

		w.reverified(again(w.stale(2)[0], signed(1, inventory.Trusted, []int{7})))
		if i := w.image("local", "app", digest(1)); i.Status != inventory.Trusted || i.LastGood != nil || i.Stale {
			t.Errorf("with the responder back: %s, last good %v, stale %v", i.Status, i.LastGood, i.Stale)
		}
		w.after(2 * time.Minute) // the lease of the look above is over
		if work := w.claim("local", "app"); work.Images[digest(1)].Recheck {
			t.Error("the next look is still told")
		}
		w.noDrift()
	})
}

// A look that found something else ends the failure of a check of what was
// there before.
func TestRecordImages_newEvidenceNeedsNoRepeatedCheck(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Trusted, []int{7}, "v1"))
		w.reverified(shaken(w.stale(2)[0]))
		f := signed(1, inventory.Trusted, []int{7}, "v1")
		f.Evidence.Fingerprint = digest(1)
		w.look("local", "app", f)
		i := w.image("local", "app", digest(1))
		e, err := w.db.Evidence(t.Context(), []int64{i.ID})
		if err != nil || e[0].Failure != nil || len(e[0].Signatures) != 1 || i.Status != inventory.Trusted {
			t.Errorf("the image is %s; evidence is %+v, %v", i.Status, e, err)
		}
		if w.claim("local", "app").Images[digest(1)].Recheck {
			t.Error("the next look is told to repeat it")
		}
		w.after(time.Hour)
		if due := w.stale(1); len(due) != 0 {
			t.Errorf("it is due all the same: %+v", due)
		}
		w.noDrift()
	})
}

// Of two signatures one still verifies: that much is known, and the rest is
// tried again.
func TestRecordReverified_unfinishedButNoWorse(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Unapproved, []int{7, 8}, "v1"))
		f := signed(1, inventory.Trusted, []int{7})
		v := again(w.stale(2)[0], f)
		v.Evidence.Incomplete, v.Evidence.Fingerprint = down, ""
		w.reverified(v)
		i := w.image("local", "app", digest(1))
		if i.Status != inventory.Trusted || len(i.Signatures) != 1 {
			t.Errorf("the image is %s with %d signatures", i.Status, len(i.Signatures))
		}
		e, err := w.db.Evidence(t.Context(), []int64{i.ID})
		if err != nil || e[0].Incomplete == nil || len(e[0].Signatures) != 1 {
			t.Errorf("the evidence is %+v, %v", e, err)
		}
		if k := w.claim("local", "app").Images[digest(1)]; k.Fingerprint != digest(2001) || k.TrustRevision != 2 || k.Recheck {
			t.Errorf("the next look knows %+v", k)
		}
		w.after(time.Minute)
		if due := w.stale(2); len(due) != 1 {
			t.Errorf("%d are due after a minute", len(due))
		}
		w.noDrift()
	})
}

func TestDiscardMaterial_leavesItToTheNextLook(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app", "rest")
		w.look("local", "rest", signed(1, inventory.Trusted, []int{7}, "v1"))
		w.look("local", "app", signed(2, inventory.Trusted, []int{7}, "v1"), signed(3, inventory.Trusted, []int{7}, "v2"))
		due := func() *inventory.RepositoryWork {
			work, err := w.db.ClaimRepository(t.Context(), "test", inventory.SyncScope{Registry: "local"}, w.now, time.Second)
			w.must(err)
			return work
		}
		list := slices.DeleteFunc(w.stale(2), func(m inventory.StoredMaterial) bool { return m.Subject.Manifest.Digest == digest(1) })
		w.look("local", "app", signed(2, inventory.Trusted, []int{7}, "v1"), func() inventory.ImageFinding {
			f := signed(3, inventory.Trusted, []int{7}, "v2")
			f.TrustRevision = 2
			return f
		}())
		w.must(w.db.DiscardMaterial(t.Context(), list, w.now))
		if n := w.materials(); n != 2 {
			t.Errorf("%d are kept: one was looked at meanwhile, one wasn't discarded", n)
		}
		if i := w.image("local", "app", digest(2)); i.Status != inventory.Trusted || len(i.Signatures) != 1 {
			t.Errorf("the image is %s with %d signatures", i.Status, len(i.Signatures))
		}
		if work := due(); work != nil {
			t.Errorf("%s was read this moment, and is due", work.Repository.Name)
		}
		w.after(time.Minute)
		work := due()
		if work == nil || work.Repository.Name != "app" {
			t.Fatalf("due is %+v", work)
		}
		if work.Images[digest(2)].Fingerprint != "" || work.Images[digest(3)].Fingerprint != digest(2003) {
			t.Errorf("the next look knows %+v", work.Images)
		}
		if work := due(); work != nil {
			t.Errorf("%s is due", work.Repository.Name)
		}
		w.noDrift()
	})
}

func TestImage_saysWhatWasLeftOut(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		f := signed(1, inventory.Trusted, []int{7}, "v1")
		f.Evidence.Notes = []string{"One belongs to another image.", "Another\x00 names no subject."}
		w.look("local", "app", f)
		if i := w.image("local", "app", digest(1)); len(i.Notes) != 2 || i.Notes[0] != f.Evidence.Notes[0] {
			t.Errorf("the notes are %q", i.Notes)
		}
		w.look("local", "app", failed(1, "v1"))
		if i := w.image("local", "app", digest(1)); len(i.Notes) != 2 {
			t.Errorf("after a failed look the notes are %q", i.Notes)
		}
		w.look("local", "app", signed(1, inventory.Trusted, []int{7}, "v1"))
		if i := w.image("local", "app", digest(1)); len(i.Notes) != 0 {
			t.Errorf("when they are over the notes are %q", i.Notes)
		}
	})
}

func TestImages_byEveryFormat(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		var findings []inventory.ImageFinding
		for n, format := range inventory.Formats {
			f := signed(n, inventory.Unapproved, []int{7}, fmt.Sprint("v", n))
			f.Evidence.Signatures[0].Format = format
			findings = append(findings, f)
		}
		w.look("local", "app", findings...)
		facets, err := w.db.Facets(t.Context(), w.now)
		w.must(err)
		for n, format := range inventory.Formats {
			if l := w.images(inventory.ImageFilter{Format: format}); len(l.Images) != 1 || l.Images[0].Digest != digest(n) || l.Total != 1 {
				t.Errorf("%s selects %+v", format, l)
			}
			if !slices.Contains(facets.Format, inventory.Facet{Value: string(format), Label: string(format), Count: 1}) {
				t.Errorf("%s isn't among the facets %+v", format, facets.Format)
			}
		}
		w.noDrift()
	})
}
