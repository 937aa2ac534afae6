package cosign_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/verifytest"
)

const (
	invalid      = inventory.OutcomeInvalid
	unverifiable = inventory.OutcomeUnverifiable
	verified     = inventory.OutcomeVerified
	unread       = inventory.OutcomeError
)

// copySignature hangs the signature of one fixture on the image of another.
func copySignature(t *testing.T, from, to string) *verifytest.Repo {
	a, b := fixture(t, from), fixture(t, to)
	for d, content := range a.Blobs {
		b.Blobs[d] = content
	}
	sig := a.Tags[a.Tags["v1"].TagPrefix()+".sig"]
	b.Manifests[sig] = inventory.MediaTypeOCIManifest
	b.Tags[b.Tags["v1"].TagPrefix()+".sig"] = sig
	return b
}

func TestSimpleSigning_refusesASignatureCopiedFromAnotherImage(t *testing.T) {
	r := copySignature(t, "legacy-p256", "unsigned")
	s := only(t, inspect(t, r, r.Subject(t, "v1"), keyring(t, "p256")))
	expect(t, s, invalid, inventory.ReasonDigestMismatch)
	if s.Signer == nil || s.Signer.Name != "p256" || check(s, verify.CheckSignature).Result != inventory.Pass {
		t.Errorf("who signed the other image is known, and isn't said: %+v", s)
	}
}

func TestSimpleSigning_refusesACopiedSignatureEvenOfAnUnknownKey(t *testing.T) {
	r := copySignature(t, "legacy-other", "unsigned")
	s := only(t, inspect(t, r, r.Subject(t, "v1"), keyring(t, registered...)))
	expect(t, s, invalid, inventory.ReasonDigestMismatch)
	if s.Signer != nil {
		t.Errorf("signer %+v", s.Signer)
	}
}

func TestSimpleSigning_refusesAPayloadAlteredByABit(t *testing.T) {
	r := fixture(t, "legacy-p256")
	editLegacy(t, r, func(_ *inventory.Descriptor, p []byte) []byte {
		p[strings.Index(string(p), "fixture")] ^= 1
		return p
	})
	// Nothing says which key made it, so it can't be told from a signature by
	// a key that isn't registered. It is not verified, and no more is claimed.
	s := only(t, inspect(t, r, r.Subject(t, "v1"), keyring(t, registered...)))
	expect(t, s, unverifiable, inventory.ReasonKeyUnknown)
	if s.Signer != nil {
		t.Errorf("signer %+v", s.Signer)
	}
}

func TestSimpleSigning_refusesAnAlteredPayloadWhoseLogEntryNamesARegisteredKey(t *testing.T) {
	h, r := newHand(t, false), fixture(t, "unsigned")
	payload := simple(r.Tags["v1"])
	h.legacy(t, r, payload, map[string]string{"dev.sigstore.cosign/bundle": logAnnotation(t, []byte(payload), h.sign(t, []byte(payload)), h.pem)})
	editLegacy(t, r, func(_ *inventory.Descriptor, p []byte) []byte {
		return []byte(strings.Replace(string(p), "team", "tean", 1))
	})
	expect(t, only(t, inspect(t, r, r.Subject(t, "v1"), h.ring(t))), invalid, inventory.ReasonSignatureMismatch)
}

