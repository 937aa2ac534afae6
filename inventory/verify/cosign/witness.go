package cosign

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	sgo "github.com/sigstore/sigstore-go/pkg/verify"

	"signboard/inventory/verify/sigstore"
)

// witness is the trusted material of one domain for one verification. It
// remembers the chain and the timestamps that sigstore-go accepted, which
// sigstore-go's result leaves out, so that what is shown is what was verified
// and not a second reading of it.
type witness struct {
	root.TrustedMaterial
	intermediates []*x509.Certificate // that came along: steps on a path, never its end
	stamped       []byte              // what timestamps are over, where that isn't the signature
	key           *keyVerifier        // the key being tried, if there is one

	chain  []*x509.Certificate // of the leaf, up to the root
	stamps []stamp
}

// stamp is a timestamp that an authority vouched for.
type stamp struct {
	token     []byte
	authority *root.SigstoreTimestampingAuthority
	at        time.Time
}

func (w *witness) PublicKeyVerifier(hint string) (root.TimeConstrainedVerifier, error) {
	if w.key == nil {
		return w.TrustedMaterial.PublicKeyVerifier(hint)
	}
	return under(w.key).PublicKeyVerifier(hint)
}

func (w *witness) FulcioCertificateAuthorities() []root.CertificateAuthority {
	list := slices.Clone(w.TrustedMaterial.FulcioCertificateAuthorities())
	for i := range list {
		list[i] = watchedAuthority{list[i], w}
	}
	return list
}

func (w *witness) TimestampingAuthorities() []root.TimestampingAuthority {
	list := slices.Clone(w.TrustedMaterial.TimestampingAuthorities())
	for i := range list {
		list[i] = watchedTimestamps{list[i], w}
	}
	return list
}

type watchedAuthority struct {
	root.CertificateAuthority
	w *witness
}

func (a watchedAuthority) Verify(leaf *x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	authority := a.CertificateAuthority
	if f, ok := authority.(*root.FulcioCertificateAuthority); ok && len(a.w.intermediates) > 0 {
		more := *f
		more.Intermediates = slices.Concat(f.Intermediates, a.w.intermediates)
		authority = &more
	}
	chains, err := authority.Verify(leaf, at)
	if err == nil && len(chains) > 0 {
		a.w.chain = chains[0]
	}
	return chains, err
}

type watchedTimestamps struct {
	root.TimestampingAuthority
	w *witness
}

func (a watchedTimestamps) Verify(token, message []byte) (*root.Timestamp, error) {
	if a.w.stamped != nil {
		message = a.w.stamped
	}
	t, err := a.TimestampingAuthority.Verify(token, message)
	if err == nil {
		authority, _ := a.TimestampingAuthority.(*root.SigstoreTimestampingAuthority)
		a.w.stamps = append(a.w.stamps, stamp{token: token, authority: authority, at: t.Time})
	}
	return t, err
}

// testify makes the witness of a domain.
func testify(d *sigstore.Domain, m *material) *witness {
	return &witness{TrustedMaterial: d.Root, intermediates: m.intermediates, stamped: m.stamped}
}

// verifier demands of a signature by a certificate what the domain can vouch for:
// an entry in a log where it has one, a time from either a log or an authority,
// and where it has certificate-transparency logs, that the certificate is in one.
// It costs next to nothing to make and holds the witness of one verification, so
// it isn't kept.
func verifier(d *sigstore.Domain, w *witness) (*sgo.Verifier, error) {
	options := []sgo.VerifierOption{sgo.WithObserverTimestamps(1), sgo.WithoutStatementPredicate()}
	if len(d.Root.RekorLogs()) > 0 {
		options = append(options, sgo.WithTransparencyLog(1))
	}
	if len(d.Root.CTLogs()) > 0 {
		options = append(options, sgo.WithSignedCertificateTimestamps(1))
	}
	return sgo.NewVerifier(w, options...)
}

// logOf finds the domain's log with the id.
func logOf(d *sigstore.Domain, id string) (*root.TransparencyLog, bool) {
	if d.Root == nil {
		return nil, false
	}
	l, ok := d.Root.RekorLogs()[hex.EncodeToString([]byte(id))]
	return l, ok
}

// authorities are a domain's certificate authorities, with their chains.
func authorities(d *sigstore.Domain) []*root.FulcioCertificateAuthority {
	if d.Root == nil {
		return nil
	}
	var list []*root.FulcioCertificateAuthority
	for _, a := range d.Root.FulcioCertificateAuthorities() {
		if f, ok := a.(*root.FulcioCertificateAuthority); ok {
			list = append(list, f)
		}
	}
	return list
}

// knows reports whether a domain has the certificate that the leaf, or one that
// came along with it, names as its issuer. A name is only a name: whether the
// issuer made it is for the signatures to say.
func knows(d *sigstore.Domain, c *claim, along []*x509.Certificate) bool {
	for _, a := range authorities(d) {
		for _, parent := range append([]*x509.Certificate{a.Root}, a.Intermediates...) {
			if parent == nil {
				continue
			}
			if names(c.certificate, parent) || slices.ContainsFunc(along, func(i *x509.Certificate) bool { return names(i, parent) }) {
				return true
			}
		}
	}
	return false
}

// names reports whether a certificate names another as its issuer (RFC 5280,
// sections 4.1.2.4 and 4.2.1.1).
func names(child, parent *x509.Certificate) bool {
	return bytes.Equal(child.RawIssuer, parent.RawSubject) &&
		(len(child.AuthorityKeyId) == 0 || len(parent.SubjectKeyId) == 0 || bytes.Equal(child.AuthorityKeyId, parent.SubjectKeyId))
}

// path follows the signatures from a leaf to the root of a domain, whatever the
// dates and purposes on the way; nil when they lead nowhere.
func path(d *sigstore.Domain, leaf *x509.Certificate, along []*x509.Certificate) ([]*x509.Certificate, *root.FulcioCertificateAuthority) {
	const longest = 8
	for _, a := range authorities(d) {
		if a.Root == nil {
			continue
		}
		chain := []*x509.Certificate{leaf}
		parents := slices.Concat(a.Intermediates, along)
	climb:
		for len(chain) < longest {
			last := chain[len(chain)-1]
			if names(last, a.Root) && last.CheckSignatureFrom(a.Root) == nil {
				return append(chain, a.Root), a
			}
			for _, parent := range parents {
				if names(last, parent) && !slices.ContainsFunc(chain, parent.Equal) && last.CheckSignatureFrom(parent) == nil {
					chain = append(chain, parent)
					continue climb
				}
			}
			break
		}
	}
	return nil, nil
}

// period says from when to when, for a sentence.
func period(from, to time.Time) string {
	switch {
	case from.IsZero() && to.IsZero():
		return "at any time"
	case to.IsZero():
		return "from " + moment(from)
	case from.IsZero():
		return "until " + moment(to)
	}
	return fmt.Sprintf("from %s to %s", moment(from), moment(to))
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// within reports whether a moment lies in a period; zero bounds are open.
func within(t, from, to time.Time) bool {
	return (from.IsZero() || !t.Before(from)) && (to.IsZero() || !t.After(to))
}
