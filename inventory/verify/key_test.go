package verify_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
)

func public(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func fixtureKey(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "keys", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParsePublicKey_acceptsWhatCosignUses(t *testing.T) {
	for name, want := range map[string]string{"p256": "ECDSA P-256", "p384": "ECDSA P-384", "p521": "ECDSA P-521", "rsa": "RSA 2048", "ed25519": "Ed25519"} {
		text := fixtureKey(t, name+".pub")
		for _, form := range []string{text, "\n " + "\n" + text + "\n\n", strings.ReplaceAll(text, "\n", "\r\n")} {
			key, spki, algorithm, err := verify.ParsePublicKey([]byte(form))
			if err != nil || algorithm != want || key == nil {
				t.Errorf("%s: %v, %q", name, err, algorithm)
				continue
			}
			block, _ := pem.Decode([]byte(text))
			if spki != inventory.DigestOf(block.Bytes) {
				t.Errorf("%s: fingerprint %s", name, spki)
			}
		}
	}
}

func TestParsePublicKey_refusesEverythingElse(t *testing.T) {
	good := fixtureKey(t, "p256.pub")
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	long := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 16383, 1), E: 65537}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	parsed, _ := pem.Decode([]byte(good))
	tests := map[string]struct{ text, says string }{
		"nothing":              {"", "not a public key"},
		"no PEM":               {"ssh-ed25519 AAAA", "SSH key"},
		"a private key":        {block("PRIVATE KEY", pkcs8), "private key"},
		"cosign's private key": {block("ENCRYPTED SIGSTORE PRIVATE KEY", []byte("{}")), "private key"},
		"an EC private key":    {block("EC PRIVATE KEY", []byte("x")), "private key"},
		"a certificate":        {fixtureKey(t, "keyless-cert.pem"), "certificate"},
		"PKCS #1":              {block("RSA PUBLIC KEY", []byte("x")), "PKCS #1"},
		"another block":        {block("PGP PUBLIC KEY BLOCK", []byte("x")), "PGP"},
		"two keys":             {good + good, "follows"},
		"a key and a secret":   {good + block("PRIVATE KEY", pkcs8), "private key"},
		"text before":          {"cosign.pub:\n" + good, "before"},
		"text after":           {good + "hello", "follows"},
		"garbage in the block": {block("PUBLIC KEY", []byte("garbage")), "can't be read"},
		"trailing DER":         {block("PUBLIC KEY", append(parsed.Bytes, 0)), "can't be read"},
		"P-224":                {public(t, &p224.PublicKey), "P-224"},
		"RSA of 1024 bits":     {public(t, short), "1024"},
		"RSA of 16384 bits":    {public(t, long), "16384"},
		"a megabyte":           {good + strings.Repeat("\n", 1<<20), "too long"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := verify.ParsePublicKey([]byte(test.text))
			if inventory.KindOf(err) != inventory.Invalid || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want one that says %q", err, test.says)
			}
		})
	}
}

func keySigner(t *testing.T, name string) inventory.Signer {
	t.Helper()
	s, err := verify.NewKeySigner(name, []byte(fixtureKey(t, name+".pub")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewKeySigner_isWhatAKeyringTakes(t *testing.T) {
	s := keySigner(t, "p256")
	if !s.ID.Valid() || s.Kind != inventory.KeySigner || s.Name != "p256" || s.PublicKey != fixtureKey(t, "p256.pub") || len(s.Facts) != 2 {
		t.Errorf("%+v", s)
	}
	ring, err := verify.NewKeyring([]inventory.Signer{s, {ID: "keyless:a|b"}})
	if err != nil || ring.Len() != 1 {
		t.Errorf("%v, %d keys", err, ring.Len())
	}
}

func TestNewKeyring_refusesAKeyUnderAnothersID(t *testing.T) {
	s := keySigner(t, "p256")
	s.ID = keySigner(t, "rsa").ID
	if _, err := verify.NewKeyring([]inventory.Signer{s}); err == nil {
		t.Error("accepted")
	}
	s = keySigner(t, "p256")
	s.PublicKey = "x"
	if _, err := verify.NewKeyring([]inventory.Signer{s}); err == nil {
		t.Error("a key that can't be read was passed over")
	}
}

func TestKeyring_revisionIsThatOfItsContent(t *testing.T) {
	revision := func(signers ...inventory.Signer) int64 {
		ring, err := verify.NewKeyring(signers)
		if err != nil {
			t.Fatal(err)
		}
		return ring.Revision()
	}
	a, b := keySigner(t, "p256"), keySigner(t, "rsa")
	if revision(a, b) != revision(b, a) || revision(a, b) != revision(a, b, a) {
		t.Error("order or repetition matters")
	}
	renamed := a
	renamed.Name = "other"
	if revision(a) == revision(b) || revision(a) == revision(a, b) || revision(a) == revision() || revision(a) == revision(renamed) {
		t.Error("different keys, same revision")
	}
}

func TestKeyring_allYieldsTheHintedKeyFirstAndEachOnce(t *testing.T) {
	a, b := keySigner(t, "p256"), keySigner(t, "rsa")
	ring, err := verify.NewKeyring([]inventory.Signer{a, b})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []inventory.Signer{a, b} {
		var got []inventory.SignerID
		for k := range ring.All(inventory.Digest(strings.TrimPrefix(string(s.ID), "key:"))) {
			got = append(got, k.Signer().ID)
		}
		if len(got) != 2 || got[0] != s.ID || got[1] == s.ID {
			t.Errorf("%v", got)
		}
	}
}
