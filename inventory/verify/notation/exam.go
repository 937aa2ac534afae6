package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/notaryproject/notation-core-go/signature"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// exam is one signature under examination.
type exam struct {
	verify.Trial
	checker Checker
	item    *verify.Item
	made    inventory.Signature // what is known before any check

	statement   inventory.Link
	fingerprint inventory.Digest // of the envelope
	scheme      string           // of the signature, for showing
	chain       []*x509.Certificate
	anchor      *x509.Certificate // nil: none is known
	store       *Store
	info        *signature.SignerInfo
	stamp       *inventory.Link // the countersignature
	unsettled   bool            // whether it counts could not be found out
	plugin      string          // that the signer leaves the verification to
	now         time.Time
}

func newExam(c Checker, i *verify.Item) *exam {
	x := &exam{checker: c, item: i, now: i.Now,
		made:      inventory.Signature{Format: inventory.FormatNotationJWS, Manifest: i.Manifest.Digest},
		statement: inventory.Link{Role: inventory.RoleStatement, Name: "Payload"}}
	for _, l := range i.Manifest.Layers {
		if l.MediaType == typeCOSE {
			x.made.Format = inventory.FormatNotationCOSE
		}
	}
	return x
}

// run makes the checks in the order in which each can rely on those before it:
// what is proven by the signature comes after the signature, and what costs a
// request to somebody else's server after everything else.
func (x *exam) run(ctx context.Context) {
	e := x.envelope(ctx)
	if e == nil {
		return
	}
	x.chain = e.chain
	content := x.integrity(e)
	if content == nil {
		return
	}
	x.info = &content.SignerInfo
	x.scheme = schemes[x.info.SignatureAlgorithm]
	x.Pass(verify.CheckSignature, fmt.Sprintf("The signature holds under the certificate that came with it (%s). That alone proves nothing: anybody can make a certificate.", x.scheme))
	x.signedAt(x.info.SignedAttributes.SigningTime, inventory.SignedAtClaimed)
	x.attributes()
	x.payload(content.Payload)
	x.expiry()
	x.authenticity()
	if x.anchor == nil {
		x.Skip(verify.CheckTimestamp, "The signer isn't known, so what vouches for the time was not checked.")
		x.Skip(verify.CheckValidity, "The signer isn't known, so whether the certificates were valid then doesn't matter.")
		x.Skip(verify.CheckRevocation, "Nobody is asked whether a certificate was revoked while the root isn't known here: its addresses could be anybody's choice.")
		return
	}
	x.time(ctx)
	x.revoked(ctx)
}

// envelope finds and reads the one envelope in the manifest.
func (x *exam) envelope(ctx context.Context) *envelope {
	m := x.item.Manifest
	switch {
	case m.Subject == nil:
		x.Fail(verify.CheckManifestSubject, inventory.ReasonPayloadMalformed, "The manifest that carries the signature names no subject; this format demands one.")
	case m.Subject.Digest != x.item.Subject.Manifest.Digest:
		x.Fail(verify.CheckManifestSubject, inventory.ReasonDigestMismatch, fmt.Sprintf("The manifest that carries the signature belongs to another image, %s.", m.Subject.Digest.Short()))
	default:
		x.Pass(verify.CheckManifestSubject, "The manifest that carries the signature names this image as its subject.")
	}
	if len(m.Layers) != 1 {
		x.Fail(verify.CheckPayloadWellformed, inventory.ReasonPayloadMalformed, fmt.Sprintf("The manifest has %d layers; one, with the signature, was expected.", len(m.Layers)))
		return nil
	}
	layer := m.Layers[0]
	if layer.MediaType != typeJWS && layer.MediaType != typeCOSE {
		x.Fail(verify.CheckPayloadWellformed, inventory.ReasonPayloadMalformed, fmt.Sprintf("The signature is of the type %q; a JWS or a COSE envelope was expected.", shown(layer.MediaType)))
		return nil
	}
	raw, err := x.item.Blob(ctx, layer, maxEnvelope)
	if err != nil {
		x.Unread(verify.CheckPayloadWellformed, err)
		return nil
	}
	x.fingerprint = inventory.DigestOf(raw)
	e, err := open(layer.MediaType, raw)
	if unreadable, ok := errors.AsType[unreadableCertificate](err); ok {
		x.Fail(verify.CheckCertificate, inventory.ReasonCertificateInvalid, unreadable.Error())
		return nil
	}
	if err != nil {
		x.Fail(verify.CheckPayloadWellformed, inventory.ReasonPayloadMalformed, "The signature's envelope can't be relied on: "+err.Error()+".")
		return nil
	}
	return e
}

