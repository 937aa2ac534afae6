package cosign_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/policy"
	"signboard/inventory/verify"
	"signboard/inventory/verify/sigstore"
	"signboard/inventory/verify/verifytest"
)

const (
	certificateKey = "dev.sigstore.cosign/certificate"
	entryKey       = "dev.sigstore.cosign/bundle"
	stampKey       = "dev.sigstore.cosign/rfc3161timestamp"
)

// nobody says that a signature is by nobody in particular.
func nobody(t *testing.T, s inventory.Signature) {
	t.Helper()
	if s.Signer != nil || s.Outcome == verified {
		t.Errorf("%s, signed by %+v", s.Outcome, s.Signer)
	}
}

// cosign accepted a log entry that was of the log, and of another artifact,
// signature or key than the one it came with. Every entry here is really signed
// by the log, and within the certificate's life.
func TestAttack_CVE_2026_22703_logEntryOfSomethingElse(t *testing.T) {
	in := newInstance(t, "acme", nil)
	p, stranger := in.person(t, nil), in.person(t, nil)
	sameKey := person{p.hand, issue(t, &x509.Certificate{NotBefore: signedAt.Add(-time.Minute), NotAfter: signedAt.Add(time.Hour), EmailAddresses: []string{"other@example.com"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, ExtraExtensions: []pkix.Extension{extension(t, 8, "https://issuer.example")}}, in.intermediate, p.private.Public(), in.issuingKey)}
	other := []byte("something else")
	for name, body := range map[string]func(s sealed) []byte{
		"another artifact, really signed":                     func(sealed) []byte { return record(t, other, p.sign(t, other), p.pem()) },
		"this artifact, another signature of the same signer": func(s sealed) []byte { return record(t, s.payload, p.sign(t, s.payload), p.pem()) },
		"this artifact, signed by a stranger":                 func(s sealed) []byte { return record(t, s.payload, stranger.sign(t, s.payload), stranger.pem()) },
		"this signature, another certificate of the same key": func(s sealed) []byte { return record(t, s.payload, s.signature, sameKey.pem()) },
		"this signature, the bare key":                        func(s sealed) []byte { return record(t, s.payload, s.signature, string(p.hand.pem)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := in.seal(t, p, image(t))
			s.annotations[entryKey] = in.log(t, body(s), signedAt, 7)
			got := judged(t, s, in.domain(t))
			expect(t, got, invalid, inventory.ReasonTlogInvalid)
			nobody(t, got)
		})
	}
}

// The same through a bundle: the entry of one image's bundle in another's, both
// really made.
func TestAttack_CVE_2026_22703_logEntryOfAnotherBundle(t *testing.T) {
	for _, pair := range [][2]string{{"keyless-bundle-rekor1", "keyless-bundle-fallback"}, {"keyless-bundle-rekor2", "logged-bundle-rekor2-p256"}, {"logged-bundle-rekor1-p256", "keyless-bundle-rekor1"}, {"logged-bundle-rekor2-p256", "keyless-bundle-rekor2"}} {
		t.Run(pair[0]+" with the entry of "+pair[1], func(t *testing.T) {
			var entries any
			from := fixture(t, pair[1])
			editBundle(t, from, func(b map[string]any) any {
				entries = b["verificationMaterial"].(map[string]any)["tlogEntries"]
				return b
			})
			r := fixture(t, pair[0])
			editBundle(t, r, func(b map[string]any) any {
				b["verificationMaterial"].(map[string]any)["tlogEntries"] = entries
				return b
			})
			got := only(t, inspectIn(t, r, r.Subject(t, "v1"), keyring(t, "logged-p256"), time.Time{}, private(t, nil)))
			expect(t, got, invalid, inventory.ReasonTlogInvalid)
		})
	}
}

// cosign took the time from a log entry that it didn't compare with the signature:
// a certificate that had run out lived on by somebody else's entry.
func TestAttack_CVE_2022_23649_expiredCertificateRevivedByAnothersLogEntry(t *testing.T) {
	in := newInstance(t, "acme", nil)
	old := in.person(t, nil)
	honest := in.seal(t, old, inventory.DigestOf([]byte("what was signed in time")))
	stolen := sealed{payload: []byte(simple(image(t))), annotations: map[string]string{certificateKey: old.pem(), entryKey: honest.annotations[entryKey]}}
	stolen.signature = old.sign(t, stolen.payload) // long after, with the key that leaked
	got := judged(t, stolen, in.domain(t))
	expect(t, got, invalid, inventory.ReasonTlogInvalid)
	nobody(t, got)
}

// A key that came along stood in for the one that the user had given. Here it is
// logged as well, which anybody can have done.
func TestAttack_GHSA_fx35_mq7g_6g98_keyInsideOverridesTheRegisteredOne(t *testing.T) {
	in, mallory, victim := newInstance(t, "acme", nil), newHand(t, false), newHand(t, false)
	payload := []byte(simple(image(t)))
	signature := mallory.sign(t, payload)
	for name, annotations := range map[string]map[string]string{
		"in the log entry":                             {entryKey: in.log(t, record(t, payload, signature, string(mallory.pem)), signedAt, 1)},
		"where a certificate should be":                {certificateKey: string(mallory.pem), entryKey: in.log(t, record(t, payload, signature, string(mallory.pem)), signedAt, 1)},
		"in a certificate with the victim's name":      {certificateKey: certificate(t, mallory, func(c *x509.Certificate) { c.Subject.CommonName = "victim" })},
		"dressed as a certificate, beside a log entry": {certificateKey: strings.ReplaceAll(string(mallory.pem), "PUBLIC KEY", "CERTIFICATE"), entryKey: in.log(t, record(t, payload, signature, string(mallory.pem)), signedAt, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "unsigned")
			put(t, r, sealed{payload, signature, annotations})
			got := only(t, inspectIn(t, r, r.Subject(t, "v1"), victim.ring(t), time.Time{}, in.domain(t)))
			if got.Outcome == verified || got.Signer != nil && got.Signer.ID != inventory.KeyID(mallory.spki) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// An authority that had run out issued a certificate, and without a log nobody
// looked at its own dates.
func TestAttack_CVE_2026_24122_expiredIntermediateWithoutALog(t *testing.T) {
	in := newInstance(t, "acme", func(c *x509.Certificate) { c.NotAfter = signedAt.Add(-time.Second) })
	in.noLog = true
	s := in.seal(t, in.person(t, nil), image(t))
	delete(s.annotations, entryKey)
	got := judged(t, s, in.domain(t))
	expect(t, got, invalid, inventory.ReasonCertificateExpired)
	nobody(t, got)
	s.annotations[stampKey] = stampAnnotation(t, in.stamp(t, s.signature, signedAt))
	got = judged(t, s, in.domain(t))
	expect(t, got, invalid, inventory.ReasonCertificateExpired)
	nobody(t, got)
	if !strings.Contains(got.Message, "CN=intermediate") {
		t.Errorf("which one isn't said: %s", got.Message)
	}
	// The same, brought along instead of known.
	good := newInstance(t, "acme", nil)
	good.noLog = true
	s = good.seal(t, good.person(t, nil), image(t))
	delete(s.annotations, entryKey)
	s.annotations[stampKey] = stampAnnotation(t, good.stamp(t, s.signature, signedAt))
	expect(t, judged(t, s, good.domain(t)), verified, inventory.ReasonOK)
}

// Intermediates that came along may stand between leaf and root; a root that came
// along is nobody's.
func TestAttack_aChainThatBringsItsOwnRoot(t *testing.T) {
	in, forger := newInstance(t, "acme", nil), newInstance(t, "acme", nil)
	p := forger.person(t, nil)
	s := forger.seal(t, p, image(t))
	s.annotations["dev.sigstore.cosign/chain"] = person{certificate: forger.intermediate}.pem() + person{certificate: forger.root}.pem()
	s.annotations[entryKey] = in.log(t, record(t, s.payload, s.signature, p.pem()), signedAt, 7)
	got := judged(t, s, in.domain(t))
	expect(t, got, unverifiable, inventory.ReasonRootUnknown)
	nobody(t, got)
	// A self-issued authority between a real leaf's names and nothing.
	s.annotations["dev.sigstore.cosign/chain"] = person{certificate: issue(t, &x509.Certificate{Subject: forger.intermediate.Subject, SubjectKeyId: forger.intermediate.SubjectKeyId, AuthorityKeyId: in.root.SubjectKeyId, IsCA: true, BasicConstraintsValid: true,
		NotBefore: signedAt.AddDate(-1, 0, 0), NotAfter: signedAt.AddDate(1, 0, 0)}, &x509.Certificate{Subject: in.root.Subject, SubjectKeyId: in.root.SubjectKeyId}, forger.issuingKey.Public(), forger.rootKey)}.pem()
	got = judged(t, s, in.domain(t))
	expect(t, got, invalid, inventory.ReasonCertificateInvalid)
	nobody(t, got)
}

// An attestation of another type counted, as long as something verified.
func TestAttack_CVE_2022_35929_attestationOfAnotherTypeCounts(t *testing.T) {
	for _, name := range []string{"keyless-attest-many", "keyless-att-dsse", "bundle-sbom-only"} {
		r := fixture(t, name)
		e := inspectIn(t, r, r.Subject(t, "v1"), keyring(t, "p256"), time.Time{}, private(t, nil))
		if len(e.Signatures) != 0 || len(e.Attestations) == 0 {
			t.Errorf("%s: %d signatures, %d attestations", name, len(e.Signatures), len(e.Attestations))
		}
		if v := policy.Judge(policy.Facts{Repository: "local/app", Checked: true, Signatures: e.Signatures}, time.Now()); v.Status != inventory.Unsigned {
			t.Errorf("%s: %s", name, v.Status)
		}
	}
}

// An attestation that verifies as somebody's was taken although its contents said
// nothing that had been asked for.
func TestAttack_CVE_2022_35930_attestationInThePlaceOfASignature(t *testing.T) {
	h, r := newHand(t, false), fixture(t, "unsigned")
	s := statement(r.Tags["v1"])
	s["predicateType"] = "https://sigstore.dev/cosign/sign/v2" // almost
	attachBundle(t, r, h.bundle(t, marshal(t, s)))
	putEnvelope(t, r, "application/vnd.dsse.envelope.v1+json", marshal(t, h.envelope(t, "application/vnd.in-toto+json", marshal(t, statement(r.Tags["v1"])))))
	if e := inspect(t, r, r.Subject(t, "v1"), h.ring(t)); len(e.Signatures) != 0 || len(e.Attestations) != 2 {
		t.Errorf("%+v", e)
	}
}

// A statement that couldn't be parsed, or of another type than was asked for, went
// through because the error was taken for acceptance.
func TestAttack_CVE_2026_39395_malformedStatementIsAccepted(t *testing.T) {
	h := newHand(t, false)
	good := string(marshal(t, statement(image(t))))
	for name, payload := range map[string]string{
		"predicate type that is no text":      strings.Replace(good, `"https://sigstore.dev/cosign/sign/v1"`, `["https://sigstore.dev/cosign/sign/v1"]`, 1),
		"predicate type twice":                strings.Replace(good, `"predicateType"`, `"predicateType":"https://spdx.dev/Document","predicateType"`, 1),
		"predicate type in two spellings":     strings.Replace(good, `"predicateType"`, `"predicate_type":"https://spdx.dev/Document","predicateType"`, 1),
		"cut short":                           good[:len(good)-2],
		"subject that is no list":             strings.Replace(good, `"subject":[`, `"subject":{"x":[`, 1),
		"nothing":                             "",
		"null":                                "null",
		"predicate that goes on for too deep": strings.Replace(good, `"predicate":{}`, `"predicate":`+strings.Repeat("[", 80)+strings.Repeat("]", 80), 1),
	} {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "unsigned")
			attachBundle(t, r, h.bundle(t, []byte(payload)))
			putEnvelope(t, r, "application/vnd.dsse.envelope.v1+json", marshal(t, h.envelope(t, "application/vnd.in-toto+json", []byte(payload))))
			e := inspect(t, r, r.Subject(t, "v1"), h.ring(t))
			if len(e.Signatures)+len(e.Attestations) != 2 {
				t.Errorf("%+v", e)
			}
			for _, s := range e.Signatures {
				expect(t, s, invalid, inventory.ReasonPayloadMalformed)
			}
			for _, a := range e.Attestations {
				if a.Outcome != invalid || a.Reason != inventory.ReasonPayloadMalformed || len(a.Facts) > 0 {
					t.Errorf("%+v", a)
				}
			}
		})
	}
}

// One log was counted as many by repeating its entry.
func TestAttack_CVE_2026_49834_oneLogCountedTwice(t *testing.T) {
	for _, name := range []string{"keyless-bundle-rekor1", "keyless-bundle-rekor2", "logged-bundle-rekor1-p256", "logged-bundle-rekor2-p256"} {
		r := fixture(t, name)
		editBundle(t, r, func(b map[string]any) any {
			m := b["verificationMaterial"].(map[string]any)
			m["tlogEntries"] = append(m["tlogEntries"].([]any), m["tlogEntries"].([]any)...)
			return b
		})
		got := only(t, inspectIn(t, r, r.Subject(t, "v1"), keyring(t, "logged-p256"), time.Time{}, private(t, nil)))
		expect(t, got, invalid, inventory.ReasonTlogInvalid)
	}
	// The same timestamp twice is one, too.
	r := fixture(t, "keyless-bundle-rekor2")
	editBundle(t, r, func(b map[string]any) any {
		d := b["verificationMaterial"].(map[string]any)["timestampVerificationData"].(map[string]any)
		d["rfc3161Timestamps"] = append(d["rfc3161Timestamps"].([]any), d["rfc3161Timestamps"].([]any)...)
		return b
	})
	if got := only(t, inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, private(t, nil))); got.Outcome == verified && strings.Count(fmt.Sprint(got.Chain), "{timestamp ") > 2 {
		t.Errorf("%+v", got.Chain)
	}
}

