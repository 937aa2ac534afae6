package sigstore

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"signboard/inventory"
)

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
