package views

import (
	"time"

	"signboard/inventory"
)

const (
	workflow = "https://github.com/acme/storefront/.github/workflows/release.yml@refs/heads/main"
	actions  = "https://token.actions.githubusercontent.com"
)

func at(d time.Duration) *time.Time { t := now.Add(d); return &t }

func pass(names ...string) []inventory.Check {
	var list []inventory.Check
	for _, n := range names {
		list = append(list, inventory.Check{Name: n, Result: inventory.Pass, Message: "It is as it should be."})
	}
	return list
}

// keylessSignature is what a workflow's signature looks like when everything
// is known.
func keylessSignature(signer inventory.Signer) inventory.Signature {
	return inventory.Signature{
		Format: inventory.FormatBundle, Manifest: digest(310), Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK,
		Message: "Signed by the workflow release.yml of acme/storefront, vouched for by GitHub.", Signer: &signer, Domain: "public-good",
		SignedAt: at(-50 * time.Hour), SignedAtSource: inventory.SignedAtTlog,
		Checks: append(pass("manifest_subject", "predicate_type", "subject_digest", "signature", "certificate", "signed_certificate_timestamp", "log_entry"),
			inventory.Check{Name: "timestamp", Result: inventory.Skip, Message: "No timestamp came along; the log's time is enough."}),
		Chain: []inventory.Link{
			{Role: inventory.RoleImage, Name: string(digest(2)), Checks: []string{"manifest_subject", "subject_digest"}},
			{Role: inventory.RoleStatement, Name: "https://sigstore.dev/cosign/sign/v1", Checks: []string{"predicate_type"}},
			{Role: inventory.RoleSignature, Name: "ECDSA P-256 with SHA-256", Checks: []string{"signature"}},
			{Role: inventory.RoleLeaf, Name: workflow, Fingerprint: string(digest(401)), Issuer: "CN=sigstore-intermediate,O=sigstore.dev", NotBefore: at(-50 * time.Hour), NotAfter: at(-50*time.Hour + 10*time.Minute), Checks: []string{"certificate", "signed_certificate_timestamp"},
				Facts: []inventory.Fact{{Name: "Algorithm", Value: "ECDSA P-256"}, {Name: "Issuer of the identity", Value: actions}, {Name: "Source repository", Value: "https://github.com/acme/storefront"}, {Name: "Source ref", Value: "refs/heads/main"}, {Name: "Commit", Value: "9f2b6c1d0e4a5b8c7d6e5f4a3b2c1d0e9f8a7b6c"}, {Name: "Workflow", Value: workflow}, {Name: "Run", Value: "https://github.com/acme/storefront/actions/runs/8123456789/attempts/1"}, {Name: "Runner", Value: "github-hosted"}}},
			{Role: inventory.RoleIntermediate, Name: "CN=sigstore-intermediate,O=sigstore.dev", Fingerprint: string(digest(402)), NotBefore: at(-900 * 24 * time.Hour), NotAfter: at(1900 * 24 * time.Hour)},
			{Role: inventory.RoleRoot, Name: "CN=sigstore,O=sigstore.dev", Fingerprint: string(digest(403)), NotBefore: at(-900 * 24 * time.Hour), NotAfter: at(1900 * 24 * time.Hour)},
			{Role: inventory.RoleTlog, Name: "https://rekor.sigstore.dev", Checks: []string{"log_entry"}, Facts: []inventory.Fact{{Name: "Log index", Value: "128734991"}, {Name: "Entry", Value: "dsse 0.0.1"}, {Name: "Time", Value: "2026-03-16 12:30:02 UTC"}, {Name: "Vouched for by", Value: "signed entry timestamp and inclusion proof"}}},
			{Role: inventory.RoleTimestamp, Name: "none", Checks: []string{"timestamp"}},
		},
	}
}

