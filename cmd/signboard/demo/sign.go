package demo

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"
)

// What cosign calls things.
const (
	simpleSigningType   = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation = "dev.cosignproject.cosign/signature"
	bundleType          = "application/vnd.dev.sigstore.bundle.v0.3+json"
	emptyType           = "application/vnd.oci.empty.v1+json"
	intotoType          = "application/vnd.in-toto+json"
	signPredicate       = "https://sigstore.dev/cosign/sign/v1"
	cycloneDXPredicate  = "https://cyclonedx.org/bom"
	provenancePredicate = "https://slsa.dev/provenance/v1"
)

// simpleSigning is the payload of a legacy cosign signature (cosign's
// SIGNATURE_SPEC.md), with the fields in cosign's order.
type simpleSigning struct {
	Critical struct {
		Identity struct {
			DockerReference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			DockerManifestDigest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]any `json:"optional"`
}

// payload is what is signed for an image.
func (d *Demo) payload(repository string, digest v1.Hash) ([]byte, error) {
	var p simpleSigning
	p.Critical.Identity.DockerReference = d.push.host() + "/" + repository
	p.Critical.Image.DockerManifestDigest = digest.String()
	p.Critical.Type = "cosign container image signature"
	raw, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encoding a payload: %w", err)
	}
	return raw, nil
}

// signLegacy makes what `cosign sign` up to version 2 pushes for an image, one
// layer for each key, and the blobs it refers to.
func (d *Demo) signLegacy(ctx context.Context, repository string, digest v1.Hash, keys ...string) (v1.Manifest, [][]byte, error) {
	raw, err := d.payload(repository, digest)
	if err != nil {
		return v1.Manifest{}, nil, err
	}
	var layers []map[string]string
	for _, key := range keys {
		signature, _, err := d.keys.pair[key].SignData(ctx, raw)
		if err != nil {
			return v1.Manifest{}, nil, fmt.Errorf("signing with the key %q: %w", key, err)
		}
		layers = append(layers, map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(signature)})
	}
	return legacyManifest(raw, layers...)
}

// legacyManifest holds signatures of one payload, each in the annotations of a
// layer of its own.
func legacyManifest(raw []byte, layers ...map[string]string) (v1.Manifest, [][]byte, error) {
	config := v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for _, annotations := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, hashOf(raw))
		config.History = append(config.History, v1.History{})
		manifest.Layers = append(manifest.Layers, v1.Descriptor{
			MediaType: simpleSigningType, Digest: hashOf(raw), Size: int64(len(raw)), Annotations: annotations,
		})
	}
	rawConfig, err := json.Marshal(config)
	if err != nil {
		return v1.Manifest{}, nil, fmt.Errorf("encoding a configuration: %w", err)
	}
	manifest.Config = v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: hashOf(rawConfig), Size: int64(len(rawConfig))}
	return manifest, [][]byte{raw, rawConfig}, nil
}

// statement is an in-toto statement, version 1.
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     any       `json:"predicate"`
}

type subject struct {
	Digest      map[string]string `json:"digest"`
	Annotations map[string]string `json:"annotations"` // empty: cosign has room for some
}

// signBundle makes what `cosign sign` and `cosign attest` push since version 3:
// a manifest whose subject is the image and whose one layer is a Sigstore
// bundle over a statement about signed. The two digests differ only where the
// story has a signature copied from another image.
func signBundle(on v1.Descriptor, signed v1.Hash, pair sign.Keypair, options sign.BundleOptions, predicateType string, predicate any) (v1.Manifest, [][]byte, error) {
	raw, err := json.Marshal(statement{
		Type:          "https://in-toto.io/Statement/v1",
		Subject:       []subject{{Digest: map[string]string{signed.Algorithm: signed.Hex}, Annotations: map[string]string{}}},
		PredicateType: predicateType,
		Predicate:     predicate,
	})
	if err != nil {
		return v1.Manifest{}, nil, fmt.Errorf("encoding a statement: %w", err)
	}
	made, err := sign.Bundle(&sign.DSSEData{Data: raw, PayloadType: intotoType}, pair, options)
	if err != nil {
		return v1.Manifest{}, nil, fmt.Errorf("signing a statement: %w", err)
	}
	bundle, err := protojson.Marshal(made)
	if err != nil {
		return v1.Manifest{}, nil, fmt.Errorf("encoding a bundle: %w", err)
	}
	empty := []byte("{}")
	return v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: bundleType,
		Config:  v1.Descriptor{MediaType: emptyType, ArtifactType: bundleType, Digest: hashOf(empty), Size: int64(len(empty))},
		Layers:  []v1.Descriptor{{MediaType: bundleType, Digest: hashOf(bundle), Size: int64(len(bundle))}},
		Subject: &v1.Descriptor{MediaType: on.MediaType, Digest: on.Digest, Size: on.Size},
		Annotations: map[string]string{
			"org.opencontainers.image.created":  time.Now().UTC().Format(time.RFC3339),
			"dev.sigstore.bundle.content":       "dsse-envelope",
			"dev.sigstore.bundle.predicateType": predicateType,
		},
	}, [][]byte{bundle, empty}, nil
}

// sbom is a small CycloneDX document.
func sbom(service, version string) map[string]any {
	component := func(kind, name, version string) map[string]any {
		return map[string]any{"type": kind, "name": name, "version": version}
	}
	return map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
		"metadata":   map[string]any{"component": component("container", service, version)},
		"components": []any{component("library", "openssl", "3.5.4"), component("library", "zlib", "1.3.1")},
	}
}
