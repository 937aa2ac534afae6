package inventory_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"signboard/inventory"
)

const repeated = inventory.Digest("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

func anImage() inventory.Image {
	return inventory.Image{Registry: "local", Repository: "team-a/api", Digest: repeated, Tags: []string{"v1"}}
}

func checks(results map[string]inventory.Result) []inventory.Check {
	var list []inventory.Check
	for name, r := range results {
		list = append(list, inventory.Check{Name: name, Result: r})
	}
	return list
}

// words runs a command in a shell in which the tools only print their words.
func words(t *testing.T, shell, script string) []string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range []string{"cosign", "notation", "docker"} {
		text := "#!/bin/sh\nprintf '%s\\0' \"$DOCKER_CONTENT_TRUST_SERVER\" " + tool + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(dir, tool), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), shell, "-c", script)
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s can't run it: %v\n%s\n%s", shell, err, script, out)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("running the command left something behind: %v, %v", left, err)
	}
	list := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if list[0] != "" {
		list[0] = "DOCKER_CONTENT_TRUST_SERVER=" + list[0]
		return list
	}
	return list[1:]
}

// TestReproduce_asTheToolsTakeIt holds each form to the words with which
// cosign 2.6 and 3.1, notation 1.3 and docker 28.2 were seen to accept what they
// had signed themselves, and to refuse another image.
func TestReproduce_asTheToolsTakeIt(t *testing.T) {
	key := &inventory.Signer{ID: inventory.KeyID(repeated), Name: "Payments release key"}
	workflow := &inventory.Signer{ID: inventory.KeylessID("https://token.actions.githubusercontent.com",
		"https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v1")}
	ref := "registry.example.com:5000/team-a/api@" + string(repeated)
	for name, test := range map[string]struct {
		signature inventory.Signature
		address   string
		want      []string
	}{
		"a key, in a .sig tag, no log": {
			inventory.Signature{Format: inventory.FormatSimpleSigning, Signer: key, Checks: checks(map[string]inventory.Result{"manifest_subject": inventory.Skip})}, "",
			[]string{"cosign", "verify", "--new-bundle-format=false", "--key", "payments-release-key.pub", "--insecure-ignore-tlog", ref}},
		"a key, in a .sig tag, logged": {
			inventory.Signature{Format: inventory.FormatSimpleSigning, Signer: key, Domain: "public-good",
				Checks: checks(map[string]inventory.Result{"manifest_subject": inventory.Skip, "log_entry": inventory.Pass})}, "",
			[]string{"cosign", "verify", "--new-bundle-format=false", "--key", "payments-release-key.pub", ref}},
		"a key, logged by a private instance": {
			inventory.Signature{Format: inventory.FormatBundle, Signer: key, Checks: checks(map[string]inventory.Result{"log_entry": inventory.Pass}),
				Chain: []inventory.Link{{Role: inventory.RoleTlog, Facts: []inventory.Fact{{Name: "Root of trust", Value: "acme"}}}}}, "",
			[]string{"cosign", "verify", "--new-bundle-format", "--key", "payments-release-key.pub", "--trusted-root", "acme.json", ref}},
		"a key, as a referrer": {
			inventory.Signature{Format: inventory.FormatSimpleSigning, Signer: key, Checks: checks(map[string]inventory.Result{"manifest_subject": inventory.Pass})}, "",
			[]string{"cosign", "verify", "--new-bundle-format=false", "--key", "payments-release-key.pub", "--insecure-ignore-tlog", "--experimental-oci11", ref}},
		"a key, in a bundle, an entry of a log that isn't known": {
			inventory.Signature{Format: inventory.FormatBundle, Signer: key, Checks: checks(map[string]inventory.Result{"manifest_subject": inventory.Pass, "log_entry": inventory.Skip})}, "",
			[]string{"cosign", "verify", "--new-bundle-format", "--key", "payments-release-key.pub", "--insecure-ignore-tlog", ref}},
		"a key that nobody registered": {
			inventory.Signature{Format: inventory.FormatBundle}, "",
			[]string{"cosign", "verify", "--new-bundle-format", "--key", "KEY.pub", "--insecure-ignore-tlog", ref}},
		"keyless, public": {
			inventory.Signature{Format: inventory.FormatBundle, Signer: workflow, Domain: "public-good", Checks: checks(map[string]inventory.Result{"log_entry": inventory.Pass})}, "",
			[]string{"cosign", "verify", "--new-bundle-format",
				"--certificate-identity", "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v1",
				"--certificate-oidc-issuer", "https://token.actions.githubusercontent.com", ref}},
		"keyless, private, with a timestamp and a log": {
			inventory.Signature{Format: inventory.FormatBundle, Signer: workflow, Domain: "acme",
				Checks: checks(map[string]inventory.Result{"log_entry": inventory.Pass, "timestamp": inventory.Pass})}, "http://registry.example.com:5000",
			[]string{"cosign", "verify", "--new-bundle-format",
				"--certificate-identity", "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v1",
				"--certificate-oidc-issuer", "https://token.actions.githubusercontent.com",
				"--trusted-root", "acme.json", "--use-signed-timestamps", "--allow-http-registry", ref}},
		"keyless, private, with a timestamp and no log at all": {
			inventory.Signature{Format: inventory.FormatBundle, Signer: workflow, Domain: "acme", Checks: checks(map[string]inventory.Result{"timestamp": inventory.Pass})}, "",
			[]string{"cosign", "verify", "--new-bundle-format",
				"--certificate-identity", "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v1",
				"--certificate-oidc-issuer", "https://token.actions.githubusercontent.com",
				"--trusted-root", "acme.json", "--use-signed-timestamps", "--insecure-ignore-tlog", ref}},
		"a certificate whose names can't be read": {
			inventory.Signature{Format: inventory.FormatSimpleSigning, Checks: checks(map[string]inventory.Result{"certificate": inventory.Fail})}, "",
			[]string{"cosign", "verify", "--new-bundle-format=false", "--certificate-identity", "IDENTITY", "--certificate-oidc-issuer", "ISSUER", ref}},
		"Notation": {
			inventory.Signature{Format: inventory.FormatNotationCOSE, Domain: "acme"}, "https://registry.example.com:5000",
			[]string{"notation", "verify", ref}},
		"Notation over HTTP": {
			inventory.Signature{Format: inventory.FormatNotationJWS}, "http://registry.example.com:5000",
			[]string{"notation", "verify", "--insecure-registry", ref}},
		"Docker Content Trust": {
			inventory.Signature{Format: inventory.FormatDCT}, "",
			[]string{"docker", "trust", "inspect", "--pretty", "registry.example.com:5000/team-a/api"}},
		"Docker Content Trust, with what its evidence says": {
			inventory.Signature{Format: inventory.FormatDCT, Domain: "local", Chain: []inventory.Link{
				{Role: inventory.RoleStatement, Facts: []inventory.Fact{{Name: "Repository", Value: "registry.example.com/team-a/api"}, {Name: "Tags signed", Value: "v1, v1.0 and 3 more"}}},
				{Role: inventory.RoleRoot, Facts: []inventory.Fact{{Name: "Server", Value: "https://notary.example.com:4443"}}}}}, "",
			[]string{"DOCKER_CONTENT_TRUST_SERVER=https://notary.example.com:4443", "docker", "trust", "inspect", "--pretty", "registry.example.com/team-a/api:v1"}},
		"Docker Content Trust at Docker Hub, under a tag that can't be shown": {
			inventory.Signature{Format: inventory.FormatDCT, Chain: []inventory.Link{
				{Role: inventory.RoleStatement, Facts: []inventory.Fact{{Name: "Repository", Value: "docker.io/acme/api"}, {Name: "Tags signed", Value: "v1⟨U+202E⟩"}}},
				{Role: inventory.RoleRoot, Facts: []inventory.Fact{{Name: "Server", Value: "https://notary.docker.io"}}}}}, "",
			[]string{"docker", "trust", "inspect", "--pretty", "docker.io/acme/api"}},
		"keyless, of an instance without a certificate log": {
			inventory.Signature{Format: inventory.FormatBundle, Signer: workflow, Domain: "public-good",
				Checks: checks(map[string]inventory.Result{"log_entry": inventory.Pass, "certificate_transparency": inventory.Skip})}, "",
			[]string{"cosign", "verify", "--new-bundle-format",
				"--certificate-identity", "https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v1",
				"--certificate-oidc-issuer", "https://token.actions.githubusercontent.com", "--insecure-ignore-sct", ref}},
		"a format of the future": {inventory.Signature{Format: "pgp"}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			address := test.address
			if address == "" {
				address = "registry.example.com:5000"
			}
			got := inventory.Reproduce(anImage(), test.signature, address)
			if test.want == nil {
				if got != "" {
					t.Errorf("there is a command for it: %s", got)
				}
				return
			}
			if said := words(t, "sh", got); !slices.Equal(said, test.want) {
				t.Errorf("the command is\n%q, want\n%q", said, test.want)
			}
		})
	}
}

