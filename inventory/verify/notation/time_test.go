package notation_test

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/notaryproject/notation-core-go/signature"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/notation"
)

// stamped countersigns a JWS at a time.
func stamped(tb testing.TB, raw []byte, by holder, at time.Time) []byte {
	tb.Helper()
	return edit(tb, raw, func(e map[string]any) {
		mark, err := base64.RawURLEncoding.DecodeString(e["signature"].(string))
		must(tb, err)
		e["header"].(map[string]any)["io.cncf.notary.timestampSignature"] = token(tb, mark, by, at)
	})
}

// token is an RFC 3161 timestamp of a signature.
func token(tb testing.TB, mark []byte, by holder, at time.Time) []byte {
	tb.Helper()
	h := crypto.SHA256.New()
	h.Write(mark)
	stamp := timestamp.Timestamp{HashAlgorithm: crypto.SHA256, HashedMessage: h.Sum(nil), Time: at.UTC(), Accuracy: time.Second,
		Policy: asn1.ObjectIdentifier{1, 2, 3}, AddTSACertificate: true, Certificates: by.chain[1:]}
	response, err := stamp.CreateResponseWithOpts(by.certificate(), by.key, crypto.SHA256)
	must(tb, err)
	var parsed struct {
		Status asn1.RawValue
		Token  asn1.RawValue
	}
	_, err = asn1.Unmarshal(response, &parsed)
	must(tb, err)
	return parsed.Token.FullBytes
}

