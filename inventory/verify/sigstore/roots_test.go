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

	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"

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

func TestRoots_refusesRollbackAfterRestart(t *testing.T) {
	for name, back := range map[string]func(old, present edition) edition{
		"of everything": func(old, _ edition) edition { return old },
		"of the snapshot under a new timestamp": func(old, present edition) edition {
			old.timestamp = present.timestamp + 1
			return old
		},
		"of the targets under a new snapshot": func(old, present edition) edition {
			old.timestamp, old.snapshot = present.timestamp+1, present.snapshot+1
			return old
		},
		"of the snapshot under the same timestamp version": func(old, present edition) edition {
			old.timestamp = present.timestamp
			return old
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, c, sh := newMirror(t, trustedRoot(t, "old")), newClock(), newShelf()
			old := m.at
			m.publish(m.next(trustedRoot(t, "new")))
			refreshed(t, open(t, sh, c, m.source("private")))

			m.publish(back(old, m.at))
			c.pass(RefreshAfter + spread)
			r := open(t, sh, c, m.source("private")) // a new process, nothing on disk
			refused(t, r, inventory.ReasonTrustRootStale, "refused")
			if !strings.Contains(authority(r.Domains()[0]), "CN=new") {
				t.Error("the older root came into use")
			}
		})
	}
}

// TestRoots_rollbackOfTheRootMetadata: a copy that was once further along the
// chain of root metadata doesn't go back to keys that were replaced.
func TestRoots_rollbackOfTheRootMetadata(t *testing.T) {
	m, c, sh := newMirror(t, trustedRoot(t, "first")), newClock(), newShelf()
	stolen := m.keys[metadata.TIMESTAMP]
	m.keys[metadata.TIMESTAMP] = newKey(t)
	m.rotate()
	refreshed(t, open(t, sh, c, m.source("private")))

	// Whoever has the old key hides the second root and signs on.
	m.keys[metadata.TIMESTAMP] = stolen
	delete(m.files, "2.root.json")
	e := m.at
	e.root, e.timestamp = 1, e.timestamp+5
	m.publish(e)
	c.pass(RefreshAfter + spread)
	refused(t, open(t, sh, c, m.source("private")), inventory.ReasonTrustRootStale, "isn't signed")
}

// TestRoots_replacedKeys: with a replaced timestamp key the versions begin
// again (TUF specification, section 5.3.11).
func TestRoots_replacedKeys(t *testing.T) {
	m, c, sh := newMirror(t, trustedRoot(t, "first")), newClock(), newShelf()
	e := m.at
	e.timestamp, e.snapshot = 900, 900 // somebody ran the versions up
	m.publish(e)
	refreshed(t, open(t, sh, c, m.source("private")))
	m.keys[metadata.TIMESTAMP], m.keys[metadata.SNAPSHOT] = newKey(t), newKey(t)
	m.at.timestamp, m.at.snapshot = 2, 2
	m.at.trustedRoot = trustedRoot(t, "second")
	m.at.targets++
	m.rotate()
	c.pass(RefreshAfter + spread)
	r := open(t, sh, c, m.source("private"))
	refreshed(t, r)
	if !strings.Contains(authority(r.Domains()[0]), "CN=second") {
		t.Error("the repository can't recover from versions that were run up")
	}
}

