package verify_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/verifytest"
)

// attachedEverywhere is an image with something under a companion tag, something
// that the referrers API lists, and something under the referrers tag.
func attachedEverywhere(t *testing.T) *verifytest.Repo {
	t.Helper()
	r := repo(t)
	putFallback(t, r, refer(t, r, "test/signature", 1))
	refer(t, r, "test/other", 1)
	r.PutManifest(t, inventory.MediaTypeOCIManifest, manifest(nil, "test/signature"), r.Tags["v1"].TagPrefix()+".sig")
	return r
}

// again is the subject of a look after one that came to e.
func again(t *testing.T, r *verifytest.Repo, e inventory.Evidence) inventory.Subject {
	t.Helper()
	if e.Fingerprint == "" {
		t.Fatalf("the first look: %+v", e)
	}
	s := r.Subject(t, "v1")
	s.Known = e.Fingerprint
	return s
}

// found is evidence without what it is kept in: a manifest is the same whatever
// was said of it before it was read.
func found(t *testing.T, e inventory.Evidence) string {
	t.Helper()
	e.Material = nil
	return text(t, e)
}

func TestDiscover_readsNothingOfAKnownImage(t *testing.T) {
	r := attachedEverywhere(t)
	in := inspector(r, plain{})
	_, e := look(t, in, r)
	s, before := again(t, r, e), len(r.Calls())
	a := in.Discover(t.Context(), s)
	if a.Fingerprint() != e.Fingerprint || a.Empty() {
		t.Errorf("nothing changed, and what is attached is another: %+v", a)
	}
	prefix := s.Manifest.Digest.TagPrefix()
	want := []string{"resolve " + prefix + ".sig", "referrers " + string(s.Manifest.Digest), "resolve " + prefix}
	if calls := r.Calls()[before:]; !slices.Equal(calls, want) {
		t.Errorf("asked %q, want %q", calls, want)
	}
}

func TestDiscover_seesEachChangeOfAKnownImage(t *testing.T) {
	changes := map[string]func(r *verifytest.Repo){
		"the companion tag moved": func(r *verifytest.Repo) {
			r.PutManifest(t, inventory.MediaTypeOCIManifest, manifest(nil, "test/moved"), r.Tags["v1"].TagPrefix()+".sig")
		},
		"the companion tag went":      func(r *verifytest.Repo) { delete(r.Tags, r.Tags["v1"].TagPrefix()+".sig") },
		"another referrer":            func(r *verifytest.Repo) { refer(t, r, "test/third", 1) },
		"another list of referrers":   func(r *verifytest.Repo) { putFallback(t, r, refer(t, r, "test/listed", 1)) },
		"the list of referrers went":  func(r *verifytest.Repo) { delete(r.Tags, r.Tags["v1"].TagPrefix()) },
		"the list is an image now":    func(r *verifytest.Repo) { r.Tags[r.Tags["v1"].TagPrefix()] = r.Tags["v1"] },
		"the list is a manifest now":  func(r *verifytest.Repo) { r.Tags[r.Tags["v1"].TagPrefix()] = r.Tags[r.Tags["v1"].TagPrefix()+".sig"] },
		"a companion tag came beside": func(r *verifytest.Repo) { r.Tags[r.Tags["v1"].TagPrefix()+".sig"] = r.Tags["v1"] },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			r := attachedEverywhere(t)
			_, e := look(t, inspector(r, plain{}), r)
			change(r)
			s := again(t, r, e)
			in := inspector(r, plain{})
			a := in.Discover(t.Context(), s)
			if a.Fingerprint() == e.Fingerprint {
				t.Fatalf("not seen: %+v", a)
			}
			// The glance leads to the same as reading everything.
			s.Known = ""
			if got, want := found(t, in.Verify(t.Context(), s, a)), found(t, in.Verify(t.Context(), s, in.Discover(t.Context(), s))); got != want {
				t.Errorf("after the glance:\n%s\nafter reading:\n%s", got, want)
			}
		})
	}
}

// Other keys mean that a known image is verified, though nothing was attached
// since: from the registry, should its material be lost.
func TestVerify_readsWhatDiscoveryOnlyGlancedAt(t *testing.T) {
	r := attachedEverywhere(t)
	r.Native = false
	in := inspector(r, plain{})
	_, e := look(t, in, r)
	s := again(t, r, e)
	if got := in.Verify(t.Context(), s, in.Discover(t.Context(), s)); found(t, got) != found(t, e) {
		t.Errorf("got %s\nwant %s", found(t, got), found(t, e))
	}
	if evidence, ok := in.Reverify(t.Context(), s, e.Material); !ok || evidence.Fingerprint != e.Fingerprint {
		t.Errorf("from the material: %v, %+v", ok, evidence)
	}
	for name, refusal := range map[string]error{
		"gone":     inventory.ErrNotFound,
		"failed":   &inventory.LookError{Reason: inventory.ReasonRegistryThrottled, Message: "Later."},
		"whatever": errors.New("boom"),
	} {
		list := string(r.Tags[s.Manifest.Digest.TagPrefix()])
		r.Fault = func(call, what string) error {
			if call == "manifest" && what == list {
				return refusal
			}
			return nil
		}
		if got := in.Verify(t.Context(), s, in.Discover(t.Context(), s)); got.Incomplete == nil || got.Fingerprint != "" {
			t.Errorf("%s: a list that could not be read is no list: %+v", name, got)
		}
		r.Fault = nil
	}
}

func TestDiscover_aTagThatCannotBeResolvedIsIncomplete(t *testing.T) {
	for _, suffix := range []string{".sig", ""} {
		r := attachedEverywhere(t)
		in := inspector(r, plain{})
		_, e := look(t, in, r)
		s := again(t, r, e)
		for reason, refusal := range map[inventory.Reason]error{
			inventory.ReasonRegistryInconsistent: inventory.ErrNotFound,
			inventory.ReasonRegistryDenied:       &inventory.LookError{Reason: inventory.ReasonRegistryDenied, Message: "No."},
		} {
			r.Fault = func(call, what string) error {
				if call == "resolve" && what == s.Manifest.Digest.TagPrefix()+suffix {
					return refusal
				}
				return nil
			}
			if a := in.Discover(t.Context(), s); a.Incomplete == nil || a.Incomplete.Reason != reason || a.Fingerprint() != "" {
				t.Errorf("%q, %v: %+v", suffix, refusal, a)
			}
		}
	}
}

// vague is a registry that doesn't say what it has when it is only asked.
type vague struct{ *verifytest.Repo }

func (v vague) Resolve(ctx context.Context, repository, tag string) (inventory.Descriptor, error) {
	d, err := v.Repo.Resolve(ctx, repository, tag)
	d.MediaType = "application/json"
	return d, err
}

func TestDiscover_readsAListThatTheRegistryDoesNotCallOne(t *testing.T) {
	r := attachedEverywhere(t)
	in := verify.NewInspector(vague{r}, func() *verify.Keyring { return nil }, plain{})
	_, e := look(t, in, r)
	if a := in.Discover(t.Context(), again(t, r, e)); a.Fingerprint() != e.Fingerprint || a.Unread {
		t.Errorf("%+v", a)
	}
}