func TestTime_whatVouchesForItDecides(t *testing.T) {
	root, tsaRoot := authority(t, "Root", nil), authority(t, "Time root", nil)
	leaf, old := signer(t, "build", &root), signer(t, "old", &root, over)
	young := signer(t, "young", &root, func(c *x509.Certificate) { c.NotBefore = epoch.Add(30 * time.Minute) })
	oldSub := authority(t, "Old sub", &root, over)
	underOld := signer(t, "under old", &oldSub)
	tsa := stamper(t, "Stamps", &tsaRoot)
	strange := authority(t, "Strange root", nil)
	stranger := stamper(t, "Stranger", &strange)
	loose := stamper(t, "Loose", &tsaRoot, func(c *x509.Certificate) {
		c.ExtraExtensions, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping} // not critical
	})
	broad := stamper(t, "Broad", &tsaRoot, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment })
	noStamps := signer(t, "no stamps", &tsaRoot)
	above := tsaRoot
	for i := range 12 {
		above = authority(t, fmt.Sprintf("Time sub %d", i), &above)
	}
	heap := stamper(t, "Heap", &above)
	then, now := epoch.Add(-90*time.Minute), epoch.Add(-time.Minute) // the old certificate was valid then
	of := func(h holder) func(inventory.Descriptor) []byte {
		return func(d inventory.Descriptor) []byte { return forge(t, h, payload(d), nil) }
	}
	with := func(h, by holder, at time.Time) func(inventory.Descriptor) []byte {
		return func(d inventory.Descriptor) []byte { return stamped(t, forge(t, h, payload(d), nil), by, at) }
	}
	header := func(h holder, value any) func(inventory.Descriptor) []byte {
		return func(d inventory.Descriptor) []byte {
			return edit(t, forge(t, h, payload(d), nil), func(e map[string]any) {
				e["header"].(map[string]any)["io.cncf.notary.timestampSignature"] = value
			})
		}
	}
	trusted := []notation.Store{store(t, "ca", "acme", root.root()), store(t, "tsa", "stamps", tsaRoot.root())}
	const unlooked = "notation-go doesn't look at a countersignature while the certificates are valid"
	mount(t, trusted, []attack{
		{name: "valid now", envelope: of(leaf), outcome: verified, reason: inventory.ReasonOK},
		{name: "run out", envelope: of(old), outcome: invalid, reason: inventory.ReasonCertificateExpired},
		{name: "run out, countersigned before", envelope: with(old, tsa, then), outcome: verified, reason: inventory.ReasonOK},
		{name: "run out, countersigned after", envelope: with(old, tsa, now), outcome: invalid, reason: inventory.ReasonCertificateExpired},
		{name: "run out, countersigned on the edge", envelope: with(old, tsa, old.certificate().NotAfter), outcome: invalid, reason: inventory.ReasonCertificateExpired},
		{name: "run out, countersigned before it was valid", envelope: with(old, tsa, epoch.Add(-4*time.Hour)), outcome: invalid, reason: inventory.ReasonTimestampInvalid},
		{name: "run out, countersigned by a stranger", envelope: with(old, stranger, then), outcome: invalid, reason: inventory.ReasonCertificateExpired},
		{name: "intermediate run out", envelope: of(underOld), outcome: invalid, reason: inventory.ReasonCertificateExpired},
		{name: "intermediate run out, countersigned before", envelope: with(underOld, tsa, then), outcome: verified, reason: inventory.ReasonOK},
		{name: "not valid yet", envelope: of(young), outcome: invalid, reason: inventory.ReasonCertificateInvalid},
		{name: "not valid yet when countersigned", envelope: with(young, tsa, now), outcome: invalid, reason: inventory.ReasonCertificateInvalid},
		{name: "valid, countersigned", envelope: with(leaf, tsa, then), outcome: verified, reason: inventory.ReasonOK},
		{name: "valid, countersigned by a stranger", envelope: with(leaf, stranger, then), outcome: verified, reason: inventory.ReasonOK},
		{name: "countersigned for another", envelope: func(d inventory.Descriptor) []byte {
			return header(leaf, token(t, []byte("another signature"), tsa, then))(d)
		}, outcome: invalid, reason: inventory.ReasonTimestampInvalid, stricter: unlooked},
		{name: "run out, countersigned for another", envelope: header(old, token(t, []byte("another signature"), tsa, then)), outcome: invalid, reason: inventory.ReasonTimestampInvalid},
		{name: "garbage for a countersignature", envelope: header(leaf, []byte("hello")), outcome: invalid, reason: inventory.ReasonTimestampInvalid, stricter: unlooked},
		{name: "a huge countersignature", envelope: header(leaf, make([]byte, 64<<10+1)), outcome: invalid, reason: inventory.ReasonTimestampInvalid, stricter: unlooked},
		{name: "countersigned with a heap of certificates", envelope: with(old, heap, then), outcome: invalid, reason: inventory.ReasonTimestampInvalid, stricter: "notation-go sets no limit"},
		{name: "countersigned without the use", envelope: with(leaf, noStamps, then), outcome: invalid, reason: inventory.ReasonTimestampInvalid, stricter: unlooked},
		{name: "countersigned with a use that isn't critical", envelope: with(old, loose, then), outcome: invalid, reason: inventory.ReasonTimestampInvalid},
		{name: "countersigned with a key for more than signatures", envelope: with(old, broad, then), outcome: invalid, reason: inventory.ReasonTimestampInvalid},
		{name: "signer as timestamp authority", envelope: with(old, leaf, then), outcome: invalid, reason: inventory.ReasonCertificateExpired},
	})
	// Without an authority that is known a countersignature is only a claim.
	mount(t, trusted[:1], []attack{
		{name: "nobody known, valid", envelope: with(leaf, tsa, then), outcome: verified, reason: inventory.ReasonOK},
		{name: "nobody known, run out", envelope: with(old, tsa, then), outcome: invalid, reason: inventory.ReasonCertificateExpired},
	})
	s := examine(t, notation.New(trusted, nil), jws, with(old, tsa, then))
	if s.SignedAtSource != inventory.SignedAtAuthority || !s.SignedAt.Equal(then) || s.Expires != nil {
		t.Errorf("%+v", s)
	}
	if l := s.Chain[len(s.Chain)-1]; l.Role != inventory.RoleTimestamp || l.Name != "Stamps" || len(l.Checks) != 1 {
		t.Errorf("%+v", l)
	}
	s = examine(t, notation.New(trusted, nil), jws, with(old, tsa, now))
	if !strings.Contains(s.Message, "had run out on") || !strings.Contains(s.Message, "before Stamps saw the signature") {
		t.Errorf("%s", s.Message)
	}
	s = examine(t, notation.New(trusted, nil), jws, with(leaf, stranger, then))
	if s.SignedAtSource != inventory.SignedAtClaimed || s.Expires == nil || check(s, verify.CheckTimestamp).Result != inventory.Skip {
		t.Errorf("%+v", s)
	}
}

// A signing authority's time is proven by itself: the certificates have to have
// been valid then, and may have run out since.
func TestTime_ofASigningAuthority(t *testing.T) {
	root := authority(t, "Authority", nil)
	leaf, old := signer(t, "build", &root), signer(t, "old", &root, over)
	at := func(h holder, at time.Time) func(inventory.Descriptor) []byte {
		return func(d inventory.Descriptor) []byte {
			return forge(t, h, payload(d), map[string]any{"io.cncf.notary.signingScheme": "notary.x509.signingAuthority", "io.cncf.notary.signingTime": nil,
				"io.cncf.notary.authenticSigningTime": at.Format(time.RFC3339), "crit": []string{"io.cncf.notary.signingScheme", "io.cncf.notary.authenticSigningTime"}})
		}
	}
	trusted := []notation.Store{store(t, "signingAuthority", "sa", root.root())}
	mount(t, trusted, []attack{
		{name: "valid", envelope: at(leaf, epoch.Add(-time.Hour)), outcome: verified, reason: inventory.ReasonOK},
		{name: "run out since", envelope: at(old, epoch.Add(-2*time.Hour)), outcome: verified, reason: inventory.ReasonOK},
		{name: "run out before", envelope: at(old, epoch.Add(-time.Minute)), outcome: invalid, reason: inventory.ReasonCertificateExpired},
		{name: "not valid yet", envelope: at(leaf, epoch.Add(-9*time.Hour)), outcome: invalid, reason: inventory.ReasonCertificateInvalid},
	})
	s := examine(t, notation.New(trusted, nil), jws, at(old, epoch.Add(-2*time.Hour)))
	if s.SignedAtSource != inventory.SignedAtAuthority || s.Expires != nil || s.Domain != "sa" {
		t.Errorf("%+v", s)
	}
}

