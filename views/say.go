package views

import (
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/views/ui"
)

// verdictClass is the colour of an image's verdict.
func verdictClass(i inventory.Image) string {
	if i.Quarantine != nil {
		return string(inventory.Quarantined)
	}
	for _, s := range inventory.Statuses {
		if s == i.Status {
			return string(s)
		}
	}
	return string(inventory.Unknown)
}

// signedAtWord says what vouches for a signing time.
func signedAtWord(s inventory.SignedAtSource) string {
	switch s {
	case inventory.SignedAtTlog:
		return "a transparency log says so"
	case inventory.SignedAtAuthority:
		return "a timestamp authority says so"
	}
	return "only the signer says so; nothing proves it"
}

// kindWord says what a manifest is.
func kindWord(k inventory.ImageKind) string {
	switch k {
	case inventory.IndexImage:
		return "Multi-platform image (index)"
	case inventory.Artifact:
		return "Something else than an image (artifact): a chart, an SBOM, a policy"
	}
	return "Image"
}

// standingSentence says what a signer's standing means for what it signed.
func standingSentence(s inventory.Signer) string {
	switch s.Standing {
	case inventory.Approved:
		return "What it signs in the approved repositories is trusted."
	case inventory.Rejected:
		return "A reviewer said no: nothing it signs is trusted."
	case inventory.Revoked:
		return "Its approval was taken back: nothing it signs is trusted."
	case inventory.Expired:
		return "Its approval ran out: nothing it signs is trusted until it is renewed."
	}
	return "Nobody has decided: nothing it signs is trusted yet."
}

// conflictMessage says that somebody else decided first; the page below it
// shows what.
func conflictMessage(f SignerForm) string {
	if !f.Conflict {
		return ""
	}
	return f.Problem + " What was decided is below; look at it, then decide again if you still want to."
}

// healthKey is the mark of a registry's health, as a check's result.
func healthKey(r inventory.Registry) string {
	switch {
	case r.State.Failing != nil:
		return string(inventory.Fail)
	case r.State.FailingRepos > 0:
		return string(inventory.Errored)
	case r.State.LastCompleteAt == nil:
		return string(inventory.Skip)
	}
	return string(inventory.Pass)
}

// healthWord says how a registry is doing.
func healthWord(r inventory.Registry) string {
	switch {
	case r.State.Failing != nil:
		return "Cannot be read"
	case r.State.FailingRepos > 0:
		return "Read in part"
	case r.State.LastCompleteAt == nil:
		return "Not read to its end yet"
	}
	return "Healthy"
}

// registriesSentence is the page's answer.
func registriesSentence(list []inventory.Registry) string {
	bad, partly := 0, 0
	for _, r := range list {
		switch {
		case r.State.Failing != nil:
			bad++
		case r.State.FailingRepos > 0:
			partly++
		}
	}
	switch {
	case bad > 0:
		return ui.Number(bad) + " of " + ui.Count(len(list), "registry", "registries") + " cannot be read."
	case partly > 0:
		return ui.Number(partly) + " of " + ui.Count(len(list), "registry", "registries") + " can be read only in part."
	case len(list) == 1:
		return "The registry answers."
	}
	return "All " + ui.Number(len(list)) + " registries answer."
}

// syncingSentence says what runs now, in a form worth announcing: it changes
// only when a sync starts or ends.
func syncingSentence(list []inventory.Registry) string {
	var names []string
	for _, r := range list {
		if r.State.SyncStartedAt != nil {
			names = append(names, inventory.Visible(r.Name))
		}
	}
	if len(names) == 0 {
		return "No sync is running."
	}
	return "Reading " + strings.Join(names, ", ") + " now."
}