// integrity checks the chain for itself and the signature under it. The library
// does both at once; which of the two failed is found out only when one did.
func (x *exam) integrity(e *envelope) *signature.EnvelopeContent {
	why := improper(e.chain)
	var content *signature.EnvelopeContent
	var err error
	if why == "" {
		if content, err = e.inner.Verify(); err != nil {
			why = unfit(e.chain)
		}
	}
	if why != "" {
		x.Fail(verify.CheckCertificate, inventory.ReasonCertificateInvalid, why)
		x.Skip(verify.CheckSignature, "There is no usable certificate to check it with.")
		return nil
	}
	x.Pass(verify.CheckCertificate, "The certificates make an unbroken chain, and the first is for signing.")
	if err == nil {
		return content
	}
	if _, ok := errors.AsType[*signature.SignatureIntegrityError](err); ok {
		x.Fail(verify.CheckSignature, inventory.ReasonSignatureMismatch, "The signature does not hold under the certificate that came with it.")
	} else {
		x.Fail(verify.CheckSignature, inventory.ReasonPayloadMalformed, "The signature isn't what its format asks for: "+shown(err.Error())+".")
	}
	return nil
}

// attributes refuses what the signer demands and isn't understood here. With
// "unknown critical attributes MUST cause signature verification to fail"
// (signature specification, "Extended attributes") an attribute that nothing is
// known of makes the signature invalid. One that names a plugin says that
// others can verify it: then nothing is known, which notation calls
// inconclusive when it lacks the plugin. notation-go lets unknown critical
// attributes pass when there is no plugin; we don't.
func (x *exam) attributes() {
	unknown, plugin := demands(x.info)
	switch {
	case plugin != "":
		x.plugin = plugin
		x.Skip(verify.CheckCriticalAttributes, fmt.Sprintf("The signer leaves part of the verification to the plugin %s; Signboard runs no plugins.", plugin))
	case len(unknown) > 0:
		x.Fail(verify.CheckCriticalAttributes, inventory.ReasonCertificateInvalid,
			"The signer demands that a verifier understand "+shown(strings.Join(unknown, ", "))+", which isn't known here.")
	default:
		x.Pass(verify.CheckCriticalAttributes, "The signer demands nothing that isn't understood here.")
	}
}

func (x *exam) payload(p signature.Payload) {
	if p.ContentType != typePayload {
		x.Fail(verify.CheckPayloadType, inventory.ReasonPayloadMalformed, fmt.Sprintf("What was signed is a %q; the payload of a Notary Project signature was expected.", shown(p.ContentType)))
		return
	}
	x.Pass(verify.CheckPayloadType, "What was signed says that it is the payload of a Notary Project signature.")
	x.statement.Fingerprint = string(inventory.DigestOf(p.Content))
	t, err := parsePayload(p.Content)
	if err != nil {
		x.Fail(verify.CheckPayloadWellformed, inventory.ReasonPayloadMalformed, "The payload can't be relied on: "+shown(err.Error())+".")
		return
	}
	x.Pass(verify.CheckPayloadWellformed, "The payload is one well-formed document.")
	x.statement.Facts = t.annotations()
	if why := t.differs(x.item.Subject.Manifest); why != "" {
		x.Fail(verify.CheckPayloadDigest, inventory.ReasonDigestMismatch, why)
		return
	}
	x.Pass(verify.CheckPayloadDigest, "The payload names this image: its digest, its media type and its size.")
}

// expiry is the signer's own last day. It counts whoever the signer is.
func (x *exam) expiry() {
	switch last := x.info.SignedAttributes.Expiry; {
	case last.IsZero():
		x.Skip(verify.CheckExpiry, "The signer gave the signature no last day.")
	case !x.now.Before(last):
		x.Fail(verify.CheckExpiry, inventory.ReasonSignatureExpired, ranOut(last))
	default:
		x.Pass(verify.CheckExpiry, fmt.Sprintf("The signer lets the signature count until %s.", moment(last)))
		x.expires(last, inventory.ReasonSignatureExpired, ranOut(last))
	}
}

