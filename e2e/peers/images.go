//go:build peers

package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// stage is where one scenario plays: a repository of its own on one registry.
type stage struct {
	*testing.T
	*world
	registry   *registry
	repository string
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// image is an image, or an index of some, in a repository.
type image struct {
	host, repository, tag, digest string
}

// repo is the repository as the tools name it, at is the image.
func (i image) repo() string { return i.host + "/" + i.repository }
func (i image) at() string   { return i.repo() + "@" + i.digest }

// family is one of media types.
type family string

const (
	oci    family = "oci"
	docker family = "docker" // schema 2
)

// random is an image of one small layer of noise.
func (s *stage) random(kind family) v1.Image {
	s.Helper()
	img, err := random.Image(512, 1)
	s.must(err)
	if kind == docker {
		return img
	}
	layers, err := img.Layers()
	s.must(err)
	converted := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	converted, err = mutate.Append(converted, mutate.Addendum{Layer: layers[0], MediaType: types.OCILayer})
	s.must(err)
	config, err := converted.ConfigFile()
	s.must(err)
	config.Architecture, config.OS = "amd64", "linux"
	converted, err = mutate.ConfigFile(converted, config)
	s.must(err)
	return converted
}

// push puts an image or index into the stage's repository.
func (s *stage) push(tag string, what remote.Taggable) image {
	s.Helper()
	return s.pushTo(s.repository, tag, what)
}

func (s *stage) pushTo(repository, tag string, what remote.Taggable) image {
	s.Helper()
	ref, err := name.NewTag(s.registry.host+"/"+repository+":"+tag, name.Insecure)
	s.must(err)
	var digest v1.Hash
	switch what := what.(type) {
	case v1.Image:
		digest, err = what.Digest()
		s.must(err)
		s.must(remote.Write(ref, what, remote.WithContext(s.Context())))
	case v1.ImageIndex:
		digest, err = what.Digest()
		s.must(err)
		s.must(remote.WriteIndex(ref, what, remote.WithContext(s.Context())))
	}
	return image{s.registry.host, repository, tag, digest.String()}
}

// image pushes a fresh OCI image as v1.
func (s *stage) image() image {
	s.Helper()
	return s.push("v1", s.random(oci))
}

// index pushes an index of two platforms, and returns the first of these too.
func (s *stage) index(kind family) (index, platform image) {
	s.Helper()
	var ix v1.ImageIndex = empty.Index
	if kind == docker {
		ix = mutate.IndexMediaType(ix, types.DockerManifestList)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		img := s.random(kind)
		if architecture == "amd64" {
			platform = s.push("amd64", img)
		}
		ix = mutate.AppendManifests(ix, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}})
	}
	return s.push("v1", ix), platform
}

// attached is a manifest that hangs on an image, with the layers it names.
type attached struct {
	tag      string // ending of the tag it is found by; empty: a referrer
	manifest map[string]any
	layers   [][]byte
}

// attachments reads what the signers hung on an image, as tags and as referrers.
func (s *stage) attachments(i image) []attached {
	s.Helper()
	var found []attached
	hex := strings.Replace(i.digest, ":", "-", 1)
	for _, ending := range []string{".sig", ".att"} {
		if body, ok := s.fetch(i.repository, "manifests/"+hex+ending); ok {
			found = append(found, s.attached(i, ending, body))
		}
	}
	list, ok := s.fetch(i.repository, "referrers/"+i.digest)
	if !s.registry.referrers {
		list, ok = s.fetch(i.repository, "manifests/"+hex)
	}
	if ok {
		var index struct{ Manifests []struct{ Digest string } }
		s.must(json.Unmarshal(list, &index))
		for _, d := range index.Manifests {
			body, ok := s.fetch(i.repository, "manifests/"+d.Digest)
			if !ok {
				s.Fatalf("the referrer %s of %s isn't there", d.Digest, i.at())
			}
			found = append(found, s.attached(i, "", body))
		}
	}
	return found
}

func (s *stage) attached(i image, tag string, body []byte) attached {
	s.Helper()
	a := attached{tag: tag}
	s.must(json.Unmarshal(body, &a.manifest))
	for _, layer := range a.manifest["layers"].([]any) {
		blob, ok := s.fetch(i.repository, "blobs/"+layer.(map[string]any)["digest"].(string))
		if !ok {
			s.Fatal("a layer of an attachment isn't there")
		}
		a.layers = append(a.layers, blob)
	}
	return a
}

