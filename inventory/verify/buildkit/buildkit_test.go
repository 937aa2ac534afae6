package buildkit_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/inventory/verify"
	"signboard/inventory/verify/buildkit"
	"signboard/inventory/verify/verifytest"
)

const (
	slsa1 = "https://slsa.dev/provenance/v1"
	spdx  = "https://spdx.dev/Document"
)

// built is an index as BuildKit writes one: two images, and beside each of them
// an attestation manifest with what the test puts in.
type built struct {
	*verifytest.Repo
	images [2]inventory.Descriptor
}

// layer is one statement, with the hint that its manifest gives.
type layer struct {
	content   string
	hint      string
	mediaType string
}

func newBuilt(t *testing.T) *built {
	b := &built{Repo: verifytest.New("team/app")}
	for n, architecture := range []string{"amd64", "arm64"} {
		config := b.PutBlob([]byte(`{"os":"linux","architecture":"` + architecture + `"}`))
		config.MediaType = inventory.MediaTypeOCIConfig
		b.images[n] = b.PutManifest(t, inventory.MediaTypeOCIManifest, map[string]any{
			"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "config": config, "layers": []any{},
		}, "")
		b.images[n].Platform = &inventory.OCIPlatform{OS: "linux", Architecture: architecture}
	}
	return b
}

// attest puts an attestation manifest into the repository; the entry of an
// index says that it is about the digest.
func (b *built) attest(t *testing.T, about inventory.Digest, layers ...layer) inventory.Descriptor {
	t.Helper()
	config := b.PutBlob([]byte("{}"))
	config.MediaType = "application/vnd.docker.attestation.config.v1+json"
	var list []inventory.Descriptor
	for _, l := range layers {
		d := b.PutBlob([]byte(l.content))
		d.MediaType = "application/vnd.in-toto+json"
		if l.mediaType != "" {
			d.MediaType = l.mediaType
		}
		if l.hint != "" {
			d.Annotations = map[string]string{"in-toto.io/predicate-type": l.hint}
		}
		list = append(list, d)
	}
	entry := b.PutManifest(t, inventory.MediaTypeOCIManifest, map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIManifest, "config": config, "layers": list,
	}, "")
	entry.Platform = &inventory.OCIPlatform{OS: "unknown", Architecture: "unknown"}
	entry.Annotations = map[string]string{verify.AnnotationReferenceType: "attestation-manifest", verify.AnnotationReferenceDigest: string(about)}
	return entry
}

// look puts the index together and has a whole look at it.
func (b *built) look(t *testing.T, entries ...inventory.Descriptor) inventory.Evidence {
	t.Helper()
	b.PutManifest(t, inventory.MediaTypeOCIIndex, map[string]any{
		"schemaVersion": 2, "mediaType": inventory.MediaTypeOCIIndex, "manifests": append(b.images[:], entries...),
	}, "v1")
	ring, err := verify.NewKeyring(nil)
	if err != nil {
		t.Fatal(err)
	}
	in := verify.NewInspector(b, func() *verify.Keyring { return ring }, buildkit.New())
	s := b.Subject(t, "v1")
	e := in.Verify(t.Context(), s, in.Discover(t.Context(), s))
	if len(e.Signatures) != 0 {
		t.Errorf("something that nobody signed became a signature: %+v", e.Signatures)
	}
	for _, a := range e.Attestations {
		if a.Outcome == inventory.OutcomeVerified || a.Signer != nil {
			t.Errorf("something that nobody signed counts as verified: %+v", a)
		}
	}
	return e
}

// one looks at a single statement beside the first image.
func (b *built) one(t *testing.T, l layer) inventory.Attestation {
	t.Helper()
	e := b.look(t, b.attest(t, b.images[0].Digest, l))
	if e.Incomplete != nil || len(e.Attestations) != 1 {
		t.Fatalf("got %d attestations, incomplete: %v", len(e.Attestations), e.Incomplete)
	}
	return e.Attestations[0]
}

