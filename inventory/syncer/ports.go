// Package syncer keeps the inventory true: it claims what is due, reads the
// registry, has signatures verified and verdicts judged, and hands the result
// to the store. The inventory itself is the work list (due times and leases on
// its rows); there is no queue that could disagree with it. The package knows
// neither SQL, nor HTTP, nor any signature format.
package syncer

import (
	"context"
	"time"

	"signboard/inventory"
)

// Registry reads one registry. Every error carries an inventory.LookError.
type Registry interface {
	// Repositories calls page with the names of each page of the listing. It
	// returns nil only when the listing was read to its end.
	Repositories(ctx context.Context, page func(names []string) error) error
	// Tags returns every tag of a repository, companion tags included.
	Tags(ctx context.Context, repository string) ([]string, error)
	// Resolve asks what a tag points at without reading it.
	Resolve(ctx context.Context, repository, tag string) (inventory.Descriptor, error)
	// Manifest reads a manifest by digest or tag.
	Manifest(ctx context.Context, repository, reference string) (inventory.Manifest, error)
}

// ReferrersMemory is what a client remembers of a registry without a referrers
// API.
type ReferrersMemory interface {
	// RecallReferrersAbsent reminds it of what ReferrersAbsent said before.
	RecallReferrersAbsent(repository string, at time.Time)
	// ReferrersAbsent is when the registry last said that the repository hasn't
	// got the API, nil when it didn't.
	ReferrersAbsent(repository string) *time.Time
}

// Inspector finds and checks what is attached to an image of one registry.
type Inspector interface {
	// Discover lists what is attached. It fails as a whole only through
	// Attached.Incomplete.
	Discover(ctx context.Context, s inventory.Subject) inventory.Attached
	// Verify checks what Discover found.
	Verify(ctx context.Context, s inventory.Subject, a inventory.Attached) inventory.Evidence
	// Reverify makes the checks again that Evidence.Material is the material of,
	// with the keys and roots of now and without the registry. It reports false
	// when the material doesn't suffice.
	Reverify(ctx context.Context, s inventory.Subject, body []byte) (inventory.Evidence, bool)
	// TrustRevision changes whenever the keys and roots verified with do.
	TrustRevision() int64
}

// Worklist is the inventory seen as work.
type Worklist interface {
	// ClaimRegistry leases the registry that has been due longest, nil when
	// none is due.
	ClaimRegistry(ctx context.Context, owner string, scope inventory.SyncScope, now time.Time, lease time.Duration) (*inventory.RegistryWork, error)
	// ClaimRepository leases the repository that has been due longest, nil when
	// none is due.
	ClaimRepository(ctx context.Context, owner string, scope inventory.SyncScope, now time.Time, lease time.Duration) (*inventory.RepositoryWork, error)
	// MakeDue makes the registries and repositories in the scope due now.
	MakeDue(ctx context.Context, scope inventory.SyncScope, now time.Time) error
}

// Hints is the part of the work that goes before everything else.
type Hints interface {
	// Hinted lists the registries that have something to claim.
	Hinted(ctx context.Context, now time.Time) ([]string, error)
	// ClaimHinted leases the repository of a registry that was hinted at longest
	// ago, nil when there is none. A hint that comes before the look ends makes
	// another one follow.
	ClaimHinted(ctx context.Context, owner, registry string, now time.Time, lease time.Duration) (*inventory.RepositoryWork, error)
	// ClaimRelisting leases a registry that Missed wants listed, nil when it isn't
	// time.
	ClaimRelisting(ctx context.Context, owner, registry string, now time.Time, lease time.Duration) (*inventory.RegistryWork, error)
}

// Doubts takes what a look that a hint asked for didn't find.
type Doubts interface {
	// Echo ends a look that a hint asked for, unless it has ended, and has another
	// one follow at a time.
	Echo(ctx context.Context, w *inventory.RepositoryWork, at time.Time) error
	// Missed notes that the registry doesn't have the repository: it is gone when
	// a complete listing says so, too, and one is made at a time.
	Missed(ctx context.Context, w *inventory.RepositoryWork, relist time.Time) error
	// DropRepository ends the look at a repository that only a hint named, and
	// that isn't there.
	DropRepository(ctx context.Context, w *inventory.RepositoryWork, now time.Time) error
}

// Leases is who works on what. A lease of no length gives the work back.
type Leases interface {
	// RenewRegistry prolongs a lease, or fails with ErrLeaseLost.
	RenewRegistry(ctx context.Context, w *inventory.RegistryWork, now time.Time, lease time.Duration) error
	// RenewRepository prolongs a lease, or fails with ErrLeaseLost.
	RenewRepository(ctx context.Context, w *inventory.RepositoryWork, now time.Time, lease time.Duration) error
	// Held reports whether registries and repositories in the scope are due that
	// can't be claimed, since somebody works on them, or died while they did.
	Held(ctx context.Context, scope inventory.SyncScope, now time.Time) (registries, repositories bool, err error)
}

