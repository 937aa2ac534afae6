package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSignInPage_everyExampleLoads holds that what docs/sign-in.md offers for
// pasting is accepted, and is the ten lines it promises.
func TestSignInPage_everyExampleLoads(t *testing.T) {
	page, err := os.ReadFile("../../docs/sign-in.md")
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "oidc")
	put(t, secret, "hunter2\n")
	issuers := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		text := strings.ReplaceAll(block[1], "/run/secrets/oidc", secret)
		c, err := loadConfig(write(t, text), nil)
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		if n := strings.Count(text, "\n"); n > 10 {
			t.Errorf("%d lines are more than ten:\n%s", n, text)
		}
		if c.OIDC == nil || len(c.OIDC.roles) != 3 || c.OIDC.ClientSecret != "hunter2" {
			t.Errorf("it says %+v", c.OIDC)
			continue
		}
		issuers[c.OIDC.IssuerURL] = true
	}
	if len(issuers) != 7 {
		t.Errorf("the examples are of %d providers: %v", len(issuers), issuers)
	}
	for _, uri := range []string{"https://signboard.example.com/auth/callback`", "https://signboard.example.com/signin`"} {
		if !strings.Contains(string(page), uri) {
			t.Errorf("the page doesn't say to register %s", uri)
		}
	}
}
