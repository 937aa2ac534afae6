//go:build bench

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"

	"signboard/inventory"
)

// How many images are signed, in how many repositories.
const (
	signedImages       = 1000
	signedRepositories = 20
)

const (
	simpleSigning       = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation = "dev.cosignproject.cosign/signature"
	bundleMedia         = "application/vnd.dev.sigstore.bundle.v0.3+json"
	statementMedia      = "application/vnd.in-toto+json"
)

// carrier is where a registry keeps signatures.
type carrier struct {
	name      string
	referrers bool // the registry has the referrers API
	bundle    bool // a Sigstore bundle, else a legacy signature
}

var carriers = []carrier{
	{name: "legacy .sig tag, no referrers API"},
	{name: "v0.3 bundle, referrers API", referrers: true, bundle: true},
	{name: "v0.3 bundle, fallback tag", bundle: true},
}

// signedRegistry is a registry in this process, reached over loopback HTTP,
// whose images one key signed.
type signedRegistry struct {
	carrier
	url    string
	key    *sign.EphemeralKeypair
	pem    string
	images []signedImage

	handler http.Handler
}

type signedImage struct{ repository, tag string }

func newSignedRegistry(ctx context.Context, t *testing.T, c carrier) *signedRegistry {
	t.Helper()
	key, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := key.GetPublicKeyPem()
	if err != nil {
		t.Fatal(err)
	}
	r := &signedRegistry{carrier: c, key: key, pem: pem, handler: registry.New(
		registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(c.referrers),
	)}
	for i := range signedImages {
		image := signedImage{repository: fmt.Sprintf("team/service-%02d", i%signedRepositories), tag: fmt.Sprintf("1.%d.0", i/signedRepositories)}
		if err := r.push(ctx, image); err != nil {
			t.Fatal(err)
		}
		r.images = append(r.images, image)
	}
	server := httptest.NewServer(r.handler)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// push makes an image and its signature. The registry is filled by calling it,
// not over the network: only reading is measured.
func (r *signedRegistry) push(ctx context.Context, i signedImage) error {
	config, err := r.blob(i.repository, inventory.MediaTypeOCIConfig, map[string]any{
		"os": "linux", "architecture": "amd64", "rootfs": map[string]any{"type": "layers", "diff_ids": []string{}},
		"config": map[string]any{"Labels": map[string]string{"version": i.tag}},
	})
	if err != nil {
		return err
	}
	image, err := r.manifest(i.repository, i.tag, map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "config": config,
		"layers": []any{}, "annotations": map[string]string{"org.opencontainers.image.title": i.repository},
	})
	if err != nil {
		return err
	}
	if r.bundle {
		return r.pushBundle(ctx, i.repository, image)
	}
	return r.pushLegacy(ctx, i.repository, image)
}

// pushLegacy signs as cosign did up to version 2 (its SIGNATURE_SPEC.md).
func (r *signedRegistry) pushLegacy(ctx context.Context, repository string, image inventory.Descriptor) error {
	payload, err := json.Marshal(map[string]any{
		"critical": map[string]any{
			"identity": map[string]string{"docker-reference": "registry.example.com/" + repository},
			"image":    map[string]string{"docker-manifest-digest": string(image.Digest)},
			"type":     "cosign container image signature",
		},
		"optional": nil,
	})
	if err != nil {
		return err
	}
	signature, _, err := r.key.SignData(ctx, payload)
	if err != nil {
		return err
	}
	layer, err := r.blob(repository, simpleSigning, json.RawMessage(payload))
	if err != nil {
		return err
	}
	layer.Annotations = map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(signature)}
	config, err := r.blob(repository, inventory.MediaTypeOCIConfig, map[string]any{
		"os": "", "architecture": "", "rootfs": map[string]any{"type": "layers", "diff_ids": []any{layer.Digest}}, "config": map[string]any{},
	})
	if err != nil {
		return err
	}
	_, err = r.manifest(repository, image.Digest.TagPrefix()+".sig", map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "config": config, "layers": []any{layer},
	})
	return err
}

// pushBundle signs as cosign does since version 3. Without a referrers API the
// client keeps the list of referrers under a tag (OCI distribution
// specification, "Referrers Tag Schema").
func (r *signedRegistry) pushBundle(ctx context.Context, repository string, image inventory.Descriptor) error {
	statement, err := json.Marshal(map[string]any{
		"_type":         "https://in-toto.io/Statement/v1",
		"subject":       []any{map[string]any{"digest": map[string]string{"sha256": image.Digest.Hex()}}},
		"predicateType": "https://sigstore.dev/cosign/sign/v1",
		"predicate":     map[string]any{},
	})
	if err != nil {
		return err
	}
	made, err := sign.Bundle(&sign.DSSEData{Data: statement, PayloadType: statementMedia}, r.key, sign.BundleOptions{Context: ctx})
	if err != nil {
		return err
	}
	bundle, err := protojson.Marshal(made)
	if err != nil {
		return err
	}
	layer, err := r.blob(repository, bundleMedia, json.RawMessage(bundle))
	if err != nil {
		return err
	}
	config, err := r.blob(repository, "application/vnd.oci.empty.v1+json", map[string]any{})
	if err != nil {
		return err
	}
	carrying := map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "artifactType": bundleMedia,
		"config": config, "layers": []any{layer}, "subject": image,
		"annotations": map[string]string{"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"},
	}
	referrer, err := r.manifest(repository, "", carrying)
	if err != nil || r.referrers {
		return err
	}
	referrer.ArtifactType = bundleMedia
	_, err = r.manifest(repository, image.Digest.TagPrefix(), map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": []any{referrer},
	})
	return err
}

func (r *signedRegistry) blob(repository, mediaType string, content any) (inventory.Descriptor, error) {
	raw, err := json.Marshal(content)
	if err != nil {
		return inventory.Descriptor{}, err
	}
	d := inventory.Descriptor{MediaType: mediaType, Digest: inventory.DigestOf(raw), Size: int64(len(raw))}
	return d, r.call(http.MethodPost, "/v2/"+repository+"/blobs/uploads/?digest="+url.QueryEscape(string(d.Digest)), "application/octet-stream", raw)
}

func (r *signedRegistry) manifest(repository, tag string, content map[string]any) (inventory.Descriptor, error) {
	raw, err := json.Marshal(content)
	if err != nil {
		return inventory.Descriptor{}, err
	}
	d := inventory.Descriptor{MediaType: content["mediaType"].(string), Digest: inventory.DigestOf(raw), Size: int64(len(raw))}
	if tag == "" {
		tag = string(d.Digest)
	}
	return d, r.call(http.MethodPut, "/v2/"+repository+"/manifests/"+tag, d.MediaType, raw)
}

func (r *signedRegistry) call(method, path, contentType string, body []byte) error {
	request := httptest.NewRequest(method, path, bytes.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	answer := httptest.NewRecorder()
	r.handler.ServeHTTP(answer, request)
	if answer.Code != http.StatusCreated {
		return fmt.Errorf("%s %s answered %d: %s", method, path, answer.Code, answer.Body)
	}
	return nil
}