func TestRoots_refuses(t *testing.T) {
	for name, test := range map[string]struct {
		breaks func(t *testing.T, m *mirror)
		reason inventory.Reason
		says   string
	}{
		"expired metadata": {func(t *testing.T, m *mirror) {
			e := m.next(trustedRoot(t, "second"))
			e.expires = time.Now().Add(-time.Hour)
			m.publish(e)
		}, inventory.ReasonTrustRootStale, "run out"},
		"metadata of another's key": {func(t *testing.T, m *mirror) {
			m.keys[metadata.TIMESTAMP] = newKey(t)
			m.publish(m.next(trustedRoot(t, "second")))
		}, inventory.ReasonTrustRootStale, "isn't signed"},
		"a root that the last one didn't sign": {func(t *testing.T, m *mirror) {
			m.keys[metadata.ROOT] = newKey(t)
			m.at.root++
			m.publish(m.next(trustedRoot(t, "second")))
		}, inventory.ReasonTrustRootStale, "isn't signed"},
		"a target that isn't what was signed": {func(t *testing.T, m *mirror) {
			m.publish(m.next(trustedRoot(t, "second")))
			for name := range m.files {
				if strings.HasPrefix(name, "targets/") {
					m.files[name] = append(m.files[name][:len(m.files[name])-1:len(m.files[name])-1], ' ')
				}
			}
		}, inventory.ReasonTrustRootStale, "don't fit together"},
		"a trusted root that can't be parsed": {func(t *testing.T, m *mirror) {
			m.publish(m.next([]byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":7}`)))
		}, inventory.ReasonTrustRootStale, "can't be read"},
		"a trusted root that vouches for nothing": {func(t *testing.T, m *mirror) {
			m.publish(m.next([]byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`)))
		}, inventory.ReasonTrustRootStale, "no certificate authority"},
		"a trusted root that is huge": {func(t *testing.T, m *mirror) {
			m.publish(m.next(make([]byte, maxRoot+1)))
		}, inventory.ReasonTooLarge, "more than is read"},
		"an answer without end": {func(t *testing.T, m *mirror) { m.breaks(endless) }, inventory.ReasonTooLarge, "more than is read"},
		"an error page": {func(t *testing.T, m *mirror) {
			m.breaks(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "<h1>no</h1>", http.StatusBadGateway) })
		}, inventory.ReasonRegistryUnreachable, "answered 502"},
		"something that isn't metadata": {func(t *testing.T, m *mirror) {
			m.breaks(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "2.root.json") {
					http.NotFound(w, r)
					return
				}
				w.Write([]byte("<html>\u202e"))
			})
		}, inventory.ReasonTrustRootStale, "can't be read"},
		"a connection that ends halfway": {func(t *testing.T, m *mirror) {
			m.breaks(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "1000")
				w.Write([]byte("{"))
			})
		}, inventory.ReasonRegistryUnreachable, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			m, c, sh := newMirror(t, trustedRoot(t, "first")), newClock(), newShelf()
			source := m.source("private")
			r := open(t, sh, c, source)
			refreshed(t, r)
			kept := sh.raw["private"]
			test.breaks(t, m)
			c.pass(RefreshAfter + spread)
			refused(t, r, test.reason, test.says)
			if string(sh.raw["private"]) != string(kept) {
				t.Error("the copy was changed")
			}

			// One that never had anything gets nothing out of it, either.
			fresh := open(t, newShelf(), c, source)
			if err := fresh.Refresh(t.Context()); err == nil || fresh.Domains()[0].Root != nil {
				t.Errorf("a first fetch took it: %v", err)
			}
		})
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

// TestRoots_storageThatForbidsWhatIsNotThere: a mirror in a bucket answers 403
// for the root metadata after the last.
func TestRoots_storageThatForbidsWhatIsNotThere(t *testing.T) {
	m, c := newMirror(t, trustedRoot(t, "first")), newClock()
	m.breaks(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		file, ok := m.files[strings.TrimPrefix(r.URL.Path, "/")]
		m.mu.Unlock()
		if !ok {
			http.Error(w, "AccessDenied", http.StatusForbidden)
			return
		}
		w.Write(file)
	})
	r := open(t, nil, c, m.source("private"))
	refreshed(t, r)
	m.mu.Lock()
	delete(m.files, "timestamp.json")
	m.mu.Unlock()
	c.pass(RefreshAfter + spread)
	refused(t, r, inventory.ReasonRegistryUnreachable, "answered 403 for timestamp.json")
}

func TestCheckTUFRoot_refusesWhatNobodySigned(t *testing.T) {
	m := newMirror(t, nil)
	if err := CheckTUFRoot(m.anchor()); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for name, raw := range map[string]string{
		"nothing": "", "no JSON": "<", "a trusted root": string(trustedRoot(t, "first")), "a timestamp": string(m.files["timestamp.json"]),
		"altered": strings.Replace(string(m.anchor()), `"version":1`, `"version":2`, 1),
	} {
		if err := CheckTUFRoot([]byte(raw)); err == nil || err.Error() == "" {
			t.Errorf("%s was accepted", name)
		}
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

func TestPublicGood_beginsWithSigstoresRoot(t *testing.T) {
	s := PublicGood("public-good", http.DefaultClient)
	root, err := startingRoot(s, nil)
	if err != nil || string(root) != string(tuf.DefaultRoot()) || s.TUF != tuf.DefaultMirror || s.anchor() != "" {
		t.Errorf("begins with %d bytes from %s: %v", len(root), s.TUF, err)
	}
	if err := CheckTUFRoot(root); err != nil {
		t.Error(err)
	}
}
