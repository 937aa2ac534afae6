// Package verifytest serves a repository to tests: from an OCI image layout,
// from memory, or through a registry on loopback, well-behaved or not. It is no
// part of the program.
package verifytest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"signboard/inventory"
)

// Repo is one repository in memory. It is a verify.Source.
type Repo struct {
	Name      string
	Blobs     map[inventory.Digest][]byte
	Manifests map[inventory.Digest]string // media type of each manifest
	Tags      map[string]inventory.Digest
	Native    bool // answers the referrers API

	// Fault, if set, is asked before each answer: "manifest", "blob" or
	// "referrers", and what for. An error is the answer.
	Fault func(call, what string) error

	mu    sync.Mutex
	calls []string
}

// New makes an empty repository with the referrers API.
func New(name string) *Repo {
	return &Repo{Name: name, Native: true, Blobs: map[inventory.Digest][]byte{},
		Manifests: map[inventory.Digest]string{}, Tags: map[string]inventory.Digest{}}
}

// Load reads an OCI image layout. The tag of each entry of its index is in the
// annotation org.opencontainers.image.ref.name.
func Load(tb testing.TB, dir string) *Repo {
	tb.Helper()
	r := New("fixture/" + filepath.Base(dir))
	var index struct{ Manifests []inventory.Descriptor }
	raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err == nil {
		err = json.Unmarshal(raw, &index)
	}
	if err != nil {
		tb.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		if d := r.PutBlob(b); d.Digest.Hex() != filepath.Base(file) {
			tb.Fatalf("%s has the digest %s", file, d.Digest)
		}
	}
	for _, d := range index.Manifests {
		r.Manifests[d.Digest] = d.MediaType
		if tag := d.Annotations["org.opencontainers.image.ref.name"]; tag != "" {
			r.Tags[tag] = d.Digest
		}
	}
	return r
}

// PutBlob stores content.
func (r *Repo) PutBlob(b []byte) inventory.Descriptor {
	d := inventory.Descriptor{MediaType: "application/octet-stream", Digest: inventory.DigestOf(b), Size: int64(len(b))}
	r.Blobs[d.Digest] = b
	return d
}

// PutManifest stores a manifest, given as bytes or as something to marshal, and
// tags it unless the tag is empty.
func (r *Repo) PutManifest(tb testing.TB, mediaType string, manifest any, tag string) inventory.Descriptor {
	tb.Helper()
	raw, ok := manifest.([]byte)
	if !ok {
		var err error
		if raw, err = json.Marshal(manifest); err != nil {
			tb.Fatal(err)
		}
	}
	d := r.PutBlob(raw)
	d.MediaType = mediaType
	r.Manifests[d.Digest] = mediaType
	if tag != "" {
		r.Tags[tag] = d.Digest
	}
	return d
}

// PutIndex stores the referrers of every manifest under its fallback tag, as a
// client does where the registry has no referrers API.
func (r *Repo) PutIndex(tb testing.TB) {
	tb.Helper()
	for _, d := range slices.Sorted(maps.Keys(r.Manifests)) {
		if refs := r.referrers(d); len(refs) > 0 {
			r.PutManifest(tb, inventory.MediaTypeOCIIndex,
				map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": refs}, d.TagPrefix())
		}
	}
}

// Subject is what a tag or digest points at, with all tags known.
func (r *Repo) Subject(tb testing.TB, reference string) inventory.Subject {
	tb.Helper()
	m, err := r.manifest(reference)
	if err != nil {
		tb.Fatal(err)
	}
	tags := map[string]bool{}
	for tag := range r.Tags {
		tags[tag] = true
	}
	return inventory.Subject{Registry: "local", Repository: r.Name, Manifest: m.Descriptor(), Tags: tags}
}

// Calls is what was asked, in order: "manifest sha256:…", "referrers sha256:…".
func (r *Repo) Calls() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

func (r *Repo) asked(call, what string) error {
	r.mu.Lock()
	r.calls = append(r.calls, call+" "+what)
	r.mu.Unlock()
	if r.Fault != nil {
		return r.Fault(call, what)
	}
	return nil
}

// Resolve is verify.Source's.
func (r *Repo) Resolve(_ context.Context, _, tag string) (inventory.Descriptor, error) {
	if err := r.asked("resolve", tag); err != nil {
		return inventory.Descriptor{}, err
	}
	m, err := r.manifest(tag)
	if err != nil {
		return inventory.Descriptor{}, err
	}
	return inventory.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: int64(len(m.Raw))}, nil
}

// Manifest is verify.Source's.
func (r *Repo) Manifest(_ context.Context, _, reference string) (inventory.Manifest, error) {
	if err := r.asked("manifest", reference); err != nil {
		return inventory.Manifest{}, err
	}
	return r.manifest(reference)
}

func (r *Repo) manifest(reference string) (inventory.Manifest, error) {
	d := inventory.Digest(reference)
	if !strings.Contains(reference, ":") {
		d = r.Tags[reference]
	}
	mediaType, ok := r.Manifests[d]
	if !ok {
		return inventory.Manifest{}, fmt.Errorf("%s: %w", reference, inventory.ErrNotFound)
	}
	return inventory.ParseManifest(r.Blobs[d], mediaType)
}

// Blob is verify.Source's.
func (r *Repo) Blob(_ context.Context, _ string, d inventory.Descriptor, max int64) ([]byte, error) {
	if err := r.asked("blob", string(d.Digest)); err != nil {
		return nil, err
	}
	b, ok := r.Blobs[d.Digest]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s: %w", d.Digest, inventory.ErrNotFound)
	case int64(len(b)) > max:
		return nil, &inventory.LookError{Reason: inventory.ReasonTooLarge, Message: "too large"}
	}
	return b, nil
}

// Referrers is verify.Source's.
func (r *Repo) Referrers(_ context.Context, _ string, d inventory.Digest) ([]inventory.Descriptor, bool, error) {
	if err := r.asked("referrers", string(d)); err != nil {
		return nil, true, err
	}
	if !r.Native {
		return nil, false, nil
	}
	return r.referrers(d), true, nil
}

func (r *Repo) referrers(d inventory.Digest) []inventory.Descriptor {
	var refs []inventory.Descriptor
	for _, at := range slices.Sorted(maps.Keys(r.Manifests)) {
		m, err := r.manifest(string(at))
		if err != nil || m.Subject == nil || m.Subject.Digest != d {
			continue
		}
		ref := m.Descriptor()
		ref.Annotations = m.Annotations
		refs = append(refs, ref)
	}
	return refs
}
