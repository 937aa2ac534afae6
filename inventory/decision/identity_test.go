package decision_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
)

const (
	github      = "https://token.actions.githubusercontent.com"
	releaseTags = inventory.IdentityPattern("https://github.com/acme/api/.github/workflows/release.yml@refs/tags/*")
	wholeOrg    = inventory.IdentityPattern("https://github.com/acme/**")
)

func release(tag string) inventory.SignerID {
	return inventory.KeylessID(github, "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/"+tag)
}

// vouched is a keyless signature that came through a root of trust.
func vouched(id inventory.SignerID, root string) inventory.Signature {
	return inventory.Signature{Format: inventory.FormatBundle, Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK, Domain: root,
		Signer: &inventory.Signer{ID: id, Kind: inventory.KeylessSigner, Name: string(id)}}
}

// about is a request for a signer as it stands now.
func (s *stock) about(id inventory.SignerID, verb inventory.Verb, p inventory.IdentityPattern) decision.SignerRequest {
	s.t.Helper()
	signer, err := s.store.Signer(s.t.Context(), id, s.clock)
	if err != nil {
		s.t.Fatal(err)
	}
	return decision.SignerRequest{Signer: id, Verb: verb, Repositories: []inventory.Glob{"**"}, Identities: p, Reason: "compared in person", Revision: signer.Revision}
}

// inApp are the statuses of the images v1, v2, … after what was decided has settled.
func (s *stock) inApp(n int) (list []inventory.Status) {
	s.t.Helper()
	if _, err := s.syncer.Rejudge(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	for i := range n {
		image, err := s.store.Image(s.t.Context(), "local", "app", found(i+1).Digest, s.clock)
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, image.Status)
	}
	return list
}

func (s *stock) expect(want ...inventory.Status) {
	s.t.Helper()
	if got := s.inApp(len(want)); !slices.Equal(got, want) {
		s.t.Errorf("the images are %v, want %v", got, want)
	}
}

// TestDecide_widened follows a widened approval through preview, decision and
// end: what the preview says is what happens, to everybody that it covers.
func TestDecide_widened(t *testing.T) {
	s := newStock(t, 1, "app")
	elsewhere := inventory.KeylessID("https://gitlab.com", strings.TrimPrefix(string(release("v9")), "keyless:"+github+"|"))
	s.look("app", found(1, vouched(release("v1"), "public-good")), found(2, vouched(release("v2"), "public-good")), found(3, vouched(elsewhere, "public-good")))

	r := s.about(release("v1"), inventory.Approve, releaseTags)
	impact := s.preview(dana, r)
	if len(impact.Changes) != 1 || impact.Changes[0].Images != 2 || impact.Changes[0].To != inventory.Trusted {
		t.Errorf("the impact is %+v", impact.Changes)
	}
	r.Basis = impact.Basis
	made, err := s.decide(dana, r)
	if err != nil || made.Identities != releaseTags || !slices.Equal(made.Roots, []string{"public-good"}) {
		t.Fatalf("%+v, %v", made, err)
	}
	var after inventory.Decision
	if e := s.entries()[0]; json.Unmarshal([]byte(e.After), &after) != nil || after.Identities != releaseTags || !slices.Equal(after.Roots, made.Roots) {
		t.Errorf("the audit log has %s", e.After)
	}
	s.expect(inventory.Trusted, inventory.Trusted, inventory.Unapproved)

	// A reviewer who read before the pattern is told.
	stale := s.about(release("v2"), inventory.Reject, "")
	stale.Revision--
	_, err = s.decide(eric, stale)
	s.refuse(err, inventory.Conflict, "Dana approved, by a pattern, this signer while you were reading")

	// One of those it covers is taken out without ending it.
	if impact := s.preview(eric, s.about(release("v2"), inventory.Revoke, "")); len(impact.Changes) != 1 || impact.Changes[0].Images != 1 {
		t.Errorf("the impact is %+v", impact.Changes)
	}
	if _, err := s.decide(eric, s.about(release("v2"), inventory.Revoke, "")); err != nil {
		t.Fatal(err)
	}
	s.expect(inventory.Trusted, inventory.Unapproved, inventory.Unapproved)
	s.look("app", found(1, vouched(release("v1"), "public-good")), found(2, vouched(release("v2"), "public-good")), found(3, vouched(release("v3"), "public-good")))
	s.expect(inventory.Trusted, inventory.Unapproved, inventory.Trusted)

	// Its end ends it for the rest.
	if impact := s.preview(eric, s.about(release("v1"), inventory.Revoke, "")); len(impact.Changes) != 1 || impact.Changes[0].Images != 2 || impact.Changes[0].To != inventory.Unapproved {
		t.Errorf("the impact is %+v", impact.Changes)
	}
	if _, err := s.decide(eric, s.about(release("v1"), inventory.Revoke, "")); err != nil {
		t.Fatal(err)
	}
	s.expect(inventory.Unapproved, inventory.Unapproved, inventory.Unapproved)
}