// Each payload is really signed by a registered key: what is wrong is what it
// says.
func TestSimpleSigning_refusesPayloads(t *testing.T) {
	h := newHand(t, false)
	image := fixture(t, "unsigned").Tags["v1"]
	other := inventory.DigestOf([]byte("other"))
	good := simple(image)
	tests := map[string]struct {
		payload string
		reason  inventory.Reason
	}{
		"of another image":         {simple(other), inventory.ReasonDigestMismatch},
		"duplicate keys":           {strings.Replace(good, `"image":`, `"image":{"docker-manifest-digest":"`+string(other)+`"},"image":`, 1), inventory.ReasonPayloadMalformed},
		"keys that differ in case": {strings.Replace(good, `"image":`, `"Image":{"docker-manifest-digest":"`+string(other)+`"},"image":`, 1), inventory.ReasonPayloadMalformed},
		"trailing data":            {good + `{}`, inventory.ReasonPayloadMalformed},
		"trailing garbage":         {good + `x`, inventory.ReasonPayloadMalformed},
		"cut short":                {good[:len(good)-1], inventory.ReasonPayloadMalformed},
		"empty":                    {` `, inventory.ReasonPayloadMalformed},
		"not an object":            {`"` + string(image) + `"`, inventory.ReasonPayloadMalformed},
		"another type":             {strings.Replace(good, "cosign container", "atomic container", 1), inventory.ReasonPayloadMalformed},
		"no type":                  {strings.Replace(good, `"type"`, `"typo"`, 1), inventory.ReasonPayloadMalformed},
		"no digest":                {strings.Replace(good, string(image), "", 1), inventory.ReasonPayloadMalformed},
		"digest in upper case":     {strings.Replace(good, image.Hex(), strings.ToUpper(image.Hex()), 1), inventory.ReasonPayloadMalformed},
		"digest of another kind":   {strings.Replace(good, "sha256", "sha512", 1), inventory.ReasonPayloadMalformed},
		"digest that goes on":      {strings.Replace(good, string(image), string(image)+"0", 1), inventory.ReasonPayloadMalformed},
		"deeply nested":            {strings.Replace(good, "null", strings.Repeat("[", 100)+strings.Repeat("]", 100), 1), inventory.ReasonPayloadMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "unsigned")
			h.legacy(t, r, test.payload, nil)
			s := only(t, inspect(t, r, r.Subject(t, "v1"), h.ring(t)))
			expect(t, s, invalid, test.reason)
			if check(s, verify.CheckSignature).Result != inventory.Pass {
				t.Error("the signature itself holds")
			}
		})
	}
	r := fixture(t, "unsigned")
	h.legacy(t, r, good, nil)
	expect(t, only(t, inspect(t, r, r.Subject(t, "v1"), h.ring(t))), verified, inventory.ReasonOK)
}

func TestSimpleSigning_refusesLayers(t *testing.T) {
	tests := map[string]struct {
		edit    func(layer *inventory.Descriptor)
		outcome inventory.Outcome
		reason  inventory.Reason
	}{
		"wrong media type":        {func(l *inventory.Descriptor) { l.MediaType = "application/json" }, invalid, inventory.ReasonPayloadMalformed},
		"no signature":            {func(l *inventory.Descriptor) { l.Annotations = nil }, invalid, inventory.ReasonPayloadMalformed},
		"signature not base64":    {func(l *inventory.Descriptor) { l.Annotations["dev.cosignproject.cosign/signature"] = "?" }, invalid, inventory.ReasonPayloadMalformed},
		"empty signature":         {func(l *inventory.Descriptor) { l.Annotations["dev.cosignproject.cosign/signature"] = "" }, invalid, inventory.ReasonPayloadMalformed},
		"garbage for a signature": {func(l *inventory.Descriptor) { l.Annotations["dev.cosignproject.cosign/signature"] = "AAAA" }, unverifiable, inventory.ReasonKeyUnknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "legacy-p256")
			editLegacy(t, r, func(l *inventory.Descriptor, p []byte) []byte { test.edit(l); return p })
			expect(t, only(t, inspect(t, r, r.Subject(t, "v1"), keyring(t, "p256"))), test.outcome, test.reason)
		})
	}
}

func TestSimpleSigning_ofAKeyNobodyRegisteredIsUnverifiable(t *testing.T) {
	r := fixture(t, "legacy-other")
	for name, ring := range map[string]*verify.Keyring{"no keys": nil, "other keys": keyring(t, registered...)} {
		s := only(t, inspect(t, r, r.Subject(t, "v1"), ring))
		expect(t, s, unverifiable, inventory.ReasonKeyUnknown)
		if s.Signer != nil {
			t.Errorf("%s: signer %+v, and nothing says who signed", name, s.Signer)
		}
	}
}

