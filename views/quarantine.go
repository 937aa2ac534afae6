package views

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/views/ui"
)

// EnforcedBy are the ways in that refuse what is quarantined. All else records and
// shows it.
var EnforcedBy = []string{"POST /api/v1/check", "signboard check"}

// HoldPage says what a quarantine would hold, and holds the form that makes it.
type HoldPage struct {
	Frame Frame

	Of         inventory.Quarantine  // its target, when Impact isn't nil
	Impact     *inventory.HoldImpact // nil: nothing was named yet
	Typed      string                // what was typed to name it; else Digest, Repository and Form.Tag do
	Digest     string                // of the image that somebody came from
	Repository string
	Form       QuarantineForm
}

// Render writes the page.
func (p HoldPage) Render(ctx context.Context, w io.Writer) error {
	return holdPage(p).Render(ctx, w)
}

// OneQuarantinePage is one quarantine: what it holds, and the forms that end it.
type OneQuarantinePage struct {
	Frame Frame

	Quarantine inventory.Quarantine
	Impact     inventory.HoldImpact
	// Problem says why a release was refused, with the Reason that was typed; empty
	// for none. The others are of the form for another end.
	Problem, Reason               string
	EndProblem, EndReason, EndDay string
}

// Render writes the page.
func (p OneQuarantinePage) Render(ctx context.Context, w io.Writer) error {
	return oneQuarantine(p).Render(ctx, w)
}

func quarantineURL(q inventory.Quarantine) string { return "/quarantine/" + url.PathEscape(q.ID) }

// QuarantineNewURL is the address of the form that holds a digest back; repository
// is where it was seen.
func QuarantineNewURL(repository string, d inventory.Digest) string {
	return ui.WithQuery("/quarantine/new", url.Values{"digest": {string(d)}, "repository": {repository}})
}

// holdSentence is what a quarantine would come to.
func holdSentence(i inventory.HoldImpact) string {
	if i.Digests == 0 {
		return "Nothing yet: nobody has seen the tag. What it comes to point at would be held."
	}
	if i.Counts.Images == 0 {
		return "No image in use yet. It would be held from its first sighting."
	}
	trusted := "none of them trusted now."
	if n := i.Counts.ByStatus[inventory.Trusted]; n > 0 {
		trusted = fmt.Sprintf("%s of them trusted now.", ui.Number(n))
	}
	return fmt.Sprintf("%s in %s would be held, %s", ui.Count(i.Counts.Images, "image", "images"), ui.Count(i.RepositoryCount, "repository", "repositories"), trusted)
}

// releaseSentence is what a release would come to.
func releaseSentence(i inventory.HoldImpact) string {
	said := "It lets nothing go that is in use now."
	if n := i.Free.Images; n > 0 {
		said = fmt.Sprintf("It lets %s go: their own signatures decide again.", ui.Count(n, "image", "images"))
	}
	if n := i.Counts.Quarantined; n > 0 {
		said += fmt.Sprintf(" %s held by another quarantine.", ui.Count(n, "image stays", "images stay"))
	}
	return said
}

// heldCount says how much a quarantine holds.
func heldCount(q inventory.Quarantine) string {
	if q.DigestCount == 0 && q.Tag != "" {
		return "nothing yet"
	}
	return ui.Count(q.Images, "image", "images")
}

func heldTitle(stands bool) string {
	if stands {
		return "What it holds"
	}
	return "What it held, as it is in use now"
}

// holdWhy says why a digest is held.
func holdWhy(h inventory.Hold) string {
	switch h.Because {
	case inventory.HeldByDigest:
		return "it was named"
	case inventory.HeldByTag:
		return "the tag points at it, or did"
	}
	return h.Why()
}

// endSeen is the end that the form shows, for the answer.
func endSeen(q inventory.Quarantine) string {
	if q.ExpiresAt == nil {
		return ""
	}
	return q.ExpiresAt.UTC().Format(time.RFC3339Nano)
}

// sentence begins with a capital.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