func statement(about inventory.Digest, predicateType, predicate string) string {
	return fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":%q,
		"subject":[{"name":"pkg:docker/team/app@v1?platform=linux%%2Famd64","digest":{"sha256":%q}}],"predicate":%s}`, predicateType, about.Hex(), predicate)
}

func fact(a inventory.Attestation, name string) string {
	for _, f := range a.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func result(a inventory.Attestation, check string) inventory.Result {
	for _, c := range a.Checks {
		if c.Name == check {
			return c.Result
		}
	}
	return ""
}

const provenance = `{"buildDefinition":{"buildType":"https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
	"externalParameters":{"configSource":{"uri":"https://github.com/acme/app.git#refs/tags/v1","digest":{"sha1":"4b220de5058abfd01ff619c9d2ff6b09a049bea0"},"path":"Dockerfile"},
		"request":{"frontend":"dockerfile.v0","args":{"build-arg:http_proxy":"a","build-arg:HTTP_PROXY":"b"}}}},
	"runDetails":{"builder":{"id":"https://github.com/acme/app/actions/runs/7"},"metadata":{"invocationId":"yirbp1aosi1vqjmi3z6bc75nb"}}}`

func TestCheck_listsWhatTheBuildClaims(t *testing.T) {
	b := newBuilt(t)
	e := b.look(t,
		b.attest(t, b.images[0].Digest,
			layer{statement(b.images[0].Digest, spdx, `{"SPDXID":"SPDXRef-DOCUMENT"}`), spdx, ""},
			layer{statement(b.images[0].Digest, slsa1, provenance), slsa1, ""}),
		b.attest(t, b.images[1].Digest, layer{statement(b.images[1].Digest, slsa1, provenance), slsa1, ""}))
	if len(e.Attestations) != 3 || e.Incomplete != nil || e.Fingerprint == "" {
		t.Fatalf("got %d attestations, incomplete: %v", len(e.Attestations), e.Incomplete)
	}
	for n, want := range []struct{ predicateType, platform, commit string }{
		{spdx, "linux/amd64", ""}, {slsa1, "linux/amd64", "4b220de5058abfd01ff619c9d2ff6b09a049bea0"}, {slsa1, "linux/arm64", "4b220de5058abfd01ff619c9d2ff6b09a049bea0"},
	} {
		a := e.Attestations[n]
		if a.Outcome != inventory.OutcomeUnverifiable || a.Reason != inventory.ReasonNoSignature || a.Message != "Claimed by the build, signed by nobody." {
			t.Errorf("%d: %s, %s: %s", n, a.Outcome, a.Reason, a.Message)
		}
		if a.PredicateType != want.predicateType || fact(a, "Platform") != want.platform || fact(a, "Commit") != want.commit {
			t.Errorf("%d: %s with %+v", n, a.PredicateType, a.Facts)
		}
		if result(a, verify.CheckSubjectDigest) != inventory.Pass || result(a, verify.CheckSignature) != inventory.Skip {
			t.Errorf("%d: %+v", n, a.Checks)
		}
	}
	a := e.Attestations[1]
	if fact(a, "Builder") != "https://github.com/acme/app/actions/runs/7" || fact(a, "Source repository") != "https://github.com/acme/app.git" ||
		fact(a, "About the image") != string(b.images[0].Digest) {
		t.Errorf("the facts are %+v", a.Facts)
	}
	asked := 0
	for _, call := range b.Calls() {
		if strings.HasPrefix(call, "manifest "+string(b.Tags["v1"])) {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("the index was read %d times", asked)
	}
}

func TestCheck_tellsLies(t *testing.T) {
	b := newBuilt(t)
	elsewhere := inventory.DigestOf([]byte("elsewhere"))
	for name, test := range map[string]struct {
		about inventory.Digest // by the index
		layer layer
		check string
		says  string
	}{
		"about another image of the index": {b.images[0].Digest, layer{statement(b.images[1].Digest, spdx, "{}"), spdx, ""},
			verify.CheckSubjectDigest, "is about " + string(b.images[1].Digest.Short())},
		"about something else":                {b.images[0].Digest, layer{statement(elsewhere, spdx, "{}"), spdx, ""}, verify.CheckSubjectDigest, "is about " + string(elsewhere.Short())},
		"beside an image that isn't there":    {elsewhere, layer{statement(elsewhere, spdx, "{}"), spdx, ""}, verify.CheckSubjectDigest, "no image of this index"},
		"beside no image":                     {"", layer{statement(b.images[0].Digest, spdx, "{}"), spdx, ""}, verify.CheckSubjectDigest, "doesn't say which"},
		"of another type than its manifest":   {b.images[0].Digest, layer{statement(b.images[0].Digest, "https://cyclonedx.org/bom", "{}"), spdx, ""}, verify.CheckPredicateType, "calls itself https://cyclonedx.org/bom"},
		"without a subject that has a digest": {b.images[0].Digest, layer{`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x"}],"predicateType":"p","predicate":{}}`, "", ""}, verify.CheckSubjectDigest, "nothing that has a digest"},
		"not a statement":                     {b.images[0].Digest, layer{`{"_type":"https://example.com/\u202e","subject":[],"predicateType":"p"}`, spdx, ""}, verify.CheckPayloadWellformed, "U+202E"},
		"not JSON":                            {b.images[0].Digest, layer{`<html>`, spdx, ""}, verify.CheckPayloadWellformed, "no JSON object"},
		"cut off":                             {b.images[0].Digest, layer{`{"_type":"https://in-toto.io/Statement/v1","subject":[`, spdx, ""}, verify.CheckPayloadWellformed, "no JSON"},
		"nothing":                             {b.images[0].Digest, layer{``, spdx, ""}, verify.CheckPayloadWellformed, "no JSON"},
		"with something after it":             {b.images[0].Digest, layer{statement(b.images[0].Digest, spdx, "{}") + "{}", spdx, ""}, verify.CheckPayloadWellformed, "something follows"},
		"with two subjects' lists":            {b.images[0].Digest, layer{strings.Replace(statement(b.images[0].Digest, spdx, "{}"), `"predicate":`, `"Subject":[],"predicate":`, 1), spdx, ""}, verify.CheckPayloadWellformed, "appears twice"},
		"with a long s in a key":              {b.images[0].Digest, layer{strings.Replace(statement(b.images[0].Digest, spdx, "{}"), `"predicate":`, `"\u017fubject":[],"predicate":`, 1), spdx, ""}, verify.CheckPayloadWellformed, "appears twice"},
		"of no type":                          {b.images[0].Digest, layer{statement(b.images[0].Digest, "", "{}"), spdx, ""}, verify.CheckPayloadWellformed, "which type"},
	} {
		t.Run(name, func(t *testing.T) {
			e := b.look(t, b.attest(t, test.about, test.layer))
			if len(e.Attestations) != 1 {
				t.Fatalf("got %d attestations", len(e.Attestations))
			}
			a := e.Attestations[0]
			if a.Outcome != inventory.OutcomeUnverifiable || a.Reason != inventory.ReasonNoSignature {
				t.Errorf("%s, %s", a.Outcome, a.Reason)
			}
			if !strings.HasPrefix(a.Message, "Claimed by the build, signed by nobody. ") || !strings.Contains(a.Message, test.says) {
				t.Errorf("it says %q without %q", a.Message, test.says)
			}
			if result(a, test.check) != inventory.Fail {
				t.Errorf("the checks are %+v", a.Checks)
			}
		})
	}
}

