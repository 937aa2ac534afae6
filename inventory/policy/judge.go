// Package policy passes judgement: from the evidence about an image, the
// decisions about its signers and the time, to a verdict. It is pure, and it is
// the only place in the program where "is this good enough?" is answered;
// nothing of it is restated in SQL, in a handler or in a view.
package policy

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"signboard/inventory"
)

// Facts is all that a verdict depends on.
type Facts struct {
	Repository string // "registry/repository"
	Checked    bool   // somebody looked, with or without success

	// Failure is why the latest look failed; nil when it succeeded. With a
	// failure, Signatures are what was found before it, which stays true.
	Failure    *inventory.LookError
	Signatures []inventory.Signature

	// Decisions that count for the signers of the signatures, as
	// inventory.Decisions has them.
	Decisions map[inventory.SignerID][]inventory.Decision
}

// Judge gives the strongest status that the facts support:
//
//   - trusted and unapproved rest on a signature that verified, and unverifiable
//     on one that is there; each holds even when another place wasn't read;
//   - invalid and unsigned say something of every place, so they need a look that
//     read them all; without one the answer is unknown.
//
// The verdict names what it rests on. Of several signatures that give the same
// answer it is the one that does so for longest, then the one whose signer's id
// sorts first, so that the order in which they are found says nothing.
func Judge(f Facts, now time.Time) inventory.Verdict {
	if !f.Checked {
		return inventory.Verdict{Status: inventory.Unknown, Reason: inventory.ReasonNotChecked, Message: "Nobody has looked at this image yet."}
	}
	var (
		best     *inventory.Signature
		answer   standing
		reviewAt *time.Time
		failed   []inventory.Signature
		unread   *inventory.Signature
		hidden   *inventory.Signature // unverifiable
	)
	for i := range f.Signatures {
		s := &f.Signatures[i]
		if e := s.Expires; e != nil && s.Outcome == inventory.OutcomeVerified {
			if now.Before(e.At) {
				reviewAt = earlier(reviewAt, &e.At)
			} else {
				over := *s
				over.Outcome, over.Reason, over.Message = inventory.OutcomeInvalid, e.Reason, e.Message
				s = &over
			}
		}
		switch s.Outcome {
		case inventory.OutcomeVerified:
			if s.Signer == nil { // a verifier that can't say who signed has verified nothing
				unread = &inventory.Signature{Reason: inventory.ReasonNotChecked, Message: "A signature was found, but not who made it."}
				continue
			}
			a := stand(*s, f.Decisions[s.Signer.ID], f.Repository, now)
			reviewAt = earlier(reviewAt, a.until)
			if best == nil || a.rank() > answer.rank() || a.rank() == answer.rank() && outlasts(s, a, best, answer) {
				best, answer = s, a
			}
		case inventory.OutcomeUnverifiable:
			if hidden == nil {
				hidden = s
			}
		case inventory.OutcomeInvalid:
			failed = append(failed, *s)
		default:
			if unread == nil {
				unread = s
			}
		}
	}

	failure := f.Failure
	if failure == nil && unread != nil {
		failure = &inventory.LookError{Reason: unread.Reason, Message: unread.Message}
	}
	verdict := inventory.Verdict{ReviewAt: reviewAt}
	switch {
	case best != nil && answer.reason == inventory.ReasonOK:
		verdict.Status, verdict.Reason = inventory.Trusted, inventory.ReasonOK
		verdict.Basis = inventory.Basis{Signature: best, Decision: answer.decision}
		verdict.Message = fmt.Sprintf("Signed by %s, who is approved for this repository%s.", Name(*best.Signer), lender(answer.decision, best.Signer.ID))
		if len(failed) > 0 {
			verdict.Message += fmt.Sprintf(" %s failed: %s", count(len(failed), "other signature"), failed[0].Message)
		}
	case best != nil:
		verdict.Status, verdict.Reason = inventory.Unapproved, answer.reason
		verdict.Basis = inventory.Basis{Signature: best, Decision: answer.decision}
		verdict.Message = fmt.Sprintf("Signed by %s: %s", Name(*best.Signer), answer.sentence(*best))
	case hidden != nil:
		verdict.Status, verdict.Reason = inventory.Unverifiable, hidden.Reason
		verdict.Message = hidden.Message
		verdict.Basis = inventory.Basis{Signature: hidden}
	case failure != nil:
		verdict.Status, verdict.Reason = inventory.Unknown, failure.Reason
		verdict.Message = "This could not be checked: " + lowerFirst(failure.Message)
		return verdict
	case len(failed) > 0:
		verdict.Status, verdict.Reason = inventory.Failed, failed[0].Reason
		verdict.Message = failed[0].Message
		verdict.Basis = inventory.Basis{Signature: &failed[0]}
		if len(failed) > 1 {
			verdict.Message = fmt.Sprintf("All %d signatures failed. %s", len(failed), failed[0].Message)
		}
		return verdict
	default:
		verdict.Status, verdict.Reason = inventory.Unsigned, inventory.ReasonNoSignature
		verdict.Message = "Every place a signature could be was read, and there is none."
		return verdict
	}
	if failure != nil {
		verdict.Message += " Not everything could be read: " + lowerFirst(failure.Message)
	}
	return verdict
}

