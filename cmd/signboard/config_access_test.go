package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// accessFiles writes a certificate, its key and a secret, and goes there.
func accessFiles(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{"one", "other"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}}
		certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		put(t, name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
		put(t, name+"-key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	}
	put(t, "secret", "hunter2\n")
	put(t, "empty", "\n")
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func access(lines ...string) string {
	return "registries:\n  - name: eu\n    url: https://registry.example.com\n    " + strings.Join(lines, "\n    ") + "\n"
}

func TestLoadConfig_howARegistryIsReached(t *testing.T) {
	accessFiles(t)
	c, err := loadConfig(write(t, access("username: robot", "password_file: secret", "ca: one.pem",
		"client_certificate: one.pem", "client_key: one-key.pem", "proxy: http://name:word@proxy.example.com:3128")), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Registries[0]
	if r.roots == nil || r.shown == nil || r.secret == nil || r.Password != "hunter2" {
		t.Fatalf("got %+v", r)
	}
	for _, want := range []string{"hunter2", "rotated"} {
		put(t, "secret", want+"\r\n")
		if got, err := r.secret(); got != want || err != nil {
			t.Errorf("the password is %q, %v; want %q", got, err, want)
		}
	}
	if c, err = loadConfig(write(t, access("token_file: secret")), nil); err != nil || c.Registries[0].secret == nil {
		t.Errorf("token_file: %v", err)
	}
}

func TestLoadConfig_refusesWaysThatLeadNowhere(t *testing.T) {
	accessFiles(t)
	missing := filepath.Join(t.TempDir(), "missing")
	tests := map[string]struct{ yaml, key, word string }{
		"no password":           {access("username: robot"), "registries[0]", "both username and password"},
		"no name":               {access("password_file: secret"), "registries[0]", "both username and password"},
		"two passwords":         {access("username: robot", "password: a", "password_file: secret"), "registries[0]", "not both"},
		"two tokens":            {access("token: a", "token_file: secret"), "registries[0]", "not both"},
		"token and password":    {access("username: robot", "password: a", "token: b"), "registries[0]", "either"},
		"no password file":      {access("username: robot", "password_file: "+missing), "registries[0].password_file", missing},
		"empty password file":   {access("username: robot", "password_file: empty"), "registries[0].password_file", "empty"},
		"empty token file":      {access("token_file: empty"), "registries[0].token_file", "empty"},
		"no authority":          {access("ca: " + missing), "registries[0].ca", missing},
		"an authority's key":    {access("ca: one-key.pem"), "registries[0].ca", "BEGIN CERTIFICATE"},
		"certificate alone":     {access("client_certificate: one.pem"), "registries[0]", "client_key"},
		"key alone":             {access("client_key: one-key.pem"), "registries[0]", "client_certificate"},
		"the key itself":        {access("client_certificate: one.pem", "client_key_file: one-key.pem"), "registries[0].client_key", "without _file"},
		"another's key":         {access("client_certificate: one.pem", "client_key: other-key.pem"), "registries[0].client_certificate", "match"},
		"proxy without scheme":  {access("proxy: proxy.example.com:3128"), "registries[0].proxy", "http://proxy"},
		"proxy of another kind": {access("proxy: ftp://u:hunter2@proxy.example.com"), "registries[0].proxy", "none"},
	}
	for name, test := range tests {
		file := write(t, test.yaml)
		_, err := loadConfig(file, nil)
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), test.key) || !strings.Contains(err.Error(), test.word) {
			t.Errorf("%s: %v; want %s, %s and %q", name, err, file, test.key, test.word)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "BEGIN PRIVATE")) {
			t.Errorf("%s: the error holds the secret: %v", name, err)
		}
	}
}