// Findings takes what a look came to. Each call is one or more short
// transactions that check the lease.
type Findings interface {
	// RecordCatalog stores the names of a registry's repositories and makes all
	// that it is known to have due. Only a complete listing marks what is missing
	// from it as gone and ends the registry's failure.
	RecordCatalog(ctx context.Context, w *inventory.RegistryWork, names []string, complete bool, now time.Time) error
	// RecordImages stores findings with their verdicts and counters in one
	// transaction. It fails with ErrRejudge or ErrLeaseLost. An Unchanged finding
	// of an image that is unknown (an outage is over) makes the stored evidence
	// count again: the image turns up in StaleVerdicts.
	RecordImages(ctx context.Context, w *inventory.RepositoryWork, findings []inventory.ImageFinding, now time.Time) error
	// FinishRepository ends a complete look: tags that weren't listed are gone.
	FinishRepository(ctx context.Context, w *inventory.RepositoryWork, tags []string, next time.Time, now time.Time) error
}

// Failures takes what could not be read. What was known stays; the images are
// given the verdict, in bounded batches. A verdict without a status leaves the
// images as they are: only the failure itself is recorded.
type Failures interface {
	FailRegistry(ctx context.Context, w *inventory.RegistryWork, failure *inventory.LookError, v inventory.Verdict, next, now time.Time) error
	FailRepository(ctx context.Context, w *inventory.RepositoryWork, failure *inventory.LookError, v inventory.Verdict, next, now time.Time) error
}

// Judgements is what is needed to judge stored evidence again.
type Judgements interface {
	Decisions(ctx context.Context, signers []inventory.SignerID) (inventory.Decisions, error)
	// Evidence is the stored evidence of images.
	Evidence(ctx context.Context, imageIDs []int64) ([]inventory.StoredEvidence, error)
	// StaleVerdicts returns up to limit images whose verdict has to be judged
	// again: a decision about one of their signers was made or ran out.
	StaleVerdicts(ctx context.Context, now time.Time, limit int) ([]int64, error)
	// ClaimJudging has a process be the one that judges again, for the length of a
	// lease, or for no longer when that is 0; false when another one is.
	ClaimJudging(ctx context.Context, owner string, now time.Time, lease time.Duration) (bool, error)
	// RecordVerdicts stores verdicts judged at a revision of the decisions, or
	// fails with ErrRejudge.
	RecordVerdicts(ctx context.Context, verdicts map[int64]inventory.Verdict, revision int64, now time.Time) error
	// Rewind takes back what a clock that ran ahead has left behind, and says how
	// many images will be judged again for it.
	Rewind(ctx context.Context, now time.Time) (int, error)
}

// Materials is what signatures can be checked again from without the registry.
type Materials interface {
	// Material is what was kept of an image, nil when nothing was.
	Material(ctx context.Context, imageID int64) ([]byte, error)
	// StaleMaterial returns up to limit images of a registry that were checked
	// with other trust material than revision names, or have to be checked again
	// by now.
	StaleMaterial(ctx context.Context, registry string, revision int64, now time.Time, limit int) ([]inventory.StoredMaterial, error)
	// RecordReverified stores repeated checks of images that weren't looked at
	// meanwhile, or fails with ErrRejudge. One that could not be finished is due
	// again later.
	RecordReverified(ctx context.Context, list []inventory.Reverified, now time.Time) error
	// DiscardMaterial forgets what can't be checked again and makes the
	// repositories due.
	DiscardMaterial(ctx context.Context, list []inventory.StoredMaterial, now time.Time) error
}

// Progress is where a running sync says how far it is, and learns how far it
// is everywhere, and whether somebody has ended it.
type Progress interface {
	// RecordProgress notes what this process says, and answers how far the whole
	// sync of the registry is.
	RecordProgress(ctx context.Context, r inventory.SyncReport, now time.Time) (inventory.SyncState, error)
	// SyncState says how far the sync is, of what the scope holds.
	SyncState(ctx context.Context, scope inventory.SyncScope, now time.Time) (inventory.SyncState, error)
	// KnownRepository is the name of a repository of a registry; empty when none
	// is known.
	KnownRepository(ctx context.Context, registry string) (string, error)
}

// Store is all of the inventory that a Syncer needs.
type Store interface {
	Worklist
	Hints
	Doubts
	Leases
	Findings
	Failures
	Judgements
	Materials
	Progress
}
