package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"

	"signboard/inventory"
)

// maxMaterial is how many bytes are kept of one image, before compression. What
// is attached to more is read from the registry again when it has to be.
const maxMaterial = 512 << 10

// material is everything the checks of one image read, under the digests it was
// asked for by: enough to make them again. It is kept as compressed JSON.
type material struct {
	Version   int                         `json:"version"` // materialVersion
	Attached  inventory.Attached          `json:"attached"`
	Outside   string                      `json:"outside,omitempty"` // revision of those places that Attached.Outlying is from
	Manifests map[inventory.Digest]stored `json:"manifests"`
	Blobs     map[inventory.Digest][]byte `json:"blobs,omitempty"`
}

type stored struct {
	MediaType string `json:"media_type"`
	Raw       []byte `json:"raw"`
}

const materialVersion = 1

// recorder is a Source that keeps what is read through it.
type recorder struct {
	Source
	mu    sync.Mutex
	kept  material
	bytes int
}

func newRecorder(source Source) *recorder {
	return &recorder{Source: source, kept: material{Version: materialVersion,
		Manifests: map[inventory.Digest]stored{}, Blobs: map[inventory.Digest][]byte{}}}
}

// Manifest answers from what was kept, too: several checkers ask for the image
// they are looking at.
func (r *recorder) Manifest(ctx context.Context, repository, reference string) (inventory.Manifest, error) {
	r.mu.Lock()
	kept, ok := r.kept.Manifests[inventory.Digest(reference)]
	r.mu.Unlock()
	if ok {
		return inventory.ParseManifest(kept.Raw, kept.MediaType)
	}
	m, err := r.Source.Manifest(ctx, repository, reference)
	if err == nil && string(m.Digest) == reference {
		r.keep(m)
	}
	return m, err
}

func (r *recorder) keep(m inventory.Manifest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bytes += len(m.Raw); r.bytes <= maxMaterial {
		r.kept.Manifests[m.Digest] = stored{MediaType: m.MediaType, Raw: m.Raw}
	}
}

func (r *recorder) Blob(ctx context.Context, repository string, d inventory.Descriptor, max int64) ([]byte, error) {
	b, err := r.Source.Blob(ctx, repository, d, max)
	if err == nil && matches(d.Digest, b) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.bytes += len(b); r.bytes <= maxMaterial {
			r.kept.Blobs[d.Digest] = b
		}
	}
	return b, err
}

// writers are kept because making one costs more than packing the material of an
// ordinary image does.
var writers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is a valid one
	return z
}}

// material packs what was read; nil when that is more than is kept.
func (r *recorder) material(a inventory.Attached, outside string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bytes > maxMaterial {
		return nil
	}
	r.kept.Attached, r.kept.Outside = a, outside
	var b bytes.Buffer
	z := writers.Get().(*gzip.Writer)
	defer writers.Put(z)
	z.Reset(&b)
	if json.NewEncoder(z).Encode(r.kept) != nil || z.Close() != nil {
		return nil
	}
	return b.Bytes()
}

// unpack reads what material packed.
func unpack(body []byte) (*material, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("reading signature material: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(z, 4*maxMaterial))
	if err != nil {
		return nil, fmt.Errorf("reading signature material: %w", err)
	}
	var m material
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("reading signature material: %w", err)
	}
	if m.Version != materialVersion {
		return nil, fmt.Errorf("reading signature material: version %d is another program's", m.Version)
	}
	return &m, nil
}

// replay is a Source that answers from kept material, and notes what isn't
// there.
type replay struct {
	*material
	lacking bool
}

func (r *replay) Resolve(_ context.Context, _, tag string) (inventory.Descriptor, error) {
	return inventory.Descriptor{}, r.lacks(tag)
}

func (r *replay) Manifest(_ context.Context, _, reference string) (inventory.Manifest, error) {
	m, ok := r.Manifests[inventory.Digest(reference)]
	if !ok {
		return inventory.Manifest{}, r.lacks(reference)
	}
	return inventory.ParseManifest(m.Raw, m.MediaType)
}

func (r *replay) Blob(_ context.Context, _ string, d inventory.Descriptor, _ int64) ([]byte, error) {
	b, ok := r.Blobs[d.Digest]
	if !ok {
		return nil, r.lacks(string(d.Digest))
	}
	return b, nil
}

func (r *replay) Referrers(context.Context, string, inventory.Digest) ([]inventory.Descriptor, bool, error) {
	return nil, false, r.lacks("referrers")
}

func (r *replay) lacks(what string) error {
	r.lacking = true
	return &inventory.LookError{Reason: inventory.ReasonNotChecked, Message: "What was read of the signature wasn't kept.",
		Err: fmt.Errorf("%s isn't among the kept material", what)}
}

// Reverify makes the checks again that Evidence.Material is the material of,
// with the keys and roots of now, and reads no registry. It reports false when
// the material doesn't suffice; then only another look can tell.
func (in *Inspector) Reverify(ctx context.Context, s inventory.Subject, body []byte) (inventory.Evidence, bool) {
	m, err := unpack(body)
	if err != nil || m.Outside != in.outsideRevision() {
		return inventory.Evidence{}, false
	}
	source := &replay{material: m}
	e := in.verify(ctx, s, m.Attached, source)
	if source.lacking {
		return inventory.Evidence{}, false
	}
	e.Material = body
	return e, true
}