// reached says how far a sync is, as numbers that keep their places.
func reached(p inventory.Progress) []string {
	said := []string{}
	if p.Listed > 0 {
		said = append(said, ui.Number(p.Repositories)+" of "+ui.Count(p.Listed, "repository", "repositories"))
	}
	if p.Unread > 0 { // more than is known yet
		said = append(said, ui.Count(p.Done, "image", "images")+" looked at")
	} else {
		said = append(said, ui.Number(p.Done)+" of "+ui.Count(p.Known, "image", "images"))
	}
	said = append(said, ui.Count(p.Verified, "signature", "signatures")+" checked")
	if p.Failed > 0 {
		said = append(said, ui.Number(p.Failed)+" could not be checked")
	}
	return said
}

// bar is how much of a sync is done: of its images where all are known, of its
// repositories otherwise.
func bar(p inventory.Progress) (done, of int) {
	if p.Unread == 0 && p.Known > 0 {
		return min(p.Done, p.Known), p.Known
	}
	return min(p.Repositories, p.Listed), max(p.Listed, 1)
}

// lastOrThis says which sync the numbers of a registry are of.
func lastOrThis(r inventory.Registry) string {
	if r.State.SyncStartedAt != nil {
		return "present"
	}
	return "last"
}

// actorWord says what an actor is.
func actorWord(a inventory.Actor) string {
	switch a.Kind {
	case inventory.TokenActor:
		return "a token"
	case inventory.SystemActor:
		return "the program"
	}
	if a.Role == inventory.Nobody {
		return "not signed in"
	}
	return a.Role.String()
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return inventory.Visible(s)
}

// firstOf and nextOf are where a pager leads, empty for nowhere.
func firstOf(cursor, to string) string {
	if cursor == "" {
		return ""
	}
	return to
}

func nextOf(next, to string) string {
	if next == "" {
		return ""
	}
	return to
}

// nothing reports whether a search came to nothing.
func (p SearchPage) nothing() bool {
	return p.Q != "" && len(p.Repositories)+len(p.Signers)+len(p.Images) == 0 && !ui.FindsPages(p.Q)
}

// errorWord is what an error page says of a kind.
type errorWord struct{ icon, title, message, next string }

func errorWords(k inventory.Kind) errorWord {
	switch k {
	case inventory.NotFound:
		return errorWord{"search", "There is nothing here", "What you asked for isn't in the inventory.", "It may have been removed from its registry, or the address may be mistyped."}
	case inventory.Invalid:
		return errorWord{"info", "That can't be understood", "The request says something that isn't allowed here.", "Correct it and try again; nothing was changed."}
	case inventory.Conflict:
		return errorWord{"users", "Somebody was faster", "The thing changed while you were looking at it.", "Look at it as it is now, then decide again. Nothing of yours was recorded."}
	case inventory.Forbidden:
		return errorWord{"lock", "Your role may not do this", "You are signed in, but this takes another role.", "Ask somebody with that role; that you were refused is in the audit log."}
	case inventory.Unauthorized:
		return errorWord{"log-in", "Sign in first", "This is only shown to people who are signed in.", "You come back to this page afterwards."}
	case inventory.Throttled:
		return errorWord{"clock", "Slow down a little", "Too much came from your address in a short time.", "Wait a few seconds and try again; nothing was changed."}
	case inventory.Unavailable:
		return errorWord{"server-crash", "Something we need doesn't answer", "The database or another service can't be reached at the moment.", "Try again in a minute; nothing was changed or lost."}
	}
	return errorWord{"triangle-alert", "Something went wrong on our side", "The page could not be made.", "It is in the log under the number below. Nothing was changed."}
}

// changeSentence says what happened to the number of trusted images since a
// day.
func changeSentence(then, now inventory.Counts, date string) string {
	before, after := then.Of(inventory.Trusted), now.Of(inventory.Trusted)
	was := " (" + ui.Number(before) + " of " + ui.Number(then.Images) + ")"
	switch {
	case after > before:
		return ui.Number(after-before) + " more trusted than on " + shortDay(date) + was
	case after < before:
		return ui.Number(before-after) + " fewer trusted than on " + shortDay(date) + was
	}
	return "As many trusted as on " + shortDay(date) + was
}

