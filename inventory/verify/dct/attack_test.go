package dct_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/notary/tuf/data"
	"signboard/inventory"
	"signboard/inventory/verify/dct"
)

// Each attack here is mounted, by somebody who holds what its comment says: the
// server, a key, a role. The repository it is mounted on verifies before it.

// scene is a repository on a server, looked at by a Place with a memory.
type scene struct {
	*repo
	server *server
	clock  *clock
	memory *memory
	place  *dct.Place
}

func stage(t *testing.T, r *repo, pins ...dct.Pin) *scene {
	t.Helper()
	s := &scene{repo: r, server: serve(t, r.gun, r.publish()), clock: &clock{at: noon}, memory: newMemory()}
	s.place = place(s.server, s.memory, s.clock, pins...)
	return s
}

// later puts files on the server and lets time pass.
func (s *scene) later(files map[string][]byte) {
	s.server.hold(files)
	s.clock.pass(2 * time.Minute)
}

func TestAttack_olderFilesArePutBack(t *testing.T) {
	for _, what := range []string{"everything", "timestamp"} {
		r := newRepo(t)
		old := r.publish()
		s := stage(t, r)
		r.sign("targets", "v2", "two")
		r.bump()
		s.server.hold(r.publish())
		verified(t, s.place, img("one"))
		verified(t, s.place, img("two"))
		if what == "everything" {
			s.later(old)
		} else {
			s.later(with(r.publish(), map[string][]byte{"timestamp": old["timestamp"]}))
		}
		message := invalid(t, s.place, img("one"), inventory.ReasonTrustRootStale).Message
		if !strings.Contains(message, "version 1") || !strings.Contains(message, "version 2") {
			t.Errorf("it says %q", message)
		}
		if what == "everything" { // two was signed since, so "nobody signed it" would be wrong
			refused(t, s.place, img("two"), inventory.ReasonTrustRootStale)
		}
	}
}

// The timestamp and snapshot keys are the server's: it can sign an old list
// into a new snapshot.
func TestAttack_theServerRollsBackAList(t *testing.T) {
	r := newRepo(t)
	r.delegate("targets", "targets/team", []string{""}, newPen(t, noon, ""))
	r.sign("targets/team", "t1", "team one")
	r.versions["targets"], r.versions["targets/team"] = 5, 5
	s := stage(t, r)
	verified(t, s.place, img("one"))
	for _, role := range []string{"targets", "targets/team"} {
		r.versions["targets"], r.versions["targets/team"] = 5, 5
		r.versions[role] = 4
		r.versions["snapshot"]++
		r.versions["timestamp"]++
		s.later(r.publish())
		content := map[string]string{"targets": "one", "targets/team": "team one"}[role]
		invalid(t, s.place, img(content), inventory.ReasonTrustRootStale)
		refused(t, s.place, img("never seen"), inventory.ReasonTrustRootStale)
	}
}

func TestAttack_snapshotRolledBackUnderANewTimestamp(t *testing.T) {
	r := newRepo(t)
	r.versions["snapshot"] = 7
	s := stage(t, r)
	verified(t, s.place, img("one"))
	r.versions["snapshot"], r.versions["timestamp"] = 6, 9
	s.later(r.publish())
	invalid(t, s.place, img("one"), inventory.ReasonTrustRootStale)
}

// A step back is seen by another process, too: what was seen is in the memory.
func TestAttack_rollbackAfterARestart(t *testing.T) {
	r := newRepo(t)
	old := r.publish()
	s := stage(t, r)
	r.bump()
	s.server.hold(r.publish())
	verified(t, s.place, img("one"))
	s.server.hold(old)
	invalid(t, place(s.server, s.memory, s.clock), img("one"), inventory.ReasonTrustRootStale)
	verified(t, place(s.server, newMemory(), s.clock), img("one")) // who has seen nothing can't know
}

