package dct

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// about is what a view says of one image. Where files that don't hold say
// nothing of it, others that hold might: that is a failure.
func (p *Place) about(v *view, s inventory.Subject) (inventory.Outlying, error) {
	var found inventory.Outlying
	if v.absent {
		return found, nil
	}
	doubt := error(nil)
	if v.unread != nil {
		doubt = v.unread
	}
	doubtful := func(f *fault) {
		if f != nil && !f.sure && doubt == nil {
			reason := f.reason
			if reason == inventory.ReasonSignatureMismatch {
				reason = inventory.ReasonRegistryInconsistent
			}
			doubt = &inventory.LookError{Reason: reason, Message: "What the signing server says of this repository doesn't hold, so it isn't known who signed this image: " + f.message}
		}
	}
	for _, r := range v.roles {
		if entries := r.entries[string(s.Manifest.Digest)]; len(entries) > 0 {
			found.Signatures = append(found.Signatures, p.signature(v, r, entries, s))
		} else {
			doubtful(r.fault())
		}
	}
	if len(found.Signatures) == 0 {
		doubtful(v.frame.fault())
	}
	if len(found.Signatures) > 0 {
		body, err := json.Marshal(found.Signatures)
		if err != nil {
			return found, fmt.Errorf("marking signatures: %w", err)
		}
		found.Mark = string(inventory.DigestOf(body))
	}
	return found, doubt
}

// trial is one signature: what a role's list says of one image.
type trial struct {
	verify.Trial
	view  *view
	role  *role
	image inventory.Subject
	tags  []string // that describe the image and that the role may sign
}

// signature is the evidence of one role's signature.
func (p *Place) signature(v *view, r *role, entries []entry, s inventory.Subject) inventory.Signature {
	t := &trial{view: v, role: r, image: s}
	t.listed(entries)
	t.checks()
	closes, closing := Closes(p.server.URL)
	if closing {
		verb := "closes"
		if !v.at.Before(closes) {
			verb = "was to close"
		}
		t.Skip(verify.CheckServerClosing, fmt.Sprintf("This server %s on %s: sign with cosign or Notation before, or nobody can check the image then.", verb, day(closes)))
	}
	made := inventory.Signature{Format: inventory.FormatDCT, Manifest: r.digest, Domain: p.server.Registry}
	made.Outcome, made.Reason, made.Message = t.Verdict(inventory.OutcomeVerified, inventory.ReasonOK, t.sentence())
	if len(r.by) > 0 && v.frame.fault() == nil {
		made.Signer = t.signer()
	}
	if made.Outcome == inventory.OutcomeVerified {
		made.Expires = t.expiry()
	}
	made.Checks = t.Checks
	made.Chain = t.chain(entries)
	root := &made.Chain[len(made.Chain)-1]
	root.Facts = append(root.Facts, inventory.Fact{Name: "Server", Value: p.server.URL})
	if closing {
		root.Facts = append(root.Facts, inventory.Fact{Name: "Server closes", Value: day(closes)})
	}
	return made
}

// listed checks the entries that name the image's digest. One that describes
// the image as it is and that the role may sign suffices.
func (t *trial) listed(entries []entry) {
	var short, barred []string
	for _, e := range entries {
		switch {
		case t.image.Manifest.Size > 0 && e.length != t.image.Manifest.Size:
			short = append(short, e.tag)
		case t.role.fault() == nil && !t.role.permitted(e.tag):
			barred = append(barred, e.tag)
		default:
			t.tags = append(t.tags, e.tag)
		}
	}
	t.Pass(verify.CheckTargetDigest, "The list of the role "+shown(t.role.name)+" holds the digest of this image.")
	switch {
	case t.image.Manifest.Size <= 0:
		t.Skip(verify.CheckTargetLength, "The length of the image's manifest isn't known, so the length in the list wasn't compared.")
	case len(t.tags) == 0 && len(barred) == 0:
		t.Fail(verify.CheckTargetLength, inventory.ReasonDigestMismatch,
			fmt.Sprintf("The list gives this image's digest for %s with a length of %d bytes; the manifest has %d.", some(short), entries[0].length, t.image.Manifest.Size))
	default:
		t.Pass(verify.CheckTargetLength, "The list gives the length that the image's manifest has.")
	}
	if len(t.tags) == 0 && len(barred) > 0 {
		t.Fail(verify.CheckDelegation, inventory.ReasonSignatureMismatch,
			fmt.Sprintf("The role %s may sign only tags that begin with %s, and listed this image as %s.", shown(t.role.name), some(quoted(t.role.paths)), some(barred)))
	}
}