func TestSimpleSigning_aKeyInTheLogEntryIsShownAndNeverTrusted(t *testing.T) {
	h, r := newHand(t, false), fixture(t, "unsigned")
	payload := simple(r.Tags["v1"])
	var signature string
	h.legacy(t, r, payload, nil)
	editLegacy(t, r, func(l *inventory.Descriptor, p []byte) []byte {
		signature = l.Annotations["dev.cosignproject.cosign/signature"]
		raw, _ := base64.StdEncoding.DecodeString(signature)
		l.Annotations["dev.sigstore.cosign/bundle"] = logAnnotation(t, p, raw, h.pem)
		return p
	})
	s := only(t, inspect(t, r, r.Subject(t, "v1"), keyring(t, "p256")))
	expect(t, s, unverifiable, inventory.ReasonKeyUnknown)
	if s.Signer == nil || s.Signer.ID != inventory.KeyID(h.spki) || s.Signer.PublicKey != "" {
		t.Errorf("signer %+v, want the key %s, unregistered", s.Signer, h.spki)
	}
	if !strings.Contains(s.Message, h.spki.Short()) {
		t.Errorf("message %q doesn't name the key", s.Message)
	}
	if check(s, verify.CheckLogEntry).Result != inventory.Skip || s.SignedAt != nil {
		t.Errorf("the entry was not checked: %+v, signed at %v", check(s, verify.CheckLogEntry), s.SignedAt)
	}
	offered := false
	for _, l := range s.Chain {
		for _, f := range l.Facts {
			offered = offered || f.Value == string(h.pem)
		}
	}
	if !offered {
		t.Error("the key isn't offered for registration")
	}
	expect(t, only(t, inspect(t, r, r.Subject(t, "v1"), h.ring(t))), verified, inventory.ReasonOK)
}

func TestSimpleSigning_refusesTheLogEntryOfAnotherArtifact(t *testing.T) {
	h, r := newHand(t, false), fixture(t, "unsigned")
	other := []byte(simple(inventory.DigestOf([]byte("other"))))
	entries := map[string]string{
		"another artifact's": logAnnotation(t, other, h.sign(t, other), h.pem),
		"not JSON":           "x",
		"trailing data":      logAnnotation(t, other, h.sign(t, other), h.pem) + "{}",
		"empty body":         `{"Payload":{"body":"","integratedTime":1,"logIndex":1,"logID":""}}`,
		"empty entry":        `{"Payload":{"body":"` + base64.StdEncoding.EncodeToString([]byte(`{"kind":"hashedrekord","spec":{}}`)) + `"}}`,
	}
	for name, entry := range entries {
		t.Run(name, func(t *testing.T) {
			h.legacy(t, r, simple(r.Tags["v1"]), map[string]string{"dev.sigstore.cosign/bundle": entry})
			s := only(t, inspect(t, r, r.Subject(t, "v1"), h.ring(t)))
			expect(t, s, invalid, inventory.ReasonTlogInvalid)
		})
	}
}

func TestSimpleSigning_underAnotherNameIsShownAndHolds(t *testing.T) {
	h, r := newHand(t, false), fixture(t, "unsigned")
	h.legacy(t, r, simple(r.Tags["v1"]), nil)
	s := only(t, inspect(t, r, r.Subject(t, "v1"), h.ring(t)))
	expect(t, s, verified, inventory.ReasonOK)
	if facts := s.Chain[1].Facts; len(facts) != 1 || facts[0].Name != "Signed as (another name than here)" || facts[0].Value != "registry.example/team/app" {
		t.Errorf("facts %+v", facts)
	}
}

func TestSimpleSigning_keylessClaimsToBeSomebodyAndIsNeverGood(t *testing.T) {
	r := fixture(t, "legacy-certificate")
	s := only(t, inspect(t, r, r.Subject(t, "v1"), keyring(t, registered...)))
	expect(t, s, unverifiable, inventory.ReasonRootUnknown)
	if want := "claims to be dev@example.com (issuer https://issuer.example); its root isn't known here"; !strings.Contains(s.Message, want) {
		t.Errorf("message %q", s.Message)
	}
	if s.Signer != nil {
		t.Errorf("signer %+v: nothing was verified", s.Signer)
	}
	if leaf := s.Chain[3]; leaf.Role != inventory.RoleLeaf || leaf.NotAfter == nil {
		t.Errorf("%+v", leaf)
	}
	// The key under the certificate is another matter: once registered, its
	// signature holds whatever the certificate says.
	expect(t, only(t, inspect(t, r, r.Subject(t, "v1"), keyring(t, "other"))), verified, inventory.ReasonOK)
}

