package cosign

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	sgo "github.com/sigstore/sigstore-go/pkg/verify"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/sigstore"
)

// certificate reports a signature by its certificate. Each domain that could
// have issued it is asked alone; the first in which everything holds decides. If
// there is none, the first of them says what is wrong.
func (x *exam) certificate(m *material) {
	if m.claimError != nil {
		x.end = inventory.Link{Role: inventory.RoleLeaf, Name: "Unreadable certificate"}
		x.Fail(verify.CheckCertificate, m.claimError.reason, m.claimError.message)
		x.Skip(verify.CheckSignature, "There is no usable certificate to check it with.")
		x.along(m, nil)
		return
	}
	x.end = m.claim.link()
	var known []*sigstore.Domain
	for _, d := range x.domains {
		if knows(d, m.claim, m.intermediates) {
			known = append(known, d)
		}
	}
	refused := make([]error, len(known))
	for i, d := range known {
		var w *witness
		var result *sgo.VerificationResult
		if w, result, refused[i] = ask(d, m); refused[i] == nil {
			x.accept(d, m, w, result)
			return
		}
	}
	scheme, _, err := m.holds(m.claim.key)
	if err != nil {
		x.Fail(verify.CheckSignature, inventory.ReasonSignatureMismatch, "The signature does not hold under the certificate that came with it.")
		x.Skip(verify.CheckCertificate, "The certificate is not this signature's.")
		x.along(m, nil)
		return
	}
	x.scheme = scheme
	x.Pass(verify.CheckSignature, fmt.Sprintf("The signature holds under the certificate that came with it (%s). That alone proves nothing: anybody can make a certificate.", scheme))
	if len(known) == 0 {
		x.rootless(m)
		return
	}
	// Where several could have issued it, the one that knows the log as well says
	// the most.
	most := max(0, slices.IndexFunc(known, func(d *sigstore.Domain) bool { return knowsLog(d, m) }))
	x.refuse(known[most], m, refused[most])
}

// ask has sigstore-go verify everything with the material of one domain.
func ask(d *sigstore.Domain, m *material) (*witness, *sgo.VerificationResult, error) {
	w := testify(d, m)
	v, err := verifier(d, w)
	if err != nil {
		return nil, nil, err
	}
	result, err := v.Verify(m.entity(certified{leaf: m.claim.certificate}), sgo.NewPolicy(m.artifact(), sgo.WithoutIdentitiesUnsafe()))
	return w, result, err
}

// accept reports a signature that sigstore-go verified in a domain. What it has
// verified isn't verified again, but for entries and timestamps of which it only
// says that there were enough.
func (x *exam) accept(d *sigstore.Domain, m *material, w *witness, result *sgo.VerificationResult) {
	c, before := m.claim, x.Failed() // what was signed may be wrong, and yet it is known who signed it
	if x.scheme = certain(c.key); x.scheme == "" {
		x.scheme, _, _ = m.holds(c.key)
	}
	x.Pass(verify.CheckSignature, fmt.Sprintf("The signature holds under the certificate that came with it (%s).", x.scheme))
	if m.agrees != nil {
		m.agrees(result)
	}
	x.chained(d, w.chain)
	x.made.Domain = d.Name

	h := &hearing{domains: []*sigstore.Domain{d}, holder: certified{leaf: c.certificate}}
	var of []*logEntry // of logs that the domain knows, about this signature
	for i := range m.entries {
		if _, ok := logOf(d, m.entries[i].logID); ok && m.entries[i].entry != nil && !m.contradicts(&m.entries[i]) {
			of = append(of, &m.entries[i])
		}
	}
	quick := len(m.entries) == len(of) && len(of) <= 1 && len(w.stamps) == len(m.timestamps)
	if !quick {
		x.hear(m, h)
	} else {
		x.heard(d, w, of, result)
	}
	x.Pass(verify.CheckCertificate, x.issued(d, w.chain))
	x.transparency(d, nil)
	if x.identity(c) && x.Failed() == before {
		s := c.signer()
		x.signer = &s
	}
	x.conclude(inventory.OutcomeVerified, inventory.ReasonOK, x.praise(d, c))
}

