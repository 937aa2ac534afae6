package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRegistriesPage_everyExampleLoads holds that what docs/registries.md offers
// for pasting is accepted.
func TestRegistriesPage_everyExampleLoads(t *testing.T) {
	page, err := os.ReadFile("../../docs/registries.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	loaded := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(registries:.*?)```").FindAllStringSubmatch(string(page), -1) {
		text := strings.ReplaceAll(block[1], "/run/secrets/", dir+"/")
		for _, file := range regexp.MustCompile(`_file: (\S+)`).FindAllStringSubmatch(text, -1) {
			if err := os.WriteFile(filepath.Clean(file[1]), []byte("secret\n"), 0o600); err != nil {
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
