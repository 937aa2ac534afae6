package inventory

import "time"

// Format names how a signature is carried. The words are the contract's.
type Format string

const (
	FormatSimpleSigning Format = "cosign-simplesigning" // a layer of a .sig manifest
	FormatBundle        Format = "cosign-bundle"        // a Sigstore bundle as a referrer
	FormatNotationJWS   Format = "notation-jws"
	FormatNotationCOSE  Format = "notation-cose"
	FormatDCT           Format = "dct" // Docker Content Trust (Notary v1)
)

// Formats lists every format.
var Formats = []Format{FormatSimpleSigning, FormatBundle, FormatNotationJWS, FormatNotationCOSE, FormatDCT}

// Outcome is what checking one signature came to. It says nothing of trust.
type Outcome string

const (
	OutcomeError        Outcome = "error"        // it could not be read; never counts as a finding
	OutcomeInvalid      Outcome = "invalid"      // a check failed
	OutcomeUnverifiable Outcome = "unverifiable" // the key or root that is needed isn't known here
	OutcomeVerified     Outcome = "verified"     // every check that the format asks for passed
)

// Result is how one check ended.
type Result string

const (
	Pass    Result = "pass"
	Fail    Result = "fail"
	Skip    Result = "skip"  // not made, and the message says why
	Errored Result = "error" // could not be made
)

// Check is one thing that was looked at while verifying a signature.
type Check struct {
	Name    string `json:"name"` // stable, snake_case: payload_digest, signature, log_entry, …
	Result  Result `json:"result"`
	Message string `json:"message"` // one sentence for a person
}

// LinkRole says what a Link of the trust chain is.
type LinkRole string

const (
	RoleImage        LinkRole = "image"
	RoleStatement    LinkRole = "statement" // what was signed: payload or in-toto statement
	RoleSignature    LinkRole = "signature"
	RoleKey          LinkRole = "key"
	RoleLeaf         LinkRole = "leaf"
	RoleIntermediate LinkRole = "intermediate"
	RoleRoot         LinkRole = "root"
	RoleTlog         LinkRole = "tlog"      // a branch: the transparency-log entry
	RoleTimestamp    LinkRole = "timestamp" // a branch: the RFC 3161 timestamp
	RoleDelegation   LinkRole = "delegation"
)

// Branch reports whether the role hangs beside the line from image to root
// instead of standing in it.
func (r LinkRole) Branch() bool { return r == RoleTlog || r == RoleTimestamp }

// Link is one element of a trust chain, in order from the image to the root.
type Link struct {
	Role        LinkRole   `json:"role"`
	Name        string     `json:"name"`
	Fingerprint string     `json:"fingerprint,omitempty"` // sha256:<hex> of what identifies the link
	Issuer      string     `json:"issuer,omitempty"`
	NotBefore   *time.Time `json:"not_before,omitempty"`
	NotAfter    *time.Time `json:"not_after,omitempty"`
	Checks      []string   `json:"checks,omitempty"` // names of the signature's checks that concern this link
	Facts       []Fact     `json:"facts,omitempty"`  // further details, in the order to show them
}

// Fact is a named detail worth showing: algorithm, log index, repository in
// the payload.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// SignedAtSource says what vouches for a signing time.
type SignedAtSource string

const (
	SignedAtTlog      SignedAtSource = "tlog"
	SignedAtAuthority SignedAtSource = "timestamp-authority"
	SignedAtClaimed   SignedAtSource = "claimed" // the signer says so, nothing else
)

// Signature is the evidence about one signature found on an image: what was
// checked, with which result, and who signed. Verifiers make it; it never says
// whether anybody trusts the signer.
type Signature struct {
	Format         Format         `json:"format"`
	Manifest       Digest         `json:"manifest"` // the manifest that carries it
	Index          int            `json:"index"`    // its place in that manifest, from 0
	Outcome        Outcome        `json:"outcome"`
	Reason         Reason         `json:"reason"`
	Message        string         `json:"message"`
	SignedAt       *time.Time     `json:"signed_at"`
	SignedAtSource SignedAtSource `json:"signed_at_source,omitempty"`
	Signer         *Signer        `json:"signer"` // identity only; standing is filled in when it is shown
	Checks         []Check        `json:"checks"`
	Chain          []Link         `json:"chain"`
	// Domain is the root of trust that vouched for the signer, by its configured
	// name; empty for a registered key.
	Domain string `json:"domain,omitempty"`
	// Expires is when a verified signature stops to hold by itself; nil when it
	// holds for good.
	Expires *Expiry `json:"expires,omitempty"`
	// RecheckAt is when something that was asked of others while checking, such
	// as whether a certificate was revoked, has to be asked again.
	RecheckAt *time.Time `json:"recheck_at,omitempty"`
}

// Expiry is when a verified signature stops to hold, and what it is from then
// on: invalid, for this reason.
type Expiry struct {
	At      time.Time `json:"at"`
	Reason  Reason    `json:"reason"`  // signature_expired or certificate_expired
	Message string    `json:"message"` // what to say from then on
}

// At is the signature as it is at a moment: one that verified and has run out
// since is invalid, for the reason that was foreseen.
func (s Signature) At(now time.Time) Signature {
	if e := s.Expires; e != nil && s.Outcome == OutcomeVerified && !now.Before(e.At) {
		s.Outcome, s.Reason, s.Message = OutcomeInvalid, e.Reason, e.Message
	}
	return s
}

// Attestation is a signed or claimed statement about an image that is not an
// image signature: provenance, an SBOM, a scan. It never makes an image signed.
// One that nobody signed is unverifiable, with the reason no_signature.
type Attestation struct {
	PredicateType  string         `json:"predicate_type"`
	Outcome        Outcome        `json:"outcome"`
	Reason         Reason         `json:"reason"`
	Message        string         `json:"message"`
	Signer         *Signer        `json:"signer"`
	Manifest       Digest         `json:"manifest"`
	SignedAt       *time.Time     `json:"signed_at,omitempty"`
	SignedAtSource SignedAtSource `json:"signed_at_source,omitempty"`
	Facts          []Fact         `json:"facts,omitempty"` // what the statement says: builder, source repository, commit
	Checks         []Check        `json:"checks,omitempty"`
	Domain         string         `json:"domain,omitempty"` // as Signature.Domain
}

// Evidence is everything one look at an image found.
type Evidence struct {
	Signatures   []Signature
	Attestations []Attestation
	// Incomplete is set when a place a signature could be was not read, or not
	// to its end. What was found stays true; what wasn't found proves nothing.
	Incomplete *LookError
	// Notes are sentences about what was found and left out because it wasn't
	// what the registry said it was: a referrer that belongs to another image.
	Notes []string
	// Fingerprint changes whenever something attached to the image does: it is
	// the digest of the sorted list of attached manifests. Empty when Incomplete.
	Fingerprint Digest
	// Material is what the checks read, so that they can be made again without
	// the registry when a key or a root becomes known. Empty when there was
	// nothing to check, or too much to keep.
	Material []byte
	// RecheckAt is the earliest moment from which the checks have to be made
	// again although nothing changed; nil when there is none.
	RecheckAt *time.Time
}