func certificate(t *testing.T, h hand, edit func(c *x509.Certificate)) string {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(1767225600, 0), NotAfter: time.Unix(1767226200, 0),
		Subject: pkix.Name{}, EmailAddresses: []string{"dev@example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	if edit != nil {
		edit(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, h.private.Public(), h.private)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestSimpleSigning_refusesCertificatesThatCannotBeOne(t *testing.T) {
	h, stranger := newHand(t, false), newHand(t, false)
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	must(t, err)
	tests := map[string]struct {
		text   string
		reason inventory.Reason
	}{
		"a bare public key":                 {string(h.pem), inventory.ReasonCertificateInvalid},
		"a bare public key dressed up":      {strings.ReplaceAll(string(h.pem), "PUBLIC KEY", "CERTIFICATE"), inventory.ReasonCertificateInvalid},
		"no PEM":                            {"certificate", inventory.ReasonCertificateInvalid},
		"no code-signing use":               {certificate(t, h, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), inventory.ReasonCertificateInvalid},
		"a weak key":                        {certificate(t, hand{private: small}, nil), inventory.ReasonCertificateInvalid},
		"identity in the subject only":      {certificate(t, h, func(c *x509.Certificate) { c.EmailAddresses = nil; c.Subject.CommonName = "dev@example.com" }), inventory.ReasonIdentityMalformed},
		"identity as a host name":           {certificate(t, h, func(c *x509.Certificate) { c.EmailAddresses = nil; c.DNSNames = []string{"dev.example.com"} }), inventory.ReasonIdentityMalformed},
		"somebody else's certificate":       {certificate(t, stranger, nil), inventory.ReasonSignatureMismatch},
		"a private key where it should be ": {"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", inventory.ReasonCertificateInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "unsigned")
			h.legacy(t, r, simple(r.Tags["v1"]), map[string]string{"dev.sigstore.cosign/certificate": test.text})
			s := only(t, inspect(t, r, r.Subject(t, "v1"), keyring(t, registered...)))
			expect(t, s, invalid, test.reason)
			if s.Signer != nil {
				t.Errorf("signer %+v", s.Signer)
			}
		})
	}
}

func TestSimpleSigning_aCertificateDoesNotExcuseAnotherDigest(t *testing.T) {
	h, r := newHand(t, false), fixture(t, "unsigned")
	h.legacy(t, r, simple(inventory.DigestOf([]byte("other"))), map[string]string{"dev.sigstore.cosign/certificate": certificate(t, h, nil)})
	expect(t, only(t, inspect(t, r, r.Subject(t, "v1"), nil)), invalid, inventory.ReasonDigestMismatch)
}

func TestSimpleSigning_identitiesAreShownEscaped(t *testing.T) {
	h := newHand(t, false)
	extension := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}}
	var err error
	extension.Value, err = asn1.MarshalWithParams("https://issuer.example/\u202eevil\n", "utf8")
	must(t, err)
	r := fixture(t, "unsigned")
	h.legacy(t, r, simple(r.Tags["v1"]), map[string]string{"dev.sigstore.cosign/certificate": certificate(t, h, func(c *x509.Certificate) {
		c.EmailAddresses = nil
		c.URIs = []*url.URL{{Scheme: "https", Host: "example.com", Path: "/" + strings.Repeat("a", 10_000)}}
		c.ExtraExtensions = []pkix.Extension{extension}
	})})
	s := only(t, inspect(t, r, r.Subject(t, "v1"), nil))
	expect(t, s, unverifiable, inventory.ReasonRootUnknown)
	if strings.ContainsAny(s.Message, "\u202e\n") || !strings.Contains(s.Message, "⟨U+202E⟩evil⟨U+000A⟩") || len(s.Message) > 1000 {
		t.Errorf("message of %d bytes: %q", len(s.Message), s.Message)
	}
}

func TestSimpleSigning_tenThousandLayersAreCapped(t *testing.T) {
	h, r := newHand(t, false), fixture(t, "unsigned")
	h.legacy(t, r, simple(r.Tags["v1"]), nil)
	var manifest struct {
		SchemaVersion int
		Config        inventory.Descriptor
		Layers        []inventory.Descriptor
	}
	tag := r.Tags["v1"].TagPrefix() + ".sig"
	m, err := r.Manifest(t.Context(), "", tag)
	must(t, err)
	manifest.SchemaVersion, manifest.Config = 2, m.Config
	for range 10_000 {
		manifest.Layers = append(manifest.Layers, m.Layers[0])
	}
	r.PutManifest(t, inventory.MediaTypeOCIManifest, map[string]any{"schemaVersion": 2, "config": manifest.Config, "layers": manifest.Layers}, tag)
	e := inspect(t, r, r.Subject(t, "v1"), h.ring(t))
	if len(e.Signatures) != verify.MaxSignatures+1 {
		t.Fatalf("%d signatures", len(e.Signatures))
	}
	expect(t, e.Signatures[0], verified, inventory.ReasonOK)
	expect(t, e.Signatures[verify.MaxSignatures], unread, inventory.ReasonTooMany)
	blobs := 0
	for _, c := range r.Calls() {
		if strings.HasPrefix(c, "blob") {
			blobs++
		}
	}
	if blobs != 1 {
		t.Errorf("the same payload was read %d times", blobs)
	}
}

