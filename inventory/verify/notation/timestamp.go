package notation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	nx509 "github.com/notaryproject/notation-core-go/x509"
	"github.com/notaryproject/tspclient-go"

	"signboard/inventory"
	"signboard/inventory/verify"
)

// maxToken is how many bytes a countersignature may have; real ones have some
// thousand.
const maxToken = 64 << 10

// span is when a signature was made, or now: the certificates have to be valid
// for all of it.
type span struct {
	from, to time.Time
	proven   bool   // somebody who is known vouches for it
	by       string // who
}

// time finds out at which moment the certificates have to be valid, and whether
// they were (trust store specification, "Validate Trusted Timestamp").
func (x *exam) time(ctx context.Context) {
	at := span{from: x.now, to: x.now}
	if x.kind() == TypeSigningAuthority {
		t := x.info.SignedAttributes.SigningTime
		at = span{from: t, to: t, proven: true, by: "the signing authority"}
		x.Pass(verify.CheckTimestamp, fmt.Sprintf("The signing authority vouches that it was signed on %s.", moment(t)))
		x.signedAt(t, inventory.SignedAtAuthority)
	} else if t, ok := x.countersigned(ctx); ok {
		at = t
	}
	if x.unsettled {
		x.Skip(verify.CheckValidity, "Whether the countersignature counts isn't known, and so the moment isn't at which the certificates had to be valid.")
		return
	}
	first := x.chain[0].NotAfter
	for _, c := range x.chain {
		name := common(c.Subject)
		switch {
		case at.from.Before(c.NotBefore) && at.proven:
			x.Fail(verify.CheckValidity, inventory.ReasonCertificateInvalid,
				fmt.Sprintf("The certificate of %s became valid on %s only, after %s saw the signature.", name, moment(c.NotBefore), at.by))
			return
		case at.from.Before(c.NotBefore):
			x.Fail(verify.CheckValidity, inventory.ReasonCertificateInvalid, fmt.Sprintf("The certificate of %s becomes valid on %s only.", name, moment(c.NotBefore)))
			return
		case at.to.After(c.NotAfter) && at.proven:
			x.Fail(verify.CheckValidity, inventory.ReasonCertificateExpired,
				fmt.Sprintf("The certificate of %s had run out on %s, before %s saw the signature.", name, moment(c.NotAfter), at.by))
			return
		case at.to.After(c.NotAfter):
			x.Fail(verify.CheckValidity, inventory.ReasonCertificateExpired, unproven(c))
			return
		}
		if !at.proven {
			x.expires(c.NotAfter, inventory.ReasonCertificateExpired, unproven(c))
		}
		if c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	if at.proven {
		x.Pass(verify.CheckValidity, "Every certificate of the chain was valid when the signature was made.")
		return
	}
	x.Pass(verify.CheckValidity, fmt.Sprintf("Every certificate of the chain is valid now. Nothing proves when the signature was made, so it holds until %s.", day(first)))
}

func unproven(c *x509.Certificate) string {
	return fmt.Sprintf("The certificate of %s ran out on %s, and nothing proves that the signature was made before that.", common(c.Subject), moment(c.NotAfter))
}

// countersigned checks the timestamp that came with a signature. An authority
// that isn't known proves nothing and disproves nothing, so that its timestamp
// leaves the time claimed, as no timestamp does; one that doesn't hold makes
// the signature invalid, though notation-go wouldn't look at it while the
// certificates are valid.
func (x *exam) countersigned(ctx context.Context) (span, bool) {
	token := x.info.UnsignedAttributes.TimestampSignature
	if len(token) == 0 {
		x.Skip(verify.CheckTimestamp, "No countersignature came along, so when it was signed is the signer's claim.")
		return span{}, false
	}
	x.stamp = &inventory.Link{Role: inventory.RoleTimestamp, Name: "RFC 3161 timestamp", Fingerprint: string(inventory.DigestOf(token))}
	if x.checker.tsa == nil {
		x.Skip(verify.CheckTimestamp, "No timestamp authority is configured here, so when it was signed is the signer's claim.")
		return span{}, false
	}
	invalid := func(message string) (span, bool) {
		x.Fail(verify.CheckTimestamp, inventory.ReasonTimestampInvalid, message)
		return span{}, false
	}
	if len(token) > maxToken {
		return invalid(fmt.Sprintf("The countersignature has %d bytes; %d is the most that is read.", len(token), maxToken))
	}
	signed, err := tspclient.ParseSignedToken(token)
	if err != nil {
		return invalid("The countersignature can't be read.")
	}
	// Anybody may put another countersignature on a signature: what it costs to
	// check one is bounded. That there is one signer is RFC 3161's demand
	// (section 2.4.2).
	if len(signed.SignerInfos) != 1 || len(signed.Certificates) > maxChain {
		return invalid(fmt.Sprintf("The countersignature is by %d signers with %d certificates; one signer, with at most %d certificates, was expected.", len(signed.SignerInfos), len(signed.Certificates), maxChain))
	}
	info, err := signed.Info()
	if err != nil {
		return invalid("The countersignature can't be read.")
	}
	stamp, err := info.Validate(x.info.Signature)
	if err != nil {
		return invalid("The countersignature is for another signature.")
	}
	chain, err := signed.Verify(ctx, x509.VerifyOptions{CurrentTime: stamp.Value, Roots: x.checker.tsa})
	if _, strange := errors.AsType[x509.UnknownAuthorityError](err); strange {
		x.Skip(verify.CheckTimestamp, "The countersignature is by an authority that isn't known here, so when it was signed is the signer's claim.")
		return span{}, false
	}
	if err != nil {
		return invalid("The countersignature does not hold: " + shown(err.Error()) + ".")
	}
	if err := nx509.ValidateTimestampingCertChain(chain); err != nil {
		return invalid("The countersignature's certificates aren't fit for timestamps: " + shown(err.Error()) + ".")
	}
	authority := common(chain[0].Subject)
	x.stamp.Name, x.stamp.Issuer = authority, distinguished(chain[len(chain)-1].Subject)
	x.stamp.NotBefore, x.stamp.NotAfter = &chain[0].NotBefore, &chain[0].NotAfter
	x.stamp.Facts = []inventory.Fact{
		{Name: "Time", Value: moment(stamp.Value)},
		{Name: "Accuracy", Value: stamp.Accuracy.String()},
		{Name: "Authority's certificate", Value: string(inventory.DigestOf(chain[0].Raw))},
	}
	asked, ok := x.authorityStands(ctx, chain)
	if !ok {
		return span{}, false
	}
	x.Pass(verify.CheckTimestamp, fmt.Sprintf("%s vouches that the signature existed on %s. %s", authority, moment(stamp.Value), asked))
	x.signedAt(stamp.Value, inventory.SignedAtAuthority)
	return span{from: stamp.Value.Add(-stamp.Accuracy), to: stamp.Value.Add(stamp.Accuracy), proven: true, by: authority}, true
}

// authorityStands asks whether a timestamp authority's certificates were
// revoked (CVE-2024-56138): who holds a revoked key may write any date.
func (x *exam) authorityStands(ctx context.Context, chain []*x509.Certificate) (string, bool) {
	if x.checker.revocation == nil {
		return "Whether its certificate was revoked isn't asked here.", true
	}
	if x.Failed() {
		return "Another check failed, so nobody was asked whether its certificate was revoked.", true
	}
	r := x.checker.revocation.chain(ctx, chain, time.Time{}, x.now)
	x.recheck(r.until)
	switch r.state {
	case isRevoked:
		x.Fail(verify.CheckTimestamp, inventory.ReasonTimestampInvalid, "The countersignature is worth nothing: "+r.message)
		return "", false
	case notKnown:
		x.unsettled = true
		x.Unread(verify.CheckTimestamp, unknown(r))
		return "", false
	case noWay:
		return "Its certificate names no way to ask whether it was revoked.", true
	}
	return r.message, true
}