// standing is what the decisions about one signer mean for one signature on an
// image of one repository.
type standing struct {
	reason  inventory.Reason
	until   *time.Time // when an approval that says so now runs out, and something else may be true
	expired *time.Time // when the approval that counted ran out
	foreign bool       // the decision is an approval that goes by another root of trust

	decision *inventory.Decision // the one that says so; nil when nobody decided
}

// rank orders standings by how close they are to trust, so that of several
// verified signatures the most telling one is shown.
func (s standing) rank() int {
	switch s.reason {
	case inventory.ReasonOK:
		return 7
	case inventory.ReasonApprovalExpired:
		return 6
	case inventory.ReasonOutOfScope:
		return 5
	case inventory.ReasonSignerNotApproved:
		if s.foreign {
			return 4
		}
		return 3
	case inventory.ReasonApprovalRevoked:
		return 2
	case inventory.ReasonSignerRejected:
		return 1
	}
	return 0
}

func (s standing) sentence(of inventory.Signature) string {
	through := lender(s.decision, of.Signer.ID)
	switch s.reason {
	case inventory.ReasonApprovalExpired:
		return fmt.Sprintf("the approval%s ran out on %s.", through, day(*s.expired))
	case inventory.ReasonOutOfScope:
		return fmt.Sprintf("the signer is approved%s, but not for this repository.", through)
	case inventory.ReasonApprovalRevoked:
		return fmt.Sprintf("the approval%s was revoked.", through)
	case inventory.ReasonSignerRejected:
		return "a reviewer rejected this signer."
	}
	if s.foreign {
		return fmt.Sprintf("the signer is approved%s where %s vouches for it, and here %s does.", through, roots(s.decision.Roots), roots([]string{of.Domain}))
	}
	return "the signature holds, but nobody has approved this signer yet."
}