func ranOut(last time.Time) string {
	return fmt.Sprintf("The signer let the signature count until %s.", moment(last))
}

// expires notes when the signature stops to hold by itself: the earliest counts.
func (x *exam) expires(at time.Time, reason inventory.Reason, message string) {
	if e := x.made.Expires; e == nil || at.Before(e.At) {
		x.made.Expires = &inventory.Expiry{At: at, Reason: reason, Message: message}
	}
}

// authenticity looks for the chain's anchor in the stores that may vouch for
// the signature's scheme (trust store specification, "Validate Authenticity").
func (x *exam) authenticity() {
	kind := x.kind()
	x.anchor, x.store = x.checker.anchor(x.chain, kind)
	root := x.chain[len(x.chain)-1]
	if x.anchor == nil {
		why := fmt.Sprintf("The chain leads to %s, which is in none of the trust stores of the type %s.", common(root.Subject), kind)
		for _, other := range types {
			if _, store := x.checker.anchor(x.chain, other); store != nil {
				why += fmt.Sprintf(" It is in the store %s, whose type is %s: that one doesn't vouch for signers of this scheme.", shown(store.Name), other)
			}
		}
		x.Skip(verify.CheckTrustAnchor, why)
		return
	}
	if why := nameless(x.chain[0]); why != "" {
		x.Fail(verify.CheckTrustAnchor, inventory.ReasonIdentityMalformed, why)
		return
	}
	x.Pass(verify.CheckTrustAnchor, fmt.Sprintf("The chain leads to %s in the trust store %s.", common(x.anchor.Subject), shown(x.store.Name)))
	x.made.Domain = x.store.Name
}

// kind is the type of the trust stores that may vouch for the signature.
func (x *exam) kind() string {
	if x.info.SignedAttributes.SigningScheme == signature.SigningSchemeX509SigningAuthority {
		return TypeSigningAuthority
	}
	return TypeCA
}

func (x *exam) signedAt(t time.Time, source inventory.SignedAtSource) {
	t = t.UTC()
	x.made.SignedAt, x.made.SignedAtSource = &t, source
}

// revoked asks the authorities of the chain, once everything else holds.
func (x *exam) revoked(ctx context.Context) {
	switch {
	case x.checker.revocation == nil:
		x.Skip(verify.CheckRevocation, "Whether a certificate was revoked isn't asked here.")
		return
	case x.Failed():
		x.Skip(verify.CheckRevocation, "Another check failed or could not be made, so nobody was asked whether a certificate was revoked.")
		return
	}
	// Only a signing authority's time is set against the date from which a key
	// is known to be bad; a countersignature's is not, as in notation-go.
	var signed time.Time
	if x.kind() == TypeSigningAuthority {
		signed = x.info.SignedAttributes.SigningTime
	}
	r := x.checker.revocation.chain(ctx, x.chain, signed, x.now)
	x.recheck(r.until)
	switch r.state {
	case isRevoked:
		x.Fail(verify.CheckRevocation, inventory.ReasonCertificateRevoked, r.message)
	case notKnown:
		x.Unread(verify.CheckRevocation, unknown(r))
	case noWay:
		x.Skip(verify.CheckRevocation, "The certificates name no way to ask whether they were revoked.")
	default:
		x.Pass(verify.CheckRevocation, r.message)
	}
}

// unknown is why a signature can't be judged while its authority can't be
// asked. trust_root_stale is the honest code: what is known of the root of
// trust isn't fresh enough to decide by, and the operator of Signboard is who
// can see why. The registry did answer, so registry_unreachable would send
// people to the wrong place, and certificate_revoked would be a lie.
func unknown(r result) error {
	return &inventory.LookError{Reason: inventory.ReasonTrustRootStale, Message: r.message, Err: r.err}
}

