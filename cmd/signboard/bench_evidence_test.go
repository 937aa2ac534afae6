//go:build bench

package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"signboard/inventory"
	"signboard/inventory/policy"
)

// evidence decides what a look at an image found, and has it judged. Of a
// hundred images some 42 are trusted, 18 unapproved, 8 unverifiable, 8 invalid,
// 16 unsigned and 8 could not be read.
func (f *filler) evidence(i *inventory.ImageFinding, repository string, at time.Time) {
	switch d := f.rand.IntN(100); {
	case d < 42:
		f.signed(i, f.pick(f.approved), at)
		if d < 5 {
			f.signed(i, f.pick(f.pending), at)
		}
		if d < 2 {
			f.signed(i, f.pick(f.approved), at)
		}
	case d < 60:
		f.signed(i, f.pick(f.pending), at)
	case d < 68:
		f.unsound(i, inventory.OutcomeUnverifiable, inventory.ReasonKeyUnknown, "It was made with a key that isn't registered here.")
	case d < 76:
		f.unsound(i, inventory.OutcomeInvalid, inventory.ReasonSignatureMismatch, "The signature doesn't match what it is said to sign.")
	case d < 92:
		// nothing is attached
	default:
		i.Failure = &inventory.LookError{Reason: inventory.ReasonRegistryDenied, Message: "The registry refused to show the image."}
	}
	if i.Failure == nil {
		i.Evidence.Fingerprint = attachedTo(i.Digest).Fingerprint()
	}
	if n := len(i.Evidence.Signatures); n > 0 { // compressed, so it looks like chance
		i.Evidence.Material = make([]byte, 0, 800*n)
		for len(i.Evidence.Material) < 800*n {
			i.Evidence.Material = binary.LittleEndian.AppendUint64(i.Evidence.Material, f.rand.Uint64())
		}
	}
	i.Verdict = policy.Judge(policy.Facts{
		Repository: repository, Checked: true, Failure: i.Failure, Signatures: i.Evidence.Signatures, Decisions: f.decisions.BySigner,
	}, at)
}

// attachedTo is what the made-up registries say is attached to an image: one
// thing, whatever it is.
func attachedTo(d inventory.Digest) inventory.Attached {
	return inventory.Attached{Attachments: []inventory.Attachment{{Via: "referrers", Manifest: inventory.Descriptor{Digest: inventory.DigestOf([]byte(d))}}}}
}

// pick chooses a signer: the second half as often as the first, and so on.
func (f *filler) pick(from []inventory.Signer) inventory.Signer {
	return from[int(math.Pow(float64(len(from)), f.rand.Float64()))-1]
}

func (f *filler) signed(i *inventory.ImageFinding, signer inventory.Signer, at time.Time) {
	s := f.signature(i, inventory.OutcomeVerified, inventory.ReasonOK, "The signature holds.")
	s.Signer = &inventory.Signer{ID: signer.ID, Kind: signer.Kind, Name: signer.Name, Facts: signer.Facts}
	s.SignedAt, s.SignedAtSource = &at, inventory.SignedAtClaimed
	s.Chain[len(s.Chain)-1].Name = signer.Name
	i.Evidence.Signatures = append(i.Evidence.Signatures, s)
}

func (f *filler) unsound(i *inventory.ImageFinding, o inventory.Outcome, r inventory.Reason, message string) {
	i.Evidence.Signatures = append(i.Evidence.Signatures, f.signature(i, o, r, message))
}

// signature is one as verifiers report it, with its checks and its chain.
func (f *filler) signature(i *inventory.ImageFinding, o inventory.Outcome, r inventory.Reason, message string) inventory.Signature {
	format := inventory.FormatSimpleSigning
	switch d := f.rand.IntN(100); {
	case d < 9:
		format = inventory.FormatNotationJWS
	case d < 18:
		format = inventory.FormatNotationCOSE
	case d < 27:
		format = inventory.FormatDCT
	case d < 62:
		format = inventory.FormatBundle
	}
	carrying := inventory.DigestOf(fmt.Appendf(nil, "%s %d", i.Digest, len(i.Evidence.Signatures)))
	last := inventory.Pass
	switch o {
	case inventory.OutcomeInvalid:
		last = inventory.Fail
	case inventory.OutcomeUnverifiable:
		last = inventory.Skip
	}
	return inventory.Signature{
		Format: format, Manifest: carrying, Outcome: o, Reason: r, Message: message,
		Checks: []inventory.Check{
			{Name: "payload_digest", Result: inventory.Pass, Message: "What was read has the digest that the manifest names."},
			{Name: "payload_type", Result: inventory.Pass, Message: "The payload is a container image signature."},
			{Name: "image_digest", Result: inventory.Pass, Message: "The payload names this image."},
			{Name: "signature", Result: last, Message: message},
		},
		Chain: []inventory.Link{
			{Role: inventory.RoleImage, Name: i.Digest.Short(), Fingerprint: string(i.Digest), Checks: []string{"image_digest"}},
			{Role: inventory.RoleStatement, Name: "payload", Fingerprint: string(carrying), Checks: []string{"payload_digest", "payload_type"}},
			{Role: inventory.RoleSignature, Name: "signature", Fingerprint: string(carrying), Checks: []string{"signature"}},
			{Role: inventory.RoleKey, Name: "key", Fingerprint: string(carrying), Facts: []inventory.Fact{{Name: "Algorithm", Value: "ECDSA P-256"}}},
		},
	}
}
