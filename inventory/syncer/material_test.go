package syncer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/syncer"
	"signboard/inventory/verify"
	"signboard/inventory/verify/cosign"
)

// lateKey makes a key that isn't registered yet.
func (w *world) lateKey() *ecdsa.PrivateKey {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	return key
}

// approveLate registers a key and approves it for everything.
func (w *world) approveLate(key *ecdsa.PrivateKey) {
	w.t.Helper()
	w.registerKey("a late key", key)
	signers, _, err := w.store.Keys(w.t.Context())
	w.must(err)
	for _, s := range signers {
		if s.Name == "a late key" {
			w.signer = s.ID
		}
	}
	w.decide(inventory.Approve, "**", nil)
}

// run lets syncers work at once, nudging them, until something is so.
func (w *world) run(until func() bool, syncers ...*syncer.Syncer) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	for _, s := range syncers {
		go func() { defer func() { done <- struct{}{} }(); s.Run(ctx) }()
	}
	for deadline := time.Now().Add(20 * time.Second); !until(); {
		if time.Now().After(deadline) {
			w.t.Error("it never came to that")
			break
		}
		for _, s := range syncers {
			s.Nudge()
		}
	}
	cancel()
	for range syncers {
		<-done
	}
	w.noDrift()
}

// is reports whether an image has a status, for run.
func (w *world) is(repository string, d inventory.Digest, status inventory.Status) func() bool {
	return func() bool { return w.image(repository, d).Status == status }
}

// forbid makes every request to the registry fail, and counts them.
func (w *world) forbid() *atomic.Int64 {
	var asked atomic.Int64
	w.answer(func(rw http.ResponseWriter, _ *http.Request) bool {
		asked.Add(1)
		rw.WriteHeader(http.StatusInternalServerError)
		return true
	})
	return &asked
}

func TestRun_keyThatBecomesKnownNeedsNoRegistry(t *testing.T) {
	w := newWorld(t)
	late := w.lateKey()
	signed, copied := w.push("app:v1"), w.push("app:v2")
	w.sign("app", signed, signed, late)
	w.sign("app", copied, signed, late)
	w.sync()
	w.expect("app", signed, inventory.Unverifiable, inventory.ReasonKeyUnknown)
	checked := w.clock()
	asked := w.forbid()
	w.pass(time.Minute)
	w.approveLate(late)
	w.run(w.is("app", signed, inventory.Trusted), w.syncer)

	i := w.expect("app", signed, inventory.Trusted, inventory.ReasonOK)
	if len(i.History) != 2 || i.History[0].From != inventory.Unverifiable || i.Signatures[0].Outcome != inventory.OutcomeVerified {
		t.Errorf("history %+v, signatures %+v", i.History, i.Signatures)
	}
	if !i.CheckedAt.Equal(checked) {
		t.Errorf("it says that it was looked at %s, and nobody did since %s", i.CheckedAt, checked)
	}
	w.expect("app", copied, inventory.Failed, inventory.ReasonDigestMismatch)
	if n := asked.Load(); n != 0 {
		t.Errorf("the registry was asked %d times", n)
	}
	w.recover()
	w.pass(time.Hour)
	before := w.gets.Load()
	if s := w.sync(); s.Reverified != 0 || !s.Complete() {
		t.Errorf("the sync after it: %+v", s)
	}
	if n := w.gets.Load() - before; n > 2 { // what the companion tags point at
		t.Errorf("%d manifests and blobs were read again though nothing changed", n)
	}
}

func TestRun_rootThatBecomesKnownNeedsNoRegistry(t *testing.T) {
	w := newWorld(t)
	d := w.push("app:v1")
	w.sign("app", d, d, w.key)
	var known atomic.Bool
	s := w.syncerWith(w.store, verify.NewInspector(w.client, w.keys.Load, rooted{cosign.New(nil), &known}), syncer.Options{})
	_, err := s.Sync(t.Context(), inventory.SyncScope{}, nil)
	w.must(err)
	w.expect("app", d, inventory.Unverifiable, inventory.ReasonRootUnknown)
	asked := w.forbid()
	known.Store(true)
	w.run(w.is("app", d, inventory.Unapproved), s)
	known.Store(false) // and one that is taken away again
	w.run(w.is("app", d, inventory.Unverifiable), s)
	if n := asked.Load(); n != 0 {
		t.Errorf("the registry was asked %d times", n)
	}
}

