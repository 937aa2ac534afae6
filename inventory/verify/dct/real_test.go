package dct_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/verify/dct"
)

// What the reference clients said of the recordings when they were made, from
// an empty trust folder: "notary lookup" found v1, latest and v2 of plain with
// their digests, and found none in empty; "notary list" of delegated-1 showed
// v1 by targets/releases, nightly-1 by targets/bob and v3 by targets and
// targets/releases, and of delegated-2 it warned that targets/releases has
// no valid signature and showed only what targets and targets/bob signed. It found
// v1 and v2 of rotated-2. A client that has seen a repository follows two
// rotations of its root, and refuses one that was deleted and made anew ("could
// not rotate trust to a new trusted root"); "docker trust inspect" of an image on
// a registry gave the digest and "Repo Admin" for what targets signed.
func TestReal_aRepositorysOwnKey(t *testing.T) {
	r := record(t, "plain-2")
	s := serve(t, r.gun, r.files)
	p := place(s, nil, &clock{at: r.at})
	signature := verified(t, p, image(r.repository(), "plain image one"))
	signer := signature.Signer
	if !strings.HasPrefix(string(signer.ID), "tuf:"+r.gun+"|") || signer.Name != "targets of "+r.gun {
		t.Errorf("signed by %+v", signer)
	}
	if !has(signature.Chain, inventory.RoleStatement, "Tags signed", "latest, v1") {
		t.Errorf("the tags aren't shown: %+v", signature.Chain)
	}
	if !strings.Contains(signature.Message, "taken on trust when it was first seen") {
		t.Errorf("says %q", signature.Message)
	}
	if e := signature.Expires; !e.At.After(r.at.AddDate(2, 11, 0)) || !e.At.Before(r.at.AddDate(3, 0, 1)) || e.Reason != inventory.ReasonSignatureExpired {
		t.Errorf("holds until %+v", e)
	}
	verified(t, p, image(r.repository(), "plain image two"))
	none(t, p, image(r.repository(), "plain image three"))
	none(t, p, image("dct/other", "plain image one"))
}

func TestReal_nothingIsSignedYet(t *testing.T) {
	r := record(t, "empty")
	p := place(serve(t, r.gun, r.files), nil, &clock{at: r.at})
	none(t, p, image(r.repository(), "plain image one"))
}

func TestReal_delegatesWithCertificates(t *testing.T) {
	r := record(t, "delegated-1")
	p := place(serve(t, r.gun, r.files), nil, &clock{at: r.at})
	alice := verified(t, p, image(r.repository(), "delegated image one"))
	if !strings.HasPrefix(alice.Signer.Name, "alice (targets/releases of ") {
		t.Errorf("signed by %s", alice.Signer.Name)
	}
	var roles []inventory.LinkRole
	for _, l := range alice.Chain {
		roles = append(roles, l.Role)
	}
	want := []inventory.LinkRole{inventory.RoleImage, inventory.RoleStatement, inventory.RoleSignature, inventory.RoleLeaf,
		inventory.RoleDelegation, inventory.RoleDelegation, inventory.RoleRoot}
	if !slices.Equal(roles, want) {
		t.Errorf("the chain is %v", roles)
	}
	bob := verified(t, p, image(r.repository(), "delegated image two"))
	if !strings.HasPrefix(bob.Signer.Name, "bob (targets/bob of ") || !slices.ContainsFunc(bob.Signer.Facts, func(f inventory.Fact) bool { return f.Value == "RSA 2048" }) {
		t.Errorf("signed by %+v", bob.Signer)
	}
	three := look(t, p, image(r.repository(), "delegated image three"))
	if len(three.Signatures) != 2 || three.Signatures[0].Signer.ID == three.Signatures[1].Signer.ID {
		t.Errorf("two roles signed, and found were %+v", three.Signatures)
	}
	none(t, p, image(r.repository(), "delegated image four"))
}

// Alice's key was removed and what she signed wasn't signed anew. Until it is,
// nobody knows what the role would sign now.
func TestReal_aDelegatesKeyIsRemoved(t *testing.T) {
	first, then := record(t, "delegated-1"), record(t, "delegated-2")
	s, c := serve(t, first.gun, first.files), &clock{at: first.at}
	p := place(s, nil, c)
	verified(t, p, image(first.repository(), "delegated image one"))
	s.hold(then.files)
	c.pass(2 * time.Minute)
	invalid(t, p, image(first.repository(), "delegated image one"), inventory.ReasonSignatureMismatch)
	doubtful(t, p, image(first.repository(), "delegated image two"))
	refused(t, p, image(first.repository(), "delegated image four"), inventory.ReasonRegistryInconsistent)
}

