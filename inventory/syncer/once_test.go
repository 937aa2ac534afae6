package syncer_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"signboard/inventory"
	"signboard/inventory/store"
)

// once looks at one image and holds that nothing was stored and no work taken.
func (w *world) once(repository, reference string) []inventory.ImageFinding {
	w.t.Helper()
	reading, err := store.OpenReading(w.t.Context(), w.dsn)
	w.must(err)
	defer reading.Close()
	findings, err := w.syncerOver(reading).Once(w.t.Context(), "local", repository, reference)
	w.must(err)
	if len(findings) == 0 {
		w.t.Fatalf("looking at %s %s found nothing", repository, reference)
	}
	return findings
}

func TestOnce_saysWhatASyncWouldSay(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "local/payments/**", nil)
	signed, _, foreign, copied := w.push("payments/api:v1"), w.push("payments/api:v2"), w.push("data/jobs:v1"), w.push("payments/api:v3")
	w.sign("payments/api", signed, signed, w.key)
	w.sign("data/jobs", foreign, foreign, w.key)
	w.sign("payments/api", copied, signed, w.key)
	stranger, _ := w.register("somebody else's")
	w.keys.Store(nil)
	hidden := w.push("payments/api:v4")
	w.sign("payments/api", hidden, hidden, stranger)

	type said struct {
		digest inventory.Digest
		inventory.Verdict
	}
	before := map[string]said{}
	for _, tag := range []string{"payments/api:v1", "payments/api:v2", "data/jobs:v1", "payments/api:v3", "payments/api:v4"} {
		repository, reference, _ := strings.Cut(tag, ":")
		f := w.once(repository, reference)[0]
		if f.Failure != nil || f.Evidence.Incomplete != nil || !slices.Equal(f.Tags, []string{reference}) || f.MediaType == "" {
			t.Errorf("%s: %+v", tag, f)
		}
		again := w.once(repository, string(f.Digest))[0]
		if again.Verdict.Status != f.Verdict.Status || again.Digest != f.Digest || len(again.Tags) > 0 {
			t.Errorf("%s by its digest is %+v, and by its tag %+v", tag, again.Verdict, f.Verdict)
		}
		before[tag] = said{f.Digest, f.Verdict}
	}
	list, err := w.store.Images(t.Context(), inventory.ImageFilter{}, inventory.Page{}, w.clock())
	if err != nil || len(list.Images) > 0 {
		t.Errorf("looking stored %+v, %v", list.Images, err)
	}
	w.sync()
	for tag, s := range before {
		repository, _, _ := strings.Cut(tag, ":")
		if i := w.image(repository, s.digest); i.Status != s.Status || i.Reason != s.Reason || i.Message != s.Message {
			t.Errorf("%s: a sync says %s, %s, %q; a look before it said %+v", tag, i.Status, i.Reason, i.Message, s.Verdict)
		}
	}
}

func TestOnce_seesTheRegistryOfNowAndNotTheInventory(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	first := w.push("a:v1")
	w.sign("a", first, first, w.key)
	w.sync()
	w.remove("a:" + first.TagPrefix() + ".sig")
	if f := w.once("a", "v1")[0]; f.Digest != first || f.Verdict.Status != inventory.Unsigned {
		t.Errorf("with its signature gone it is %+v", f.Verdict)
	}
	second := w.push("a:v1")
	if f := w.once("a", "v1")[0]; f.Digest != second {
		t.Errorf("the tag moved to %s, and %s is looked at", second.Short(), f.Digest.Short())
	}
	w.expect("a", first, inventory.Trusted, inventory.ReasonOK)
}

