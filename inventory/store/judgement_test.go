package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
)

func TestRecordDecision_refusesWhenDecidedMeanwhile(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Unapproved, []int{7}, "v1"))
		w.decide(7, inventory.Approve, nil)
		err := w.db.RecordDecision(t.Context(), inventory.Decision{ID: "late", Signer: keyID(7), Verb: inventory.Reject, State: inventory.StateActive}, 0, nil, w.entry("signer.reject"))
		if inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("deciding on what isn't so any more says %v", err)
		}
		err = w.db.RecordDecision(t.Context(), inventory.Decision{ID: "nobody", Signer: keyID(8), Verb: inventory.Reject, State: inventory.StateActive}, 0, nil, w.entry("signer.reject"))
		if inventory.KindOf(err) != inventory.NotFound {
			t.Errorf("deciding about nobody says %v", err)
		}
		entries, _, err := w.db.AuditEntries(t.Context(), inventory.Page{})
		w.must(err)
		if len(entries) != 1 || entries[0].Action != "signer.approve" || entries[0].Actor.Name != "Dana" || entries[0].Index != 0 {
			t.Errorf("the audit log is %+v", entries)
		}
		s, err := w.db.Signer(t.Context(), keyID(7), w.now)
		w.must(err)
		if s.Standing != inventory.Approved || s.Revision != 1 || len(s.Decisions) != 1 || s.Decisions[0].DecidedBy[0].Subject != "i|d" {
			t.Errorf("the signer is %+v", s)
		}
	})
}

func TestRecordDecision_bothAtOnceOneWins(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Unapproved, []int{7}, "v1"))
		const people = 8
		errs := make([]error, people)
		var all sync.WaitGroup
		for i := range people {
			all.Go(func() {
				errs[i] = w.db.RecordDecision(t.Context(), inventory.Decision{
					ID: fmt.Sprint(i), Signer: keyID(7), Verb: inventory.Approve, State: inventory.StateActive, Repositories: []inventory.Glob{"**"},
				}, 0, nil, w.entry("signer.approve"))
			})
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case inventory.KindOf(err) != inventory.Conflict:
				t.Errorf("a loser is told %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d decisions won", won)
		}
	})
}

func TestStaleVerdicts_walksEveryImageOfADecidedSigner(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		var findings []inventory.ImageFinding
		for n := range 25 {
			findings = append(findings, signed(n, inventory.Unapproved, []int{7, 8}, fmt.Sprint("v", n)))
		}
		findings = append(findings, signed(30, inventory.Unapproved, []int{9}, "other"))
		w.look("local", "app", findings...)
		if ids, err := w.db.StaleVerdicts(t.Context(), w.now, 10); err != nil || len(ids) != 0 {
			t.Fatalf("before any decision: %v, %v", ids, err)
		}
		w.decide(7, inventory.Approve, nil)
		if next, err := w.db.NextDue(t.Context()); err != nil || next.After(w.now) {
			t.Errorf("the next work is due at %v, %v", next, err)
		}
		judged := 0
		for {
			ids, err := w.db.StaleVerdicts(t.Context(), w.now, 10)
			w.must(err)
			if len(ids) == 0 {
				break
			}
			if len(ids) > 10 {
				t.Fatalf("%d at once", len(ids))
			}
			verdicts := map[int64]inventory.Verdict{}
			for _, id := range ids {
				verdicts[id] = verdict(inventory.Trusted)
			}
			if err := w.db.RecordVerdicts(t.Context(), verdicts, 0, w.now); !errors.Is(err, inventory.ErrRejudge) {
				t.Fatalf("verdicts from before the decision: %v", err)
			}
			w.must(w.db.RecordVerdicts(t.Context(), verdicts, 1, w.now))
			if judged += len(ids); judged > 25 {
				t.Fatal("there is no end to it")
			}
		}
		if c := w.counts(""); judged != 25 || c.Of(inventory.Trusted) != 25 || c.Of(inventory.Unapproved) != 1 {
			t.Errorf("%d were judged; counts are %+v", judged, c)
		}
		if next, err := w.db.NextDue(t.Context()); err != nil || !next.After(w.now) && len(w.registries) == 0 {
			t.Errorf("the next work is due at %v, %v", next, err)
		}
		w.noDrift()
	})
}

