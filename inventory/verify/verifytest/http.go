package verifytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"signboard/inventory"
)

// Serve pushes a repository into a registry on loopback, with or without the
// referrers API, and returns a verify.Source that reads it over HTTP. The
// registry is go-containerregistry's, which lists referrers with the type of
// their config.
func Serve(tb testing.TB, r *Repo, native bool) Remote {
	tb.Helper()
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(native), registry.Logger(log.New(io.Discard, "", 0))))
	tb.Cleanup(server.Close)
	for _, d := range slices.Sorted(maps.Keys(r.Blobs)) {
		send(tb, http.MethodPost, fmt.Sprintf("%s/v2/%s/blobs/uploads/?digest=%s", server.URL, r.Name, d), "application/octet-stream", r.Blobs[d])
	}
	put := func(reference string, d inventory.Digest) {
		send(tb, http.MethodPut, fmt.Sprintf("%s/v2/%s/manifests/%s", server.URL, r.Name, reference), r.Manifests[d], r.Blobs[d])
	}
	for _, indexes := range []bool{false, true} {
		for _, d := range slices.Sorted(maps.Keys(r.Manifests)) {
			if (r.Manifests[d] == inventory.MediaTypeOCIIndex) == indexes {
				put(string(d), d)
			}
		}
	}
	for tag, d := range r.Tags {
		put(tag, d)
	}
	return Remote{URL: server.URL}
}

func send(tb testing.TB, method, url, mediaType string, body []byte) {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("Content-Type", mediaType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		answer, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		tb.Fatalf("%s %s: %s: %s", method, url, response.Status, answer)
	}
}

// Remote reads a registry on loopback, as plainly as can be: the program's own
// client is another room's.
type Remote struct{ URL string }

func (s Remote) read(ctx context.Context, path string, max int64) ([]byte, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Accept", inventory.MediaTypeOCIManifest+", "+inventory.MediaTypeOCIIndex)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "The registry could not be read.", Err: err}
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotFound:
		return nil, "", fmt.Errorf("%s: %w", path, inventory.ErrNotFound)
	case response.StatusCode != http.StatusOK:
		return nil, "", &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "The registry answered " + response.Status + "."}
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, max))
	return b, response.Header.Get("Content-Type"), err
}

// Resolve is verify.Source's, by reading.
func (s Remote) Resolve(ctx context.Context, repository, tag string) (inventory.Descriptor, error) {
	m, err := s.Manifest(ctx, repository, tag)
	return m.Descriptor(), err
}

// Manifest is verify.Source's.
func (s Remote) Manifest(ctx context.Context, repository, reference string) (inventory.Manifest, error) {
	b, mediaType, err := s.read(ctx, "/v2/"+repository+"/manifests/"+reference, 4<<20)
	if err != nil {
		return inventory.Manifest{}, err
	}
	return inventory.ParseManifest(b, mediaType)
}

// Blob is verify.Source's.
func (s Remote) Blob(ctx context.Context, repository string, d inventory.Descriptor, max int64) ([]byte, error) {
	b, _, err := s.read(ctx, "/v2/"+repository+"/blobs/"+string(d.Digest), max)
	return b, err
}

// Referrers is verify.Source's.
func (s Remote) Referrers(ctx context.Context, repository string, d inventory.Digest) ([]inventory.Descriptor, bool, error) {
	b, _, err := s.read(ctx, "/v2/"+repository+"/referrers/"+string(d), 4<<20)
	if errors.Is(err, inventory.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, true, err
	}
	var index struct{ Manifests []inventory.Descriptor }
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, true, &inventory.LookError{Reason: inventory.ReasonRegistryInconsistent, Message: "The list of referrers can't be read.", Err: err}
	}
	return index.Manifests, true, nil
}