// What a log, an authority or a timestamp authority vouched for outside the time in
// which its key is good was accepted.
func TestAttack_CVE_2026_54787_outsideTheKeysValidity(t *testing.T) {
	tests := map[string]struct {
		edit   func(in *instance)
		stamp  bool // the time is a timestamp's, and there is no log
		reason inventory.Reason
	}{
		"log, too late":                  {func(in *instance) { in.logUntil = signedAt.Add(-time.Hour) }, false, inventory.ReasonTlogInvalid},
		"log, too early":                 {func(in *instance) { in.logFrom = signedAt.Add(time.Hour) }, false, inventory.ReasonTlogInvalid},
		"timestamp authority, too late":  {func(in *instance) { in.tsaUntil = signedAt.Add(-time.Hour) }, true, inventory.ReasonTimestampInvalid},
		"timestamp authority, too early": {func(in *instance) { in.tsaFrom = signedAt.Add(time.Hour) }, true, inventory.ReasonTimestampInvalid},
		"authority, too late":            {func(in *instance) { in.caUntil = signedAt.Add(-time.Hour) }, false, inventory.ReasonCertificateExpired},
		"authority, too early":           {func(in *instance) { in.caFrom = signedAt.Add(time.Hour) }, false, inventory.ReasonCertificateInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in := newInstance(t, "acme", nil)
			s := in.seal(t, in.person(t, nil), image(t))
			if in.noLog = test.stamp; test.stamp {
				delete(s.annotations, entryKey)
				s.annotations[stampKey] = stampAnnotation(t, in.stamp(t, s.signature, signedAt))
			}
			expect(t, judged(t, s, in.domain(t)), verified, inventory.ReasonOK)
			test.edit(in)
			got := judged(t, s, in.domain(t))
			expect(t, got, invalid, test.reason)
			nobody(t, got)
		})
	}
	// A log that gives proofs and no times: its key is good for as long as the
	// timestamp says that it was.
	until := func(end string) func(map[string]any) {
		return func(trusted map[string]any) {
			for _, l := range trusted["tlogs"].([]any) {
				l.(map[string]any)["publicKey"].(map[string]any)["validFor"].(map[string]any)["end"] = end
			}
		}
	}
	r := fixture(t, "keyless-bundle-rekor2")
	expect(t, only(t, inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, private(t, until("2036-01-01T00:00:00Z")))), verified, inventory.ReasonOK)
	got := only(t, inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, private(t, until("2025-01-01T00:00:00Z"))))
	expect(t, got, invalid, inventory.ReasonTlogInvalid)
	nobody(t, got)
	r = fixture(t, "logged-bundle-rekor2-p256")
	expect(t, only(t, inspectIn(t, r, r.Subject(t, "v1"), keyring(t, "logged-p256"), time.Time{}, private(t, until("2025-01-01T00:00:00Z")))), invalid, inventory.ReasonTlogInvalid)
}