func TestReproduceAttestation_asTheToolsTakeIt(t *testing.T) {
	key := &inventory.Signer{ID: inventory.KeyID(repeated), Name: "ci"}
	const slsa = "https://slsa.dev/provenance/v1"
	ref := "registry.example.com/team-a/api@" + string(repeated)
	for name, test := range map[string]struct {
		attestation inventory.Attestation
		want        []string
	}{
		"a bundle": {inventory.Attestation{PredicateType: slsa, Signer: key},
			[]string{"cosign", "verify-attestation", "--type", slsa, "--new-bundle-format", "--key", "ci.pub", "--insecure-ignore-tlog", ref}},
		"an envelope": {inventory.Attestation{PredicateType: slsa, Signer: key, Checks: checks(map[string]inventory.Result{"manifest_subject": inventory.Skip})},
			[]string{"cosign", "verify-attestation", "--type", slsa, "--new-bundle-format=false", "--key", "ci.pub", "--insecure-ignore-tlog", ref}},
		"signed by nobody": {inventory.Attestation{PredicateType: slsa, Outcome: inventory.OutcomeUnverifiable, Reason: inventory.ReasonNoSignature}, nil},
		"of no type":       {inventory.Attestation{Signer: key}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := inventory.ReproduceAttestation(anImage(), test.attestation, "registry.example.com")
			if test.want == nil {
				if got != "" {
					t.Errorf("there is a command for it: %s", got)
				}
				return
			}
			if said := words(t, "sh", got); !slices.Equal(said, test.want) {
				t.Errorf("the command is\n%q, want\n%q", said, test.want)
			}
		})
	}
}

