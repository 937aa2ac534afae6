package cosign_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/verifytest"
)

// putEnvelope puts a DSSE envelope under the .att tag of v1.
func putEnvelope(t *testing.T, r *verifytest.Repo, mediaType string, content []byte) {
	t.Helper()
	layer := r.PutBlob(content)
	layer.MediaType = mediaType
	config := r.PutBlob([]byte("{}"))
	config.MediaType = inventory.MediaTypeOCIConfig
	r.PutManifest(t, inventory.MediaTypeOCIManifest, map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "config": config, "layers": []inventory.Descriptor{layer},
	}, r.Tags["v1"].TagPrefix()+".att")
}

func TestAttestation_underAnAttTagIsNeverAnImageSignature(t *testing.T) {
	h, stranger := newHand(t, false), newHand(t, false)
	image := fixture(t, "unsigned").Tags["v1"]
	const inToto, dsse = "application/vnd.in-toto+json", "application/vnd.dsse.envelope.v1+json"
	sbom := statement(image)
	sbom["predicateType"] = "https://cyclonedx.org/bom"
	other := statement(inventory.DigestOf([]byte("other")))
	good := marshal(t, h.envelope(t, inToto, marshal(t, sbom)))
	tests := map[string]struct {
		mediaType string
		content   []byte
		outcome   inventory.Outcome
		reason    inventory.Reason
	}{
		"good":                          {dsse, good, verified, inventory.ReasonOK},
		"dressed as an image signature": {dsse, marshal(t, h.envelope(t, inToto, marshal(t, statement(image)))), verified, inventory.ReasonOK},
		"by a stranger":                 {dsse, marshal(t, stranger.envelope(t, inToto, marshal(t, sbom))), unverifiable, inventory.ReasonKeyUnknown},
		"about another image":           {dsse, marshal(t, h.envelope(t, inToto, marshal(t, other))), invalid, inventory.ReasonDigestMismatch},
		"of another payload type":       {dsse, marshal(t, h.envelope(t, "text/plain", []byte("x"))), unverifiable, inventory.ReasonNotChecked},
		"trailing data":                 {dsse, append(good, '1'), invalid, inventory.ReasonPayloadMalformed},
		"not an envelope":               {dsse, []byte("[]"), invalid, inventory.ReasonPayloadMalformed},
		"wrong media type":              {"text/plain", good, invalid, inventory.ReasonPayloadMalformed},
		"too large":                     {dsse, bytes.Repeat([]byte(" "), verify.MaxBundle+1), unread, inventory.ReasonTooLarge},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := fixture(t, "unsigned")
			putEnvelope(t, r, test.mediaType, test.content)
			e := inspect(t, r, r.Subject(t, "v1"), h.ring(t))
			if len(e.Signatures) != 0 || len(e.Attestations) != 1 || e.Incomplete != nil {
				t.Fatalf("%+v", e)
			}
			a := e.Attestations[0]
			if a.Outcome != test.outcome || a.Reason != test.reason || a.Message == "" || (a.Outcome == verified) != (a.Signer != nil && a.Reason == inventory.ReasonOK) {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestAttestation_alteredDoesNotHold(t *testing.T) {
	r := fixture(t, "legacy-att-only")
	m, err := r.Manifest(t.Context(), "", r.Tags["v1"].TagPrefix()+".att")
	must(t, err)
	var e map[string]any
	must(t, json.Unmarshal(r.Blobs[m.Layers[0].Digest], &e))
	payload, err := base64.StdEncoding.DecodeString(e["payload"].(string))
	must(t, err)
	e["payload"] = bytes.Replace(payload, []byte("CycloneDX"), []byte("CycloneDY"), 1)
	putEnvelope(t, r, "application/vnd.dsse.envelope.v1+json", marshal(t, e))
	found := inspect(t, r, r.Subject(t, "v1"), keyring(t, "p256"))
	if len(found.Attestations) != 1 || found.Attestations[0].Outcome != unverifiable || found.Attestations[0].Signer != nil {
		t.Errorf("%+v", found)
	}
}

// One that can't be read is asked for again, and takes nothing from the image.
func TestAttestation_unreadIsLookedAtAgain(t *testing.T) {
	r := fixture(t, "legacy-att-only")
	r.Fault = func(call, what string) error {
		if call == "blob" {
			return &inventory.LookError{Reason: inventory.ReasonRegistryThrottled, Message: "Later."}
		}
		return nil
	}
	e := inspect(t, r, r.Subject(t, "v1"), nil)
	if len(e.Attestations) != 1 || e.Attestations[0].Outcome != unread || e.Incomplete != nil || e.Fingerprint != "" {
		t.Errorf("%+v", e)
	}
}
