package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/policy"
	"signboard/inventory/store/database"
)

const (
	github      = "https://token.actions.githubusercontent.com"
	releaseTags = inventory.IdentityPattern("https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*")
)

func release(tag string) inventory.SignerID {
	return inventory.KeylessID(github, "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/"+tag)
}

// by is a finding with keyless signatures: signer and root of trust, alternating.
func (w *world) by(n int, status inventory.Status, pairs ...string) inventory.ImageFinding {
	f := signed(n, status, nil, fmt.Sprintf("v%d", n))
	for i := 0; i < len(pairs); i += 2 {
		id := inventory.SignerID(pairs[i])
		f.Evidence.Signatures = append(f.Evidence.Signatures, inventory.Signature{
			Format: inventory.FormatBundle, Manifest: digest(1000 + n), Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK, Domain: pairs[i+1],
			Signer: &inventory.Signer{ID: id, Kind: id.Kind(), Name: string(id)},
		})
	}
	return f
}

func (w *world) signer(id inventory.SignerID) inventory.Signer {
	w.Helper()
	s, err := w.db.Signer(w.Context(), id, w.now)
	w.must(err)
	return s
}

// approve stores an approval with a pattern; more changes it first.
func (w *world) approve(id inventory.SignerID, p inventory.IdentityPattern, more ...func(*inventory.Decision)) inventory.Decision {
	w.Helper()
	s := w.signer(id)
	d := inventory.Decision{
		ID: fmt.Sprintf("d-%d-%s", s.Revision, id), Signer: id, Verb: inventory.Approve, Repositories: []inventory.Glob{"**"}, Reason: "because",
		State: inventory.StateActive, DecidedBy: []inventory.Decider{{Name: "Dana", Subject: "i|d", At: w.now}}, Identities: p,
	}
	for _, f := range more {
		f(&d)
	}
	var ended []string
	if d.Verb != inventory.Approve {
		for _, old := range s.Decisions {
			ended = append(ended, old.ID)
		}
	}
	w.must(w.db.RecordDecision(w.Context(), d, s.Revision, ended, w.entry("signer."+string(d.Verb))))
	return d
}

func verb(v inventory.Verb) func(*inventory.Decision) {
	return func(d *inventory.Decision) { d.Verb, d.Identities = v, "" }
}

// rejudge is what the syncer does.
func (w *world) rejudge() (n int) {
	w.Helper()
	for {
		ids, err := w.db.StaleVerdicts(w.Context(), w.now, 100)
		w.must(err)
		if len(ids) == 0 {
			return n
		}
		evidence, err := w.db.Evidence(w.Context(), ids)
		w.must(err)
		var signers []inventory.SignerID
		for _, e := range evidence {
			for _, s := range e.Signatures {
				signers = append(signers, s.Signer.ID)
			}
		}
		of, err := w.db.Decisions(w.Context(), signers)
		w.must(err)
		verdicts := map[int64]inventory.Verdict{}
		for _, e := range evidence {
			verdicts[e.ImageID] = policy.Judge(policy.FactsOf(e, of.BySigner), w.now)
		}
		w.must(w.db.RecordVerdicts(w.Context(), verdicts, of.Revision, w.now))
		n += len(ids)
	}
}

// standing checks the standing by which lists have a signer; the page's is the same.
func (w *world) standing(id inventory.SignerID, want inventory.Standing) {
	w.Helper()
	s := w.signer(id)
	_, err := w.db.Standings(w.Context(), w.now) // as a list would
	w.must(err)
	row, err := databaseValue(w, "select standing from signers where id = $1", id)
	w.must(err)
	if s.Standing != want || row != string(want) {
		w.Errorf("%s is %s, and listed as %s; want %s", id, s.Standing, row, want)
	}
}

func (w *world) status(n int, want inventory.Status, reason inventory.Reason) {
	w.Helper()
	i := w.image("local", "app", digest(n))
	if i.Status != want || i.Reason != reason {
		w.Errorf("image %d is %s, %s (%s); want %s, %s", n, i.Status, i.Reason, i.Message, want, reason)
	}
}

