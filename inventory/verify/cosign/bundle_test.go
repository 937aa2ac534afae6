package cosign_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/verifytest"
)

// look checks the single bundle on v1.
func look(t *testing.T, r *verifytest.Repo, ring *verify.Keyring) inventory.Signature {
	t.Helper()
	return only(t, inspect(t, r, r.Subject(t, "v1"), ring))
}

func TestBundle_refusesOneCopiedFromAnotherImage(t *testing.T) {
	from, r := fixture(t, "bundle-p256"), fixture(t, "unsigned")
	refs, _, err := from.Referrers(t.Context(), "", from.Tags["v1"])
	must(t, err)
	m, err := from.Manifest(t.Context(), "", string(refs[0].Digest))
	must(t, err)
	attachBundle(t, r, from.Blobs[m.Layers[0].Digest])
	s := look(t, r, keyring(t, "p256"))
	expect(t, s, invalid, inventory.ReasonDigestMismatch)
	if s.Signer == nil || s.Signer.Name != "p256" || !strings.Contains(s.Message, from.Tags["v1"].Short()) {
		t.Errorf("neither who signed nor what: %+v", s)
	}
	// The key makes no difference.
	expect(t, look(t, r, keyring(t, "rsa")), invalid, inventory.ReasonDigestMismatch)
}

func TestBundle_manifestOfAnotherImageIsLeftOutAndNoted(t *testing.T) {
	from, r := fixture(t, "bundle-p256"), fixture(t, "unsigned")
	for d, b := range from.Blobs {
		r.Blobs[d] = b
	}
	refs, _, err := from.Referrers(t.Context(), "", from.Tags["v1"])
	must(t, err)
	r.Manifests[refs[0].Digest] = refs[0].MediaType
	r.Native = false
	r.PutManifest(t, inventory.MediaTypeOCIIndex, map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": refs}, r.Tags["v1"].TagPrefix())
	e := inspect(t, r, r.Subject(t, "v1"), keyring(t, "p256"))
	if len(e.Signatures) != 0 || e.Incomplete != nil || len(e.Notes) != 1 {
		t.Errorf("%+v", e)
	}
}

func TestBundle_refusesAnAlteredStatement(t *testing.T) {
	tests := map[string]struct {
		hint   any // nil leaves the real one
		ring   []string
		want   inventory.Outcome
		reason inventory.Reason
	}{
		"by a key that is registered, as the hint says": {nil, []string{"p256", "rsa"}, invalid, inventory.ReasonSignatureMismatch},
		"by a key that is not, as the hint says":        {nil, []string{"rsa"}, unverifiable, inventory.ReasonKeyUnknown},
		"without a hint":                                {"", []string{"p256"}, unverifiable, inventory.ReasonKeyUnknown},
		"with a hint of no known form":                  {"key\u202e-1", []string{"p256"}, unverifiable, inventory.ReasonKeyUnknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "bundle-p256")
			editBundle(t, r, func(b map[string]any) any {
				s := statementOf(t, b)
				s["predicate"] = map[string]any{"altered": true}
				envelopeOf(b)["payload"] = marshal(t, s)
				if test.hint != nil {
					b["verificationMaterial"].(map[string]any)["publicKey"] = map[string]any{"hint": test.hint}
				}
				return b
			})
			s := look(t, r, keyring(t, test.ring...))
			expect(t, s, test.want, test.reason)
			if s.Signer != nil {
				t.Errorf("signer %+v", s.Signer)
			}
		})
	}
}

func TestBundle_ofAKeyNobodyRegisteredNamesItByItsHint(t *testing.T) {
	r := fixture(t, "bundle-other")
	s := look(t, r, keyring(t, registered...))
	expect(t, s, unverifiable, inventory.ReasonKeyUnknown)
	other := keyring(t, "other")
	for k := range other.All("") {
		if !strings.Contains(s.Message, k.SPKI.Short()) || s.Chain[3].Fingerprint != string(k.SPKI) {
			t.Errorf("message %q, key %+v", s.Message, s.Chain[3])
		}
	}
	expect(t, look(t, r, other), verified, inventory.ReasonOK)
}

