package syncer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/inventory/registry"
	"signboard/inventory/store"
	"signboard/inventory/syncer"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
)

// world is a registry over HTTP, a database on disk and everything between
// them, as in the program.
type world struct {
	t      *testing.T
	server *httptest.Server
	// trouble, when set, answers a request instead of the registry.
	trouble atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
	gets    atomic.Int64 // manifests and blobs read

	dsn    string
	client *registry.Client
	store  *store.DB
	door   decision.Door
	syncer *syncer.Syncer
	keys   atomic.Pointer[verify.Keyring]
	key    *ecdsa.PrivateKey
	signer inventory.SignerID
	now    atomic.Int64 // unix milliseconds
	last   inventory.Digest
}

var reviewer = inventory.Actor{Kind: inventory.UserActor, Name: "Dana", Subject: "test|dana", Role: inventory.Reviewer}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, registry.Limits{Attempts: 2})
}

func newWorldWith(t *testing.T, limits registry.Limits) *world {
	t.Helper()
	w := &world{t: t, dsn: "sqlite:" + filepath.Join(t.TempDir(), "test.db")}
	w.now.Store(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).UnixMilli())
	inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && (strings.Contains(r.URL.Path, "/manifests/") || strings.Contains(r.URL.Path, "/blobs/")) {
			w.gets.Add(1)
		}
		if f := w.trouble.Load(); f != nil && (*f)(rw, r) {
			return
		}
		inner.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.server.Close)

	var err error
	w.store, err = store.Open(t.Context(), w.dsn)
	w.must(err)
	t.Cleanup(func() { w.store.Close() })
	r := inventory.Registry{Name: "local", URL: w.server.URL, Interval: 15 * time.Minute, Repositories: []inventory.Glob{"**"}, Tags: []inventory.Glob{"**"}}
	w.must(w.store.ApplyConfig(t.Context(), []inventory.Registry{r}, nil, w.clock()))
	w.client, err = registry.New(registry.Config{Name: "local", URL: w.server.URL, AllowPrivate: true, Repositories: r.Repositories,
		Limits: limits, Now: w.clock,
		Wait: func(ctx context.Context, d time.Duration) error { w.pass(d); return ctx.Err() }})
	w.must(err)
	w.keys.Store(nil)
	w.syncer = w.syncerOver(w.store)
	w.door = decision.Door{Signers: w.store, Quarantines: w.store, Approvers: 1, Clock: w.clock}
	w.key, w.signer = w.register("Dana's pipeline")
	return w
}

// syncerOver makes another syncer of the same registry, over any handle of the
// database.
func (w *world) syncerOver(db *store.DB) *syncer.Syncer {
	return w.syncerWith(db, verify.NewInspector(w.client, w.keys.Load, cosign.New(nil)), syncer.Options{})
}

func (w *world) syncerWith(db *store.DB, inspector syncer.Inspector, o syncer.Options) *syncer.Syncer {
	o.Clock = w.clock
	return syncer.New(db, []syncer.Peer{{
		Name: "local", Registry: w.client, Inspector: inspector,
		Tags: []inventory.Glob{"**"}, Interval: 15 * time.Minute, Listed: true, Traffic: w.client.Traffic, Referrers: w.client,
	}}, o)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) clock() time.Time { return time.UnixMilli(w.now.Load()).UTC() }

// pass lets time go by.
func (w *world) pass(d time.Duration) { w.now.Add((d + time.Millisecond - 1).Milliseconds()) }

// register makes a key pair and registers its public half.
func (w *world) register(called string) (*ecdsa.PrivateKey, inventory.SignerID) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	w.registerKey(called, key)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	w.must(err)
	return key, inventory.KeyID(inventory.DigestOf(der))
}