// rooted is a checker with a root that isn't always known.
type rooted struct {
	verify.Checker
	known *atomic.Bool
}

func (r rooted) Family() verify.Family {
	f := r.Checker.Family()
	if r.known.Load() {
		f.Revision += " with the root"
	}
	return f
}

func (r rooted) Check(ctx context.Context, i *verify.Item) verify.Findings {
	f := r.Checker.Check(ctx, i)
	for n := range f.Signatures {
		if s := &f.Signatures[n]; !r.known.Load() {
			s.Outcome, s.Reason, s.Message, s.Signer = inventory.OutcomeUnverifiable, inventory.ReasonRootUnknown, "Its root isn't known here.", nil
		}
	}
	return f
}

func TestSync_saysWhatWasCheckedAgain(t *testing.T) {
	w := newWorld(t)
	late := w.lateKey()
	for _, tag := range []string{"app:v1", "app:v2"} {
		d := w.push(tag)
		w.sign("app", d, d, late)
	}
	w.push("app:unsigned")
	w.sync()
	w.registerKey("a late key", late)
	before := w.gets.Load()
	if s := w.sync(); s.Reverified != 2 || !s.Complete() {
		t.Errorf("the summary is %+v", s)
	}
	if n := w.gets.Load() - before; n > 2 {
		t.Errorf("%d manifests and blobs were read for the new key, beyond what the companion tags point at", n-2)
	}
}

// A key that becomes known while a repository is being read: the look has the
// new revision, and what is attached is as it was.
func TestSync_lookTakesWhatWasKeptRatherThanTheRegistry(t *testing.T) {
	w := newWorld(t)
	late := w.lateKey()
	d := w.push("app:v1")
	w.sign("app", d, d, late)
	w.sync()
	w.pass(time.Hour)
	var registered atomic.Bool
	var blobs atomic.Int64
	w.answer(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/tags/list") && registered.CompareAndSwap(false, true) {
			w.registerKey("a late key", late)
		}
		if strings.Contains(r.URL.Path, "/blobs/") {
			blobs.Add(1)
			rw.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return false
	})
	if s := w.sync(); !s.Complete() || s.Reverified != 0 {
		t.Errorf("the summary is %+v", s)
	}
	i := w.expect("app", d, inventory.Unapproved, inventory.ReasonSignerNotApproved)
	if !i.CheckedAt.Equal(w.clock()) || blobs.Load() != 0 {
		t.Errorf("looked at %s; %d blobs were asked for", i.CheckedAt, blobs.Load())
	}
}

// What is attached changed since: then what was kept is of no use.
func TestSync_lookReadsWhatIsAttachedNow(t *testing.T) {
	w := newWorld(t)
	late := w.lateKey()
	d := w.push("app:v1")
	w.sign("app", d, d, late)
	w.sync()
	w.pass(time.Hour)
	w.sign("app", d, d, w.lateKey()) // replaces the one before
	var registered atomic.Bool
	w.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/tags/list") && registered.CompareAndSwap(false, true) {
			w.registerKey("a late key", late)
		}
		return false
	})
	w.sync()
	w.expect("app", d, inventory.Unverifiable, inventory.ReasonKeyUnknown)
}

func TestSync_unsignedImagesAreNotReadAgainForANewKey(t *testing.T) {
	w := newWorld(t)
	for _, tag := range []string{"a:v1", "a:v2", "b:v1"} {
		w.push(tag)
	}
	w.sync()
	w.registerKey("a late key", w.lateKey())
	before := w.gets.Load()
	c := &counting{Inspector: verify.NewInspector(w.client, w.keys.Load, cosign.New(nil))}
	summary, err := w.syncerWith(w.store, c, syncer.Options{}).Sync(t.Context(), inventory.SyncScope{}, nil)
	w.must(err)
	if summary.Reverified != 0 || !summary.Complete() {
		t.Errorf("the summary is %+v", summary)
	}
	if n := w.gets.Load() - before; n != 0 || c.verified.Load() != 0 {
		t.Errorf("%d manifests and blobs were read, and %d images verified", n, c.verified.Load())
	}
}

