package verify

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
)

// Inspector finds and checks what is attached to the images of one registry. It
// is safe for use by several goroutines.
type Inspector struct {
	// Outside are the places beside the registry to ask about each image.
	Outside []Outside
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Verified is told of each signature that was checked and how long that took,
	// reading included, by several goroutines; may be nil.
	Verified func(f inventory.Format, o inventory.Outcome, took time.Duration)

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
	fmt.Fprintf(h, "%s", in.outsideRevision())
	return int64(binary.BigEndian.Uint64(h.Sum(nil)) >> 1)
}

func (in *Inspector) outsideRevision() string {
	var b strings.Builder
	for _, o := range in.Outside {
		fmt.Fprintf(&b, "outside %q\n", o.Revision())
	}
	return b.String()
}

// Verify checks what Discover found, and keeps what it read in the evidence's
// Material. Each manifest is read once, by digest, however many ways led to it.
func (in *Inspector) Verify(ctx context.Context, s inventory.Subject, a inventory.Attached) inventory.Evidence {
	outside := in.outsideRevision()
	in.unread(ctx, s, &a)
	source := newRecorder(in.source)
	e := in.verify(ctx, s, a, source)
	if e.Incomplete == nil && e.Fingerprint != "" && !a.Empty() {
		e.Material = source.material(a, outside)
	}
	return e
}

// verify checks what is attached, reading from source.
func (in *Inspector) verify(ctx context.Context, s inventory.Subject, a inventory.Attached, source Source) inventory.Evidence {
	e := inventory.Evidence{Incomplete: a.Incomplete}
	keys, budget, now := in.trust(), newBudget(), time.Now()
	if in.Now != nil {
		now = in.Now()
	}
	seen := map[inventory.Digest]bool{s.Manifest.Digest: true}
	settled := true // looking again would find the same
	for _, o := range a.Outlying {
		e.Signatures = append(e.Signatures, o.Signatures...)
	}
	attachments, failure := in.beside(ctx, s, source)
	if e.Incomplete == nil {
		e.Incomplete = failure
	}
	for _, at := range append(slices.Clip(a.Attachments), attachments...) {
		if seen[at.Manifest.Digest] {
			continue
		}
		seen[at.Manifest.Digest] = true
		m, err := in.manifest(ctx, source, s.Repository, at.Manifest.Digest)
		if err != nil {
			if e.Incomplete == nil {
				e.Incomplete = inventory.AsLookError(err)
			}
			continue
		}
		if note := misplaced(s, at, m); note != "" {
			e.Notes = append(e.Notes, note)
			continue
		}
		item := newItem(source, s, at, m, keys, budget)
		item.Now = now
		began := time.Now()
		f, failure := in.check(ctx, item)
		in.tell(f.Signatures, began)
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
	for _, signature := range e.Signatures {
		if x := signature.Expires; x != nil && x.At.After(now) {
			e.RecheckAt = sooner(e.RecheckAt, &x.At)
		}
		e.RecheckAt = sooner(e.RecheckAt, signature.RecheckAt)
	}
	return e
}

// tell says what signatures came to that were checked together. Each gets an
// equal share of the time: what they have in common is read once.
func (in *Inspector) tell(signatures []inventory.Signature, began time.Time) {
	if in.Verified == nil || len(signatures) == 0 {
		return
	}
	share := time.Since(began) / time.Duration(len(signatures))
	for _, s := range signatures {
		in.Verified(s.Format, s.Outcome, share)
	}
}

func sooner(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// manifest takes a manifest from the shelf or reads it.
func (in *Inspector) manifest(ctx context.Context, source Source, repository string, d inventory.Digest) (inventory.Manifest, error) {
	if m, ok := in.shelf.take(repository, d); ok {
		if r, ok := source.(*recorder); ok {
			r.keep(m)
		}
		return m, nil
	}
	return byDigest(ctx, source, repository, d)
}

// beside lists what an index holds beside its images that is about them:
// BuildKit's attestation manifests (BuildKit, docs/attestations/attestation-storage.md).
// They are in the index itself, so they are as fixed as its digest is.
func (in *Inspector) beside(ctx context.Context, s inventory.Subject, source Source) ([]inventory.Attachment, *inventory.LookError) {
	if s.Manifest.MediaType != inventory.MediaTypeOCIIndex && s.Manifest.MediaType != inventory.MediaTypeDockerList {
		return nil, nil
	}
	m, err := byDigest(ctx, source, s.Repository, s.Manifest.Digest)
	if err != nil {
		return nil, inventory.AsLookError(err)
	}
	var list []inventory.Attachment
	for _, d := range m.Manifests {
		if d.Annotations[AnnotationReferenceType] == "" {
			continue
		}
		if len(list) == MaxAttachments {
			return list, &inventory.LookError{Reason: inventory.ReasonTooMany,
				Message: fmt.Sprintf("The index holds more than %d attestation manifests, and the rest was not read.", MaxAttachments)}
		}
		list = append(list, inventory.Attachment{Manifest: d, Via: ViaIndex})
	}
	return list, nil
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
	case m.Subject == nil && at.Via != viaTag && at.Via != ViaIndex:
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