// unknownRoot claims to be the same workflow, under a root nobody configured.
func unknownRoot() inventory.Signature {
	signer := keyless()
	s := keylessSignature(signer)
	s.Outcome, s.Reason, s.Domain, s.SignedAt, s.SignedAtSource = inventory.OutcomeUnverifiable, inventory.ReasonRootUnknown, "", nil, ""
	s.Message = "The signature claims to be " + workflow + " (issuer " + actions + "); its root isn't known here."
	for i := range s.Checks {
		if n := s.Checks[i].Name; n == "certificate" || n == "log_entry" || n == "signed_certificate_timestamp" {
			s.Checks[i].Result, s.Checks[i].Message = inventory.Skip, "No known root vouches for it."
		}
	}
	return s
}

func company(standing inventory.Standing) inventory.Signer {
	subject := "CN=Payments release signing,OU=Platform,O=Acme Bank,L=Zürich,C=CH"
	return inventory.Signer{
		ID: inventory.X509ID(digest(411), subject), Kind: inventory.X509Signer, Name: "Payments release signing", Standing: standing,
		Facts:     []inventory.Fact{{Name: "Issuer", Value: "CN=Acme Issuing CA 3,O=Acme Bank,C=CH"}, {Name: "Serial number", Value: "4a:91:00:3c:77"}, {Name: "Anchor", Value: "CN=Acme Root CA,O=Acme Bank,C=CH"}, {Name: "Trust store", Value: "acme"}, {Name: "Scheme", Value: "notary.x509"}},
		FirstSeen: ago(9 * 24 * time.Hour), LastSeen: ago(2 * time.Hour), Images: 6, Waiting: 0, Revision: 3,
	}
}

// notationSignature runs out in twelve days.
func notationSignature(signer inventory.Signer) inventory.Signature {
	return inventory.Signature{
		Format: inventory.FormatNotationJWS, Manifest: digest(311), Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK,
		Message: "Signed by Payments release signing under Acme Root CA.", Signer: &signer, Domain: "acme",
		SignedAt: at(-20 * time.Hour), SignedAtSource: inventory.SignedAtAuthority, RecheckAt: at(5 * time.Hour),
		Expires: &inventory.Expiry{At: now.Add(12*24*time.Hour + time.Hour), Reason: inventory.ReasonSignatureExpired, Message: "The signature ran out."},
		Checks: append(pass("integrity", "payload_wellformed", "payload_digest", "authenticity", "timestamp", "expiry"),
			inventory.Check{Name: "revocation", Result: inventory.Pass, Message: "The authority says that no certificate of the chain was revoked (OCSP)."},
			inventory.Check{Name: "critical_attributes", Result: inventory.Skip, Message: "There are none."}),
		Chain: []inventory.Link{
			{Role: inventory.RoleImage, Name: string(digest(0)), Checks: []string{"payload_digest"}},
			{Role: inventory.RoleStatement, Name: "application/vnd.cncf.notary.payload.v1+json", Checks: []string{"payload_wellformed"}},
			{Role: inventory.RoleSignature, Name: "RSASSA-PSS with SHA-384", Checks: []string{"integrity", "expiry", "critical_attributes"}},
			{Role: inventory.RoleLeaf, Name: "CN=Payments release signing,OU=Platform,O=Acme Bank,L=Zürich,C=CH", Fingerprint: string(digest(412)), Issuer: "CN=Acme Issuing CA 3,O=Acme Bank,C=CH", NotBefore: at(-100 * 24 * time.Hour), NotAfter: at(265 * 24 * time.Hour), Checks: []string{"authenticity", "revocation"}},
			{Role: inventory.RoleIntermediate, Name: "CN=Acme Issuing CA 3,O=Acme Bank,C=CH", Fingerprint: string(digest(413)), NotBefore: at(-400 * 24 * time.Hour), NotAfter: at(1400 * 24 * time.Hour)},
			{Role: inventory.RoleRoot, Name: "CN=Acme Root CA,O=Acme Bank,C=CH", Fingerprint: string(digest(411)), NotBefore: at(-1400 * 24 * time.Hour), NotAfter: at(4000 * 24 * time.Hour)},
			{Role: inventory.RoleTimestamp, Name: "CN=Acme Timestamp Unit 2,O=Acme Bank,C=CH", Checks: []string{"timestamp"}, Facts: []inventory.Fact{{Name: "Time", Value: "2026-03-17 18:30:00 UTC"}, {Name: "Trust store", Value: "acme-tsa"}}},
		},
	}
}