func TestBundle_aWrongHintDoesNotKeepTheRightKeyAway(t *testing.T) {
	r := fixture(t, "bundle-p256")
	editBundle(t, r, func(b map[string]any) any {
		b["verificationMaterial"] = map[string]any{"publicKey": map[string]any{"hint": newHand(t, false).hint()}}
		return b
	})
	expect(t, look(t, r, keyring(t, "rsa", "p256")), verified, inventory.ReasonOK)
}

// GHSA-fx35-mq7g-6g98: a key that the bundle brings along must not stand in for
// the one that is registered.
func TestBundle_aKeyInsideIsNeverTrusted(t *testing.T) {
	mallory, victim := newHand(t, false), newHand(t, false)
	block, _ := pem.Decode(mallory.pem)
	tests := map[string]struct {
		material map[string]any
		reason   inventory.Reason
	}{
		"under the registered key's hint":  {map[string]any{"publicKey": map[string]any{"hint": victim.hint()}}, inventory.ReasonSignatureMismatch},
		"as raw bytes beside the hint":     {map[string]any{"publicKey": map[string]any{"hint": victim.hint(), "rawBytes": block.Bytes}}, inventory.ReasonPayloadMalformed},
		"as the certificate":               {map[string]any{"certificate": map[string]any{"rawBytes": block.Bytes}}, inventory.ReasonCertificateInvalid},
		"beside a certificate of somebody": {map[string]any{"publicKey": map[string]any{"hint": victim.hint()}, "certificate": map[string]any{"rawBytes": block.Bytes}}, inventory.ReasonPayloadMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "unsigned")
			b := mallory.bundle(t, marshal(t, statement(r.Tags["v1"])))
			b["verificationMaterial"] = test.material
			attachBundle(t, r, b)
			s := look(t, r, victim.ring(t))
			expect(t, s, invalid, test.reason)
			if s.Signer != nil {
				t.Errorf("signer %+v", s.Signer)
			}
		})
	}
}

