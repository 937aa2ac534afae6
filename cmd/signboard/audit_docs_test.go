package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"signboard/inventory"
)

// TestAuditDocs_listEveryAction holds the list of actions against the page for
// auditors, and against what the program's text writes down.
func TestAuditDocs_listEveryAction(t *testing.T) {
	raw, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(raw), "## Entries")
	var said []string
	for _, m := range regexp.MustCompile("`([a-z]+\\.[a-z_]+)`").FindAllStringSubmatch(table, -1) {
		said = append(said, m[1])
	}
	for _, action := range inventory.AuditActions {
		if !slices.Contains(said, action) {
			t.Errorf("docs/audit.md doesn't say what %s is", action)
		}
	}
	for _, action := range said {
		if !slices.Contains(inventory.AuditActions, action) {
			t.Errorf("docs/audit.md says what %s is, which isn't an action", action)
		}
	}

	word := regexp.MustCompile(`"((?:` + strings.Join(inventory.AuditFamilies(), "|") + `)\.[a-z_]+)"`)
	found := 0
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), "AuditEntry") && !strings.Contains(string(text), "entry(") {
			return nil
		}
		for _, m := range word.FindAllStringSubmatch(string(text), -1) {
			found++
			if !slices.Contains(inventory.AuditActions, m[1]) {
				t.Errorf("%s writes down %s, which isn't among inventory.AuditActions", path, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 25 {
		t.Errorf("only %d actions were found in the program's text", found)
	}
}

// TestAuditDocs_commandsAreTyped types what the page for auditors says.
func TestAuditDocs_commandsAreTyped(t *testing.T) {
	raw, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	o := newOffice(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		o.token(name)
	}
	o.proof(3, "signboard-audit-3.json")
	o.publish()
	o.write("kept.txt", o.read("checkpoint.txt"))
	_, public, _ := strings.Cut(o.read("board.audit-key"), "\n")
	o.write("audit-key.txt", public)
	o.token("e")
	t.Chdir(o.dir)
	typed := 0
	for _, m := range regexp.MustCompile("(?m)^signboard (audit verify .*)$").FindAllStringSubmatch(string(raw), -1) {
		typed++
		var b strings.Builder
		if code := run(t.Context(), strings.Fields(m[1]), strings.NewReader(""), &b, &b); code != 0 {
			t.Errorf("signboard %s ends with %d: %s", m[1], code, b.String())
		}
	}
	if typed != 3 {
		t.Errorf("%d commands were typed", typed)
	}
	o.byHand("update audit_entries set reason = 'x' where idx = 2")
	o.expect(1, "Entry 2 was changed", "audit", "verify", "--checkpoint", "kept.txt")
}
