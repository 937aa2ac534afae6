package sigstore

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

func open(t *testing.T, sh Shelf, c *clock, sources ...Source) *Roots {
	t.Helper()
	r, err := NewRoots(t.Context(), sources, Options{Shelf: sh, Now: c.time})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// refreshed refreshes and fails the test when that doesn't work.
func refreshed(t *testing.T, r *Roots) {
	t.Helper()
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// refused refreshes and wants a failure of that reason, with everything as it
// was before.
func refused(t *testing.T, r *Roots, reason inventory.Reason, says string) {
	t.Helper()
	before := r.Domains()[0]
	err := r.Refresh(t.Context())
	if err == nil {
		t.Fatal("it was accepted")
	}
	if d := r.Domains()[0]; d.Revision != before.Revision || d.Root != before.Root {
		t.Error("the old root did not stay in use")
	}
	f := r.Status()[0].Failure
	if f == nil || f.Reason != reason || !strings.Contains(f.Message, says) {
		t.Errorf("the failure is %+v; want %s, and %q in it", f, reason, says)
	}
	if f != nil && !strings.HasSuffix(f.Message, ".") {
		t.Errorf("%q is not a sentence", f.Message)
	}
}

func authority(d *Domain) string {
	if d.Root == nil {
		return ""
	}
	for _, f := range facts(d.Root) {
		if f.Name == "Certificate authority" {
			return f.Value
		}
	}
	return ""
}

func TestRoots_firstFetchAndUpdate(t *testing.T) {
	m, c, sh := newMirror(t, trustedRoot(t, "first")), newClock(), newShelf()
	r := open(t, sh, c, m.source("private"))
	if m.requests() != 0 {
		t.Error("opening asked the mirror; it must not hold up the start")
	}
	if d := r.Domains()[0]; d.Root != nil || !d.Stale || d.Name != "private" {
		t.Errorf("before the first fetch: %+v", d)
	}
	refreshed(t, r)
	d := r.Domains()[0]
	if !strings.Contains(authority(d), "CN=first") || d.Stale || d.Revision == "" {
		t.Fatalf("after the first fetch: %+v", d)
	}

	m.requests()
	refreshed(t, r)
	if n := m.requests(); n != 0 {
		t.Errorf("a fresh copy was fetched again, in %d requests", n)
	}
	if r.Domains()[0] != d {
		t.Error("nothing changed, but it is another Domain")
	}

	m.publish(m.next(trustedRoot(t, "second")))
	c.pass(RefreshAfter + spread)
	refreshed(t, r)
	if got := r.Domains()[0]; !strings.Contains(authority(got), "CN=second") || got.Revision == d.Revision {
		t.Errorf("after the update: %s", authority(got))
	}
}

func TestRoots_unchangedRootIsTheSameDomain(t *testing.T) {
	m, c := newMirror(t, trustedRoot(t, "first")), newClock()
	r := open(t, nil, c, m.source("private"))
	refreshed(t, r)
	d := r.Domains()[0]
	e := m.at
	e.timestamp++
	m.publish(e)
	c.pass(RefreshAfter + spread)
	refreshed(t, r)
	if r.Domains()[0] != d {
		t.Error("a new timestamp made another Domain; everything would be checked again for nothing")
	}
	if at := r.Status()[0].ObtainedAt; at == nil || !at.Equal(c.time()) {
		t.Errorf("obtained at %v: it was found good just now", at)
	}
}

// TestRoots_restartWithoutNetwork: every process of an installation goes on
// verifying with the copy, and shows its age.
func TestRoots_restartWithoutNetwork(t *testing.T) {
	m, c, sh := newMirror(t, trustedRoot(t, "first")), newClock(), newShelf()
	refreshed(t, open(t, sh, c, m.source("private")))
	obtained := c.time()
	m.server.Close()
	c.pass(3 * 24 * time.Hour)

	r := open(t, sh, c, m.source("private"))
	d := r.Domains()[0]
	if d.Root == nil || d.Stale {
		t.Fatalf("the offline copy isn't in use: %+v", d)
	}
	if at := r.Status()[0].ObtainedAt; at == nil || !at.Equal(obtained) {
		t.Errorf("its age is not known: %v", at)
	}
	refused(t, r, inventory.ReasonRegistryUnreachable, "refused")
	if r.Domains()[0].Stale {
		t.Error("three days old counts as stale")
	}

	c.pass(5 * 24 * time.Hour)
	if err := r.Refresh(t.Context()); err == nil {
		t.Error("the mirror is gone, and nothing is said")
	}
	if d := r.Domains()[0]; !d.Stale || d.Root == nil {
		t.Errorf("eight days old: %+v; want it stale and in use", d)
	}
	if s := r.Status()[0]; !s.Stale || s.Failure == nil {
		t.Errorf("the status is %+v", s)
	}
}

// TestRoots_staleOnceTheMetadataRanOut: whoever holds a repository back can't
// make an old root look new.
func TestRoots_staleOnceTheMetadataRanOut(t *testing.T) {
	m, c := newMirror(t, trustedRoot(t, "first")), newClock()
	e := m.at
	e.timestamp++
	e.expires = c.time().Add(48 * time.Hour)
	m.publish(e)
	r := open(t, nil, c, m.source("private"))
	refreshed(t, r)
	c.pass(49 * time.Hour)
	refused(t, r, inventory.ReasonTrustRootStale, "run out")
	if d := r.Domains()[0]; !d.Stale {
		t.Error("the metadata ran out, and the domain isn't stale")
	}
}

func TestRoots_asksBeforeTheMetadataRunsOut(t *testing.T) {
	m, c := newMirror(t, trustedRoot(t, "first")), newClock()
	e := m.at
	e.root, e.timestamp = e.root+1, e.timestamp+1
	e.expires = c.time().Add(10 * time.Hour)
	m.publish(e)
	r := open(t, nil, c, m.source("private"))
	refreshed(t, r)
	e.root, e.timestamp = e.root+1, e.timestamp+1
	e.expires = c.time().AddDate(1, 0, 0)
	m.publish(e)
	c.pass(9*time.Hour + time.Minute)
	refreshed(t, r)
	c.pass(time.Hour)
	refreshed(t, r)
	if r.Domains()[0].Stale {
		t.Error("newer metadata was there, and wasn't asked for in time")
	}
}

// TestRoots_hangingServer: a server that takes the connection and says nothing
// costs a bounded time.
func TestRoots_hangingServer(t *testing.T) {
	m, c := newMirror(t, trustedRoot(t, "first")), newClock()
	r := open(t, nil, c, m.source("private"))
	ctx, cancel := context.WithCancel(t.Context())
	released := make(chan struct{})
	m.breaks(func(w http.ResponseWriter, _ *http.Request) { cancel(); <-released })
	t.Cleanup(func() { close(released) })
	if err := r.Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if f := r.Status()[0].Failure; f == nil || f.Reason != inventory.ReasonRegistryUnreachable {
		t.Errorf("the failure is %+v", f)
	}
}

func TestRoots_waitsLongerAfterEachFailure(t *testing.T) {
	m, c := newMirror(t, trustedRoot(t, "first")), newClock()
	m.breaks(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusInternalServerError) })
	r := open(t, nil, c, m.source("private"))
	attempts := 0
	for range 24 * 60 { // each minute of a day
		_ = r.Refresh(t.Context())
		attempts += m.requests()
		c.pass(time.Minute)
	}
	if attempts < 24 || attempts > 70 {
		t.Errorf("asked %d times in a day; want about one in an hour", attempts)
	}
	m.breaks(nil)
	c.pass(retryMost)
	refreshed(t, r)
	if s := r.Status()[0]; s.Failure != nil || s.Stale {
		t.Errorf("after it came back: %+v", s)
	}
}

