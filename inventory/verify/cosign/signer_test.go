package cosign_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/verifytest"
)

// hand signs what no real tool would: it is for attacks.
type hand struct {
	private crypto.Signer
	pem     []byte
	spki    inventory.Digest
	signer  inventory.Signer
}

func newHand(tb testing.TB, edwards bool) hand {
	tb.Helper()
	var private crypto.Signer
	var err error
	if edwards {
		_, private, err = ed25519.GenerateKey(rand.Reader)
	} else {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	must(tb, err)
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	must(tb, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	s, err := verify.NewKeySigner("mallory's hand", text)
	must(tb, err)
	return hand{private: private, pem: text, spki: inventory.DigestOf(der), signer: s}
}

func (h hand) ring(tb testing.TB) *verify.Keyring {
	tb.Helper()
	ring, err := verify.NewKeyring([]inventory.Signer{h.signer})
	must(tb, err)
	return ring
}

func (h hand) sign(tb testing.TB, message []byte) []byte {
	tb.Helper()
	content, options := message, crypto.SignerOpts(crypto.Hash(0))
	if _, edwards := h.private.(ed25519.PrivateKey); !edwards {
		sum := sha256.Sum256(message)
		content, options = sum[:], crypto.SHA256
	}
	signature, err := h.private.Sign(rand.Reader, content, options)
	must(tb, err)
	return signature
}

func (h hand) hint() string {
	b, _ := hex.DecodeString(h.spki.Hex())
	return base64.StdEncoding.EncodeToString(b)
}

// legacy puts a payload on v1 of an otherwise unsigned repository, signed.
func (h hand) legacy(tb testing.TB, r *verifytest.Repo, payload string, annotations map[string]string) {
	tb.Helper()
	layer := r.PutBlob([]byte(payload))
	layer.MediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
	layer.Annotations = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(h.sign(tb, []byte(payload)))}
	for k, v := range annotations {
		layer.Annotations[k] = v
	}
	config := r.PutBlob([]byte("{}"))
	config.MediaType = inventory.MediaTypeOCIConfig
	r.PutManifest(tb, inventory.MediaTypeOCIManifest, map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "config": config, "layers": []inventory.Descriptor{layer},
	}, r.Tags["v1"].TagPrefix()+".sig")
}

func simple(d inventory.Digest) string {
	return fmt.Sprintf(`{"critical":{"identity":{"docker-reference":"registry.example/team/app"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, d)
}

func logAnnotation(tb testing.TB, content, signature, publicKey []byte) string {
	tb.Helper()
	sum := sha256.Sum256(content)
	body := marshal(tb, map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
		"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}},
		"signature": map[string]any{"content": signature, "publicKey": map[string]any{"content": publicKey}},
	}})
	return string(marshal(tb, map[string]any{
		"SignedEntryTimestamp": []byte("promise"),
		"Payload":              map[string]any{"body": body, "integratedTime": 1767225600, "logIndex": 42, "logID": "c0ffee"},
	}))
}

// statement is an in-toto statement as cosign 3 writes one.
func statement(d inventory.Digest) map[string]any {
	return map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": map[string]any{},
		"subject": []any{map[string]any{"digest": map[string]any{d.Algorithm(): d.Hex()}}},
	}
}

// envelope signs a payload (DSSE version 1).
func (h hand) envelope(tb testing.TB, payloadType string, payload []byte) map[string]any {
	tb.Helper()
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
	return map[string]any{"payloadType": payloadType, "payload": payload, "signatures": []any{map[string]any{"sig": h.sign(tb, pae)}}}
}

func (h hand) bundle(tb testing.TB, payload []byte) map[string]any {
	tb.Helper()
	return map[string]any{
		"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": h.hint()}},
		"dsseEnvelope":         h.envelope(tb, "application/vnd.in-toto+json", payload),
	}
}

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

func attachBundle(tb testing.TB, r *verifytest.Repo, bundle any) {
	tb.Helper()
	raw, ok := bundle.([]byte)
	if !ok {
		raw = marshal(tb, bundle)
	}
	attach(tb, r, bundleType, bundleType, raw)
}
