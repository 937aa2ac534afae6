package demo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/sign"
)

// SigstoreName is what the demo's own Sigstore instance is to be called in the
// product's configuration.
const SigstoreName = "larkfield"

const (
	gitIssuer   = "https://git.larkfield.example"
	loginIssuer = "https://login.larkfield.example"
)

// Names of the identities, for the story.
const (
	edgeWorkflow  = "edge-cache release workflow"
	webWorkflow   = "checkout-ui release workflow"
	reports       = "reports nightly workflow"
	analyst       = "an analyst"
	otherWorkflow = "somebody else's workflow" // of an instance that isn't configured
)

var identities = map[string]identity{
	edgeWorkflow:  workflow(gitIssuer, "platform/edge-cache", "refs/heads/main"),
	webWorkflow:   workflow(gitIssuer, "storefront/checkout-ui", "refs/tags/2026.46.0"),
	reports:       workflow(gitIssuer, "data/reports", "refs/heads/main"),
	analyst:       {issuer: loginIssuer, email: "noor.haddad@larkfield.example"},
	otherWorkflow: workflow("https://git.mirrors.example", "upstream/mirror", "refs/heads/main"),
}

func workflow(issuer, repository, ref string) identity {
	source := issuer + "/" + repository
	return identity{issuer: issuer, repository: source, ref: ref, workflow: source + "/.github/workflows/release.yml@" + ref}
}

// name is the identity as its certificate has it.
func (who identity) name() string {
	if who.email != "" {
		return who.email
	}
	return who.workflow
}

// instanceOf is the Sigstore instance that an identity signs with.
func (d *Demo) instanceOf(who string) *sigstore {
	if who == otherWorkflow {
		return d.elsewhere
	}
	return d.sigstore
}

// keyless is how sigstore-go's signer makes a bundle with a certificate and a
// log entry. A person's goes without the log's word on the time, and takes a
// timestamp authority's beside it.
func (d *Demo) keyless(ctx context.Context, who string) sign.BundleOptions {
	instance := d.instanceOf(who)
	options := sign.BundleOptions{
		Context: ctx, CertificateProvider: issuance{instance, identities[who]}, TransparencyLogs: instance.logs(),
	}
	if identities[who].email != "" {
		options.TimestampAuthorities = []*sign.TimestampAuthority{instance.timestamps.client()}
	}
	return options
}

func (s *sigstore) logs() []sign.Transparency {
	return []sign.Transparency{sign.NewRekor(&sign.RekorOptions{Client: s.signatures})}
}

// signKeylessLegacy makes what `cosign sign` up to version 2 pushes for an
// image when it signs without a key.
func (d *Demo) signKeylessLegacy(ctx context.Context, repository string, digest v1.Hash, who string) (v1.Manifest, [][]byte, error) {
	fail := func(err error) (v1.Manifest, [][]byte, error) {
		return v1.Manifest{}, nil, fmt.Errorf("signing as %s: %w", who, err)
	}
	instance := d.instanceOf(who)
	pair, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		return fail(err)
	}
	leaf, err := instance.certificate(identities[who], pair.GetPublicKey())
	if err != nil {
		return fail(err)
	}
	raw, err := d.payload(repository, digest)
	if err != nil {
		return fail(err)
	}
	signature, _, err := pair.SignData(ctx, raw)
	if err != nil {
		return fail(err)
	}
	certificate := encodePEM(leaf.Raw)
	entry, err := instance.signatures.record(ctx, sha256.Sum256(raw), signature, certificate)
	if err != nil {
		return fail(err)
	}
	var chain []byte
	for _, c := range instance.authority.chain() {
		chain = append(chain, encodePEM(c.Raw)...)
	}
	promise, err := json.Marshal(map[string]any{
		"SignedEntryTimestamp": entry.Verification.SignedEntryTimestamp,
		"Payload": map[string]any{
			"body": entry.Body, "integratedTime": *entry.IntegratedTime, "logIndex": *entry.LogIndex, "logID": *entry.LogID,
		},
	})
	if err != nil {
		return fail(err)
	}
	return legacyManifest(raw, map[string]string{
		signatureAnnotation:               base64.StdEncoding.EncodeToString(signature),
		"dev.sigstore.cosign/certificate": string(certificate),
		"dev.sigstore.cosign/chain":       string(chain),
		"dev.sigstore.cosign/bundle":      string(promise),
	})
}

func encodePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// provenance is what a build service says of a build (SLSA, provenance v1).
func (who identity) provenance() map[string]any {
	return map[string]any{
		"buildDefinition": map[string]any{
			"buildType": "https://actions.github.io/buildtypes/workflow/v1",
			"externalParameters": map[string]any{"workflow": map[string]any{
				"ref": who.ref, "repository": who.repository, "path": ".github/workflows/release.yml",
			}},
			"resolvedDependencies": []any{map[string]any{
				"uri": "git+" + who.repository + "@" + who.ref, "digest": map[string]any{"gitCommit": who.commit()},
			}},
		},
		"runDetails": map[string]any{
			"builder":  map[string]any{"id": who.workflow},
			"metadata": map[string]any{"invocationId": who.run()},
		},
	}
}