// heard notes the one entry and the timestamps that sigstore-go has verified.
func (x *exam) heard(d *sigstore.Domain, w *witness, entries []*logEntry, result *sgo.VerificationResult) {
	for _, e := range entries {
		link := e.link()
		log, _ := logOf(d, e.logID)
		at := time.Time{}
		if e.entry.HasInclusionPromise() {
			at = e.at
		}
		x.vouched(&link, d, log, e, at)
		x.branches = append(x.branches, link)
		for _, t := range result.VerifiedTimestamps {
			if !within(t.Timestamp, log.ValidityPeriodStart, log.ValidityPeriodEnd) {
				x.Fail(verify.CheckLogEntry, inventory.ReasonTlogInvalid,
					fmt.Sprintf("The signature was made at %s, and the key of the log %s is good %s.", moment(t.Timestamp), logName(log), period(log.ValidityPeriodStart, log.ValidityPeriodEnd)))
			}
		}
	}
	for _, s := range w.stamps {
		link := inventory.Link{Role: inventory.RoleTimestamp, Fingerprint: string(inventory.DigestOf(s.token))}
		x.stamped(&link, d, s)
		x.branches = append(x.branches, link)
	}
}

// certain is the scheme of a verified signature where the key leaves only one.
func certain(k verify.Key) string {
	switch {
	case k.Algorithm == "ECDSA P-256", strings.HasPrefix(k.Algorithm, "RSA "):
		return k.Algorithm + " with SHA-256"
	}
	return ""
}

// praise is what to say of a verified signature.
func (x *exam) praise(d *sigstore.Domain, c *claim) string {
	return fmt.Sprintf("Signed by %s (issuer %s); that holds down to the root of %s.", shown(c.identity), shown(c.issuer), shown(d.Name))
}

// rootless reports a signature whose certificate nobody known here could have
// issued.
func (x *exam) rootless(m *material) {
	c := m.claim
	h := &hearing{domains: x.domains, holder: certified{leaf: c.certificate, undated: true}}
	issuer := c.issuer
	if issuer == "" {
		issuer = "none named"
	}
	claims := fmt.Sprintf("The signer claims to be %s (issuer %s); its root isn't known here", shown(c.identity), shown(issuer))
	if stale := staleOf(x.domains); stale != "" {
		x.Skip(verify.CheckCertificate, fmt.Sprintf("No root that is known here could have issued the certificate; what is known of %s is out of date.", stale))
		x.hear(m, h)
		x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonTrustRootStale, claims+", where what is known of "+stale+" is out of date.")
		return
	}
	x.Skip(verify.CheckCertificate, "No root is configured here that could vouch for the certificate.")
	x.hear(m, h)
	x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonRootUnknown, claims+".")
}

// staleOf names the domains that should be newer than they are.
func staleOf(domains []*sigstore.Domain) string {
	var names []string
	for _, d := range domains {
		if d.Stale {
			names = append(names, shown(d.Name))
		}
	}
	return strings.Join(names, ", ")
}

func knowsLog(d *sigstore.Domain, m *material) bool {
	for i := range m.entries {
		if _, ok := logOf(d, m.entries[i].logID); ok {
			return true
		}
	}
	return false
}

// refuse finds out what is wrong with a signature that sigstore-go has refused
// in the one domain that its certificate is of. Each step is made again by
// itself; whatever they say, the signature isn't verified.
func (x *exam) refuse(d *sigstore.Domain, m *material, refused error) {
	c := m.claim
	h := &hearing{domains: []*sigstore.Domain{d}, holder: certified{leaf: c.certificate, undated: true}}
	x.hear(m, h)
	chain, authority := path(d, c.certificate, m.intermediates)
	if chain == nil {
		x.Fail(verify.CheckCertificate, inventory.ReasonCertificateInvalid,
			fmt.Sprintf("The certificate names an authority of %s as its issuer, and isn't from it.", shown(d.Name)))
		return
	}
	x.chained(d, chain)
	if x.lacking(d, m, h); len(h.times) == 0 {
		x.Skip(verify.CheckCertificate, "Nobody vouches for a time at which the certificate would have to have been good.")
		return
	}
	for _, at := range h.times {
		if !x.dated(d, m, chain, authority, at) {
			return
		}
	}
	x.Pass(verify.CheckCertificate, x.issued(d, chain))
	x.seen(d, m, h.times[0])
	x.identity(c)
	if !x.Failed() && x.outcome == inventory.OutcomeError { // these steps see nothing wrong
		x.Fail(verify.CheckCertificate, inventory.ReasonCertificateInvalid, "The signature was refused: "+shown(refused.Error())+".")
	}
}

