package sigstore

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// mirror is a TUF repository on loopback, as Sigstore instances publish one:
// consistent snapshots, and trusted_root.json among the targets.
type mirror struct {
	t      *testing.T
	server *httptest.Server

	mu    sync.Mutex
	files map[string][]byte
	fault http.HandlerFunc // answers instead
	asked []string
	keys  map[string]ed25519.PrivateKey
	at    edition // what is published
}

// edition is what is published at one moment.
type edition struct {
	root, targets, snapshot, timestamp int64 // versions
	expires                            time.Time
	trustedRoot                        []byte
}

func newMirror(t *testing.T, trustedRoot []byte) *mirror {
	t.Helper()
	m := &mirror{t: t, keys: map[string]ed25519.PrivateKey{}, files: map[string][]byte{}}
	for _, role := range roles {
		m.keys[role] = newKey(t)
	}
	m.server = httptest.NewServer(m)
	t.Cleanup(m.server.Close)
	m.publish(edition{root: 1, targets: 1, snapshot: 1, timestamp: 1, expires: time.Now().AddDate(1, 0, 0), trustedRoot: trustedRoot})
	return m
}

var roles = []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.asked = append(m.asked, r.URL.Path)
	fault, file, ok := m.fault, m.files[strings.TrimPrefix(r.URL.Path, "/")], m.files[strings.TrimPrefix(r.URL.Path, "/")] != nil
	m.mu.Unlock()
	switch {
	case fault != nil:
		fault(w, r)
	case !ok:
		http.NotFound(w, r)
	default:
		w.Write(file)
	}
}

// requests is how often the mirror was asked since the last time.
func (m *mirror) requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.asked)
	m.asked = nil
	return n
}

// breaks makes the mirror answer with fault, until it is nil.
func (m *mirror) breaks(fault http.HandlerFunc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = fault
}

// publish puts an edition out. Older root metadata stays, as it must.
func (m *mirror) publish(e edition) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = e
	sum := sha256.Sum256(e.trustedRoot)
	m.files["targets/"+hex.EncodeToString(sum[:])+"."+target] = e.trustedRoot

	root := metadata.Root(e.expires)
	root.Signed.Version, root.Signed.ConsistentSnapshot = e.root, true
	for _, role := range roles {
		key, err := metadata.KeyFromPublicKey(m.keys[role].Public())
		if err == nil {
			err = root.Signed.AddKey(key, role)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
	put(m, fmt.Sprintf("%d.root.json", e.root), root, metadata.ROOT)

	targets := metadata.Targets(e.expires)
	targets.Signed.Version = e.targets
	file, err := metadata.TargetFile().FromBytes(target, e.trustedRoot)
	if err != nil {
		m.t.Fatal(err)
	}
	targets.Signed.Targets[target] = file
	put(m, fmt.Sprintf("%d.targets.json", e.targets), targets, metadata.TARGETS)

	snapshot := metadata.Snapshot(e.expires)
	snapshot.Signed.Version = e.snapshot
	snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(e.targets)
	put(m, fmt.Sprintf("%d.snapshot.json", e.snapshot), snapshot, metadata.SNAPSHOT)

	timestamp := metadata.Timestamp(e.expires)
	timestamp.Signed.Version = e.timestamp
	timestamp.Signed.Meta["snapshot.json"] = metadata.MetaFile(e.snapshot)
	put(m, "timestamp.json", timestamp, metadata.TIMESTAMP)
}

func put[T metadata.Roles](m *mirror, name string, doc *metadata.Metadata[T], role string) {
	m.t.Helper()
	signer, err := signature.LoadSigner(m.keys[role], crypto.Hash(0))
	if err == nil {
		_, err = doc.Sign(signer)
	}
	var raw []byte
	if err == nil {
		raw, err = doc.ToBytes(false)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.files[name] = raw
}

// next is the present edition with everything one version further.
func (m *mirror) next(trustedRoot []byte) edition {
	e := m.at
	e.targets, e.snapshot, e.timestamp, e.trustedRoot = e.targets+1, e.snapshot+1, e.timestamp+1, trustedRoot
	return e
}

// rotate publishes the present edition under new root metadata, for the keys of
// now.
func (m *mirror) rotate() {
	e := m.at
	e.root++
	m.publish(e)
}

// anchor is the first root metadata.
func (m *mirror) anchor() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files["1.root.json"]
}

// source is an instance that is read from the mirror.
func (m *mirror) source(name string) Source {
	return Source{Name: name, TUF: m.server.URL, TUFRoot: m.anchor(), Client: m.server.Client()}
}

// endless answers with a body that has no end.
func endless(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(path.Base(r.URL.Path), "root.json") && path.Base(r.URL.Path) != target {
		http.NotFound(w, r)
		return
	}
	io.Copy(w, zeros{})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// trustedRoot is a trusted_root.json with an authority of that name, a log and
// a timestamp authority.
func trustedRoot(t *testing.T, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"example"}},
		NotBefore: start, NotAfter: start.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	id := sha256.Sum256(der)
	made, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{Root: ca, ValidityPeriodStart: start, URI: "https://fulcio.example.com"}},
		map[string]*root.TransparencyLog{},
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{Root: ca, ValidityPeriodStart: start, ValidityPeriodEnd: start.AddDate(1, 0, 0), URI: "https://tsa.example.com"}},
		map[string]*root.TransparencyLog{hex.EncodeToString(id[:]): {
			BaseURL: "https://rekor.example.com", ID: id[:], ValidityPeriodStart: start, HashFunc: crypto.SHA256, PublicKey: key.Public(), SignatureHashFunc: crypto.SHA256,
		}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := made.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// shelf is a Shelf in memory; it outlives the Roots that use it, as the
// database does.
type shelf struct {
	mu      sync.Mutex
	raw     map[string][]byte
	at      map[string]time.Time
	failing error
}

func newShelf() *shelf { return &shelf{raw: map[string][]byte{}, at: map[string]time.Time{}} }

func (s *shelf) TrustRoot(_ context.Context, name string) ([]byte, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw[name], s.at[name], nil
}

func (s *shelf) KeepTrustRoot(_ context.Context, name string, raw []byte, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		return s.failing
	}
	s.raw[name], s.at[name] = raw, at
	return nil
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) time() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }
