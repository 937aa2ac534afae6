package inventory

import "time"

// ImageKind says what a manifest is.
type ImageKind string

const (
	SingleImage ImageKind = "image"
	IndexImage  ImageKind = "index"    // a multi-platform index or manifest list
	Artifact    ImageKind = "artifact" // something else that lives in a registry: a chart, an SBOM, a policy
)

// Image is one digest in one repository, with its verdict. Lists carry it
// without evidence; the image's own page and API answer carry all of it.
type Image struct {
	ID         int64 // made by the program; grows with time
	Registry   string
	Repository string // without the registry: team-a/api
	Digest     Digest
	Kind       ImageKind
	MediaType  string
	Size       int64    // bytes of the manifest
	Tags       []string // tags that point here now, in order
	FirstSeen  time.Time
	LastSeen   time.Time

	Status    Status
	Reason    Reason
	Message   string
	CheckedAt *time.Time // nil: never looked at
	Stale     bool       // the shown knowledge is older than it should be
	LastGood  *LastGood  // set while Status is unknown and something was known before
	ChangedAt *time.Time // when the status last changed
	// Overtaken: a decision or the time has changed Status since, and counts and
	// lists by status don't say so yet.
	Overtaken bool

	Quarantine *Quarantine
	Teams      []string
	Signers    []Signer // for lists: who signed, id, name and standing only

	// Evidence, filled in for a single image.
	Platforms    []Platform
	Parents      []Parent
	Signatures   []Signature
	Attestations []Attestation
	Notes        []string        // as Evidence.Notes
	History      []VerdictChange // the newest, newest first
	TagMoves     []TagMove       // so, too
	Events       []ImageEvent    // so, too
	Holds        []Quarantine    // that held it or do, the latest first, each with its Hold
	HistoryFrom  *time.Time      // set when older history wasn't read: from when on all of it was
	Elsewhere    []Place

	GoneAt           *time.Time // since when no tag points here; nil while one does, or none ever did
	RepositoryGoneAt *time.Time // since when the registry doesn't list the repository
}

// FullRepository is the name scopes and teams match: "registry/repository".
func (i Image) FullRepository() string { return i.Registry + "/" + i.Repository }

// Platform is one image of an index.
type Platform struct {
	Platform  string // linux/arm64/v8
	Digest    Digest
	MediaType string
	Size      int64
	Status    Status
	Inherited bool // the status is the index's, which is signed and names this digest
}

// Under is the platform as it is shown under its index. One that carries no
// signature of its own inherits from an index whose signature verified: that
// names its digest.
func (p Platform) Under(index Status) Platform {
	vouches := index == Trusted || index == Unapproved
	if vouches && (p.Status == Unsigned || p.Status == Unknown) {
		p.Status, p.Inherited = index, true
	}
	return p
}

// Parent is an index through which an image is reached.
type Parent struct {
	Digest Digest
	Tags   []string
	Status Status
}

// Place is the same digest in another repository.
type Place struct {
	Registry   string
	Repository string
	Status     Status
}

// VerdictChange is one step in an image's history: another status, or the same
// for another reason or on other grounds.
type VerdictChange struct {
	At      time.Time
	From    Status
	To      Status
	Reason  Reason
	Message string
	Cause   Cause
	Ground  *Ground // nil in what is from before it was kept
	// Flagged: a signature was removed from the registry that had made the image
	// trusted.
	Flagged bool
}

// TagMove is a tag that pointed elsewhere before. From is empty when the tag
// appeared, To is empty when it vanished.
type TagMove struct {
	Tag  string
	From Digest
	To   Digest
	At   time.Time
}

// MovedTag is a tag that points at another image than it did, with what is
// said of both now.
type MovedTag struct {
	Registry   string
	Repository string // without the registry
	Tag        string
	At         time.Time
	From, To   Digest
	Before     Status // of From
	After      Status // of To
}
