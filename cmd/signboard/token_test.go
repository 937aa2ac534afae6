package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store"
)

// console runs commands of the program over one configuration.
type console struct {
	*testing.T
	config string
	db     *store.DB // open beside the commands, as the server's is
}

func newConsole(t *testing.T) *console {
	t.Helper()
	dir := t.TempDir()
	dsn := "sqlite:" + filepath.Join(dir, "test.db")
	db, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	c := &console{t, filepath.Join(dir, "signboard.yaml"), db}
	if err := os.WriteFile(c.config, []byte("database: "+dsn+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// run is a command: its exit status and what it said.
func (c *console) run(args ...string) (code int, stdout, stderr string) {
	c.Helper()
	var out, err bytes.Buffer
	args = append([]string{"token", args[0], "--config", c.config}, args[1:]...)
	code = run(c.Context(), args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

func TestToken_isPrintedOnceAndCounts(t *testing.T) {
	c := newConsole(t)
	code, stdout, stderr := c.run("create", "--name", "ci", "--role", "reviewer", "--expires", "720h")
	if code != 0 || !regexp.MustCompile(`^sgb_[0-9A-Za-z]{38}\n$`).MatchString(stdout) {
		t.Fatalf("exit status %d: %q, %s", code, stdout, stderr)
	}
	secret := strings.TrimSpace(stdout)
	if strings.Contains(stderr, secret[4:12]) || !strings.Contains(stderr, "shown this once") {
		t.Errorf("standard error says %s", stderr)
	}
	made, err := c.db.TokenByHash(t.Context(), inventory.TokenSecret(secret).Hash())
	if err != nil {
		t.Fatal(err)
	}
	if made.Name != "ci" || made.Role != inventory.Reviewer || made.Subject != "token|"+made.ID || made.ExpiresAt.Sub(made.CreatedAt).Round(time.Minute) != 720*time.Hour {
		t.Errorf("made is %+v", made)
	}
	entries, _, err := c.db.AuditEntries(t.Context(), inventory.Page{})
	if err != nil || len(entries) != 1 || entries[0].Action != "token.create" || entries[0].Actor.Kind != inventory.SystemActor || !strings.Contains(entries[0].Actor.Name, "at the command line") {
		t.Errorf("the audit log has %+v, %v", entries, err)
	}

	_, table, _ := c.run("list")
	code, listed, _ := c.run("list", "--format", "json")
	var lines []map[string]any
	if err := json.Unmarshal([]byte(listed), &lines); code != 0 || err != nil || len(lines) != 1 || lines[0]["name"] != "ci" || lines[0]["role"] != "reviewer" || lines[0]["state"] != "live" {
		t.Errorf("the list is %s, %v", listed, err)
	}
	if !strings.Contains(table, "ci") || !strings.Contains(table, made.ID) {
		t.Errorf("the table is %s", table)
	}
	for _, text := range []string{table, listed} {
		if strings.Contains(text, secret[4:12]) || strings.Contains(text, inventory.TokenSecret(secret).Hash()) {
			t.Errorf("the secret is shown again: %s", text)
		}
	}

	if code, stdout, _ := c.run("revoke", "ci"); code != 0 || stdout != "revoked ci (reviewer)\n" {
		t.Errorf("revoking: %d %s", code, stdout)
	}
	if after, err := c.db.Token(t.Context(), made.ID, time.Now()); err != nil || after.StateAt(time.Now()) != inventory.TokenRevoked {
		t.Errorf("revoked it is %+v, %v", after, err)
	}
	if _, listed, _ := c.run("list"); strings.Contains(listed, made.ID) {
		t.Errorf("the list of live ones has it: %s", listed)
	}
	if _, listed, _ := c.run("list", "--all"); !strings.Contains(listed, "revoked") {
		t.Errorf("the list of all doesn't: %s", listed)
	}
}

func TestToken_withoutAnEndSaysSo(t *testing.T) {
	c := newConsole(t)
	if code, _, stderr := c.run("create", "--name", "ci", "--role", "viewer"); code != 0 || !strings.Contains(stderr, "until it is revoked") {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestToken_refusesWithoutPrintingOne(t *testing.T) {
	c := newConsole(t)
	if code, _, stderr := c.run("create", "--name", "taken", "--role", "viewer"); code != 0 {
		t.Fatal(stderr)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no name":             {[]string{"create", "--role", "viewer"}, exitUsage, "--name"},
		"no role":             {[]string{"create", "--name", "a"}, exitUsage, "--role"},
		"an unknown role":     {[]string{"create", "--name", "a", "--role", "root"}, exitUsage, "viewer"},
		"nobody's role":       {[]string{"create", "--name", "a", "--role", "nobody"}, exitUsage, "viewer"},
		"an end that is gone": {[]string{"create", "--name", "a", "--role", "viewer", "--expires=-1h"}, exitUsage, "future"},
		"an end that is now":  {[]string{"create", "--name", "a", "--role", "viewer", "--expires", "0s"}, exitUsage, "future"},
		"no length of time":   {[]string{"create", "--name", "a", "--role", "viewer", "--expires", "soon"}, exitUsage, "soon"},
		"a name that is odd":  {[]string{"create", "--name", "a\nb", "--role", "viewer"}, exitUsage, "ordinary characters"},
		"a name that is live": {[]string{"create", "--name", "taken", "--role", "admin"}, exitFailed, "called taken"},
		"revoking none":       {[]string{"revoke", "none"}, exitFailed, "no such token"},
	} {
		code, stdout, stderr := c.run(test.args...)
		if code != test.code || stdout != "" || !strings.Contains(stderr, test.says) {
			t.Errorf("%s: exit status %d, %q, %s", name, code, stdout, stderr)
		}
	}
	if list, _, err := c.db.Tokens(t.Context(), true, inventory.Page{}, time.Now()); err != nil || len(list) != 1 {
		t.Errorf("there are %+v, %v", list, err)
	}
}
