package views

import (
	"fmt"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/views/ui"
)

// chaptersShown is how many chapters of a timeline are open; the older ones are
// a click away.
const chaptersShown = 20

// chapters divides an image's timeline into what is shown at once and what
// isn't. cut says that there is more, which isn't here.
func chapters(i inventory.Image, now time.Time) (latest, older []inventory.Chapter, cut bool) {
	all, cut := i.Timeline(now)
	n := min(len(all), chaptersShown)
	if len(all) <= chaptersShown+3 { // a click for a few is one too many
		n = len(all)
	}
	return all[:n], all[n:], cut
}

// removal is the change by which an image lost the signature it was trusted
// for, nil when it didn't or is trusted again.
func removal(i inventory.Image) *inventory.VerdictChange {
	for n, h := range i.History {
		switch {
		case i.Status == inventory.Trusted || h.To == inventory.Trusted:
			return nil
		case h.Flagged:
			return &i.History[n]
		}
	}
	return nil
}

// causeWords says why a verdict changed; what is named comes after it. Empty
// when it isn't known.
func causeWords(v inventory.VerdictChange) string {
	c := v.Cause
	switch c.Kind {
	case inventory.CauseFirstLook:
		if c.Signatures+c.Attestations == 0 {
			return "The first look found nothing attached."
		}
		return "The first look found " + ui.Count(c.Signatures, "signature", "signatures") + " and " + ui.Count(c.Attestations, "attestation", "attestations") + "."
	case inventory.CauseSignatures:
		switch {
		case c.NAppeared == 0:
			return "Because a look no longer found what was attached."
		case c.NVanished == 0:
			return "Because a look found something new attached."
		}
		return "Because a look found others attached than there were."
	case inventory.CauseTags:
		return "Because the image's tags changed, which Docker Content Trust signs."
	case inventory.CauseDecision:
		if c.Decision == nil {
			return ""
		}
		verb := map[inventory.Verb]string{inventory.Approve: "approved", inventory.Reject: "rejected", inventory.Revoke: "revoked"}[c.Decision.Verb]
		by := "somebody"
		if len(c.Decision.By) > 0 {
			by = inventory.Visible(strings.Join(c.Decision.By, " and "))
		}
		if verb == "" {
			return "Because of a decision about"
		}
		return fmt.Sprintf("Because %s %s", by, verb)
	case inventory.CauseTrust:
		return "Because other keys or roots are known here than were."
	case inventory.CauseTime:
		switch v.Reason {
		case inventory.ReasonApprovalExpired:
			return "Because the approval ran out."
		case inventory.ReasonSignatureExpired:
			return "Because the signature ran out."
		case inventory.ReasonCertificateExpired:
			return "Because the certificate ran out."
		}
		return "Because time passed."
	case inventory.CauseRecheck:
		return "Because the check was repeated, and came to something else."
	case inventory.CauseFailure:
		return "Because it could not be checked."
	case inventory.CauseRecovery:
		return "Because it could be checked again."
	case inventory.CauseLook:
		return "At a new look."
	}
	return ""
}

// traceWord says what history keeps a trace of.
func traceWord(t inventory.Trace) string {
	if t.Attestation() {
		return "Attestation: " + predicateWord(t.PredicateType)
	}
	return "Signature: " + ui.FormatWord(t.Format)
}
