package inventory

import (
	"cmp"
	"time"
)

// Registry is one configured registry and how it is doing.
type Registry struct {
	ID           int64
	Name         string
	URL          string
	Interval     time.Duration
	Repositories []Glob // over repository names, without the registry
	Tags         []Glob

	State RegistryState
}

// RegistryState is what the last syncs of a registry came to.
type RegistryState struct {
	RepositoryCount int
	ImageCount      int
	NextDueAt       time.Time
	BeganAt         *time.Time    // when the listing of the present or last sync made everything due
	SyncStartedAt   *time.Time    // set while a sync runs
	ReportedAt      *time.Time    // when a process last said how far the sync is; nil before any did
	LastCompleteAt  *time.Time    // the last sync that read everything
	Failing         *Failure      // the registry as a whole can't be read
	FailingRepos    int           // repositories that can't be read
	Cancelled       *Cancellation // somebody ended the latest sync
	Progress        Progress      // of the sync that runs, or of the last one
}

// LastSync is when a sync last read all of one of the registries; nil before the
// first did.
func LastSync(registries []Registry) *time.Time {
	var last *time.Time
	for _, r := range registries {
		if at := r.State.LastCompleteAt; at != nil && (last == nil || at.After(*last)) {
			last = at
		}
	}
	return last
}

// Interrupted reports whether a sync began that nobody works on any more: its
// process was killed. Whoever comes next carries on where it was.
func (s RegistryState) Interrupted(now time.Time) bool {
	return s.SyncStartedAt != nil && s.ReportedAt != nil && now.Sub(*s.ReportedAt) > SilentAfter
}

// SilentAfter is how long a process that works on a registry may say nothing
// before it is taken for dead. It reports about once a second.
const SilentAfter = 15 * time.Second

// Cancellation is who ended a sync, when, and how far it was then.
type Cancellation struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Read int       `json:"read"` // repositories
	Of   int       `json:"of"`
}

// Failure is something that can't be read, why, and since when.
type Failure struct {
	Reason  Reason
	Message string
	Since   time.Time // the first failure of the present series
	At      time.Time // the latest
}

// Progress counts a running or finished sync.
type Progress struct {
	Registry     string
	Repository   string // the one being read; of several, the one that takes longest
	Repositories int    // repositories read, or tried in vain
	Listed       int    // repositories to be read in all
	Unread       int    // of those that are left, never read before: how many images they hold isn't known
	Done         int    // images looked at
	Known        int    // images known to be there; grows while new repositories are read
	Failed       int    // images that could not be checked
	Verified     int    // signatures checked
	Traffic
}

// Traffic counts requests to one registry, its token service and its blob
// storage included.
type Traffic struct {
	Requests int64 // sent
	// Retried is how many of Requests repeated one that got no answer, a
	// temporary failure, or a refusal that new credentials might lift.
	Retried int64
	// Saved is the least number of requests that a client would have sent in the
	// same place if it remembered nothing from before and looked at each image on
	// its own, and that weren't:
	//
	//   - one for each image whose manifest was known, and one for each image
	//     listed by an index, whose manifest isn't needed to check signatures;
	//   - one for each place that signatures may be at (a companion tag, the
	//     referrers tag) that the list of tags says isn't there;
	//   - two for each thing attached that was known already, its manifest and one
	//     blob; a referrers tag counts as one thing, whatever it lists;
	//   - one for each question to a referrers API that the registry was known not
	//     to have.
	//
	// An answer of 304 (not modified) is a request that was sent, and isn't
	// counted; neither are images that were checked again without the registry
	// and without a look, tokens that were used again, and connections.
	Saved int64
}

// Add sums two counts.
func (t Traffic) Add(u Traffic) Traffic {
	return Traffic{Requests: t.Requests + u.Requests, Retried: t.Retried + u.Retried, Saved: t.Saved + u.Saved}
}

// Sub is what came between two counts, u being the earlier.
func (t Traffic) Sub(u Traffic) Traffic {
	return Traffic{Requests: t.Requests - u.Requests, Retried: t.Retried - u.Retried, Saved: t.Saved - u.Saved}
}

// Add sums two counts; the names of the second win where it has them.
func (p Progress) Add(q Progress) Progress {
	return Progress{
		Registry: cmp.Or(q.Registry, p.Registry), Repository: cmp.Or(q.Repository, p.Repository),
		Repositories: p.Repositories + q.Repositories, Listed: p.Listed + q.Listed, Unread: p.Unread + q.Unread,
		Done: p.Done + q.Done, Known: p.Known + q.Known, Failed: p.Failed + q.Failed,
		Verified: p.Verified + q.Verified, Traffic: p.Traffic.Add(q.Traffic),
	}
}

// Since is what was counted after an earlier count of the same thing.
func (p Progress) Since(q Progress) Progress {
	p.Repositories, p.Listed, p.Unread = p.Repositories-q.Repositories, p.Listed-q.Listed, p.Unread-q.Unread
	p.Done, p.Known, p.Failed = p.Done-q.Done, p.Known-q.Known, p.Failed-q.Failed
	p.Verified, p.Traffic = p.Verified-q.Verified, p.Traffic.Sub(q.Traffic)
	return p
}

// Repository is one repository of a registry.
type Repository struct {
	ID         int64
	RegistryID int64
	Registry   string
	Name       string // without the registry
	FirstSeen  time.Time
	LastSeen   time.Time
	NextDueAt  time.Time
	SyncedAt   *time.Time // the last complete look
	Failing    *Failure
	HintedAt   *time.Time // a Hint wants a look from then on, and none that began later has ended
	Echo       bool       // that look is the second one after the same Hint
	Unlisted   bool       // known from a Hint alone: no listing of its registry has named it
	// ReferrersAbsent is when the registry last said that it has no referrers API
	// for this repository.
	ReferrersAbsent *time.Time
}

// FullName is the name scopes and teams match: "registry/repository".
func (r Repository) FullName() string { return r.Registry + "/" + r.Name }

// Step is one thing that was tried with a registry, and what came of it in one
// sentence.
type Step struct {
	Name    string // what was tried
	Result  Result
	Message string
}