// hang puts an attachment onto an image, whatever image it was made for.
func (s *stage) hang(i image, a attached) {
	s.Helper()
	s.upload(i.repository, []byte("{}"))
	if config, ok := a.manifest["config"].(map[string]any); ok && config["digest"] != "sha256:"+fingerprint([]byte("{}")) {
		// The configuration of a .sig names its layers, and nobody reads it.
		config["digest"], config["size"] = "sha256:"+fingerprint([]byte("{}")), 2
	}
	for n, layer := range a.manifest["layers"].([]any) {
		layer := layer.(map[string]any)
		layer["digest"], layer["size"] = s.upload(i.repository, a.layers[n]), len(a.layers[n])
	}
	hex := strings.Replace(i.digest, ":", "-", 1)
	if a.tag != "" {
		s.put(i.repository, hex+a.tag, a.manifest)
		return
	}
	subject, ok := s.fetch(i.repository, "manifests/"+i.digest)
	if !ok {
		s.Fatalf("%s isn't there", i.at())
	}
	var kind struct{ MediaType string }
	s.must(json.Unmarshal(subject, &kind))
	a.manifest["subject"] = map[string]any{"mediaType": kind.MediaType, "digest": i.digest, "size": len(subject)}
	digest, size := s.put(i.repository, "", a.manifest)
	if s.registry.referrers {
		return
	}
	// Without the API the client keeps the list, under the fallback tag (OCI
	// distribution specification, section "Unavailable Referrers API").
	index := map[string]any{"schemaVersion": 2, "mediaType": types.OCIImageIndex, "manifests": []any{}}
	if body, ok := s.fetch(i.repository, "manifests/"+hex); ok {
		s.must(json.Unmarshal(body, &index))
	}
	kindOf := a.manifest["artifactType"]
	if kindOf == nil {
		kindOf = a.manifest["config"].(map[string]any)["mediaType"]
	}
	index["manifests"] = append(index["manifests"].([]any), map[string]any{
		"mediaType": a.manifest["mediaType"], "digest": digest, "size": size, "artifactType": kindOf, "annotations": a.manifest["annotations"],
	})
	s.put(i.repository, hex, index)
}

// transplant hangs everything that one image carries onto another, each first
// layer altered on the way when there is something to alter it.
func (s *stage) transplant(from, to image, alter func([]byte) []byte) {
	s.Helper()
	found := s.attachments(from)
	if len(found) == 0 {
		s.Fatalf("%s carries nothing", from.at())
	}
	for _, a := range found {
		if alter != nil {
			a.layers = slices.Clone(a.layers)
			a.layers[0] = alter(a.layers[0])
		}
		s.hang(to, a)
	}
}

var client = &http.Client{Timeout: 20 * time.Second}

// fetch reads from the stage's registry; it is false for what isn't there.
func (s *stage) fetch(repository, path string) ([]byte, bool) {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "http://"+s.registry.host+"/v2/"+repository+"/"+path, nil)
	s.must(err)
	request.Header["Accept"] = []string{string(types.OCIManifestSchema1), string(types.OCIImageIndex), string(types.DockerManifestSchema2), string(types.DockerManifestList), "*/*"}
	response, err := client.Do(request)
	s.must(err)
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil, false
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	s.must(err)
	if response.StatusCode != http.StatusOK {
		s.Fatalf("%s answers %s: %s", request.URL, response.Status, body)
	}
	return body, true
}

// put writes a manifest, under its digest when no tag is given.
func (s *stage) put(repository, tag string, manifest map[string]any) (digest string, size int) {
	s.Helper()
	body, err := json.Marshal(manifest)
	s.must(err)
	digest = "sha256:" + fingerprint(body)
	if tag == "" {
		tag = digest
	}
	s.send(http.MethodPut, "http://"+s.registry.host+"/v2/"+repository+"/manifests/"+tag, fmt.Sprint(manifest["mediaType"]), body)
	return digest, len(body)
}

// upload writes a blob.
func (s *stage) upload(repository string, blob []byte) (digest string) {
	s.Helper()
	digest = "sha256:" + fingerprint(blob)
	to := s.send(http.MethodPost, "http://"+s.registry.host+"/v2/"+repository+"/blobs/uploads/", "", nil)
	separator := "?"
	if strings.Contains(to, "?") {
		separator = "&"
	}
	s.send(http.MethodPut, to+separator+"digest="+digest, "application/octet-stream", blob)
	return digest
}

func (s *stage) send(method, url, kind string, body []byte) (location string) {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), method, url, bytes.NewReader(body))
	s.must(err)
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := client.Do(request)
	s.must(err)
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	if response.StatusCode/100 != 2 {
		s.Fatalf("%s %s answers %s: %s", method, url, response.Status, said)
	}
	if to, err := response.Location(); err == nil {
		location = to.String()
	}
	return location
}