// Files of two moments, each signed: the list of before with what came after.
func TestAttack_mixAndMatch(t *testing.T) {
	r := newRepo(t)
	old := r.publish()
	r.lists["targets"].Targets = data.Files{}
	r.sign("targets", "v1", "one, rebuilt")
	r.bump()
	now := r.publish()
	for _, mixed := range [][]string{{"targets"}, {"snapshot"}, {"snapshot", "targets"}} {
		files := with(now, nil)
		for _, name := range mixed {
			files[name] = old[name]
		}
		s := stage(t, r)
		s.server.hold(files)
		found, err := s.place.Look(t.Context(), img("one"))
		if err == nil {
			for _, signature := range found.Signatures {
				consistent(t, signature)
				if signature.Outcome != inventory.OutcomeInvalid || signature.Reason != inventory.ReasonSignatureMismatch {
					t.Errorf("%v: %s %s\n%s", mixed, signature.Outcome, signature.Reason, describe(signature))
				}
			}
		}
		if len(found.Signatures) == 0 && err == nil {
			t.Errorf("%v: the image reads as unsigned", mixed)
		}
		refused(t, s.place, img("never signed"), inventory.ReasonRegistryInconsistent)
	}
}

// The server's own keys vouch for a list that the signer never signed.
func TestAttack_forgedTargets(t *testing.T) {
	mallory := newPen(t, noon, "")
	for name, signers := range map[string][]pen{"another's key": {mallory}, "nobody": {}} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			s := stage(t, r)
			verified(t, s.place, img("one"))
			r.sign("targets", "v2", "evil")
			r.signers["targets"] = signers
			r.bump()
			s.later(r.publish())
			invalid(t, s.place, img("evil"), inventory.ReasonSignatureMismatch)
			invalid(t, s.place, img("one"), inventory.ReasonSignatureMismatch)
			refused(t, s.place, img("never signed"), inventory.ReasonRegistryInconsistent)
		})
	}
}

// The signature is another key's, and says that it is the right one's.
func TestAttack_theKeyIDIsBorrowed(t *testing.T) {
	r := newRepo(t)
	mallory := newPen(t, noon, "")
	mallory.public = r.pens["targets"][0].public
	r.signers["targets"] = []pen{mallory}
	s := stage(t, r)
	invalid(t, s.place, img("one"), inventory.ReasonSignatureMismatch)
}

// The root names a key by an id that isn't its hash.
func TestAttack_theRootGivesAKeyAnothersID(t *testing.T) {
	r := newRepo(t)
	files := r.publish()
	mine, theirs := newPen(t, noon, ""), r.pens["targets"][0]
	root := data.Root{SignedCommon: r.common("root", "Root"), Keys: data.Keys{}, Roles: map[data.RoleName]*data.RootRole{}}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		p := r.pens[role][0]
		root.Keys[p.public.ID()] = p.public
		root.Roles[data.RoleName(role)] = &data.RootRole{Threshold: 1, KeyIDs: []string{p.public.ID()}}
	}
	root.Keys[theirs.public.ID()] = mine.public
	files["root"] = r.signed("root", root)
	files["snapshot"] = r.signed("snapshot", data.Snapshot{SignedCommon: r.common("snapshot", "Snapshot"), Meta: data.Files{"root": meta(files["root"]), "targets": meta(files["targets"])}})
	files["timestamp"] = r.signed("timestamp", data.Timestamp{SignedCommon: r.common("timestamp", "Timestamp"), Meta: data.Files{"snapshot": meta(files["snapshot"])}})
	s := stage(t, r)
	s.server.hold(files)
	invalid(t, s.place, img("one"), inventory.ReasonSignatureMismatch)
}

func TestAttack_aThresholdIsMetByOneKeyTwice(t *testing.T) {
	r := newRepo(t)
	a, b := newPen(t, noon, ""), newPen(t, noon, "")
	r.pens["targets"], r.need["targets"] = []pen{a, b}, 2
	verified(t, stage(t, r).place, img("one"))

	r.signers["targets"] = []pen{a, a}
	invalid(t, stage(t, r).place, img("one"), inventory.ReasonSignatureMismatch)

	// One key in two certificates has two ids, and the library counts it twice.
	again := certified(t, a.private, "again", noon, noon.AddDate(1, 0, 0), nil, nil)
	r.pens["targets"], r.signers["targets"] = []pen{a, again}, []pen{a, again}
	message := invalid(t, stage(t, r).place, img("one"), inventory.ReasonSignatureMismatch).Message
	if !strings.Contains(message, "2 different keys") || !strings.Contains(message, "by 1") {
		t.Errorf("it says %q", message)
	}
}

