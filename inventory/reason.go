package inventory

// Reason is a fixed code that says why a status or an outcome is what it is.
// Each has a page under /learn/{code}.
type Reason string

const (
	ReasonOK                   Reason = "ok"
	ReasonNoSignature          Reason = "no_signature"
	ReasonSignerNotApproved    Reason = "signer_not_approved"
	ReasonSignerRejected       Reason = "signer_rejected"
	ReasonApprovalExpired      Reason = "approval_expired"
	ReasonApprovalRevoked      Reason = "approval_revoked"
	ReasonOutOfScope           Reason = "out_of_scope"
	ReasonKeyUnknown           Reason = "key_unknown"
	ReasonRootUnknown          Reason = "root_unknown"
	ReasonSignatureMismatch    Reason = "signature_mismatch"
	ReasonDigestMismatch       Reason = "digest_mismatch"
	ReasonPayloadMalformed     Reason = "payload_malformed"
	ReasonCertificateExpired   Reason = "certificate_expired"
	ReasonCertificateInvalid   Reason = "certificate_invalid"
	ReasonCertificateRevoked   Reason = "certificate_revoked"
	ReasonSignatureExpired     Reason = "signature_expired"
	ReasonTlogMissing          Reason = "tlog_missing"
	ReasonTlogInvalid          Reason = "tlog_invalid"
	ReasonTimestampInvalid     Reason = "timestamp_invalid"
	ReasonIdentityMalformed    Reason = "identity_malformed"
	ReasonTooLarge             Reason = "too_large"
	ReasonTooMany              Reason = "too_many"
	ReasonRegistryUnreachable  Reason = "registry_unreachable"
	ReasonRegistryDenied       Reason = "registry_denied"
	ReasonRegistryThrottled    Reason = "registry_throttled"
	ReasonRegistryInconsistent Reason = "registry_inconsistent"
	ReasonTrustRootStale       Reason = "trust_root_stale"
	ReasonNotChecked           Reason = "not_checked"
	ReasonQuarantined          Reason = "quarantined"
)

// Reasons lists every reason code, in the contract's order.
var Reasons = []Reason{
	ReasonOK, ReasonNoSignature, ReasonSignerNotApproved, ReasonSignerRejected, ReasonApprovalExpired,
	ReasonApprovalRevoked, ReasonOutOfScope, ReasonKeyUnknown, ReasonRootUnknown, ReasonSignatureMismatch,
	ReasonDigestMismatch, ReasonPayloadMalformed, ReasonCertificateExpired, ReasonCertificateInvalid,
	ReasonCertificateRevoked, ReasonSignatureExpired, ReasonTlogMissing, ReasonTlogInvalid,
	ReasonTimestampInvalid, ReasonIdentityMalformed, ReasonTooLarge, ReasonTooMany,
	ReasonRegistryUnreachable, ReasonRegistryDenied, ReasonRegistryThrottled,
	ReasonRegistryInconsistent, ReasonTrustRootStale, ReasonNotChecked, ReasonQuarantined,
}

// Known reports whether the code is one of the contract's.
func (r Reason) Known() bool {
	for _, known := range Reasons {
		if r == known {
			return true
		}
	}
	return false
}