// TestPatterns_countForAllTheyMatch follows a pattern from its approval to its
// end: lists, images, counters and new identities agree at every step.
func TestPatterns_countForAllTheyMatch(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		odd := inventory.KeylessID(github, "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v\u0430")
		elsewhere := inventory.KeylessID("https://gitlab.com", "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v9")
		branch := inventory.KeylessID(github, "https://github.com/acme/api/.github/workflows/release.yml@refs/heads/v1")
		images := []inventory.ImageFinding{
			w.by(1, inventory.Unapproved, string(release("v1")), "public-good"),
			w.by(2, inventory.Unapproved, string(release("v2")), "public-good"),
			w.by(3, inventory.Unapproved, string(odd), "public-good"),
			w.by(4, inventory.Unapproved, string(elsewhere), "public-good"),
			w.by(5, inventory.Unapproved, string(branch), "public-good"),
		}
		w.look("local", "app", images...)
		seen := w.signer(release("v2")).Revision

		d := w.approve(release("v1"), releaseTags)
		w.standing(release("v1"), inventory.Approved)
		w.standing(release("v2"), inventory.Approved)
		for _, id := range []inventory.SignerID{odd, elsewhere, branch} {
			w.standing(id, inventory.Pending)
		}
		if s := w.signer(release("v2")); len(s.Decisions) != 0 || len(s.Lent) != 1 || s.Lent[0].ID != d.ID || s.Revision == seen {
			t.Errorf("the signer is %+v", s)
		}
		if n := w.rejudge(); n != 2 {
			t.Errorf("%d images were judged again, want 2", n)
		}
		w.status(1, inventory.Trusted, inventory.ReasonOK)
		w.status(2, inventory.Trusted, inventory.ReasonOK)
		w.status(3, inventory.Unapproved, inventory.ReasonSignerNotApproved)
		if s := w.signer(release("v2")); s.Waiting != 0 {
			t.Errorf("%d images of it wait", s.Waiting)
		}
		w.noDrift()

		// One seen for the first time is approved from the beginning.
		w.after(time.Hour)
		of, err := w.db.Decisions(t.Context(), []inventory.SignerID{release("v3")})
		w.must(err)
		if len(of.BySigner[release("v3")]) != 1 {
			t.Fatalf("of a signer that nobody has seen yet %+v count", of.BySigner)
		}
		images = append(images, w.by(6, inventory.Trusted, string(release("v3")), "public-good"))
		w.look("local", "app", images...)
		w.standing(release("v3"), inventory.Approved)
		w.noDrift()

		// Its own rejection takes it out.
		w.approve(release("v2"), "", verb(inventory.Reject))
		w.rejudge()
		w.standing(release("v2"), inventory.Rejected)
		w.standing(release("v3"), inventory.Approved)
		w.status(2, inventory.Unapproved, inventory.ReasonSignerRejected)
		w.noDrift()

		// A revocation where it came from ends it for everybody.
		w.approve(release("v1"), "", verb(inventory.Revoke))
		w.rejudge()
		w.standing(release("v1"), inventory.Revoked)
		w.standing(release("v2"), inventory.Rejected)
		w.standing(release("v3"), inventory.Revoked)
		w.status(6, inventory.Unapproved, inventory.ReasonApprovalRevoked)
		images = append(images, w.by(7, inventory.Unapproved, string(release("v4")), "public-good"))
		w.look("local", "app", images...)
		w.standing(release("v4"), inventory.Revoked)
		w.noDrift()
	})
}

// TestPatterns_runOutForAll holds that time ends a pattern for everybody, on the
// page and in lists, whether or not they were there when it was approved.
func TestPatterns_runOutForAll(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", w.by(1, inventory.Unapproved, string(release("v1")), "public-good"), w.by(2, inventory.Unapproved, string(release("v2")), "public-good"))
		end := w.now.Add(time.Hour)
		w.approve(release("v1"), releaseTags, func(d *inventory.Decision) { d.ExpiresAt = &end })
		w.rejudge()
		work := w.claim("local", "app")
		w.must(w.db.RecordImages(t.Context(), work, w.judged(w.by(3, inventory.Trusted, string(release("v3")), "public-good")), w.now))
		w.standing(release("v3"), inventory.Approved)
		w.now = end
		w.must(w.db.freshen(t.Context(), w.now))
		w.rejudge()
		for n, id := range map[int]inventory.SignerID{1: release("v1"), 2: release("v2"), 3: release("v3")} {
			w.standing(id, inventory.Expired)
			if n < 3 {
				w.status(n, inventory.Unapproved, inventory.ReasonApprovalExpired)
			}
		}
		w.noDrift()
	})
}

