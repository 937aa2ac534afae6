//go:build peers

package peers

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// user is one of dex's own users.
type user struct {
	name   string
	groups []string
}

func (u user) email() string { return u.name + "@example.com" }

// newDex sets up dex, an identity provider whose users sign in with a password,
// for one client. It isn't started yet; it forgets everything when it ends.
func newDex(t *testing.T, w *world, client string, users ...user) (issuer string, s *service) {
	t.Helper()
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	issuer = "http://" + local(ports[0]) + "/dex"
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		t.Fatal(err)
	}
	var passwords []map[string]any
	for _, u := range users {
		passwords = append(passwords, map[string]any{"email": u.email(), "hash": string(hash), "username": u.name, "userID": "id-of-" + u.name, "groups": u.groups})
	}
	config, err := json.Marshal(map[string]any{ // JSON is YAML
		"issuer": issuer, "storage": map[string]any{"type": "memory"}, "web": map[string]any{"http": local(ports[0])},
		"oauth2":           map[string]any{"skipApprovalScreen": true},
		"enablePasswordDB": true, "staticPasswords": passwords,
		"staticClients": []map[string]any{{
			"id": "signboard", "secret": clientSecret, "name": "Signboard",
			"redirectURIs": []string{client + "/auth/callback"}, "postLogoutRedirectURIs": []string{client + "/signin?signed_out=1", client + "/signin"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dex.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	return issuer, &service{
		name: "dex", path: w.bin["dex"], args: []string{"serve", file}, env: []string{"DEX_SESSIONS_ENABLED=true"},
		ready: answers(fmt.Sprintf("%s/.well-known/openid-configuration", issuer)),
	}
}

const clientSecret = "a secret of the client's"