// dctSignature is by a delegation of a repository.
func dctSignature() inventory.Signature {
	gun := "docker.io/acme/team-platform-base"
	signer := inventory.Signer{ID: inventory.SignerID("tuf:" + gun + "|" + digest(421).Hex()), Kind: inventory.TUFSigner, Name: "targets/releases", Standing: inventory.Approved,
		Facts: []inventory.Fact{{Name: "Role", Value: "targets/releases"}, {Name: "Algorithm", Value: "ECDSA P-256"}, {Name: "Tags", Value: "v5, stable"}}, FirstSeen: ago(time.Hour), LastSeen: ago(time.Hour), Images: 1}
	return inventory.Signature{
		Format: inventory.FormatDCT, Manifest: digest(312), Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK,
		Message: "Signed in the role targets/releases of docker.io/acme/team-platform-base.", Signer: &signer, Domain: "https://notary.docker.io",
		Expires: &inventory.Expiry{At: now.Add(800 * 24 * time.Hour), Reason: inventory.ReasonSignatureExpired, Message: "The metadata ran out."},
		Checks: append(pass("target_digest", "target_length", "role_signature", "delegation", "snapshot", "timestamp_metadata", "root", "rollback"),
			inventory.Check{Name: "root_pin", Result: inventory.Skip, Message: "The root was taken at first sight, on 2026-03-18, and held to since; nobody pinned it."},
			inventory.Check{Name: "server_closing", Result: inventory.Skip, Message: "This server closes on 8 December 2026."}),
		Chain: []inventory.Link{
			{Role: inventory.RoleImage, Name: string(digest(5)), Checks: []string{"target_digest", "target_length"}},
			{Role: inventory.RoleStatement, Name: "v5", Facts: []inventory.Fact{{Name: "Tag", Value: "v5"}, {Name: "Length", Value: "1578"}}},
			{Role: inventory.RoleSignature, Name: "targets/releases, version 12", Checks: []string{"role_signature", "server_closing"}},
			{Role: inventory.RoleKey, Name: digest(421).Hex()},
			{Role: inventory.RoleDelegation, Name: "targets/releases", Checks: []string{"delegation"}, NotAfter: at(800 * 24 * time.Hour)},
			{Role: inventory.RoleDelegation, Name: "targets", NotAfter: at(800 * 24 * time.Hour)},
			{Role: inventory.RoleDelegation, Name: "snapshot", Checks: []string{"snapshot", "timestamp_metadata"}, NotAfter: at(40 * 24 * time.Hour)},
			{Role: inventory.RoleRoot, Name: digest(422).Hex(), Fingerprint: string(digest(422)), Checks: []string{"root", "root_pin", "rollback"}, NotAfter: at(3000 * 24 * time.Hour)},
		},
	}
}

