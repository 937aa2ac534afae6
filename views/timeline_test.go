package views

import (
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

// shown is the text of a sample's page.
func shown(t *testing.T, name string) string {
	t.Helper()
	var b strings.Builder
	for _, n := range elements(t, page(t, name)) {
		if n.Data == "main" {
			b.WriteString(text(n))
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestTimeline_saysWhyAndInOrder(t *testing.T) {
	out := shown(t, "image")
	_, out, ok := strings.Cut(out, "What happened")
	if out, _, _ = strings.Cut(out, "Whole digest"); !ok {
		t.Fatal("the page has no timeline")
	}
	at := 0
	for _, want := range []string{
		"Appeared", "Sigstore bundle by old build key", "stable", "the tag came here from", "Vanished", "by payments release key",
		"Trusted", "after unapproved", "Because Dana Reyes and Eric Voss approved payments release key",
		"Unapproved", "The first look found 1 signature and 2 attestations.", "First seen",
	} {
		next := strings.Index(strings.ToLower(out[at:]), strings.ToLower(want))
		if next < 0 {
			t.Fatalf("the timeline lacks %q, or has it too early: %s", want, out)
		}
		at += next + 1
	}
}

func TestTimeline_flagsARemovedSignatureUntilTrustedAgain(t *testing.T) {
	out := shown(t, "image-stripped")
	_, history, _ := strings.Cut(out, "What happened")
	for _, want := range []string{
		"A signature that had made this image trusted was removed from the registry.", "a signature that had made it trusted was removed",
		"No tag points here since", "and 1 more", "Because it could be checked again.", "older entries", "Can be checked now: payments release key",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the page lacks %q: %s", want, history)
		}
	}
	i := strippedImage()
	if removal(i) == nil {
		t.Error("it isn't flagged")
	}
	i.History = append([]inventory.VerdictChange{{At: now, From: inventory.Unsigned, To: inventory.Trusted}, {At: now.Add(-time.Hour), To: inventory.Unknown}}, i.History...)
	if removal(i) != nil {
		t.Error("it was trusted again since, and is still flagged")
	}
	if out := shown(t, "image-nasty"); !strings.Contains(out, "The registry has not listed this repository since") {
		t.Errorf("the page doesn't say that the repository is gone: %s", out)
	}
}

// Every cause is said in words, and so is one that a later version wrote.
func TestCauseWords(t *testing.T) {
	for _, kind := range []inventory.CauseKind{
		inventory.CauseFirstLook, inventory.CauseSignatures, inventory.CauseTags, inventory.CauseTrust, inventory.CauseTime,
		inventory.CauseRecheck, inventory.CauseFailure, inventory.CauseRecovery, inventory.CauseLook,
	} {
		if w := causeWords(inventory.VerdictChange{Cause: inventory.Cause{Kind: kind}}); !strings.HasSuffix(w, ".") {
			t.Errorf("%s is said as %q", kind, w)
		}
	}
	revoked := inventory.Cause{Kind: inventory.CauseDecision, Decision: &inventory.CauseDecided{Verb: inventory.Revoke, By: []string{"Da\u202ena"}}}
	if w := causeWords(inventory.VerdictChange{Cause: revoked}); !strings.HasPrefix(w, "Because Da") || !strings.HasSuffix(w, " revoked") || strings.Contains(w, "\u202e") {
		t.Errorf("a decision is said as %q", w)
	}
	if w := causeWords(inventory.VerdictChange{Reason: inventory.ReasonApprovalExpired, Cause: inventory.Cause{Kind: inventory.CauseTime}}); w != "Because the approval ran out." {
		t.Errorf("an approval that ran out is said as %q", w)
	}
	for _, kind := range []inventory.CauseKind{"", "of tomorrow"} {
		if w := causeWords(inventory.VerdictChange{Cause: inventory.Cause{Kind: kind}}); w != "" {
			t.Errorf("%q is said as %q", kind, w)
		}
	}
}