// TestPatterns_aProposalCountsForNobody, and one that is rejected never did.
func TestPatterns_aProposalCountsForNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", w.by(1, inventory.Unapproved, string(release("v1")), "public-good"), w.by(2, inventory.Unapproved, string(release("v2")), "public-good"))
		w.approve(release("v1"), releaseTags, func(d *inventory.Decision) { d.State = inventory.StateProposed })
		w.standing(release("v2"), inventory.Pending)
		w.approve(release("v1"), "", verb(inventory.Reject))
		w.standing(release("v1"), inventory.Rejected)
		w.standing(release("v2"), inventory.Pending)
		if s := w.signer(release("v1")); s.Decisions[1].State != inventory.StateRejected || s.Decisions[1].Identities != releaseTags {
			t.Errorf("the proposal is %+v", s.Decisions[1])
		}
		w.noDrift()
	})
}

// TestSignerRoots: through which roots somebody signs is kept, and beside each
// image; where there are two on one image, the evidence has to say.
func TestSignerRoots(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		one := string(release("v1"))
		w.look("local", "app", w.by(1, inventory.Unapproved, one, "public-good"), w.by(2, inventory.Unapproved, one, "ours"),
			w.by(3, inventory.Unapproved, one, "public-good", one, "ours"), signed(4, inventory.Unapproved, []int{7}, "v4"))
		if s := w.signer(release("v1")); !slices.Equal(s.Roots, []string{"ours", "public-good"}) {
			t.Errorf("the roots are %q", s.Roots)
		}
		if s := w.signer(keyID(7)); s.Roots != nil {
			t.Errorf("the roots of a key are %q", s.Roots)
		}
		list, err := w.db.SignedImages(t.Context(), release("v1"), 0, 10, w.now)
		w.must(err)
		if len(list) != 3 || !list[0].Partial || list[1].Signatures[0].Domain != "ours" || list[2].Signatures[0].Domain != "public-good" {
			t.Errorf("beside the images is %+v", list)
		}

		// As a database from before has it.
		w.exec("delete from signer_roots")
		if s := w.signer(release("v1")); !slices.Equal(s.Roots, []string{"ours", "public-good"}) {
			t.Errorf("by the evidence the roots are %q", s.Roots)
		}

		d := w.approve(release("v1"), "", func(d *inventory.Decision) { d.Roots = []string{"public-good"} })
		if got := w.signer(release("v1")).Decisions[0]; !slices.Equal(got.Roots, d.Roots) {
			t.Errorf("it is kept as %+v", got)
		}
		w.rejudge()
		w.status(1, inventory.Trusted, inventory.ReasonOK)
		w.status(2, inventory.Unapproved, inventory.ReasonSignerNotApproved)
		w.status(3, inventory.Trusted, inventory.ReasonOK)
	})
}

// Decisions from before patterns and roots are as they were: for one signer, and
// by any root.
func TestOpen_decisionsFromBeforePatterns(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		id := string(release("v1"))
		at(t, dsn, 8,
			"insert into signers (id, kind, name, standing) values ('"+id+"', 'keyless', 'v1', 'approved')",
			"insert into decisions (id, signer_id, verb, repositories, reason, state, decided_by, revision) values ('d', '"+id+"', 'approve', '[\"**\"]', 'because', 'active', '[]', 1)")
		s, err := open(t, dsn).Signer(t.Context(), release("v1"), noon)
		if err != nil || s.Standing != inventory.Approved || s.Decisions[0].Identities != "" || len(s.Decisions[0].Roots) != 0 || !s.Decisions[0].Accepts("any") {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

func databaseValue(w *world, query string, args ...any) (string, error) {
	return database.Value[string](w.Context(), w.db.sql.Reader, query, args...)
}