// Each statement is really signed by a registered key.
func TestBundle_refusesStatements(t *testing.T) {
	h := newHand(t, false)
	image := fixture(t, "unsigned").Tags["v1"]
	other := inventory.DigestOf([]byte("other"))
	edit := func(f func(s map[string]any)) string {
		s := statement(image)
		f(s)
		return string(marshal(t, s))
	}
	good := edit(func(map[string]any) {})
	many := make([]any, 1025)
	for i := range many {
		many[i] = map[string]any{"digest": map[string]any{"sha256": image.Hex()}}
	}
	tests := map[string]struct {
		payload string
		reason  inventory.Reason
	}{
		"about another image":    {string(marshal(t, statement(other))), inventory.ReasonDigestMismatch},
		"of another type":        {edit(func(s map[string]any) { s["_type"] = "https://in-toto.io/Statement/v9" }), inventory.ReasonPayloadMalformed},
		"of no type":             {edit(func(s map[string]any) { delete(s, "_type") }), inventory.ReasonPayloadMalformed},
		"of no predicate type":   {edit(func(s map[string]any) { delete(s, "predicateType") }), inventory.ReasonPayloadMalformed},
		"predicate type in caps": {strings.Replace(good, "predicateType", "PREDICATETYPE", 1), inventory.ReasonPayloadMalformed},
		"predicate type in the protocol buffer's spelling": {strings.Replace(good, "predicateType", "predicate_type", 1), inventory.ReasonPayloadMalformed},
		"without subjects":      {edit(func(s map[string]any) { s["subject"] = []any{} }), inventory.ReasonPayloadMalformed},
		"without digests":       {edit(func(s map[string]any) { s["subject"] = []any{map[string]any{"name": "x"}} }), inventory.ReasonDigestMismatch},
		"too many subjects":     {edit(func(s map[string]any) { s["subject"] = many }), inventory.ReasonPayloadMalformed},
		"digest is no hex":      {strings.Replace(good, image.Hex(), "zz", 1), inventory.ReasonPayloadMalformed},
		"digest under sha512":   {strings.Replace(good, "sha256", "sha512", 1), inventory.ReasonDigestMismatch},
		"digest in capitals":    {strings.Replace(good, image.Hex(), strings.ToUpper(image.Hex()), 1), inventory.ReasonDigestMismatch},
		"duplicate subject":     {strings.Replace(good, `"subject"`, `"subject":[{"digest":{"sha256":"`+other.Hex()+`"}}],"subject"`, 1), inventory.ReasonPayloadMalformed},
		"subject in other case": {strings.Replace(good, `"subject"`, `"Subject":[{"digest":{"sha256":"`+other.Hex()+`"}}],"subject"`, 1), inventory.ReasonPayloadMalformed},
		"trailing data":         {good + "{}", inventory.ReasonPayloadMalformed},
		"no JSON":               {"x", inventory.ReasonPayloadMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "unsigned")
			attachBundle(t, r, h.bundle(t, []byte(test.payload)))
			expect(t, look(t, r, h.ring(t)), invalid, test.reason)
		})
	}
	for name, payload := range map[string]string{
		"good":                        good,
		"of version 0.1":              edit(func(s map[string]any) { s["_type"] = "https://in-toto.io/Statement/v0.1" }),
		"about several, and this one": edit(func(s map[string]any) { s["subject"] = append(many[:3:3], statement(other)["subject"].([]any)...) }),
	} {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "unsigned")
			attachBundle(t, r, h.bundle(t, []byte(payload)))
			expect(t, look(t, r, h.ring(t)), verified, inventory.ReasonOK)
		})
	}
}

func TestBundle_refusesBundles(t *testing.T) {
	h := newHand(t, false)
	image := fixture(t, "unsigned").Tags["v1"]
	good := string(marshal(t, h.bundle(t, marshal(t, statement(image)))))
	edit := func(f func(b map[string]any)) string {
		b := h.bundle(t, marshal(t, statement(image)))
		f(b)
		return string(marshal(t, b))
	}
	tests := map[string]struct {
		bundle  string
		outcome inventory.Outcome
		reason  inventory.Reason
	}{
		"trailing data":     {good + "{}", invalid, inventory.ReasonPayloadMalformed},
		"duplicate keys":    {strings.Replace(good, `"mediaType"`, `"mediaType":"x","mediaType"`, 1), invalid, inventory.ReasonPayloadMalformed},
		"two spellings":     {strings.Replace(good, `"dsseEnvelope"`, `"dsse_envelope":{},"dsseEnvelope"`, 1), invalid, inventory.ReasonPayloadMalformed},
		"unknown fields":    {strings.Replace(good, `"mediaType"`, `"extra":1,"mediaType"`, 1), invalid, inventory.ReasonPayloadMalformed},
		"no JSON":           {"x", invalid, inventory.ReasonPayloadMalformed},
		"an array":          {"[]", invalid, inventory.ReasonPayloadMalformed},
		"empty object":      {"{}", unread, inventory.ReasonNotChecked},
		"version 0.4":       {strings.Replace(good, "v0.3", "v0.4", 1), unread, inventory.ReasonNotChecked},
		"no material":       {edit(func(b map[string]any) { delete(b, "verificationMaterial") }), invalid, inventory.ReasonPayloadMalformed},
		"no content":        {edit(func(b map[string]any) { delete(b, "dsseEnvelope") }), invalid, inventory.ReasonPayloadMalformed},
		"no signature":      {edit(func(b map[string]any) { envelopeOf(b)["signatures"] = []any{} }), invalid, inventory.ReasonPayloadMalformed},
		"empty signature":   {edit(func(b map[string]any) { envelopeOf(b)["signatures"] = []any{map[string]any{}} }), invalid, inventory.ReasonPayloadMalformed},
		"signature is null": {edit(func(b map[string]any) { envelopeOf(b)["signatures"] = []any{nil} }), invalid, inventory.ReasonPayloadMalformed},
		"two signatures": {edit(func(b map[string]any) {
			e := envelopeOf(b)
			e["signatures"] = append(e["signatures"].([]any), e["signatures"].([]any)...)
		}), invalid, inventory.ReasonPayloadMalformed},
		"other payload type": {edit(func(b map[string]any) { envelopeOf(b)["payloadType"] = "" }), unverifiable, inventory.ReasonNotChecked},
		"both contents":      {strings.Replace(good, `"mediaType"`, `"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"AA=="},"signature":"AA=="},"mediaType"`, 1), invalid, inventory.ReasonPayloadMalformed},
		"a log entry of nothing": {edit(func(b map[string]any) {
			b["verificationMaterial"].(map[string]any)["tlogEntries"] = []any{map[string]any{}}
		}), invalid, inventory.ReasonPayloadMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "unsigned")
			attachBundle(t, r, []byte(test.bundle))
			s := look(t, r, h.ring(t))
			expect(t, s, test.outcome, test.reason)
		})
	}
}

