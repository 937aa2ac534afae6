package verify_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/verifytest"
)

// reader claims everything and says of each manifest what its first layer
// holds, and what the image's own manifest does when it is told to.
type reader struct {
	plain
	image bool
	at    *time.Time // of Signature.RecheckAt
}

func (c reader) Check(ctx context.Context, i *verify.Item) verify.Findings {
	s := inventory.Signature{Manifest: i.Manifest.Digest, Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK, RecheckAt: c.at,
		Message: fmt.Sprintf("%d keys. ", i.Keys.Len())}
	fail := func(err error) verify.Findings {
		failure := inventory.AsLookError(err)
		s.Outcome, s.Reason, s.Message = inventory.OutcomeError, failure.Reason, failure.Message
		return verify.Findings{Signatures: []inventory.Signature{s}}
	}
	for _, layer := range i.Manifest.Layers {
		b, err := i.Blob(ctx, layer, 1<<20)
		if err != nil {
			return fail(err)
		}
		s.Message += fmt.Sprintf("%d bytes, %s. ", len(b), inventory.DigestOf(b))
	}
	if c.image {
		m, err := i.Image(ctx)
		if err != nil {
			return fail(err)
		}
		s.Message += string(m.Digest)
	}
	return verify.Findings{Signatures: []inventory.Signature{s}}
}

// attach attaches a manifest with layers of some content to v1.
func attach(t *testing.T, r *verifytest.Repo, layers ...[]byte) inventory.Descriptor {
	t.Helper()
	subject := r.Subject(t, "v1").Manifest
	m := manifest(&subject, "test/signature")
	var list []inventory.Descriptor
	for _, content := range layers {
		list = append(list, r.PutBlob(content))
	}
	m["layers"] = list
	return r.PutManifest(t, inventory.MediaTypeOCIManifest, m, "")
}

// silent is a source that fails every call, and the test with it.
type silent struct{ *testing.T }

func (s silent) refuse(what string) error {
	s.Errorf("the registry was asked for %s", what)
	return errors.New("nobody may ask")
}
func (s silent) Manifest(_ context.Context, _, reference string) (inventory.Manifest, error) {
	return inventory.Manifest{}, s.refuse(reference)
}
func (s silent) Resolve(_ context.Context, _, tag string) (inventory.Descriptor, error) {
	return inventory.Descriptor{}, s.refuse(tag)
}
func (s silent) Blob(_ context.Context, _ string, d inventory.Descriptor, _ int64) ([]byte, error) {
	return nil, s.refuse(string(d.Digest))
}
func (s silent) Referrers(_ context.Context, _ string, d inventory.Digest) ([]inventory.Descriptor, bool, error) {
	return nil, false, s.refuse("referrers of " + string(d))
}

// look discovers and verifies v1.
func look(t *testing.T, in *verify.Inspector, r *verifytest.Repo) (inventory.Subject, inventory.Evidence) {
	t.Helper()
	s := r.Subject(t, "v1")
	return s, in.Verify(t.Context(), s, in.Discover(t.Context(), s))
}

