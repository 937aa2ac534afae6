package views

import (
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

// body is the page without its markup, white space folded.
func body(t *testing.T, p sample) string {
	t.Helper()
	for _, n := range elements(t, p) {
		if n.Data == "body" {
			return text(n)
		}
	}
	t.Fatal("no body")
	return ""
}

func imageOf(signatures ...inventory.Signature) sample {
	i := images40()[0]
	i.Signatures = signatures
	return sample{"image", ImagePage{Frame: frame("x", "/x"), Image: i, Host: "registry.example", Address: "registry.example"}}
}

// What tells one signer from another is at the end of long names, and in who
// vouches for them: nothing of it may be cut.
func TestImage_showsAnIdentityInFull(t *testing.T) {
	s := keylessSignature(keyless())
	out := body(t, imageOf(s))
	for _, want := range []string{workflow, actions, "https://github.com/acme/storefront/actions/runs/8123456789/attempts/1", "9f2b6c1d0e4a5b8c7d6e5f4a3b2c1d0e9f8a7b6c", "refs/heads/main", "public-good"} {
		if !strings.Contains(out, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, f := range company(inventory.Approved).Facts {
		if !strings.Contains(body(t, imageOf(notationSignature(company(inventory.Approved)))), f.Value) {
			t.Errorf("the page lacks %q", f.Value)
		}
	}
}

// An identity that nothing proves is never said to have signed.
func TestImage_saysOnlyThatAnUnprovenSignerIsClaimed(t *testing.T) {
	i := images40()[3]
	i.Signatures = []inventory.Signature{unknownRoot()}
	i.Signatures[0].Signer = nil // nothing vouches for it: only the certificate has a name
	out := body(t, sample{"", ImagePage{Frame: frame("x", "/x"), Image: i}})
	if !strings.Contains(out, "(not proven)") || strings.Contains(out, "the signature doesn't say") {
		t.Errorf("whom it claims to be by isn't said: %s", out)
	}
	i.Signatures = []inventory.Signature{unknownRoot()}
	out = body(t, sample{"", ImagePage{Frame: frame("x", "/x"), Image: i}})
	if strings.Contains(out, "Signed by") || strings.Contains(out, "vouched for by") || !strings.Contains(out, "Claims to be") {
		t.Errorf("the page says: %s", out)
	}
}

// The stored outcome is that of the day it was checked.
func TestImage_saysThatASignatureThatRanOutHoldsNoLonger(t *testing.T) {
	s := notationSignature(company(inventory.Approved))
	if out := body(t, imageOf(s)); !strings.Contains(out, "runs out in 12 days") || !strings.Contains(out, "The bytes are intact") {
		t.Errorf("twelve days before its end: %s", out)
	}
	s.Expires.At = now
	out := body(t, imageOf(s))
	if strings.Contains(out, "The bytes are intact") || !strings.Contains(out, "The signature does not hold") || !strings.Contains(out, "The signature ran out.") {
		t.Errorf("at its end: %s", out)
	}
	if s.Outcome != inventory.OutcomeVerified {
		t.Error("showing it changed it")
	}
	s.Expires.At = now.Add(40 * 24 * time.Hour)
	if out := body(t, imageOf(s)); strings.Contains(out, "runs out") {
		t.Error("the end is announced long before")
	}
}

func TestImage_saysThatDockerContentTrustEndsWhereNothingElseIsThere(t *testing.T) {
	const hint = "Only Docker Content Trust says who signed this."
	dct, other := dctSignature(), keylessSignature(keyless())
	if out := body(t, imageOf(dct)); !strings.Contains(out, hint) || !strings.Contains(out, "closes on 8 December 2026") {
		t.Errorf("no hint: %s", out)
	}
	if strings.Contains(body(t, imageOf(dct, other)), hint) {
		t.Error("a hint although another signature holds")
	}
	other.Outcome = inventory.OutcomeInvalid
	if !strings.Contains(body(t, imageOf(dct, other)), hint) {
		t.Error("a signature that fails is no way out")
	}
	if strings.Contains(body(t, imageOf(other)), hint) || strings.Contains(body(t, imageOf()), hint) {
		t.Error("a hint without Docker Content Trust")
	}
}

func TestImage_repeatsAChecksCommandOnlyWhenItKnowsTheRegistry(t *testing.T) {
	s := imageOf(keylessSignature(keyless()))
	if out := render(t, s); !strings.Contains(out, "registry.example/team-payments/api@") || !strings.Contains(out, "--certificate-oidc-issuer") {
		t.Error("the page lacks the command")
	}
	p := s.page.(ImagePage)
	p.Address = ""
	if strings.Contains(render(t, sample{"", p}), "Repeat this check") {
		t.Error("a command for a registry that isn't known")
	}
}

func TestImage_saysThatAnArtifactIsNoImage(t *testing.T) {
	if out := body(t, page(t, "image-artifact")); !strings.Contains(out, "This is not an image") {
		t.Errorf("the page says: %s", out)
	}
	if strings.Contains(body(t, page(t, "image")), "This is not an image") {
		t.Error("an index is said to be no image")
	}
}

func TestAttestations_areNeverShownAsSignaturesOfTheImage(t *testing.T) {
	i := images40()[5]
	i.Attestations = attestationList()
	out := body(t, sample{"", ImagePage{Frame: frame("x", "/x"), Image: i}})
	for _, want := range []string{
		"Nobody signed this image.", "An attestation is not a signature of the image", "Claimed by the build, signed by nobody.",
		"How it was built (SLSA provenance)", "https://slsa.dev/provenance/v1", "What is in it (SBOM, CycloneDX)", "Which known flaws matter (VEX)",
		"https://github.com/actions/runner/github-hosted", "Not proven:",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(out, "The signature on it holds"); n != 1 {
		t.Errorf("%d attestations are said to be signed, one is", n)
	}
	if strings.Contains(out, "The bytes are intact") {
		t.Error("an attestation makes the image's bytes intact")
	}
}

// Every reason that is shown leads to its page.
func TestImage_leadsFromEachReasonToItsPage(t *testing.T) {
	i := images40()[4]
	i.Signatures, i.Attestations = []inventory.Signature{failing(), unknownRoot()}, attestationList()
	out := render(t, sample{"", ImagePage{Frame: frame("x", "/x"), Image: i, Host: "registry.example"}})
	for _, r := range []inventory.Reason{inventory.ReasonDigestMismatch, inventory.ReasonRootUnknown, inventory.ReasonKeyUnknown} {
		if !strings.Contains(out, `href="/learn/`+string(r)+`?digest=`) {
			t.Errorf("%s leads nowhere", r)
		}
	}
}

func TestTrust_neverCallsAnOldRootGood(t *testing.T) {
	for _, r := range roots() {
		if word := rootWord(r); r.Stale && (strings.HasPrefix(word, "In use") || rootKey(r) == string(inventory.Pass) || rootProblem(r) == "") {
			t.Errorf("%s is old and shown as %q, %s", r.Name, word, rootKey(r))
		}
	}
	if out := body(t, page(t, "trust")); !strings.Contains(out, "2 of 7 roots of trust need renewing.") || !strings.Contains(out, "12 days ago") {
		t.Errorf("the page says: %s", out)
	}
}

// A signature leads to the root it was checked against.
func TestTrust_isWhereSignaturesLeadTo(t *testing.T) {
	ids := map[string]bool{}
	for _, n := range elements(t, page(t, "trust")) {
		if id, ok := attr(n, "id"); ok {
			ids["/trust#"+id] = true
		}
	}
	for _, s := range []inventory.Signature{keylessSignature(keyless()), notationSignature(company(inventory.Approved))} {
		if to := trustURL(s.Format, s.Domain); !ids[to] || !strings.Contains(render(t, imageOf(s)), to) {
			t.Errorf("%s leads to %s", s.Domain, to)
		}
	}
}

// Two identities of one name are told apart by who vouches for them.
func TestSigners_ofOneNameAreToldApart(t *testing.T) {
	a, b := keyless(), keyless()
	b.ID = inventory.KeylessID("https://token.actions.githubusercontent.com.evil.example", workflow)
	out := body(t, sample{"", SignersPage{Frame: frame("Signers", "/signers"), Registries: 1, Signers: []inventory.Signer{a, b}}})
	if strings.Count(out, "vouched for by "+actions) != 2 || !strings.Contains(out, actions+".evil.example") {
		t.Errorf("the list says: %s", out)
	}
	b.ID = inventory.KeylessID("https://tоken.example", workflow) // a Cyrillic о
	if out := body(t, sample{"", SignersPage{Frame: frame("Signers", "/signers"), Registries: 1, Signers: []inventory.Signer{b}}}); !strings.Contains(out, "contains unusual characters") {
		t.Error("an issuer of look-alike letters isn't marked")
	}
}