func TestAttack_aDelegateExceedsItsPaths(t *testing.T) {
	r := newRepo(t)
	r.delegate("targets", "targets/nightly", []string{"nightly-"}, newPen(t, noon, ""))
	r.sign("targets/nightly", "nightly-1", "night")
	r.sign("targets/nightly", "v9", "evil")
	// What a delegate passes on can't be more than it has.
	r.delegate("targets/nightly", "targets/nightly/sub", []string{"", "nightly-a"}, newPen(t, noon, ""))
	r.sign("targets/nightly/sub", "v8", "worse")
	r.sign("targets/nightly/sub", "nightly-a1", "good")
	s := stage(t, r)
	verified(t, s.place, img("night"))
	verified(t, s.place, img("good"))
	for _, content := range []string{"evil", "worse"} {
		message := invalid(t, s.place, img(content), inventory.ReasonSignatureMismatch).Message
		if !strings.Contains(message, "may sign only tags that begin with") {
			t.Errorf("it says %q", message)
		}
	}
}

// A delegate's key can't sign for the role above or beside its own
// (CVE-2024-47534: delegations taken in the wrong order).
func TestAttack_aDelegateSignsForAnother(t *testing.T) {
	r := newRepo(t)
	a, b := newPen(t, noon, ""), newPen(t, noon, "")
	r.delegate("targets", "targets/a", []string{""}, a)
	r.delegate("targets", "targets/b", []string{""}, b)
	r.sign("targets/b", "v7", "seven")
	r.signers["targets/b"] = []pen{a}
	s := stage(t, r)
	invalid(t, s.place, img("seven"), inventory.ReasonSignatureMismatch)
	doubtful(t, s.place, img("one"))
	refused(t, s.place, img("never signed"), inventory.ReasonRegistryInconsistent) // b may have signed it

	r.signers = map[string][]pen{"targets": {a}}
	s = stage(t, r)
	invalid(t, s.place, img("one"), inventory.ReasonSignatureMismatch)
	refused(t, s.place, img("seven"), inventory.ReasonRegistryInconsistent) // nothing gives b the right now
}

func TestAttack_delegationsThatNeverEnd(t *testing.T) {
	for name, below := range map[string]string{"to itself": "targets/a", "to the one above": "targets", "to one beside": "targets/b"} {
		r := newRepo(t)
		p := newPen(t, noon, "")
		r.delegate("targets", "targets/a", []string{""}, p)
		r.delegate("targets", "targets/b", []string{""}, p)
		d := &r.list("targets/a").Delegations
		d.Keys[p.public.ID()] = p.public
		d.Roles = append(d.Roles, &data.Role{Name: data.RoleName(below), Paths: []string{""}, RootRole: data.RootRole{Threshold: 1, KeyIDs: []string{p.public.ID()}}})
		r.sign("targets/a", "v5", "five")
		s := stage(t, r)
		s.place.Look(t.Context(), img("one"))
		if n := len(s.server.requests()); n > 20 {
			t.Errorf("%s: asked %d times", name, n)
		}
		invalid(t, s.place, img("five"), inventory.ReasonPayloadMalformed)
	}

	r := newRepo(t)
	p := newPen(t, noon, "")
	role := "targets"
	for range 100 {
		r.delegate(role, role+"/a", []string{""}, p)
		role += "/a"
	}
	s := stage(t, r)
	refused(t, s.place, img("never signed"), inventory.ReasonTooMany)
	if n := len(s.server.requests()); n > 80 {
		t.Errorf("asked %d times", n)
	}
	doubtful(t, s.place, img("one"))
}

func TestAttack_theRootsCertificateIsForAnotherName(t *testing.T) {
	for name, cn := range map[string]string{"another repository": host + "/dct/other", "a longer name": host + "/" + app + "-evil", "a shorter one": host + "/dct", "none": ""} {
		r := newRepo(t)
		r.pens["root"] = []pen{newPen(t, noon, cn)}
		s := stage(t, r)
		if s := invalid(t, s.place, img("one"), inventory.ReasonCertificateInvalid); s.Signer != nil {
			t.Errorf("%s: signed by %+v", name, s.Signer)
		}
		if len(s.memory.states) > 0 {
			t.Errorf("%s: the root is remembered", name)
		}
	}
	r := newRepo(t)
	r.pens["root"] = []pen{newPen(t, noon, host+"/dct/*")} // the reference client takes it, too
	verified(t, stage(t, r).place, img("one"))
}

