package dct_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/registry"
	"signboard/inventory/verify/dct"
)

// server is a notary server that holds the files of one repository.
type server struct {
	mu    sync.Mutex
	gun   string
	files map[string][]byte // by name, without .json
	asked []string
	next  func(w http.ResponseWriter, r *http.Request) bool // answers instead, when it says so
	url   string
}

const host = "registry.example.com"

func serve(tb testing.TB, gun string, files map[string][]byte) *server {
	tb.Helper()
	s := &server{gun: gun, files: files}
	h := httptest.NewServer(s)
	tb.Cleanup(h.Close)
	s.url = h.URL
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	next := s.next
	s.mu.Unlock()
	if next != nil && next(w, r) {
		return
	}
	if r.URL.Path == "/v2/" {
		fmt.Fprint(w, "{}")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name, ok := strings.CutPrefix(r.URL.Path, "/v2/"+s.gun+"/_trust/tuf/")
	name = strings.TrimSuffix(name, ".json")
	s.asked = append(s.asked, name)
	body := s.files[name]
	if body == nil { // role.<sha256>.json
		if i := strings.LastIndex(name, "."); i > 0 && len(name)-i == 65 {
			if b := s.files[name[:i]]; inventory.DigestOf(b).Hex() == name[i+1:] {
				body = b
			}
		}
	}
	if !ok || body == nil {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"METADATA_NOT_FOUND","message":"You have requested metadata that does not exist."}]}`)
		return
	}
	w.Write(body)
}

// hold replaces the files.
func (s *server) hold(files map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files, s.asked = files, nil
}

func (s *server) answer(next func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = next
}

func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := slices.Clone(s.asked)
	s.asked = nil
	return asked
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = t
}

func (c *clock) pass(d time.Duration) { c.set(c.now().Add(d)) }

// memory is a Memory that tests can look into.
type memory struct {
	mu     sync.Mutex
	states map[string][]byte
	kept   int
	fail   error
}

func newMemory() *memory { return &memory{states: map[string][]byte{}} }

func (m *memory) TUF(_ context.Context, gun string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.states[gun], m.fail
}

func (m *memory) KeepTUF(_ context.Context, gun string, state []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept++
	m.states[gun] = state
	return m.fail
}

// client is the program's own guarded client, let onto loopback.
func client() *http.Client { return registry.NewOutsideClient(registry.Outside{AllowPrivate: true}) }

func place(s *server, m dct.Memory, c *clock, pins ...dct.Pin) *dct.Place {
	return dct.New(dct.Server{Registry: "local", Host: host, URL: s.url, Client: client(), Pins: pins}, m, c.now)
}

// recording is what a real server held at one moment; see testdata/remake.sh.
type recording struct {
	gun   string
	at    time.Time
	files map[string][]byte
}

func (r recording) repository() string { return strings.TrimPrefix(r.gun, host+"/") }

func record(tb testing.TB, name string) recording {
	tb.Helper()
	dir := filepath.Join("testdata", name)
	r := recording{files: map[string][]byte{}}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if rel != "about.json" {
			r.files[strings.TrimSuffix(filepath.ToSlash(rel), ".json")] = b
			return nil
		}
		var about struct {
			GUN string    `json:"gun"`
			At  time.Time `json:"at"`
		}
		if err := json.Unmarshal(b, &about); err != nil {
			return err
		}
		r.gun, r.at = about.GUN, about.At
		return nil
	})
	must(tb, err)
	return r
}

// image is the image whose manifest is the bytes of content.
func image(repository, content string) inventory.Subject {
	return inventory.Subject{Registry: "local", Repository: repository, Manifest: inventory.Descriptor{
		MediaType: inventory.MediaTypeOCIManifest, Digest: inventory.DigestOf([]byte(content)), Size: int64(len(content))}}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// look expects an answer.
func look(tb testing.TB, p *dct.Place, s inventory.Subject) inventory.Outlying {
	tb.Helper()
	found, err := p.Look(tb.Context(), s)
	must(tb, err)
	for _, signature := range found.Signatures {
		consistent(tb, signature)
	}
	if (found.Mark != "") != (len(found.Signatures) > 0) {
		tb.Errorf("%d signatures under the mark %q", len(found.Signatures), found.Mark)
	}
	return found
}

// one expects one signature with an outcome.
func one(tb testing.TB, p *dct.Place, s inventory.Subject, outcome inventory.Outcome, reason inventory.Reason) inventory.Signature {
	tb.Helper()
	found := look(tb, p, s)
	if len(found.Signatures) != 1 {
		tb.Fatalf("%d signatures, want one: %+v", len(found.Signatures), found.Signatures)
	}
	signature := found.Signatures[0]
	if signature.Outcome != outcome || signature.Reason != reason {
		tb.Fatalf("%s, %s (%s); want %s, %s\n%s", signature.Outcome, signature.Reason, signature.Message, outcome, reason, describe(signature))
	}
	return signature
}

func verified(tb testing.TB, p *dct.Place, s inventory.Subject) inventory.Signature {
	tb.Helper()
	return one(tb, p, s, inventory.OutcomeVerified, inventory.ReasonOK)
}

func invalid(tb testing.TB, p *dct.Place, s inventory.Subject, reason inventory.Reason) inventory.Signature {
	tb.Helper()
	return one(tb, p, s, inventory.OutcomeInvalid, reason)
}

// none expects that the image is signed by nobody, and that this is sure.
func none(tb testing.TB, p *dct.Place, s inventory.Subject) {
	tb.Helper()
	if found := look(tb, p, s); len(found.Signatures) > 0 {
		tb.Errorf("found %+v", found.Signatures)
	}
}

// refused expects a failure, and that nothing verified.
func refused(tb testing.TB, p *dct.Place, s inventory.Subject, reason inventory.Reason) *inventory.LookError {
	tb.Helper()
	found, err := p.Look(tb.Context(), s)
	if err == nil {
		tb.Fatalf("no error, but %+v; want %s", found, reason)
	}
	l := inventory.AsLookError(err)
	if l.Reason != reason {
		tb.Fatalf("%s (%v); want %s", l.Reason, err, reason)
	}
	for _, signature := range found.Signatures {
		if signature.Outcome == inventory.OutcomeVerified {
			tb.Errorf("verified: %s", describe(signature))
		}
	}
	return l
}

// doubtful expects a signature that holds, beside others that nobody can know.
func doubtful(tb testing.TB, p *dct.Place, s inventory.Subject) {
	tb.Helper()
	found, err := p.Look(tb.Context(), s)
	if err == nil || len(found.Signatures) != 1 || found.Signatures[0].Outcome != inventory.OutcomeVerified {
		tb.Errorf("%+v, %v", found.Signatures, err)
	}
}

func describe(s inventory.Signature) string {
	var b strings.Builder
	for _, c := range s.Checks {
		fmt.Fprintf(&b, "%-5s %-16s %s\n", c.Result, c.Name, c.Message)
	}
	return b.String()
}

// consistent holds what is true of every signature.
func consistent(tb testing.TB, s inventory.Signature) {
	tb.Helper()
	failed := false
	names := map[string]bool{}
	for _, c := range s.Checks {
		if c.Message == "" || names[c.Name] {
			tb.Errorf("the check %s is there twice or says nothing: %+v", c.Name, c)
		}
		names[c.Name] = true
		failed = failed || c.Result == inventory.Fail
	}
	linked := map[string]bool{}
	for _, l := range s.Chain {
		for _, name := range l.Checks {
			if linked[name] || !names[name] {
				tb.Errorf("the check %s hangs on two links, or wasn't made", name)
			}
			linked[name] = true
		}
		if l.Name == "" {
			tb.Errorf("a link without a name: %+v", l)
		}
	}
	for name := range names {
		if !linked[name] {
			tb.Errorf("the check %s hangs on no link", name)
		}
	}
	ok := s.Outcome == inventory.OutcomeVerified
	switch {
	case s.Format != inventory.FormatDCT || s.Message == "" || !s.Reason.Known() || s.Domain != "local":
		tb.Errorf("%+v", s)
	case ok != (s.Reason == inventory.ReasonOK), ok == failed, ok && (s.Signer == nil || s.Expires == nil):
		tb.Errorf("outcome %s with reason %s, signer %v, expiry %v\n%s", s.Outcome, s.Reason, s.Signer, s.Expires, describe(s))
	}
	for _, c := range s.Checks {
		if ok && c.Result != inventory.Pass && c.Name != "server_closing" && c.Name != "target_length" {
			tb.Errorf("verified, and the check %s is %s", c.Name, c.Result)
		}
	}
	if _, err := inventory.ParseDigest(string(s.Manifest)); err != nil {
		tb.Errorf("carried by %q", s.Manifest)
	}
	if s.Signer != nil && (!s.Signer.ID.Valid() || s.Signer.Kind != inventory.TUFSigner || s.Signer.ID.Kind() != inventory.TUFSigner) {
		tb.Errorf("signer %+v", s.Signer)
	}
}