// TestCheck_predicateTypeIsTheStatementsOwn: the hint decides only where the
// statement is too long to be read.
func TestCheck_predicateTypeIsTheStatementsOwn(t *testing.T) {
	b := newBuilt(t)
	a := b.one(t, layer{statement(b.images[0].Digest, spdx, "{}"), slsa1, ""})
	if a.PredicateType != spdx {
		t.Errorf("the type is %s", a.PredicateType)
	}
	a = b.one(t, layer{statement(b.images[0].Digest, slsa1, `"`+strings.Repeat("x", 300<<10)+`"`), spdx, ""})
	if a.PredicateType != spdx || a.Outcome != inventory.OutcomeUnverifiable || a.Reason != inventory.ReasonNoSignature {
		t.Errorf("%s, %s, %s", a.PredicateType, a.Outcome, a.Reason)
	}
	if result(a, verify.CheckPayloadWellformed) != inventory.Skip || result(a, verify.CheckSubjectDigest) != inventory.Skip {
		t.Errorf("the checks are %+v", a.Checks)
	}
}

func TestCheck_ignoresWhatTheSpecificationIgnores(t *testing.T) {
	b := newBuilt(t)
	other := b.attest(t, b.images[0].Digest, layer{statement(b.images[0].Digest, spdx, "{}"), spdx, ""})
	other.Annotations[verify.AnnotationReferenceType] = "something-else"
	e := b.look(t, other, b.attest(t, b.images[0].Digest, layer{"layer", "", "application/vnd.oci.image.layer.v1.tar+gzip"}))
	if len(e.Attestations) != 0 || e.Incomplete != nil {
		t.Errorf("got %+v, %v", e.Attestations, e.Incomplete)
	}
}