func attestationList() []inventory.Attestation {
	builder := keyless()
	builder.Standing = inventory.Approved
	return []inventory.Attestation{
		{PredicateType: "https://slsa.dev/provenance/v1", Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK, Message: "Signed by the release workflow.", Signer: &builder, Manifest: digest(60), SignedAt: at(-50 * time.Hour), SignedAtSource: inventory.SignedAtTlog, Domain: "public-good",
			Facts: []inventory.Fact{{Name: "Builder", Value: "https://github.com/actions/runner/github-hosted"}, {Name: "Source repository", Value: "https://github.com/acme/storefront"}, {Name: "Commit", Value: "9f2b6c1d0e4a5b8c7d6e5f4a3b2c1d0e9f8a7b6c"}}, Checks: pass("subject_digest", "signature", "certificate", "log_entry")},
		{PredicateType: "https://cyclonedx.org/bom", Outcome: inventory.OutcomeUnverifiable, Reason: inventory.ReasonKeyUnknown, Message: "Signed with a key nobody registered.", Manifest: digest(61), Facts: []inventory.Fact{{Name: "Kind", Value: "SBOM, CycloneDX 1.5"}}},
		{PredicateType: "https://slsa.dev/provenance/v0.2", Outcome: inventory.OutcomeUnverifiable, Reason: inventory.ReasonNoSignature, Message: "Claimed by the build, signed by nobody.", Manifest: digest(62), Facts: []inventory.Fact{{Name: "Platform", Value: "linux/amd64"}, {Name: "Builder", Value: "https://mobyproject.org/buildkit@v1"}}},
		{PredicateType: "https://openvex.dev/ns/v0.2.0", Outcome: inventory.OutcomeInvalid, Reason: inventory.ReasonDigestMismatch, Message: "The statement is about another image.", Manifest: digest(63)},
		{PredicateType: markup, Outcome: "made-up", Message: bidi, Manifest: digest(64), Facts: []inventory.Fact{{Name: markup, Value: huge}}},
	}
}

func roots() []inventory.TrustRoot {
	return []inventory.TrustRoot{
		{Kind: "sigstore", Name: "public-good", Source: "https://tuf-repo-cdn.sigstore.dev", ObtainedAt: ago(9 * time.Hour), Facts: []inventory.Fact{
			{Name: "Certificate authority", Value: "CN=sigstore,O=sigstore.dev, https://fulcio.sigstore.dev, 2021-03-07 to 2022-12-31"}, {Name: "Certificate authority", Value: "CN=sigstore,O=sigstore.dev, https://fulcio.sigstore.dev, from 2022-04-13"},
			{Name: "Transparency log", Value: "https://rekor.sigstore.dev, from 2021-01-12"}, {Name: "Transparency log", Value: "https://log2025-1.rekor.sigstore.dev, from 2025-09-23"}, {Name: "TUF metadata", Value: "root version 14, good until 2026-06-01"}}},
		{Kind: "sigstore", Name: "plant", Source: "https://tuf.plant.acme.example", ObtainedAt: ago(12 * 24 * time.Hour), Stale: true, Failure: &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "tuf.plant.acme.example did not answer within 10 seconds."}, Facts: []inventory.Fact{{Name: "Certificate authority", Value: "CN=plant-ca, from 2025-01-01"}}},
		{Kind: "sigstore", Name: "never", Source: "https://tuf.example", Stale: true, Failure: &inventory.LookError{Reason: inventory.ReasonTrustRootStale, Message: "The TUF repository https://tuf.example was not asked yet."}},
		{Kind: "notation", Name: "acme", Source: "acme-root.pem", Facts: []inventory.Fact{{Name: "Type", Value: "ca"}, {Name: "Certificate", Value: "CN=Acme Root CA,O=Acme Bank,C=CH, until 2036-03-01"}}},
		{Kind: "notation", Name: "acme", Source: "acme-tsa.pem", Facts: []inventory.Fact{{Name: "Type", Value: "tsa"}}},
		{Kind: "notary", Name: "hub", Source: "https://notary.docker.io", ObtainedAt: ago(time.Hour), Failure: &inventory.LookError{Reason: inventory.ReasonRegistryThrottled, Message: "notary.docker.io asks to slow down."}, Facts: []inventory.Fact{{Name: "Root", Value: "taken at first sight"}}},
		{Kind: markup, Name: bidi, Source: huge},
	}
}