// Somebody takes the server over and makes the repository anew.
func TestAttack_theRootIsReplacedWithoutConsent(t *testing.T) {
	for version := 1; version <= 3; version++ {
		s := stage(t, newRepo(t))
		verified(t, s.place, img("one"))
		mallory := newRepo(t)
		mallory.sign("targets", "v1", "evil")
		for mallory.versions["root"] < version {
			mallory.rotate()
		}
		mallory.versions["timestamp"], mallory.versions["snapshot"], mallory.versions["targets"] = 50, 50, 50
		s.later(mallory.publish())
		signature := invalid(t, s.place, img("evil"), inventory.ReasonSignatureMismatch)
		if check(signature, "root_pin").Result != inventory.Fail {
			t.Errorf("version %d: what failed is\n%s", version, describe(signature))
		}
		refused(t, s.place, img("one"), inventory.ReasonRegistryInconsistent)
		s.later(s.repo.publish())
		verified(t, s.place, img("one")) // and nothing of it is remembered
	}
}

func TestRotation_isFollowedStepByStep(t *testing.T) {
	r := newRepo(t)
	s := stage(t, r)
	verified(t, s.place, img("one"))
	for range 3 {
		r.rotate()
	}
	s.later(r.publish())
	verified(t, s.place, img("one"))

	// A step is missing: nobody can say whether the new root follows.
	s = stage(t, newRepo(t))
	verified(t, s.place, img("one"))
	for range 3 {
		s.rotate()
	}
	files := s.publish()
	delete(files, "2.root")
	s.later(files)
	refused(t, s.place, img("one"), inventory.ReasonRegistryInconsistent)

	// A step is skipped: version 3 under the name of version 2.
	files = s.publish()
	files["2.root"] = files["3.root"]
	s.later(files)
	invalid(t, s.place, img("one"), inventory.ReasonSignatureMismatch)
}

// The key stays, so that every version is signed as it should be, but a step is
// left out.
func TestRotation_countsTheSteps(t *testing.T) {
	s := stage(t, newRepo(t))
	verified(t, s.place, img("one"))
	s.versions["root"] = 3
	files := s.publish()
	files["2.root"] = files["root"]
	s.later(files)
	invalid(t, s.place, img("one"), inventory.ReasonSignatureMismatch)
}

// A root and a snapshot that are both signed, and not for each other.
func TestAttack_theSnapshotBelongsToAnotherRoot(t *testing.T) {
	r := newRepo(t)
	before := r.publish()
	r.versions["root"] = 2
	s := stage(t, r)
	s.server.hold(with(before, map[string][]byte{"root": s.publish()["root"]}))
	if c := check(invalid(t, s.place, img("one"), inventory.ReasonSignatureMismatch), "tuf_snapshot"); c.Result != inventory.Fail {
		t.Errorf("%+v", c)
	}
}

func TestRotation_ofTooManyStepsIsNotFollowed(t *testing.T) {
	s := stage(t, newRepo(t))
	verified(t, s.place, img("one"))
	s.versions["root"] = 2_000_000
	s.later(s.publish())
	s.server.requests()
	refused(t, s.place, img("one"), inventory.ReasonTooMany)
	if n := len(s.server.requests()); n > 10 {
		t.Errorf("asked %d times", n)
	}
}

func TestRoot_ofTheSameVersionSaysTheSame(t *testing.T) {
	s := stage(t, newRepo(t))
	verified(t, s.place, img("one"))
	s.pens["targets"] = []pen{newPen(t, noon, "")} // signed by the right root key, without a new version
	s.bump()
	s.later(s.publish())
	invalid(t, s.place, img("one"), inventory.ReasonSignatureMismatch)
}

