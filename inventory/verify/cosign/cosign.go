// Package cosign checks what cosign and other Sigstore signers attach to
// images: simple-signing payloads under .sig tags or as referrers, DSSE
// envelopes under .att tags, and Sigstore bundles as referrers. It reports
// evidence and never trust.
//
// Whether a signature holds is sigstore-go's to say, each time with the material
// of one Sigstore instance (a domain) and never of several in one heap. A witness
// around that material remembers the chain and the timestamps that sigstore-go
// accepted. Only a signature that was refused is taken apart again, to say why;
// nothing found on that way can make it good.
//
// Of an instance everything is demanded that it has: an entry in its log, a time
// from its log or its timestamp authority, and that one of its
// certificate-transparency logs has seen the certificate. A key's signature rests
// on the registered key alone; an entry or a timestamp that comes along with it
// has to hold where it is known who vouches for it, and counts for nothing where
// it isn't. A key that a signature brings along, in a bundle, an annotation or a
// log entry, is never trusted (GHSA-fx35-mq7g-6g98): at the most it is shown, for
// somebody to register.
//
// This is stricter than cosign in places: a signature under an instance with a log
// needs an entry of that log even when it is timestamped; log entries of type
// intoto 0.0.1 count for nothing; whatever comes along and contradicts itself or
// the signature makes it invalid, also beside something that would have sufficed;
// and a log's key has to have been good at the time of signing.
//
// # What can be told without the key
//
// A payload that names another image, or can't be a signature at all, is
// invalid whoever signed it. Otherwise a signature that no registered key
// verifies is either by an unregistered key or was altered. Only a hint tells
// the two apart: where the bundle or the log entry names a registered key, the
// signature is invalid (signature_mismatch); without one it is unverifiable
// (key_unknown), and the message says no more than that.
package cosign

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/sigstore"
)

// Media types and annotations, from cosign's signature specification
// (SIGNATURE_SPEC.md), its OCI 1.1 experiment, and the Sigstore bundle
// specification.
const (
	typeSimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	typeEnvelope      = "application/vnd.dsse.envelope.v1+json"
	typeSigArtifact   = "application/vnd.dev.cosign.artifact.sig.v1+json"
	typeAttArtifact   = "application/vnd.dev.cosign.artifact.att.v1+json"
	typeBundlePrefix  = "application/vnd.dev.sigstore.bundle" // .v0.3+json; +json;version=0.1

	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationChain       = "dev.sigstore.cosign/chain"
	annotationLogEntry    = "dev.sigstore.cosign/bundle"
	annotationTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
	annotationPredicate   = "dev.sigstore.bundle.predicateType" // a hint
)

// predicateSign is the signed predicate type of an image signature in a bundle.
// Any other makes the bundle an attestation.
const predicateSign = "https://sigstore.dev/cosign/sign/v1"

// Checker is the verify.Checker of cosign's formats.
type Checker struct{ domains func() []*sigstore.Domain }

// New makes the Checker. domains answers the Sigstore instances as they are
// known at the moment of each check; nil means that there are none.
func New(domains func() []*sigstore.Domain) *Checker { return &Checker{domains: domains} }

// known are the domains of this moment.
func (c *Checker) known() []*sigstore.Domain {
	if c.domains == nil {
		return nil
	}
	return c.domains()
}

// Family says where cosign puts things. Its .sbom tags hold unsigned documents
// and are none of its companions here.
func (c *Checker) Family() verify.Family {
	// What a domain doesn't know means another thing while it is out of date.
	revision := "cosign 2"
	for _, d := range c.known() {
		revision += fmt.Sprintf("; %q %s %t", d.Name, d.Revision, d.Stale)
	}
	return verify.Family{
		Revision:   revision,
		Companions: []string{".sig", ".att"},
		Likely: func(d inventory.Descriptor) bool {
			predicate := d.Annotations[annotationPredicate]
			return d.ArtifactType == typeSigArtifact || predicate == predicateSign ||
				strings.HasPrefix(d.ArtifactType, typeBundlePrefix) && predicate == ""
		},
	}
}

// kind says what a manifest holds.
type kind int

const (
	kindNone         kind = iota
	kindSignatures        // simple-signing layers
	kindAttestations      // DSSE layers
	kindBundle
)

// kindOf goes by the companion tag, then by the manifest's type in either place
// (cosign's experiment and several registries know only the config's), and then
// by the layers.
func kindOf(i *verify.Item) kind {
	m := i.Manifest
	switch {
	case strings.HasSuffix(i.Tag, ".sig"):
		return kindSignatures
	case strings.HasSuffix(i.Tag, ".att"):
		return kindAttestations
	}
	for _, t := range []string{m.ArtifactType, m.Config.MediaType} {
		switch {
		case t == typeSigArtifact:
			return kindSignatures
		case t == typeAttArtifact:
			return kindAttestations
		case strings.HasPrefix(t, typeBundlePrefix):
			return kindBundle
		}
	}
	for _, l := range m.Layers {
		switch {
		case strings.HasPrefix(l.MediaType, typeBundlePrefix):
			return kindBundle
		case l.MediaType == typeSimpleSigning:
			return kindSignatures
		case l.MediaType == typeEnvelope:
			return kindAttestations
		}
	}
	return kindNone
}

// Claims reports whether the manifest holds something of cosign's.
func (*Checker) Claims(i *verify.Item) bool { return kindOf(i) != kindNone }

// Check checks each layer: a signature or an attestation each.
func (c *Checker) Check(ctx context.Context, i *verify.Item) verify.Findings {
	var f verify.Findings
	kind := kindOf(i)
	if kind != kindAttestations && (i.Manifest.Index() || kind == kindBundle && !slices.ContainsFunc(i.Manifest.Layers, isBundle)) {
		x := c.exam(i, format(kind), 0)
		x.Fail(verify.CheckPayloadWellformed, inventory.ReasonPayloadMalformed, "What should be a signature manifest holds no signature.")
		return verify.Findings{Signatures: []inventory.Signature{x.signature()}}
	}
	for n, layer := range i.Manifest.Layers {
		if n == verify.MaxSignatures {
			x := c.exam(i, format(kind), n)
			x.Unread(verify.CheckPayloadWellformed, &inventory.LookError{Reason: inventory.ReasonTooMany,
				Message: fmt.Sprintf("One manifest holds %d signatures, and only the first %d were checked.", len(i.Manifest.Layers), n)})
			if kind == kindAttestations {
				f.Attestations = append(f.Attestations, x.attestation(""))
			} else {
				f.Signatures = append(f.Signatures, x.signature())
			}
			break
		}
		switch {
		case kind == kindSignatures:
			f.Signatures = append(f.Signatures, c.simpleSigning(ctx, i, n, layer))
		case kind == kindAttestations:
			f.Attestations = append(f.Attestations, c.envelopes(ctx, i, n, layer)...)
		case isBundle(layer):
			f = c.bundled(ctx, i, n, layer, f)
		}
	}
	return f
}

func isBundle(d inventory.Descriptor) bool { return strings.HasPrefix(d.MediaType, typeBundlePrefix) }

func format(k kind) inventory.Format {
	if k == kindBundle {
		return inventory.FormatBundle
	}
	return inventory.FormatSimpleSigning
}

// shown makes text from a signature fit to be read: what can't be seen is made
// visible, and what is long is cut.
func shown(s string) string {
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return inventory.Visible(s)
}
