package notation

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

var (
	oidInvalidityDate = asn1.ObjectIdentifier{2, 5, 29, 24}                  // RFC 5280, section 5.3.2
	oidNoCheck        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5} // RFC 6960, section 4.2.2.2.1
)

// skew is how far the clocks of others may be ahead of ours.
const skew = 10 * time.Minute

var errTooLong = errors.New("too long")

func readAll(body io.Reader, max int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, max+1))
	if err == nil && int64(len(b)) > max {
		return nil, errTooLong
	}
	return b, err
}

// ocsp asks one responder. It reports whether that is the end of it: a
// responder that answers, be it that it doesn't know, is not second-guessed.
func (r *revocation) ocsp(ctx context.Context, server string, c, issuer *x509.Certificate, now time.Time) (answer, bool) {
	u, err := address(server)
	if err != nil {
		return answer{err: err}, false
	}
	// SHA-1 names the issuer here and proves nothing; it is what every responder
	// understands.
	question, err := ocsp.CreateRequest(c, issuer, nil)
	if err != nil {
		return answer{err: saying(err, "no question can be made of it.")}, false
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(question))
	if err != nil {
		return answer{err: saying(err, "%q is no address.", shown(server))}, false
	}
	request.Header.Set("Content-Type", "application/ocsp-request")
	raw, err := r.fetch(ctx, request, maxAnswer, ocspTimeout, now)
	if err != nil {
		return answer{err: err}, false
	}
	responder := "the responder " + shown(u.Host)
	useless := func(err error, format string, args ...any) (answer, bool) {
		return answer{err: saying(err, responder+" "+format, args...)}, false
	}
	response, err := ocsp.ParseResponseForCert(raw, c, issuer)
	if err != nil {
		return useless(err, "gives no answer that can be relied on.")
	}
	switch {
	case response.NextUpdate.IsZero():
		return useless(nil, "doesn't say until when its answer holds.")
	case now.After(response.NextUpdate):
		return useless(nil, "gives an answer that ran out on %s.", moment(response.NextUpdate))
	case response.ThisUpdate.After(now.Add(skew)):
		return useless(nil, "gives an answer of %s, which is yet to come.", moment(response.ThisUpdate))
	}
	if why := r.mayAnswer(ctx, response.Certificate, issuer, now); why != nil {
		return useless(why, "gives an answer signed by somebody who may not: %s", message(why))
	}
	a := answer{source: responder, until: response.NextUpdate}
	switch response.Status {
	case ocsp.Good:
		a.standing = isGood
	case ocsp.Revoked:
		a.standing, a.at = isRevoked, response.RevokedAt
		a.invalidSince, _ = invalidity(response.Extensions)
	default:
		return answer{err: saying(nil, "%s doesn't know the certificate.", responder)}, true
	}
	return a, true
}

// mayAnswer says why the certificate that an OCSP response came with may not
// sign one (RFC 6960, section 4.2.2.2). The library has made sure that the
// issuer signed it, as it signed the certificate that is asked about.
func (r *revocation) mayAnswer(ctx context.Context, responder, issuer *x509.Certificate, now time.Time) error {
	if responder == nil || responder.Equal(issuer) {
		return nil
	}
	switch {
	case !slices.Contains(responder.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return saying(nil, "the certificate of %s isn't for that.", common(responder.Subject))
	case now.Before(responder.NotBefore) || now.After(responder.NotAfter):
		return saying(nil, "the certificate of %s isn't valid now.", common(responder.Subject))
	}
	trusted := slices.ContainsFunc(responder.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidNoCheck) })
	if trusted || len(responder.CRLDistributionPoints) == 0 {
		return nil
	}
	switch a := r.fromLists(ctx, responder, issuer, now); a.standing {
	case isGood:
		return nil
	case isRevoked:
		return saying(nil, "the certificate of %s was revoked.", common(responder.Subject))
	default:
		return saying(a.err, "whether its own certificate was revoked could not be found out.")
	}
}

// invalidity reads the date from which on a revoked key is known to be bad.
func invalidity(extensions []pkix.Extension) (time.Time, error) {
	var t time.Time
	for _, e := range extensions {
		if !e.Id.Equal(oidInvalidityDate) {
			continue
		}
		rest, err := asn1.UnmarshalWithParams(e.Value, &t, "generalized")
		if err != nil || len(rest) > 0 {
			return time.Time{}, fmt.Errorf("malformed invalidity date")
		}
	}
	return t, nil
}
