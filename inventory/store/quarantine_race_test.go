package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
)

// together runs all at the same moment and fails with what they fail with.
func (w *world) together(all ...func() error) {
	w.Helper()
	var group sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, len(all))
	for n, f := range all {
		group.Go(func() {
			<-start
			errs[n] = f()
		})
	}
	close(start)
	group.Wait()
	w.must(errors.Join(errs...))
}

// A sync stores what a tag points at now, or a new index, at the moment at which
// somebody holds the tag, or a platform of the index: whoever comes first, there is
// no image that isn't held.
func TestQuarantine_besideASyncMissesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		const rounds = 12
		var names []string
		for n := range rounds {
			names = append(names, fmt.Sprintf("a%d", n), fmt.Sprintf("b%d", n))
		}
		w.list("local", names...)
		for n := range rounds {
			tagged, lists := fmt.Sprintf("a%d", n), fmt.Sprintf("b%d", n)
			platform := 100*n + 1
			w.look("local", tagged, unsigned(100*n+50, "v1"))
			first, second := w.claim("local", tagged), w.claim("local", lists)
			moved, listed := w.judged(unsigned(platform, "v1")), w.judged(index(100*n+10, []string{"x"}, unsigned(platform), unsigned(100*n+2))...)
			w.together(
				func() error {
					return w.db.RecordQuarantine(t.Context(), inventory.Quarantine{ID: fmt.Sprint("q", n), Repository: "local/" + tagged, Tag: "v1", At: w.now, By: "Dana", Reason: "because"}, w.entry("image.quarantine"))
				},
				func() error { return w.db.RecordImages(t.Context(), first, moved, w.now) },
				func() error { return w.db.RecordImages(t.Context(), second, listed, w.now) },
			)
			if why := w.why("local", tagged, digest(platform)); why != "tag " {
				t.Errorf("round %d: what the tag points at is held for %q", n, why)
			}
			if why := w.why("local", lists, digest(100*n+10)); why != "index linux/amd64" {
				t.Errorf("round %d: the index that lists it is held for %q", n, why)
			}
			if why := w.why("local", lists, digest(100*n+2)); why != "" {
				t.Errorf("round %d: the platform beside it is held for %q", n, why)
			}
		}
		_, err := w.db.StaleVerdicts(t.Context(), w.now, 10)
		w.must(err)
		w.held()
		w.noDrift()
	})
}

// Two quarantined tags are moved to the two platforms of one index at the same
// moment, by two syncs that each add to a quarantine.
func TestQuarantine_twoSyncsGainAtTheSameMoment(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b", "c")
		w.quarantine("a", inventory.Quarantine{Repository: "local/a", Tag: "v1"})
		w.quarantine("b", inventory.Quarantine{Repository: "local/b", Tag: "v1"})
		for n := range 8 {
			w.after(time.Minute)
			one, two, list := 100*n+1, 100*n+2, 100*n+10
			a, b, c := w.claim("local", "a"), w.claim("local", "b"), w.claim("local", "c")
			first, second, third := w.judged(unsigned(one, "v1")), w.judged(unsigned(two, "v1")), w.judged(index(list, []string{"x"}, unsigned(one), unsigned(two))...)
			w.together(
				func() error { return w.db.RecordImages(t.Context(), a, first, w.now) },
				func() error { return w.db.RecordImages(t.Context(), b, second, w.now) },
				func() error { return w.db.RecordImages(t.Context(), c, third, w.now) },
			)
			for _, id := range []string{"a", "b"} {
				q, err := w.db.Quarantine(t.Context(), id)
				w.must(err)
				if q.DigestCount != 2*(n+1) {
					t.Errorf("round %d: %s holds %d digests, want its own and the index in each round", n, id, q.DigestCount)
				}
			}
		}
		w.noDrift()
	})
}

