//go:build bench

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"

	"signboard/cmd/signboard/demo"
	"signboard/inventory"
)

const (
	simpleSigning       = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation = "dev.cosignproject.cosign/signature"
	bundleMedia         = "application/vnd.dev.sigstore.bundle.v0.3+json"
	statementMedia      = "application/vnd.in-toto+json"
	signPredicate       = "https://sigstore.dev/cosign/sign/v1"
	emptyMedia          = "application/vnd.oci.empty.v1+json"
)

// carrier is where a registry keeps signatures, and of which kind they are.
type carrier struct {
	Name      string
	Referrers bool // the registry has the referrers API
	Bundle    bool // a Sigstore bundle, else a legacy signature
	Keyless   bool // signed with a certificate, else with a key; bundles only
}

var carriers = []carrier{
	{Name: "legacy .sig tag, no referrers API"},
	{Name: "v0.3 bundle, referrers API", Referrers: true, Bundle: true},
	{Name: "v0.3 bundle, fallback tag", Bundle: true},
	{Name: "keyless v0.3 bundle, referrers API", Referrers: true, Bundle: true, Keyless: true},
}

// signedContent is what a registry holds whose images are all signed once, by
// one key or one workflow: deterministic but for the signatures.
type signedContent struct {
	carrier
	Images  []signedImage
	PEM     string // the key's public half
	Trusted []byte // of the Sigstore instance, trusted_root.json

	things []thing // in an order in which a registry takes them
	signer demo.Signer
	key    *sign.EphemeralKeypair
}

type signedImage struct{ Repository, Tag string }

// thing is a manifest or a blob.
type thing struct {
	repository string
	tag        string // of a manifest, may be empty
	blob       bool
	inventory.Descriptor
	content []byte
	subject inventory.Digest
}

// newSignedContent signs images for real. The images of a repository are tagged
// 1.0.0, 1.1.0 and so on.
func newSignedContent(ctx context.Context, c carrier, images, repositories int) (*signedContent, error) {
	s := &signedContent{carrier: c}
	var err error
	if c.Keyless {
		if s.signer, err = demo.NewSigner(); err == nil {
			s.Trusted, err = s.signer.TrustedRoot()
		}
	} else if s.key, err = sign.NewEphemeralKeypair(nil); err == nil {
		s.PEM, err = s.key.GetPublicKeyPem()
	}
	if err != nil {
		return nil, err
	}
	for i := range images {
		image := signedImage{Repository: fmt.Sprintf("team/service-%03d", i%repositories), Tag: fmt.Sprintf("1.%d.0", i/repositories)}
		if err := s.add(ctx, image); err != nil {
			return nil, err
		}
		s.Images = append(s.Images, image)
	}
	return s, nil
}

func (s *signedContent) add(ctx context.Context, i signedImage) error {
	config := s.blob(i.Repository, inventory.MediaTypeOCIConfig, encoded(map[string]any{
		"os": "linux", "architecture": "amd64", "rootfs": map[string]any{"type": "layers", "diff_ids": []string{}},
		"config": map[string]any{"Labels": map[string]string{"version": i.Tag}},
	}))
	image := s.manifest(i.Repository, i.Tag, "", map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "config": config,
		"layers": []any{}, "annotations": map[string]string{"org.opencontainers.image.title": i.Repository},
	})
	if s.Bundle {
		return s.addBundle(ctx, i.Repository, image)
	}
	return s.addLegacy(ctx, i.Repository, image)
}

// addLegacy signs as cosign did up to version 2 (its SIGNATURE_SPEC.md).
func (s *signedContent) addLegacy(ctx context.Context, repository string, image inventory.Descriptor) error {
	payload := encoded(map[string]any{
		"critical": map[string]any{
			"identity": map[string]string{"docker-reference": "registry.example.com/" + repository},
			"image":    map[string]string{"docker-manifest-digest": string(image.Digest)},
			"type":     "cosign container image signature",
		},
		"optional": nil,
	})
	signature, _, err := s.key.SignData(ctx, payload)
	if err != nil {
		return err
	}
	layer := s.blob(repository, simpleSigning, payload)
	layer.Annotations = map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(signature)}
	config := s.blob(repository, inventory.MediaTypeOCIConfig, encoded(map[string]any{
		"os": "", "architecture": "", "rootfs": map[string]any{"type": "layers", "diff_ids": []any{layer.Digest}}, "config": map[string]any{},
	}))
	s.manifest(repository, image.Digest.TagPrefix()+".sig", "", map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "config": config, "layers": []any{layer},
	})
	return nil
}

// addBundle signs as cosign does since version 3. Without a referrers API the
// client keeps the list of referrers under a tag (OCI distribution
// specification, "Referrers Tag Schema").
func (s *signedContent) addBundle(ctx context.Context, repository string, image inventory.Descriptor) error {
	statement := encoded(map[string]any{
		"_type":         "https://in-toto.io/Statement/v1",
		"subject":       []any{map[string]any{"digest": map[string]string{"sha256": image.Digest.Hex()}}},
		"predicateType": signPredicate,
		"predicate":     map[string]any{},
	})
	bundle, err := s.bundle(ctx, statement)
	if err != nil {
		return err
	}
	referrer := s.manifest(repository, "", image.Digest, map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "artifactType": bundleMedia,
		"config": s.blob(repository, emptyMedia, []byte("{}")), "layers": []any{s.blob(repository, bundleMedia, bundle)}, "subject": image,
		"annotations": map[string]string{"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": signPredicate},
	})
	if s.Referrers {
		return nil
	}
	referrer.ArtifactType = bundleMedia
	s.manifest(repository, image.Digest.TagPrefix(), "", map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": []any{referrer},
	})
	return nil
}

func (s *signedContent) bundle(ctx context.Context, statement []byte) ([]byte, error) {
	if s.Keyless {
		return s.signer.Bundle(ctx, statementMedia, statement)
	}
	made, err := sign.Bundle(&sign.DSSEData{Data: statement, PayloadType: statementMedia}, s.key, sign.BundleOptions{Context: ctx})
	if err != nil {
		return nil, err
	}
	return protojson.Marshal(made)
}

func (s *signedContent) blob(repository, mediaType string, content []byte) inventory.Descriptor {
	d := inventory.Descriptor{MediaType: mediaType, Digest: inventory.DigestOf(content), Size: int64(len(content))}
	s.things = append(s.things, thing{repository: repository, blob: true, Descriptor: d, content: content})
	return d
}

func (s *signedContent) manifest(repository, tag string, subject inventory.Digest, manifest map[string]any) inventory.Descriptor {
	content := encoded(manifest)
	d := inventory.Descriptor{MediaType: manifest["mediaType"].(string), Digest: inventory.DigestOf(content), Size: int64(len(content))}
	s.things = append(s.things, thing{repository: repository, tag: tag, subject: subject, Descriptor: d, content: content})
	return d
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of text and numbers can be encoded
	}
	return b
}

// floorOfAll is how few requests can tell all of it, from the very first: the
// catalog, and each repository's tags; of each image where its tag points, its
// manifest, and for its signature the place, the manifest and the blob. A
// companion tag's place is its manifest.
func (s *signedContent) floorOfAll(repositories int) int {
	perImage := 4
	if s.Bundle {
		perImage = 5
	}
	return 1 + repositories + perImage*len(s.Images)
}

// floorOfNothingNew is how few requests can tell that nothing is new: the
// catalog, each repository's tags, where each image's tag points, and where its
// companion tag does or what refers to it.
func (s *signedContent) floorOfNothingNew(repositories int) int {
	return 1 + repositories + 2*len(s.Images)
}