// What stands in an index is the rules' to see, and a newer program has newer
// ones.
func TestSync_anUnsignedIndexIsReadAgainWithOtherRules(t *testing.T) {
	w := newWorld(t)
	image, attestation := w.push("app:image"), w.push("app:attestation")
	w.sync()
	index := map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": []map[string]any{
		{"mediaType": w.image("app", image).MediaType, "digest": image, "size": w.image("app", image).Size, "platform": map[string]string{"os": "linux", "architecture": "amd64"}},
		{"mediaType": w.image("app", attestation).MediaType, "digest": attestation, "size": w.image("app", attestation).Size, "annotations": map[string]string{verify.AnnotationReferenceType: "attestation-manifest"}},
	}}
	d := w.manifest("app", "v1", inventory.MediaTypeOCIIndex, index).Digest
	w.sync()
	if i := w.expect("app", d, inventory.Unsigned, inventory.ReasonNoSignature); len(i.Attestations) != 0 {
		t.Fatalf("attestations are %+v", i.Attestations)
	}
	newer := verify.NewInspector(w.client, w.keys.Load, cosign.New(nil), claims{})
	_, err := w.syncerWith(w.store, newer, syncer.Options{}).Sync(t.Context(), inventory.SyncScope{}, nil)
	w.must(err)
	if i := w.expect("app", d, inventory.Unsigned, inventory.ReasonNoSignature); len(i.Attestations) != 1 {
		t.Errorf("attestations are %+v", i.Attestations)
	}
}

// claims takes what stands in an index.
type claims struct{}

func (claims) Family() verify.Family {
	return verify.Family{Revision: "claims", Likely: func(inventory.Descriptor) bool { return false }}
}
func (claims) Claims(i *verify.Item) bool { return i.Via == verify.ViaIndex }
func (claims) Check(_ context.Context, i *verify.Item) verify.Findings {
	return verify.Findings{Attestations: []inventory.Attestation{{Manifest: i.Manifest.Digest, Outcome: inventory.OutcomeUnverifiable, Reason: inventory.ReasonNoSignature}}}
}

// responder is a checker that asks somebody else whether a signature still
// holds, and wants to ask again after an hour.
type responder struct {
	verify.Checker
	down  atomic.Bool
	asked atomic.Int64
}

func (r *responder) Check(ctx context.Context, i *verify.Item) verify.Findings {
	r.asked.Add(1)
	f := r.Checker.Check(ctx, i)
	for n := range f.Signatures {
		s := &f.Signatures[n]
		again := i.Now.Add(time.Hour)
		s.RecheckAt = &again
		if r.down.Load() {
			s.Outcome, s.Reason, s.Message, s.Signer = inventory.OutcomeError, inventory.ReasonRegistryUnreachable, "The responder doesn't answer.", nil
		}
	}
	return f
}

// revocable is a world with one trusted image whose signature may be revoked.
func revocable(t *testing.T) (*world, *responder, *syncer.Syncer, inventory.Digest) {
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	d := w.push("app:v1")
	w.sign("app", d, d, w.key)
	r := &responder{Checker: cosign.New(nil)}
	inspector := verify.NewInspector(w.client, w.keys.Load, r)
	inspector.Now = w.clock
	s := w.syncerWith(w.store, inspector, syncer.Options{})
	_, err := s.Sync(t.Context(), inventory.SyncScope{}, nil)
	w.must(err)
	w.expect("app", d, inventory.Trusted, inventory.ReasonOK)
	return w, r, s, d
}

