package cosign_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
	"signboard/inventory/verify/sigstore"
	"signboard/inventory/verify/verifytest"
)

// What the real signers made under a whole Sigstore is read through every kind
// of registry.
func TestKeyless_readsWhatTheRealSignersMade(t *testing.T) {
	const dev = "keyless:http://127.0.0.1:5556/dex|dev@example.com"
	type found struct {
		format inventory.Format
		signer string // by id, or by the name of the key
		source inventory.SignedAtSource
	}
	legacy, bundle := inventory.FormatSimpleSigning, inventory.FormatBundle
	tlog, tsa := inventory.SignedAtTlog, inventory.SignedAtAuthority
	tests := []struct {
		fixture      string
		trusted      func(map[string]any)
		signatures   []found
		attestations int
	}{
		{"keyless-legacy", nil, []found{{legacy, dev, tlog}}, 0},
		{"keyless-legacy-timestamp", nil, []found{{legacy, dev, tlog}}, 0},
		{"keyless-legacy-timestamp-only", without("tlogs"), []found{{legacy, dev, tsa}}, 0},
		{"keyless-legacy-oci11", nil, []found{{legacy, dev, tlog}}, 0},
		{"keyless-legacy-three", nil, []found{{legacy, dev, tlog}, {legacy, dev, tlog}, {legacy, "logged-p256", tlog}}, 0},
		{"keyless-bundle-rekor1", nil, []found{{bundle, dev, tlog}}, 0},
		{"keyless-bundle-rekor2", nil, []found{{bundle, dev, tsa}}, 0},
		{"keyless-bundle-rekor2", without("ctlogs"), []found{{bundle, dev, tsa}}, 0},
		{"keyless-bundle-timestamp-only", without("tlogs"), []found{{bundle, dev, tsa}}, 0},
		{"keyless-bundle-timestamp-only", without("tlogs", "ctlogs"), []found{{bundle, dev, tsa}}, 0},
		{"keyless-bundle-fallback", nil, []found{{bundle, dev, tlog}}, 0},
		{"keyless-both", nil, []found{{legacy, dev, tlog}, {bundle, dev, tlog}, {bundle, dev, tsa}}, 0},
		{"keyless-att-dsse", nil, nil, 1},
		{"keyless-att-timestamp-only", without("tlogs"), nil, 1},
		{"keyless-attest-rekor1", nil, nil, 1},
		{"keyless-attest-many", nil, nil, 6},
		{"logged-legacy-p256", nil, []found{{legacy, "logged-p256", tlog}}, 0},
		{"logged-legacy-rsa", nil, []found{{legacy, "logged-rsa", tlog}}, 0},
		{"logged-bundle-rekor1-p256", nil, []found{{bundle, "logged-p256", tlog}}, 0},
		{"logged-bundle-rekor1-rsa", nil, []found{{bundle, "logged-rsa", tlog}}, 0},
		{"logged-bundle-rekor2-p256", nil, []found{{bundle, "logged-p256", tsa}}, 0},
		{"logged-bundle-rekor2-p384", nil, []found{{bundle, "logged-p384", tsa}}, 0},
		{"logged-bundle-rekor2-rsa", nil, []found{{bundle, "logged-rsa", tsa}}, 0},
		{"logged-att", nil, nil, 1},
		{"logged-attest", nil, nil, 1},
	}
	places := map[string]func(t *testing.T, r *verifytest.Repo) verify.Source{
		"memory": func(t *testing.T, r *verifytest.Repo) verify.Source { return r },
		"native": func(t *testing.T, r *verifytest.Repo) verify.Source { return verifytest.Serve(t, r, true) },
		"no referrers API": func(t *testing.T, r *verifytest.Repo) verify.Source {
			r.PutIndex(t)
			return verifytest.Serve(t, r, false)
		},
	}
	ring := keyring(t, "logged-p256", "logged-p384", "logged-rsa")
	for n, test := range tests {
		for place, serve := range places {
			t.Run(fmt.Sprintf("%s/%d/%s", test.fixture, n, place), func(t *testing.T) {
				r := fixture(t, test.fixture)
				e := inspectIn(t, serve(t, r), r.Subject(t, "v1"), ring, time.Time{}, private(t, test.trusted))
				if e.Incomplete != nil || e.Fingerprint == "" || len(e.Notes) > 0 {
					t.Errorf("incomplete: %v, notes %q", e.Incomplete, e.Notes)
				}
				var got []found
				for _, s := range e.Signatures {
					expect(t, s, verified, inventory.ReasonOK)
					if s.Signer == nil || s.SignedAt == nil {
						continue
					}
					f := found{s.Format, string(s.Signer.ID), s.SignedAtSource}
					domain := "private"
					if s.Signer.Kind == inventory.KeySigner {
						f.signer, domain = s.Signer.Name, ""
					}
					if s.Domain != domain || s.SignedAt.Year() != 2026 {
						t.Errorf("domain %q, signed at %v", s.Domain, s.SignedAt)
					}
					got = append(got, f)
				}
				if !sameSet(got, test.signatures) {
					t.Errorf("signatures %v, want %v", got, test.signatures)
				}
				if len(e.Attestations) != test.attestations {
					t.Errorf("%d attestations, want %d", len(e.Attestations), test.attestations)
				}
				for _, a := range e.Attestations {
					if a.Outcome != verified || a.Signer == nil || a.SignedAt == nil || len(a.Facts) == 0 || len(a.Checks) == 0 || (a.Domain == "private") != (a.Signer.Kind == inventory.KeylessSigner) {
						t.Errorf("%+v", a)
					}
				}
			})
		}
	}
}

