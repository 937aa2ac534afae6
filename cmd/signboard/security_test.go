package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPage_namesTestsThatAreThere holds docs/security.md to the tests:
// each that it names exists, and each line of its checklist names one or says why
// there is none.
func TestSecurityPage_namesTestsThatAreThere(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := testNames(t, root)
	named := regexp.MustCompile("`(\\w+)\\.(Test\\w+)`")
	count := 0
	for _, m := range named.FindAllStringSubmatch(string(page), -1) {
		if count++; !there[m[1]+"."+m[2]] {
			t.Errorf("there is no test %s in a package %s", m[2], m[1])
		}
	}
	if count < 150 {
		t.Errorf("only %d tests are named", count)
	}
	requirement := regexp.MustCompile(`^\| \d+\.\d+\.\d+`)
	rows := 0
	for line := range strings.Lines(string(page)) {
		if !requirement.MatchString(line) {
			continue
		}
		rows++
		if !named.MatchString(line) && !strings.Contains(line, "*by reading*") && !strings.Contains(strings.ToLower(line), "**not met**") {
			t.Errorf("a line without a test, and without a word about it: %s", line)
		}
	}
	if rows < 80 {
		t.Errorf("only %d requirements are on the page", rows)
	}
}

// testNames are all tests, as package.Name. A package of tests from outside is
// called as the one it tests.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	clause := regexp.MustCompile(`(?m)^package (\w+?)(_test)?$`)
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		of := clause.FindSubmatch(source)
		if of == nil {
			t.Errorf("%s is of no package", path)
			return nil
		}
		for _, f := range function.FindAllSubmatch(source, -1) {
			names[string(of[1])+"."+string(f[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
