package store

import (
	"fmt"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/policy"
	"signboard/inventory/store/database"
)

// see stores a complete look whose verdicts policy judges.
func (w *world) see(registry, repository string, findings ...inventory.ImageFinding) {
	w.Helper()
	w.look(registry, repository, w.judge(registry+"/"+repository, findings)...)
}

// judge has policy judge findings, by the decisions there are.
func (w *world) judge(full string, findings []inventory.ImageFinding) []inventory.ImageFinding {
	w.Helper()
	var signers []inventory.SignerID
	for _, f := range findings {
		for _, s := range f.Evidence.Signatures {
			if s.Signer != nil {
				signers = append(signers, s.Signer.ID)
			}
		}
	}
	decisions, err := w.db.Decisions(w.Context(), signers)
	w.must(err)
	for i := range findings {
		f := &findings[i]
		facts := policy.Facts{Repository: full, Checked: true, Failure: f.Failure, Decisions: decisions.BySigner}
		if f.Failure == nil {
			facts.Failure, facts.Signatures = f.Evidence.Incomplete, f.Evidence.Signatures
		}
		f.Verdict = policy.Judge(facts, w.now)
		facts.Signatures = nil
		f.Unproven = policy.Judge(facts, w.now)
	}
	return findings
}

// settle judges again what a decision or the time has overtaken.
func (w *world) settle() {
	w.Helper()
	for {
		ids, err := w.db.StaleVerdicts(w.Context(), w.now, 100)
		w.must(err)
		if len(ids) == 0 {
			return
		}
		evidence, err := w.db.Evidence(w.Context(), ids)
		w.must(err)
		var signers []inventory.SignerID
		for _, e := range evidence {
			for _, s := range e.Signatures {
				if s.Signer != nil {
					signers = append(signers, s.Signer.ID)
				}
			}
		}
		decisions, err := w.db.Decisions(w.Context(), signers)
		w.must(err)
		verdicts := map[int64]inventory.Verdict{}
		for _, e := range evidence {
			verdicts[e.ImageID] = policy.Judge(policy.FactsOf(e, decisions.BySigner), w.now)
		}
		w.must(w.db.RecordVerdicts(w.Context(), verdicts, decisions.Revision, w.now))
	}
}

// bearing is a finding of an image with verified signatures, each of a key.
func bearing(n int, tag string, signatures ...inventory.Signature) inventory.ImageFinding {
	f := unsigned(n, tag)
	fingerprint := fmt.Sprint(n)
	for i := range signatures {
		signatures[i].Index = i
		fingerprint += fmt.Sprint(signatures[i].Chain, signatures[i].Signer)
	}
	f.Evidence.Signatures = signatures
	f.Evidence.Fingerprint = inventory.DigestOf([]byte(fingerprint))
	f.Evidence.Material = []byte(fingerprint)
	return f
}

func madeBy(key int, mark string) inventory.Signature {
	return inventory.Signature{
		Format: inventory.FormatSimpleSigning, Manifest: inventory.DigestOf([]byte(mark)), Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK,
		Signer: &inventory.Signer{ID: keyID(key), Kind: inventory.KeySigner, Name: fmt.Sprint("key ", key)},
		Chain:  []inventory.Link{{Role: inventory.RoleSignature, Fingerprint: mark}}, Domain: "acme",
	}
}

func (w *world) latest(n int) inventory.VerdictChange {
	w.Helper()
	i := w.image("local", "app", digest(n))
	if len(i.History) == 0 {
		w.Fatal("nothing has happened")
	}
	return i.History[0]
}

// grounds checks the latest change of an image.
func (w *world) grounds(n, changes int, status inventory.Status, cause inventory.CauseKind, mark, decision string) inventory.VerdictChange {
	w.Helper()
	i := w.image("local", "app", digest(n))
	if len(i.History) != changes {
		w.Fatalf("there are %d changes, want %d: %+v", len(i.History), changes, i.History)
	}
	h := i.History[0]
	if h.To != status || h.Cause.Kind != cause || !h.At.Equal(w.now) {
		w.Errorf("it is %s by %q at %v, want %s by %q now", h.To, h.Cause.Kind, h.At, status, cause)
	}
	is := ""
	if h.Ground == nil {
		w.Fatal("what it rests on isn't kept")
	}
	if s := h.Ground.Signature; s != nil {
		is = s.Mark
	}
	if is != mark || h.Ground.Decision != decision {
		w.Errorf("it rests on signature %q and decision %q, want %q and %q", is, h.Ground.Decision, mark, decision)
	}
	return h
}