func TestKeyless_chainRunsFromImageToRoot(t *testing.T) {
	in := newInstance(t, "acme", nil)
	s := in.seal(t, in.workflow(t), image(t))
	s.annotations["dev.sigstore.cosign/rfc3161timestamp"] = stampAnnotation(t, in.stamp(t, s.signature, signedAt.Add(time.Second)))
	got := judged(t, s, in.domain(t))
	expect(t, got, verified, inventory.ReasonOK)
	var roles []string
	for _, l := range got.Chain {
		roles = append(roles, string(l.Role))
		if l.Name == "" || len(l.Checks) == 0 {
			t.Errorf("link %+v", l)
		}
	}
	if r := strings.Join(roles, " "); r != "image statement signature leaf intermediate root tlog timestamp" {
		t.Errorf("chain %s", r)
	}
	if r := got.Chain[5]; r.Fingerprint != string(inventory.DigestOf(in.root.Raw)) || r.NotAfter == nil {
		t.Errorf("root %+v", r)
	}
	if got.SignedAt == nil || !got.SignedAt.Equal(signedAt) || got.SignedAtSource != inventory.SignedAtTlog {
		t.Errorf("signed at %v by %s; the log came first", got.SignedAt, got.SignedAtSource)
	}
	facts := map[string]string{}
	for _, f := range got.Signer.Facts {
		facts[f.Name] = f.Value
	}
	for name, want := range map[string]string{
		"Identity": "https://git.example/team/app/.workflows/release.yml@refs/heads/main", "Kind of identity": "URI", "Issuer of the identity": "https://token.ci.example",
		"Source repository": "https://git.example/team/app", "Source ref": "refs/heads/main", "Commit": "3f0c2a7e", "Trigger": "push", "Runner": "self-hosted",
		"Workflow": "https://git.example/team/app/.workflows/release.yml@refs/heads/main", "Reusable workflow": "https://git.example/team/ci/.workflows/sign.yml@refs/tags/v1",
		"Run": "https://git.example/team/app/runs/17",
	} {
		if facts[name] != want {
			t.Errorf("%s: %q, want %q", name, facts[name], want)
		}
	}
	if c := check(got, verify.CheckSCT); c.Result != inventory.Skip || !strings.Contains(c.Message, "acme has no certificate-transparency log") {
		t.Errorf("%+v", c)
	}
}

