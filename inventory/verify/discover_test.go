package verify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/verifytest"
)

// plain claims everything and finds a signature in each manifest.
type plain struct {
	revision string
	panics   bool
}

func (p plain) Family() verify.Family {
	return verify.Family{Revision: p.revision, Companions: []string{".sig"},
		Likely: func(d inventory.Descriptor) bool { return d.ArtifactType == "test/signature" }}
}
func (plain) Claims(*verify.Item) bool { return true }
func (p plain) Check(_ context.Context, i *verify.Item) verify.Findings {
	if p.panics {
		panic("a parser's defect")
	}
	return verify.Findings{Signatures: []inventory.Signature{{Manifest: i.Manifest.Digest, Outcome: inventory.OutcomeUnverifiable, Reason: inventory.ReasonKeyUnknown}}}
}

func inspector(r verify.Source, c verify.Checker) *verify.Inspector {
	return verify.NewInspector(r, func() *verify.Keyring { return nil }, c)
}

// repo holds one image, tagged v1.
func repo(t *testing.T) *verifytest.Repo {
	t.Helper()
	r := verifytest.New("team/app")
	r.PutManifest(t, inventory.MediaTypeOCIManifest, manifest(nil, ""), "v1")
	return r
}

func manifest(subject *inventory.Descriptor, artifactType string) map[string]any {
	m := map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "layers": []any{},
		"config": inventory.Descriptor{MediaType: inventory.MediaTypeOCIConfig, Digest: inventory.DigestOf([]byte("{}")), Size: 2}}
	if subject != nil {
		m["subject"] = subject
	}
	if artifactType != "" {
		m["artifactType"] = artifactType
	}
	return m
}

// refer attaches n manifests to v1.
func refer(t *testing.T, r *verifytest.Repo, artifactType string, n int) (refs []inventory.Descriptor) {
	t.Helper()
	subject := r.Subject(t, "v1").Manifest
	for i := range n {
		m := manifest(&subject, artifactType)
		m["annotations"] = map[string]string{"n": fmt.Sprint(i)}
		d := r.PutManifest(t, inventory.MediaTypeOCIManifest, m, "")
		d.ArtifactType = artifactType
		refs = append(refs, d)
	}
	return refs
}

func putFallback(t *testing.T, r *verifytest.Repo, refs []inventory.Descriptor) {
	t.Helper()
	r.PutManifest(t, inventory.MediaTypeOCIIndex, map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": refs}, r.Tags["v1"].TagPrefix())
}

func asked(r *verifytest.Repo, what string) int {
	n := 0
	for _, c := range r.Calls() {
		if strings.HasPrefix(c, what) {
			n++
		}
	}
	return n
}

func TestDiscover_asksNothingButReferrersWhenTheTagsAreKnown(t *testing.T) {
	r := repo(t)
	s := r.Subject(t, "v1")
	if a := inspector(r, plain{}).Discover(t.Context(), s); len(a.Attachments) != 0 || a.Incomplete != nil || a.Fingerprint() == "" {
		t.Errorf("%+v", a)
	}
	if calls := r.Calls(); len(calls) != 1 || asked(r, "referrers") != 1 {
		t.Errorf("asked %q", calls)
	}
}

func TestDiscover_probesEachPlaceWhenTheTagsAreNot(t *testing.T) {
	for _, native := range []bool{true, false} {
		r := repo(t)
		r.Native = native
		s := r.Subject(t, "v1")
		s.Tags = nil
		if a := inspector(r, plain{}).Discover(t.Context(), s); len(a.Attachments) != 0 || a.Incomplete != nil {
			t.Errorf("%+v", a)
		}
		prefix := "manifest " + s.Manifest.Digest.TagPrefix()
		if asked(r, prefix+".sig") != 1 || asked(r, prefix) != 2 {
			t.Errorf("native %v: asked %q", native, r.Calls())
		}
	}
}

func TestDiscover_readsTheFallbackTag(t *testing.T) {
	tests := map[string]func(r *verifytest.Repo){
		"when there is no API":        func(r *verifytest.Repo) { r.Native = false },
		"when the API says not found": func(r *verifytest.Repo) { r.Fault = fault("referrers", inventory.ErrNotFound) },
		"when the API lists nothing":  func(r *verifytest.Repo) {},
	}
	for name, set := range tests {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprint(name, known), func(t *testing.T) {
				r, refs := hidden(t)
				set(r)
				s := r.Subject(t, "v1")
				if !known {
					s.Tags = nil
				}
				a := inspector(r, plain{}).Discover(t.Context(), s)
				if len(a.Attachments) != 1 || a.Attachments[0].Via != "fallback" || a.Attachments[0].Manifest.Digest != refs[0].Digest || a.Incomplete != nil {
					t.Errorf("%+v", a)
				}
			})
		}
	}
}

