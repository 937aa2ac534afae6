package store

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/policy"
	"signboard/inventory/syncer"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
	"signboard/inventory/verify/verifytest"
)

// unreachable is a registry that fails every call, and counts them.
type unreachable struct{ calls atomic.Int64 }

func (u *unreachable) fail() error { u.calls.Add(1); return errors.New("nobody may ask") }
func (u *unreachable) Repositories(context.Context, func([]string) error) error {
	return u.fail()
}
func (u *unreachable) Tags(context.Context, string) ([]string, error) { return nil, u.fail() }
func (u *unreachable) Resolve(context.Context, string, string) (inventory.Descriptor, error) {
	return inventory.Descriptor{}, u.fail()
}
func (u *unreachable) Manifest(context.Context, string, string) (inventory.Manifest, error) {
	return inventory.Manifest{}, u.fail()
}
func (u *unreachable) Blob(context.Context, string, inventory.Descriptor, int64) ([]byte, error) {
	return nil, u.fail()
}
func (u *unreachable) Referrers(context.Context, string, inventory.Digest) ([]inventory.Descriptor, bool, error) {
	return nil, false, u.fail()
}

// signedBy is what a look finds of the n-th image, which cosign signed with a key
// that nobody registered.
func signedBy(t *testing.T, key *ecdsa.PrivateKey, n int) inventory.ImageFinding {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := verifytest.New("app")
	config := r.PutBlob([]byte("{}"))
	image := r.PutManifest(t, inventory.MediaTypeOCIManifest, map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest,
		"config": config, "layers": []any{}, "annotations": map[string]string{"n": fmt.Sprint(n)}}, "v1")
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"app"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, image.Digest)
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	must(err)
	layer := r.PutBlob(payload)
	layer.MediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
	layer.Annotations = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)}
	config.MediaType = inventory.MediaTypeOCIConfig
	r.PutManifest(t, inventory.MediaTypeOCIManifest, map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest,
		"config": config, "layers": []any{layer}}, image.Digest.TagPrefix()+".sig")

	in := verify.NewInspector(r, func() *verify.Keyring { return nil }, cosign.New(nil))
	s := r.Subject(t, "v1")
	f := inventory.ImageFinding{Digest: image.Digest, Kind: inventory.SingleImage, MediaType: image.MediaType, Size: image.Size,
		Tags: []string{fmt.Sprint("v", n)}, TrustRevision: in.TrustRevision(), Evidence: in.Verify(t.Context(), s, in.Discover(t.Context(), s))}
	f.Verdict = policy.Judge(policy.Facts{Repository: "local/app", Checked: true, Signatures: f.Evidence.Signatures}, noon)
	if f.Verdict.Reason != inventory.ReasonKeyUnknown || len(f.Evidence.Material) == 0 {
		t.Fatalf("the image is %+v with %d bytes kept", f.Verdict, len(f.Evidence.Material))
	}
	return f
}

// A key that becomes known makes verdicts of all that waited for it, while the
// registry fails every call, in time that is linear and memory that isn't.
func TestReverify_tenThousandImagesOfAKeyThatBecomesKnown(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		images, repositories := 10_000, 20
		if strings.HasPrefix(dsn, "postgres") {
			images, repositories = 1000, 4
		}
		w := newWorld(t, dsn)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		w.must(err)
		var names []string
		for n := range repositories {
			names = append(names, fmt.Sprint("pay/app", n))
		}
		w.list("local", names...)
		size := 0
		for n, name := range names {
			var findings []inventory.ImageFinding
			for i := range images / repositories {
				f := signedBy(t, key, n*images+i)
				size += len(f.Evidence.Material)
				findings = append(findings, f)
			}
			w.look("local", name, findings...)
		}
		if c := w.counts("payments"); c.Of(inventory.Unverifiable) != images {
			t.Fatalf("counts are %+v", c)
		}

		der, err := x509.MarshalPKIXPublicKey(key.Public())
		w.must(err)
		s, err := verify.NewKeySigner("a late key", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		w.must(err)
		w.must(w.db.RecordKey(t.Context(), s, w.entry("key.register")))
		known, err := w.db.Signer(t.Context(), s.ID, w.now)
		w.must(err)
		w.must(w.db.RecordDecision(t.Context(), inventory.Decision{ID: "d", Signer: s.ID, Verb: inventory.Approve, State: inventory.StateActive,
			Repositories: []inventory.Glob{"**"}, Reason: "because"}, known.Revision, nil, w.entry("signer.approve")))
		ring, err := verify.NewKeyring([]inventory.Signer{s})
		w.must(err)

		registry := &unreachable{}
		in := verify.NewInspector(registry, func() *verify.Keyring { return ring }, cosign.New(nil))
		sync := syncer.New(w.db, []syncer.Peer{{Name: "local", Registry: registry, Inspector: in, Interval: time.Hour}}, syncer.Options{Clock: func() time.Time { return noon }})
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		before, most := memory.HeapAlloc, uint64(0)
		started := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		done := make(chan struct{})
		go func() { defer close(done); sync.Run(ctx) }()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for w.counts("").Of(inventory.Trusted) != images {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("after %s counts are %+v", time.Since(started), w.counts(""))
			}
			runtime.ReadMemStats(&memory)
			most = max(most, memory.HeapAlloc)
		}
		took := time.Since(started)
		cancel()
		<-done
		t.Logf("%d images in %s, %.0f/s; %d bytes kept of each; %d KiB more memory at the most",
			images, took.Round(time.Millisecond), float64(images)/took.Seconds(), size/images, (max(most, before)-before)>>10)
		if most > before+64<<20 {
			t.Errorf("it took %d MiB more memory", (most-before)>>20)
		}
		if n := registry.calls.Load(); n != 0 {
			t.Errorf("the registry was asked %d times", n)
		}
		if c := w.counts("payments"); c.Of(inventory.Trusted) != images || c.Images != images {
			t.Errorf("counts are %+v", c)
		}
		w.noDrift()
	})
}
