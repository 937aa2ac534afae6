package cosign

import (
	"bytes"
	"fmt"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// exam is one signature under examination: its checks, and the links of the
// chain they are about.
type exam struct {
	verify.Trial
	item *verify.Item
	made inventory.Signature // what is known before any check

	statement   inventory.Link
	fingerprint inventory.Digest // of the signature's bytes
	scheme      string
	signer      *inventory.Signer
	end         inventory.Link   // the key or the leaf the signature leads to
	branches    []inventory.Link // log entries, timestamps
	outcome     inventory.Outcome
	reason      inventory.Reason
	message     string
}

func newExam(i *verify.Item, f inventory.Format, index int) *exam {
	x := &exam{
		item:      i,
		made:      inventory.Signature{Format: f, Manifest: i.Manifest.Digest, Index: index},
		statement: inventory.Link{Role: inventory.RoleStatement, Name: "Statement"},
		end:       inventory.Link{Role: inventory.RoleKey, Name: "Unknown key"},
		outcome:   inventory.OutcomeError, reason: inventory.ReasonNotChecked, message: "The signature was not checked.",
	}
	if i.Manifest.Subject != nil {
		x.Pass(verify.CheckManifestSubject, "The manifest that carries the signature names this image as its subject.")
	} else {
		x.Skip(verify.CheckManifestSubject, "The signature was found under a tag named after this image; such a manifest names no subject.")
	}
	return x
}

// material is what a signature brings along about who made it and when. None of
// it is trusted.
type material struct {
	hint       inventory.Digest // of the SubjectPublicKeyInfo, where that is what the hint says
	hintText   string
	claim      *claim // from a certificate
	claimError *claimError
	entries    []logEntry
	timestamps int
}

// logged is the key of the first log entry that has one.
func (m material) logged() *verify.Key {
	for i := range m.entries {
		if k := m.entries[i].key; k != nil {
			return k
		}
	}
	return nil
}

// key finds out which key made the signature, as far as that can be known.
// holds says whether the signature is a key's. With a certificate in the place
// of the key, registered keys aren't tried.
func (x *exam) key(m material, certified bool, holds func(verify.Key) (scheme string, ok bool)) {
	logged := m.logged()
	hint := m.hint
	if hint == "" && logged != nil {
		hint = logged.SPKI
	}
	if !certified {
		for k := range x.item.Keys.All(hint) {
			scheme, ok := holds(k)
			if !ok {
				continue
			}
			x.scheme = scheme
			x.Pass(verify.CheckSignature, fmt.Sprintf("The signature holds under this key (%s).", scheme))
			x.Pass(verify.CheckKeyRegistered, fmt.Sprintf("The key is registered here as %s.", shown(k.Name)))
			x.signedBy(k)
			x.conclude(inventory.OutcomeVerified, inventory.ReasonOK, fmt.Sprintf("The signature holds under the key registered as %s.", shown(k.Name)))
			return
		}
	}
	if m.claim != nil || m.claimError != nil {
		x.certificate(m, holds)
		return
	}
	named, registered := x.item.Keys.Find(hint)
	switch {
	case registered:
		x.end = keyLink(named)
		x.Fail(verify.CheckSignature, inventory.ReasonSignatureMismatch,
			fmt.Sprintf("The signature names the key registered as %s, and does not hold under it.", shown(named.Name)))
	case logged != nil:
		x.unregistered(*logged, holds)
	case hint != "":
		x.end.Name, x.end.Fingerprint = hint.Short(), string(hint)
		x.unchecked(fmt.Sprintf("Signed, it says, with the key %s; that one isn't registered here, so the signature could not be checked.", hint.Short()))
	default:
		if m.hintText != "" {
			x.end.Facts = append(x.end.Facts, inventory.Fact{Name: "Hint (not trusted)", Value: shown(m.hintText)})
		}
		x.unchecked("Signed, but by none of the keys registered here, so the signature could not be checked. Nothing says which key made it.")
	}
}

// unregistered reports a signature under the key that its log entry carries.
func (x *exam) unregistered(k verify.Key, holds func(verify.Key) (string, bool)) {
	x.end = keyLink(k)
	x.end.Facts = append(x.end.Facts, inventory.Fact{Name: "Public key (from the log entry, not registered)", Value: k.PEM()})
	scheme, ok := holds(k)
	if !ok {
		x.Fail(verify.CheckSignature, inventory.ReasonSignatureMismatch, "The signature does not hold under the key that its log entry carries.")
		return
	}
	x.scheme = scheme
	x.Pass(verify.CheckSignature, fmt.Sprintf("The signature holds under the key that its log entry carries (%s). That alone proves nothing: anybody can make a key.", scheme))
	x.Skip(verify.CheckKeyRegistered, fmt.Sprintf("Nobody has registered the key %s here.", k.SPKI.Short()))
	signer := k.Signer()
	x.signer = &signer
	x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonKeyUnknown,
		fmt.Sprintf("The signature holds under the key %s, which nobody has registered here.", k.SPKI.Short()))
}

