package web_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
)

// TestDocs_commandsWorkAsTheyStand runs what docs/api.md has for a shell, in its
// order, and looks at what comes out.
func TestDocs_commandsWorkAsTheyStand(t *testing.T) {
	for _, tool := range []string{"curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("docs/api.md is for a shell with %s, which isn't here: apt-get install %[1]s", tool)
		}
	}
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, plan{})
	w.fill()
	actor := inventory.Actor{Kind: inventory.SystemActor, Name: "operator", Role: inventory.Admin}
	until := time.Now().Add(time.Hour)
	shim := "#!/bin/sh\ncase \"$*\" in\n"
	for _, role := range []inventory.Role{inventory.Viewer, inventory.Reviewer} {
		_, secret, err := decision.Door{Tokens: w.db}.CreateToken(t.Context(), actor, decision.TokenRequest{Name: role.String(), Role: role, ExpiresAt: &until})
		w.must(err)
		shim += "*\"--role " + role.String() + " \"*) echo " + string(secret) + ";;\n"
	}
	server := httptest.NewServer(w.handler)
	defer server.Close()

	first, more := string(digest(3)), "8 lines"
	says := []string{"", first, "local/pay/web@" + first + "\n", "pass signature", more, keyless.Name + "\npending\n", "1 from unapproved to trusted\nactive\n"}
	dir, saw := t.TempDir(), 0
	// The command itself is tested where it is; here it answers what it would.
	bin := filepath.Join(dir, "signboard")
	w.must(os.WriteFile(bin, []byte(shim+"esac\n"), 0o755))
	for i, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", m[1])
		cmd.Dir = dir
		cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool {
			return strings.HasPrefix(strings.ToLower(e), "http_proxy=") || strings.HasPrefix(e, "SIGNBOARD")
		}), "SIGNBOARD="+server.URL, "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", m[1], err, out)
			continue
		}
		saw++
		if i >= len(says) {
			t.Errorf("nobody says what comes of %s: add it to says; now it is %s", m[1], out)
		} else if says[i] == more {
			if lines := strings.Count(string(out), "\n"); lines != 8 {
				t.Errorf("%s gave %d lines: %s", m[1], lines, out)
			}
		} else if !strings.Contains(string(out), says[i]) {
			t.Errorf("%s doesn't give %q: %s", m[1], says[i], out)
		}
	}
	if saw < len(says) {
		t.Errorf("%d of %d commands ran", saw, len(says))
	}
	header, err := os.Stat(filepath.Join(dir, "auth"))
	if err != nil || header.Mode().Perm() != 0o600 {
		t.Errorf("the file with the token may be read by others: %v, %v", header, err)
	}
}
