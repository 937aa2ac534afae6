package registry

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signboard/inventory"
)

func TestTLS_privateAuthorityAndClientCertificate(t *testing.T) {
	storage, stored := example(t)
	var asked seen
	server := httptest.NewUnstartedServer(record(&asked, map[string]http.HandlerFunc{
		"/v2/a/tags/list": jsonAnswer(`{"tags":["v1"]}`),
		"/v2/a/manifests/v1": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, storage.URL+"/elsewhere", http.StatusTemporaryRedirect)
		},
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)

	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	pool, err := ReadCA(ca)
	if err != nil {
		t.Fatal(err)
	}
	withCA := func(cfg *Config) { cfg.RootCAs = pool }

	c, _ := client(t, server)
	_, err = c.Tags(t.Context(), "a")
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "certificate", "ca of this registry")
	c, _ = client(t, server, withCA)
	_, err = c.Tags(t.Context(), "a")
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "client_certificate", "client_key")

	certificate, key := clientPair(t, dir, "first")
	shown, err := ReadClientCertificate(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	name := func() string {
		t.Helper()
		c, _ := client(t, server, withCA, func(cfg *Config) { cfg.ClientCertificate = shown })
		if _, err := c.Tags(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		c.Manifest(t.Context(), "a", "v1")
		all := asked.all()
		return all[len(all)-1].TLS.PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Errorf("the registry was shown %q", got)
	}
	if all := stored.all(); len(all) == 0 || len(all[0].TLS.PeerCertificates) != 0 {
		t.Error("the storage that the registry redirects to was shown the client certificate, or not asked")
	}

	clientPair(t, dir, "the second")
	if got := name(); got != "the second" {
		t.Errorf("after the files changed the registry was shown %q", got)
	}
	if err := os.WriteFile(key, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "the second" {
		t.Errorf("with a broken file the registry was shown %q", got)
	}
}

func TestTLS_filesThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	certificate, key := clientPair(t, dir, "one")
	_, foreign := clientPair(t, t.TempDir(), "other")
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing.pem")
	for _, file := range []string{missing, empty, key, dir} {
		if _, err := ReadCA(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("ReadCA(%s): %v", file, err)
		}
	}
	for _, pair := range [][2]string{{missing, key}, {certificate, missing}, {certificate, foreign}, {key, certificate}, {certificate, empty}} {
		if _, err := ReadClientCertificate(pair[0], pair[1]); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("ReadClientCertificate(%v): %v", pair, err)
		}
	}
}
