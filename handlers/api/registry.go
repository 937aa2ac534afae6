package api

import (
	"time"

	"signboard/inventory"
)

// Registry is one configured registry and how its syncs are going.
type Registry struct {
	Name                string              `json:"name"`
	URL                 string              `json:"url"`
	IntervalSeconds     int64               `json:"interval_seconds"`
	Repositories        []string            `json:"repositories" doc:"Patterns of the repositories that are read."`
	Tags                []string            `json:"tags" doc:"Patterns of the tags that are read."`
	State               RegistryState       `json:"state" doc:"healthy: read to its end; partial: some repositories can't be read; failing: it can't be read as a whole; unread: no sync came to its end yet."`
	Syncing             bool                `json:"syncing"`
	Interrupted         bool                `json:"interrupted" doc:"The process that synced it was killed; another one carries on."`
	RepositoryCount     int                 `json:"repository_count"`
	ImageCount          int                 `json:"image_count"`
	LastCompleteAt      *time.Time          `json:"last_complete_at"`
	NextDueAt           *time.Time          `json:"next_due_at" doc:"Null when it is only read when asked."`
	SyncStartedAt       *time.Time          `json:"sync_started_at" doc:"Null while no sync runs."`
	Failing             *Failure            `json:"failing"`
	FailingRepositories int                 `json:"failing_repositories"`
	Failures            []RepositoryFailure `json:"failures" doc:"Some of the repositories that can't be read."`
	Cancelled           *Cancellation       `json:"cancelled" doc:"Who ended the latest sync."`
	Progress            Progress            `json:"progress" doc:"Of the sync that runs, or of the last one."`
}

// RegistryState is how a registry is doing, in a word.
type RegistryState string

// The states, the worst first.
const (
	RegistryFailing RegistryState = "failing"
	RegistryPartial RegistryState = "partial"
	RegistryUnread  RegistryState = "unread"
	RegistryHealthy RegistryState = "healthy"
)

// Failure is something that can't be read, why, and since when.
type Failure struct {
	Reason  inventory.Reason `json:"reason"`
	Message string           `json:"message"`
	Since   time.Time        `json:"since"`
	At      time.Time        `json:"at"`
}

// RepositoryFailure is a repository that can't be read.
type RepositoryFailure struct {
	Repository string `json:"repository" doc:"Without the registry."`
	Failure
}

// Cancellation is who ended a sync, when, and how far it was.
type Cancellation struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Read int       `json:"read" doc:"Repositories."`
	Of   int       `json:"of"`
}

// Progress counts a sync.
type Progress struct {
	Repository       string `json:"repository" doc:"The one that is being read."`
	RepositoriesRead int    `json:"repositories_read" doc:"Or tried in vain."`
	Repositories     int    `json:"repositories" doc:"To be read in all."`
	ImagesDone       int    `json:"images_done"`
	ImagesKnown      int    `json:"images_known" doc:"Grows while new repositories are read."`
	ImagesFailed     int    `json:"images_failed" doc:"Images that could not be checked."`
	Signatures       int    `json:"signatures" doc:"Signatures checked."`
	Requests         int64  `json:"requests" doc:"Sent to the registry."`
}

// NewRegistry makes the object from a registry with some of its repositories
// that can't be read, as it is now.
func NewRegistry(r inventory.Registry, failing []inventory.Repository, now time.Time) Registry {
	glob := func(g inventory.Glob) string { return string(g) }
	state, p := r.State, r.State.Progress
	made := Registry{
		Name: r.Name, URL: r.URL, IntervalSeconds: int64(r.Interval / time.Second), Repositories: list(r.Repositories, glob), Tags: list(r.Tags, glob),
		State: stateOf(state), Syncing: state.SyncStartedAt != nil, Interrupted: state.Interrupted(now),
		RepositoryCount: state.RepositoryCount, ImageCount: state.ImageCount, LastCompleteAt: utc(state.LastCompleteAt), SyncStartedAt: utc(state.SyncStartedAt),
		Failing: newFailure(state.Failing), FailingRepositories: state.FailingRepos, Failures: []RepositoryFailure{},
		Progress: Progress{
			Repository: p.Repository, RepositoriesRead: p.Repositories, Repositories: p.Listed, ImagesDone: p.Done, ImagesKnown: p.Known,
			ImagesFailed: p.Failed, Signatures: p.Verified, Requests: p.Requests,
		},
	}
	if !state.NextDueAt.IsZero() {
		made.NextDueAt = utc(&state.NextDueAt)
	}
	for _, repository := range failing {
		if f := newFailure(repository.Failing); f != nil {
			made.Failures = append(made.Failures, RepositoryFailure{Repository: repository.Name, Failure: *f})
		}
	}
	if c := state.Cancelled; c != nil {
		made.Cancelled = &Cancellation{By: c.By, At: c.At.UTC(), Read: c.Read, Of: c.Of}
	}
	return made
}

func stateOf(s inventory.RegistryState) RegistryState {
	switch {
	case s.Failing != nil:
		return RegistryFailing
	case s.FailingRepos > 0:
		return RegistryPartial
	case s.LastCompleteAt == nil:
		return RegistryUnread
	}
	return RegistryHealthy
}

func newFailure(f *inventory.Failure) *Failure {
	if f == nil {
		return nil
	}
	return &Failure{Reason: f.Reason, Message: f.Message, Since: f.Since.UTC(), At: f.At.UTC()}
}