// Among many signatures one was good, and the artifact of another was taken for
// the verified one.
func TestAttack_CVE_2023_33959_goodSignatureOfTheWrongArtifact(t *testing.T) {
	in := newInstance(t, "acme", nil)
	r, p := fixture(t, "unsigned"), in.person(t, nil)
	other := in.seal(t, p, inventory.DigestOf([]byte("other")))
	swapped := in.seal(t, p, r.Tags["v1"])
	swapped.signature, swapped.annotations = other.signature, other.annotations // this payload, the other's signature
	put(t, r, other, swapped, other)
	e := inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, in.domain(t))
	if len(e.Signatures) != 3 {
		t.Fatalf("%+v", e)
	}
	for i, reason := range []inventory.Reason{inventory.ReasonDigestMismatch, inventory.ReasonSignatureMismatch, inventory.ReasonDigestMismatch} {
		expect(t, e.Signatures[i], invalid, reason)
	}
}

// With the roots of two instances in one heap, one's authority and the other's log
// vouch together for what neither of them would.
func TestAttack_domainMixing(t *testing.T) {
	a, b := newInstance(t, "a", nil), newInstance(t, "b", nil)
	p := a.person(t, nil)
	s := a.seal(t, p, image(t))
	fromB := b.log(t, record(t, s.payload, s.signature, p.pem()), signedAt, 7)
	both := func() []*sigstore.Domain { return []*sigstore.Domain{a.domain(t), b.domain(t)} }
	got := judged(t, s, both()...)
	expect(t, got, verified, inventory.ReasonOK)
	if got.Domain != "a" {
		t.Errorf("domain %q", got.Domain)
	}
	s.annotations[entryKey] = fromB
	got = judged(t, s, both()...)
	expect(t, got, invalid, inventory.ReasonTlogInvalid)
	nobody(t, got)
	// One's authority, the other's clock.
	a.noLog, b.noLog = true, true
	delete(s.annotations, entryKey)
	s.annotations[stampKey] = stampAnnotation(t, b.stamp(t, s.signature, signedAt))
	got = judged(t, s, both()...)
	expect(t, got, invalid, inventory.ReasonTimestampInvalid)
	nobody(t, got)
	s.annotations[stampKey] = stampAnnotation(t, a.stamp(t, s.signature, signedAt))
	expect(t, judged(t, s, both()...), verified, inventory.ReasonOK)
}