// Everything runs out: the reason says who has to do something.
func TestExpired_sayWhoHasToAct(t *testing.T) {
	for role, reason := range map[string]inventory.Reason{
		"root": inventory.ReasonTrustRootStale, "timestamp": inventory.ReasonTrustRootStale, "snapshot": inventory.ReasonTrustRootStale,
		"targets": inventory.ReasonSignatureExpired, "targets/team": inventory.ReasonSignatureExpired,
	} {
		r := newRepo(t)
		r.delegate("targets", "targets/team", []string{""}, newPen(t, noon, ""))
		r.sign("targets/team", "t1", "team one")
		r.expires[role] = noon.Add(time.Hour)
		s := stage(t, r)
		content := "one"
		if role == "targets/team" {
			content = "team one"
		}
		signature := verified(t, s.place, img(content))
		if role != "timestamp" && !signature.Expires.At.Equal(r.expires[role]) {
			t.Errorf("%s runs out at %s, and the signature at %s", role, r.expires[role], signature.Expires.At)
		}
		s.clock.pass(time.Hour) // to the second: it has run out
		s.clock.pass(2 * time.Minute)
		invalid(t, s.place, img(content), reason)
		if role == "targets/team" {
			verified(t, s.place, img("one"))
			none(t, s.place, img("never signed")) // the team signed a list without it
		}
	}
}

// What is kept for a minute isn't kept beyond its own time.
func TestExpired_withinTheMinute(t *testing.T) {
	r := newRepo(t)
	r.expires["targets"] = noon.Add(10 * time.Second)
	s := stage(t, r)
	verified(t, s.place, img("one"))
	s.clock.pass(11 * time.Second)
	invalid(t, s.place, img("one"), inventory.ReasonSignatureExpired)
}

func TestExpired_certificates(t *testing.T) {
	r := newRepo(t)
	private := newPen(t, noon, "").private
	r.pens["root"] = []pen{certified(t, private, r.gun, noon.AddDate(0, 0, -1), noon.Add(time.Hour), nil, nil)}
	r.delegate("targets", "targets/team", []string{""}, certified(t, newPen(t, noon, "").private, "team", noon, noon.Add(time.Minute), nil, nil))
	r.sign("targets/team", "t1", "team one")
	s := stage(t, r)
	if e := verified(t, s.place, img("team one")).Expires; !e.At.Equal(noon.Add(time.Minute)) || e.Reason != inventory.ReasonCertificateExpired {
		t.Errorf("the delegate's holds until %+v", e)
	}
	if e := verified(t, s.place, img("one")).Expires; !e.At.Equal(noon.Add(time.Hour)) || e.Reason != inventory.ReasonCertificateExpired {
		t.Errorf("the root's holds until %+v", e)
	}
	s.clock.pass(2 * time.Minute)
	invalid(t, s.place, img("team one"), inventory.ReasonCertificateExpired)
	verified(t, s.place, img("one"))
	s.clock.pass(time.Hour)
	invalid(t, s.place, img("one"), inventory.ReasonCertificateExpired)
}

func TestEntry_describesThisImage(t *testing.T) {
	r := newRepo(t)
	s := stage(t, r)
	longer := img("one")
	longer.Manifest.Size++
	invalid(t, s.place, longer, inventory.ReasonDigestMismatch)
	unknown := img("one")
	unknown.Manifest.Size = 0
	if c := check(verified(t, s.place, unknown), "target_length"); c.Result != inventory.Skip {
		t.Errorf("%+v", c)
	}
	// A tag that points to another image says nothing of this one.
	none(t, s.place, img("v1"))
}

