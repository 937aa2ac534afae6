package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

const aDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func registries(t *testing.T, yaml string) *Config {
	t.Helper()
	c, err := loadConfig("-", strings.NewReader("registries:\n"+yaml))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLocate_findsTheRegistryByItsHostAndThenByItsName(t *testing.T) {
	c := registries(t, `
  - {name: local, url: 'http://127.0.0.1:5000'}
  - {name: prod, url: 'https://Registry.example.com'}
  - {name: registry.example.com, url: 'https://other.example.com'}
  - {name: odd, url: 'http://odd.example.com:80'}
  - {name: mirror-a, url: 'https://mirror.example.com', repositories: [team-a/**]}
  - {name: mirror-b, url: 'https://mirror.example.com', repositories: [team-b/**]}
  - {name: hub, url: 'https://registry-1.docker.io', repositories: ['acme/**']}
`)
	for typed, want := range map[string]string{
		"127.0.0.1:5000/team-a/api":               "local/team-a/api:latest",
		"127.0.0.1:5000/team-a/api:v1":            "local/team-a/api:v1",
		"127.0.0.1:5000/team-a/api@" + aDigest:    "local/team-a/api@" + aDigest,
		"127.0.0.1:5000/team-a/api:v1@" + aDigest: "local/team-a/api@" + aDigest,
		"local/team-a/api:v1":                     "local/team-a/api:v1",
		"registry.example.com/x":                  "prod/x:latest",
		"REGISTRY.example.com:443/x:v1":           "prod/x:v1",
		"other.example.com/x":                     "registry.example.com/x:latest",
		"odd.example.com/x":                       "odd/x:latest",
		"odd.example.com:80/x":                    "odd/x:latest",
		"mirror.example.com/team-b/x":             "mirror-b/team-b/x:latest",
		"mirror.example.com/team-c/x":             "mirror-a/team-c/x:latest",
		"docker.io/library/nginx:1":               "hub/library/nginx:1",
		"docker.io/nginx":                         "hub/library/nginx:latest",
		"index.docker.io/acme/api":                "hub/acme/api:latest",
		"registry-1.docker.io/acme/api":           "hub/acme/api:latest",
		"nginx":                                   "hub/library/nginx:latest",
		"nginx:1.29":                              "hub/library/nginx:1.29",
		"acme/api:v1":                             "hub/acme/api:v1",
		"hub/nginx":                               "hub/library/nginx:latest",
		"local/a__b/c.d-e:V_1.2-x":                "local/a__b/c.d-e:V_1.2-x",
		"local/x@sha512:" + strings.Repeat("0123456789abcdef", 8): "local/x@sha512:" + strings.Repeat("0123456789abcdef", 8),
	} {
		r, err := c.locate(typed)
		if err != nil || r.String() != want {
			t.Errorf("%s is %s, %v; want %s", typed, r, err, want)
		}
	}
}

func TestLocate_refusesClearly(t *testing.T) {
	c := registries(t, "  - {name: local, url: 'http://127.0.0.1:5000'}\n  - {name: prod, url: 'https://registry.example.com'}\n")
	for typed, says := range map[string]string{
		"ghcr.io/acme/api:v1":                    "Configured: local (127.0.0.1:5000), prod (registry.example.com)",
		"nginx":                                  "is in no configured registry",
		"acme/api":                               "is in no configured registry",
		"127.0.0.1:5001/a":                       "is in no configured registry",
		"127.0.0.1/a":                            "is in no configured registry",
		"":                                       "is in no configured registry",
		"/a":                                     "is in no configured registry",
		"https://registry.example.com/a":         "is in no configured registry",
		"local":                                  "is in no configured registry",
		"local/":                                 "can't be the name of an image",
		"local/A":                                "can't be the name of an image",
		"local/a:":                               "can't be the name of an image",
		"local/a:b c":                            "can't be the name of an image",
		"local/../a":                             "can't be the name of an image",
		"local/a//b":                             "can't be the name of an image",
		"local/a@sha256:1234":                    "names no image",
		"local/a@md5:" + strings.Repeat("0", 32): "names no image",
		"local/a@":                               "names no image",
		"local/\u202ea\x1b[2J":                   "⟨U+202E⟩a⟨U+001B⟩",
		"local/" + strings.Repeat("a", 5000):     "…",
	} {
		r, err := c.locate(typed)
		if inventory.KindOf(err) != inventory.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %s, %v; want it refused with %q", shorten(typed), r, err, says)
		} else if len(err.Error()) > 1000 {
			t.Errorf("the refusal of %q has %d bytes", shorten(typed), len(err.Error()))
		}
	}
	if _, err := registries(t, "").locate("local/a"); err == nil || !strings.Contains(err.Error(), "add one under registries") {
		t.Errorf("without a registry it says %v", err)
	}
}