// Approve and quarantine at the same moment: both are of their own signer or digest,
// so neither makes the other wrong, and neither is lost. The image becomes trusted
// underneath and stays held; whoever looked before is told by the preview's numbers,
// which are compared when the form is sent.
func TestQuarantine_besideAnApprovalContradictsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a")
		for n := range 6 {
			w.look("local", "a", signed(n, inventory.Unapproved, []int{n}, fmt.Sprint("v", n)))
			s, err := w.db.Signer(t.Context(), keyID(n), w.now)
			w.must(err)
			w.together(
				func() error {
					return w.db.RecordDecision(t.Context(), inventory.Decision{
						ID: fmt.Sprint("d", n), Signer: s.ID, Verb: inventory.Approve, Repositories: []inventory.Glob{"**"}, Reason: "because",
						State: inventory.StateActive, DecidedBy: []inventory.Decider{{Name: "Sam", Subject: "i|s", At: w.now}},
					}, s.Revision, nil, w.entry("signer.approve"))
				},
				func() error {
					return w.db.RecordQuarantine(t.Context(), inventory.Quarantine{ID: fmt.Sprint("q", n), Digest: digest(n), At: w.now, By: "Dana", Reason: "because"}, w.entry("image.quarantine"))
				},
			)
			i := w.image("local", "a", digest(n))
			if i.Quarantine == nil {
				t.Errorf("round %d: the image isn't held", n)
			}
			stale, err := w.db.StaleVerdicts(t.Context(), w.now, 10)
			w.must(err)
			if len(stale) != 1 || stale[0] != i.ID {
				t.Errorf("round %d: to be judged again are %v", n, stale)
			}
			d, err := w.db.Decisions(t.Context(), nil)
			w.must(err)
			w.must(w.db.RecordVerdicts(t.Context(), map[int64]inventory.Verdict{i.ID: verdict(inventory.Trusted)}, d.Revision, w.now))
			if i := w.image("local", "a", digest(n)); i.Status != inventory.Trusted || i.Quarantine == nil {
				t.Errorf("round %d: it is %s, held by %+v", n, i.Status, i.Quarantine)
			}
		}
		// One digest held twice: one wins.
		var refused [2]error
		w.together(func() (_ error) {
			refused[0] = w.db.RecordQuarantine(t.Context(), inventory.Quarantine{ID: "x", Digest: digest(77), At: w.now, By: "Dana", Reason: "because"}, w.entry("image.quarantine"))
			return nil
		}, func() (_ error) {
			refused[1] = w.db.RecordQuarantine(t.Context(), inventory.Quarantine{ID: "y", Digest: digest(77), At: w.now, By: "Sam", Reason: "because"}, w.entry("image.quarantine"))
			return nil
		})
		if (refused[0] == nil) == (refused[1] == nil) || inventory.KindOf(errors.Join(refused[:]...)) != inventory.Conflict {
			t.Errorf("two of one digest: %v and %v", refused[0], refused[1])
		}
		w.noDrift()
	})
}

func TestOpen_quarantinesOfEarlierVersionsHoldDigests(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		image := func(id, repository, n int, kind string, held string) string {
			return fmt.Sprintf("insert into images (id, registry_id, repository_id, digest, kind, media_type, size, first_seen, last_seen, listed, status, reason, message, quarantine_id) values "+
				"(%d, 1, %d, '%s', '%s', 'm', 1, 1000, 2000, true, 'unsigned', 'no_signature', 'It is.', %s)", id, repository, digest(n), kind, held)
		}
		held := func(id string, n int, tag string, released string) string {
			d, repository := "", ""
			if tag == "" {
				d = string(digest(n))
			} else {
				repository = "local/app"
			}
			return fmt.Sprintf("insert into quarantines (id, digest, repository, tag, reason, by_name, at, released_at) values ('%s', '%s', '%s', '%s', 'because', 'Dana', 1500, %s)", id, d, repository, tag, released)
		}
		at(t, dsn, 8,
			"insert into registries (id, name, url, interval_ms, repositories, tags, next_due_at) values (1, 'local', 'http://local.test', 1, '[]', '[]', 0)",
			"insert into repositories (id, registry_id, name, full_name, gone, first_seen, last_seen, read_at, next_due_at) values (1, 1, 'app', 'local/app', false, 1000, 2000, 2000, 0), (2, 1, 'copy', 'local/copy', false, 1000, 2500, 2000, 0)",
			image(1, 1, 1, "image", "'tag'"), image(2, 2, 1, "image", "null"), image(3, 1, 10, "index", "'digest'"), image(4, 1, 2, "image", "null"), image(5, 1, 3, "image", "null"),
			"insert into tags (repository_id, name, image_id, digest, since) values (1, 'v1', 1, '"+string(digest(1))+"', 1000), (2, 'x', 2, '"+string(digest(1))+"', 1000)",
			"insert into platforms (image_id, position, repository_id, platform, digest, media_type, size) values (3, 0, 1, 'linux/amd64', '"+string(digest(2))+"', 'm', 1)",
			held("tag", 0, "v1", "null"), held("digest", 10, "", "null"), held("over", 3, "", "1700"))
		db := open(t, dsn)
		now := time.UnixMilli(3000)
		if _, err := db.StaleVerdicts(t.Context(), now, 10); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			repository string
			n          int
			by         string
		}{{"app", 1, "tag"}, {"copy", 1, "tag"}, {"app", 10, "digest"}, {"app", 2, "digest"}, {"app", 3, ""}} {
			i, err := db.Image(t.Context(), "local", c.repository, digest(c.n), now)
			if err != nil {
				t.Fatal(err)
			}
			by := ""
			if i.Quarantine != nil {
				by = i.Quarantine.ID
			}
			if by != c.by {
				t.Errorf("image %d in %s is held by %q, want %q", c.n, c.repository, by, c.by)
			}
		}
		if q, err := db.Quarantine(t.Context(), "over"); err != nil || q.DigestCount != 1 {
			t.Errorf("the released one held %+v, %v", q, err)
		}
	})
}