// The signer's own last day counts in every case; the earlier of two dates is
// the one that is announced.
func TestTime_theSignersLastDay(t *testing.T) {
	root, tsaRoot := authority(t, "Root", nil), authority(t, "Time root", nil)
	leaf, tsa := signer(t, "build", &root), stamper(t, "Stamps", &tsaRoot)
	until := func(at time.Time) func(inventory.Descriptor) []byte {
		return func(d inventory.Descriptor) []byte {
			return sign(t, jws, leaf, payload(d), func(r *signature.SignRequest) { r.Expiry = at })
		}
	}
	trusted := []notation.Store{store(t, "ca", "acme", root.root()), store(t, "tsa", "stamps", tsaRoot.root())}
	mount(t, trusted, []attack{
		{name: "to come", envelope: until(epoch.Add(30 * time.Minute)), outcome: verified, reason: inventory.ReasonOK},
		{name: "past", envelope: until(epoch.Add(-time.Minute)), outcome: invalid, reason: inventory.ReasonSignatureExpired},
		{name: "past, countersigned", envelope: func(d inventory.Descriptor) []byte {
			return stamped(t, until(epoch.Add(-time.Minute))(d), tsa, epoch.Add(-time.Hour))
		},
			outcome: invalid, reason: inventory.ReasonSignatureExpired},
	})
	for _, c := range []struct {
		at     time.Duration
		want   time.Duration
		reason inventory.Reason
	}{{30 * time.Minute, 30 * time.Minute, inventory.ReasonSignatureExpired}, {2 * time.Hour, time.Hour, inventory.ReasonCertificateExpired}} {
		s := examine(t, notation.New(trusted, nil), jws, until(epoch.Add(c.at)))
		if s.Expires == nil || !s.Expires.At.Equal(epoch.Add(c.want)) || s.Expires.Reason != c.reason {
			t.Errorf("%+v", s.Expires)
		}
	}
	// A last day that has come is a failure even where nobody knows the root.
	expect(t, examine(t, notation.New(nil, nil), jws, until(epoch.Add(-time.Minute))), invalid, inventory.ReasonSignatureExpired)
}

// CVE-2024-56138: the certificate of a timestamp authority was revoked, and who
// holds its key writes whatever date is needed.
func TestAttack_CVE_2024_56138_revokedTimestampAuthority(t *testing.T) {
	root, tsaRoot := authority(t, "Root", nil), authority(t, "Time root", nil)
	old := signer(t, "old", &root, over)
	server := newResponder(t)
	tsa := stamper(t, "Stamps", &tsaRoot, server.lists("/tsa.crl"))
	trusted := []notation.Store{store(t, "ca", "acme", root.root()), store(t, "tsa", "stamps", tsaRoot.root())}
	envelope := func(d inventory.Descriptor) []byte {
		return stamped(t, forge(t, old, payload(d), nil), tsa, epoch.Add(-90*time.Minute))
	}
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		outcome inventory.Outcome
		reason  inventory.Reason
	}{
		"revoked": {server.list(tsaRoot, revoking(tsa.certificate())), invalid, inventory.ReasonTimestampInvalid},
		"good":    {server.list(tsaRoot), verified, inventory.ReasonOK},
		"silent":  {status(http.StatusServiceUnavailable), unread, inventory.ReasonTrustRootStale},
	} {
		t.Run(name, func(t *testing.T) {
			server.answer("/tsa.crl", c.answer)
			r, s := subject(t)
			raw := envelope(s.Manifest)
			attach(t, r, s, jws, raw)
			got := only(t, inspect(t, notation.New(trusted, http.DefaultClient), r, s, time.Time{}))
			expect(t, got, c.outcome, c.reason)
			agree(t, got, refuses(t, trusted, http.DefaultClient, jws, raw, s.Manifest), "")
			if name == "revoked" && !strings.Contains(check(got, verify.CheckTimestamp).Message, "Stamps was revoked") {
				t.Errorf("%+v", got.Checks)
			}
		})
	}
}