func TestMalformed_isNeverAcceptedNorUnsigned(t *testing.T) {
	r := newRepo(t)
	good := r.publish()
	twice := func(b []byte, key string) []byte {
		return bytes.Replace(b, []byte(`"`+key+`":`), []byte(`"`+key+`":null,"`+key+`":`), 1)
	}
	folded := func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"signed":`), []byte(`"Signed":{},"signed":`), 1)
	}
	for name := range good {
		for what, bad := range map[string][]byte{
			"a key twice": twice(good[name], "_type"), "signatures twice": twice(good[name], "signatures"), "a key in two cases": folded(good[name]),
			"a key with a long s": bytes.Replace(good[name], []byte(`"signed":`), []byte(`"\u017figned":{},"signed":`), 1),
			"text behind":         append(bytes.Clone(good[name]), '1'), "nothing": {}, "no object": []byte(`[]`), "null": []byte(`null`),
			"nothing signed": []byte(`{"signatures":[]}`), "HTML": []byte(`<html>`), "not UTF-8": bytes.Replace(good[name], []byte(`"version"`), []byte("\"v\xff\":0,\"version\""), 1),
			"deep": []byte(strings.Repeat(`{"signed":`, 100000)), "many signatures": fmt.Appendf(nil, `{"signed":{},"signatures":[%s{}]}`, strings.Repeat(`{},`, 1000)),
		} {
			s := stage(t, r)
			files := with(good, map[string][]byte{name: bad})
			s.server.hold(files)
			found, err := s.place.Look(t.Context(), img("one"))
			for _, signature := range found.Signatures {
				consistent(t, signature)
				if signature.Outcome == inventory.OutcomeVerified {
					t.Errorf("%s in %s: verified", what, name)
				}
			}
			if err == nil && len(found.Signatures) == 0 {
				t.Errorf("%s in %s: the image reads as unsigned", what, name)
			}
			if len(s.memory.states) > 0 {
				t.Errorf("%s in %s: something is remembered", what, name)
			}
		}
	}
}

// Each signature costs a verification, so a file with thousands is an attack.
func TestMalformed_moreSignaturesThanAnybodyMakes(t *testing.T) {
	r := newRepo(t)
	p := r.pens["targets"][0]
	r.signers["targets"] = slices.Repeat([]pen{p}, 65)
	refused(t, stage(t, r).place, img("one"), inventory.ReasonPayloadMalformed)
}

// References in signed lists that needn't be there make the library panic.
func TestMalformed_signedNonsense(t *testing.T) {
	r := newRepo(t)
	list := func(delegations string) any {
		return map[string]any{"_type": "Targets", "version": 1, "expires": r.expires["targets"].Format(time.RFC3339),
			"targets":     map[string]any{"v1": r.lists["targets"].Targets["v1"]},
			"delegations": rawJSON(delegations)}
	}
	for name, delegations := range map[string]string{
		"an empty role":            `{"keys":{},"roles":[null]}`,
		"a key that isn't one":     `{"keys":{"a":null},"roles":[{"name":"targets/x","threshold":1,"keyids":["a"],"paths":[""]}]}`,
		"a key that isn't there":   `{"keys":{},"roles":[{"name":"targets/x","threshold":1,"keyids":["a"],"paths":[""]}]}`,
		"nobody has to sign":       `{"keys":{},"roles":[{"name":"targets/x","threshold":0,"keyids":[],"paths":[""]}]}`,
		"a name that leaves":       `{"keys":{},"roles":[{"name":"targets/../../x","threshold":1,"keyids":[],"paths":[""]}]}`,
		"roles that are something": `{"keys":{},"roles":7}`,
	} {
		files := r.publish()
		files["targets"] = sealed(t, list(delegations), r.pens["targets"]...)
		files["snapshot"] = r.signed("snapshot", data.Snapshot{SignedCommon: r.common("snapshot", "Snapshot"),
			Meta: data.Files{"root": meta(files["root"]), "targets": meta(files["targets"]), "targets/x": meta(nil)}})
		files["timestamp"] = r.signed("timestamp", data.Timestamp{SignedCommon: r.common("timestamp", "Timestamp"), Meta: data.Files{"snapshot": meta(files["snapshot"])}})
		s := stage(t, r)
		s.server.hold(files)
		found, err := s.place.Look(t.Context(), img("one"))
		if name == "a key that isn't one" {
			continue // such a key can't sign, and that is all
		}
		for _, signature := range found.Signatures {
			consistent(t, signature)
			if signature.Outcome == inventory.OutcomeVerified {
				t.Errorf("%s: verified\n%s", name, describe(signature))
			}
		}
		if err == nil && len(found.Signatures) == 0 {
			t.Errorf("%s: the image reads as unsigned", name)
		}
		for _, asked := range s.server.requests() {
			if strings.Contains(asked, "..") {
				t.Errorf("%s: asked for %s", name, asked)
			}
		}
	}
}
