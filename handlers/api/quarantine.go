package api

import (
	"time"

	"signboard/inventory"
)

// Quarantine holds images back: it is of a digest, or of a repository and tag.
type Quarantine struct {
	ID         string             `json:"id"`
	Digest     inventory.Digest   `json:"digest,omitempty" doc:"The image it is of; there is either this or repository and tag."`
	Repository string             `json:"repository,omitempty" doc:"As registry/repository."`
	Tag        string             `json:"tag,omitempty" doc:"It holds what this tag points at and whatever it comes to point at, each everywhere, also after the tag moved on."`
	Reason     string             `json:"reason"`
	By         string             `json:"by"`
	At         time.Time          `json:"at"`
	ExpiresAt  *time.Time         `json:"expires_at"`
	ReleasedAt *time.Time         `json:"released_at"`
	Digests    []inventory.Digest `json:"digests,omitempty" doc:"What it holds, in every repository of every registry: the latest first, at most 200. Not with an image."`
	Images     *int               `json:"images,omitempty" doc:"How many images in use it holds now. Not with an image."`
	Because    *Because           `json:"because,omitempty" doc:"With an image: why it holds that."`
}

// Because says why a quarantine holds an image.
type Because struct {
	Kind     inventory.HoldCause `json:"kind" doc:"digest: it is of it; tag: the tag points at it, or did; platform: it is a platform of an index that is held; index: it is an index, and a platform of it is held."`
	Of       inventory.Digest    `json:"of,omitempty" doc:"That index or platform."`
	Platform string              `json:"platform,omitempty"`
	Since    time.Time           `json:"since"`
}

// NewQuarantine makes the object from a quarantine.
func NewQuarantine(q inventory.Quarantine) Quarantine {
	made := Quarantine{
		ID: q.ID, Digest: q.Digest, Repository: q.Repository, Tag: q.Tag, Reason: q.Reason, By: q.By, At: q.At.UTC(),
		ExpiresAt: utc(q.ExpiresAt), ReleasedAt: utc(q.ReleasedAt),
	}
	if h := q.Hold; h != nil {
		made.Because = &Because{Kind: h.Because, Of: h.Of, Platform: h.Platform, Since: h.Since.UTC()}
	} else {
		made.Digests, made.Images = q.Digests, &q.Images
	}
	return made
}

// HoldImpact is what a quarantine would hold if it were made now.
type HoldImpact struct {
	Seen         string                   `json:"seen" doc:"For the quarantine to name: it is a conflict when it would hold something else by then."`
	Digests      []inventory.Digest       `json:"digests" doc:"At most 200."`
	DigestCount  int                      `json:"digest_count"`
	Images       int                      `json:"images" doc:"Images in use, in every repository of every registry."`
	ByStatus     map[inventory.Status]int `json:"by_status"`
	Quarantined  int                      `json:"quarantined" doc:"Of the images, those that another quarantine holds already."`
	Teams        []NamedCount             `json:"teams" doc:"The most images first; - stands for images of no team."`
	Registries   []NamedCount             `json:"registries"`
	Repositories []NamedCount             `json:"repositories" doc:"As registry/repository, at most 10."`
	Repository   int                      `json:"repository_count"`
	Tags         []string                 `json:"tags" doc:"As registry/repository:tag, at most 10."`
	TagCount     int                      `json:"tag_count"`
}

// NamedCount is how many images something has.
type NamedCount struct {
	Name   string `json:"name"`
	Images int    `json:"images"`
}

// NewHoldImpact makes the object from an impact.
func NewHoldImpact(i inventory.HoldImpact) HoldImpact {
	named := func(c inventory.NamedCount) NamedCount { return NamedCount(c) }
	made := HoldImpact{
		Seen: i.Seen(), Digests: list(i.Holds, func(h inventory.Hold) inventory.Digest { return h.Digest }), DigestCount: i.Digests,
		Images: i.Counts.Images, Quarantined: i.Counts.Quarantined, ByStatus: map[inventory.Status]int{},
		Teams: list(i.Teams, named), Registries: list(i.Registries, named), Repositories: list(i.Repositories, named), Repository: i.RepositoryCount,
		Tags: list(i.Tags, same), TagCount: i.TagCount,
	}
	for _, s := range inventory.Statuses {
		made.ByStatus[s] = i.Counts.ByStatus[s]
	}
	return made
}