// TestRoots_takesOverWhatAnotherProcessFetched: two processes of an
// installation don't check with different roots for long.
func TestRoots_takesOverWhatAnotherProcessFetched(t *testing.T) {
	m, c, sh := newMirror(t, trustedRoot(t, "first")), newClock(), newShelf()
	one, other := open(t, sh, c, m.source("private")), open(t, sh, c, m.source("private"))
	refreshed(t, one)
	m.requests()
	refreshed(t, other)
	if m.requests() != 0 || other.Domains()[0].Revision != one.Domains()[0].Revision {
		t.Error("the other process didn't take the copy over")
	}
}

// TestRoots_copyOfAnotherInstanceIsNotUsed: the name in the configuration has
// come to mean another repository.
func TestRoots_copyOfAnotherInstanceIsNotUsed(t *testing.T) {
	m, c, sh := newMirror(t, trustedRoot(t, "first")), newClock(), newShelf()
	refreshed(t, open(t, sh, c, m.source("private")))
	elsewhere := m.source("private")
	elsewhere.TUF += "/elsewhere"
	if d := open(t, sh, c, elsewhere).Domains()[0]; d.Root != nil {
		t.Error("another repository's root is in use")
	}
	anew := m.source("private")
	anew.TUFRoot = newMirror(t, nil).anchor()
	if d := open(t, sh, c, anew).Domains()[0]; d.Root != nil {
		t.Error("a root that was begun with other root metadata is in use")
	}
	for name, raw := range map[string]string{"garbage": "{", "of another version": `{"version":9}`} {
		sh.raw["private"] = []byte(raw)
		if d := open(t, sh, c, m.source("private")).Domains()[0]; d.Root != nil {
			t.Errorf("a copy that is %s is in use", name)
		}
	}
}

