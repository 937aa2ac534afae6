package notation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"time"
)

var (
	oidDeltaIndicator    = asn1.ObjectIdentifier{2, 5, 29, 27} // RFC 5280, section 5.2.4
	oidDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28} // section 5.2.5
	oidFreshest          = asn1.ObjectIdentifier{2, 5, 29, 46} // section 5.2.6
)

const (
	reasonHold    = 6 // certificateHold, which may be lifted (section 5.3.1)
	reasonRemoved = 8 // removeFromCRL: it was lifted
)

// list is a revocation list with its delta, as much of it as is needed.
type list struct {
	entries map[string]entry // by serial number
	scope   scope
	until   time.Time
	err     error // there is no list; the failure is kept for a while
}

type entry struct {
	reason       int
	at           time.Time
	invalidSince time.Time
}

// listKey names a list by its address and by whose list it has to be.
type listKey struct {
	url    string
	issuer [sha256.Size]byte
}

// fromLists looks a certificate up in every list it names. Each may cover other
// reasons, so all have to be there, and one that holds it suffices.
func (r *revocation) fromLists(ctx context.Context, c, issuer *x509.Certificate, now time.Time) answer {
	whole := answer{standing: isGood}
	fresh := slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidFreshest) })
	for _, at := range c.CRLDistributionPoints {
		u, err := address(at)
		if err != nil {
			return answer{err: err}
		}
		l := r.list(ctx, u.String(), issuer, now)
		source := "the revocation list of " + shown(u.Host)
		switch {
		case l.err != nil:
			return answer{err: l.err}
		case fresh && !l.scope.delta:
			return answer{err: saying(nil, "it demands a delta list of its own, which isn't supported.")}
		}
		if why := l.scope.misses(c); why != "" {
			return answer{err: saying(nil, "%s %s.", source, why)}
		}
		if whole.until.IsZero() || l.until.Before(whole.until) {
			whole.until = l.until
		}
		if e, ok := l.entries[string(c.SerialNumber.Bytes())]; ok && e.reason != reasonRemoved {
			return answer{standing: isRevoked, source: source, at: e.at, invalidSince: e.invalidSince, until: l.until}
		}
		whole.source = source
	}
	return whole
}

// list takes a list from what is kept, or fetches it.
func (r *revocation) list(ctx context.Context, at string, issuer *x509.Certificate, now time.Time) *list {
	key := listKey{url: at, issuer: sha256.Sum256(issuer.Raw)}
	if l := r.kept(key, now); l != nil {
		return l
	}
	select {
	case r.listing <- struct{}{}:
		defer func() { <-r.listing }()
	case <-ctx.Done():
		return &list{err: saying(ctx.Err(), "there was no time left to read a revocation list.")}
	}
	if l := r.kept(key, now); l != nil { // somebody else fetched it meanwhile
		return l
	}
	l, err := r.read(ctx, at, issuer, now)
	if err != nil {
		l = &list{err: err, until: now.Add(keepFailure)}
	}
	if most := now.Add(maxKept); l.until.After(most) {
		l.until = most
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	makeRoom(r.lists, maxLists, func(l *list) bool { return now.Before(l.until) })
	for total := len(l.entries) + r.listed(); total > maxListEntries && len(r.lists) > 0; total = len(l.entries) + r.listed() {
		makeRoom(r.lists, len(r.lists), func(l *list) bool { return now.Before(l.until) })
	}
	r.lists[key] = l
	return l
}

func (r *revocation) kept(key listKey, now time.Time) *list {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, ok := r.lists[key]; ok && now.Before(l.until) {
		return l
	}
	return nil
}

// listed counts the entries of all lists that are kept.
func (r *revocation) listed() int {
	n := 0
	for _, l := range r.lists {
		n += len(l.entries)
	}
	return n
}

// read fetches a list, and its delta where it names one.
func (r *revocation) read(ctx context.Context, at string, issuer *x509.Certificate, now time.Time) (*list, error) {
	base, err := r.download(ctx, at, issuer, now)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(base.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidDeltaIndicator) }) {
		return nil, saying(nil, "%s has a delta where a whole list should be.", shown(at))
	}
	l := &list{entries: make(map[string]entry, len(base.RevokedCertificateEntries)), until: base.NextUpdate}
	if l.scope, err = scopeOf(base); err != nil {
		return nil, saying(err, "the revocation list at %s can't be read.", shown(at))
	}
	parts := []*x509.RevocationList{base}
	if delta, err := r.delta(ctx, base, issuer, now); err != nil {
		return nil, err
	} else if delta != nil {
		// What a delta covers is what its base does (section 5.2.4); another one's
		// would leave out what was revoked since.
		if other, err := scopeOf(delta); err != nil || !l.scope.equal(other) {
			return nil, saying(err, "the delta of the revocation list at %s covers something else.", shown(at))
		}
		l.scope.delta = true
		parts = append(parts, delta)
		if delta.NextUpdate.Before(l.until) {
			l.until = delta.NextUpdate
		}
	}
	for _, part := range parts {
		for i := range part.RevokedCertificateEntries {
			if err := l.add(&part.RevokedCertificateEntries[i]); err != nil {
				return nil, saying(err, "the revocation list at %s can't be read.", shown(at))
			}
		}
	}
	return l, nil
}