func (x *exam) unchecked(message string) {
	why := "No registered key verifies it: either its key isn't registered or it was altered, and without the key the two can't be told apart."
	if x.item.Keys.Len() == 0 {
		why = "No key is registered here, so there is nothing to check it with."
	}
	x.Skip(verify.CheckSignature, why)
	x.Skip(verify.CheckKeyRegistered, "It isn't known which key made the signature, or the key isn't registered here.")
	x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonKeyUnknown, message)
}

// log compares log entries with the signature they came with. No log is known
// here, so an entry proves nothing; one that is about something else shows that
// somebody put the two together who shouldn't have.
func (x *exam) log(m material, signature []byte, about func(logEntry) bool) {
	for _, e := range m.entries {
		x.branches = append(x.branches, e.link())
		switch {
		case e.problem != "":
			x.Fail(verify.CheckLogEntry, inventory.ReasonTlogInvalid, e.problem)
		case len(e.signature) > 0 && !bytes.Equal(e.signature, signature), !about(e):
			x.Fail(verify.CheckLogEntry, inventory.ReasonTlogInvalid, "The transparency-log entry is about another signature.")
		default:
			x.Skip(verify.CheckLogEntry, "No transparency log is configured here, so whether the entry really is in one was not checked.")
		}
	}
	if m.timestamps > 0 {
		x.branches = append(x.branches, inventory.Link{Role: inventory.RoleTimestamp, Name: "RFC 3161 timestamp"})
		x.Skip(verify.CheckTimestamp, "No timestamp authority is configured here, so the time of signing was not checked.")
	}
}

func (x *exam) signedBy(k verify.Key) {
	signer := k.Signer()
	x.signer = &signer
	x.end = keyLink(k)
}

func (x *exam) conclude(o inventory.Outcome, r inventory.Reason, message string) {
	x.outcome, x.reason, x.message = o, r, message
}

func keyLink(k verify.Key) inventory.Link {
	return inventory.Link{Role: inventory.RoleKey, Name: shown(k.Signer().Name), Fingerprint: string(k.SPKI),
		Facts: []inventory.Fact{{Name: "Algorithm", Value: k.Algorithm}}}
}

// signature is the evidence.
func (x *exam) signature() inventory.Signature {
	s := x.made
	s.Outcome, s.Reason, s.Message = x.Verdict(x.outcome, x.reason, x.message)
	s.Signer, s.Checks, s.Chain = x.signer, x.Checks, x.chain()
	return s
}

// attestation is the evidence without the chain.
func (x *exam) attestation(predicate string) inventory.Attestation {
	a := inventory.Attestation{PredicateType: shown(predicate), Manifest: x.made.Manifest, Signer: x.signer}
	a.Outcome, a.Reason, a.Message = x.Verdict(x.outcome, x.reason, x.message)
	return a
}

// chain runs from the image to the key. Every check hangs on one link.
func (x *exam) chain() []inventory.Link {
	image := x.item.Subject
	signature := inventory.Link{Role: inventory.RoleSignature, Name: "Signature", Fingerprint: string(x.fingerprint)}
	if x.scheme != "" {
		signature.Facts = []inventory.Fact{{Name: "Scheme", Value: x.scheme}}
	}
	chain := []inventory.Link{
		{Role: inventory.RoleImage, Name: image.Repository + "@" + image.Manifest.Digest.Short(), Fingerprint: string(image.Manifest.Digest)},
		x.statement, signature, x.end,
	}
	chain = append(chain, x.branches...)
	for i := range chain {
		chain[i].Checks = x.About(aboutLink[chain[i].Role]...)
	}
	return chain
}

var aboutLink = map[inventory.LinkRole][]string{
	inventory.RoleImage: {verify.CheckManifestSubject},
	inventory.RoleStatement: {verify.CheckPayloadWellformed, verify.CheckPayloadType, verify.CheckPredicateType,
		verify.CheckPayloadDigest, verify.CheckSubjectDigest},
	inventory.RoleSignature: {verify.CheckSignature},
	inventory.RoleKey:       {verify.CheckKeyRegistered},
	inventory.RoleLeaf:      {verify.CheckCertificate},
	inventory.RoleTlog:      {verify.CheckLogEntry},
	inventory.RoleTimestamp: {verify.CheckTimestamp},
}
