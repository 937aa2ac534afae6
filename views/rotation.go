package views

import (
	"fmt"
	"net/url"
	"time"

	"signboard/inventory"
	"signboard/views/ui"
)

// movedSentence is how far the images in use have moved over to a new signer.
func movedSentence(r inventory.Rotation) string {
	if r.Images == 0 {
		return "No image in use carries a signature of either."
	}
	sentence := fmt.Sprintf("%s of %s, in %s of %s, %s the new one's signature", ui.Number(r.Moved), ui.Count(r.Images, "image", "images"),
		ui.Number(r.MovedRepositories), ui.Count(r.Repositories, "repository", "repositories"), ui.Plural(r.Moved, "carries", "carry"))
	if left := r.Images - r.Moved; left > 0 {
		return sentence + fmt.Sprintf("; %s %s only the old one's.", ui.Number(left), ui.Plural(left, "carries", "carry"))
	}
	return sentence + "."
}

// rotationNext is what is left to do.
func rotationNext(r inventory.Rotation, now time.Time) string {
	switch until := r.Decision.ReplacedUntil; {
	case r.Done():
		return "Nothing rests on the old one alone: it can be revoked."
	case until != nil && now.Before(*until):
		return "The old one's approval ends on " + ui.Exact(*until) + ": what carries its signature alone then turns unapproved."
	}
	return "Have the rest signed by the new one; then revoke the old one."
}

// successorWord is a signer in a list to choose from.
func successorWord(s inventory.Signer) string {
	return ui.ShortName(s) + " · " + ui.SignerKindWord(s.Kind) + " · " + ui.StandingWord(s.Standing)
}

// ReplaceURL is a signer's page with the form filled in to approve it in place of
// another.
func ReplaceURL(id, old inventory.SignerID) string {
	return id.Path() + "?" + url.Values{"replaces": {string(old)}}.Encode() + "#decide"
}

// Replacing is the form that approves a signer in place of another, whose scope is
// given, with the end of that one's approvals if all have one.
func Replacing(old inventory.Signer, scope []inventory.Glob, now time.Time) SignerForm {
	f := SignerForm{Decision: inventory.Approve, Repositories: lines(scope), Replaces: old.ID}
	var last time.Time
	for _, d := range old.Decisions {
		if d.Verb != inventory.Approve || d.StateAt(now) != inventory.StateActive {
			continue
		}
		if d.ExpiresAt == nil {
			return f
		}
		if d.ExpiresAt.After(last) {
			last = *d.ExpiresAt
		}
	}
	if !last.IsZero() {
		f.ExpiresAt = last.Add(-time.Millisecond).UTC().Format(time.DateOnly)
	}
	return f
}