// hostile is an image in which whatever can be chosen from outside is hostile.
func hostile() (reference, inventory.Image) {
	const text = "x\x1b[2J\x1b]0;owned\x07\r\n  trusted \u202eevil\u009b31m"
	signer := &inventory.Signer{ID: inventory.KeylessID(text, text), Kind: inventory.KeylessSigner, Name: text, Standing: inventory.Pending,
		Facts: []inventory.Fact{{Name: text, Value: text}, {Name: "Key", Value: "-----BEGIN PUBLIC KEY-----\n" + text}}}
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	i := inventory.Image{
		Registry: "local", Repository: text, Digest: aDigest, MediaType: text, Tags: []string{text}, Status: inventory.Unapproved, Reason: inventory.ReasonSignerNotApproved,
		Message: text, Teams: []string{text}, Notes: []string{text}, LastGood: &inventory.LastGood{Status: inventory.Trusted, CheckedAt: at},
		Quarantine: &inventory.Quarantine{By: text, Reason: text, At: at},
		Platforms:  []inventory.Platform{{Platform: text, Digest: aDigest, Status: inventory.Unsigned}},
		Signatures: []inventory.Signature{{
			Format: inventory.FormatBundle, Outcome: inventory.OutcomeVerified, Message: text, Signer: signer, Domain: text, SignedAt: &at, SignedAtSource: inventory.SignedAtTlog,
			Checks: []inventory.Check{{Name: text, Result: inventory.Pass, Message: text}},
			Chain:  []inventory.Link{{Role: inventory.RoleLeaf, Name: text, Fingerprint: text, Issuer: text, NotBefore: &at, NotAfter: &at, Facts: signer.Facts, Checks: []string{text}}},
		}},
		Attestations: []inventory.Attestation{{PredicateType: text, Outcome: inventory.OutcomeVerified, Message: text, Signer: signer, Facts: signer.Facts}},
	}
	return reference{typed: text, registry: RegistryConfig{Name: "local", URL: "http://127.0.0.1:5000"}}, i
}

