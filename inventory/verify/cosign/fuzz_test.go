package cosign_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
	"signboard/inventory/verify/verifytest"
)

// settled holds what is true whatever came in: nothing panics, every signature
// is consistent, and nothing verifies but under a registered key.
func settled(t *testing.T, f verify.Findings) {
	t.Helper()
	for _, s := range f.Signatures {
		consistent(t, s)
	}
	for _, a := range f.Attestations {
		if a.Message == "" || !a.Reason.Known() || (a.Outcome == inventory.OutcomeVerified) != (a.Reason == inventory.ReasonOK) {
			t.Errorf("%+v", a)
		}
	}
}

// unsigned says that nothing verified.
func unsigned(t *testing.T, f verify.Findings) {
	t.Helper()
	settled(t, f)
	for _, s := range f.Signatures {
		if s.Outcome == inventory.OutcomeVerified {
			t.Errorf("verified: %+v", s)
		}
	}
	for _, a := range f.Attestations {
		if a.Outcome == inventory.OutcomeVerified {
			t.Errorf("verified: %+v", a)
		}
	}
}

// item hangs a manifest with one layer on the fixture's image.
func item(image []byte, s inventory.Subject, ring *verify.Keyring, tag string, layer inventory.Descriptor, content []byte) *verify.Item {
	r := verifytest.New(s.Repository)
	r.Manifests[r.PutBlob(image).Digest] = s.Manifest.MediaType
	d := r.PutBlob(content)
	layer.Digest, layer.Size = d.Digest, d.Size
	m := inventory.Manifest{MediaType: inventory.MediaTypeOCIManifest, Digest: inventory.DigestOf([]byte(tag)),
		Layers: []inventory.Descriptor{layer}, Subject: &s.Manifest}
	return verify.NewItem(r, s, inventory.Attachment{Via: "tag", Tag: tag}, m, ring)
}

// The payload and the annotations of a simple-signing layer. The key isn't
// registered, so nothing may ever verify.
func FuzzSimpleSigning(f *testing.F) {
	r := fixture(f, "legacy-certificate")
	s := r.Subject(f, "v1")
	m, err := r.Manifest(f.Context(), "", s.Manifest.Digest.TagPrefix()+".sig")
	must(f, err)
	layer := m.Layers[0]
	payload := r.Blobs[layer.Digest]
	signature, certificate := layer.Annotations["dev.cosignproject.cosign/signature"], layer.Annotations["dev.sigstore.cosign/certificate"]
	raw, _ := base64.StdEncoding.DecodeString(signature)
	h := newHand(f, false)
	f.Add(payload, signature, certificate, logAnnotation(f, payload, raw, h.pem))
	f.Add(payload, signature, string(h.pem), `{"Payload":{"body":"e30="}}`)
	f.Add([]byte(`{"critical":null,"optional":{"a":{"b":[1]}}}`), "AA==", "", "{}")
	ring := keyring(f, registered...)
	f.Fuzz(func(t *testing.T, payload []byte, signature, certificate, entry string) {
		i := item(r.Blobs[s.Manifest.Digest], s, ring, ".sig", inventory.Descriptor{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Annotations: map[string]string{
			"dev.cosignproject.cosign/signature": signature, "dev.sigstore.cosign/certificate": certificate, "dev.sigstore.cosign/bundle": entry,
		}}, payload)
		unsigned(t, cosign.New(nil).Check(t.Context(), i))
	})
}

// A bundle. Its key is registered, so it may verify, but only as it was made.
func FuzzBundle(f *testing.F) {
	r := fixture(f, "bundle-p256")
	s := r.Subject(f, "v1")
	for _, name := range []string{"bundle-p256", "bundle-other", "bundle-sbom-only", "bundle-rsa"} {
		from := fixture(f, name)
		refs, _, err := from.Referrers(f.Context(), "", from.Tags["v1"])
		must(f, err)
		m, err := from.Manifest(f.Context(), "", string(refs[0].Digest))
		must(f, err)
		f.Add(from.Blobs[m.Layers[0].Digest])
	}
	h := newHand(f, false)
	logged := h.bundle(f, marshal(f, statement(s.Manifest.Digest)))
	logged["verificationMaterial"].(map[string]any)["tlogEntries"] = []any{entry(f, []byte("x"), []byte("x"), h.pem)}
	f.Add(marshal(f, logged))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.1","verificationMaterial":{"x509CertificateChain":{"certificates":[{"rawBytes":"AA=="}]}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"AA=="},"signature":"AA=="}}`))
	ring := keyring(f, registered...)
	f.Fuzz(func(t *testing.T, raw []byte) {
		i := item(r.Blobs[s.Manifest.Digest], s, ring, "", inventory.Descriptor{MediaType: bundleType}, raw)
		found := cosign.New(nil).Check(t.Context(), i)
		settled(t, found)
		for _, signature := range found.Signatures {
			if signature.Outcome != inventory.OutcomeVerified {
				continue
			}
			var b struct{ DsseEnvelope struct{ Payload []byte } }
			if err := json.Unmarshal(raw, &b); err == nil && len(b.DsseEnvelope.Payload) > 0 && !json.Valid(b.DsseEnvelope.Payload) {
				t.Errorf("verified a payload that isn't JSON: %q", b.DsseEnvelope.Payload)
			}
			if signature.Signer.Name != "p256" {
				t.Errorf("verified as %s", signature.Signer.Name)
			}
		}
	})
}

// A signature manifest as the registry hands it over.
func FuzzSignatureManifest(f *testing.F) {
	r := fixture(f, "legacy-other")
	s := r.Subject(f, "v1")
	tag := s.Manifest.Digest.TagPrefix() + ".sig"
	f.Add(r.Blobs[r.Tags[tag]])
	f.Add(fixture(f, "legacy-three").Blobs[fixture(f, "legacy-three").Tags[fixture(f, "legacy-three").Tags["v1"].TagPrefix()+".sig"]])
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`))
	ring := keyring(f, registered...)
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := inventory.ParseManifest(raw, inventory.MediaTypeOCIManifest)
		if err != nil {
			return
		}
		for _, tag := range []string{tag, "", ".att"} {
			i := verify.NewItem(r, s, inventory.Attachment{Via: "tag", Tag: tag}, m, ring)
			if c := cosign.New(nil); c.Claims(i) {
				unsigned(t, c.Check(t.Context(), i))
			}
		}
	})
}
