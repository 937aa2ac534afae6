package check_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/check"
	"signboard/inventory/policy"
	"signboard/inventory/store"
)

var (
	noon   = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	outage = &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "The registry doesn't answer."}
	key    = inventory.KeyID(inventory.DigestOf([]byte("key")))
)

func digest(n int) inventory.Digest { return inventory.DigestOf(fmt.Appendf(nil, "image %d", n)) }

// registry stands for the registries: what tags point at, and what is attached
// to digests.
type registry struct {
	mu        sync.Mutex
	tags      map[string]inventory.Digest
	verdicts  map[inventory.Digest]inventory.Verdict
	platforms map[inventory.Digest][]inventory.Platform
	down      bool
	hang      chan struct{} // looks wait for it
	revision  int64
	resolved  atomic.Int64
	looked    atomic.Int64
	now       atomic.Int64 // looks that go on
	most      atomic.Int64
}

func (r *registry) Resolve(_ context.Context, _, repository, tag string) (inventory.Digest, error) {
	r.resolved.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if d, ok := r.tags[repository+":"+tag]; ok && !r.down {
		return d, nil
	}
	return "", outage
}

func (r *registry) Alone(ctx context.Context, _, _ string, d inventory.Digest) (inventory.ImageFinding, error) {
	r.looked.Add(1)
	n := r.now.Add(1)
	defer r.now.Add(-1)
	for most := r.most.Load(); n > most && !r.most.CompareAndSwap(most, n); most = r.most.Load() {
	}
	r.mu.Lock()
	hang, down, v := r.hang, r.down, r.verdicts[d]
	r.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return inventory.ImageFinding{}, context.Cause(ctx)
		}
	}
	if down || v.Status == "" {
		return inventory.ImageFinding{Failure: outage, Verdict: policy.Judge(policy.Facts{Checked: true, Failure: outage}, noon)}, nil
	}
	return inventory.ImageFinding{Digest: d, Verdict: v, Platforms: r.platforms[d]}, nil
}

func (r *registry) TrustRevision(context.Context, string) (int64, error) { return r.revision, nil }

// world is a gate over a real inventory.
type world struct {
	*testing.T
	*check.Gate
	db       *store.DB
	registry *registry
	sighted  atomic.Int64 // images that the inventory was asked for
	now      time.Time
}

// asked counts how often the inventory is asked for an image.
type asked struct {
	*store.DB
	n *atomic.Int64
}

func (a asked) Sighting(ctx context.Context, repository string, d inventory.Digest) (inventory.Sighting, error) {
	defer a.n.Add(1)
	return a.DB.Sighting(ctx, repository, d)
}

// until waits for others to get somewhere.
func (w *world) until(somewhere func() bool) {
	w.Helper()
	for !somewhere() {
		if w.Context().Err() != nil {
			w.Fatal("nobody got there")
		}
		runtime.Gosched()
	}
}