// text is evidence as it can be compared.
func text(t *testing.T, e inventory.Evidence) string {
	t.Helper()
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReverify_findsTheSameWithoutTheRegistry(t *testing.T) {
	for _, tagged := range []bool{true, false} {
		r := repo(t)
		d := attach(t, r, []byte("one"), bytes.Repeat([]byte("two"), 100_000))
		attach(t, r, []byte("three"))
		if tagged {
			r.Tags[r.Tags["v1"].TagPrefix()+".sig"] = d.Digest // taken from the shelf, not read twice
		}
		foreign := inventory.Descriptor{MediaType: inventory.MediaTypeOCIManifest, Digest: inventory.DigestOf([]byte("other")), Size: 1}
		stray := r.PutManifest(t, inventory.MediaTypeOCIManifest, manifest(&foreign, "test/signature"), "")
		refs, _, err := r.Referrers(t.Context(), r.Name, r.Tags["v1"])
		if err != nil {
			t.Fatal(err)
		}
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		at := now.Add(time.Hour)
		checker := reader{image: true, at: &at}
		in := inspector(listing{r, append(refs, stray)}, checker)
		in.Now = func() time.Time { return now }
		s, e := look(t, in, r)
		if len(e.Signatures) != 2 || len(e.Notes) != 1 || e.Incomplete != nil || len(e.Material) == 0 || e.RecheckAt == nil {
			t.Fatalf("%+v", e)
		}
		s.Tags = nil // they aren't kept
		again := verify.NewInspector(silent{t}, func() *verify.Keyring { return nil }, checker)
		again.Now = in.Now
		got, ok := again.Reverify(t.Context(), s, e.Material)
		if !ok || text(t, got) != text(t, e) {
			t.Errorf("%v: %s\nand before it was\n%s", ok, text(t, got), text(t, e))
		}
	}
}

func TestReverify_hasTheKeysOfNow(t *testing.T) {
	r := repo(t)
	attach(t, r, []byte("one"))
	ring, err := verify.NewKeyring([]inventory.Signer{keySigner(t, "p256")})
	if err != nil {
		t.Fatal(err)
	}
	var now *verify.Keyring
	in := verify.NewInspector(r, func() *verify.Keyring { return now }, reader{})
	s, e := look(t, in, r)
	now = ring
	again, ok := in.Reverify(t.Context(), s, e.Material)
	if !ok || !strings.HasPrefix(e.Signatures[0].Message, "0 keys.") || !strings.HasPrefix(again.Signatures[0].Message, "1 keys.") {
		t.Errorf("%v: %q, then %q", ok, e.Signatures[0].Message, again.Signatures[0].Message)
	}
}

func TestReverify_refusesWhatDoesNotSuffice(t *testing.T) {
	r := repo(t)
	d := attach(t, r, []byte("one"))
	s, e := look(t, inspector(r, reader{}), r)
	blob := inventory.DigestOf([]byte("one"))
	changed := func(change func(m map[string]any)) []byte {
		z, err := gzip.NewReader(bytes.NewReader(e.Material))
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.NewDecoder(z).Decode(&m); err != nil {
			t.Fatal(err)
		}
		change(m)
		return packed(t, m)
	}
	of := func(m map[string]any, key string) map[string]any { return m[key].(map[string]any) }
	refused := map[string][]byte{
		"nothing":              nil,
		"no gzip":              []byte("material"),
		"cut short":            e.Material[:len(e.Material)-9],
		"no JSON":              packed(t, "material")[:20],
		"another kind of JSON": packed(t, []int{1}),
		"of another version":   changed(func(m map[string]any) { m["version"] = 2 }),
		"of another outside":   changed(func(m map[string]any) { m["outside"] = "another" }),
		"without a manifest":   changed(func(m map[string]any) { delete(of(m, "manifests"), string(d.Digest)) }),
		"without a blob":       changed(func(m map[string]any) { delete(of(m, "blobs"), string(blob)) }),
		"a bomb":               packed(t, map[string]any{"version": 1, "outside": strings.Repeat(" ", 16<<20)}),
		"after a bomb":         spaced(t, e.Material),
	}
	in := verify.NewInspector(silent{t}, func() *verify.Keyring { return nil }, reader{})
	for name, body := range refused {
		if got, ok := in.Reverify(t.Context(), s, body); ok || len(got.Signatures) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, ok := in.Reverify(t.Context(), s, changed(func(map[string]any) {})); !ok {
		t.Error("unchanged, it is refused as well, so that this shows nothing")
	}
	in.Outside = []verify.Outside{place{revision: "1"}}
	if _, ok := in.Reverify(t.Context(), s, e.Material); ok {
		t.Error("there is a place now that nobody asked")
	}
}

// What was kept is content like any other: it goes by its digest.
func TestReverify_believesNoContentUnderAnotherDigest(t *testing.T) {
	r := repo(t)
	d := attach(t, r, []byte("one"))
	s, e := look(t, inspector(r, reader{}), r)
	for _, change := range []string{"blobs", "manifests"} {
		z, err := gzip.NewReader(bytes.NewReader(e.Material))
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Version   int                                  `json:"version"`
			Attached  inventory.Attached                   `json:"attached"`
			Manifests map[inventory.Digest]map[string]any  `json:"manifests"`
			Blobs     map[inventory.Digest]json.RawMessage `json:"blobs"`
		}
		if err := json.NewDecoder(z).Decode(&m); err != nil {
			t.Fatal(err)
		}
		switch change {
		case "blobs":
			m.Blobs[inventory.DigestOf([]byte("one"))] = json.RawMessage(`"dHdv"`)
		case "manifests":
			m.Manifests[d.Digest]["raw"] = r.Blobs[r.Tags["v1"]]
		}
		got, _ := inspector(silent{t}, reader{}).Reverify(t.Context(), s, packed(t, m))
		for _, signature := range got.Signatures {
			if signature.Outcome != inventory.OutcomeError {
				t.Errorf("%s: %+v", change, signature)
			}
		}
		if got.Incomplete == nil || got.Incomplete.Reason != inventory.ReasonRegistryInconsistent || got.Fingerprint != "" {
			t.Errorf("%s: %+v", change, got)
		}
	}
}

// spaced is material with a lot of nothing before it.
func spaced(t *testing.T, body []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	out := gzip.NewWriter(&b)
	_, err = out.Write(append(bytes.Repeat([]byte(" "), 16<<20), raw...))
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packed(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(z).Encode(v), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestVerify_keepsNoMaterial(t *testing.T) {
	cases := map[string]func(t *testing.T, r *verifytest.Repo){
		"where nothing is attached": func(*testing.T, *verifytest.Repo) {},
		"of more than is kept": func(t *testing.T, r *verifytest.Repo) {
			attach(t, r, bytes.Repeat([]byte("x"), 300<<10))
			attach(t, r, bytes.Repeat([]byte("y"), 300<<10))
		},
		"of what wasn't read to its end": func(t *testing.T, r *verifytest.Repo) {
			d := attach(t, r, []byte("one"))
			attach(t, r, []byte("two"))
			r.Fault = func(_, what string) error {
				if what == string(d.Digest) {
					return errors.New("boom")
				}
				return nil
			}
		},
		"where a place wasn't read": func(t *testing.T, r *verifytest.Repo) {
			refs := []inventory.Descriptor{attach(t, r, []byte("one"))}
			putFallback(t, r, refs)
			r.Fault = fault("referrers", &inventory.LookError{Reason: inventory.ReasonRegistryThrottled, Message: "Later."})
		},
	}
	for name, set := range cases {
		t.Run(name, func(t *testing.T) {
			r := repo(t)
			set(t, r)
			_, e := look(t, inspector(r, reader{}), r)
			if e.Material != nil {
				t.Errorf("%d bytes of %+v", len(e.Material), e)
			}
		})
	}
}

// A million images: what is kept of an ordinary signature is small.
func TestVerify_keepsLittle(t *testing.T) {
	r := repo(t)
	attach(t, r, []byte(`{"critical":{"identity":{"docker-reference":"a"},"image":{"docker-manifest-digest":"`+string(r.Tags["v1"])+`"},"type":"cosign container image signature"},"optional":null}`))
	_, e := look(t, inspector(r, reader{}), r)
	if n := len(e.Material); n == 0 || n > 1500 {
		t.Errorf("%d bytes", n)
	}
}

// place is one beside the registry.
type place struct {
	revision string
	found    inventory.Outlying
	err      error
}

func (p place) Revision() string { return p.revision }
func (p place) Look(context.Context, inventory.Subject) (inventory.Outlying, error) {
	return p.found, p.err
}

func TestOutside_itsSignaturesAreTheImages(t *testing.T) {
	at := time.Now().Add(time.Hour)
	found := inventory.Outlying{Mark: "one", Signatures: []inventory.Signature{{Format: inventory.FormatDCT, Outcome: inventory.OutcomeVerified,
		Expires: &inventory.Expiry{At: at, Reason: inventory.ReasonSignatureExpired, Message: "It ran out."}}}}
	r := repo(t)
	in := inspector(r, reader{})
	before := in.TrustRevision()
	_, bare := look(t, in, r)
	in.Outside = []verify.Outside{place{revision: "1"}, place{revision: "2", found: found}}
	revision := in.TrustRevision()
	if revision == before {
		t.Error("another place, same revision")
	}
	s, e := look(t, in, r)
	if len(e.Signatures) != 1 || e.Signatures[0].Format != inventory.FormatDCT || e.Incomplete != nil || e.Fingerprint == bare.Fingerprint || e.Fingerprint == "" {
		t.Errorf("%+v", e)
	}
	if e.RecheckAt == nil || !e.RecheckAt.Equal(at) {
		t.Errorf("to be checked again at %v", e.RecheckAt)
	}
	again, ok := in.Reverify(t.Context(), s, e.Material)
	if !ok || text(t, again) != text(t, e) {
		t.Errorf("checked again: %v, %+v", ok, again)
	}
	found.Mark = "two"
	in.Outside[1] = place{revision: "2", found: found}
	if _, next := look(t, in, r); next.Fingerprint == e.Fingerprint {
		t.Error("other signatures, same fingerprint")
	}
	if in.TrustRevision() != revision {
		t.Error("other signatures, another revision")
	}
	in.Outside[1] = place{revision: "3", found: found}
	if in.TrustRevision() == revision {
		t.Error("other roots, same revision")
	}
}

func TestOutside_aPlaceThatCannotBeAskedIsIncomplete(t *testing.T) {
	for _, err := range []error{errors.New("boom"), &inventory.LookError{Reason: inventory.ReasonTrustRootStale, Message: "Its root is old."}} {
		r := repo(t)
		attach(t, r, []byte("one"))
		in := inspector(r, reader{})
		in.Outside = []verify.Outside{place{err: err}, place{found: inventory.Outlying{Mark: "x", Signatures: []inventory.Signature{{Format: inventory.FormatDCT}}}}}
		_, e := look(t, in, r)
		if len(e.Signatures) != 2 || e.Incomplete == nil || e.Incomplete.Reason != inventory.AsLookError(err).Reason || e.Fingerprint != "" || e.Material != nil {
			t.Errorf("%v: %+v", err, e)
		}
	}
}

func TestOutside_aPlaceThatKnowsNothingChangesNothing(t *testing.T) {
	r := repo(t)
	in := inspector(r, reader{})
	_, bare := look(t, in, r)
	in.Outside = []verify.Outside{place{revision: "1"}}
	s := r.Subject(t, "v1")
	a := in.Discover(t.Context(), s)
	if e := in.Verify(t.Context(), s, a); !a.Empty() || e.Fingerprint != bare.Fingerprint || e.Material != nil {
		t.Errorf("%+v", e)
	}
}

func TestVerify_checksAgainAtTheEarliestMoment(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	in := func(d time.Duration) *time.Time { at := now.Add(d); return &at }
	for name, test := range map[string]struct {
		signatures []inventory.Signature
		want       *time.Time
	}{
		"nothing runs out":             {[]inventory.Signature{{}, {}}, nil},
		"one runs out":                 {[]inventory.Signature{{Expires: &inventory.Expiry{At: *in(time.Hour)}}, {}}, in(time.Hour)},
		"one ran out":                  {[]inventory.Signature{{Expires: &inventory.Expiry{At: *in(-time.Hour)}}}, nil},
		"one runs out this moment":     {[]inventory.Signature{{Expires: &inventory.Expiry{At: now}}}, nil},
		"one asks to be checked again": {[]inventory.Signature{{Expires: &inventory.Expiry{At: *in(time.Hour)}}, {RecheckAt: in(time.Minute)}}, in(time.Minute)},
		"both of one":                  {[]inventory.Signature{{Expires: &inventory.Expiry{At: *in(time.Minute)}, RecheckAt: in(time.Hour)}}, in(time.Minute)},
	} {
		r := repo(t)
		i := inspector(r, plain{})
		i.Now = func() time.Time { return now }
		i.Outside = []verify.Outside{place{found: inventory.Outlying{Mark: "x", Signatures: test.signatures}}}
		_, e := look(t, i, r)
		if (e.RecheckAt == nil) != (test.want == nil) || test.want != nil && !e.RecheckAt.Equal(*test.want) {
			t.Errorf("%s: %v, want %v", name, e.RecheckAt, test.want)
		}
	}
}

// index puts an index with two images and n attestation manifests, as BuildKit
// makes them, under v1.
func index(t *testing.T, n int) (*verifytest.Repo, []inventory.Descriptor) {
	t.Helper()
	r := verifytest.New("team/app")
	var list, attestations []inventory.Descriptor
	for i := range 2 {
		m := manifest(nil, "")
		m["annotations"] = map[string]string{"n": fmt.Sprint(i)}
		d := r.PutManifest(t, inventory.MediaTypeOCIManifest, m, "")
		d.Platform = &inventory.OCIPlatform{OS: "linux", Architecture: fmt.Sprint("a", i)}
		list = append(list, d)
	}
	for i := range n {
		m := manifest(nil, "")
		m["layers"] = []inventory.Descriptor{r.PutBlob(fmt.Append(nil, "statement ", i))}
		d := r.PutManifest(t, inventory.MediaTypeOCIManifest, m, "")
		d.Annotations = map[string]string{verify.AnnotationReferenceType: "attestation-manifest", verify.AnnotationReferenceDigest: string(list[i%2].Digest)}
		attestations = append(attestations, d)
	}
	r.PutManifest(t, inventory.MediaTypeOCIIndex, map[string]any{"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": append(list, attestations...)}, "v1")
	return r, attestations
}

// claims takes what stands in an index and reports a claimed attestation.
type claims struct{ plain }

func (claims) Claims(i *verify.Item) bool { return i.Via == verify.ViaIndex }
func (claims) Check(_ context.Context, i *verify.Item) verify.Findings {
	return verify.Findings{Attestations: []inventory.Attestation{{Manifest: i.Manifest.Digest, PredicateType: i.Listed.Annotations[verify.AnnotationReferenceDigest],
		Outcome: inventory.OutcomeUnverifiable, Reason: inventory.ReasonNoSignature}}}
}

func TestVerify_readsWhatStandsInTheIndexItself(t *testing.T) {
	r, attestations := index(t, 2)
	_, e := look(t, inspector(r, claims{}), r)
	if len(e.Attestations) != 2 || len(e.Signatures) != 0 || e.Incomplete != nil || e.Fingerprint != inventory.DigestOf(nil) {
		t.Fatalf("%+v", e)
	}
	for i, a := range e.Attestations {
		if a.Manifest != attestations[i].Digest || a.PredicateType != attestations[i].Annotations[verify.AnnotationReferenceDigest] {
			t.Errorf("%+v", a)
		}
	}
	if e.Material != nil {
		t.Error("nothing is attached to the index, and material is kept of it")
	}
}

func TestReverify_hasTheIndexToo(t *testing.T) {
	r, _ := index(t, 2)
	attach(t, r, []byte("one"))
	s, e := look(t, inspector(r, claims{}), r)
	again, ok := inspector(silent{t}, claims{}).Reverify(t.Context(), s, e.Material)
	if !ok || len(again.Attestations) != 2 || text(t, again) != text(t, e) {
		t.Errorf("%v: %+v", ok, again)
	}
}

func TestVerify_anIndexFullOfAttestationManifestsIsCapped(t *testing.T) {
	r, _ := index(t, verify.MaxAttachments+1)
	_, e := look(t, inspector(r, claims{}), r)
	if len(e.Attestations) != verify.MaxAttachments || e.Incomplete == nil || e.Incomplete.Reason != inventory.ReasonTooMany || e.Fingerprint != "" {
		t.Errorf("%d attestations, %v", len(e.Attestations), e.Incomplete)
	}
}

func TestVerify_anIndexThatCannotBeReadIsIncomplete(t *testing.T) {
	r, attestations := index(t, 1)
	s := r.Subject(t, "v1")
	in := inspector(r, claims{})
	a := in.Discover(t.Context(), s)
	for _, gone := range []inventory.Digest{attestations[0].Digest, s.Manifest.Digest} {
		delete(r.Manifests, gone)
		if e := in.Verify(t.Context(), s, a); e.Incomplete == nil || e.Fingerprint != "" || len(e.Attestations) != 0 {
			t.Errorf("%+v", e)
		}
	}
}