func (w *world) registerKey(called string, key *ecdsa.PrivateKey) {
	w.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	w.must(err)
	s, err := verify.NewKeySigner(called, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	w.must(err)
	_, err = w.door.RegisterKey(w.t.Context(), reviewer, s)
	w.must(err)
	signers, _, err := w.store.Keys(w.t.Context())
	w.must(err)
	ring, err := verify.NewKeyring(signers)
	w.must(err)
	w.keys.Store(ring)
}

func (w *world) decide(verb inventory.Verb, scope inventory.Glob, until *time.Time) {
	w.t.Helper()
	s, err := w.store.Signer(w.t.Context(), w.signer, w.clock())
	w.must(err)
	_, err = w.door.Decide(w.t.Context(), reviewer, decision.SignerRequest{
		Signer: w.signer, Verb: verb, Repositories: []inventory.Glob{scope}, ExpiresAt: until, Reason: "because", Revision: s.Revision,
	})
	w.must(err)
}

func (w *world) ref(reference string) name.Reference {
	w.t.Helper()
	ref, err := name.ParseReference(strings.TrimPrefix(w.server.URL, "http://") + "/" + reference)
	w.must(err)
	return ref
}

// push pushes a new random image under a tag.
func (w *world) push(reference string) inventory.Digest {
	w.t.Helper()
	image, err := random.Image(64, 1)
	w.must(err)
	w.must(remote.Write(w.ref(reference), image))
	d, err := image.Digest()
	w.must(err)
	return inventory.Digest(d.String())
}

// sign attaches a cosign signature of the digest to another digest's tag; the
// two are the same in honest hands.
func (w *world) sign(repository string, at, of inventory.Digest, key *ecdsa.PrivateKey) {
	w.t.Helper()
	w.signWith(repository, at, of, key, "null")
}

func (w *world) signWith(repository string, at, of inventory.Digest, key *ecdsa.PrivateKey, optional string) {
	w.t.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":%s}`, repository, of, optional)
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	w.must(err)
	image, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), mutate.Addendum{
		Layer:       static.NewLayer(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)},
	})
	w.must(err)
	w.must(remote.Write(w.ref(repository+":"+at.TagPrefix()+".sig"), image))
}

func (w *world) copyImage(from, to string) {
	w.t.Helper()
	image, err := remote.Image(w.ref(from))
	w.must(err)
	w.must(remote.Write(w.ref(to), image))
}

func (w *world) remove(reference string) {
	w.t.Helper()
	w.must(remote.Delete(w.ref(reference)))
}

// sync syncs everything once.
func (w *world) sync() syncer.Summary {
	w.t.Helper()
	summary, err := w.syncer.Sync(w.t.Context(), inventory.SyncScope{}, nil)
	w.must(err)
	drift, err := w.store.Recount(w.t.Context(), w.clock())
	w.must(err)
	if len(drift) > 0 {
		w.t.Errorf("the counters drifted: %v", drift)
	}
	return summary
}

func (w *world) image(repository string, d inventory.Digest) inventory.Image {
	w.t.Helper()
	i, err := w.store.Image(w.t.Context(), "local", repository, d, w.clock())
	w.must(err)
	return i
}

func (w *world) expect(repository string, d inventory.Digest, status inventory.Status, reason inventory.Reason) inventory.Image {
	w.t.Helper()
	i := w.image(repository, d)
	if i.Status != status || i.Reason != reason {
		w.t.Errorf("%s@%s is %s, %s (%s); want %s, %s", repository, d.Short(), i.Status, i.Reason, i.Message, status, reason)
	}
	return i
}

// fail answers requests whose method and path begin so with a status.
func (w *world) fail(method, part string, status int) {
	f := func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == method && strings.Contains(r.URL.Path, part) {
			rw.WriteHeader(status)
			return true
		}
		return false
	}
	w.trouble.Store(&f)
}

func (w *world) recover() { w.trouble.Store(nil) }

func TestSync_fromTagToVerdict(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "local/payments/**", nil)
	signed, unsigned, foreign, copied := w.push("payments/api:v1"), w.push("payments/api:v2"), w.push("data/jobs:v1"), w.push("payments/api:v3")
	w.sign("payments/api", signed, signed, w.key)
	w.sign("data/jobs", foreign, foreign, w.key)
	w.sign("payments/api", copied, signed, w.key)
	summary := w.sync()
	if !summary.Complete() || summary.Done != 4 || summary.Repositories != 2 || summary.Requests == 0 {
		t.Errorf("the summary is %+v", summary)
	}
	w.expect("payments/api", signed, inventory.Trusted, inventory.ReasonOK)
	w.expect("payments/api", unsigned, inventory.Unsigned, inventory.ReasonNoSignature)
	w.expect("data/jobs", foreign, inventory.Unapproved, inventory.ReasonOutOfScope)
	w.expect("payments/api", copied, inventory.Failed, inventory.ReasonDigestMismatch)
}

// failingList is a registry whose repositories are listed elsewhere, where nobody
// answers.
type failingList struct{ syncer.Registry }

func (failingList) Repositories(context.Context, func([]string) error) error {
	return &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "The list doesn't answer."}
}

