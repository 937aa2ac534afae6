package demo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image is a manifest or an index with all that it refers to, as bytes ready to
// be pushed. The same name gives the same bytes at every start.
type image struct {
	mediaType types.MediaType
	manifest  []byte
	digest    v1.Hash
	blobs     [][]byte
	children  []image // of an index
	platform  *v1.Platform
}

func (i image) descriptor() v1.Descriptor {
	return v1.Descriptor{MediaType: i.mediaType, Digest: i.digest, Size: int64(len(i.manifest)), Platform: i.platform}
}

// A flavour is one of the two families of media types in the world's
// registries.
type flavour struct{ index, manifest, config, layer types.MediaType }

var (
	oci    = flavour{types.OCIImageIndex, types.OCIManifestSchema1, types.OCIConfigJSON, types.OCILayer}
	docker = flavour{types.DockerManifestList, types.DockerManifestSchema2, types.DockerConfigJSON, types.DockerLayer}
)

var linuxAMD64 = v1.Platform{OS: "linux", Architecture: "amd64"}

// built is when every image says it was made: a date of its own at each start
// would change the digests.
var built = v1.Time{Time: time.Date(2026, 10, 5, 9, 30, 0, 0, time.UTC)}

// newImage makes the image of one version of a service, an index when there is
// more than one platform.
func newImage(repository, version string, f flavour, platforms ...v1.Platform) (image, error) {
	switch len(platforms) {
	case 0:
		return newPlatformImage(repository, version, f, linuxAMD64)
	case 1:
		return newPlatformImage(repository, version, f, platforms[0])
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: f.index}
	var children []image
	for _, p := range platforms {
		child, err := newPlatformImage(repository, version, f, p)
		if err != nil {
			return image{}, err
		}
		child.platform = &p
		children = append(children, child)
		index.Manifests = append(index.Manifests, child.descriptor())
	}
	made, err := encode(f.index, index)
	made.children = children
	return made, err
}

func newPlatformImage(repository, version string, f flavour, p v1.Platform) (image, error) {
	service := repository[strings.LastIndex(repository, "/")+1:]
	var blobs [][]byte
	config := v1.ConfigFile{
		Architecture: p.Architecture, OS: p.OS, Variant: p.Variant, Created: built,
		RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{
			Entrypoint: []string{"/app/" + service},
			User:       "65532:65532",
			Labels: map[string]string{
				"org.opencontainers.image.title":   service,
				"org.opencontainers.image.version": version,
				"org.opencontainers.image.vendor":  "Larkfield",
			},
		},
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: f.manifest}
	for _, l := range []struct{ path, made string }{
		{"etc/larkfield-base", "base " + p.String()}, // shared, as a base image's layers are
		{"app/" + service, repository + " " + version + " " + p.String()},
	} {
		uncompressed, err := tarball(l.path, randomBytes(l.made, 4<<10))
		if err != nil {
			return image{}, err
		}
		blob, err := compress(uncompressed)
		if err != nil {
			return image{}, err
		}
		blobs = append(blobs, blob)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, hashOf(uncompressed))
		config.History = append(config.History, v1.History{Created: built, CreatedBy: "COPY " + l.path + " /" + l.path})
		manifest.Layers = append(manifest.Layers, v1.Descriptor{MediaType: f.layer, Digest: hashOf(blob), Size: int64(len(blob))})
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return image{}, fmt.Errorf("encoding the configuration of %s: %w", repository, err)
	}
	manifest.Config = v1.Descriptor{MediaType: f.config, Digest: hashOf(raw), Size: int64(len(raw))}
	made, err := encode(f.manifest, manifest)
	made.blobs = append(blobs, raw)
	return made, err
}

func encode(mediaType types.MediaType, manifest any) (image, error) {
	raw, err := json.Marshal(manifest)
	if err != nil {
		return image{}, fmt.Errorf("encoding a manifest: %w", err)
	}
	return image{mediaType: mediaType, manifest: raw, digest: hashOf(raw)}, nil
}

// tarball is a layer with one file, without anything of this machine in it.
func tarball(path string, content []byte) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o755, Size: int64(len(content)), ModTime: built.Time, Format: tar.FormatPAX}); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	if _, err := w.Write(content); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	return b.Bytes(), nil
}

// compress stores rather than deflates: random bytes don't shrink, and the
// digest stays the same whatever the compressor learns in a later Go.
func compress(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	if err != nil {
		return nil, fmt.Errorf("compressing a layer: %w", err)
	}
	if _, err := w.Write(b); err != nil {
		return nil, fmt.Errorf("compressing a layer: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing a layer: %w", err)
	}
	return out.Bytes(), nil
}

// randomBytes stand for a program: n bytes that depend on the seed alone.
func randomBytes(seed string, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(seed))).Read(b) // never fails
	return b
}

func hashOf(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sum)}
}