func TestHistory_keepsWhatAVerdictRestedOn(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		look := func(signatures ...inventory.Signature) {
			w.after(time.Hour)
			w.see("local", "app", bearing(1, "v1", signatures...))
		}
		look(madeBy(7, "s1"))
		h := w.grounds(1, 1, inventory.Unapproved, inventory.CauseFirstLook, "s1", "")
		s := h.Ground.Signature
		if s.Signer.ID != keyID(7) || s.Signer.Name != "key 7" || s.Format != inventory.FormatSimpleSigning || s.Manifest != inventory.DigestOf([]byte("s1")) || h.Ground.Root != "acme" {
			t.Errorf("the signature is kept as %+v of root %q", s, h.Ground.Root)
		}
		if h.Ground.Trust != 1 || h.Ground.Decisions != 0 || h.Ground.CheckedAt == nil || !h.Ground.CheckedAt.Equal(w.now) {
			t.Errorf("its revisions are kept as %+v", h.Ground)
		}
		looked := w.now

		w.after(time.Hour)
		w.decide(7, inventory.Approve, nil)
		w.settle()
		h = w.grounds(1, 2, inventory.Trusted, inventory.CauseDecision, "s1", "d-7-0")
		if h.Ground.Decisions != 1 || !h.Ground.CheckedAt.Equal(looked) {
			t.Errorf("after the decision the revisions are %+v", h.Ground)
		}

		// It stays trusted, by another approval.
		w.after(time.Hour)
		w.decide(7, inventory.Approve, nil, "d-7-0")
		w.settle()
		if h = w.grounds(1, 3, inventory.Trusted, inventory.CauseDecision, "s1", "d-7-1"); h.From != inventory.Trusted || h.Cause.Decision.ID != "d-7-1" {
			t.Errorf("the renewed approval is told as %+v", h)
		}

		// Another signature of the same signer beside the first changes nothing; in
		// its place it does.
		look(madeBy(7, "s1"), madeBy(7, "s2"))
		if n := len(w.image("local", "app", digest(1)).History); n != 3 {
			t.Errorf("after one more signature there are %d changes", n)
		}
		look(madeBy(7, "s2"))
		h = w.grounds(1, 4, inventory.Trusted, inventory.CauseSignatures, "s2", "d-7-1")
		if len(h.Cause.Vanished) != 1 || h.Cause.Vanished[0].Mark != "s1" || h.Flagged {
			t.Errorf("the replaced signature is told as %+v", h)
		}

		// Another approved signer takes over.
		look(madeBy(7, "s2"), madeBy(8, "s3"))
		w.after(time.Hour)
		w.decide(8, inventory.Approve, nil)
		w.decide(7, inventory.Revoke, nil, "d-7-1")
		w.settle()
		w.grounds(1, 5, inventory.Trusted, inventory.CauseDecision, "s3", "d-8-0")

		// Looks that find the same tell nothing, and neither do failures in a row.
		for range 3 {
			look(madeBy(7, "s2"), madeBy(8, "s3"))
		}
		w.after(time.Hour)
		for range 3 {
			w.see("local", "app", failed(1, "v1"))
		}
		h = w.grounds(1, 6, inventory.Unknown, inventory.CauseFailure, "", "")
		if !h.Ground.CheckedAt.Equal(w.now.Add(-time.Hour)) {
			t.Errorf("while it is unknown the last good look is kept as %v", h.Ground.CheckedAt)
		}
		w.noDrift()
	})
}

