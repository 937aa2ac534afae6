package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRegistriesPage_everyExampleLoads holds that what docs/registries.md offers
// for pasting is accepted.
func TestRegistriesPage_everyExampleLoads(t *testing.T) {
	page, err := os.ReadFile("../../docs/registries.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key := pemPair(t)
	loaded := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(registries:.*?)```").FindAllStringSubmatch(string(page), -1) {
		text := strings.NewReplacer("/run/secrets/", dir+"/", "/etc/signboard/", dir+"/").Replace(block[1])
		for _, file := range regexp.MustCompile(`(\w+): (`+regexp.QuoteMeta(dir)+`/\S+)`).FindAllStringSubmatch(text, -1) {
			content := certificate // of ca and client_certificate
			switch {
			case strings.HasSuffix(file[1], "_file"):
				content = []byte("secret\n")
			case strings.HasSuffix(file[1], "_key"):
				content = key
			}
			if err := os.WriteFile(file[2], content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := loadConfig(write(t, text), nil); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		loaded++
	}
	if loaded < 11 {
		t.Errorf("only %d examples were found", loaded)
	}
}

// pemPair makes a self-signed certificate and its key.
func pemPair(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}
