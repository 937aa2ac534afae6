package verify

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"signboard/inventory"
)

// Inspector finds and checks what is attached to the images of one registry. It
// is safe for use by several goroutines.
type Inspector struct {
	source   Source
	trust    func() *Keyring
	checkers []Checker
	shelf    shelf
}

// NewInspector makes an Inspector that checks with the keys that trust answers
// at the moment of each check.
func NewInspector(source Source, trust func() *Keyring, checkers ...Checker) *Inspector {
	return &Inspector{source: source, trust: trust, checkers: checkers}
}

// TrustRevision changes whenever the registered keys or the checkers' rules
// and roots do. It is the same after a restart with the same ones.
func (in *Inspector) TrustRevision() int64 {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", in.trust().Revision())
	for _, c := range in.checkers {
		fmt.Fprintf(h, "%q\n", c.Family().Revision)
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil)) >> 1)
}

// Verify checks what Discover found. Each manifest is read once, by digest,
// however many ways led to it.
func (in *Inspector) Verify(ctx context.Context, s inventory.Subject, a inventory.Attached) inventory.Evidence {
	e := inventory.Evidence{Incomplete: a.Incomplete}
	keys, budget := in.trust(), newBudget()
	seen := map[inventory.Digest]bool{s.Manifest.Digest: true}
	settled := true // looking again would find the same
	for _, at := range a.Attachments {
		if seen[at.Manifest.Digest] {
			continue
		}
		seen[at.Manifest.Digest] = true
		m, ok := in.shelf.take(s.Repository, at.Manifest.Digest)
		if !ok {
			var err error
			if m, err = byDigest(ctx, in.source, s.Repository, at.Manifest.Digest); err != nil {
				if e.Incomplete == nil {
					e.Incomplete = inventory.AsLookError(err)
				}
				continue
			}
		}
		if note := misplaced(s, at, m); note != "" {
			e.Notes = append(e.Notes, note)
			continue
		}
		f, failure := in.check(ctx, newItem(in.source, s, at, m, keys, budget))
		for _, signature := range f.Signatures {
			if signature.Outcome == inventory.OutcomeError && failure == nil {
				failure = &inventory.LookError{Reason: signature.Reason, Message: signature.Message}
			}
		}
		for _, attestation := range f.Attestations {
			if attestation.Outcome == inventory.OutcomeError && passing(attestation.Reason) {
				settled = false
			}
		}
		if e.Incomplete == nil {
			e.Incomplete = failure
		}
		e.Signatures = append(e.Signatures, f.Signatures...)
		e.Attestations = append(e.Attestations, f.Attestations...)
	}
	if settled && e.Incomplete == nil {
		e.Fingerprint = a.Fingerprint()
	}
	return e
}

// check hands a manifest to the first checker that claims it; one that nobody
// claims is something else that refers to the image. The parsers behind the
// checkers are other people's and their input is an attacker's: one that panics
// costs this manifest, not the process.
func (in *Inspector) check(ctx context.Context, i *Item) (f Findings, failure *inventory.LookError) {
	defer func() {
		if r := recover(); r != nil {
			f = Findings{}
			failure = &inventory.LookError{Reason: inventory.ReasonPayloadMalformed,
				Message: fmt.Sprintf("What is attached as %s could not be read.", i.Manifest.Digest.Short()),
				Err:     fmt.Errorf("panic while checking %s: %v", i.Manifest.Digest, r)}
		}
	}()
	for _, c := range in.checkers {
		if c.Claims(i) {
			return c.Check(ctx, i), nil
		}
	}
	return Findings{}, nil
}

// misplaced says why a manifest isn't the image's although the registry lists
// it as such. A companion tag needs no subject: its name is what points at the
// image.
func misplaced(s inventory.Subject, at inventory.Attachment, m inventory.Manifest) string {
	switch {
	case m.Subject != nil && m.Subject.Digest != s.Manifest.Digest:
		return fmt.Sprintf("%s is listed here but belongs to %s, so it was left out.", m.Digest.Short(), m.Subject.Digest.Short())
	case m.Subject == nil && at.Via != viaTag:
		return fmt.Sprintf("%s is listed here but names no subject, so it was left out.", m.Digest.Short())
	}
	return ""
}

// passing reports whether a failure may be gone at the next look.
func passing(r inventory.Reason) bool {
	switch r {
	case inventory.ReasonRegistryUnreachable, inventory.ReasonRegistryDenied,
		inventory.ReasonRegistryThrottled, inventory.ReasonRegistryInconsistent:
		return true
	}
	return false
}

var errAbsent = fmt.Errorf("listed, but absent: %w", inventory.ErrNotFound)

// lookError makes what Source answered into the reason a look is incomplete.
func lookError(err error, what string) *inventory.LookError {
	if errors.Is(err, inventory.ErrNotFound) {
		return &inventory.LookError{Reason: inventory.ReasonRegistryInconsistent,
			Message: fmt.Sprintf("The registry lists %s but doesn't have it.", what), Err: errAbsent}
	}
	return inventory.AsLookError(err)
}