// TestSync_aListThatIsDownElsewhereTakesNothingFromTheRegistry holds that images
// are read all the same then, and that the failure is the registry's listing's.
func TestSync_aListThatIsDownElsewhereTakesNothingFromTheRegistry(t *testing.T) {
	for _, elsewhere := range []bool{true, false} {
		w := newWorld(t)
		w.decide(inventory.Approve, "**", nil)
		signed := w.push("app:v1")
		w.sign("app", signed, signed, w.key)
		w.sync()
		w.expect("app", signed, inventory.Trusted, inventory.ReasonOK)

		w.pass(time.Hour)
		newer := w.push("app:v2")
		w.syncer = syncer.New(w.store, []syncer.Peer{{
			Name: "local", Registry: failingList{w.client}, Inspector: verify.NewInspector(w.client, w.keys.Load, cosign.New(nil)),
			Tags: []inventory.Glob{"**"}, Interval: 15 * time.Minute, Listed: true, Elsewhere: elsewhere,
		}}, syncer.Options{Clock: w.clock})
		if summary := w.sync(); problem(summary, "local") != inventory.ReasonRegistryUnreachable {
			t.Errorf("the failure isn't told: %+v", summary)
		}
		if !elsewhere {
			w.expect("app", signed, inventory.Unknown, inventory.ReasonRegistryUnreachable)
			continue
		}
		w.expect("app", signed, inventory.Trusted, inventory.ReasonOK)
		w.expect("app", newer, inventory.Unsigned, inventory.ReasonNoSignature)
		list, err := w.store.Registries(t.Context())
		w.must(err)
		if f := list[0].State.Failing; f == nil || f.Reason != inventory.ReasonRegistryUnreachable || list[0].State.RepositoryCount != 1 {
			t.Errorf("the registry is %+v", list[0].State)
		}
	}
}

// TestSync_outage holds the rule above all: a failure to look is unknown with
// its reason and the last good result, whatever it was that failed.
func TestSync_outage(t *testing.T) {
	for name, trouble := range map[string]struct {
		method, part string
		status       int
		reason       inventory.Reason
	}{
		"everything":        {http.MethodGet, "/", http.StatusServiceUnavailable, inventory.ReasonRegistryUnreachable},
		"the tags":          {http.MethodGet, "/tags/list", http.StatusInternalServerError, inventory.ReasonRegistryUnreachable},
		"the tags denied":   {http.MethodGet, "/tags/list", http.StatusForbidden, inventory.ReasonRegistryDenied},
		"the tags missing":  {http.MethodGet, "/tags/list", http.StatusNotFound, ""},
		"the tag":           {http.MethodHead, "/manifests/v1", http.StatusTooManyRequests, inventory.ReasonRegistryThrottled},
		"the signature tag": {http.MethodHead, ".sig", http.StatusForbidden, inventory.ReasonRegistryDenied},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.decide(inventory.Approve, "**", nil)
			signed, unsigned := w.push("app:v1"), w.push("other:v1")
			w.sign("app", signed, signed, w.key)
			w.sync()
			w.expect("app", signed, inventory.Trusted, inventory.ReasonOK)
			checked := w.clock()

			w.pass(time.Hour)
			both := func(rw http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, trouble.part) && (r.Method == trouble.method || r.Method == http.MethodGet && strings.Contains(trouble.part, "sig")) {
					rw.WriteHeader(trouble.status)
					return true
				}
				return false
			}
			w.trouble.Store(&both)
			summary := w.sync()
			if summary.Complete() {
				t.Errorf("the summary says that all could be checked: %+v", summary)
			}
			i := w.image("app", signed)
			if i.Status != inventory.Unknown || trouble.reason != "" && i.Reason != trouble.reason {
				t.Errorf("during the outage it is %s, %s: %s", i.Status, i.Reason, i.Message)
			}
			if i.LastGood == nil || i.LastGood.Status != inventory.Trusted || !i.LastGood.CheckedAt.Equal(checked) {
				t.Errorf("the last good result is %+v, want trusted at %s", i.LastGood, checked)
			}
			if len(i.Tags) != 1 {
				t.Errorf("the outage took its tags: %v", i.Tags)
			}
			if o := w.image("other", unsigned); o.Status == inventory.Trusted || o.Status == inventory.Failed {
				t.Errorf("the outage made an unsigned image %s", o.Status)
			}

			w.recover()
			w.pass(time.Hour)
			if summary := w.sync(); !summary.Complete() {
				t.Errorf("after the outage: %+v", summary.Failures)
			}
			i = w.expect("app", signed, inventory.Trusted, inventory.ReasonOK)
			if i.LastGood != nil {
				t.Errorf("it is known again, and still shows a last good result: %+v", i.LastGood)
			}
			w.expect("other", unsigned, inventory.Unsigned, inventory.ReasonNoSignature)
		})
	}
}