// lacking says what it means that no log or no time vouches for a signature: that
// there is none, that it is one which the domain doesn't know, or that it is of a
// kind that isn't read here.
func (x *exam) lacking(d *sigstore.Domain, m *material, h *hearing) {
	logless := len(d.Root.RekorLogs()) > 0 && h.entries == 0
	timeless := len(h.times) == 0
	claims := fmt.Sprintf("The signer claims to be %s (issuer %s)", shown(m.claim.identity), shown(m.claim.issuer))
	end := m.claim.certificate.NotAfter
	switch {
	case x.Failed() || !logless && !timeless:
	case logless && len(h.unread) > 0:
		x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonNotChecked,
			fmt.Sprintf("%s; the log entry that should show it is of a type that isn't supported here (%s).", claims, shown(strings.Join(h.unread, ", "))))
	case d.Stale && (logless && h.logs > 0 || timeless && h.stampers > 0):
		x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonTrustRootStale,
			fmt.Sprintf("%s; what is known of %s is out of date, and doesn't hold the log or the timestamp authority that should show it.", claims, shown(d.Name)))
	case logless && h.logs > 0:
		x.Fail(verify.CheckLogEntry, inventory.ReasonTlogInvalid, fmt.Sprintf("The transparency-log entry is of a log that %s doesn't know.", shown(d.Name)))
	case !logless && h.stampers > 0:
		x.Fail(verify.CheckTimestamp, inventory.ReasonTimestampInvalid, fmt.Sprintf("The timestamp is from an authority that %s doesn't know.", shown(d.Name)))
	case timeless && x.item.Now.After(end):
		x.Fail(verify.CheckCertificate, inventory.ReasonCertificateExpired,
			fmt.Sprintf("The certificate ran out at %s, and no log entry or timestamp shows that the signature was made before.", moment(end)))
	case timeless:
		x.Fail(verify.CheckLogEntry, inventory.ReasonTlogMissing, "No log entry or timestamp shows when the signature was made, so nothing shows that the certificate was good then.")
	default:
		x.Fail(verify.CheckLogEntry, inventory.ReasonTlogMissing,
			fmt.Sprintf("There is no transparency-log entry, and %s has a log: without one, the signature could have been made unnoticed.", shown(d.Name)))
	}
}

// dated checks the chain at a moment.
func (x *exam) dated(d *sigstore.Domain, m *material, chain []*x509.Certificate, a *root.FulcioCertificateAuthority, at time.Time) bool {
	for i, c := range chain {
		what := "certificate"
		if i > 0 {
			what = "authority's certificate " + shown(c.Subject.String())
		}
		switch {
		case at.After(c.NotAfter):
			x.Fail(verify.CheckCertificate, inventory.ReasonCertificateExpired, fmt.Sprintf("The %s ran out at %s; the signature was made at %s.", what, moment(c.NotAfter), moment(at)))
			return false
		case at.Before(c.NotBefore):
			x.Fail(verify.CheckCertificate, inventory.ReasonCertificateInvalid, fmt.Sprintf("The %s is good from %s; the signature was made before, at %s.", what, moment(c.NotBefore), moment(at)))
			return false
		}
	}
	switch {
	case !a.ValidityPeriodEnd.IsZero() && at.After(a.ValidityPeriodEnd):
		x.Fail(verify.CheckCertificate, inventory.ReasonCertificateExpired, fmt.Sprintf("%s trusted the authority until %s; the signature was made at %s.", shown(d.Name), moment(a.ValidityPeriodEnd), moment(at)))
		return false
	case !within(at, a.ValidityPeriodStart, a.ValidityPeriodEnd):
		x.Fail(verify.CheckCertificate, inventory.ReasonCertificateInvalid, fmt.Sprintf("%s trusts the authority from %s on; the signature was made at %s.", shown(d.Name), moment(a.ValidityPeriodStart), moment(at)))
		return false
	}
	w := testify(d, m)
	if _, err := sgo.VerifyLeafCertificate(at, m.claim.certificate, w); err != nil {
		x.Fail(verify.CheckCertificate, inventory.ReasonCertificateInvalid, "The certificate names an authority that issued it, and breaks the rules it was issued under.")
		return false
	}
	return true
}