func TestBundle_anotherPredicateIsAnAttestationWhateverTheAnnotationsSay(t *testing.T) {
	annotate := func(r *verifytest.Repo, predicate string) {
		refs, _, err := r.Referrers(t.Context(), "", r.Tags["v1"])
		must(t, err)
		raw := r.Blobs[refs[0].Digest]
		delete(r.Manifests, refs[0].Digest)
		old := refs[0].Annotations["dev.sigstore.bundle.predicateType"]
		r.PutManifest(t, refs[0].MediaType, bytes.Replace(raw, []byte(old), []byte(predicate), 1), "")
	}
	r := fixture(t, "bundle-sbom-only")
	annotate(r, "https://sigstore.dev/cosign/sign/v1")
	if e := inspect(t, r, r.Subject(t, "v1"), keyring(t, "p256")); len(e.Signatures) != 0 || len(e.Attestations) != 1 || e.Attestations[0].Outcome != verified {
		t.Errorf("an SBOM counts as a signature: %+v", e)
	}
	r = fixture(t, "bundle-p256")
	annotate(r, "https://cyclonedx.org/bom")
	expect(t, look(t, r, keyring(t, "p256")), verified, inventory.ReasonOK)
}

func TestBundle_anAttestationRelabelledAsASignatureDoesNotHold(t *testing.T) {
	r := fixture(t, "bundle-sbom-only")
	editBundle(t, r, func(b map[string]any) any {
		s := statementOf(t, b)
		s["predicateType"] = "https://sigstore.dev/cosign/sign/v1"
		envelopeOf(b)["payload"] = marshal(t, s)
		return b
	})
	expect(t, look(t, r, keyring(t, "p256")), invalid, inventory.ReasonSignatureMismatch)
}

func TestBundle_ed25519Holds(t *testing.T) {
	h, r := newHand(t, true), fixture(t, "unsigned")
	b := h.bundle(t, marshal(t, statement(r.Tags["v1"])))
	attachBundle(t, r, b)
	expect(t, look(t, r, h.ring(t)), verified, inventory.ReasonOK)
}

func TestBundle_theEnvelopesKeyIDIsOnlyAHint(t *testing.T) {
	r := fixture(t, "bundle-p256")
	editBundle(t, r, func(b map[string]any) any {
		envelopeOf(b)["signatures"].([]any)[0].(map[string]any)["keyid"] = "somebody else"
		return b
	})
	expect(t, look(t, r, keyring(t, "p256")), verified, inventory.ReasonOK)
}