func TestOnce_looksAtEachImageOfAnIndex(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	platform, err := random.Image(64, 1)
	w.must(err)
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: platform, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	w.must(remote.WriteIndex(w.ref("a:v1"), index))
	at, err := index.Digest()
	w.must(err)
	child, err := platform.Digest()
	w.must(err)
	w.sign("a", inventory.Digest(at.String()), inventory.Digest(at.String()), w.key)
	f := w.once("a", "v1")
	if len(f) != 2 || f[0].Verdict.Status != inventory.Trusted || f[1].Verdict.Status != inventory.Unsigned || f[1].Digest != inventory.Digest(child.String()) {
		t.Fatalf("%+v", f)
	}
	if p := f[0].Platforms; len(p) != 1 || p[0].Platform != "linux/arm64" {
		t.Errorf("its platforms are %+v", p)
	}
	alone, err := w.syncer.Alone(t.Context(), "local", "a", inventory.Digest(at.String()))
	w.must(err)
	if p := alone.Platforms; len(p) != 1 || p[0].Digest != inventory.Digest(child.String()) || alone.Verdict.Status != inventory.Trusted {
		t.Errorf("looked at alone it is %+v", alone)
	}
}

func TestOnce_whatCannotBeReadIsUnknown(t *testing.T) {
	w := newWorld(t)
	w.decide(inventory.Approve, "**", nil)
	d := w.push("a:v1")
	w.sign("a", d, d, w.key)
	absent := string(inventory.DigestOf([]byte("absent")))
	exactly := func(path string) {
		f := func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == path {
				rw.WriteHeader(http.StatusInternalServerError)
			}
			return r.URL.Path == path
		}
		w.trouble.Store(&f)
	}
	for name, test := range map[string]struct {
		reference string
		trouble   func()
		reason    inventory.Reason
		digest    inventory.Digest
		found     bool // a signature, before something else couldn't be read
	}{
		"a tag that isn't there":       {"v9", w.recover, inventory.ReasonRegistryInconsistent, "", false},
		"a digest that isn't there":    {absent, w.recover, inventory.ReasonRegistryInconsistent, inventory.Digest(absent), false},
		"a tag that can't be resolved": {"v1", func() { w.fail(http.MethodHead, "/manifests/v1", http.StatusInternalServerError) }, inventory.ReasonRegistryUnreachable, "", false},
		"an image that can't be read":  {string(d), func() { w.fail(http.MethodGet, "/manifests/"+string(d), http.StatusForbidden) }, inventory.ReasonRegistryDenied, d, false},
		"a signature that can't be":    {"v1", func() { w.fail(http.MethodGet, ".sig", http.StatusInternalServerError) }, inventory.ReasonRegistryUnreachable, d, false},
		"a payload that can't be":      {"v1", func() { w.fail(http.MethodGet, "/blobs/", http.StatusInternalServerError) }, inventory.ReasonRegistryUnreachable, d, false},
		"a fallback tag that can't be": {"v1", func() { exactly("/v2/a/manifests/" + d.TagPrefix()) }, inventory.ReasonRegistryUnreachable, d, true},
		"a tag that can't be one":      {"../x", w.recover, inventory.ReasonPayloadMalformed, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			test.trouble()
			f := w.once("a", test.reference)[0]
			w.recover()
			unread := f.Failure
			if unread == nil {
				unread = f.Evidence.Incomplete
			}
			if unread == nil || f.Digest != test.digest {
				t.Fatalf("it is %+v", f)
			}
			if unread.Reason != test.reason {
				t.Errorf("it wasn't read because of %s (%s), want %s", unread.Reason, unread.Message, test.reason)
			}
			if test.found {
				if f.Verdict.Status != inventory.Trusted || f.Verdict.Reason != inventory.ReasonOK {
					t.Errorf("what was found isn't true any more: %+v", f.Verdict)
				}
			} else if f.Verdict.Status != inventory.Unknown || f.Verdict.Reason != test.reason {
				t.Errorf("it is %+v", f.Verdict)
			}
		})
	}
}

func TestOnce_refusesARegistryThatIsNotConfiguredAndEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	if _, err := w.syncer.Once(t.Context(), "elsewhere", "a", "v1"); inventory.KindOf(err) != inventory.NotFound {
		t.Errorf("it says %v", err)
	}
	w.push("a:v1")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	f := func(http.ResponseWriter, *http.Request) bool { cancel(stop); return false }
	w.trouble.Store(&f)
	if _, err := w.syncer.Once(ctx, "local", "a", "v1"); !errors.Is(err, stop) {
		t.Errorf("it says %v", err)
	}
}