func TestKeyless_saysThatACertificateHasMoreNames(t *testing.T) {
	in := newInstance(t, "acme", nil)
	p := in.person(t, func(c *x509.Certificate) {
		c.URIs = []*url.URL{{Scheme: "https", Host: "git.example", Path: "/w"}}
		c.DNSNames = []string{"host.example"}
	})
	got := judged(t, in.seal(t, p, image(t)), in.domain(t))
	expect(t, got, verified, inventory.ReasonOK)
	if got.Signer.ID != "keyless:https://issuer.example|https://git.example/w" || !strings.Contains(fmt.Sprint(got.Signer.Facts), "3 names in all; only the first is the signer's") {
		t.Errorf("%+v", got.Signer)
	}
}

func TestKeyless_refuses(t *testing.T) {
	in, other := newInstance(t, "acme", nil), newInstance(t, "other", nil)
	expired := newInstance(t, "acme", func(c *x509.Certificate) { c.NotAfter = signedAt.Add(-time.Hour) })
	good, p := in.seal(t, in.person(t, nil), image(t)), in.person(t, nil)
	// with changes one thing about a good signature by p.
	with := func(p person, edit func(s *sealed)) sealed {
		s := in.seal(t, p, image(t))
		edit(&s)
		return s
	}
	logAt := func(p person, at time.Time) sealed {
		return with(p, func(s *sealed) {
			s.annotations["dev.sigstore.cosign/bundle"] = in.log(t, record(t, s.payload, s.signature, p.pem()), at, 7)
		})
	}
	stampOnly := func(token func(s *sealed) []byte) sealed {
		return with(p, func(s *sealed) {
			delete(s.annotations, "dev.sigstore.cosign/bundle")
			s.annotations["dev.sigstore.cosign/rfc3161timestamp"] = stampAnnotation(t, token(s))
		})
	}
	stamped := func(token func(s *sealed) []byte) sealed {
		return with(p, func(s *sealed) { s.annotations["dev.sigstore.cosign/rfc3161timestamp"] = stampAnnotation(t, token(s)) })
	}
	forger := newInstance(t, "acme", func(c *x509.Certificate) { c.SubjectKeyId = in.intermediate.SubjectKeyId })
	forged := forger.person(t, nil)
	edited := func(f func(c *x509.Certificate)) sealed { return in.seal(t, in.person(t, f), image(t)) }
	tests := map[string]struct {
		sealed sealed
		reason inventory.Reason
	}{
		"payload altered by a bit":                       {with(p, func(s *sealed) { s.payload = []byte(strings.Replace(string(s.payload), "team", "tean", 1)) }), inventory.ReasonSignatureMismatch},
		"another image's":                                {in.seal(t, p, inventory.DigestOf([]byte("other"))), inventory.ReasonDigestMismatch},
		"signature of somebody else":                     {with(p, func(s *sealed) { s.signature = in.person(t, nil).sign(t, s.payload) }), inventory.ReasonSignatureMismatch},
		"certificate ran out before the log entry":       {logAt(p, signedAt.Add(time.Hour)), inventory.ReasonCertificateExpired},
		"certificate younger than the log entry":         {logAt(p, signedAt.Add(-time.Hour)), inventory.ReasonCertificateInvalid},
		"intermediate expired at signing time":           {expired.seal(t, expired.person(t, nil), image(t)), inventory.ReasonCertificateExpired},
		"no log entry, no timestamp, expired since":      {with(p, func(s *sealed) { delete(s.annotations, "dev.sigstore.cosign/bundle") }), inventory.ReasonCertificateExpired},
		"timestamp and no log entry, where there is one": {stampOnly(func(s *sealed) []byte { return in.stamp(t, s.signature, signedAt) }), inventory.ReasonTlogMissing},
		"log entry altered":                              {with(p, func(s *sealed) { edit(t, s, "logIndex", 8) }), inventory.ReasonTlogInvalid},
		"log entry at another time":                      {with(p, func(s *sealed) { edit(t, s, "integratedTime", signedAt.Unix()+1) }), inventory.ReasonTlogInvalid},
		"log entry of another log": {with(p, func(s *sealed) {
			s.annotations["dev.sigstore.cosign/bundle"] = other.seal(t, p, image(t)).annotations["dev.sigstore.cosign/bundle"]
		}), inventory.ReasonTlogInvalid},
		"log entry without promise": {with(p, func(s *sealed) {
			s.annotations["dev.sigstore.cosign/bundle"] = strings.Replace(s.annotations["dev.sigstore.cosign/bundle"], "SignedEntryTimestamp", "Signed", 1)
		}), inventory.ReasonTlogInvalid},
		"log entry that can't be read":                   {with(p, func(s *sealed) { s.annotations["dev.sigstore.cosign/bundle"] = "{}" }), inventory.ReasonTlogInvalid},
		"timestamp over something else":                  {stamped(func(s *sealed) []byte { return in.stamp(t, s.payload, signedAt) }), inventory.ReasonTimestampInvalid},
		"timestamp altered":                              {stamped(func(s *sealed) []byte { return altered(in.stamp(t, s.signature, signedAt)) }), inventory.ReasonTimestampInvalid},
		"timestamp that can't be read":                   {stamped(func(*sealed) []byte { return []byte("x") }), inventory.ReasonTimestampInvalid},
		"timestamp annotation that can't be read":        {with(p, func(s *sealed) { s.annotations["dev.sigstore.cosign/rfc3161timestamp"] = "x" }), inventory.ReasonTimestampInvalid},
		"timestamp after the certificate's end":          {stamped(func(s *sealed) []byte { return in.stamp(t, s.signature, signedAt.Add(time.Hour)) }), inventory.ReasonCertificateExpired},
		"no code-signing use":                            {edited(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), inventory.ReasonCertificateInvalid},
		"a bare public key":                              {with(p, func(s *sealed) { s.annotations["dev.sigstore.cosign/certificate"] = string(p.hand.pem) }), inventory.ReasonCertificateInvalid},
		"a forger's certificate in the authority's name": {with(forged, func(*sealed) {}), inventory.ReasonCertificateInvalid},
		"identity as a host name":                        {edited(func(c *x509.Certificate) { c.EmailAddresses, c.DNSNames = nil, []string{"dev.example.com"} }), inventory.ReasonIdentityMalformed},
		"identity in the subject":                        {edited(func(c *x509.Certificate) { c.EmailAddresses, c.Subject.CommonName = nil, "dev@example.com" }), inventory.ReasonIdentityMalformed},
		"no issuer":                                      {edited(func(c *x509.Certificate) { c.ExtraExtensions = nil }), inventory.ReasonIdentityMalformed},
		"two issuers": {edited(func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}, Value: []byte("https://second.example")})
		}), inventory.ReasonIdentityMalformed},
		"issuer that looks like issuer and identity": {edited(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{extension(t, 8, "https://issuer.example|ceo@example.com")}
		}), inventory.ReasonIdentityMalformed},
		"issuer that is no text": {edited(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}, Value: []byte{0xff, 0xfe}}}
		}), inventory.ReasonIdentityMalformed},
		"identity beyond all bounds": {edited(func(c *x509.Certificate) { c.EmailAddresses = []string{strings.Repeat("a", 20_000) + "@example.com"} }), inventory.ReasonIdentityMalformed},
	}
	expect(t, judged(t, good, in.domain(t)), verified, inventory.ReasonOK)
	expect(t, judged(t, stamped(func(s *sealed) []byte { return in.stamp(t, s.signature, signedAt) }), in.domain(t)), verified, inventory.ReasonOK)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := in.domain(t)
			if name == "intermediate expired at signing time" {
				d = expired.domain(t)
			}
			s := judged(t, test.sealed, d)
			expect(t, s, invalid, test.reason)
			if s.Signer != nil && test.reason != inventory.ReasonDigestMismatch {
				t.Errorf("signer %+v", s.Signer)
			}
		})
	}
}