func TestDecide_refusesPatterns(t *testing.T) {
	s := newStock(t, 1, "app")
	s.look("app", found(1, vouched(release("v1"), "public-good")), found(2, by(1, nil)), found(3, vouched(release("v3"), "public-good")))
	for name, c := range map[string]struct {
		id      inventory.SignerID
		pattern inventory.IdentityPattern
		says    string
	}{
		"of a key":                  {keySigner(1), "*", "Only an identity that an issuer vouches for"},
		"that holds others":         {release("v1"), "https://github.com/acme/web/**", "doesn't hold the identity that you approve"},
		"without a wildcard":        {release("v1"), "https://github.com/acme/api", "has no *"},
		"with a line break":         {release("v1"), "https://github.com/acme/**\n", "don't show"},
		"of the whole of an issuer": {release("v1"), "https://github.com/**", "anybody on the internet"},
		"that nobody understood":    {release("v1"), wholeOrg, "Whoever may make or change something below github.com/acme can sign as one of these. It covers 2 identities that were seen here, and all that come."},
	} {
		_, err := s.decide(dana, s.about(c.id, inventory.Approve, c.pattern))
		s.refuse(err, inventory.Invalid, c.says)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	s.expect(inventory.Unapproved, inventory.Unapproved, inventory.Unapproved)
	r := s.about(release("v1"), inventory.Approve, wholeOrg)
	if impact := s.preview(dana, r); impact.Changes[0].Images != 2 {
		t.Errorf("looking needs no acknowledgement, and shows %+v", impact.Changes)
	}
	r.Acknowledged = true
	if _, err := s.decide(dana, r); err != nil {
		t.Fatal(err)
	}
	s.expect(inventory.Trusted, inventory.Unapproved, inventory.Trusted)
}

// TestDecide_rootsOfTrust: a root that anybody set up under the issuer's name
// makes nobody's signature count.
func TestDecide_rootsOfTrust(t *testing.T) {
	s := newStock(t, 1, "app")
	s.look("app", found(1, vouched(release("v1"), "public-good")), found(2, vouched(release("v2"), "public-good"), vouched(release("v2"), "ours")), found(4, by(1, nil)))
	if made, err := s.decide(dana, s.about(release("v1"), inventory.Approve, "")); err != nil || !slices.Equal(made.Roots, []string{"public-good"}) {
		t.Fatalf("%+v, %v", made, err)
	}
	s.look("app", found(1, vouched(release("v1"), "public-good")), found(2, vouched(release("v1"), "ours")), found(3, vouched(release("v1"), "ours"), vouched(release("v1"), "public-good")))
	s.expect(inventory.Trusted, inventory.Unapproved, inventory.Trusted)
	image, err := s.store.Image(t.Context(), "local", "app", found(2).Digest, s.clock)
	if err != nil || image.Reason != inventory.ReasonSignerNotApproved || !strings.Contains(image.Message, `approved where the root "public-good" vouches for it, and here the root "ours" does.`) {
		t.Errorf("%+v, %v", image, err)
	}

	narrow := s.about(release("v2"), inventory.Approve, "")
	narrow.Roots = []string{"other"}
	_, err = s.decide(dana, narrow)
	s.refuse(err, inventory.Invalid, `No signature of this signer came through the root of trust "other" so far: they came through ours and public-good.`)
	narrow.Roots = []string{"ours", "ours"}
	if made, err := s.decide(dana, narrow); err != nil || !slices.Equal(made.Roots, []string{"ours"}) {
		t.Errorf("%+v, %v", made, err)
	}
	key := s.about(keySigner(1), inventory.Approve, "")
	key.Roots = []string{"ours"}
	_, err = s.decide(dana, key)
	s.refuse(err, inventory.Invalid, "Only the approval of an identity")
	key.Roots = nil
	if made, err := s.decide(dana, key); err != nil || made.Roots != nil {
		t.Errorf("%+v, %v", made, err)
	}
}

func TestDecide_twoAgreeOnThePattern(t *testing.T) {
	s := newStock(t, 2, "app")
	s.look("app", found(1, vouched(release("v1"), "public-good")), found(2, vouched(release("v2"), "public-good")))
	propose := func(actor inventory.Actor, p inventory.IdentityPattern) inventory.Decision {
		t.Helper()
		made, err := s.decide(actor, s.about(release("v1"), inventory.Approve, p))
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	if made := propose(dana, releaseTags); made.State != inventory.StateProposed {
		t.Fatalf("%+v", made)
	}
	s.expect(inventory.Unapproved, inventory.Unapproved)
	if made := propose(eric, ""); made.State != inventory.StateProposed {
		t.Errorf("the pattern was confirmed by somebody who didn't ask for it: %+v", made)
	}
	// Another root that turns up meanwhile is none that the first agreed to.
	s.look("app", found(1, vouched(release("v1"), "public-good")), found(2, vouched(release("v2"), "public-good")), found(3, vouched(release("v1"), "ours")))
	if made := propose(eric, releaseTags); made.State != inventory.StateActive || !slices.Equal(made.Roots, []string{"public-good"}) {
		t.Errorf("%+v", made)
	}
	s.expect(inventory.Trusted, inventory.Trusted, inventory.Unapproved)
}

// TestPreview_ofManyIdentities holds that a preview of a pattern counts each image
// once, whoever of those that it covers signed it.
func TestPreview_ofManyIdentities(t *testing.T) {
	s := newStock(t, 1, "app")
	var findings []inventory.ImageFinding
	for n := range 20 {
		findings = append(findings, found(n+1, vouched(release(fmt.Sprint("v", n)), "public-good"), vouched(release(fmt.Sprint("v", (n+1)%20)), "public-good")))
	}
	s.look("app", findings...)
	impact := s.preview(dana, s.about(release("v0"), inventory.Approve, releaseTags))
	if impact.Images != 20 || impact.Changes[0].Images != 20 {
		t.Errorf("%d images, %+v", impact.Images, impact.Changes)
	}
	end := s.clock.Add(time.Hour)
	r := s.about(release("v0"), inventory.Approve, releaseTags)
	r.ExpiresAt = &end
	if _, err := s.decide(dana, r); err != nil {
		t.Fatal(err)
	}
	s.expect(slices.Repeat([]inventory.Status{inventory.Trusted}, 20)...)
	s.clock = end
	s.expect(slices.Repeat([]inventory.Status{inventory.Unapproved}, 20)...)
}
