package inventory

import (
	"fmt"
	"strings"
)

// Media types this program looks at by name: the OCI image specification
// (media-types.md) and Docker's image manifest version 2, schema 2.
const (
	MediaTypeOCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeOCIIndex       = "application/vnd.oci.image.index.v1+json"
	MediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeOCIConfig      = "application/vnd.oci.image.config.v1+json"
	MediaTypeDockerConfig   = "application/vnd.docker.container.image.v1+json"
)

// Descriptor points at content (OCI image specification, descriptor.md).
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       Digest            `json:"digest"`
	Size         int64             `json:"size"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Platform     *OCIPlatform      `json:"platform,omitempty"`
}

// OCIPlatform is a descriptor's platform (image-index.md).
type OCIPlatform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

func (p OCIPlatform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Manifest is a manifest or index as it was read: its bytes, their digest, and
// what they say. The digest is computed from the bytes, never taken from a
// header.
type Manifest struct {
	Raw       []byte
	Digest    Digest
	MediaType string

	ArtifactType string
	Config       Descriptor
	Layers       []Descriptor
	Manifests    []Descriptor // of an index
	Subject      *Descriptor
	Annotations  map[string]string
}

// Descriptor points at the manifest itself.
func (m Manifest) Descriptor() Descriptor {
	return Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: int64(len(m.Raw)), ArtifactType: m.ArtifactType}
}

// Index reports whether the manifest lists other manifests.
func (m Manifest) Index() bool {
	return m.MediaType == MediaTypeOCIIndex || m.MediaType == MediaTypeDockerList
}

// Kind says whether this is an image, an index of images, or something else.
func (m Manifest) Kind() ImageKind {
	if m.Index() {
		if m.ArtifactType != "" {
			return Artifact
		}
		return IndexImage
	}
	switch m.Config.MediaType {
	case MediaTypeOCIConfig, MediaTypeDockerConfig:
		return SingleImage
	}
	return Artifact
}

// ParseManifest reads a manifest or index. contentType is what the registry
// called it; the manifest's own mediaType, where it has one, has to agree
// (image-spec manifest.md: "mediaType … MUST match the media type from the
// Content-Type header" by way of distribution). Anything else is a LookError
// with reason payload_malformed.
func ParseManifest(raw []byte, contentType string) (Manifest, error) {
	contentType, _, _ = strings.Cut(contentType, ";")
	contentType = strings.TrimSpace(contentType)
	var doc struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		ArtifactType  string            `json:"artifactType"`
		Config        Descriptor        `json:"config"`
		Layers        []Descriptor      `json:"layers"`
		Manifests     []Descriptor      `json:"manifests"`
		Subject       *Descriptor       `json:"subject"`
		Annotations   map[string]string `json:"annotations"`
	}
	if err := StrictJSON(raw, &doc); err != nil {
		return Manifest{}, &LookError{Reason: ReasonPayloadMalformed, Message: "The manifest is not well-formed JSON.", Err: err}
	}
	mediaType := doc.MediaType
	switch {
	case mediaType == "":
		mediaType = contentType
	case known(contentType) && contentType != mediaType:
		return Manifest{}, &LookError{Reason: ReasonRegistryInconsistent,
			Message: fmt.Sprintf("The registry calls the manifest %q, and the manifest calls itself %q.", clip(contentType, 80), clip(mediaType, 80))}
	}
	if !known(mediaType) {
		switch {
		case doc.SchemaVersion == 2 && doc.Manifests != nil && doc.Layers == nil:
			mediaType = MediaTypeOCIIndex
		case doc.SchemaVersion == 2 && doc.Layers != nil && doc.Manifests == nil:
			mediaType = MediaTypeOCIManifest
		default:
			return Manifest{}, &LookError{Reason: ReasonPayloadMalformed,
				Message: fmt.Sprintf("%q is not a manifest type that is understood here.", clip(mediaType, 80))}
		}
	}
	m := Manifest{
		Raw: raw, Digest: DigestOf(raw), MediaType: mediaType, ArtifactType: doc.ArtifactType,
		Config: doc.Config, Layers: doc.Layers, Manifests: doc.Manifests, Subject: doc.Subject, Annotations: doc.Annotations,
	}
	// A document that could be read as either kind is a confusion attack
	// (CVE-2021-41190): refuse it.
	if m.Index() && doc.Layers != nil || !m.Index() && doc.Manifests != nil {
		return Manifest{}, &LookError{Reason: ReasonPayloadMalformed, Message: "The manifest could be read as an image and as an index."}
	}
	for _, list := range [][]Descriptor{m.Layers, m.Manifests} {
		for _, d := range list {
			if _, err := ParseDigest(string(d.Digest)); err != nil {
				return Manifest{}, &LookError{Reason: ReasonPayloadMalformed, Message: "The manifest names something that is not a digest.", Err: err}
			}
		}
	}
	if m.Subject != nil {
		if _, err := ParseDigest(string(m.Subject.Digest)); err != nil {
			return Manifest{}, &LookError{Reason: ReasonPayloadMalformed, Message: "The manifest's subject is not a digest.", Err: err}
		}
	}
	return m, nil
}

func known(mediaType string) bool {
	switch mediaType {
	case MediaTypeOCIManifest, MediaTypeOCIIndex, MediaTypeDockerManifest, MediaTypeDockerList:
		return true
	}
	return false
}