// TestDiscover_readsTheFallbackTagBesideAnAPIThatListsOthers: Notation writes
// the tag even where the API exists, and some registries then list only what
// others attached.
func TestDiscover_readsTheFallbackTagBesideAnAPIThatListsOthers(t *testing.T) {
	for _, known := range []bool{true, false} {
		r, refs := hidden(t)
		others := refer(t, r, "test/other", 2)
		s := r.Subject(t, "v1")
		if !known {
			s.Tags = nil
		}
		a := inspector(r, plain{}).Discover(t.Context(), s)
		if len(a.Attachments) != 3 || a.Attachments[0].Manifest.Digest != refs[0].Digest || a.Incomplete != nil {
			t.Errorf("known %v, beside %d others: %+v", known, len(others), a)
		}
	}
}

// hidden is a repository whose referrers API doesn't show what the fallback tag
// lists.
func hidden(t *testing.T) (*verifytest.Repo, []inventory.Descriptor) {
	r := repo(t)
	refs := refer(t, r, "test/signature", 1)
	delete(r.Manifests, refs[0].Digest)
	putFallback(t, r, refs)
	return r, refs
}

func fault(call string, err error) func(string, string) error {
	return func(c, _ string) error {
		if c == call {
			return err
		}
		return nil
	}
}

func TestDiscover_aFailedReferrersCallIsIncompleteAndTheFallbackIsStillRead(t *testing.T) {
	for _, known := range []bool{true, false} {
		r, _ := hidden(t)
		r.Fault = fault("referrers", &inventory.LookError{Reason: inventory.ReasonRegistryThrottled, Message: "Later."})
		s := r.Subject(t, "v1")
		if !known {
			s.Tags = nil
		}
		a := inspector(r, plain{}).Discover(t.Context(), s)
		if a.Incomplete == nil || a.Incomplete.Reason != inventory.ReasonRegistryThrottled || len(a.Attachments) != 1 || a.Fingerprint() != "" {
			t.Errorf("%+v", a)
		}
	}
}

// GitLab resolves sha256-<hex> to the image itself.
func TestDiscover_theImageUnderItsOwnFallbackTagIsNoListOfReferrers(t *testing.T) {
	r := verifytest.New("team/app")
	child := r.PutManifest(t, inventory.MediaTypeOCIManifest, manifest(nil, ""), "")
	r.PutManifest(t, inventory.MediaTypeOCIIndex, map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": []any{child}}, "v1")
	r.Tags[r.Tags["v1"].TagPrefix()] = r.Tags["v1"]
	r.Native = false
	if a := inspector(r, plain{}).Discover(t.Context(), r.Subject(t, "v1")); len(a.Attachments) != 0 || a.Incomplete != nil {
		t.Errorf("%+v", a)
	}
}

func TestDiscover_onlyAnOCIIndexUnderTheFallbackTagIsAListOfReferrers(t *testing.T) {
	r := repo(t)
	refs := refer(t, r, "", 1)
	r.Native = false
	r.PutManifest(t, inventory.MediaTypeOCIManifest, manifest(nil, "other"), r.Tags["v1"].TagPrefix())
	if a := inspector(r, plain{}).Discover(t.Context(), r.Subject(t, "v1")); len(a.Attachments) != 0 || a.Incomplete != nil {
		t.Errorf("%+v", a)
	}
	r.PutManifest(t, inventory.MediaTypeDockerList, map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeDockerList, "manifests": refs}, r.Tags["v1"].TagPrefix())
	if a := inspector(r, plain{}).Discover(t.Context(), r.Subject(t, "v1")); len(a.Attachments) != 0 || a.Incomplete != nil {
		t.Errorf("%+v", a)
	}
}

