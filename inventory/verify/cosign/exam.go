package cosign

import (
	"crypto/x509"
	"fmt"
	"slices"

	sgo "github.com/sigstore/sigstore-go/pkg/verify"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/sigstore"
)

// exam is one signature under examination: its checks, and the links of the
// chain they are about.
type exam struct {
	verify.Trial
	item    *verify.Item
	domains []*sigstore.Domain
	made    inventory.Signature // what is known before any check

	statement   inventory.Link
	fingerprint inventory.Digest // of the signature's bytes
	scheme      string
	signer      *inventory.Signer
	end         inventory.Link   // the key or the leaf the signature leads to
	above       []inventory.Link // from the leaf's issuer to the root
	branches    []inventory.Link // log entries, timestamps
	facts       []inventory.Fact // what an attestation's predicate says
	outcome     inventory.Outcome
	reason      inventory.Reason
	message     string
}

func (c *Checker) exam(i *verify.Item, f inventory.Format, index int) *exam {
	x := &exam{
		item: i, domains: c.known(),
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

// material is a signature, and what it brings along about who made it and when.
// None of that is trusted.
type material struct {
	content  sgo.SignatureContent
	artifact func() sgo.ArtifactPolicyOption // what it has to be about
	agrees   func(*sgo.VerificationResult)   // compares what the verifier read with what was read here; may be nil
	about    func(*logEntry) bool            // reports whether an entry is about the same
	plain    func(verify.Key) (string, bool) // verifies under a key without sigstore-go; may be nil

	hint          inventory.Digest // of the SubjectPublicKeyInfo, where that is what the hint says
	hintText      string
	keyless       bool // the form has a certificate where a key's hint would be
	claim         *claim
	claimError    *claimError
	intermediates []*x509.Certificate
	entries       []logEntry
	timestamps    [][]byte
	stamped       []byte // what timestamps are over, where that isn't the signature
}

// logged is the key of the first log entry that has one.
func (m *material) logged() *verify.Key {
	for i := range m.entries {
		if k := m.entries[i].key; k != nil {
			return k
		}
	}
	return nil
}

// entity is the signature for sigstore-go, with a certificate or the place of a
// key, and with all or with none of what came along.
func (m *material) entity(holder sgo.VerificationContent) *entity {
	e := &entity{content: m.content, holder: holder, timestamps: m.timestamps}
	for i := range m.entries {
		if m.entries[i].entry != nil {
			e.entries = append(e.entries, m.entries[i].entry)
		}
	}
	return e
}

// check finds out who made the signature, as far as that can be known, and what
// logs and timestamp authorities say about it. With a certificate in the place
// of the key, registered keys aren't tried.
func (x *exam) check(m *material) {
	logged := m.logged()
	hint := m.hint
	if hint == "" && logged != nil {
		hint = logged.SPKI
	}
	if !m.keyless {
		for k := range x.item.Keys.All(hint) {
			scheme, result, err := m.holds(k)
			if err != nil {
				continue
			}
			x.registered(m, k, scheme, result)
			return
		}
	}
	if m.claim != nil || m.claimError != nil {
		x.certificate(m)
		return
	}
	named, registered := x.item.Keys.Find(hint)
	switch {
	case registered:
		x.end = keyLink(named)
		x.Fail(verify.CheckSignature, inventory.ReasonSignatureMismatch,
			fmt.Sprintf("The signature names the key registered as %s, and does not hold under it.", shown(named.Name)))
		x.along(m, nil)
	case logged != nil:
		x.unregistered(m, *logged)
	case hint != "":
		x.end.Name, x.end.Fingerprint = hint.Short(), string(hint)
		x.unchecked(fmt.Sprintf("Signed, it says, with the key %s; that one isn't registered here, so the signature could not be checked.", hint.Short()))
		x.along(m, nil)
	default:
		if m.hintText != "" {
			x.end.Facts = append(x.end.Facts, inventory.Fact{Name: "Hint (not trusted)", Value: shown(m.hintText)})
		}
		x.unchecked("Signed, but by none of the keys registered here, so the signature could not be checked. Nothing says which key made it.")
		x.along(m, nil)
	}
}

// registered reports a signature under a key that is registered here.
func (x *exam) registered(m *material, k verify.Key, scheme string, result *sgo.VerificationResult) {
	x.holdsUnder(m, scheme, result, fmt.Sprintf("The signature holds under this key (%s).", scheme))
	x.Pass(verify.CheckKeyRegistered, fmt.Sprintf("The key is registered here as %s.", shown(k.Name)))
	signer := k.Signer()
	x.signer, x.end = &signer, keyLink(k)
	x.along(m, &k)
	x.conclude(inventory.OutcomeVerified, inventory.ReasonOK, fmt.Sprintf("The signature holds under the key registered as %s.", shown(k.Name)))
}

// unregistered reports a signature under the key that its log entry carries.
func (x *exam) unregistered(m *material, k verify.Key) {
	x.end = keyLink(k)
	x.end.Facts = append(x.end.Facts, inventory.Fact{Name: "Public key (from the log entry, not registered)", Value: k.PEM()})
	scheme, result, err := m.holds(k)
	if err != nil {
		x.Fail(verify.CheckSignature, inventory.ReasonSignatureMismatch, "The signature does not hold under the key that its log entry carries.")
		x.along(m, nil)
		return
	}
	x.holdsUnder(m, scheme, result, fmt.Sprintf("The signature holds under the key that its log entry carries (%s). That alone proves nothing: anybody can make a key.", scheme))
	x.Skip(verify.CheckKeyRegistered, fmt.Sprintf("Nobody has registered the key %s here.", k.SPKI.Short()))
	signer := k.Signer()
	x.signer = &signer
	message := fmt.Sprintf("The signature holds under the key %s, which nobody has registered here", k.SPKI.Short())
	if h := x.along(m, &k); h.entries > 0 {
		message += ", and was logged"
	}
	switch at := x.made.SignedAt; {
	case at == nil:
	case x.made.SignedAtSource == inventory.SignedAtTlog:
		message += " at " + moment(*at)
	default:
		message += "; a timestamp authority saw it at " + moment(*at)
	}
	message += "."
	x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonKeyUnknown, message)
}

func (x *exam) holdsUnder(m *material, scheme string, result *sgo.VerificationResult, message string) {
	x.scheme = scheme
	x.Pass(verify.CheckSignature, message)
	if m.agrees != nil && result != nil {
		m.agrees(result)
	}
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
	a.SignedAt, a.SignedAtSource, a.Domain, a.Checks = x.made.SignedAt, x.made.SignedAtSource, x.made.Domain, x.Checks
	if a.Outcome == inventory.OutcomeVerified {
		a.Facts = x.facts
	}
	return a
}

// chain runs from the image to the key or the root, with the log entries and
// timestamps after it. Every check hangs on a link.
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
	chain = slices.Concat(chain, x.above, x.branches)
	on := map[string]bool{}
	for i := range chain {
		chain[i].Checks = x.About(aboutLink[chain[i].Role]...)
		for _, name := range chain[i].Checks {
			on[name] = true
		}
	}
	// A check of something that isn't there, such as a log entry that is
	// missing, hangs on what would have needed it.
	for _, c := range x.Checks {
		if end := &chain[3]; !on[c.Name] && !slices.Contains(end.Checks, c.Name) {
			end.Checks = append(end.Checks, c.Name)
		}
	}
	return chain
}

var aboutLink = map[inventory.LinkRole][]string{
	inventory.RoleImage: {verify.CheckManifestSubject},
	inventory.RoleStatement: {verify.CheckPayloadWellformed, verify.CheckPayloadType, verify.CheckPredicateType,
		verify.CheckPayloadDigest, verify.CheckSubjectDigest},
	inventory.RoleSignature:    {verify.CheckSignature},
	inventory.RoleKey:          {verify.CheckKeyRegistered},
	inventory.RoleLeaf:         {verify.CheckCertificate, verify.CheckIdentity, verify.CheckSCT},
	inventory.RoleIntermediate: {verify.CheckCertificate},
	inventory.RoleRoot:         {verify.CheckCertificate},
	inventory.RoleTlog:         {verify.CheckLogEntry},
	inventory.RoleTimestamp:    {verify.CheckTimestamp},
}