// A console takes the identity to expect from the signature itself, so that every
// signer is the expected one.
func TestAttack_expectedIdentityTakenFromTheSignature(t *testing.T) {
	in := newInstance(t, "acme", nil)
	got := judged(t, in.seal(t, in.person(t, func(c *x509.Certificate) { c.EmailAddresses = []string{"mallory@example.com"} }), image(t)), in.domain(t))
	expect(t, got, verified, inventory.ReasonOK) // that is who signed, and no more is said
	facts := policy.Facts{Repository: "local/app", Checked: true, Signatures: []inventory.Signature{got},
		Decisions: map[inventory.SignerID][]inventory.Decision{inventory.KeylessID("https://issuer.example", "dev@example.com"): {{Verb: inventory.Approve, Repositories: []inventory.Glob{"**"}, State: inventory.StateActive}}}}
	if v := policy.Judge(facts, time.Now()); v.Status != inventory.Unapproved {
		t.Errorf("%+v", v)
	}
}

func TestAttack_rightIdentityOfTheWrongIssuerIsAnotherSigner(t *testing.T) {
	in := newInstance(t, "acme", nil)
	seen := map[inventory.SignerID]bool{}
	for _, issuer := range []string{"https://issuer.example", "https://issuer.example/", "https://issuer.example.evil.example", "HTTPS://issuer.example", "https://issuer\u200b.example"} {
		got := judged(t, in.seal(t, in.person(t, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{extension(t, 8, issuer)} }), image(t)), in.domain(t))
		expect(t, got, verified, inventory.ReasonOK)
		if seen[got.Signer.ID] || got.Signer.ID != inventory.KeylessID(issuer, "dev@example.com") {
			t.Errorf("%s", got.Signer.ID)
		}
		seen[got.Signer.ID] = true
	}
}