func TestBundle_messageSignatureIsOverTheManifest(t *testing.T) {
	for _, edwards := range []bool{false, true} {
		h, stranger := newHand(t, edwards), newHand(t, edwards)
		r := fixture(t, "unsigned")
		manifest := r.Blobs[r.Tags["v1"]]
		message := func(signer hand, over, named []byte) map[string]any {
			sum := sha256.Sum256(named)
			return map[string]any{
				"mediaType":            bundleType,
				"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": h.hint()}},
				"messageSignature": map[string]any{
					"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": sum[:]}, "signature": signer.sign(t, over)},
			}
		}
		tests := map[string]struct {
			bundle  map[string]any
			outcome inventory.Outcome
			reason  inventory.Reason
		}{
			"over this manifest":                   {message(h, manifest, manifest), verified, inventory.ReasonOK},
			"over something else":                  {message(h, []byte("x"), []byte("x")), invalid, inventory.ReasonDigestMismatch},
			"over something else, naming this one": {message(h, []byte("x"), manifest), invalid, inventory.ReasonSignatureMismatch},
			"over this one, naming something else": {message(h, manifest, []byte("x")), invalid, inventory.ReasonDigestMismatch},
			"over this one, by a stranger":         {message(stranger, manifest, manifest), invalid, inventory.ReasonSignatureMismatch},
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				r := fixture(t, "unsigned")
				attachBundle(t, r, test.bundle)
				expect(t, look(t, r, h.ring(t)), test.outcome, test.reason)
			})
		}
	}
}

func TestBundle_keylessClaimsToBeSomebodyAndIsNeverGood(t *testing.T) {
	h := newHand(t, false)
	block, _ := pem.Decode([]byte(certificate(t, h, nil)))
	r := fixture(t, "unsigned")
	b := h.bundle(t, marshal(t, statement(r.Tags["v1"])))
	b["verificationMaterial"] = map[string]any{"certificate": map[string]any{"rawBytes": block.Bytes}}
	attachBundle(t, r, b)
	for _, ring := range []*verify.Keyring{nil, h.ring(t)} { // the key being registered doesn't make the certificate good
		s := look(t, r, ring)
		expect(t, s, unverifiable, inventory.ReasonRootUnknown)
		if s.Signer != nil || !strings.Contains(s.Message, "claims to be dev@example.com (issuer none named); its root isn't known here") {
			t.Errorf("signer %+v, message %q", s.Signer, s.Message)
		}
	}
	b["dsseEnvelope"] = newHand(t, false).envelope(t, "application/vnd.in-toto+json", marshal(t, statement(r.Tags["v1"])))
	r = fixture(t, "unsigned")
	attachBundle(t, r, b)
	expect(t, look(t, r, nil), invalid, inventory.ReasonSignatureMismatch)
}

// entry is a Rekor entry of kind dsse, without a promise and with a proof that
// proves nothing.
func entry(t testing.TB, payload, signature, publicKey []byte) map[string]any {
	sum := sha256.Sum256(payload)
	hash := map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}
	body := marshal(t, map[string]any{"apiVersion": "0.0.1", "kind": "dsse", "spec": map[string]any{
		"envelopeHash": hash, "payloadHash": hash,
		"signatures": []any{map[string]any{"signature": base64.StdEncoding.EncodeToString(signature), "verifier": publicKey}},
	}})
	return map[string]any{
		"logIndex": "42", "logId": map[string]any{"keyId": sum[:]}, "kindVersion": map[string]any{"kind": "dsse", "version": "0.0.1"},
		"integratedTime": "1767225600", "canonicalizedBody": body,
		"inclusionProof": map[string]any{"logIndex": "0", "treeSize": "1", "rootHash": sum[:], "checkpoint": map[string]any{"envelope": "x\n"}},
	}
}