func TestReal_everyKeyIsRotated(t *testing.T) {
	before, after := record(t, "rotated-1"), record(t, "rotated-2")
	s, c := serve(t, before.gun, before.files), &clock{at: before.at}
	p := place(s, nil, c)
	one := image(before.repository(), "rotated image one")
	was := verified(t, p, one)
	s.hold(after.files)
	c.pass(2 * time.Minute)
	is := verified(t, p, one)
	if was.Signer.ID == is.Signer.ID {
		t.Error("the key of targets was replaced, and the signer is the same")
	}
	if message := check(is, "root_pin").Message; !strings.Contains(message, "version 1 to ") || !strings.Contains(message, "every step") {
		t.Errorf("of the rotation it is said: %s", message)
	}
	verified(t, p, image(before.repository(), "rotated image two"))
	// The recording of before is a step back now.
	s.hold(before.files)
	c.pass(2 * time.Minute)
	invalid(t, p, one, inventory.ReasonTrustRootStale)
}

func TestReal_anyChangedByteIsRefused(t *testing.T) {
	r := record(t, "delegated-1")
	subjects := []inventory.Subject{image(r.repository(), "delegated image one"), image(r.repository(), "delegated image two"), image(r.repository(), "delegated image three")}
	for _, name := range []string{"root", "timestamp", "snapshot", "targets", "targets/releases", "targets/bob"} {
		for at := 0; at < len(r.files[name]); at += 41 {
			files := copied(r.files)
			files[name][at] ^= 1
			p := place(serve(t, r.gun, files), nil, &clock{at: r.at})
			for _, subject := range subjects {
				found, err := p.Look(t.Context(), subject)
				for _, signature := range found.Signatures {
					consistent(t, signature)
					// A delegate's list has no part in what targets signed itself, nor another's.
					onIt := !strings.HasPrefix(name, "targets/") || strings.Contains(signature.Message, name)
					if signature.Outcome == inventory.OutcomeVerified && onIt {
						t.Errorf("byte %d of %s: verified: %s", at, name, signature.Message)
					}
				}
				if len(found.Signatures) == 0 && err == nil {
					t.Errorf("byte %d of %s: the image reads as unsigned", at, name)
				}
			}
		}
	}
}

func TestReal_aPinnedRoot(t *testing.T) {
	r := record(t, "plain-1")
	s, subject := serve(t, r.gun, r.files), image(r.repository(), "plain image one")
	c := &clock{at: r.at}
	open := verified(t, place(s, nil, c), subject)
	root := open.Chain[len(open.Chain)-1]
	id := strings.TrimPrefix(root.Fingerprint, "sha256:")
	everything := []inventory.Glob{"local/dct/*"}
	good := verified(t, place(s, nil, c, dct.Pin{Repositories: everything, RootKeyIDs: []string{strings.ToUpper(id)}}), subject)
	if !strings.Contains(good.Message, "pinned") || strings.Contains(check(good, "root_pin").Message, "trust") {
		t.Errorf("of a pinned root it is said: %s / %s", good.Message, check(good, "root_pin").Message)
	}
	wrong := dct.Pin{Repositories: everything, RootKeyIDs: []string{strings.Repeat("0", 64)}}
	invalid(t, place(s, nil, c, wrong), subject, inventory.ReasonRootUnknown)
	refused(t, place(s, nil, c, wrong), image(r.repository(), "not signed"), inventory.ReasonRootUnknown)
	verified(t, place(s, nil, c, dct.Pin{Repositories: []inventory.Glob{"other/**"}, RootKeyIDs: wrong.RootKeyIDs}), subject)
}

func has(chain []inventory.Link, role inventory.LinkRole, name, value string) bool {
	return slices.ContainsFunc(chain, func(l inventory.Link) bool {
		return l.Role == role && slices.Contains(l.Facts, inventory.Fact{Name: name, Value: value})
	})
}

func check(s inventory.Signature, name string) inventory.Check {
	for _, c := range s.Checks {
		if c.Name == name {
			return c
		}
	}
	return inventory.Check{}
}

func copied(files map[string][]byte) map[string][]byte {
	c := map[string][]byte{}
	for name, b := range files {
		c[name] = slices.Clone(b)
	}
	return c
}