// edit changes one field of a log entry.
func edit(t *testing.T, s *sealed, field string, value any) {
	t.Helper()
	var doc map[string]any
	must(t, json.Unmarshal([]byte(s.annotations["dev.sigstore.cosign/bundle"]), &doc))
	doc["Payload"].(map[string]any)[field] = value
	s.annotations["dev.sigstore.cosign/bundle"] = string(marshal(t, doc))
}

func TestKeyless_withoutAnyTimeIsRefusedWhileTheCertificateLasts(t *testing.T) {
	in := newInstance(t, "acme", nil)
	s := in.seal(t, in.person(t, nil), image(t))
	delete(s.annotations, "dev.sigstore.cosign/bundle")
	r := fixture(t, "unsigned")
	put(t, r, s)
	got := only(t, inspectIn(t, r, r.Subject(t, "v1"), nil, signedAt.Add(time.Minute), in.domain(t)))
	expect(t, got, invalid, inventory.ReasonTlogMissing)
}

func TestKeyless_byTheRealSignerWithoutLogOrTimestampHasRunOut(t *testing.T) {
	r := fixture(t, "keyless-legacy-nothing")
	expect(t, only(t, inspectIn(t, r, r.Subject(t, "v1"), nil, time.Now().AddDate(1, 0, 0), private(t, nil))), invalid, inventory.ReasonCertificateExpired)
}