func TestBundle_logEntries(t *testing.T) {
	h, stranger := newHand(t, false), newHand(t, false)
	image := fixture(t, "unsigned").Tags["v1"]
	payload := marshal(t, statement(image))
	tests := map[string]struct {
		ring    *verify.Keyring
		entry   func(signature []byte) map[string]any
		outcome inventory.Outcome
		reason  inventory.Reason
		entryIs inventory.Result
	}{
		"of this signature":               {h.ring(t), func(s []byte) map[string]any { return entry(t, payload, s, h.pem) }, verified, inventory.ReasonOK, inventory.Skip},
		"of another signature":            {h.ring(t), func(s []byte) map[string]any { return entry(t, payload, []byte("x"), h.pem) }, invalid, inventory.ReasonTlogInvalid, inventory.Fail},
		"of another payload":              {h.ring(t), func(s []byte) map[string]any { return entry(t, []byte("x"), s, h.pem) }, invalid, inventory.ReasonTlogInvalid, inventory.Fail},
		"of an unregistered key":          {nil, func(s []byte) map[string]any { return entry(t, payload, s, h.pem) }, unverifiable, inventory.ReasonKeyUnknown, inventory.Skip},
		"of a key that didn't sign":       {nil, func(s []byte) map[string]any { return entry(t, payload, s, stranger.pem) }, invalid, inventory.ReasonSignatureMismatch, inventory.Skip},
		"of a registered key that didn't": {stranger.ring(t), func(s []byte) map[string]any { return entry(t, payload, s, stranger.pem) }, invalid, inventory.ReasonSignatureMismatch, inventory.Skip},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := h.bundle(t, payload)
			signature := envelopeOf(b)["signatures"].([]any)[0].(map[string]any)["sig"].([]byte)
			b["verificationMaterial"].(map[string]any)["tlogEntries"] = []any{test.entry(signature)}
			r := fixture(t, "unsigned")
			attachBundle(t, r, b)
			s := look(t, r, test.ring)
			expect(t, s, test.outcome, test.reason)
			if got := check(s, verify.CheckLogEntry); got.Result != test.entryIs {
				t.Errorf("log entry: %+v", got)
			}
			if s.SignedAt != nil {
				t.Error("the time of an unchecked entry is shown as the time of signing")
			}
			if test.reason == inventory.ReasonKeyUnknown && (s.Signer == nil || s.Signer.ID != inventory.KeyID(h.spki)) {
				t.Errorf("signer %+v", s.Signer)
			}
		})
	}
}

func TestBundle_tooLargeToReadIsAnErrorUnlessItSaysItIsAnAttestation(t *testing.T) {
	huge := bytes.Repeat([]byte(" "), verify.MaxBundle+1)
	r := fixture(t, "unsigned")
	attachBundle(t, r, huge)
	expect(t, look(t, r, nil), unread, inventory.ReasonTooLarge)

	r = fixture(t, "bundle-sbom-only")
	editRawBundle(t, r, func([]byte) []byte { return huge })
	e := inspect(t, r, r.Subject(t, "v1"), nil)
	if len(e.Signatures) != 0 || len(e.Attestations) != 1 || e.Attestations[0].Outcome != unread || e.Attestations[0].Reason != inventory.ReasonTooLarge || e.Incomplete != nil {
		t.Errorf("%+v", e)
	}
}

func TestBundle_manifestWithoutABundleIsNotNothing(t *testing.T) {
	r := fixture(t, "unsigned")
	attach(t, r, bundleType, "application/json", []byte("{}"))
	expect(t, look(t, r, nil), invalid, inventory.ReasonPayloadMalformed)
}

func TestBundle_isRecognisedWithoutAnArtifactType(t *testing.T) {
	h, r := newHand(t, false), fixture(t, "unsigned")
	attach(t, r, "", bundleType, marshal(t, h.bundle(t, marshal(t, statement(r.Tags["v1"])))))
	expect(t, look(t, r, h.ring(t)), verified, inventory.ReasonOK)
}