// shortDay is a day as a column's head says it: 11 Mar.
func shortDay(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return t.Format("2 Jan")
}

// soon is how long before its end a signature is marked as running out.
const soon = 30 * 24 * time.Hour

// runsOut says how long a signature still holds when it is not long.
func runsOut(s inventory.Signature, now time.Time) string {
	if s.Outcome != inventory.OutcomeVerified || s.Expires == nil || s.Expires.At.Sub(now) > soon {
		return ""
	}
	return "runs out " + ui.Relative(now, s.Expires.At)
}

// ownFacts are the facts that a signature has of its signer: those of the key
// or the certificate it was made with.
func ownFacts(s inventory.Signature) []inventory.Fact {
	for _, l := range s.Chain {
		if l.Role == inventory.RoleKey || l.Role == inventory.RoleLeaf {
			return l.Facts
		}
	}
	return nil
}

// besideName leaves out of the facts what the signer's name says already.
func besideName(s inventory.Signer, facts []inventory.Fact) []inventory.Fact {
	return slices.DeleteFunc(facts, func(f inventory.Fact) bool { return f.Value == s.Name })
}

// claimed reports whether nobody signed an attestation: a build says it.
func claimed(a inventory.Attestation) bool { return a.Reason == inventory.ReasonNoSignature }

// attestationWord says what checking an attestation came to, without saying
// anything of the image.
func attestationWord(a inventory.Attestation) string {
	switch {
	case claimed(a):
		return "Not signed"
	case a.Outcome == inventory.OutcomeVerified:
		return "The signature on it holds"
	case a.Outcome == inventory.OutcomeInvalid:
		return "The signature on it does not hold"
	case a.Outcome == inventory.OutcomeUnverifiable:
		return "Can't be checked here"
	}
	return "Could not be read"
}

// predicates are the kinds of statements about images, by the beginning of
// their type.
var predicates = []struct{ prefix, word string }{
	{"https://slsa.dev/provenance/", "How it was built (SLSA provenance)"},
	{"https://slsa.dev/verification_summary/", "Summary of a verification (SLSA VSA)"},
	{"https://spdx.dev/Document", "What is in it (SBOM, SPDX)"},
	{"https://cyclonedx.org/bom", "What is in it (SBOM, CycloneDX)"},
	{"https://openvex.dev/ns", "Which known flaws matter (VEX)"},
	{"https://cyclonedx.org/vex", "Which known flaws matter (VEX)"},
	{"https://cosign.sigstore.dev/attestation/vuln/", "Result of a vulnerability scan"},
	{"https://in-toto.io/attestation/vulns", "Result of a vulnerability scan"},
	{"https://in-toto.io/attestation/test-result", "Result of tests"},
	{"https://in-toto.io/attestation/scai", "Attributes of its build (SCAI)"},
	{"https://in-toto.io/attestation/release", "A release it belongs to"},
	{"https://in-toto.io/attestation/link", "A step of its build (in-toto link)"},
	{"https://in-toto.io/attestation/runtime-trace", "What its build did (runtime trace)"},
	{"https://github.com/in-toto/attestation/tree/main/spec/predicates/", "A statement (in-toto)"},
	{"https://cosign.sigstore.dev/attestation/v1", "A statement of its maker's own kind"},
	{"https://sigstore.dev/cosign/sign/v1", "A signature, as a statement"},
	{"https://mobyproject.org/buildkit@v1", "How it was built (BuildKit)"},
}

// predicateWord names what an attestation says; the type itself is shown
// beside it.
func predicateWord(predicate string) string {
	for _, p := range predicates {
		if strings.HasPrefix(predicate, p.prefix) {
			return p.word
		}
	}
	if predicate == "" {
		return "A statement that can't be read"
	}
	return "A statement"
}