// checks repeats what was found about the files, as far as the image rests on
// it, from the role up to the root.
func (t *trial) checks() {
	r, frame := t.role, t.view.frame
	// What others rest on comes first: its fault is the reason, whatever else
	// doesn't hold because of it.
	for _, c := range []struct {
		name    string
		finding finding
	}{
		{verify.CheckTUFRoot, frame.root},
		{verify.CheckRootPin, frame.pin},
		{verify.CheckRollback, both(frame.rollback, r.rollback)},
		{verify.CheckTUFTimestamp, frame.timestamp},
		{verify.CheckTUFSnapshot, both(frame.snapshot, r.membership)},
		{verify.CheckSignature, r.signature},
		{verify.CheckDelegation, r.delegation},
		{verify.CheckTargetExpiry, r.expiry},
	} {
		made := func(made inventory.Check) bool { return made.Name == c.name }
		switch f := c.finding; {
		case slices.ContainsFunc(t.Checks, made): // of the list's entries, and it failed
		case f.fault != nil:
			t.Fail(c.name, f.fault.reason, f.fault.message)
		case f.passed == "":
			t.Skip(c.name, "Not checked, since what it rests on doesn't hold.")
		default:
			t.Pass(c.name, f.passed)
		}
	}
}

func (t *trial) sentence() string {
	how := "a root that was taken on trust when it was first seen, on " + day(t.view.known.FirstSeen)
	if t.view.pinned {
		how = "the root that is pinned here"
	}
	return fmt.Sprintf("The role %s signed this image as %s, and that holds up to %s.", shown(t.role.name), some(t.tags), how)
}

// signer is who made the role's list. Of several keys it is the one with the
// lowest id, and the others are named among the facts.
func (t *trial) signer() *inventory.Signer {
	v, k := t.view, t.role.by[0]
	alias := v.alias(k)
	name := alias + " of " + v.gun
	if c := k.cert(); c != nil && c.Subject.CommonName != "" {
		name = shown(c.Subject.CommonName) + " (" + name + ")"
	}
	s := &inventory.Signer{ID: inventory.TUFID(v.gun, k.id), Kind: inventory.TUFSigner, Name: name, Facts: []inventory.Fact{
		{Name: "Repository", Value: v.gun}, {Name: "Role", Value: alias}, {Name: "Key id", Value: k.id}, {Name: "Algorithm", Value: k.algorithm}}}
	if c := k.cert(); c != nil {
		s.Facts = append(s.Facts,
			inventory.Fact{Name: "Key id without its certificate", Value: k.bareID},
			inventory.Fact{Name: "Certificate subject", Value: shown(c.Subject.String())},
			inventory.Fact{Name: "Certificate issuer", Value: shown(c.Issuer.String())},
			inventory.Fact{Name: "Certificate serial", Value: c.SerialNumber.Text(16)},
			inventory.Fact{Name: "Certificate valid", Value: day(c.NotBefore) + " to " + day(c.NotAfter)})
	}
	return s
}

// expiry is when the signature stops to hold by itself: the earliest moment at
// which anything runs out that it rests on. The timestamp is left aside: the
// server makes a new one every fortnight, and each look reads it.
func (t *trial) expiry() *inventory.Expiry {
	v := t.view
	var e *inventory.Expiry
	sooner := func(at time.Time, reason inventory.Reason, what string) {
		if e == nil || at.Before(e.At) {
			e = &inventory.Expiry{At: at.UTC(), Reason: reason, Message: fmt.Sprintf("%s ran out on %s.", what, day(at))}
		}
	}
	certificates := func(of string, keys []key) {
		for _, k := range keys {
			if c := k.cert(); c != nil {
				sooner(c.NotAfter, inventory.ReasonCertificateExpired, "The certificate of "+of)
			}
		}
	}
	for _, r := range t.role.line() {
		sooner(r.expires, inventory.ReasonSignatureExpired, "What the role "+shown(r.name)+" signed")
		certificates("the role "+shown(r.name), r.by)
	}
	sooner(v.snapshot.expires, inventory.ReasonSignatureExpired, "The snapshot of the repository")
	sooner(v.root.expires, inventory.ReasonSignatureExpired, "The root of the repository")
	certificates("the root", v.root.by)
	return e
}

// some lists a few of many names.
func some(names []string) string {
	const most = 5
	if len(names) == 0 {
		return "nothing"
	}
	list := make([]string, 0, most)
	for _, n := range names[:min(len(names), most)] {
		list = append(list, shown(n))
	}
	text := strings.Join(list, ", ")
	if n := len(names) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

func quoted(names []string) []string {
	var q []string
	for _, n := range names {
		q = append(q, fmt.Sprintf("%q", shown(n)))
	}
	return q
}