func TestSimpleSigning_aHugePayloadIsNotRead(t *testing.T) {
	h, r := newHand(t, false), fixture(t, "unsigned")
	h.legacy(t, r, strings.Repeat(" ", 50<<20), nil)
	expect(t, only(t, inspect(t, r, r.Subject(t, "v1"), h.ring(t))), unread, inventory.ReasonTooLarge)
	for _, c := range r.Calls() {
		if strings.HasPrefix(c, "blob") {
			t.Error("the payload was asked for")
		}
	}
	// A descriptor that lies about the size doesn't help.
	tag := r.Tags["v1"].TagPrefix() + ".sig"
	m, err := r.Manifest(t.Context(), "", tag)
	must(t, err)
	m.Layers[0].Size = 10
	r.PutManifest(t, inventory.MediaTypeOCIManifest, map[string]any{"schemaVersion": 2, "config": m.Config, "layers": m.Layers}, tag)
	expect(t, only(t, inspect(t, r, r.Subject(t, "v1"), h.ring(t))), unread, inventory.ReasonTooLarge)
}

func TestSimpleSigning_aPayloadThatCannotBeReadProvesNothing(t *testing.T) {
	tests := map[string]struct {
		damage func(r *verifytest.Repo, payload inventory.Digest)
		reason inventory.Reason
	}{
		"throttled": {func(r *verifytest.Repo, d inventory.Digest) {
			r.Fault = func(call, what string) error {
				if call == "blob" {
					return &inventory.LookError{Reason: inventory.ReasonRegistryThrottled, Message: "Later."}
				}
				return nil
			}
		}, inventory.ReasonRegistryThrottled},
		"missing": {func(r *verifytest.Repo, d inventory.Digest) { delete(r.Blobs, d) }, inventory.ReasonRegistryInconsistent},
		"another content": {func(r *verifytest.Repo, d inventory.Digest) {
			r.Blobs[d] = []byte(simple(inventory.DigestOf([]byte("other"))))
		}, inventory.ReasonRegistryInconsistent},
		"an error of no kind": {func(r *verifytest.Repo, d inventory.Digest) {
			r.Fault = func(call, what string) error {
				if call == "blob" {
					return errors.New("boom")
				}
				return nil
			}
		}, inventory.ReasonRegistryUnreachable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "legacy-p256")
			m, err := r.Manifest(t.Context(), "", r.Tags["v1"].TagPrefix()+".sig")
			must(t, err)
			test.damage(r, m.Layers[0].Digest)
			e := inspect(t, r, r.Subject(t, "v1"), keyring(t, "p256"))
			expect(t, only(t, e), unread, test.reason)
			if e.Incomplete == nil || e.Incomplete.Reason != test.reason || e.Fingerprint != "" {
				t.Errorf("incomplete %v, fingerprint %q: it would never be looked at again", e.Incomplete, e.Fingerprint)
			}
		})
	}
}

func TestSimpleSigning_anIndexUnderTheTagIsNoSignature(t *testing.T) {
	r := fixture(t, "unsigned")
	r.PutManifest(t, inventory.MediaTypeOCIIndex, map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": []any{}}, r.Tags["v1"].TagPrefix()+".sig")
	expect(t, only(t, inspect(t, r, r.Subject(t, "v1"), nil)), invalid, inventory.ReasonPayloadMalformed)
}

func TestSimpleSigning_oneBadLayerLeavesTheOthersAsTheyAre(t *testing.T) {
	r := fixture(t, "legacy-three")
	n := 0
	editLegacy(t, r, func(l *inventory.Descriptor, p []byte) []byte {
		if n++; n == 1 {
			return []byte("{")
		}
		return p
	})
	e := inspect(t, r, r.Subject(t, "v1"), keyring(t, "p256", "rsa"))
	if len(e.Signatures) != 3 {
		t.Fatalf("%+v", e.Signatures)
	}
	expect(t, e.Signatures[0], invalid, inventory.ReasonPayloadMalformed)
	expect(t, e.Signatures[1], verified, inventory.ReasonOK)
	expect(t, e.Signatures[2], verified, inventory.ReasonOK)
}
