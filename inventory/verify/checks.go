package verify

import "signboard/inventory"

// Names of checks. They are stable: stored evidence, the API and the pages
// under /learn use them.
const (
	// CheckManifestSubject: the manifest that carries the signature names the
	// image as its subject (OCI image specification, manifest.md).
	CheckManifestSubject = "manifest_subject"
	// CheckPayloadWellformed: what was signed is one well-formed document of
	// the media type it should have.
	CheckPayloadWellformed = "payload_wellformed"
	// CheckPayloadType: the document says that it is an image signature.
	CheckPayloadType = "payload_type"
	// CheckPayloadDigest: the document names this image.
	CheckPayloadDigest = "payload_digest"
	// CheckPredicateType: the signed statement is an image signature and not
	// some other attestation.
	CheckPredicateType = "predicate_type"
	// CheckSubjectDigest: the signed statement is about this image.
	CheckSubjectDigest = "subject_digest"
	// CheckSignature: the signature holds under a key.
	CheckSignature = "signature"
	// CheckKeyRegistered: that key is registered here.
	CheckKeyRegistered = "key_registered"
	// CheckCertificate: the certificate that came along is well-formed and leads
	// to a root that is known here.
	CheckCertificate = "certificate"
	// CheckIdentity: the certificate names one identity and its issuer, where
	// they should be and so that they can be read.
	CheckIdentity = "identity"
	// CheckSCT: a known certificate-transparency log has seen the certificate
	// (RFC 6962, section 3.2).
	CheckSCT = "certificate_transparency"
	// CheckLogEntry: the transparency-log entry is about this signature, and a
	// known log vouches for it.
	CheckLogEntry = "log_entry"
	// CheckTimestamp: a known authority vouches for the time of signing.
	CheckTimestamp = "timestamp"
	// CheckCriticalAttributes: the signer demands nothing of a verifier that
	// isn't understood here (Notary Project signature specification, "Extended
	// attributes").
	CheckCriticalAttributes = "critical_attributes"
	// CheckTrustAnchor: the chain of certificates holds one that is configured
	// here as a root of trust for its signing scheme.
	CheckTrustAnchor = "trust_anchor"
	// CheckValidity: every certificate of the chain was valid at the moment that
	// counts: the proven time of signing, or else now.
	CheckValidity = "certificate_validity"
	// CheckExpiry: the last day that the signer gave the signature hasn't come.
	CheckExpiry = "expiry"
	// CheckRevocation: whoever issued the certificates hasn't taken one back.
	CheckRevocation = "revocation"
	// CheckTargetDigest: metadata of Docker Content Trust lists this image, by
	// the digest of its manifest.
	CheckTargetDigest = "target_digest"
	// CheckTargetLength: what is listed is as long as the image's manifest.
	CheckTargetLength = "target_length"
	// CheckTargetExpiry: the list of what is signed hasn't run out.
	CheckTargetExpiry = "target_expiry"
	// CheckDelegation: the role that signed was given the right to sign this by
	// the role above it, up to the root.
	CheckDelegation = "delegation"
	// CheckTUFSnapshot: the list is the one that the repository's snapshot names,
	// so that nothing was mixed from different moments.
	CheckTUFSnapshot = "tuf_snapshot"
	// CheckTUFTimestamp: the snapshot is the newest, says a fresh timestamp.
	CheckTUFTimestamp = "tuf_timestamp"
	// CheckTUFRoot: the root names the keys of all that, and is signed by its own.
	CheckTUFRoot = "tuf_root"
	// CheckRootPin: the root is one that is pinned here, or the one that was
	// taken on trust when it was first seen.
	CheckRootPin = "root_pin"
	// CheckRollback: nothing is older than what was seen before.
	CheckRollback = "rollback"
	// CheckServerClosing: the server will still be there. Never pass or fail.
	CheckServerClosing = "server_closing"
)

// Trial collects the checks of one signature in the order they are made. A
// signature is invalid exactly when one of its checks failed, and the first
// that failed gives the reason.
type Trial struct {
	Checks []inventory.Check

	outcome inventory.Outcome
	reason  inventory.Reason
	message string
}

// Pass notes a check that passed.
func (t *Trial) Pass(name, message string) { t.add(name, inventory.Pass, message) }

// Skip notes a check that was not made, and why.
func (t *Trial) Skip(name, message string) { t.add(name, inventory.Skip, message) }

// Fail notes a check that failed. The signature is invalid.
func (t *Trial) Fail(name string, reason inventory.Reason, message string) {
	t.add(name, inventory.Fail, message)
	if t.outcome != inventory.OutcomeInvalid && t.outcome != inventory.OutcomeError {
		t.outcome, t.reason, t.message = inventory.OutcomeInvalid, reason, message
	}
}

// Unread notes that a check could not be made. Nothing is known of the
// signature then.
func (t *Trial) Unread(name string, err error) {
	look := inventory.AsLookError(err)
	t.add(name, inventory.Errored, look.Message)
	if t.outcome != inventory.OutcomeError {
		t.outcome, t.reason, t.message = inventory.OutcomeError, look.Reason, look.Message
	}
}

// Failed reports whether a check failed or could not be made.
func (t *Trial) Failed() bool { return t.outcome != "" }

// Verdict is the outcome of the checks: the first failure if there is one, and
// otherwise what is given.
func (t *Trial) Verdict(outcome inventory.Outcome, reason inventory.Reason, message string) (inventory.Outcome, inventory.Reason, string) {
	if t.Failed() {
		return t.outcome, t.reason, t.message
	}
	return outcome, reason, message
}

// About keeps, of the names given, those of checks that were made, for a Link.
func (t *Trial) About(names ...string) []string {
	var about []string
	for _, name := range names {
		for _, c := range t.Checks {
			if c.Name == name {
				about = append(about, name)
				break
			}
		}
	}
	return about
}

func (t *Trial) add(name string, result inventory.Result, message string) {
	t.Checks = append(t.Checks, inventory.Check{Name: name, Result: result, Message: message})
}