func newWorld(t *testing.T, o check.Options) *world {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{T: t, db: db, now: noon, registry: &registry{tags: map[string]inventory.Digest{}, verdicts: map[inventory.Digest]inventory.Verdict{}, revision: 1}}
	w.must(db.ApplyConfig(t.Context(), []inventory.Registry{{
		Name: "local", URL: "https://registry.test", Interval: 15 * time.Minute, Repositories: []inventory.Glob{"**"}, Tags: []inventory.Glob{"**"},
	}}, nil, noon))
	o.Clock = func() time.Time { return w.now }
	w.Gate = check.New(asked{db, &w.sighted}, w.registry, func(typed string) (check.Place, error) {
		rest, ok := strings.CutPrefix(typed, "local/")
		if !ok {
			return check.Place{}, inventory.Errorf(inventory.Invalid, "It is in no configured registry.")
		}
		repository, at, byDigest := strings.Cut(rest, "@")
		if !byDigest {
			repository, at, _ = strings.Cut(rest, ":")
		}
		return check.Place{Registry: "local", Repository: repository, At: at, Interval: 15 * time.Minute}, nil
	}, o)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// known stores what a sync found: an image of app with the tag, signed when by
// says who.
func (w *world) known(n int, tag string, by ...inventory.SignerID) {
	w.Helper()
	f := inventory.ImageFinding{Digest: digest(n), Kind: inventory.SingleImage, MediaType: inventory.MediaTypeOCIManifest, Size: 1, Tags: []string{tag}, TrustRevision: 1,
		Evidence: inventory.Evidence{Fingerprint: digest(1000 + n)}}
	for _, id := range by {
		f.Evidence.Signatures = append(f.Evidence.Signatures, inventory.Signature{Format: inventory.FormatSimpleSigning, Outcome: inventory.OutcomeVerified,
			Reason: inventory.ReasonOK, Signer: &inventory.Signer{ID: id, Kind: id.Kind(), Name: "Dana's key"}})
	}
	decisions, err := w.db.Decisions(w.Context(), by)
	w.must(err)
	f.JudgedAt = decisions.Revision
	f.Verdict = policy.Judge(policy.Facts{Repository: "local/app", Checked: true, Signatures: f.Evidence.Signatures, Decisions: decisions.BySigner}, w.now)
	w.record(f)
	w.registry.tags["app:"+tag] = f.Digest
}

func (w *world) record(f inventory.ImageFinding) {
	w.Helper()
	scope := inventory.SyncScope{Registry: "local"}
	w.must(w.db.MakeDue(w.Context(), scope, w.now))
	listing, err := w.db.ClaimRegistry(w.Context(), "test", scope, w.now, time.Minute)
	w.must(err)
	w.must(w.db.RecordCatalog(w.Context(), listing, []string{"app"}, true, w.now))
	work, err := w.db.ClaimRepository(w.Context(), "test", scope, w.now, time.Minute)
	w.must(err)
	w.must(w.db.RecordImages(w.Context(), work, []inventory.ImageFinding{f}, w.now))
	w.must(w.db.FinishRepository(w.Context(), work, f.Tags, w.now.Add(time.Hour), w.now))
}

func (w *world) decide(verb inventory.Verb, revision int64) {
	w.Helper()
	w.must(w.db.RecordDecision(w.Context(), inventory.Decision{ID: fmt.Sprint(verb, revision), Signer: key, Verb: verb, Repositories: []inventory.Glob{"**"}, Reason: "r",
		State: inventory.StateActive, DecidedBy: []inventory.Decider{{Name: "Dana", At: w.now}}}, revision, nil, inventory.AuditEntry{At: w.now, Action: "signer." + string(verb), Object: string(key)}))
}

func (w *world) ask(reference string) inventory.ImageAnswer {
	w.Helper()
	a, err := w.Check(w.Context(), []string{reference})
	w.must(err)
	if len(a.Images) != 1 || a.Images[0].Reference != reference || a.Allowed != a.Images[0].Allowed || a.Decided != a.Images[0].Decided {
		w.Fatalf("%+v", a)
	}
	if i := a.Images[0]; i.Allowed && (!i.Decided || i.Status != inventory.Trusted) || i.Message == "" || !i.Reason.Known() {
		w.Errorf("%s: %+v", reference, i)
	}
	return a.Images[0]
}

// expect asks, and holds the answer: yes, no or undecided, with status, reason
// and a part of the message; and how often the registry was looked at.
func (w *world) expect(reference, want string, status inventory.Status, reason inventory.Reason, says string, looks int64) {
	w.Helper()
	before := w.registry.looked.Load()
	i := w.ask(reference)
	got := "undecided"
	if i.Decided {
		got = map[bool]string{true: "yes", false: "no"}[i.Allowed]
	}
	if got != want || i.Status != status || i.Reason != reason || !strings.Contains(i.Message, says) {
		w.Errorf("%s is %s: %+v; want %s: %s, %s, %q", reference, got, i, want, status, reason, says)
	}
	if n := w.registry.looked.Load() - before; n != looks {
		w.Errorf("%s took %d looks, want %d", reference, n, looks)
	}
}

func verdict(s inventory.Status, r inventory.Reason) inventory.Verdict {
	return inventory.Verdict{Status: s, Reason: r, Message: "Seen just now."}
}

func TestCheck_answersFromTheInventoryOnlyWhatIsTrustedAndFresh(t *testing.T) {
	w := newWorld(t, check.Options{})
	w.known(1, "v1", key)
	w.registry.verdicts[digest(1)] = verdict(inventory.Unapproved, inventory.ReasonSignerNotApproved)
	w.expect("local/app:v1", "no", inventory.Unapproved, inventory.ReasonSignerNotApproved, "Seen just now.", 1)

	w.decide(inventory.Approve, 0) // nobody has judged the image again yet
	w.expect("local/app:v1", "yes", inventory.Trusted, inventory.ReasonOK, "Dana's key", 0)
	w.expect("local/app@"+string(digest(1)), "yes", inventory.Trusted, inventory.ReasonOK, "Dana's key", 0)

	// Too old, or with other keys than there are now: it is looked at.
	w.now = noon.Add(31 * time.Minute)
	w.expect("local/app:v1", "no", inventory.Unapproved, inventory.ReasonSignerNotApproved, "Seen just now.", 1)
	w.now = noon.Add(-2 * time.Minute) // a clock that was put back
	w.expect("local/app:v1", "no", inventory.Unapproved, inventory.ReasonSignerNotApproved, "Seen just now.", 1)
	w.now = noon
	w.registry.revision = 2
	w.expect("local/app:v1", "no", inventory.Unapproved, inventory.ReasonSignerNotApproved, "Seen just now.", 1)
	w.registry.revision = 1

	// A revocation counts at once.
	w.decide(inventory.Revoke, 1)
	w.registry.verdicts[digest(1)] = verdict(inventory.Unapproved, inventory.ReasonApprovalRevoked)
	w.expect("local/app:v1", "no", inventory.Unapproved, inventory.ReasonApprovalRevoked, "", 1)
}

func TestCheck_looksAgainAtWhatWasNotTrusted(t *testing.T) {
	w := newWorld(t, check.Options{})
	w.known(1, "v1")
	w.registry.verdicts[digest(1)] = verdict(inventory.Trusted, inventory.ReasonOK) // signed since
	w.expect("local/app:v1", "yes", inventory.Trusted, inventory.ReasonOK, "Seen just now.", 1)
	// The tag moved on to something that the inventory hasn't heard of.
	w.registry.tags["app:v1"] = digest(2)
	w.registry.verdicts[digest(2)] = verdict(inventory.Unsigned, inventory.ReasonNoSignature)
	w.expect("local/app:v1", "no", inventory.Unsigned, inventory.ReasonNoSignature, "", 1)
	if i := w.ask("local/app:v1"); i.Digest != digest(2) || i.CheckedAt == nil {
		t.Errorf("%+v", i)
	}
}

func TestCheck_ofARegistryThatIsDown(t *testing.T) {
	w := newWorld(t, check.Options{})
	w.known(1, "v1", key)
	w.decide(inventory.Approve, 0)
	w.known(2, "v2")
	w.registry.down = true
	// A tag may have moved: nobody knows which image it is.
	w.expect("local/app:v1", "undecided", inventory.Unknown, inventory.ReasonRegistryUnreachable, "which image", 0)
	w.expect("local/app@"+string(digest(1)), "yes", inventory.Trusted, inventory.ReasonOK, "", 0)
	w.expect("local/app@"+string(digest(2)), "no", inventory.Unsigned, inventory.ReasonNoSignature, "could not be read just now", 1)
	w.expect("local/app@"+string(digest(3)), "undecided", inventory.Unknown, inventory.ReasonRegistryUnreachable, "could not be checked", 1)
	w.now = noon.Add(time.Hour)
	w.expect("local/app@"+string(digest(1)), "undecided", inventory.Unknown, inventory.ReasonRegistryUnreachable, "It was trusted on 2026-11-21T12:00:00Z, which is too long ago", 1)
	w.expect("local/app@"+string(digest(2)), "undecided", inventory.Unknown, inventory.ReasonRegistryUnreachable, "It was unsigned", 1)
}

func TestCheck_quarantinesWinAlways(t *testing.T) {
	w := newWorld(t, check.Options{})
	w.known(1, "v1", key)
	w.decide(inventory.Approve, 0)
	soon := noon.Add(time.Hour)
	hold := func(q inventory.Quarantine) {
		t.Helper()
		q.Reason, q.By, q.At = "bad news", "Dana", noon
		w.must(w.db.RecordQuarantine(t.Context(), q, inventory.AuditEntry{At: noon, Action: "image.quarantine"}))
	}
	hold(inventory.Quarantine{ID: "tag", Repository: "local/app", Tag: "v1", ExpiresAt: &soon})
	w.expect("local/app:v1", "no", inventory.Trusted, inventory.ReasonQuarantined, "Quarantined by Dana: bad news (until 2026-11-21T13:00:00Z)", 0)
	w.expect("local/app@"+string(digest(1)), "no", inventory.Trusted, inventory.ReasonQuarantined, "Dana", 0) // the tag pointed at it
	w.expect("local/copy@"+string(digest(1)), "no", inventory.Unknown, inventory.ReasonQuarantined, "Dana", 0)
	w.registry.tags["app:v1"] = digest(5)
	w.expect("local/app:v1", "no", inventory.Unknown, inventory.ReasonQuarantined, "Dana", 0) // wherever it points now
	w.registry.down = true
	w.expect("local/app:v1", "no", inventory.Unknown, inventory.ReasonQuarantined, "Dana", 0)
	w.expect("local/other:v1", "undecided", inventory.Unknown, inventory.ReasonRegistryUnreachable, "", 0)
	w.registry.down = false

	hold(inventory.Quarantine{ID: "digest", Digest: digest(9)})
	w.registry.verdicts[digest(9)] = verdict(inventory.Trusted, inventory.ReasonOK)
	w.registry.tags["fresh:v1"] = digest(9)
	w.expect("local/fresh:v1", "no", inventory.Unknown, inventory.ReasonQuarantined, "Dana", 0) // in whatever repository
	w.now = soon
	w.registry.verdicts[digest(5)] = verdict(inventory.Trusted, inventory.ReasonOK)
	w.expect("local/app:v1", "yes", inventory.Trusted, inventory.ReasonOK, "", 1) // it ran out
}

// An index is held when a platform of it is, also one that no sync has seen, and
// also when that is decided while its registry is being looked at.
func TestCheck_holdsAnIndexForItsPlatform(t *testing.T) {
	w := newWorld(t, check.Options{})
	w.registry.tags["app:v1"] = digest(10)
	w.registry.verdicts[digest(10)] = verdict(inventory.Trusted, inventory.ReasonOK)
	w.registry.platforms = map[inventory.Digest][]inventory.Platform{digest(10): {{Platform: "linux/amd64", Digest: digest(1)}, {Platform: "linux/arm64", Digest: digest(2)}}}
	w.expect("local/app:v1", "yes", inventory.Trusted, inventory.ReasonOK, "", 1)
	w.must(w.db.RecordQuarantine(t.Context(), inventory.Quarantine{ID: "q", Digest: digest(2), Reason: "bad news", By: "Dana", At: noon}, inventory.AuditEntry{At: noon, Action: "image.quarantine"}))
	w.expect("local/app:v1", "no", inventory.Trusted, inventory.ReasonQuarantined, "Dana: bad news; held because its platform linux/arm64 (", 1)

	hang := make(chan struct{})
	w.registry.hang, w.registry.tags["app:v2"], w.registry.verdicts[digest(20)] = hang, digest(20), verdict(inventory.Trusted, inventory.ReasonOK)
	answered := make(chan inventory.Answer, 1)
	looked := w.registry.looked.Load()
	go func() {
		a, err := w.Check(t.Context(), []string{"local/app:v2"})
		if err != nil {
			t.Error(err)
		}
		answered <- a
	}()
	w.until(func() bool { return w.registry.looked.Load() > looked })
	w.must(w.db.RecordQuarantine(t.Context(), inventory.Quarantine{ID: "late", Digest: digest(20), Reason: "just now", By: "Dana", At: noon}, inventory.AuditEntry{At: noon, Action: "image.quarantine"}))
	close(hang)
	if a := <-answered; a.Allowed || a.Images[0].Reason != inventory.ReasonQuarantined {
		t.Errorf("held while it was looked at: %+v", a)
	}
}

func TestCheck_sumsUpWithoutEverAllowingWhatIsUndecided(t *testing.T) {
	w := newWorld(t, check.Options{})
	for n, s := range []inventory.Status{inventory.Trusted, inventory.Unsigned} {
		w.registry.tags[fmt.Sprint("app:v", n)], w.registry.verdicts[digest(n)] = digest(n), verdict(s, inventory.ReasonOK)
	}
	const yes, no, undecided = "local/app:v0", "local/app:v1", "elsewhere.test/app:v1"
	for _, c := range []struct {
		ask                       []string
		allowed, decided, refused bool
	}{
		{[]string{yes}, true, true, false},
		{[]string{yes, yes}, true, true, false},
		{[]string{yes, no}, false, true, true},
		{[]string{yes, undecided}, false, false, false},
		{[]string{no, undecided}, false, false, true},
		{nil, false, false, false},
	} {
		a, err := w.Check(t.Context(), c.ask)
		if err != nil || a.Allowed != c.allowed || a.Decided != c.decided || a.Refused() != c.refused {
			t.Errorf("%v: %+v, %v", c.ask, a, err)
		}
		for i, image := range a.Images {
			if image.Reference != c.ask[i] {
				t.Errorf("%v are out of order: %+v", c.ask, a)
			}
		}
	}
}

// TestCheck_asksARegistryNoMoreThanItShould: not at once, not twice, not for
// ever.
func TestCheck_asksARegistryNoMoreThanItShould(t *testing.T) {
	w := newWorld(t, check.Options{Abreast: 3})
	var all []string
	for n := range 20 {
		w.registry.verdicts[digest(n)] = verdict(inventory.Trusted, inventory.ReasonOK)
		all = append(all, "local/app@"+string(digest(n)))
	}
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			if a, err := w.Check(t.Context(), all); err != nil || !a.Allowed {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	callers.Wait()
	if most := w.registry.most.Load(); most > 3 {
		t.Errorf("%d looks at once", most)
	}

	// Many who want to know the same wait for one look.
	w.registry.looked.Store(0)
	w.sighted.Store(0)
	hang := make(chan struct{})
	w.registry.hang = hang
	for range 10 {
		callers.Go(func() {
			if a, err := w.Check(t.Context(), all[:1]); err != nil || !a.Allowed {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	w.until(func() bool { return w.registry.looked.Load() > 0 && w.sighted.Load() == 10 })
	close(hang)
	callers.Wait()
	if n := w.registry.looked.Load(); n > 5 { // whoever came after it ended looks again
		t.Errorf("%d looks for the same image", n)
	}
}

func TestCheck_givesUpOnASilentRegistry(t *testing.T) {
	w := newWorld(t, check.Options{Patience: 20 * time.Millisecond})
	w.known(1, "v1", key)
	w.decide(inventory.Approve, 0)
	w.registry.hang = make(chan struct{})
	w.expect("local/app@"+string(digest(7)), "undecided", inventory.Unknown, inventory.ReasonRegistryUnreachable, "longer than 20ms", 1)

	// Where time is up for the whole, the rest is still answered.
	w = newWorld(t, check.Options{Total: 20 * time.Millisecond})
	w.known(1, "v1", key)
	w.decide(inventory.Approve, 0)
	w.registry.hang = make(chan struct{})
	a, err := w.Check(t.Context(), []string{"local/app@" + string(digest(7)), "local/app@" + string(digest(1))})
	if err != nil || a.Allowed || a.Decided || a.Images[0].Decided || !strings.Contains(a.Images[0].Message, "no time left") || !a.Images[1].Allowed {
		t.Errorf("%+v, %v", a, err)
	}
	close(w.registry.hang)

	// Where everybody's looks are taken, that is said.
	w = newWorld(t, check.Options{Abreast: 1, Turn: time.Millisecond})
	w.registry.hang = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := w.Check(ctx, []string{"local/app@" + string(digest(7))})
		gone <- err
	}()
	w.until(func() bool { return w.registry.looked.Load() > 0 })
	if _, err := w.Check(t.Context(), []string{"local/app@" + string(digest(8))}); inventory.KindOf(err) != inventory.Unavailable {
		t.Errorf("got %v", err)
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("somebody who went away got %v", err)
	}
	close(w.registry.hang)
}

func TestLimit_isEverybodysOwn(t *testing.T) {
	var l check.Limit
	dana, eric := inventory.Actor{Kind: inventory.UserActor, Subject: "idp|dana"}, inventory.Actor{Kind: inventory.UserActor, Subject: "idp|eric"}
	calls := 0
	for ; calls < 100; calls++ {
		if wait, ok := l.Allow(dana, check.MaxImages); !ok {
			if wait <= 0 || wait > time.Minute {
				t.Errorf("wait %s", wait)
			}
			break
		}
	}
	if calls < 2 || calls > 10 {
		t.Errorf("%d calls", calls)
	}
	if _, ok := l.Allow(eric, 1); !ok {
		t.Error("somebody else has to wait")
	}
}