func TestDiscover_aPlaceThatCannotBeReadIsNotEmpty(t *testing.T) {
	r := repo(t)
	s := r.Subject(t, "v1")
	for _, suffix := range []string{".sig", ""} {
		s.Tags[s.Manifest.Digest.TagPrefix()+suffix] = true // listed, and gone since, or never readable
		a := inspector(r, plain{}).Discover(t.Context(), s)
		if a.Incomplete == nil || a.Incomplete.Reason != inventory.ReasonRegistryInconsistent {
			t.Errorf("%+v", a)
		}
		delete(s.Tags, s.Manifest.Digest.TagPrefix()+suffix)
	}
	for _, reason := range []inventory.Reason{inventory.ReasonRegistryDenied, inventory.ReasonPayloadMalformed, inventory.ReasonTooLarge} {
		r.Fault = fault("manifest", &inventory.LookError{Reason: reason, Message: "No."})
		s.Tags = nil
		if a := inspector(r, plain{}).Discover(t.Context(), s); a.Incomplete == nil || a.Incomplete.Reason != reason {
			t.Errorf("%+v", a)
		}
	}
}

func TestDiscover_aHundredThousandReferrersAreCappedWithTheLikelyOnesFirst(t *testing.T) {
	r := repo(t)
	refs := make([]inventory.Descriptor, 100_000)
	for i := range refs {
		refs[i] = inventory.Descriptor{MediaType: inventory.MediaTypeOCIManifest, Digest: inventory.DigestOf(fmt.Append(nil, i)), ArtifactType: "test/scan"}
	}
	refs[99_999].ArtifactType = "test/signature"
	refs[99_998].ArtifactType = ""
	a := inspector(listing{r, refs}, plain{}).Discover(t.Context(), r.Subject(t, "v1"))
	if len(a.Attachments) != verify.MaxAttachments || a.Incomplete == nil || a.Incomplete.Reason != inventory.ReasonTooMany {
		t.Fatalf("%d attachments, %v", len(a.Attachments), a.Incomplete)
	}
	if a.Attachments[0].Manifest.Digest != refs[99_999].Digest || a.Attachments[1].Manifest.Digest != refs[99_998].Digest {
		t.Error("the pile pushed out the signature")
	}
}

// listing answers with a list of its own.
type listing struct {
	*verifytest.Repo
	refs []inventory.Descriptor
}

func (l listing) Referrers(context.Context, string, inventory.Digest) ([]inventory.Descriptor, bool, error) {
	return l.refs, true, nil
}

func TestVerify_readsEachManifestOnceHoweverItWasFound(t *testing.T) {
	r := repo(t)
	refs := refer(t, r, "test/signature", 1)
	putFallback(t, r, refs)
	r.Tags[r.Tags["v1"].TagPrefix()+".sig"] = refs[0].Digest
	in, s := inspector(r, plain{}), r.Subject(t, "v1")
	a := in.Discover(t.Context(), s)
	if len(a.Attachments) != 3 {
		t.Fatalf("%+v", a)
	}
	e := in.Verify(t.Context(), s, a)
	if len(e.Signatures) != 1 || asked(r, "manifest "+string(refs[0].Digest)) != 0 || asked(r, "manifest "+r.Tags["v1"].TagPrefix()+".sig") != 1 {
		t.Errorf("%+v, asked %q", e, r.Calls())
	}
	// A second time there is nothing on the shelf, and the same comes out.
	if again := in.Verify(t.Context(), s, a); len(again.Signatures) != 1 || again.Fingerprint != e.Fingerprint {
		t.Errorf("%+v", again)
	}
}

func TestVerify_leavesOutWhatBelongsToAnotherImage(t *testing.T) {
	r := repo(t)
	subject := inventory.Descriptor{MediaType: inventory.MediaTypeOCIManifest, Digest: inventory.DigestOf([]byte("other")), Size: 1}
	foreign := r.PutManifest(t, inventory.MediaTypeOCIManifest, manifest(&subject, "test/signature"), "")
	orphan := r.PutManifest(t, inventory.MediaTypeOCIManifest, manifest(nil, "test/signature"), "")
	l := listing{r, []inventory.Descriptor{foreign, orphan, r.Subject(t, "v1").Manifest}}
	in, s := inspector(l, plain{}), r.Subject(t, "v1")
	e := in.Verify(t.Context(), s, in.Discover(t.Context(), s))
	if len(e.Signatures) != 0 || len(e.Notes) != 2 || e.Incomplete != nil || e.Fingerprint == "" {
		t.Errorf("%+v", e)
	}
}