func TestAttack_hostileIdentities(t *testing.T) {
	in := newInstance(t, "acme", nil)
	for name, identity := range map[string]string{
		"newline":  "dev@example.com\nApproved: yes",
		"carriage": "dev@example.com\rnobody",
		"HTML":     "<script>alert(1)</script>@example.com",
		"10 kB":    strings.Repeat("a", 10_000) + "@example.com",
		"escape":   "dev@example.com\x1b[2J",
	} {
		t.Run(name, func(t *testing.T) {
			got := judged(t, in.seal(t, in.person(t, func(c *x509.Certificate) { c.EmailAddresses = []string{identity} }), image(t)), in.domain(t))
			expect(t, got, verified, inventory.ReasonOK)
			if got.Signer.ID != inventory.KeylessID("https://issuer.example", identity) {
				t.Errorf("the identity isn't kept as it is: %.100q", got.Signer.ID)
			}
			if !got.Signer.ID.Valid() || got.Signer.ID == inventory.KeylessID("https://issuer.example", "dev@example.com") {
				t.Errorf("%.100q", got.Signer.ID)
			}
			for _, text := range append(texts(got), got.Signer.Name) {
				if strings.ContainsAny(text, "\n\r\x1b") || len(text) > 1500 {
					t.Errorf("shown as %.200q, %d bytes", text, len(text))
				}
			}
		})
	}
	for name, test := range map[string]struct{ issuer, identity string }{
		"bidirectional issuer": {"https://issuer.example/\u202egpj", "dev@example.com"},
		"look-alike issuer":    {"https://\u0456ssuer.example", "dev@example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			got := judged(t, in.seal(t, in.person(t, func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{extension(t, 8, test.issuer)} }), image(t)), in.domain(t))
			expect(t, got, verified, inventory.ReasonOK)
			for _, text := range texts(got) {
				if strings.ContainsRune(text, '\u202e') {
					t.Errorf("shown as %q", text)
				}
			}
			if got.Signer.ID != inventory.KeylessID(test.issuer, test.identity) {
				t.Errorf("%q", got.Signer.ID)
			}
		})
	}
	// What a database or a URL would change can't be an identity.
	got := judged(t, in.seal(t, in.person(t, func(c *x509.Certificate) { c.EmailAddresses = []string{"dev@example.com\x00"} }), image(t)), in.domain(t))
	expect(t, got, invalid, inventory.ReasonIdentityMalformed)
	nobody(t, got)
}