func TestSync_emptyCatalogDeletesNothing(t *testing.T) {
	w := newWorld(t)
	d := w.push("app:v1")
	w.sync()
	empty := func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v2/_catalog" {
			return false
		}
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprint(rw, `{"repositories":[]}`)
		return true
	}
	w.trouble.Store(&empty)
	summary := w.sync()
	if len(summary.Failures) != 1 || summary.Failures[0].Reason != inventory.ReasonRegistryDenied {
		t.Errorf("the summary is %+v", summary.Failures)
	}
	if i := w.image("app", d); len(i.Tags) != 1 {
		t.Errorf("the image lost its tag: %+v", i)
	}
}

// TestSync_unchangedReadsLittle holds what a look costs when nothing changed:
// companion tags can move, so what they point at is asked for; nothing else is.
func TestSync_unchangedReadsLittle(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	d := w.push("app:v1")
	w.sign("app", d, d, w.key)
	w.sync()
	before := w.gets.Load()
	w.pass(time.Hour)
	w.sync()
	if n := w.gets.Load() - before; n > 1 {
		t.Errorf("%d manifests and blobs were read again though nothing changed", n)
	}
	if i := w.expect("app", d, inventory.Trusted, inventory.ReasonOK); !i.CheckedAt.Equal(w.clock()) {
		t.Errorf("it was checked at %s, not now", i.CheckedAt)
	}
}

func TestSync_keyThatBecomesKnown(t *testing.T) {
	w := newWorld(t)
	late, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	d := w.push("app:v1")
	w.sign("app", d, d, late)
	w.sync()
	w.expect("app", d, inventory.Unverifiable, inventory.ReasonKeyUnknown)
	w.registerKey("a late key", late)
	w.sync()
	w.expect("app", d, inventory.Unapproved, inventory.ReasonSignerNotApproved)
}

func TestRegisterKey_makesDueWhatWaitsForAKeyAndWasNotKept(t *testing.T) {
	w := newWorld(t)
	late, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	waiting, kept := w.push("waiting:v1"), w.push("kept:v1")
	w.push("unsigned:v1")
	w.signWith("waiting", waiting, waiting, late, `{"padding":"`+strings.Repeat("x", 600<<10)+`"}`) // more than is kept
	w.sign("kept", kept, kept, late)
	w.sync()
	w.expect("waiting", waiting, inventory.Unverifiable, inventory.ReasonKeyUnknown)
	w.expect("kept", kept, inventory.Unverifiable, inventory.ReasonKeyUnknown)
	claim := func() *inventory.RepositoryWork {
		work, err := w.store.ClaimRepository(t.Context(), "test", inventory.SyncScope{}, w.clock(), time.Minute)
		w.must(err)
		return work
	}
	if work := claim(); work != nil {
		t.Fatalf("%s is due though nothing changed", work.Repository.Name)
	}
	w.registerKey("a late key", late)
	if work := claim(); work == nil || work.Repository.Name != "waiting" {
		t.Errorf("what waits for a key is not due: %+v", work)
	}
	if work := claim(); work != nil {
		t.Errorf("%s is due, though it waits for no key or was kept", work.Repository.Name)
	}
}

func TestSync_decisionsReachVerdictsWithoutTheRegistry(t *testing.T) {
	w := newWorld(t)
	d := w.push("app:v1")
	w.sign("app", d, d, w.key)
	w.sync()
	w.expect("app", d, inventory.Unapproved, inventory.ReasonSignerNotApproved)
	w.fail(http.MethodGet, "/", http.StatusInternalServerError) // nothing may be asked
	until := w.clock().Add(time.Hour)
	for _, step := range []struct {
		do     func()
		status inventory.Status
		reason inventory.Reason
	}{
		{func() { w.decide(inventory.Approve, "local/other", nil) }, inventory.Unapproved, inventory.ReasonOutOfScope},
		{func() { w.decide(inventory.Approve, "local/*", &until) }, inventory.Trusted, inventory.ReasonOK},
		{func() { w.pass(time.Hour) }, inventory.Unapproved, inventory.ReasonApprovalExpired},
		{func() { w.decide(inventory.Approve, "**", nil) }, inventory.Trusted, inventory.ReasonOK},
		{func() { w.decide(inventory.Revoke, "**", nil) }, inventory.Unapproved, inventory.ReasonApprovalRevoked},
		{func() { w.decide(inventory.Reject, "**", nil) }, inventory.Unapproved, inventory.ReasonSignerRejected},
	} {
		step.do()
		_, err := w.syncer.Rejudge(t.Context())
		w.must(err)
		w.expect("app", d, step.status, step.reason)
	}
	if n, err := w.syncer.Rejudge(t.Context()); n != 0 || err != nil {
		t.Errorf("judging again with nothing to judge: %d, %v", n, err)
	}
}

