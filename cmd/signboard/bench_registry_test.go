//go:build bench

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"signboard/inventory"
)

// signedRegistry is a registry to measure on: another process on loopback.
type signedRegistry struct {
	signedContent
	repositories int
	url          string
	kind         string // what is special about it, may be empty
}

// shelves is a registry that is as fast as net/http is: whatever it can be asked
// was made before. It checks nothing and takes nothing.
type shelves struct {
	answers map[string]*shelf // by path
	latency time.Duration     // each answer waits so long, as if it came from far away
}

type shelf struct {
	content   []byte
	mediaType []string
	digest    []string
	length    []string
}

func newShelves(s *signedContent, latency time.Duration) *shelves {
	r := &shelves{answers: map[string]*shelf{}, latency: latency}
	r.put("/v2/", "application/json", []byte("{}"), "")
	tags, names := map[string][]string{}, []string{}
	referrers := map[string][]inventory.Descriptor{}
	for _, t := range s.things {
		place := "/v2/" + t.repository
		if t.blob {
			r.put(place+"/blobs/"+string(t.Digest), "application/octet-stream", t.content, t.Digest)
			continue
		}
		at := r.put(place+"/manifests/"+string(t.Digest), t.MediaType, t.content, t.Digest)
		if t.tag != "" {
			r.answers[place+"/manifests/"+t.tag] = at
			if tags[t.repository] == nil {
				names = append(names, t.repository)
			}
			tags[t.repository] = append(tags[t.repository], t.tag)
		}
		if s.Referrers && t.subject == "" {
			referrers[place+"/referrers/"+string(t.Digest)] = nil
		}
		if t.subject != "" {
			d := t.Descriptor
			d.ArtifactType, d.Annotations = bundleMedia, map[string]string{"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": signPredicate}
			at := place + "/referrers/" + string(t.subject)
			referrers[at] = append(referrers[at], d)
		}
	}
	slices.Sort(names)
	r.put("/v2/_catalog", "application/json", encoded(map[string]any{"repositories": names}), "")
	for name, list := range tags {
		slices.Sort(list)
		r.put("/v2/"+name+"/tags/list", "application/json", encoded(map[string]any{"name": name, "tags": list}), "")
	}
	if s.Referrers {
		for path, list := range referrers {
			r.put(path, inventory.MediaTypeOCIIndex, encoded(map[string]any{
				"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": append([]inventory.Descriptor{}, list...),
			}), "")
		}
	}
	return r
}

func (r *shelves) put(path, mediaType string, content []byte, d inventory.Digest) *shelf {
	s := &shelf{content: content, mediaType: []string{mediaType}, length: []string{strconv.Itoa(len(content))}}
	if d != "" {
		s.digest = []string{string(d)}
	}
	r.answers[path] = s
	return s
}

func (r *shelves) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if r.latency > 0 {
		time.Sleep(r.latency)
	}
	s := r.answers[request.URL.Path]
	if s == nil {
		w.Header()["Content-Type"] = []string{"application/json"}
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"errors":[{"code":"UNSUPPORTED"}]}`)
		return
	}
	header := w.Header()
	header["Content-Type"], header["Content-Length"] = s.mediaType, s.length
	if s.digest != nil {
		header["Docker-Content-Digest"] = s.digest
	}
	if request.Method != http.MethodHead {
		w.Write(s.content)
	}
}

// registryAsked is how the process of a bench's registry is told what to be.
const registryAsked = "SIGNBOARD_BENCH_REGISTRY"

type registryOrder struct {
	Carrier              carrier
	Images, Repositories int
	Latency              time.Duration
}

// TestRegistryProcess is no test: it is the registry, when a bench starts this
// program again to be one. It ends with its standard input.
func TestRegistryProcess(t *testing.T) {
	var order registryOrder
	if os.Getenv(registryAsked) == "" {
		t.SkipNow()
	}
	if err := json.Unmarshal([]byte(os.Getenv(registryAsked)), &order); err != nil {
		t.Fatal(err)
	}
	content, err := newSignedContent(t.Context(), order.Carrier, order.Images, order.Repositories)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(listener, newShelves(content, order.Latency))
	fmt.Fprintf(os.Stderr, "%s\n", encoded(started{URL: "http://" + listener.Addr().String(), Content: content}))
	io.Copy(io.Discard, os.Stdin)
}

type started struct {
	URL     string
	Content *signedContent
}

// newSignedRegistry starts a registry of signed images in a process of its own,
// so that what it costs isn't taken for ours.
func newSignedRegistry(t *testing.T, order registryOrder) *signedRegistry {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^TestRegistryProcess$", "-test.timeout=0")
	command.Env = append(os.Environ(), registryAsked+"="+string(encoded(order)))
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		command.Wait()
	})
	var s started
	if err := json.NewDecoder(out).Decode(&s); err != nil {
		t.Fatalf("the registry doesn't start: %v", err)
	}
	r := &signedRegistry{signedContent: *s.Content, url: s.URL, repositories: order.Repositories}
	if order.Latency > 0 {
		r.kind = order.Latency.String() + " away"
	}
	return r
}

// peerBinary is a program that `make test-peers` has built, empty when it
// hasn't.
func peerBinary(name string) string {
	dir := os.Getenv("SIGNBOARD_PEERS_DIR")
	if dir == "" {
		dir, _ = os.UserCacheDir()
		dir = filepath.Join(dir, "signboard-peers")
	}
	found, _ := filepath.Glob(filepath.Join(dir, "bin", name+"-v*"))
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(modified(a), modified(b)) })
}

func modified(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

// newZot starts a zot, empty, and fills it with content.
func newZot(ctx context.Context, t *testing.T, binary string, order registryOrder) *signedRegistry {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "zot.json")
	if err := os.WriteFile(config, encoded(map[string]any{
		"distSpecVersion": "1.1.1", "storage": map[string]any{"rootDirectory": filepath.Join(dir, "data"), "gc": false, "dedupe": false},
		"http": map[string]any{"address": "127.0.0.1", "port": strconv.Itoa(port)}, "log": map[string]any{"level": "error"},
	}), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, "serve", config)
	command.Dir = dir
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Signal(os.Interrupt)
		command.Wait()
	})
	content, err := newSignedContent(ctx, order.Carrier, order.Images, order.Repositories)
	if err != nil {
		t.Fatal(err)
	}
	r := &signedRegistry{signedContent: *content, url: fmt.Sprintf("http://127.0.0.1:%d", port), repositories: order.Repositories, kind: "zot"}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		answer, err := http.Get(r.url + "/v2/")
		if err == nil {
			answer.Body.Close()
			break
		}
		select {
		case <-ready.Done():
			t.Fatalf("zot doesn't answer: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	for _, thing := range content.things {
		if err := r.push(ctx, thing); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *signedRegistry) push(ctx context.Context, t thing) error {
	method, path, mediaType := http.MethodPost, "/blobs/uploads/?digest="+url.QueryEscape(string(t.Digest)), "application/octet-stream"
	if !t.blob {
		method, path, mediaType = http.MethodPut, "/manifests/"+cmp.Or(t.tag, string(t.Digest)), t.MediaType
	}
	request, err := http.NewRequestWithContext(ctx, method, r.url+"/v2/"+t.repository+path, bytes.NewReader(t.content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", mediaType)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%s %s answered %s: %s", method, path, answer.Status, text)
	}
	return nil
}
