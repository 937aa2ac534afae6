package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
)

func TestParsePublicKey_refusesWithoutRepeating(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	secret := base64.StdEncoding.EncodeToString(der)[40:60]
	for text, want := range map[string]string{
		block("PRIVATE KEY", der):                                   "private key",
		block("ENCRYPTED SIGSTORE PRIVATE KEY", der):                "private key",
		block("PUBLIC KEY", public) + block("PRIVATE KEY", der):     "private key",
		strings.TrimSuffix(block("PRIVATE KEY", der), "KEY-----\n"): "private key", // cut short
		string(der):                                               "private key",
		`{"kty":"EC","crv":"P-256","d":"x"}`:                      "private key",
		block("OPENSSH PRIVATE KEY", der):                         "private key",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ann":                    "SSH",
		block("CERTIFICATE", public):                              "certificate",
		block("PUBLIC KEY", public) + block("PUBLIC KEY", public): "one key at a time",
	} {
		_, _, _, err := ParsePublicKey([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%.40q: %v", text, err)
		}
		if want == "private key" && (err == nil || !strings.Contains(err.Error(), "exposed")) {
			t.Errorf("%.40q: it isn't said that the key is exposed: %v", text, err)
		}
	}
}