func TestVerify_aManifestThatCannotBeReadIsIncompleteAndTheOthersStay(t *testing.T) {
	tests := map[string]struct {
		damage func(r *verifytest.Repo, d inventory.Digest)
		reason inventory.Reason
	}{
		"missing":         {func(r *verifytest.Repo, d inventory.Digest) { delete(r.Manifests, d) }, inventory.ReasonRegistryInconsistent},
		"another content": {func(r *verifytest.Repo, d inventory.Digest) { r.Blobs[d] = r.Blobs[r.Tags["v1"]] }, inventory.ReasonRegistryInconsistent},
		"malformed":       {func(r *verifytest.Repo, d inventory.Digest) { r.Blobs[d] = []byte("{") }, inventory.ReasonPayloadMalformed},
		"unreachable": {func(r *verifytest.Repo, d inventory.Digest) {
			r.Fault = func(_, what string) error {
				if what == string(d) {
					return errors.New("boom")
				}
				return nil
			}
		}, inventory.ReasonRegistryUnreachable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := repo(t)
			refs := refer(t, r, "test/signature", 2)
			in, s := inspector(listing{r, refs}, plain{}), r.Subject(t, "v1")
			test.damage(r, refs[0].Digest)
			e := in.Verify(t.Context(), s, in.Discover(t.Context(), s))
			if len(e.Signatures) != 1 || e.Incomplete == nil || e.Incomplete.Reason != test.reason || e.Fingerprint != "" {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestVerify_aCheckerThatPanicsCostsTheManifestAndNotTheProcess(t *testing.T) {
	r := repo(t)
	refer(t, r, "test/signature", 1)
	in, s := inspector(r, plain{panics: true}), r.Subject(t, "v1")
	if e := in.Verify(t.Context(), s, in.Discover(t.Context(), s)); e.Incomplete == nil || len(e.Signatures) != 0 || e.Fingerprint != "" {
		t.Errorf("%+v", e)
	}
}

func TestTrustRevision_changesWithKeysAndRules(t *testing.T) {
	ring, err := verify.NewKeyring([]inventory.Signer{keySigner(t, "p256")})
	if err != nil {
		t.Fatal(err)
	}
	var now *verify.Keyring
	trust := func() *verify.Keyring { return now }
	one := verify.NewInspector(nil, trust, plain{revision: "1"})
	two := verify.NewInspector(nil, trust, plain{revision: "2"})
	before := one.TrustRevision()
	if before == two.TrustRevision() {
		t.Error("other rules, same revision")
	}
	now = ring
	if one.TrustRevision() == before {
		t.Error("other keys, same revision")
	}
	if one.TrustRevision() != verify.NewInspector(nil, trust, plain{revision: "1"}).TrustRevision() {
		t.Error("a restart changes the revision")
	}
}

// careless is a source that doesn't keep to the size it was given.
type careless struct{ *verifytest.Repo }

func (c careless) Blob(_ context.Context, _ string, d inventory.Descriptor, _ int64) ([]byte, error) {
	return c.Blobs[d.Digest], nil
}

func TestItem_takesNoMoreThanItAskedFor(t *testing.T) {
	r := repo(t)
	d := r.PutBlob([]byte("0123456789"))
	d.Size = 1
	i := verify.NewItem(careless{r}, r.Subject(t, "v1"), inventory.Attachment{}, inventory.Manifest{}, nil)
	if _, err := i.Blob(t.Context(), d, 9); inventory.AsLookError(err).Reason != inventory.ReasonTooLarge {
		t.Errorf("%v", err)
	}
	if b, err := i.Blob(t.Context(), d, 10); err != nil || string(b) != "0123456789" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestItem_stopsWhenTheImageHasHadItsShare(t *testing.T) {
	r := repo(t)
	i := verify.NewItem(r, r.Subject(t, "v1"), inventory.Attachment{}, inventory.Manifest{}, nil)
	var err error
	n := 0
	for ; err == nil && n < 10_000; n++ {
		_, err = i.Blob(t.Context(), r.PutBlob(fmt.Append(nil, n)), 100)
	}
	if inventory.AsLookError(err).Reason != inventory.ReasonTooMany || n > 300 {
		t.Errorf("after %d: %v", n, err)
	}
	i = verify.NewItem(r, r.Subject(t, "v1"), inventory.Attachment{}, inventory.Manifest{}, nil)
	for n, err = 0, nil; err == nil && n < 10_000; n++ {
		_, err = i.Blob(t.Context(), r.PutBlob(append(make([]byte, verify.MaxBundle-8), fmt.Sprintf("%08d", n)...)), verify.MaxBundle)
		clear(r.Blobs)
	}
	if inventory.AsLookError(err).Reason != inventory.ReasonTooMany || n > 20 {
		t.Errorf("after %d of %d bytes: %v", n, verify.MaxBundle, err)
	}
}
