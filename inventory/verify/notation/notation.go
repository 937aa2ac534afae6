// Package notation recognises Notation's signatures (Notary Project signature
// specification). This version doesn't check them: each is reported as
// unverifiable, so that an image signed this way never reads as unsigned, and
// nothing of it is ever counted good.
package notation

import (
	"context"

	"signboard/inventory"
	"signboard/inventory/verify"
)

const (
	typeArtifact = "application/vnd.cncf.notary.signature"
	typeCOSE     = "application/cose"
)

// Checker is the verify.Checker of Notation's formats.
type Checker struct{}

// New makes the Checker.
func New() Checker { return Checker{} }

// Family says that Notation's signatures are referrers, under no tags of their
// own.
func (Checker) Family() verify.Family {
	return verify.Family{
		Revision: "notation 0: recognised, not checked",
		Likely:   func(d inventory.Descriptor) bool { return d.ArtifactType == typeArtifact },
	}
}

// Claims goes by the manifest's type, in either of the places it can stand.
func (Checker) Claims(i *verify.Item) bool {
	return i.Manifest.ArtifactType == typeArtifact || i.Manifest.Config.MediaType == typeArtifact
}

// Check reports that there is a signature.
func (Checker) Check(_ context.Context, i *verify.Item) verify.Findings {
	s := inventory.Signature{
		Format: inventory.FormatNotationJWS, Manifest: i.Manifest.Digest,
		Outcome: inventory.OutcomeUnverifiable, Reason: inventory.ReasonRootUnknown,
		Message: "There is a Notation signature; this version of Signboard doesn't check Notation signatures yet.",
	}
	for _, l := range i.Manifest.Layers {
		if l.MediaType == typeCOSE {
			s.Format = inventory.FormatNotationCOSE
		}
	}
	var t verify.Trial
	t.Pass(verify.CheckManifestSubject, "The manifest that carries the signature names this image as its subject.")
	t.Skip(verify.CheckSignature, "This version doesn't check Notation signatures yet.")
	s.Checks = t.Checks
	s.Chain = []inventory.Link{
		{Role: inventory.RoleImage, Name: i.Subject.Repository + "@" + i.Subject.Manifest.Digest.Short(),
			Fingerprint: string(i.Subject.Manifest.Digest), Checks: t.About(verify.CheckManifestSubject)},
		{Role: inventory.RoleSignature, Name: "Notation signature", Fingerprint: string(i.Manifest.Digest), Checks: t.About(verify.CheckSignature)},
	}
	return verify.Findings{Signatures: []inventory.Signature{s}}
}