func TestStaleVerdicts_approvalRunsOut(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		until := w.now.Add(24 * time.Hour)
		f := signed(1, inventory.Trusted, []int{7}, "v1")
		f.Verdict.ReviewAt = &until
		w.look("local", "app", f)
		w.decide(7, inventory.Approve, &until)
		ids, err := w.db.StaleVerdicts(t.Context(), w.now, 10)
		w.must(err)
		w.must(w.db.RecordVerdicts(t.Context(), map[int64]inventory.Verdict{ids[0]: f.Verdict}, 1, w.now))
		if ids, err = w.db.StaleVerdicts(t.Context(), w.now, 10); err != nil || len(ids) != 0 {
			t.Fatalf("before its end: %v, %v", ids, err)
		}
		standing := func() map[inventory.Standing]int {
			s, err := w.db.Standings(t.Context(), w.now)
			w.must(err)
			return s
		}
		if s := standing(); s[inventory.Approved] != 1 {
			t.Errorf("standings are %v", s)
		}
		w.after(24 * time.Hour)
		if s := standing(); s[inventory.Expired] != 1 {
			t.Errorf("after its end standings are %v", s)
		}
		expired, _, err := w.db.Signers(t.Context(), inventory.SignerFilter{Standing: inventory.Expired}, inventory.Page{}, w.now)
		w.must(err)
		if len(expired) != 1 || expired[0].Standing != inventory.Expired {
			t.Errorf("expired signers are %+v", expired)
		}
		if ids, err = w.db.StaleVerdicts(t.Context(), w.now, 10); err != nil || len(ids) != 1 {
			t.Errorf("after its end: %v, %v", ids, err)
		}
		w.after(-time.Hour) // the clock had been wrong
		if s := standing(); s[inventory.Approved] != 1 {
			t.Errorf("with the clock put right standings are %v", s)
		}
	})
}

func TestRecordVerdicts_keepsWhatANewerLookFound(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Unapproved, []int{7}, "v1"))
		w.decide(7, inventory.Approve, nil)
		ids, err := w.db.StaleVerdicts(t.Context(), w.now, 10)
		w.must(err)
		w.look("local", "app", unsigned(1, "v1")) // the signature was taken away
		w.must(w.db.RecordVerdicts(t.Context(), map[int64]inventory.Verdict{ids[0]: verdict(inventory.Trusted)}, 1, w.now))
		if i := w.image("local", "app", digest(1)); i.Status != inventory.Unsigned {
			t.Errorf("the image is %s", i.Status)
		}
		w.noDrift()
	})
}

func TestAppendAudit_leavesNoGap(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		second := open(t, dsn)
		var all sync.WaitGroup
		const each = 20
		for n, db := range []*DB{w.db, second} {
			all.Go(func() {
				for i := range each {
					if err := db.RecordRefusal(t.Context(), w.entry("access.refused")); err != nil {
						t.Errorf("writing down: %v", err)
					}
					// A transaction that fails must not use up an index.
					err := db.RecordRelease(t.Context(), inventory.Quarantine{ID: fmt.Sprint("none", n, i)}, w.entry("image.release"))
					if inventory.KindOf(err) != inventory.Conflict {
						t.Errorf("releasing nothing: %v", err)
					}
				}
			})
		}
		all.Wait()
		var entries []inventory.AuditEntry
		for page := (inventory.Page{Limit: 7}); ; {
			list, next, err := w.db.AuditEntries(t.Context(), page)
			w.must(err)
			entries = append(entries, list...)
			if page.Cursor = next; next == "" {
				break
			}
		}
		if len(entries) != 2*each {
			t.Fatalf("there are %d entries", len(entries))
		}
		for i, e := range entries {
			if e.Index != int64(2*each-1-i) {
				t.Fatalf("entry %d has index %d", i, e.Index)
			}
		}
	})
}

func TestRecordKey_movesTrustOn(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		key := inventory.Signer{ID: keyID(7), Kind: inventory.KeySigner, Name: "release key", PublicKey: "PEM", RegisteredBy: "Dana"}
		_, before, err := w.db.Keys(t.Context())
		w.must(err)
		w.must(w.db.RecordKey(t.Context(), key, w.entry("key.register")))
		keys, after, err := w.db.Keys(t.Context())
		w.must(err)
		if asked, err := w.db.KeysRevision(t.Context()); err != nil || asked != after {
			t.Errorf("asked alone, the revision is %d, not %d: %v", asked, after, err)
		}
		if after <= before || len(keys) != 1 || keys[0].PublicKey != "PEM" || keys[0].RegisteredAt == nil || keys[0].FirstSeen != nil || keys[0].Standing != inventory.Pending {
			t.Errorf("keys at %d (before: %d) are %+v", after, before, keys)
		}
		if err := w.db.RecordKey(t.Context(), key, w.entry("key.register")); inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("the same key again: %v", err)
		}
		if _, again, _ := w.db.Keys(t.Context()); again != after {
			t.Error("a refused key moved the trust revision")
		}
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Unapproved, []int{7}, "v1"))
		if keys, _, err = w.db.Keys(t.Context()); err != nil || keys[0].Name != "release key" || keys[0].FirstSeen == nil || keys[0].Waiting != 1 {
			t.Errorf("once seen, the key is %+v, %v", keys, err)
		}
	})
}
