package syncer_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/registry"
)

// native makes the registry answer the referrers API with what is listed.
func (w *world) native(listed map[inventory.Digest][]inventory.Descriptor) {
	f := func(rw http.ResponseWriter, r *http.Request) bool {
		_, of, ok := strings.Cut(r.URL.Path, "/referrers/")
		if !ok {
			return false
		}
		rw.Header().Set("Content-Type", inventory.MediaTypeOCIIndex)
		fmt.Fprint(rw, indexText(listed[inventory.Digest(of)]...))
		return true
	}
	w.trouble.Store(&f)
}

// listen writes down what the registry is asked until the function it returns is
// called.
func (w *world) listen() (asked func() []string) {
	var (
		mu    sync.Mutex
		lines []string
	)
	before := w.trouble.Load()
	f := func(rw http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		lines = append(lines, r.Method+" "+r.URL.Path)
		mu.Unlock()
		return before != nil && (*before)(rw, r)
	}
	w.trouble.Store(&f)
	return func() []string {
		w.trouble.Store(before)
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(lines)
		return lines
	}
}

// TestSync_unchangedCostsTheFloor holds every request of a sync that finds
// nothing new: the catalog, a list of tags for each repository, a HEAD for each
// tag and for each companion tag, and where the registry has the API, the
// referrers of each digest. Where it hasn't, nothing is asked instead.
func TestSync_unchangedCostsTheFloor(t *testing.T) {
	for _, native := range []bool{true, false} {
		t.Run(fmt.Sprint("referrers API: ", native), func(t *testing.T) {
			w := newWorld(t)
			w.decide(inventory.Approve, "**", nil)
			signed, referred, plain := w.push("app:v1"), w.push("app:v2"), w.push("other:v1")
			w.copyImage("app:v1", "app:latest")
			w.sign("app", signed, signed, w.key)
			payload := w.signatureLayer("app", referred, w.key)
			attached := w.refer("app", referred, payload)
			w.manifest("app", referred.TagPrefix(), inventory.MediaTypeOCIIndex, index(attached))
			want := []string{
				"GET /v2/_catalog", "GET /v2/app/tags/list", "GET /v2/other/tags/list",
				"HEAD /v2/app/manifests/v1", "HEAD /v2/app/manifests/v2", "HEAD /v2/app/manifests/latest", "HEAD /v2/other/manifests/v1",
				"HEAD /v2/app/manifests/" + signed.TagPrefix() + ".sig", "HEAD /v2/app/manifests/" + referred.TagPrefix(),
			}
			if native {
				w.native(map[inventory.Digest][]inventory.Descriptor{referred: {attached}})
				for _, of := range []string{"app/referrers/" + string(signed), "app/referrers/" + string(referred), "other/referrers/" + string(plain)} {
					want = append(want, "GET /v2/"+of)
				}
			}
			slices.Sort(want)
			w.sync()
			for range 2 {
				w.pass(4 * time.Minute)
				asked := w.listen()
				summary := w.sync()
				if got := asked(); !slices.Equal(got, want) {
					t.Errorf("asked\n  %s\nand the floor is\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
				}
				if summary.Requests != int64(len(want)) || summary.Retried != 0 {
					t.Errorf("the summary counts %+v", summary.Traffic)
				}
				// Three images are known; of the nine tags that signatures may be at,
				// seven aren't there; each of the two tags that are stands for a
				// manifest and a blob; and there is the third thing attached, or no
				// question what refers to three images.
				saved := int64(3 + 7 + 2*2 + 2)
				if !native {
					saved = 3 + 7 + 2*2 + 3
				}
				if summary.Saved != saved {
					t.Errorf("saved %d, not %d", summary.Saved, saved)
				}
				if len(summary.Registries) != 1 || summary.Registries[0].Traffic != summary.Traffic {
					t.Errorf("by registry: %+v", summary.Registries)
				}
			}
			w.expect("app", signed, inventory.Trusted, inventory.ReasonOK)

			// What was attached since is seen all the same.
			w.sign("other", plain, plain, w.key)
			moved := w.manifest("app", referred.TagPrefix(), inventory.MediaTypeOCIIndex, index(attached, w.refer("app", referred)))
			w.pass(4 * time.Minute)
			asked := w.listen()
			w.sync()
			w.expect("other", plain, inventory.Trusted, inventory.ReasonOK)
			if got := asked(); !slices.Contains(got, "GET /v2/app/manifests/"+string(moved.Digest)) {
				t.Errorf("the referrers tag moved and wasn't read: %q", got)
			}
		})
	}
}

// TestSync_aMissingAPIIsRememberedAcrossProcesses: the next process doesn't ask
// each repository again whether there is a referrers API.
func TestSync_aMissingAPIIsRememberedAcrossProcesses(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.push(fmt.Sprintf("team/app-%d:v1", i))
	}
	questions := func() (n int) {
		asked := w.listen()
		w.sync()
		for _, line := range asked() {
			if strings.Contains(line, "/referrers/") {
				n++
			}
		}
		return n
	}
	if n := questions(); n != 5 {
		t.Errorf("the first sync asked %d times, once for each of 5 repositories", n)
	}
	w.pass(5 * time.Minute)
	w.restart()
	if n := questions(); n != 0 {
		t.Errorf("the next process asked %d times", n)
	}
	w.pass(7 * time.Hour)
	if n := questions(); n != 5 {
		t.Errorf("seven hours later it asked %d times, not each again", n)
	}
}

// restart is another process over the same database.
func (w *world) restart() {
	w.t.Helper()
	var err error
	w.client, err = registry.New(registry.Config{Name: "local", URL: w.server.URL, AllowPrivate: true, Repositories: []inventory.Glob{"**"}, Now: w.clock})
	w.must(err)
	w.syncer = w.syncerOver(w.store)
}