func TestRun_asksAgainWhenItIsTime(t *testing.T) {
	w, r, s, d := revocable(t)
	asked := w.forbid()
	// The next look isn't due before the fifteenth minute: make that never.
	w.must(w.store.FailRepository(t.Context(), w.leased(), outage, inventory.Verdict{}, w.clock().Add(1000*time.Hour), w.clock()))
	w.must(w.store.FailRegistry(t.Context(), w.leasedRegistry(), outage, inventory.Verdict{}, w.clock().Add(1000*time.Hour), w.clock()))
	for hour := range 3 {
		before := r.asked.Load()
		w.pass(time.Hour)
		w.run(func() bool { return r.asked.Load() > before }, s)
		if n := r.asked.Load() - before; n != 1 {
			t.Errorf("hour %d: it was asked %d times", hour, n)
		}
	}
	w.expect("app", d, inventory.Trusted, inventory.ReasonOK)
	if n := asked.Load(); n != 0 {
		t.Errorf("the registry was asked %d times", n)
	}
}

func (w *world) leased() *inventory.RepositoryWork {
	w.t.Helper()
	w.must(w.store.MakeDue(w.t.Context(), inventory.SyncScope{}, w.clock()))
	work, err := w.store.ClaimRepository(w.t.Context(), "test", inventory.SyncScope{}, w.clock(), time.Minute)
	w.must(err)
	return work
}

func (w *world) leasedRegistry() *inventory.RegistryWork {
	w.t.Helper()
	work, err := w.store.ClaimRegistry(w.t.Context(), "test", inventory.SyncScope{}, w.clock(), time.Minute)
	w.must(err)
	return work
}

var outage = &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "The registry doesn't answer."}

// A check that can't be repeated is a failure to look: unknown with the last
// good result, nothing deleted, tried again later and not all the time.
func TestSync_checkThatCannotBeRepeatedIsUnknown(t *testing.T) {
	w, r, s, d := revocable(t)
	checked := w.clock()
	r.down.Store(true)
	w.pass(time.Hour)
	for range 3 {
		summary, err := s.Sync(t.Context(), inventory.SyncScope{}, nil)
		w.must(err)
		if summary.Complete() {
			t.Errorf("the summary says that all could be checked: %+v", summary)
		}
		i := w.expect("app", d, inventory.Unknown, inventory.ReasonRegistryUnreachable)
		if i.LastGood == nil || i.LastGood.Status != inventory.Trusted || !i.LastGood.CheckedAt.Equal(checked) {
			t.Errorf("the last good result is %+v", i.LastGood)
		}
		if len(i.Signatures) != 1 || i.Signatures[0].Outcome != inventory.OutcomeVerified || !strings.Contains(i.Message, "responder") {
			t.Errorf("%q; signatures are %+v", i.Message, i.Signatures)
		}
		_, err = s.Rejudge(t.Context())
		w.must(err)
		w.expect("app", d, inventory.Unknown, inventory.ReasonRegistryUnreachable)
		w.noDrift()
		w.pass(time.Minute)
	}
	// The registry goes down and comes back: that proves nothing of the responder.
	w.forbid()
	_, err := s.Sync(t.Context(), inventory.SyncScope{}, nil)
	w.must(err)
	w.recover()
	_, err = s.Sync(t.Context(), inventory.SyncScope{}, nil)
	w.must(err)
	w.expect("app", d, inventory.Unknown, inventory.ReasonRegistryUnreachable)

	r.down.Store(false)
	before := w.gets.Load()
	if summary, err := s.Sync(t.Context(), inventory.SyncScope{}, nil); err != nil || !summary.Complete() {
		t.Errorf("with the responder back: %+v, %v", summary, err)
	}
	if i := w.expect("app", d, inventory.Trusted, inventory.ReasonOK); i.LastGood != nil {
		t.Errorf("it is known again, and still shows a last good result: %+v", i.LastGood)
	}
	if n := w.gets.Load() - before; n > 1 {
		t.Errorf("%d manifests and blobs were read again for it", n)
	}
}