// seen checks the certificate's entry in a certificate-transparency log, at a
// moment when the chain holds.
func (x *exam) seen(d *sigstore.Domain, m *material, at time.Time) {
	w := testify(d, m)
	chains, err := sgo.VerifyLeafCertificate(at, m.claim.certificate, w)
	if err == nil && len(d.Root.CTLogs()) > 0 {
		err = sgo.VerifySignedCertificateTimestamp(chains, 1, w)
	}
	x.transparency(d, err)
}

func (x *exam) transparency(d *sigstore.Domain, err error) {
	switch {
	case len(d.Root.CTLogs()) == 0:
		x.Skip(verify.CheckSCT, fmt.Sprintf("%s has no certificate-transparency log, so none can be asked for.", shown(d.Name)))
	case err != nil && d.Stale:
		x.Skip(verify.CheckSCT, fmt.Sprintf("No certificate-transparency log that is known of %s has seen the certificate, and what is known is out of date.", shown(d.Name)))
		x.conclude(inventory.OutcomeUnverifiable, inventory.ReasonTrustRootStale, fmt.Sprintf("What is known of %s is out of date, and doesn't hold the certificate-transparency log that should have seen the certificate.", shown(d.Name)))
	case err != nil:
		x.Fail(verify.CheckSCT, inventory.ReasonCertificateInvalid, fmt.Sprintf("No certificate-transparency log of %s has seen the certificate.", shown(d.Name)))
	default:
		x.Pass(verify.CheckSCT, fmt.Sprintf("A certificate-transparency log of %s has signed that it saw the certificate.", shown(d.Name)))
	}
}

// issued says where the chain leads.
func (x *exam) issued(d *sigstore.Domain, chain []*x509.Certificate) string {
	end := "its root"
	if len(chain) > 1 {
		end = shown(chain[len(chain)-1].Subject.String())
	}
	return fmt.Sprintf("The certificate leads to %s of %s, and was good when the signature was made.", end, shown(d.Name))
}

// chained shows the certificates above the leaf.
func (x *exam) chained(d *sigstore.Domain, chain []*x509.Certificate) {
	x.above = nil
	for i, c := range chain {
		if i == 0 {
			continue
		}
		l := inventory.Link{Role: inventory.RoleIntermediate, Name: shown(c.Subject.String()), Fingerprint: string(inventory.DigestOf(c.Raw)),
			Issuer: shown(c.Issuer.String()), NotBefore: &c.NotBefore, NotAfter: &c.NotAfter}
		if i == len(chain)-1 {
			l.Role = inventory.RoleRoot
			l.Facts = []inventory.Fact{{Name: "Root of trust", Value: d.Name}}
		}
		x.above = append(x.above, l)
	}
}

// identity checks the identity in a certificate that a domain vouches for.
func (x *exam) identity(c *claim) bool {
	if problem := c.unfit(); problem != "" {
		x.Fail(verify.CheckIdentity, inventory.ReasonIdentityMalformed, problem)
		return false
	}
	x.Pass(verify.CheckIdentity, fmt.Sprintf("The certificate names %s, and %s as the issuer who vouched for that.", shown(c.identity), shown(c.issuer)))
	return true
}