// texts is everything of a signature that somebody gets to read, but for PEM.
func texts(s inventory.Signature) []string {
	list := []string{s.Message}
	for _, c := range s.Checks {
		list = append(list, c.Message)
	}
	for _, l := range s.Chain {
		list = append(list, l.Name, l.Issuer)
		for _, f := range l.Facts {
			list = append(list, f.Name, f.Value)
		}
	}
	if s.Signer != nil {
		for _, f := range s.Signer.Facts {
			list = append(list, f.Value)
		}
	}
	return list
}

// A bundle that holds everything twice, or far too much of it, is refused or
// capped, and none of it is believed.
func TestAttack_pilesOfMaterial(t *testing.T) {
	r := fixture(t, "keyless-bundle-rekor1")
	editBundle(t, r, func(b map[string]any) any {
		m := b["verificationMaterial"].(map[string]any)
		entry := m["tlogEntries"].([]any)[0].(map[string]any)
		var pile []any
		for i := range 200 {
			e := maps.Clone(entry)
			e["logIndex"] = fmt.Sprint(i)
			pile = append(pile, e)
		}
		m["tlogEntries"] = pile
		return b
	})
	got := only(t, inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, private(t, nil)))
	expect(t, got, invalid, inventory.ReasonPayloadMalformed)

	r = fixture(t, "keyless-bundle-rekor2")
	editBundle(t, r, func(b map[string]any) any {
		d := b["verificationMaterial"].(map[string]any)["timestampVerificationData"].(map[string]any)
		for range 7 {
			d["rfc3161Timestamps"] = append(d["rfc3161Timestamps"].([]any), d["rfc3161Timestamps"].([]any)...)
		}
		return b
	})
	got = only(t, inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, private(t, nil)))
	nobody(t, got)
	if n := len(got.Chain); n > 50 {
		t.Errorf("%d links", n)
	}
}

