package inventory

import "time"

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
	SyncStartedAt   *time.Time // set while a sync runs
	LastCompleteAt  *time.Time // the last sync that read everything
	Failing         *Failure   // the registry as a whole can't be read
	FailingRepos    int        // repositories that can't be read
	Progress        Progress
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
	Registry   string
	Repository string // the one being read
	Done       int    // images looked at
	Known      int    // images known to be there; grows while repositories are read
	Failed     int    // images that could not be checked
	Verified   int    // signatures checked
	Requests   int64  // requests to the registry
}

// Add sums two counts; the names of the second win.
func (p Progress) Add(q Progress) Progress {
	return Progress{
		Registry: q.Registry, Repository: q.Repository,
		Done: p.Done + q.Done, Known: p.Known + q.Known, Failed: p.Failed + q.Failed,
		Verified: p.Verified + q.Verified, Requests: p.Requests + q.Requests,
	}
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
	HintedAt   *time.Time // a Hint named it, and no look that began later has ended
	Unlisted   bool       // known from a Hint alone: no listing of its registry has named it
}

// FullName is the name scopes and teams match: "registry/repository".
func (r Repository) FullName() string { return r.Registry + "/" + r.Name }