// lender says by which pattern, and whose, an approval counts that is about
// another signer; nothing for one of the signer's own.
func lender(d *inventory.Decision, id inventory.SignerID) string {
	if d == nil || !d.Lends(id) {
		return ""
	}
	said := fmt.Sprintf(" by the pattern %s", inventory.Visible(string(d.Identities)))
	for i, by := range d.DecidedBy {
		if i == 0 {
			said += " of "
		} else {
			said += " and "
		}
		said += fmt.Sprintf("%s, %s", inventory.Visible(by.Name), day(by.At))
	}
	return said
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

// roots names roots of trust in a sentence.
func roots(names []string) string {
	if len(names) == 0 || names[0] == "" {
		return "a root without a name"
	}
	quoted := make([]string, 0, len(names))
	for _, n := range names {
		quoted = append(quoted, fmt.Sprintf("%q", inventory.Visible(n)))
	}
	return "the root " + strings.Join(quoted, " or ")
}

// stand reads the decisions that count for a signature's signer: its own newest
// first, and then what others lend it. A reject or a revoke ends everything after
// it in that order; approvals before it count, each with its own scope, roots and
// expiry.
func stand(sig inventory.Signature, decisions []inventory.Decision, repository string, now time.Time) standing {
	answer := standing{reason: inventory.ReasonSignerNotApproved}
	for i := range decisions {
		d := &decisions[i]
		state := d.StateAt(now)
		lent := d.Lends(sig.Signer.ID)
		if lent && d.Verb != inventory.Approve {
			continue
		}
		switch {
		case state == inventory.StateRevoked && lent:
			// What ended it is about the other signer, and isn't read here.
			if d.Covers(repository) && d.Accepts(sig.Domain) {
				answer = answer.stronger(standing{reason: inventory.ReasonApprovalRevoked, decision: d})
			}
		case state != inventory.StateActive && state != inventory.StateExpired:
			// Proposed, or ended by a later decision that is read on its own.
		case d.Verb == inventory.Reject:
			return answer.or(standing{reason: inventory.ReasonSignerRejected, decision: d})
		case d.Verb == inventory.Revoke:
			return answer.or(standing{reason: inventory.ReasonApprovalRevoked, decision: d})
		case !d.Accepts(sig.Domain):
			if state == inventory.StateActive && d.Covers(repository) {
				answer = answer.stronger(standing{reason: inventory.ReasonSignerNotApproved, until: d.ExpiresAt, decision: d, foreign: true})
			}
		case state == inventory.StateExpired:
			if d.Covers(repository) {
				answer = answer.stronger(standing{reason: inventory.ReasonApprovalExpired, expired: d.ExpiresAt, decision: d})
			}
		case !d.Covers(repository):
			answer = answer.stronger(standing{reason: inventory.ReasonOutOfScope, until: d.ExpiresAt, decision: d})
		case d.ExpiresAt == nil:
			return standing{reason: inventory.ReasonOK, decision: d}
		default:
			answer = answer.stronger(standing{reason: inventory.ReasonOK, until: d.ExpiresAt, decision: d})
		}
	}
	return answer
}

// or is what a reject or a revoke leaves: the newer answer, if there is one.
func (s standing) or(ended standing) standing {
	if s.decision == nil {
		return ended
	}
	return s
}

// stronger is the one of two answers that is closer to trust; of two alike, the
// one that is true for longer, and then the first. Any is before none.
func (s standing) stronger(other standing) standing {
	if s.decision == nil || other.rank() > s.rank() || other.rank() == s.rank() && later(other.until, s.until) > 0 {
		return other
	}
	return s
}

// outlasts reports whether a signature is to be named rather than another one
// that gives the same answer.
func outlasts(s *inventory.Signature, a standing, t *inventory.Signature, b standing) bool {
	order := later(a.until, b.until)
	if order == 0 {
		order = later(ends(s), ends(t))
	}
	return cmp.Or(order, cmp.Compare(t.Signer.ID, s.Signer.ID)) > 0
}

// later compares two ends; nil is none, and later than any.
func later(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(*b)
}

func ends(s *inventory.Signature) *time.Time {
	if s.Expires == nil {
		return nil
	}
	return &s.Expires.At
}

// Name is a signer as a sentence names it. Characters that could change how
// the sentence reads are made visible.
func Name(s inventory.Signer) string {
	name := s.Name
	if name == "" {
		name = string(s.ID)
	}
	return inventory.Visible(name)
}

func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

func count(n int, noun string) string {
	if n == 1 {
		return "One " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func lowerFirst(s string) string {
	if s == "" {
		return "the registry could not be read."
	}
	return strings.ToLower(s[:1]) + s[1:]
}
