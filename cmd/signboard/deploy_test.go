package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The configuration that deploy/compose.yaml mounts is one that this program
// starts with, once the secrets are there; each secret is one that it hands over.
func TestDeploy_configurationIsRead(t *testing.T) {
	folder := filepath.Join("..", "..", "deploy")
	compose, err := os.ReadFile(filepath.Join(folder, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "signboard.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := t.TempDir()
	for name, secret := range map[string]string{
		"database_url": "postgres://signboard:secret@database:5432/signboard", "oidc_client_secret": "secret", "registry_password": "secret",
	} {
		if !strings.Contains(string(compose), "./secrets/"+name) || !strings.Contains(string(text), "/run/secrets/"+name) {
			t.Errorf("the secret %s is in one file and not in the other", name)
		}
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := loadConfig("-", strings.NewReader(strings.ReplaceAll(string(text), "/run/secrets", secrets)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "postgres://signboard:secret@database:5432/signboard"; c.Database != want {
		t.Errorf("the database is %q, want %q", c.Database, want)
	}
	if len(c.proxies) != 1 || !strings.Contains(string(compose), "subnet: "+c.proxies[0].String()) {
		t.Errorf("the proxies %v aren't the network of the compose file", c.proxies)
	}
}