func TestPage_showsHostileTextWithoutObeyingIt(t *testing.T) {
	for _, width := range []int{0, 40} {
		var b bytes.Buffer
		p := &page{out: &b, width: width}
		r, i := hostile()
		p.image(r, i, 0)
		out := b.String()
		if shown := strings.ReplaceAll(out, "\n", ""); inventory.Visible(shown) != shown {
			t.Errorf("at width %d, what can't be seen is printed: %q", width, shown)
		}
		for line := range strings.Lines(out) {
			if strings.HasPrefix(strings.TrimLeft(line, " "), "trusted ") && width == 0 {
				t.Errorf("a line break of somebody else's starts a line: %q", line)
			}
		}
		if !strings.Contains(out, "⟨U+202E⟩") || !strings.Contains(out, "⟨U+001B⟩") {
			t.Errorf("at width %d, what can't be seen is left out:\n%s", width, out)
		}
	}
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestPage_fitsANarrowTerminal(t *testing.T) {
	r, i := reference{typed: "local/a:v1", registry: RegistryConfig{URL: "http://127.0.0.1:5000"}}, inventory.Image{
		Repository: "a", Digest: aDigest, Status: inventory.Trusted, Reason: inventory.ReasonOK, Message: strings.Repeat("word ", 60),
		Signatures: []inventory.Signature{{Format: inventory.FormatBundle, Outcome: inventory.OutcomeVerified, Message: "It holds.",
			Checks: []inventory.Check{{Name: "signature", Result: inventory.Pass, Message: strings.Repeat("word ", 30)}}}},
	}
	for _, colour := range []bool{false, true} {
		var b bytes.Buffer
		(&page{out: &b, width: 40, colour: colour}).image(r, i, 0)
		if got := strings.Contains(b.String(), "\x1b["); got != colour {
			t.Errorf("colour is %v, want %v", got, colour)
		}
		for line := range strings.Lines(colours.ReplaceAllString(b.String(), "")) {
			line = strings.TrimRight(line, "\n")
			if len([]rune(line)) > 40 && len(strings.Fields(line)) > 2 && !strings.Contains(line, "sha256:") && !strings.Contains(line, "/learn/") {
				t.Errorf("a line is wider than the terminal: %q", line)
			}
		}
	}
}

// TestPage_hasNoColourWhereNobodySeesIt: a file or a pipe isn't a terminal.
func TestPage_hasNoColourWhereNobodySeesIt(t *testing.T) {
	var b bytes.Buffer
	r, i := hostile()
	newPage(&b, "").image(r, i, 0)
	if b.Len() == 0 || strings.Contains(b.String(), "\x1b") {
		t.Errorf("%q", b.String())
	}
}

func TestPage_saysVerdictReasonAndWhereToRead(t *testing.T) {
	var b bytes.Buffer
	until := time.Date(2026, 12, 8, 0, 0, 0, 0, time.UTC)
	i := inventory.Image{Registry: "local", Repository: "a", Digest: aDigest, Status: inventory.Failed, Reason: inventory.ReasonDigestMismatch, Message: "It is another image's.",
		Signatures: []inventory.Signature{{Format: inventory.FormatNotationJWS, Outcome: inventory.OutcomeInvalid, Reason: inventory.ReasonDigestMismatch, Message: "It is another image's.",
			Signer:  &inventory.Signer{ID: inventory.X509ID(aDigest, "CN=Dana"), Name: "Dana"},
			Expires: &inventory.Expiry{At: until}, Checks: []inventory.Check{{Name: "payload_digest", Result: inventory.Fail, Message: "No."}},
			Chain: []inventory.Link{{Role: inventory.RoleImage, Name: "a"}, {Role: inventory.RoleRoot, Name: "Acme root"}}}},
		Platforms: []inventory.Platform{{Platform: "linux/arm64", Digest: aDigest, Status: inventory.Trusted, Inherited: true}},
	}
	(&page{out: &b, base: "https://signboard.example.com"}).image(reference{typed: "local/a", registry: RegistryConfig{URL: "https://r.example.com"}}, i, 0)
	at := 0
	for _, want := range []string{
		"invalid  local/a\n", "It is another image's.\n", "digest_mismatch, see https://signboard.example.com/learn/digest_mismatch",
		"signature 1 of 1, Notation (JWS)", "to be by Dana", "nothing says when", "2026-12-08", "fail  payload_digest: No.",
		"image        a\n", "root         Acme root\n", "notation verify", "r.example.com/a@" + aDigest, "linux/arm64", "from the signed index",
	} {
		n := strings.Index(b.String()[at:], want)
		if n < 0 {
			t.Fatalf("after %d bytes it does not say %q:\n%s", at, want, b.String())
		}
		at += n
	}
	if strings.Contains(b.String(), "signed by") {
		t.Error("a signature that doesn't hold is said to be by somebody")
	}
}

func TestWriteJSON_isReadableByTerminalsAndPrograms(t *testing.T) {
	const text = "a\x1b\u009b\u202e\U000E0001\u2028<&>\"\\ü漢😀\x7f"
	var b bytes.Buffer
	if err := writeJSON(&b, []string{text}); err != nil {
		t.Fatal(err)
	}
	if shown := strings.ReplaceAll(b.String(), "\n", ""); inventory.Visible(shown) != shown {
		t.Errorf("%q holds what can't be seen", b.String())
	}
	var back []string
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || len(back) != 1 || back[0] != text {
		t.Errorf("%s is read as %q, %v", b.String(), back, err)
	}
	for _, plain := range []string{"<&>", "ü漢😀"} {
		if !strings.Contains(b.String(), plain) {
			t.Errorf("%s is written without need as something else", plain)
		}
	}
}

func TestPage_branchesStandUnderTheSignatureTheyVouchFor(t *testing.T) {
	roles := func(chain []inventory.Link) (s string) {
		for _, l := range chain {
			s += string(l.Role) + " "
		}
		return s
	}
	made := func(list ...inventory.LinkRole) (chain []inventory.Link) {
		for _, r := range list {
			chain = append(chain, inventory.Link{Role: r})
		}
		return chain
	}
	got := roles(inOrder(made(inventory.RoleImage, inventory.RoleSignature, inventory.RoleLeaf, inventory.RoleRoot, inventory.RoleTlog, inventory.RoleTimestamp)))
	if got != "image signature tlog timestamp leaf root " {
		t.Errorf("the order is %s", got)
	}
	if got := roles(inOrder(made(inventory.RoleTlog, inventory.RoleImage))); got != "image tlog " {
		t.Errorf("without a signature the order is %s", got)
	}
}