// add notes an entry. What was revoked for good stays so; of what may be lifted
// the latest counts.
func (l *list) add(raw *x509.RevocationListEntry) error {
	e := entry{reason: raw.ReasonCode, at: raw.RevocationTime}
	var err error
	if e.invalidSince, err = invalidity(raw.Extensions); err != nil {
		return err
	}
	for _, x := range raw.Extensions {
		if x.Critical && !x.Id.Equal(oidInvalidityDate) {
			return fmt.Errorf("critical extension %v", x.Id)
		}
	}
	serial := string(raw.SerialNumber.Bytes())
	if old, ok := l.entries[serial]; ok && (!old.passing() || e.passing() && !old.at.Before(e.at)) {
		return nil
	}
	l.entries[serial] = e
	return nil
}

func (e entry) passing() bool { return e.reason == reasonHold || e.reason == reasonRemoved }

// download fetches one list and makes sure that it is the issuer's and holds
// now.
func (r *revocation) download(ctx context.Context, at string, issuer *x509.Certificate, now time.Time) (*x509.RevocationList, error) {
	u, err := address(at)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, saying(err, "%q is no address.", shown(at))
	}
	raw, err := r.fetch(ctx, request, maxList, listTimeout, now)
	if err != nil {
		return nil, err
	}
	from := "the revocation list of " + shown(u.Host)
	l, err := x509.ParseRevocationList(raw)
	if err != nil {
		return nil, saying(err, "%s can't be read.", from)
	}
	switch err := l.CheckSignatureFrom(issuer); {
	case err != nil:
		return nil, saying(err, "%s isn't signed by %s.", from, common(issuer.Subject))
	case l.NextUpdate.IsZero():
		return nil, saying(nil, "%s doesn't say until when it holds.", from)
	case now.After(l.NextUpdate):
		return nil, saying(nil, "%s ran out on %s.", from, moment(l.NextUpdate))
	case l.ThisUpdate.After(now.Add(skew)):
		return nil, saying(nil, "%s is of %s, which is yet to come.", from, moment(l.ThisUpdate))
	}
	for _, e := range l.Extensions {
		if e.Critical && !e.Id.Equal(oidDistributionPoint) && !e.Id.Equal(oidDeltaIndicator) {
			return nil, saying(nil, "%s demands something that isn't understood here.", from)
		}
	}
	return l, nil
}