func TestRun_aResponderThatIsDownIsAskedLessAndLess(t *testing.T) {
	w, r, s, d := revocable(t)
	w.must(w.store.FailRepository(t.Context(), w.leased(), outage, inventory.Verdict{}, w.clock().Add(1000*time.Hour), w.clock()))
	w.must(w.store.FailRegistry(t.Context(), w.leasedRegistry(), outage, inventory.Verdict{}, w.clock().Add(1000*time.Hour), w.clock()))
	r.down.Store(true)
	w.pass(time.Hour)
	before := r.asked.Load()
	w.run(w.is("app", d, inventory.Unknown), s)
	for range 12 * 60 { // twelve hours, a minute at a time
		w.pass(time.Minute)
		stale := func() bool {
			list, err := w.store.StaleMaterial(t.Context(), "local", w.revision(), w.clock(), 10)
			w.must(err)
			return len(list) > 0
		}
		if stale() {
			w.run(func() bool { return !stale() }, s)
		}
	}
	if n := r.asked.Load() - before; n < 10 || n > 20 {
		t.Errorf("in twelve hours it was asked %d times", n)
	}
	w.expect("app", d, inventory.Unknown, inventory.ReasonRegistryUnreachable)
	r.down.Store(false)
	w.pass(time.Hour)
	w.run(w.is("app", d, inventory.Trusted), s)
}

// revision is that of the trust material with the keys of now.
func (w *world) revision() int64 {
	return verify.NewInspector(w.client, w.keys.Load, cosign.New(nil)).TrustRevision()
}

// elsewhere is a place outside the registry that knows nothing.
type elsewhere struct{ revision string }

func (e elsewhere) Revision() string { return e.revision }
func (elsewhere) Look(context.Context, inventory.Subject) (inventory.Outlying, error) {
	return inventory.Outlying{}, nil
}

// What was kept doesn't suffice once there is another place to ask. The
// repository is read again, once.
func TestRun_whatCannotBeCheckedAgainIsReadAgain(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	d := w.push("app:v1")
	w.sign("app", d, d, w.key)
	w.sync()
	inspector := verify.NewInspector(w.client, w.keys.Load, cosign.New(nil))
	inspector.Outside = []verify.Outside{elsewhere{"1"}}
	s := w.syncerWith(w.store, inspector, syncer.Options{})
	w.pass(2 * time.Minute)
	looked := w.clock()
	before := w.gets.Load()
	w.run(func() bool { return w.image("app", d).CheckedAt.Equal(looked) }, s)
	w.expect("app", d, inventory.Trusted, inventory.ReasonOK)
	read := w.gets.Load() - before
	if read == 0 {
		t.Error("nothing was read")
	}
	w.pass(2 * time.Minute)
	passes := 0
	w.run(func() bool { passes++; return passes > 2000 }, s)
	if n := w.gets.Load() - before; n != read {
		t.Errorf("it was read again and again: %d, then %d", read, n-read)
	}
}

// counting counts how often an inspector checks again, and may be stopped.
type counting struct {
	*verify.Inspector
	again, verified atomic.Int64
	then            func(n int64)
}

func (c *counting) Verify(ctx context.Context, s inventory.Subject, a inventory.Attached) inventory.Evidence {
	c.verified.Add(1)
	return c.Inspector.Verify(ctx, s, a)
}

func (c *counting) Reverify(ctx context.Context, s inventory.Subject, body []byte) (inventory.Evidence, bool) {
	n := c.again.Add(1)
	if c.then != nil {
		c.then(n)
	}
	return c.Inspector.Reverify(ctx, s, body)
}

// waiting pushes n images that wait for a key.
func (w *world) waiting(n int, key *ecdsa.PrivateKey) (digests []inventory.Digest) {
	w.t.Helper()
	for i := range n {
		d := w.push("app:" + string(rune('a'+i)))
		w.sign("app", d, d, key)
		digests = append(digests, d)
	}
	w.sync()
	return digests
}

