package inventory

import (
	"slices"
	"strings"
	"time"
)

// Lease is the right to work on one row until a moment. Token grows with every
// claim of the row; a write whose token isn't the row's present one is refused,
// so a holder that froze and woke up late can't overwrite its successor.
type Lease struct {
	Owner string
	Token int64
	Until time.Time
}

// SyncScope narrows what a sync claims; the zero value is everything.
type SyncScope struct {
	Registry   string // a registry's name
	Repository Glob   // over "registry/repository", or over the repository's own name
}

// Holds reports whether the scope holds a repository.
func (s SyncScope) Holds(registry, repository string) bool {
	return (s.Registry == "" || s.Registry == registry) &&
		(s.Repository == "" || s.Repository.Match(repository) || s.Repository.Match(registry+"/"+repository))
}

// SyncState is how far the sync of a registry is, over all processes.
type SyncState struct {
	BeganAt   *time.Time // when the listing made everything due; nil before the first
	Cancels   int64      // grows each time somebody cancels
	Cancelled *Cancellation
	Progress  Progress // of what the scope holds
}

// SyncReport is what a process says of its part in the sync of a registry.
type SyncReport struct {
	Registry string // by its name
	Owner    string // as in leases
	Cancels  int64  // as the process knows it: once somebody cancelled, its sync runs no longer
	Running  bool
	// Progress counts since the sync began, except that Done and Known are of the
	// repositories being read only, Known beyond what was known of them before:
	// what was read is in the inventory.
	Progress Progress
}

// RegistryWork is a registry that was claimed to have its repositories listed.
type RegistryWork struct {
	Registry Registry
	Lease    Lease
	// Relist says that the names alone are wanted: nothing becomes due through
	// this listing.
	Relist bool
}

// RepositoryWork is a repository that was claimed to be read, with what is
// known of it.
type RepositoryWork struct {
	Repository Repository
	Lease      Lease
	Tags       map[string]Digest // present tags
	Images     map[Digest]KnownImage
}

// KnownImage is what an earlier look left behind, enough to see that nothing
// changed.
type KnownImage struct {
	ID            int64
	Kind          ImageKind
	MediaType     string
	Size          int64
	Platforms     []Platform // of an index: platform and digest
	Status        Status
	Fingerprint   Digest // of Evidence; empty when the look was incomplete
	TrustRevision int64  // the trust material it was verified with
	// Recheck is set when checking its stored material again failed: it counts
	// only once that has succeeded.
	Recheck bool
}

// Subject is an image to look for signatures of.
type Subject struct {
	Registry   string
	Repository string // without the registry
	Manifest   Descriptor
	// Tags are all the tags of the repository, where they were listed: they say
	// for free which companion tags exist. nil means they are not known, and
	// each has to be asked for.
	Tags map[string]bool
	// Known is the fingerprint that an earlier look left behind, empty without
	// one. Most looks find the same again, so discovery then only asks where tags
	// point and reads nothing.
	Known Digest
}

// ViaFallback says that an attachment stands in the list under the referrers
// tag (OCI distribution specification, "Referrers Tag Schema").
const ViaFallback = "fallback"

// Attachment is a manifest found attached to an image.
type Attachment struct {
	Manifest Descriptor
	Via      string // "tag", "referrers", ViaFallback or "index"
	Tag      string // the companion tag it was found under
}

// Outlying is what a server beside the registry says of an image: the one that
// Docker Content Trust keeps its signatures on.
type Outlying struct {
	Signatures []Signature
	Mark       string // changes whenever the signatures do; empty for none
}

// Attached is what discovery found on an image, before anything is verified.
type Attached struct {
	Attachments []Attachment
	// List is the list of referrers under the referrers tag, empty where there is
	// none. What it lists is among the Attachments, unless it is Unread.
	List       Digest `json:",omitempty"`
	Unread     bool   `json:",omitempty"`
	Outlying   []Outlying
	Incomplete *LookError // a place wasn't read
	// Spared counts places that weren't asked since the tags of the repository
	// were known.
	Spared int `json:"-"`
}

