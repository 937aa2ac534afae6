package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"signboard/inventory"
)

// Media types of a small text that is kept in a registry as an artifact.
const (
	noteConfig = types.MediaType("application/vnd.signboard.checkpoint.config.v1+json")
	noteLayer  = types.MediaType("application/vnd.signboard.checkpoint.v1+text")
	maxNote    = 64 << 10
)

// PutNote keeps a text in a repository as an OCI artifact of one layer, under each
// of the tags. It is all that is ever written to a registry, and only into a
// repository that the configuration names for it.
func (c *Client) PutNote(ctx context.Context, repository string, note []byte, tags ...string) error {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), noteConfig)
	image, err := mutate.AppendLayers(image, static.NewLayer(note, noteLayer))
	if err != nil {
		return fmt.Errorf("making an artifact of a note: %w", err)
	}
	options, err := c.notes(ctx, repository, "push,pull")
	if err != nil {
		return c.unpublished(repository, err)
	}
	for _, tag := range tags {
		ref, err := c.note(repository, tag)
		if err == nil {
			err = remote.Write(ref, image, options...)
		}
		if err != nil {
			return c.unpublished(repository, err)
		}
	}
	return nil
}

// Note reads what PutNote kept under a tag; nil when nothing is there.
func (c *Client) Note(ctx context.Context, repository, tag string) ([]byte, error) {
	ref, err := c.note(repository, tag)
	if err != nil {
		return nil, err
	}
	options, err := c.notes(ctx, repository, "push,pull")
	if err != nil {
		return nil, c.unpublished(repository, err)
	}
	image, err := remote.Image(ref, options...)
	if refused, ok := errors.AsType[*transport.Error](err); ok && refused.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	var layers []v1.Layer
	if err == nil {
		layers, err = image.Layers()
	}
	if err != nil {
		return nil, c.unpublished(repository, err)
	}
	if len(layers) != 1 {
		return nil, c.unpublished(repository, errors.New("the tag latest holds something else"))
	}
	body, err := layers[0].Compressed()
	if err != nil {
		return nil, c.unpublished(repository, err)
	}
	defer body.Close()
	note, err := io.ReadAll(io.LimitReader(body, maxNote))
	if err != nil {
		return nil, c.unpublished(repository, err)
	}
	return note, nil
}

func (c *Client) note(repository, tag string) (name.Tag, error) {
	if err := c.checkName(repository, tag); err != nil {
		return name.Tag{}, err
	}
	return c.auth.registry.Repo(repository).Tag(tag), nil
}

// notes are the options of requests about a repository: the guarded transport,
// with the credentials that everything else has.
func (c *Client) notes(ctx context.Context, repository, actions string) ([]remote.Option, error) {
	s, err := c.auth.session(ctx, "repository:"+repository+":"+actions)
	if err != nil {
		return nil, err
	}
	return []remote.Option{remote.WithContext(ctx), remote.WithTransport(s.transport), remote.WithJobs(1)}, nil
}

// unpublished says what kept a note from being written or read, without what the
// registry said in its own words.
func (c *Client) unpublished(repository string, err error) error {
	if refused, ok := errors.AsType[*transport.Error](err); ok {
		switch refused.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			return look(inventory.ReasonRegistryDenied, err, "The registry %s doesn't let these credentials write to %s.", c.origin.Host, repository)
		default:
			return look(inventory.ReasonRegistryInconsistent, err, "The registry %s answers with status %d about %s.", c.origin.Host, refused.StatusCode, repository)
		}
	}
	if e, ok := errors.AsType[*inventory.LookError](err); ok {
		return e
	}
	return look(inventory.ReasonRegistryUnreachable, err, "The checkpoint could not be exchanged with %s: %s.", c.origin.Host, inventory.Visible(clip(err.Error())))
}