// TestCheck_onlyInsideAnIndex: what refers to an image from outside is another
// checker's, whatever it carries.
func TestCheck_onlyInsideAnIndex(t *testing.T) {
	b := newBuilt(t)
	entry := b.attest(t, b.images[0].Digest, layer{statement(b.images[0].Digest, spdx, "{}"), spdx, ""})
	m, err := b.Manifest(t.Context(), "", string(entry.Digest))
	if err != nil {
		t.Fatal(err)
	}
	for _, via := range []string{"referrers", "fallback", "tag"} {
		if buildkit.New().Claims(verify.NewItem(b, inventory.Subject{}, inventory.Attachment{Manifest: entry, Via: via}, m, nil)) {
			t.Errorf("claims what was found by way of %s", via)
		}
	}
}

// TestCheck_attestationIsNoImage: one attestation manifest can't be what another
// is about.
func TestCheck_attestationIsNoImage(t *testing.T) {
	b := newBuilt(t)
	first := b.attest(t, b.images[0].Digest, layer{statement(b.images[0].Digest, spdx, "{}"), spdx, ""})
	e := b.look(t, first, b.attest(t, first.Digest, layer{statement(first.Digest, spdx, "{}"), spdx, ""}))
	if len(e.Attestations) != 2 || !strings.Contains(e.Attestations[1].Message, "no image of this index") {
		t.Errorf("got %+v", e.Attestations)
	}
}

func TestCheck_showsWhatTheIndexHides(t *testing.T) {
	b := newBuilt(t)
	b.images[0].Platform.OS = "linux\u202e" + strings.Repeat("x", 10_000)
	a := b.one(t, layer{statement(b.images[0].Digest, spdx, "{}"), "", ""})
	if p := fact(a, "Platform"); len(p) > 400 || !strings.HasPrefix(p, "linux⟨U+202E⟩") {
		t.Errorf("the platform is shown as %.80q", p)
	}
}

// TestCheck_outageIsNoFinding: a statement that can't be read now leaves the
// look unsettled, so that it is made again.
func TestCheck_outageIsNoFinding(t *testing.T) {
	b := newBuilt(t)
	entry := b.attest(t, b.images[0].Digest, layer{statement(b.images[0].Digest, spdx, "{}"), spdx, ""})
	b.Fault = func(call, _ string) error {
		if call == "blob" {
			return &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "down"}
		}
		return nil
	}
	e := b.look(t, entry)
	if len(e.Attestations) != 1 || e.Attestations[0].Outcome != inventory.OutcomeError || e.Attestations[0].Reason != inventory.ReasonRegistryUnreachable || e.Fingerprint != "" {
		t.Errorf("got %+v, fingerprint %q", e.Attestations, e.Fingerprint)
	}
}

func TestCheck_manyStatements(t *testing.T) {
	b := newBuilt(t)
	layers := make([]layer, verify.MaxSignatures+40)
	for n := range layers {
		layers[n] = layer{statement(b.images[0].Digest, spdx, fmt.Sprint(n)), spdx, ""}
	}
	e := b.look(t, b.attest(t, b.images[0].Digest, layers...))
	if len(e.Attestations) != verify.MaxSignatures+1 || e.Attestations[verify.MaxSignatures].Reason != inventory.ReasonTooMany {
		t.Errorf("got %d attestations", len(e.Attestations))
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"00"}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}`), spdx)
	f.Add([]byte(provenance), "")
	f.Add([]byte(`{"a":1,"A":2}`), "\u202e")
	f.Add([]byte(strings.Repeat("[", 20_000)), spdx)
	f.Fuzz(func(t *testing.T, content []byte, hint string) {
		b := newBuilt(t)
		a := b.one(t, layer{string(content), hint, ""})
		if a.Outcome != inventory.OutcomeUnverifiable || inventory.Visible(a.Message) != a.Message || inventory.Visible(a.PredicateType) != a.PredicateType {
			t.Errorf("got %+v", a)
		}
		if _, err := json.Marshal(a); err != nil {
			t.Error(err)
		}
	})
}
