package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signboard/inventory"
)

// Gate answers whether images may be used.
type Gate interface {
	// Check fails with Unavailable when too many others are being looked at.
	Check(ctx context.Context, references []string) (inventory.Answer, error)
	// Allow takes images from somebody's account, or says how long to wait.
	Allow(a inventory.Actor, images int) (wait time.Duration, ok bool)
}

// Answer is whether images may be used.
type Answer struct {
	Allowed bool          `json:"allowed" doc:"Every image is trusted, and nothing holds it."`
	Decided bool          `json:"decided" doc:"Every image could be judged. Without that, nothing is allowed."`
	Images  []ImageAnswer `json:"images" doc:"In the order they were asked for."`
}

// ImageAnswer is the answer about one image.
type ImageAnswer struct {
	Reference string           `json:"reference" doc:"As it was asked for."`
	Digest    inventory.Digest `json:"digest" doc:"What it points at now; empty when that couldn't be found out."`
	Allowed   bool             `json:"allowed"`
	Decided   bool             `json:"decided" doc:"There is an answer, be it no."`
	Status    inventory.Status `json:"status"`
	Reason    inventory.Reason `json:"reason"`
	Message   string           `json:"message" doc:"One sentence or two for a person."`
	CheckedAt *time.Time       `json:"checked_at" doc:"When what the answer rests on was looked at."`
}

// NewAnswer makes the object from an answer.
func NewAnswer(a inventory.Answer) Answer {
	return Answer{Allowed: a.Allowed, Decided: a.Decided, Images: list(a.Images, func(i inventory.ImageAnswer) ImageAnswer {
		i.CheckedAt = utc(i.CheckedAt)
		return ImageAnswer(i)
	})}
}

// checks adds the call that CI makes.
func (s *surface) checks() {
	call(s, huma.Operation{
		Method: http.MethodPost, Path: "/check", OperationID: "check-images", Tags: []string{"Images"},
		Summary: "Ask whether images may be used",
		Description: "An image may when it is trusted and nothing holds it. A tag is resolved at its registry now. What was looked at lately and is trusted is answered from the inventory; anything else is looked at now. " +
			"What can't be found out about one image is its own entry: it isn't allowed, and not decided. An index counts by its own digest.",
	}, s.checkImages, http.StatusTooManyRequests)
}

func (s *surface) checkImages(ctx context.Context, in *struct {
	Body struct {
		Images []string `json:"images" minItems:"1" maxItems:"50" doc:"Each as host[:port]/repository[:tag|@digest], or with a registry's name in place of its host." example:"[\"registry.example.com/team/app:v1\"]"`
	}
}) (*answer[Answer], error) {
	for _, image := range in.Body.Images {
		if len(image) > maxReference {
			return nil, inventory.Errorf(inventory.Invalid, "The name of an image is longer than %d characters.", maxReference)
		}
	}
	if wait, ok := s.Gate.Allow(inventory.ActorFrom(ctx), len(in.Body.Images)); !ok {
		return nil, &StatusError{Status: http.StatusTooManyRequests, After: wait, Err: inventory.Errorf(inventory.Unavailable,
			"You have asked about many images in a short time. Ask again in %s.", max(time.Second, wait.Round(time.Second)))}
	}
	found, err := s.Gate.Check(ctx, in.Body.Images)
	if inventory.KindOf(err) == inventory.Unavailable {
		err = &StatusError{Status: http.StatusServiceUnavailable, After: busyFor, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return &answer[Answer]{NewAnswer(found)}, nil
}

const (
	maxReference = 1000
	busyFor      = 5 * time.Second
)