// While a verdict stays what it is in a word, it may be for another reason.
func TestHistory_anotherReasonIsAChange(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.see("local", "app", bearing(1, "v1", madeBy(7, "s1")))
		changed := w.image("local", "app", digest(1)).ChangedAt
		w.after(time.Hour)
		w.decide(7, inventory.Reject, nil)
		w.settle()
		if h := w.grounds(1, 2, inventory.Unapproved, inventory.CauseDecision, "s1", "d-7-0"); h.Reason != inventory.ReasonSignerRejected {
			t.Errorf("the reason is %s", h.Reason)
		}
		if i := w.image("local", "app", digest(1)); !i.ChangedAt.Equal(*changed) {
			t.Error("its status didn't change, and it says that it did")
		}
	})
}

func TestHistory_failedFirstLookSaysWhy(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		for range 3 {
			w.see("local", "app", failed(1, "v1"))
		}
		h := w.grounds(1, 1, inventory.Unknown, inventory.CauseFailure, "", "")
		if h.Reason != outage.Reason || h.From != inventory.Unknown {
			t.Errorf("it is told as %+v", h)
		}
		w.after(time.Hour)
		w.see("local", "app", bearing(1, "v1", madeBy(7, "s1")))
		w.grounds(1, 2, inventory.Unapproved, inventory.CauseFirstLook, "s1", "")
	})
}

// A repeated check may find that the signature doesn't hold any more while
// another one of the same signer does.
func TestHistory_repeatedCheckThatLeavesAnotherSignature(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.decideUnseen(7)
		w.see("local", "app", bearing(1, "v1", madeBy(7, "s1"), madeBy(7, "s2")))
		w.grounds(1, 1, inventory.Trusted, inventory.CauseFirstLook, "s1", "d-7-0")
		w.after(time.Hour)
		stale, err := w.db.StaleMaterial(t.Context(), "local", 2, w.now, 1)
		w.must(err)
		again := bearing(1, "v1", madeBy(7, "s1"), madeBy(7, "s2"))
		again.Evidence.Signatures[0].Outcome, again.Evidence.Signatures[0].Reason = inventory.OutcomeInvalid, inventory.ReasonCertificateRevoked
		w.judge("local/app", []inventory.ImageFinding{again})
		d, err := w.db.Decisions(t.Context(), nil)
		w.must(err)
		again = w.judge("local/app", []inventory.ImageFinding{again})[0]
		w.must(w.db.RecordReverified(t.Context(), []inventory.Reverified{{Was: stale[0], Evidence: again.Evidence, Verdict: again.Verdict, TrustRevision: 2, JudgedAt: d.Revision}}, w.now))
		if h := w.latest(1); h.To != inventory.Trusted || h.Ground.Signature.Mark != "s2" || h.Ground.Trust != 2 {
			t.Errorf("the latest change is %+v", h)
		}
	})
}

// decideUnseen approves a key that has signed nothing yet.
func (w *world) decideUnseen(key int) {
	w.Helper()
	w.must(w.db.sql.Write(w.Context(), func(tx database.Querier) error {
		_, err := tx.ExecContext(w.Context(), "insert into signers (id, kind, name, standing) values ($1, 'key', $2, 'pending')", keyID(key), fmt.Sprint("key ", key))
		return err
	}))
	w.decide(key, inventory.Approve, nil)
}

// Verdicts that were judged from what is kept beside the evidence name their
// signer only.
func TestHistory_namesTheSignatureWithoutReadingIt(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		ends := madeBy(7, "short")
		ends.Expires = &inventory.Expiry{At: w.now.Add(time.Hour), Reason: inventory.ReasonSignatureExpired, Message: "It ran out."}
		w.see("local", "app", bearing(1, "v1", ends, madeBy(7, "good")))
		w.decide(7, inventory.Approve, nil)
		ids, err := w.db.StaleVerdicts(t.Context(), w.now, 10)
		w.must(err)
		d, err := w.db.Decisions(t.Context(), []inventory.SignerID{keyID(7)})
		w.must(err)
		v := verdict(inventory.Trusted)
		v.Basis = inventory.Basis{Signature: &inventory.Signature{Outcome: inventory.OutcomeVerified, Signer: &inventory.Signer{ID: keyID(7)}}, Decision: &d.BySigner[keyID(7)][0]}
		w.must(w.db.RecordVerdicts(t.Context(), map[int64]inventory.Verdict{ids[0]: v}, d.Revision, w.now))
		w.grounds(1, 2, inventory.Trusted, inventory.CauseDecision, "good", "d-7-0")
	})
}
