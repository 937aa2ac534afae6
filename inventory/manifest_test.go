package inventory

import (
	"strings"
	"testing"
)

const (
	someDigest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	imageText  = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + someDigest + `","size":2},"layers":[]}`
	indexText  = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + someDigest + `","size":2,"platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]}`
)

func TestParseManifest_tellsImagesFromTheRest(t *testing.T) {
	for _, test := range []struct {
		name, text, contentType string
		kind                    ImageKind
	}{
		{"an image", imageText, MediaTypeOCIManifest, SingleImage},
		{"an image whose content type nobody sent", imageText, "", SingleImage},
		{"an image with a charset", imageText, MediaTypeOCIManifest + "; charset=utf-8", SingleImage},
		{"an index", indexText, MediaTypeOCIIndex, IndexImage},
		{"a Docker image", strings.NewReplacer(MediaTypeOCIManifest, MediaTypeDockerManifest, MediaTypeOCIConfig, MediaTypeDockerConfig).Replace(imageText), MediaTypeDockerManifest, SingleImage},
		{"a Docker list", strings.ReplaceAll(indexText, MediaTypeOCIIndex, MediaTypeDockerList), MediaTypeDockerList, IndexImage},
		{"a chart", strings.ReplaceAll(imageText, MediaTypeOCIConfig, "application/vnd.cncf.helm.config.v1+json"), MediaTypeOCIManifest, Artifact},
		{"an image without a media type of its own", strings.Replace(imageText, `"mediaType":"`+MediaTypeOCIManifest+`",`, "", 1), "", SingleImage},
	} {
		m, err := ParseManifest([]byte(test.text), test.contentType)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if m.Kind() != test.kind || m.Digest != DigestOf([]byte(test.text)) {
			t.Errorf("%s is %s, %s", test.name, m.Kind(), m.Digest)
		}
	}
	m, err := ParseManifest([]byte(indexText), MediaTypeOCIIndex)
	if err != nil || m.Manifests[0].Platform.String() != "linux/arm64/v8" {
		t.Errorf("the platform is %+v, %v", m.Manifests, err)
	}
}

func TestParseManifest_refuses(t *testing.T) {
	for name, test := range map[string]struct{ text, contentType string }{
		"HTML":                         {"<html>", "text/html"},
		"nothing":                      {"", MediaTypeOCIManifest},
		"a list":                       {"[]", MediaTypeOCIManifest},
		"two documents":                {imageText + imageText, MediaTypeOCIManifest},
		"the same key twice":           {strings.Replace(imageText, `"layers":[]`, `"layers":[],"layers":[]`, 1), MediaTypeOCIManifest},
		"the same key in another case": {strings.Replace(imageText, `"layers":[]`, `"layers":[],"Layers":[]`, 1), MediaTypeOCIManifest},
		"an image that is an index":    {strings.Replace(imageText, `"layers":[]`, `"layers":[],"manifests":[]`, 1), MediaTypeOCIManifest},
		"an index that is an image":    {strings.Replace(indexText, `"schemaVersion":2`, `"schemaVersion":2,"layers":[]`, 1), MediaTypeOCIIndex},
		"another type than announced":  {imageText, MediaTypeOCIIndex},
		"a layer without digest":       {strings.Replace(imageText, `"layers":[]`, `"layers":[{"size":1}]`, 1), MediaTypeOCIManifest},
		"a subject that is a path":     {strings.Replace(imageText, `"layers":[]`, `"layers":[],"subject":{"digest":"sha256:../../x"}`, 1), MediaTypeOCIManifest},
		"schema 1":                     {`{"schemaVersion":1,"fsLayers":[]}`, "application/vnd.docker.distribution.manifest.v1+json"},
		"depth without end":            {strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), MediaTypeOCIManifest},
	} {
		if m, err := ParseManifest([]byte(test.text), test.contentType); err == nil {
			t.Errorf("%s was read as %s", name, m.Kind())
		} else if AsLookError(err).Message == "" {
			t.Errorf("%s is refused without a sentence", name)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(imageText), MediaTypeOCIManifest)
	f.Add([]byte(indexText), MediaTypeOCIIndex)
	f.Add([]byte(`{"schemaVersion":2,"layers":[{"digest":"`+someDigest+`"}]}`), "")
	f.Add([]byte(`{`), "text/html; x")
	f.Fuzz(func(t *testing.T, raw []byte, contentType string) {
		m, err := ParseManifest(raw, contentType)
		if err != nil {
			return
		}
		if m.Digest != DigestOf(raw) || !known(m.MediaType) {
			t.Errorf("accepted %q as %s", raw, m.MediaType)
		}
		for _, d := range append(m.Layers, m.Manifests...) {
			if _, err := ParseDigest(string(d.Digest)); err != nil {
				t.Errorf("accepted the digest %q", d.Digest)
			}
		}
	})
}