// TestReproduce_aHostileIdentityStaysOneWord holds that whatever a certificate
// says, its identity reaches cosign as it is, as one word, and nothing else
// happens; and that a reader sees every character of it.
func TestReproduce_aHostileIdentityStaysOneWord(t *testing.T) {
	shells := []string{"sh"}
	if _, err := exec.LookPath("bash"); err == nil {
		shells = append(shells, "bash")
	}
	for _, identity := range []string{
		"dev@example.com",
		"it's",
		`'; touch owned; '`,
		"$(touch owned)",
		"`touch owned`",
		"a\ntouch owned\n",
		"\n",
		"a\n\n",
		"a\\\ntouch owned",
		"\x1b[201~\rtouch owned\r",
		"\x03\ntouch owned",
		"\x1b[201~$(touch owned)`touch owned`'\"\\%s%n!! $HOME",
		"\u202egpj.exe\u200b",
		"caf\xff\xfe",
		"--key",
		"-rf *",
		"", " ", "~", "#", "a b", "a|b", "a;b&c>owned", "*", "[a]", "{a,b}", "Jörg@beispiel.example",
		strings.Repeat("'", 10_000),
	} {
		s := inventory.Signature{Format: inventory.FormatBundle, Domain: identity, Checks: checks(map[string]inventory.Result{"log_entry": inventory.Pass}),
			Signer: &inventory.Signer{ID: inventory.KeylessID("https://issuer.example", identity)}}
		command := inventory.Reproduce(anImage(), s, "registry.example.com")
		for _, shell := range shells {
			got := words(t, shell, command)
			if len(got) < 5 || got[4] != identity {
				t.Errorf("in %s the identity %q arrives as %q", shell, identity, got)
			}
			if last := got[len(got)-1]; last != "registry.example.com/team-a/api@"+string(repeated) {
				t.Errorf("in %s the identity %q makes the command end in %q", shell, identity, last)
			}
		}
		if shown := strings.ReplaceAll(command, "\n", ""); inventory.Visible(shown) != shown {
			t.Errorf("the command for %q holds what can't be seen: %q", identity, command)
		}
	}
	s := inventory.Signature{Format: inventory.FormatBundle, Signer: &inventory.Signer{ID: inventory.KeylessID("https://issuer.example", "a\x00b")}}
	if got := inventory.Reproduce(anImage(), s, "registry.example.com"); got != "" {
		t.Errorf("no command can hold a zero byte, and this is offered: %q", got)
	}
}

func TestReproduce_hostileNamesOfFilesAndPlaces(t *testing.T) {
	i := anImage()
	i.Repository = "a/$(touch owned)"
	s := inventory.Signature{Format: inventory.FormatBundle, Signer: &inventory.Signer{ID: inventory.KeyID(repeated), Name: "../../etc/$(touch owned)\n-x"}}
	got := words(t, "sh", inventory.Reproduce(i, s, "registry.example.com"))
	if want := "registry.example.com/a/$(touch owned)@" + string(repeated); got[len(got)-1] != want {
		t.Errorf("the image arrives as %q", got)
	}
	if file := got[4]; strings.ContainsAny(file, "/$ \n") || strings.HasPrefix(file, ".") || strings.HasPrefix(file, "-") {
		t.Errorf("the key's file is called %q", file)
	}
	for _, host := range []string{"index.docker.io", "registry-1.docker.io", "https://index.docker.io"} {
		if got := inventory.Reproduce(anImage(), s, host); !strings.Contains(got, "docker.io/team-a/api@") || strings.Contains(got, "index") || strings.Contains(got, "registry-1") {
			t.Errorf("at %s: %s", host, got)
		}
	}
}

func TestReproduce_namesTheHashThatCosignDoesNotFind(t *testing.T) {
	for scheme, want := range map[string]string{
		"ECDSA P-384 with SHA-384": "--signature-digest-algorithm sha384", "RSA 3072 with SHA-512": "--signature-digest-algorithm sha512",
		"ECDSA P-256 with SHA-256": "",
	} {
		s := inventory.Signature{Format: inventory.FormatBundle, Outcome: inventory.OutcomeVerified, Signer: &inventory.Signer{ID: "key:sha256:" + inventory.SignerID(strings.Repeat("a", 64)), Name: "release"},
			Chain: []inventory.Link{{Role: inventory.RoleSignature, Facts: []inventory.Fact{{Name: "Scheme", Value: scheme}}}}}
		got := inventory.Reproduce(inventory.Image{Repository: "app", Digest: inventory.DigestOf(nil)}, s, "registry.example")
		if strings.Contains(got, "--signature-digest-algorithm") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%s: %s", scheme, got)
		}
	}
}