// The log entry's time can't be moved without its promise, and the promise can't
// be used for another bundle of the same signer.
func TestAttack_logTimeMovedIntoTheCertificatesLife(t *testing.T) {
	in := newInstance(t, "acme", nil)
	p := in.person(t, nil)
	s := in.seal(t, p, image(t))
	s.annotations[entryKey] = in.log(t, record(t, s.payload, s.signature, p.pem()), signedAt.AddDate(0, 1, 0), 7)
	expect(t, judged(t, s, in.domain(t)), invalid, inventory.ReasonCertificateExpired)
	var doc map[string]any
	must(t, json.Unmarshal([]byte(s.annotations[entryKey]), &doc))
	doc["Payload"].(map[string]any)["integratedTime"] = signedAt.Unix()
	s.annotations[entryKey] = string(marshal(t, doc))
	got := judged(t, s, in.domain(t))
	expect(t, got, invalid, inventory.ReasonTlogInvalid)
	nobody(t, got)
}

// A registry that shows one manifest's annotations on another's layer.
func TestAttack_annotationsMovedBetweenLayers(t *testing.T) {
	in := newInstance(t, "acme", nil)
	r := fixture(t, "unsigned")
	a, b := in.seal(t, in.person(t, nil), r.Tags["v1"]), in.seal(t, in.workflow(t), r.Tags["v1"])
	a.annotations, b.annotations = b.annotations, a.annotations
	put(t, r, a, b)
	for _, s := range inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, in.domain(t)).Signatures {
		expect(t, s, invalid, inventory.ReasonSignatureMismatch)
		nobody(t, s)
	}
}

// A message signature over the manifest of another image, with everything about it
// in order, under this image.
func TestAttack_bundleCopiedFromAnotherImage(t *testing.T) {
	for _, name := range []string{"keyless-bundle-rekor1", "keyless-bundle-rekor2"} {
		from, r := fixture(t, name), fixture(t, "unsigned")
		attachBundle(t, r, bundleOf(t, from))
		got := only(t, inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, private(t, nil)))
		expect(t, got, invalid, inventory.ReasonDigestMismatch)
		if got.Signer == nil || check(got, verify.CheckSignature).Result != inventory.Pass {
			t.Errorf("who signed the other image is known, and isn't said: %+v", got)
		}
	}
}

// bundleOf is the single bundle on a fixture's v1.
func bundleOf(tb testing.TB, r *verifytest.Repo) []byte {
	tb.Helper()
	refs, _, err := r.Referrers(tb.Context(), "", r.Tags["v1"])
	must(tb, err)
	m, err := r.Manifest(tb.Context(), "", string(refs[0].Digest))
	must(tb, err)
	return r.Blobs[m.Layers[0].Digest]
}

// Every field of a real bundle is changed in turn; nothing but what nobody vouches
// for may go by.
func TestAttack_everyFieldOfABundleAltered(t *testing.T) {
	raw := bundleOf(t, fixture(t, "keyless-bundle-rekor1"))
	var b map[string]any
	must(t, json.Unmarshal(raw, &b))
	var walk func(path string, v any, set func(any))
	tried := 0
	try := func(path string, set func(any), was, is any) {
		set(is)
		defer set(was)
		tried++
		r := fixture(t, "keyless-bundle-rekor1")
		editRawBundle(t, r, func([]byte) []byte { return marshal(t, b) })
		e := inspectIn(t, r, r.Subject(t, "v1"), nil, time.Time{}, private(t, nil))
		for _, s := range e.Signatures {
			if s.Outcome == verified && !harmless(path) {
				t.Errorf("verified with another %s", path)
			}
		}
	}
	walk = func(path string, v any, set func(any)) {
		switch v := v.(type) {
		case map[string]any:
			for k, child := range v {
				walk(path+"/"+k, child, func(x any) { v[k] = x })
			}
		case []any:
			for i, child := range v {
				walk(fmt.Sprintf("%s/%d", path, i), child, func(x any) { v[i] = x })
			}
		case string:
			if b, err := base64.StdEncoding.DecodeString(v); err == nil && len(b) > 0 {
				try(path, set, v, base64.StdEncoding.EncodeToString(altered(b)))
				return
			}
			try(path, set, v, string(bytes.Map(func(r rune) rune {
				if r >= '0' && r <= '8' {
					return r + 1
				}
				return r
			}, []byte(v)))+"x")
		}
	}
	walk("", b, func(any) {})
	if tried < 15 {
		t.Errorf("only %d fields were altered", tried)
	}
}

// harmless are the fields that nothing rests on.
func harmless(path string) bool {
	return strings.HasSuffix(path, "/keyid")
}
