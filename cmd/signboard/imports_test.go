package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed is the architecture: which of our packages each of them may import.
// Imports only ever point down. A name with "/..." stands for the package and
// everything below it; a package not listed here may not exist.
var allowed = []struct {
	floor   int
	room    string
	imports []string
}{
	{6, "cmd/signboard", []string{"..."}},
	{6, "cmd/signboard/demo", []string{"inventory"}},
	{5, "web", []string{"handlers/...", "web/session", "web/metrics", "static", "inventory"}},
	{4, "handlers", []string{"handlers/api", "inventory", "inventory/audit", "inventory/decision", "views/..."}},
	{4, "handlers/api", []string{"inventory", "inventory/audit", "inventory/decision"}},
	{4, "handlers/hook", []string{"inventory"}},
	{3, "web/session", []string{"inventory"}},
	{3, "web/metrics", []string{"inventory"}},
	{3, "inventory/check", []string{"inventory", "inventory/policy"}},
	{3, "inventory/decision", []string{"inventory", "inventory/policy"}},
	{3, "inventory/syncer", []string{"inventory", "inventory/policy"}},
	{2, "inventory/policy", []string{"inventory"}},
	{2, "inventory/verify", []string{"inventory"}},
	{2, "inventory/verify/sigstore", []string{"inventory"}},
	{2, "inventory/verify/cosign", []string{"inventory", "inventory/verify", "inventory/verify/sigstore"}},
	{2, "inventory/verify/buildkit", []string{"inventory", "inventory/verify"}},
	{2, "inventory/verify/dct", []string{"inventory", "inventory/verify"}},
	{2, "inventory/verify/notation", []string{"inventory", "inventory/verify"}},
	{2, "inventory/verify/verifytest", []string{"inventory"}}, // what tests read images from
	{2, "inventory/registry", []string{"inventory"}},
	{2, "inventory/registry/listing", []string{"inventory", "inventory/registry"}},
	{2, "inventory/audit", []string{"inventory"}},
	{2, "inventory/store", []string{"inventory", "inventory/audit", "inventory/store/database"}},
	{2, "inventory/store/database", []string{"inventory", "migrations"}},
	{2, "inventory/store/database/databasetest", nil}, // what tests keep an inventory in
	{2, "views", []string{"inventory", "static", "views/ui"}},
	{2, "views/ui", []string{"inventory", "static"}},
	{1, "inventory", nil},
	{1, "migrations", nil},
	{1, "static", nil},
	{0, "e2e", []string{"e2e/browser"}},
	{0, "e2e/browser", nil},
	{0, "e2e/peers", []string{"e2e/browser"}},
}

// standardOnly are the packages of the first floor: the nouns and the embedded
// files know no library.
var standardOnly = []string{"inventory", "migrations", "static"}

func TestImports_onlyPointDown(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{range .Imports}} {{.}}{{end}}`, "signboard/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		room := strings.TrimPrefix(path, "signboard/")
		i := slices.IndexFunc(allowed, func(a struct {
			floor   int
			room    string
			imports []string
		}) bool {
			return a.room == room
		})
		if i < 0 {
			t.Errorf("%s is in no floor of the architecture: put its code into a room that is, or add the room to this table and to docs/", room)
			continue
		}
		seen++
		for imported := range strings.FieldsSeq(imports) {
			ours, isOurs := strings.CutPrefix(imported, "signboard/")
			if isOurs && !permits(allowed[i].imports, ours) {
				t.Errorf("%s (floor %d) imports %s; it may import only %s", room, allowed[i].floor, ours, strings.Join(allowed[i].imports, ", "))
			}
			if first, _, _ := strings.Cut(imported, "/"); !isOurs && strings.Contains(first, ".") && slices.Contains(standardOnly, room) {
				t.Errorf("%s imports %s; it may import the standard library only", room, imported)
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d packages were seen: the test looks in the wrong place", seen)
	}
}

func permits(patterns []string, path string) bool {
	for _, p := range patterns {
		base, below := strings.CutSuffix(p, "...")
		base = strings.TrimSuffix(base, "/")
		if path == base || below && (base == "" || strings.HasPrefix(path, base+"/")) {
			return true
		}
	}
	return false
}

func TestPermits_refusesWhatIsNotListed(t *testing.T) {
	for path, want := range map[string]bool{"views": true, "views/ui": true, "viewsx": false, "inventory/store": false, "inventory": true} {
		if got := permits([]string{"inventory", "views/..."}, path); got != want {
			t.Errorf("permits(%s) = %v", path, got)
		}
	}
}