// recheck notes when an answer gets old.
func (x *exam) recheck(at time.Time) {
	if at.IsZero() {
		return
	}
	if earliest := x.now.Add(minRecheck); at.Before(earliest) {
		at = earliest
	}
	if x.made.RecheckAt == nil || at.Before(*x.made.RecheckAt) {
		x.made.RecheckAt = &at
	}
}

// signature is the evidence.
func (x *exam) signature() inventory.Signature {
	s := x.made
	switch {
	case x.info == nil:
		s.Outcome, s.Reason, s.Message = x.Verdict(inventory.OutcomeError, inventory.ReasonNotChecked, "The signature was not checked.")
	case x.anchor == nil:
		s.Outcome, s.Reason, s.Message = x.Verdict(inventory.OutcomeUnverifiable, inventory.ReasonRootUnknown,
			fmt.Sprintf("The signer claims to be %s (root: %s); its root isn't known here.", distinguished(x.chain[0].Subject), common(x.chain[len(x.chain)-1].Subject)))
	case x.plugin != "":
		s.Outcome, s.Reason, s.Message = x.Verdict(inventory.OutcomeUnverifiable, inventory.ReasonNotChecked,
			fmt.Sprintf("The signature leaves part of its verification to the plugin %s, which isn't run here; without it nothing can be said.", x.plugin))
	default:
		s.Outcome, s.Reason, s.Message = x.Verdict(inventory.OutcomeVerified, inventory.ReasonOK,
			fmt.Sprintf("The signature is by %s, for whom %s in the trust store %s vouches.", distinguished(x.chain[0].Subject), common(x.anchor.Subject), shown(x.store.Name)))
	}
	if x.anchor != nil && nameless(x.chain[0]) == "" {
		s.Signer = signerOf(x.chain, x.anchor, x.store, string(x.info.SignedAttributes.SigningScheme))
	}
	if s.Outcome != inventory.OutcomeVerified {
		s.Expires = nil
	}
	s.Checks, s.Chain = x.Checks, x.links()
	return s
}

// links are the chain from the image to the root, with every check on one link.
func (x *exam) links() []inventory.Link {
	image := x.item.Subject
	mark := inventory.Link{Role: inventory.RoleSignature, Name: "Notation signature", Fingerprint: string(x.fingerprint)}
	if x.scheme != "" {
		mark.Facts = []inventory.Fact{{Name: "Algorithm", Value: x.scheme}, {Name: "Scheme", Value: string(x.info.SignedAttributes.SigningScheme)}}
		if agent := x.info.UnsignedAttributes.SigningAgent; agent != "" {
			mark.Facts = append(mark.Facts, inventory.Fact{Name: "Made with (not signed)", Value: shown(agent)})
		}
	}
	list := []inventory.Link{
		{Role: inventory.RoleImage, Name: image.Repository + "@" + image.Manifest.Digest.Short(), Fingerprint: string(image.Manifest.Digest),
			Checks: x.About(verify.CheckManifestSubject)},
		x.statement, mark,
	}
	list[1].Checks = x.About(verify.CheckPayloadWellformed, verify.CheckPayloadType, verify.CheckPayloadDigest)
	certificates := links(x.chain)
	if len(certificates) == 0 {
		list[2].Checks = x.About(verify.CheckCertificate, verify.CheckSignature)
		return list
	}
	list[2].Checks = x.About(verify.CheckSignature, verify.CheckCriticalAttributes, verify.CheckExpiry)
	certificates[0].Checks = x.About(verify.CheckCertificate, verify.CheckValidity, verify.CheckRevocation)
	end := len(certificates) - 1
	for i, c := range x.chain {
		if x.anchor != nil && c.Equal(x.anchor) {
			end = i
			certificates[i].Facts = append(certificates[i].Facts, inventory.Fact{Name: "Trusted by", Value: fmt.Sprintf("the store %s (%s)", shown(x.store.Name), x.store.Type)})
			break
		}
	}
	certificates[end].Checks = append(certificates[end].Checks, x.About(verify.CheckTrustAnchor)...)
	list = append(list, certificates...)
	if x.stamp != nil {
		x.stamp.Checks = x.About(verify.CheckTimestamp)
		return append(list, *x.stamp)
	}
	list[2].Checks = append(list[2].Checks, x.About(verify.CheckTimestamp)...)
	return list
}