// delta fetches the delta list that a base list names, from the first of its
// addresses that has one; nil when it names none (RFC 5280, section 5.2.6).
func (r *revocation) delta(ctx context.Context, base *x509.RevocationList, issuer *x509.Certificate, now time.Time) (*x509.RevocationList, error) {
	i := slices.IndexFunc(base.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidFreshest) })
	if i < 0 {
		return nil, nil
	}
	addresses, err := distributionPoints(base.Extensions[i].Value)
	if err != nil || len(addresses) > maxServers {
		return nil, saying(err, "a revocation list names its delta in a way that can't be read.")
	}
	if len(addresses) == 0 {
		return nil, nil
	}
	var delta *x509.RevocationList
	for _, at := range addresses {
		if delta, err = r.download(ctx, at, issuer, now); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if delta.Number == nil || base.Number == nil || delta.Number.Cmp(base.Number) <= 0 {
		return nil, saying(nil, "a delta list isn't newer than the list that names it.")
	}
	i = slices.IndexFunc(delta.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidDeltaIndicator) })
	if i < 0 {
		return nil, saying(nil, "a delta list doesn't say that it is one.")
	}
	from := new(big.Int)
	if rest, err := asn1.Unmarshal(delta.Extensions[i].Value, &from); err != nil || len(rest) > 0 || from.Cmp(base.Number) > 0 {
		return nil, saying(err, "a delta list builds on another list than the one that names it.")
	}
	return delta, nil
}

// distributionPoint is RFC 5280's (section 4.2.1.13), and so is what follows.
type distributionPoint struct {
	Name    pointName      `asn1:"optional,tag:0"`
	Reasons asn1.BitString `asn1:"optional,tag:1"`
	Issuer  asn1.RawValue  `asn1:"optional,tag:2"`
}

type pointName struct {
	Full     []asn1.RawValue  `asn1:"optional,tag:0"`
	Relative pkix.RDNSequence `asn1:"optional,tag:1"`
}

// addresses are the URIs among the names (GeneralName, choice 6).
func (n pointName) addresses() []string {
	var list []string
	for _, v := range n.Full {
		if v.Class == asn1.ClassContextSpecific && v.Tag == 6 {
			list = append(list, string(v.Bytes))
		}
	}
	return list
}

func distributionPoints(raw []byte) ([]string, error) {
	var points []distributionPoint
	rest, err := asn1.Unmarshal(raw, &points)
	if err != nil || len(rest) > 0 {
		return nil, errors.Join(errors.New("malformed distribution points"), err)
	}
	var list []string
	for _, p := range points {
		list = append(list, p.Name.addresses()...)
	}
	return list, nil
}

// scope is what a revocation list covers (RFC 5280, section 5.2.5).
type scope struct {
	names               []string // the distribution point's own; none: every certificate
	users, authorities  bool     // only certificates of that kind
	indirect, elsewhere bool     // of other issuers; something else than certificates
	delta               bool     // with a delta list
}

func scopeOf(l *x509.RevocationList) (scope, error) {
	i := slices.IndexFunc(l.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidDistributionPoint) })
	if i < 0 {
		return scope{}, nil
	}
	var point struct {
		Name        pointName      `asn1:"optional,tag:0"`
		Users       bool           `asn1:"optional,tag:1"`
		Authorities bool           `asn1:"optional,tag:2"`
		Reasons     asn1.BitString `asn1:"optional,tag:3"`
		Indirect    bool           `asn1:"optional,tag:4"`
		Attributes  bool           `asn1:"optional,tag:5"`
	}
	if rest, err := asn1.Unmarshal(l.Extensions[i].Value, &point); err != nil || len(rest) > 0 {
		return scope{}, errors.Join(errors.New("malformed issuing distribution point"), err)
	}
	return scope{names: point.Name.addresses(), users: point.Users, authorities: point.Authorities,
		indirect: point.Indirect, elsewhere: point.Attributes}, nil
}

func (s scope) equal(o scope) bool {
	return slices.Equal(s.names, o.names) && s.users == o.users && s.authorities == o.authorities &&
		s.indirect == o.indirect && s.elsewhere == o.elsewhere
}

// misses says why a list tells nothing of a certificate although its issuer
// signed it: an issuer that splits its lists signs several.
func (s scope) misses(c *x509.Certificate) string {
	switch {
	case s.indirect:
		return "is of several issuers, which isn't supported"
	case s.elsewhere, s.users && c.IsCA, s.authorities && !c.IsCA:
		return "isn't about certificates of this kind"
	case len(s.names) > 0 && !slices.ContainsFunc(s.names, func(name string) bool { return slices.Contains(c.CRLDistributionPoints, name) }):
		return "is another one than the certificate names"
	}
	return ""
}
