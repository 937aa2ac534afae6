package views

import (
	"net/url"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/views/ui"
)

// PastURL is the address of what an image was at a moment.
func PastURL(repository string, d inventory.Digest, at time.Time) string {
	return ImageURL(repository, d) + "&" + url.Values{"at": {at.UTC().Format(time.RFC3339)}}.Encode() + "#then"
}

// pastSentence says in one sentence what an image was.
func pastSentence(p inventory.Past) string {
	at := ui.Exact(p.At)
	switch p.Known {
	case inventory.PastUnseen:
		return "Signboard first saw this image on " + ui.Exact(p.FirstSeen) + ": of " + at + " it knows nothing."
	case inventory.PastUnchecked:
		return "At " + at + " nobody had looked at its signatures yet: it was unknown."
	case inventory.PastForgotten:
		return "What it was at " + at + " isn't kept any more: its history begins on " + ui.Exact(*p.KeptFrom) + "."
	}
	said := "At " + at + " this image was " + strings.ToLower(ui.StatusWord(p.Status))
	if p.Held() {
		said += " and quarantined"
	}
	switch {
	case p.Since != nil && p.Until != nil:
		said += ": it was so from " + ui.Exact(*p.Since) + " until " + ui.Exact(*p.Until)
	case p.Since != nil:
		said += ": it has been so since " + ui.Exact(*p.Since)
	case p.Until != nil:
		said += ": it was so until " + ui.Exact(*p.Until)
	}
	return said + "."
}

// approvalWords says who decided what about the signer that a verdict rested on.
func approvalWords(d inventory.PastDecision) string {
	verb := map[inventory.Verb]string{inventory.Approve: "approved", inventory.Reject: "rejected", inventory.Revoke: "revoked"}[d.Verb]
	var by []string
	var at time.Time
	for _, one := range d.DecidedBy {
		by = append(by, inventory.Visible(one.Name))
		at = one.At
	}
	said := strings.Join(by, " and ") + " " + verb + " the signer on " + ui.Exact(at)
	if d.Verb == inventory.Approve {
		if d.Scope != "" {
			said += " for " + inventory.Visible(string(d.Scope))
		}
		if d.Identities != "" {
			said += ", with every identity that matches " + inventory.Visible(string(d.Identities))
		}
		if d.ExpiresAt != nil {
			said += ", until " + ui.Exact(*d.ExpiresAt)
		}
	}
	return said + "."
}

// gapWords says that nobody looked.
func gapWords(p inventory.Past) string {
	switch {
	case p.GoneSince != nil:
		return "No tag had pointed at it since " + ui.Exact(*p.GoneSince) + ", so nobody looked at it any more."
	case p.Gap != nil && p.Gap.To != nil:
		return "Nobody looked at this repository between " + ui.Exact(p.Gap.From) + " and " + ui.Exact(*p.Gap.To) + ": this is what was known from before."
	case p.Gap != nil:
		return "Nobody has looked at this repository since " + ui.Exact(p.Gap.From) + ": this is what was known from before."
	}
	return ""
}

// trustRevision is a revision of keys and roots, which is a number that says
// nothing but whether it is the same.
func trustRevision(n int64) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 16)
	for i, u := 15, uint64(n); i >= 0; i, u = i-1, u>>4 {
		b[i] = digits[u&15]
	}
	return string(b)
}
