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

	// Decisions about the signers of the signatures, newest first each.
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
			a := stand(f.Decisions[s.Signer.ID], f.Repository, now)
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
		verdict.Message = fmt.Sprintf("Signed by %s, who is approved for this repository.", Name(*best.Signer))
		if len(failed) > 0 {
			verdict.Message += fmt.Sprintf(" %s failed: %s", count(len(failed), "other signature"), failed[0].Message)
		}
	case best != nil:
		verdict.Status, verdict.Reason = inventory.Unapproved, answer.reason
		verdict.Basis = inventory.Basis{Signature: best, Decision: answer.decision}
		verdict.Message = fmt.Sprintf("Signed by %s: %s", Name(*best.Signer), answer.sentence())
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

// standing is what the decisions about one signer mean for one repository.
type standing struct {
	reason  inventory.Reason
	until   *time.Time // when an approval that counts now runs out
	expired *time.Time // when the approval that counted ran out

	decision *inventory.Decision // the one that says so; nil when nobody decided
}

// rank orders standings by how close they are to trust, so that of several
// verified signatures the most telling one is shown.
func (s standing) rank() int {
	switch s.reason {
	case inventory.ReasonOK:
		return 6
	case inventory.ReasonApprovalExpired:
		return 5
	case inventory.ReasonOutOfScope:
		return 4
	case inventory.ReasonSignerNotApproved:
		return 3
	case inventory.ReasonApprovalRevoked:
		return 2
	case inventory.ReasonSignerRejected:
		return 1
	}
	return 0
}

func (s standing) sentence() string {
	switch s.reason {
	case inventory.ReasonApprovalExpired:
		return fmt.Sprintf("the approval ran out on %s.", s.expired.UTC().Format("2 January 2006"))
	case inventory.ReasonOutOfScope:
		return "the signer is approved, but not for this repository."
	case inventory.ReasonApprovalRevoked:
		return "the approval was revoked."
	case inventory.ReasonSignerRejected:
		return "a reviewer rejected this signer."
	}
	return "the signature holds, but nobody has approved this signer yet."
}

// stand reads decisions newest first. A reject or a revoke ends everything
// older; approvals after it count, each with its own scope and expiry.
func stand(decisions []inventory.Decision, repository string, now time.Time) standing {
	answer := standing{reason: inventory.ReasonSignerNotApproved}
	for i := range decisions {
		d := &decisions[i]
		state := d.StateAt(now)
		switch {
		case state != inventory.StateActive && state != inventory.StateExpired:
			// Proposed, or ended by a later decision that is read on its own.
		case d.Verb == inventory.Reject:
			return answer.or(inventory.ReasonSignerRejected, d)
		case d.Verb == inventory.Revoke:
			return answer.or(inventory.ReasonApprovalRevoked, d)
		case state == inventory.StateExpired:
			if d.Covers(repository) {
				answer = answer.stronger(standing{reason: inventory.ReasonApprovalExpired, expired: d.ExpiresAt, decision: d})
			}
		case !d.Covers(repository):
			answer = answer.stronger(standing{reason: inventory.ReasonOutOfScope, decision: d})
		case d.ExpiresAt == nil:
			return standing{reason: inventory.ReasonOK, decision: d}
		default:
			if answer.until == nil || answer.until.Before(*d.ExpiresAt) {
				answer = standing{reason: inventory.ReasonOK, until: d.ExpiresAt, decision: d}
			}
		}
	}
	return answer
}

// or is what a reject or a revoke leaves: the newer answer, if there is one.
func (s standing) or(reason inventory.Reason, d *inventory.Decision) standing {
	if s.reason == inventory.ReasonSignerNotApproved {
		return standing{reason: reason, decision: d}
	}
	return s
}

func (s standing) stronger(other standing) standing {
	if other.rank() > s.rank() {
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