func TestKeyless_ofAnUnknownRootClaimsToBeSomebody(t *testing.T) {
	in, other := newInstance(t, "acme", nil), newInstance(t, "other", nil)
	s := in.seal(t, in.person(t, nil), image(t))
	for name, domains := range map[string][]*sigstore.Domain{"no domains": nil, "another domain with the same names": {other.domain(t)}} {
		got := judged(t, s, domains...)
		expect(t, got, unverifiable, inventory.ReasonRootUnknown)
		if got.Signer != nil || got.Domain != "" || !strings.Contains(got.Message, "claims to be dev@example.com (issuer https://issuer.example); its root isn't known here") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A root that should be newer than it is doesn't make anything invalid by what it
// lacks.
func TestKeyless_whatAStaleRootLacksIsUnverifiable(t *testing.T) {
	in, other := newInstance(t, "acme", nil), newInstance(t, "other", nil)
	p := in.person(t, nil)
	s := in.seal(t, p, image(t))
	elsewhere := in.seal(t, p, image(t))
	elsewhere.annotations["dev.sigstore.cosign/bundle"] = other.log(t, record(t, elsewhere.payload, elsewhere.signature, p.pem()), signedAt, 7)
	in.stale, other.stale = true, true
	empty := &sigstore.Domain{Name: "empty", Stale: true}
	for name, test := range map[string]struct {
		sealed  sealed
		domains []*sigstore.Domain
	}{
		"the authority":               {s, []*sigstore.Domain{other.domain(t)}},
		"everything":                  {s, []*sigstore.Domain{empty}},
		"the log":                     {elsewhere, []*sigstore.Domain{in.domain(t)}},
		"the log, beside another one": {elsewhere, []*sigstore.Domain{empty, in.domain(t)}},
	} {
		t.Run(name, func(t *testing.T) {
			got := judged(t, test.sealed, test.domains...)
			expect(t, got, unverifiable, inventory.ReasonTrustRootStale)
			if got.Signer != nil {
				t.Errorf("signer %+v", got.Signer)
			}
		})
	}
	// What it has still counts.
	expect(t, judged(t, s, in.domain(t)), verified, inventory.ReasonOK)
	broken := in.seal(t, p, image(t))
	edit(t, &broken, "logIndex", 8)
	expect(t, judged(t, broken, in.domain(t)), invalid, inventory.ReasonTlogInvalid)
}

func TestKeyless_becomesAVerdictWhenItsRootBecomesKnown(t *testing.T) {
	r := fixture(t, "keyless-both")
	s := r.Subject(t, "v1")
	var domains []*sigstore.Domain
	in := verify.NewInspector(r, func() *verify.Keyring { return nil }, cosign.New(func() []*sigstore.Domain { return domains }))
	before := in.Verify(t.Context(), s, in.Discover(t.Context(), s))
	revision, calls := in.TrustRevision(), len(r.Calls())
	domains = []*sigstore.Domain{private(t, nil)}
	if in.TrustRevision() == revision {
		t.Error("the revision doesn't know the new root")
	}
	after, ok := in.Reverify(t.Context(), s, before.Material)
	if !ok || len(after.Signatures) != 3 || len(r.Calls()) != calls {
		t.Fatalf("%v %+v, %d more calls", ok, after, len(r.Calls())-calls)
	}
	for i := range after.Signatures {
		expect(t, before.Signatures[i], unverifiable, inventory.ReasonRootUnknown)
		expect(t, after.Signatures[i], verified, inventory.ReasonOK)
	}
}

func TestFamily_revisionIsOfTheRoots(t *testing.T) {
	d, e := private(t, nil), private(t, without("tlogs"))
	revision := func(domains ...*sigstore.Domain) string {
		return cosign.New(func() []*sigstore.Domain { return domains }).Family().Revision
	}
	stale := *d
	stale.Stale = true
	seen := map[string]bool{cosign.New(nil).Family().Revision: true}
	for _, r := range []string{revision(d), revision(e), revision(d, e), revision(&stale)} {
		if seen[r] {
			t.Errorf("%q again", r)
		}
		seen[r] = true
	}
	if revision() != cosign.New(nil).Family().Revision || revision(private(t, nil)) != revision(d) {
		t.Error("the same roots have two revisions")
	}
}

func TestLogged_keyNobodyRegisteredIsOfferedForReview(t *testing.T) {
	for _, name := range []string{"logged-legacy-p256", "logged-bundle-rekor1-p256", "logged-bundle-rekor2-p256", "logged-bundle-rekor2-p384"} {
		r := fixture(t, name)
		s := only(t, inspectIn(t, r, r.Subject(t, "v1"), keyring(t, registered...), time.Time{}, private(t, nil)))
		expect(t, s, unverifiable, inventory.ReasonKeyUnknown)
		if !strings.Contains(s.Message, "logged") || check(s, verify.CheckLogEntry).Result != inventory.Pass || s.SignedAt == nil || s.Signer == nil || !strings.Contains(fmt.Sprint(s.Chain[3].Facts), "BEGIN PUBLIC KEY") {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// The entry of a log that isn't known takes nothing from a registered key.
func TestLogged_underAnUnknownLogHoldsByItsKey(t *testing.T) {
	for _, domains := range [][]*sigstore.Domain{nil, {newInstance(t, "acme", nil).domain(t)}} {
		r := fixture(t, "logged-legacy-p256")
		s := only(t, inspectIn(t, r, r.Subject(t, "v1"), keyring(t, "logged-p256"), time.Time{}, domains...))
		expect(t, s, verified, inventory.ReasonOK)
		if check(s, verify.CheckLogEntry).Result != inventory.Skip || s.SignedAt != nil {
			t.Errorf("%+v", s)
		}
	}
}

// Each is by a registered key and holds under it; the known log doesn't vouch.
func TestLogged_refusesWhatAKnownLogDoesNotVouchFor(t *testing.T) {
	in, h := newInstance(t, "acme", nil), newHand(t, false)
	payload := []byte(simple(image(t)))
	signature := h.sign(t, payload)
	again := h.sign(t, payload)
	stranger := in.person(t, nil)
	entries := map[string]string{
		"another signature of the same":   in.log(t, record(t, payload, again, string(h.pem)), signedAt, 1),
		"another artifact":                in.log(t, record(t, []byte("x"), h.sign(t, []byte("x")), string(h.pem)), signedAt, 1),
		"somebody else's":                 in.log(t, record(t, payload, stranger.sign(t, payload), stranger.pem()), signedAt, 1),
		"a promise by somebody else":      strings.Replace(in.log(t, record(t, payload, signature, string(h.pem)), signedAt, 1), `"SignedEntryTimestamp":"`, `"SignedEntryTimestamp":"AAAA`, 1),
		"a promise for another time":      strings.Replace(in.log(t, record(t, payload, signature, string(h.pem)), signedAt, 1), fmt.Sprint(signedAt.Unix()), fmt.Sprint(signedAt.Unix()+1), 1),
		"not canonical, altered by space": strings.Replace(in.log(t, record(t, payload, signature, string(h.pem)), signedAt, 1), `"body":"ey`, `"body":"IHs`, 1),
	}
	look := func(entry string) inventory.Signature {
		r := fixture(t, "unsigned")
		put(t, r, sealed{payload, signature, map[string]string{"dev.sigstore.cosign/bundle": entry}})
		return only(t, inspectIn(t, r, r.Subject(t, "v1"), h.ring(t), time.Time{}, in.domain(t)))
	}
	good := look(in.log(t, record(t, payload, signature, string(h.pem)), signedAt, 1))
	expect(t, good, verified, inventory.ReasonOK)
	if good.SignedAt == nil || !good.SignedAt.Equal(signedAt) {
		t.Errorf("signed at %v", good.SignedAt)
	}
	for name, entry := range entries {
		t.Run(name, func(t *testing.T) {
			if s := look(entry); s.Outcome != invalid || s.Reason != inventory.ReasonTlogInvalid {
				expect(t, s, invalid, inventory.ReasonTlogInvalid)
			}
		})
	}
}

// editTlog changes the log entry of a fixture's bundle.
func editTlog(t *testing.T, name string, edit func(entry map[string]any)) *verifytest.Repo {
	t.Helper()
	r := fixture(t, name)
	editBundle(t, r, func(b map[string]any) any {
		for _, e := range b["verificationMaterial"].(map[string]any)["tlogEntries"].([]any) {
			edit(e.(map[string]any))
		}
		return b
	})
	return r
}

func TestBundle_refusesProofsThatDoNotLeadToTheRoot(t *testing.T) {
	proof := func(e map[string]any) map[string]any { return e["inclusionProof"].(map[string]any) }
	flip := func(v any) string {
		raw, err := base64.StdEncoding.DecodeString(v.(string))
		must(t, err)
		return base64.StdEncoding.EncodeToString(altered(raw))
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random)
	edits := map[string]func(e map[string]any){
		"another root":              func(e map[string]any) { proof(e)["rootHash"] = flip(proof(e)["rootHash"]) },
		"another path":              func(e map[string]any) { proof(e)["hashes"] = []any{random} },
		"another place":             func(e map[string]any) { proof(e)["logIndex"] = "99" },
		"a larger tree":             func(e map[string]any) { proof(e)["treeSize"] = "100000" },
		"no checkpoint to speak of": func(e map[string]any) { proof(e)["checkpoint"] = map[string]any{"envelope": "x\n"} },
		"a checkpoint nobody signed": func(e map[string]any) {
			c := proof(e)["checkpoint"].(map[string]any)
			text, _, _ := strings.Cut(c["envelope"].(string), "\n\n")
			c["envelope"] = text + "\n\n"
		},
		"a checkpoint of another origin": func(e map[string]any) {
			c := proof(e)["checkpoint"].(map[string]any)
			c["envelope"] = "evil." + c["envelope"].(string)
		},
		"another log": func(e map[string]any) { e["logId"] = map[string]any{"keyId": random} },
		"an entry with another signature": func(e map[string]any) {
			body, err := base64.StdEncoding.DecodeString(e["canonicalizedBody"].(string))
			must(t, err)
			at := regexp.MustCompile(`ME[UQY]C`).FindIndex(body) // how an ECDSA signature begins
			if at == nil {
				t.Fatalf("no signature in %s", body)
			}
			body[at[0]+10] ^= 1
			e["canonicalizedBody"] = base64.StdEncoding.EncodeToString(body)
		},
		"an altered entry": func(e map[string]any) {
			body, err := base64.StdEncoding.DecodeString(e["canonicalizedBody"].(string))
			must(t, err)
			e["canonicalizedBody"] = base64.StdEncoding.EncodeToString(append(body, ' '))
		},
	}
	for _, name := range []string{"keyless-bundle-rekor1", "keyless-bundle-rekor2"} {
		for what, edit := range edits {
			if what == "an altered entry" && name == "keyless-bundle-rekor2" {
				continue // the entry is made anew from the signature; what came along isn't used
			}
			t.Run(name+"/"+what, func(t *testing.T) {
				r := editTlog(t, name, edit)
				s := only(t, inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, private(t, nil)))
				expect(t, s, invalid, inventory.ReasonTlogInvalid)
				if s.Signer != nil {
					t.Errorf("signer %+v", s.Signer)
				}
			})
		}
	}
}

func TestBundle_aProofAloneSaysNothingOfTheTime(t *testing.T) {
	r := editTlog(t, "keyless-bundle-rekor1", func(e map[string]any) { delete(e, "inclusionPromise") })
	s := only(t, inspectIn(t, r, r.Subject(t, "v1"), nil, time.Now().AddDate(1, 0, 0), private(t, nil)))
	expect(t, s, invalid, inventory.ReasonCertificateExpired)
	if c := check(s, verify.CheckLogEntry); c.Result != inventory.Pass || s.SignedAt != nil {
		t.Errorf("%+v, signed at %v", c, s.SignedAt)
	}
}

func TestKeyless_refusesACertificateThatNoKnownTransparencyLogHasSeen(t *testing.T) {
	unknown := func(trusted map[string]any) {
		l := trusted["ctlogs"].([]any)[0].(map[string]any)
		l["logId"] = map[string]any{"keyId": base64.StdEncoding.EncodeToString(make([]byte, 32))}
	}
	swapped := func(trusted map[string]any) { // the right id, another key
		l := trusted["ctlogs"].([]any)[0].(map[string]any)
		der, err := x509.MarshalPKIXPublicKey(newKey(t).Public())
		must(t, err)
		l["publicKey"].(map[string]any)["rawBytes"] = der
	}
	for name, edit := range map[string]func(map[string]any){"unknown": unknown, "of another key": swapped} {
		for _, f := range []string{"keyless-legacy", "keyless-bundle-rekor2"} {
			r := fixture(t, f)
			s := only(t, inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, private(t, edit)))
			expect(t, s, invalid, inventory.ReasonCertificateInvalid)
			if check(s, verify.CheckSCT).Result != inventory.Fail {
				t.Errorf("%s, %s: %+v", f, name, s.Checks)
			}
		}
	}
}

func TestAttestation_logEntryOfAnUnsupportedTypeCountsForNothing(t *testing.T) {
	r := fixture(t, "keyless-att-intoto")
	e := inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, private(t, nil))
	a := e.Attestations[0]
	if a.Outcome != unverifiable || a.Reason != inventory.ReasonNotChecked || a.Signer != nil || !strings.Contains(fmt.Sprint(a.Checks), "Log entry type unsupported: intoto 0.0.1") || len(a.Facts) > 0 {
		t.Errorf("%+v", a)
	}
}

func TestBundle_logEntryOfAnUnsupportedTypeCountsForNothing(t *testing.T) {
	r := editTlog(t, "keyless-attest-rekor1", func(e map[string]any) {
		e["canonicalizedBody"] = []byte(`{"apiVersion":"0.0.1","kind":"intoto","spec":{}}`)
	})
	e := inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, private(t, nil))
	if len(e.Signatures) != 0 || len(e.Attestations) != 1 || e.Attestations[0].Outcome != unverifiable || !strings.Contains(e.Attestations[0].Message, "intoto 0.0.1") {
		t.Errorf("%+v", e)
	}
}

// One envelope, signed by a registered key, by a stranger, and by the first again
// over something else.
func TestAttestation_eachSignatureOfAnEnvelopeIsChecked(t *testing.T) {
	h, stranger := newHand(t, false), newHand(t, false)
	r := fixture(t, "unsigned")
	sbom := statement(r.Tags["v1"])
	sbom["predicateType"] = "https://cyclonedx.org/bom"
	payload := marshal(t, sbom)
	const inToto = "application/vnd.in-toto+json"
	e := h.envelope(t, inToto, payload)
	for _, other := range []map[string]any{stranger.envelope(t, inToto, payload), h.envelope(t, inToto, []byte("{}"))} {
		e["signatures"] = append(e["signatures"].([]any), other["signatures"].([]any)...)
	}
	putEnvelope(t, r, "application/vnd.dsse.envelope.v1+json", marshal(t, e))
	got := inspect(t, r, r.Subject(t, "v1"), h.ring(t)).Attestations
	if len(got) != 3 || got[0].Outcome != verified || got[0].Signer.ID != h.signer.ID || got[1].Outcome != unverifiable || got[2].Outcome != unverifiable {
		t.Errorf("%+v", got)
	}
}