// Empty reports whether there is nothing to check.
func (a Attached) Empty() bool {
	return len(a.Attachments) == 0 && a.List == "" && !slices.ContainsFunc(a.Outlying, func(o Outlying) bool { return o.Mark != "" })
}

// Fingerprint is the digest of what is attached, in no particular order; empty
// when not every place was read. The list under the referrers tag stands for
// what it lists.
func (a Attached) Fingerprint() Digest {
	if a.Incomplete != nil {
		return ""
	}
	lines := make([]string, 0, len(a.Attachments))
	if a.List != "" {
		lines = append(lines, "list "+string(a.List)+"\n")
	}
	for _, at := range a.Attachments {
		if a.List != "" && at.Via == ViaFallback {
			continue
		}
		lines = append(lines, at.Via+" "+at.Tag+" "+string(at.Manifest.Digest)+"\n")
	}
	for _, o := range a.Outlying {
		if o.Mark != "" {
			lines = append(lines, "outside "+o.Mark+"\n")
		}
	}
	slices.Sort(lines)
	return DigestOf([]byte(strings.Join(slices.Compact(lines), "")))
}

// ImageFinding is the result of one look at one image, ready to be stored.
type ImageFinding struct {
	Digest    Digest
	Kind      ImageKind
	MediaType string
	Size      int64
	Tags      []string   // tags that were seen to point here in this sync
	Platforms []Platform // of an index: platform and digest; Status and Inherited are not stored
	// Unchanged says that what is attached and the trust material are as they
	// were: nothing but the tags and the time of the look is stored, and Evidence
	// and Verdict are not read.
	Unchanged bool
	Evidence  Evidence
	Verdict   Verdict
	// Unproven is the verdict where the look left a place unread and found less
	// than what was known: that doesn't refute it. Set with Evidence.Incomplete.
	Unproven      Verdict
	Failure       *LookError // the look failed as a whole: stored evidence stays, the verdict is unknown
	TrustRevision int64
	// JudgedAt is the revision of all decisions that the verdict rests on. The
	// store refuses the whole batch with ErrRejudge when it has moved on.
	JudgedAt int64
}

// StoredMaterial is what the signatures of an image can be checked again from
// without its registry.
type StoredMaterial struct {
	ImageID       int64
	Subject       Subject // Tags are not known
	Body          []byte  // Evidence.Material
	Fingerprint   Digest  // of the evidence that is stored
	TrustRevision int64   // that it was verified with
}

// Reverified is the result of checking stored material again. It replaces the
// stored evidence only while Was is still what is stored: a look that came
// between knows better.
type Reverified struct {
	Was           StoredMaterial
	Evidence      Evidence
	Verdict       Verdict
	Unproven      Verdict // as in ImageFinding
	TrustRevision int64
	JudgedAt      int64 // as in ImageFinding
}

// StoredEvidence is what a verdict is judged again from.
type StoredEvidence struct {
	ImageID    int64
	Repository string // "registry/repository"
	Checked    bool
	// Failure is set when the latest look failed as a whole: what was found
	// before is not what is there now, and Signatures is empty.
	Failure *LookError
	// Incomplete is set when the latest look left a place unread.
	Incomplete *LookError
	Signatures []Signature
}

// Decisions are all decisions that count for some signers: for each its own,
// newest first, and then the approvals of others whose patterns match it. The
// revision is of the whole set: it grows with every decision about anybody.
type Decisions struct {
	BySigner map[SignerID][]Decision
	Revision int64
}

// ErrRejudge says that a decision was made while a verdict was on its way to
// the store: judge again and repeat.
var ErrRejudge = Errorf(Conflict, "a decision was made meanwhile")

// ErrLeaseLost says that somebody else holds the lease now: drop the work.
var ErrLeaseLost = Errorf(Conflict, "the lease went to another process")
