package cosign

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	sgo "github.com/sigstore/sigstore-go/pkg/verify"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/sigstore"
)

// hearing is what logs and timestamp authorities say about one signature.
type hearing struct {
	domains []*sigstore.Domain      // the ones to ask
	holder  sgo.VerificationContent // nil: nobody knows who signed, so entries can't be compared with that
	key     *verify.Key             // in the place of a certificate

	entries  int         // entries that a log vouches for
	times    []time.Time // that a log or an authority vouches for
	logs     int         // entries of logs that none of the domains knows
	stampers int         // timestamps of authorities that none of the domains knows
	unread   []string    // entries of kinds that aren't supported
}

// along checks what came along with a signature by a key: with every domain that
// knows the log or the authority. One that isn't known proves nothing and takes
// nothing away; one that is known and doesn't vouch makes the signature invalid,
// since somebody put the two together who shouldn't have.
func (x *exam) along(m *material, k *verify.Key) *hearing {
	h := &hearing{domains: x.domains, key: k}
	if k != nil {
		h.holder = keyed()
	}
	x.hear(m, h)
	return h
}

func (x *exam) hear(m *material, h *hearing) {
	var proven []*root.TransparencyLog // known from a proof, which has no time
	for i := range m.entries {
		e := &m.entries[i]
		for j := range i {
			if e.entry != nil && m.entries[j].entry != nil && e.logID == m.entries[j].logID && e.index == m.entries[j].index {
				x.Fail(verify.CheckLogEntry, inventory.ReasonTlogInvalid, "The same transparency-log entry came along twice.")
			}
		}
		if log := x.entry(m, e, h); log != nil && !e.entry.HasInclusionPromise() {
			proven = append(proven, log)
		}
	}
	for _, token := range m.timestamps {
		x.timestamp(m, token, h)
	}
	for _, log := range proven {
		for _, at := range h.times {
			if !within(at, log.ValidityPeriodStart, log.ValidityPeriodEnd) {
				x.Fail(verify.CheckLogEntry, inventory.ReasonTlogInvalid,
					fmt.Sprintf("The signature was made at %s, and the key of the log %s is good %s.", moment(at), logName(log), period(log.ValidityPeriodStart, log.ValidityPeriodEnd)))
			}
		}
	}
}

// entry checks one log entry, and returns the log if it vouches.
func (x *exam) entry(m *material, e *logEntry, h *hearing) *root.TransparencyLog {
	link := e.link()
	defer func() { x.branches = append(x.branches, link) }()
	switch {
	case e.problem != "":
		x.Fail(verify.CheckLogEntry, inventory.ReasonTlogInvalid, e.problem)
		return nil
	case e.unsupported:
		h.unread = append(h.unread, e.kind)
		x.Skip(verify.CheckLogEntry, fmt.Sprintf("Log entry type unsupported: %s. It counts for nothing.", shown(e.kind)))
		return nil
	case m.contradicts(e):
		x.Fail(verify.CheckLogEntry, inventory.ReasonTlogInvalid, "The transparency-log entry is about another signature.")
		return nil
	}
	var refused error
	for _, d := range h.domains {
		log, known := logOf(d, e.logID)
		if !known {
			continue
		}
		if h.holder == nil {
			x.Skip(verify.CheckLogEntry, "It isn't known who made the signature, so the log entry could not be compared with that.")
			return nil
		}
		w := testify(d, m)
		if h.key != nil {
			w.key = &keyVerifier{key: *h.key}
		}
		times, err := sgo.VerifyTlogEntry(&entity{content: m.content, holder: h.holder, entries: []*tlog.Entry{e.entry}}, w, 1, true)
		if err != nil {
			refused = err
			link.Name = logName(log)
			continue
		}
		at := time.Time{}
		if len(times) > 0 {
			at = times[0].Time
		}
		x.vouched(&link, d, log, e, at)
		h.entries++
		if !at.IsZero() {
			h.times = append(h.times, at)
		}
		return log
	}
	if refused != nil {
		link.Facts = append(link.Facts, inventory.Fact{Name: "Refused because", Value: shown(refused.Error())})
		x.Fail(verify.CheckLogEntry, inventory.ReasonTlogInvalid, fmt.Sprintf("The log %s does not vouch for the entry that came along: it is altered, it belongs to something else, or it isn't the log's.", link.Name))
		return nil
	}
	h.logs++
	if !e.at.IsZero() {
		link.Facts = append(link.Facts, inventory.Fact{Name: "Time (not checked)", Value: moment(e.at)})
	}
	if logs(h.domains) == 0 {
		x.Skip(verify.CheckLogEntry, "No transparency log is configured here, so whether the entry really is in one was not checked.")
	} else {
		x.Skip(verify.CheckLogEntry, fmt.Sprintf("The entry is of a log that isn't known here (%s), so whether it really is in it was not checked.", short(hex.EncodeToString([]byte(e.logID)))))
	}
	return nil
}

// contradicts reports whether an entry says of itself that it is about something
// else.
func (m *material) contradicts(e *logEntry) bool {
	return len(e.signature) > 0 && !bytes.Equal(e.signature, m.content.Signature()) || m.about != nil && !m.about(e)
}

// vouched notes an entry that a log of the domain vouches for. at is zero where
// only a proof says so.
func (x *exam) vouched(link *inventory.Link, d *sigstore.Domain, log *root.TransparencyLog, e *logEntry, at time.Time) {
	link.Name = logName(log)
	link.Facts = append(link.Facts, inventory.Fact{Name: "Root of trust", Value: d.Name})
	if at.IsZero() {
		x.Pass(verify.CheckLogEntry, fmt.Sprintf("The log %s proves that it holds the entry (index %d). That says nothing of the time.", link.Name, e.index))
		return
	}
	link.Facts = append(link.Facts, inventory.Fact{Name: "Time", Value: moment(at)})
	x.Pass(verify.CheckLogEntry, fmt.Sprintf("The log %s took the entry at %s (index %d), and signed for it.", link.Name, moment(at), e.index))
	x.made.SignedAt, x.made.SignedAtSource = earlier(x.made.SignedAt, x.made.SignedAtSource, at, inventory.SignedAtTlog)
}