// Two processes that don't agree about the keys undo each other's work, but
// not without rest.
func TestRun_twoThatDisagreeDoNotSpin(t *testing.T) {
	w := newWorld(t)
	late := w.lateKey()
	digests := w.waiting(20, late)
	ring, other := w.keys.Load(), atomic.Pointer[verify.Keyring]{}
	w.registerKey("a late key", late)
	other.Store(w.keys.Load())
	w.keys.Store(ring)
	one := &counting{Inspector: verify.NewInspector(w.client, w.keys.Load, cosign.New(nil))}
	two := &counting{Inspector: verify.NewInspector(w.client, other.Load, cosign.New(nil))}
	since := 0
	w.run(func() bool {
		if w.is("app", digests[0], inventory.Unapproved)() || since > 0 {
			since++
		}
		return since > 500
	}, w.syncerWith(w.store, one, syncer.Options{Batch: 2}), w.syncerWith(w.reopen(), two, syncer.Options{Batch: 2}))
	if n := one.again.Load() + two.again.Load(); n < 20 || n > 100 {
		t.Errorf("20 images were checked again %d times at one and the same moment", n)
	}
}

// A pass ends even when somebody undoes everything as quickly as it is done.
func TestSync_endsThoughItsWorkIsUndone(t *testing.T) {
	w := newWorld(t)
	late := w.lateKey()
	digests := w.waiting(10, late)
	ring := w.keys.Load() // of now, for good
	other := verify.NewInspector(w.client, func() *verify.Keyring { return ring }, cosign.New(nil))
	w.registerKey("a late key", late)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	undo := func(n int64) {
		if n > 200 {
			cancel()
			return
		}
		stale, err := w.store.StaleMaterial(t.Context(), "local", other.TrustRevision(), w.clock(), 100)
		w.must(err)
		decisions, err := w.store.Decisions(t.Context(), nil)
		w.must(err)
		var list []inventory.Reverified
		for _, m := range stale {
			e, _ := other.Reverify(t.Context(), m.Subject, m.Body)
			list = append(list, inventory.Reverified{Was: m, Evidence: e, TrustRevision: other.TrustRevision(), JudgedAt: decisions.Revision,
				Verdict: inventory.Verdict{Status: inventory.Unverifiable, Reason: inventory.ReasonKeyUnknown}})
		}
		w.must(w.store.RecordReverified(t.Context(), list, w.clock()))
	}
	c := &counting{Inspector: verify.NewInspector(w.client, w.keys.Load, cosign.New(nil)), then: undo}
	_, err := w.syncerWith(w.store, c, syncer.Options{Batch: 2, Images: 1}).Sync(ctx, inventory.SyncScope{}, nil)
	if err != nil || c.again.Load() > 100 {
		t.Errorf("after %d checks of %d images: %v", c.again.Load(), len(digests), err)
	}
	w.noDrift()
}

// TestHostile_stoppedBetweenBatches ends the process in the middle of checking
// again, again and again; the next one carries on.
func TestHostile_stoppedBetweenBatches(t *testing.T) {
	w := newWorld(t)
	late := w.lateKey()
	digests := w.waiting(24, late)
	w.approveLate(late)
	asked := w.forbid()
	total := int64(0)
	for stop, all := int64(1), false; !all; stop++ {
		db := w.reopen()
		ctx, cancel := context.WithCancel(t.Context())
		c := &counting{Inspector: verify.NewInspector(w.client, w.keys.Load, cosign.New(nil)), then: func(n int64) {
			if n == stop {
				cancel()
			}
		}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.syncerWith(db, c, syncer.Options{Batch: 3, Images: 1}).Run(ctx)
		}()
		for ctx.Err() == nil && !all {
			stale, err := w.store.StaleMaterial(t.Context(), "local", w.revision(), w.clock(), 1)
			w.must(err)
			all = len(stale) == 0
		}
		cancel()
		<-done
		w.must(db.Close())
		w.noDrift()
		if total += c.again.Load(); stop > 24 {
			t.Fatal("there is no end to it")
		}
	}
	for _, d := range digests {
		w.expect("app", d, inventory.Trusted, inventory.ReasonOK)
	}
	if total < 24 || total > 24+3*10 {
		t.Errorf("24 images took %d checks: what was done is done again", total)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the registry was asked %d times", n)
	}
}