func TestRoots_fetchedRootIsUsedWhenItCannotBeKept(t *testing.T) {
	m, c, sh := newMirror(t, trustedRoot(t, "first")), newClock(), newShelf()
	sh.failing = errors.New("disk full")
	r := open(t, sh, c, m.source("private"))
	if err := r.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v", err)
	}
	if r.Domains()[0].Root == nil {
		t.Error("what was fetched and verified isn't in use")
	}
}

func TestRoots_fileIsReadAgainWhenItChanges(t *testing.T) {
	file, c := filepath.Join(t.TempDir(), target), newClock()
	write := func(raw []byte) {
		t.Helper()
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(trustedRoot(t, "first"))
	r := open(t, nil, c, Source{Name: "private", File: file})
	d := r.Domains()[0]
	if !strings.Contains(authority(d), "CN=first") || d.Stale {
		t.Fatalf("got %+v", d)
	}
	refreshed(t, r)
	if r.Domains()[0] != d {
		t.Error("the file didn't change, but it is another Domain")
	}

	write([]byte("{"))
	refused(t, r, inventory.ReasonTrustRootStale, "is not a trusted_root.json")
	if d := r.Domains()[0]; !d.Stale || !strings.Contains(authority(d), "CN=first") {
		t.Errorf("a broken file: %+v; want the old root, and that it is stale", d)
	}
	refreshed(t, r) // one broken file is told of once
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	refused(t, r, inventory.ReasonTrustRootStale, "no such file")

	write(trustedRoot(t, "second"))
	refreshed(t, r)
	if d := r.Domains()[0]; d.Stale || !strings.Contains(authority(d), "CN=second") {
		t.Errorf("after the file was mended: %+v", d)
	}
	c.pass(365 * 24 * time.Hour)
	refreshed(t, r)
	if r.Domains()[0].Stale {
		t.Error("a file has no age")
	}
}

func TestRoots_refusesBrokenFileAtStart(t *testing.T) {
	dir := t.TempDir()
	huge := filepath.Join(dir, "huge")
	if f, err := os.Create(huge); err != nil || f.Truncate(maxRoot+1) != nil || f.Close() != nil {
		t.Fatal(err)
	}
	for file, says := range map[string]string{filepath.Join(dir, "none"): "no such file", dir: "is not a file", huge: "is longer"} {
		_, err := NewRoots(t.Context(), []Source{{Name: "private", File: file}}, Options{})
		if inventory.KindOf(err) != inventory.Invalid || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: got %v", file, err)
		}
	}
}

func TestRoots_domainsAreNeverMerged(t *testing.T) {
	m, c := newMirror(t, trustedRoot(t, "first")), newClock()
	other := newMirror(t, trustedRoot(t, "second"))
	r := open(t, nil, c, m.source("one"), other.source("two"))
	other.breaks(endless)
	if err := r.Refresh(t.Context()); err == nil {
		t.Error("the second is broken, and nothing is said")
	}
	d := r.Domains()
	if len(d) != 2 || d[0].Name != "one" || d[0].Root == nil || d[1].Name != "two" || d[1].Root != nil {
		t.Errorf("got %+v", d)
	}
}

func TestRun_refreshesUntilTheEnd(t *testing.T) {
	m, c := newMirror(t, trustedRoot(t, "first")), newClock()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rounds := 0
	r, err := NewRoots(ctx, []Source{m.source("private")}, Options{Now: c.time, Wait: func(ctx context.Context, d time.Duration) error {
		if rounds++; rounds == 3 {
			cancel()
		}
		if rounds == 1 {
			m.publish(m.next(trustedRoot(t, "second")))
		}
		c.pass(RefreshAfter + spread)
		return ctx.Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.Run(ctx)
	if rounds != 3 || !strings.Contains(authority(r.Domains()[0]), "CN=second") {
		t.Errorf("%d rounds, then %s", rounds, authority(r.Domains()[0]))
	}
}

func TestStatus_saysWhatIsInARoot(t *testing.T) {
	m, c := newMirror(t, trustedRoot(t, "the authority\u202e")), newClock()
	r := open(t, nil, c, m.source("private"))
	if s := r.Status()[0]; s.Kind != "sigstore" || s.Name != "private" || !s.Stale || s.Failure == nil || s.ObtainedAt != nil || s.Source != m.server.URL {
		t.Errorf("before the first fetch: %+v", s)
	}
	refreshed(t, r)
	s := r.Status()[0]
	text := ""
	for _, f := range s.Facts {
		text += f.Name + ": " + f.Value + "\n"
	}
	for _, want := range []string{
		"Certificate authority: CN=the authority⟨U+202E⟩,O=example, https://fulcio.example.com, 2025-03-01 to 2035-03-01\n",
		"Transparency log: https://rekor.example.com, from 2025-03-01\n",
		"https://tsa.example.com, 2025-03-01 to 2026-03-01\n",
		"TUF metadata: root version 1, good until ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the facts are\n%swithout %q", text, want)
		}
	}
	if s.Stale || s.Failure != nil || s.ObtainedAt == nil {
		t.Errorf("got %+v", s)
	}
}
