package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// pushers is how many images travel at once.
const pushers = 8

// pusher writes to the demo's registry over HTTP (OCI distribution
// specification, "Pushing"). Blobs go up in one request each, which that
// specification leaves to the registry and ours allows.
type pusher struct {
	base   string
	client *http.Client
}

func newPusher(base string) pusher {
	return pusher{base: base, client: &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: pushers}, // no proxy: it is loopback
	}}
}

// host is how references name the registry.
func (p pusher) host() string { return p.base[len("http://"):] }

// image pushes everything the image refers to, then the image under each
// reference (tags, or its digest when there are none).
func (p pusher) image(ctx context.Context, repository string, i image, tags ...string) error {
	for _, child := range i.children {
		if err := p.image(ctx, repository, child); err != nil {
			return err
		}
	}
	for _, b := range i.blobs {
		if err := p.blob(ctx, repository, b); err != nil {
			return err
		}
	}
	if len(tags) == 0 {
		tags = []string{i.digest.String()}
	}
	for _, tag := range tags {
		if err := p.manifest(ctx, repository, tag, i.mediaType, i.manifest); err != nil {
			return err
		}
	}
	return nil
}

func (p pusher) blob(ctx context.Context, repository string, b []byte) error {
	address := fmt.Sprintf("%s/v2/%s/blobs/uploads/?digest=%s", p.base, repository, url.QueryEscape(hashOf(b).String()))
	return p.send(ctx, http.MethodPost, address, "application/octet-stream", b)
}

func (p pusher) manifest(ctx context.Context, repository, reference string, mediaType types.MediaType, b []byte) error {
	address := fmt.Sprintf("%s/v2/%s/manifests/%s", p.base, repository, reference)
	return p.send(ctx, http.MethodPut, address, string(mediaType), b)
}

// attach pushes layers and a manifest that carries them, and says where.
func (p pusher) attach(ctx context.Context, repository, reference string, m v1.Manifest, blobs ...[]byte) error {
	made, err := encode(m.MediaType, m)
	if err != nil {
		return err
	}
	made.blobs = blobs
	if reference == "" {
		return p.image(ctx, repository, made)
	}
	return p.image(ctx, repository, made, reference)
}

func (p pusher) send(ctx context.Context, method, address, contentType string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("pushing to the demo's registry: %w", err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := p.client.Do(request)
	if err != nil {
		return fmt.Errorf("pushing to the demo's registry: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 4<<10)) // to its end, so that the connection is used again
	if err != nil {
		return fmt.Errorf("pushing to the demo's registry: %w", err)
	}
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("pushing to the demo's registry: %s %s answered %s: %s", method, address, response.Status, answer)
	}
	return nil
}