// timestamp checks one RFC 3161 timestamp.
func (x *exam) timestamp(m *material, token []byte, h *hearing) {
	link := inventory.Link{Role: inventory.RoleTimestamp, Name: "RFC 3161 timestamp", Fingerprint: string(inventory.DigestOf(token))}
	defer func() { x.branches = append(x.branches, link) }()
	signer, issuer, ok := tokenSigner(token)
	if !ok {
		x.Fail(verify.CheckTimestamp, inventory.ReasonTimestampInvalid, "The timestamp can't be read.")
		return
	}
	known := 0
	for _, d := range h.domains {
		if d.Root == nil {
			continue
		}
		w := testify(d, m)
		for _, a := range w.TimestampingAuthorities() {
			if _, err := a.Verify(token, m.content.Signature()); err == nil {
				x.stamped(&link, d, w.stamps[0])
				h.times = append(h.times, w.stamps[0].at)
				return
			}
		}
		if authorityKnown(d, signer, issuer) {
			known++
		}
	}
	switch {
	case known > 0:
		x.Fail(verify.CheckTimestamp, inventory.ReasonTimestampInvalid, "The timestamp names an authority that is known here, and that one does not vouch for it: it is altered, it belongs to something else, or it is from a time at which the authority wasn't to be believed.")
	case stampers(h.domains) == 0:
		h.stampers++
		x.Skip(verify.CheckTimestamp, "No timestamp authority is configured here, so the time of signing was not checked.")
	default:
		h.stampers++
		x.Skip(verify.CheckTimestamp, "The timestamp is from an authority that isn't known here, so the time of signing was not checked.")
	}
}

// stamped notes a timestamp that an authority of the domain vouches for.
func (x *exam) stamped(link *inventory.Link, d *sigstore.Domain, s stamp) {
	name := "timestamp authority"
	if s.authority != nil {
		if s.authority.URI != "" {
			name = shown(s.authority.URI)
		}
		if s.authority.Leaf != nil {
			link.Issuer = shown(s.authority.Leaf.Subject.String())
		} else if s.authority.Root != nil {
			link.Issuer = shown(s.authority.Root.Subject.String())
		}
	}
	link.Name = name
	link.Facts = append(link.Facts, inventory.Fact{Name: "Time", Value: moment(s.at)}, inventory.Fact{Name: "Root of trust", Value: d.Name})
	x.Pass(verify.CheckTimestamp, fmt.Sprintf("The timestamp authority %s saw the signature at %s.", name, moment(s.at)))
	x.made.SignedAt, x.made.SignedAtSource = earlier(x.made.SignedAt, x.made.SignedAtSource, s.at, inventory.SignedAtAuthority)
}

// earlier keeps the first of two moments that somebody vouches for: by then the
// signature existed.
func earlier(was *time.Time, source inventory.SignedAtSource, at time.Time, from inventory.SignedAtSource) (*time.Time, inventory.SignedAtSource) {
	if was != nil && !at.Before(*was) {
		return was, source
	}
	at = at.UTC()
	return &at, from
}

func logName(l *root.TransparencyLog) string {
	if l.BaseURL != "" {
		return shown(l.BaseURL)
	}
	return short(hex.EncodeToString(l.ID))
}

func logs(domains []*sigstore.Domain) (n int) {
	for _, d := range domains {
		if d.Root != nil {
			n += len(d.Root.RekorLogs())
		}
	}
	return n
}

func stampers(domains []*sigstore.Domain) (n int) {
	for _, d := range domains {
		if d.Root != nil {
			n += len(d.Root.TimestampingAuthorities())
		}
	}
	return n
}

// short keeps the beginning of a log's id, which is hexadecimal.
func short(id string) string {
	if len(id) > 16 {
		return id[:16] + "…"
	}
	return id
}

// tokenSigner reads who a timestamp says that it is from (RFC 3161, section
// 2.4.2; RFC 5652, section 5.3): issuer and serial number of the authority's
// certificate. It is only good for telling a timestamp of somebody unknown from
// a bad one.
func tokenSigner(token []byte) (serial string, issuer []byte, ok bool) {
	t, err := timestamp.ParseResponse(token)
	if err != nil {
		return "", nil, false
	}
	p, err := pkcs7.Parse(t.RawToken)
	if err != nil || len(p.Signers) != 1 || p.Signers[0].IssuerAndSerialNumber.SerialNumber == nil {
		return "", nil, false
	}
	return p.Signers[0].IssuerAndSerialNumber.SerialNumber.String(), p.Signers[0].IssuerAndSerialNumber.IssuerName.FullBytes, true
}

// authorityKnown reports whether a domain has the authority that a timestamp
// names.
func authorityKnown(d *sigstore.Domain, serial string, issuer []byte) bool {
	for _, a := range d.Root.TimestampingAuthorities() {
		s, ok := a.(*root.SigstoreTimestampingAuthority)
		if !ok {
			continue
		}
		if s.Leaf != nil {
			if s.Leaf.SerialNumber.String() == serial && bytes.Equal(s.Leaf.RawIssuer, issuer) {
				return true
			}
			continue
		}
		for _, c := range append([]*x509.Certificate{s.Root}, s.Intermediates...) {
			if c != nil && bytes.Equal(c.RawSubject, issuer) {
				return true
			}
		}
	}
	return false
}