func TestSync_tagThatMoves(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	old := w.push("app:v1")
	w.sign("app", old, old, w.key)
	w.sync()
	moved := w.push("app:v1")
	w.pass(time.Hour)
	w.sync()
	i := w.expect("app", moved, inventory.Unsigned, inventory.ReasonNoSignature)
	if len(i.Tags) != 1 || len(i.TagMoves) == 0 || i.TagMoves[0].From != old {
		t.Errorf("the move isn't told: %+v %+v", i.Tags, i.TagMoves)
	}
	tags, err := w.store.MovedTags(t.Context(), w.clock().Add(-2*time.Hour), 10)
	w.must(err)
	if len(tags) != 1 || tags[0].Tag != "v1" || tags[0].Before != inventory.Trusted || tags[0].After != inventory.Unsigned || tags[0].To != moved {
		t.Errorf("the tags that moved are %+v", tags)
	}
	if tags, err = w.store.MovedTags(t.Context(), w.clock().Add(time.Hour), 10); err != nil || len(tags) != 0 {
		t.Errorf("tags that moved in the future: %+v, %v", tags, err)
	}
	if i := w.expect("app", old, inventory.Trusted, inventory.ReasonOK); len(i.Tags) != 0 {
		t.Errorf("the old image keeps the tag %v", i.Tags)
	}
	counts, err := w.store.Counts(t.Context(), inventory.Scope{})
	w.must(err)
	if counts.Images != 1 || counts.Of(inventory.Unsigned) != 1 {
		t.Errorf("what no tag points at is still counted: %+v", counts)
	}
}

func TestSync_signatureThatVanishes(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	d := w.push("app:v1")
	w.sign("app", d, d, w.key)
	w.sync()
	w.remove("app:" + d.TagPrefix() + ".sig")
	w.pass(time.Hour)
	w.sync()
	i := w.expect("app", d, inventory.Unsigned, inventory.ReasonNoSignature)
	if len(i.History) < 2 || i.History[0].From != inventory.Trusted {
		t.Errorf("the history doesn't keep both: %+v", i.History)
	}
}

func TestSync_index(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	amd, err := random.Image(64, 1)
	w.must(err)
	arm, err := random.Image(64, 1)
	w.must(err)
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: amd, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: arm, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	w.must(remote.WriteIndex(w.ref("app:v1"), index))
	hash, err := index.Digest()
	w.must(err)
	child, err := arm.Digest()
	w.must(err)
	d, c := inventory.Digest(hash.String()), inventory.Digest(child.String())
	w.sign("app", d, d, w.key)
	w.sync()
	i := w.expect("app", d, inventory.Trusted, inventory.ReasonOK)
	if len(i.Platforms) != 2 || i.Platforms[1].Platform != "linux/arm64" || i.Platforms[1].Status != inventory.Trusted || !i.Platforms[1].Inherited {
		t.Errorf("the platforms are %+v", i.Platforms)
	}
	// On its own digest the platform's image is judged on its own.
	own := w.expect("app", c, inventory.Unsigned, inventory.ReasonNoSignature)
	if len(own.Parents) != 1 || own.Parents[0].Digest != d || own.Parents[0].Status != inventory.Trusted {
		t.Errorf("it doesn't say through which index it is reached: %+v", own.Parents)
	}
	counts, err := w.store.Counts(t.Context(), inventory.Scope{})
	w.must(err)
	if counts.Images != 1 {
		t.Errorf("the platforms are counted as images: %+v", counts)
	}
}

func TestSync_scope(t *testing.T) {
	w := newWorld(t)
	a, b := w.push("team-a/app:v1"), w.push("team-b/app:v1")
	_, err := w.syncer.Sync(t.Context(), inventory.SyncScope{Repository: "team-a/**"}, nil)
	w.must(err)
	w.expect("team-a/app", a, inventory.Unsigned, inventory.ReasonNoSignature)
	if _, err := w.store.Image(t.Context(), "local", "team-b/app", b, w.clock()); inventory.KindOf(err) != inventory.NotFound {
		t.Errorf("a repository outside the scope was read: %v", err)
	}
}

func TestRun_syncsWhatIsDueAndStops(t *testing.T) {
	w := newWorld(t)
	d := w.push("app:v1")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.syncer.Run(ctx) }()
	deadline := time.Now().Add(20 * time.Second)
	for {
		i, err := w.store.Image(t.Context(), "local", "app", d, w.clock())
		if err == nil && i.Status == inventory.Unsigned {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the image was never read: %+v, %v", i, err)
		}
	}
	cancel()
	<-done
}
