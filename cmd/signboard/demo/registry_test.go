package demo

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	notationsig "github.com/notaryproject/notation-core-go/signature"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"signboard/inventory"
)

func pushed(t *testing.T) *Demo {
	t.Helper()
	d := started(t)
	if err := d.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *Demo) at(t *testing.T, reference string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(d.push.host()+"/"+reference, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func (d *Demo) descriptor(t *testing.T, reference string) *remote.Descriptor {
	t.Helper()
	desc, err := remote.Get(d.at(t, reference), remote.WithContext(t.Context()))
	if err != nil {
		t.Fatalf("reading %s: %v", reference, err)
	}
	return desc
}

// found is a signature or attestation read back from the registry, checked
// with the product's own reading of the formats left out.
type found struct {
	form      form
	key       string // the name of the key that it verifies under; empty when none does
	digest    string // what it was made for
	predicate string
}

// marksOn reads everything attached to an image over HTTP.
func (d *Demo) marksOn(t *testing.T, repository string, digest v1.Hash) []found {
	t.Helper()
	var all []found
	legacy, err := remote.Image(d.at(t, repository+":sha256-"+digest.Hex+".sig"))
	if err == nil {
		manifest, err := legacy.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range manifest.Layers {
			layer, err := legacy.LayerByDigest(l.Digest)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, d.legacyMark(t, l, read(t, layer)))
		}
	}
	index, err := remote.Referrers(d.at(t, repository+"@"+digest.String()).(name.Digest))
	if err != nil {
		t.Fatalf("referrers of %s: %v", repository, err)
	}
	referrers, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range referrers.Manifests {
		attached, err := remote.Image(d.at(t, repository+"@"+r.Digest.String()))
		if err != nil {
			t.Fatal(err)
		}
		if r.ArtifactType == notationType || attachedType(t, attached) == notationType {
			all = append(all, d.notationMark(t, attached))
			continue
		}
		all = append(all, d.bundleMark(t, attached, digest))
	}
	return all
}

func attachedType(t *testing.T, attached v1.Image) string {
	t.Helper()
	manifest, err := attached.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return manifest.ArtifactType
}

func (d *Demo) legacyMark(t *testing.T, l v1.Descriptor, payload []byte) found {
	t.Helper()
	if l.MediaType != simpleSigningType {
		t.Errorf("a signature layer is %s", l.MediaType)
	}
	var p simpleSigning
	if err := inventory.StrictJSON(payload, &p); err != nil {
		t.Fatal(err)
	}
	if p.Critical.Type != "cosign container image signature" || !strings.HasPrefix(p.Critical.Identity.DockerReference, d.push.host()+"/") {
		t.Errorf("odd payload: %s", payload)
	}
	raw, err := base64.StdEncoding.DecodeString(l.Annotations[signatureAnnotation])
	if err != nil {
		t.Fatal(err)
	}
	f := found{form: legacyForm, digest: p.Critical.Image.DockerManifestDigest}
	hash := sha256.Sum256(payload)
	for name := range d.keys.pem {
		if ecdsa.VerifyASN1(d.public(t, name), hash[:], raw) {
			f.key = name
		}
	}
	if text := l.Annotations["dev.sigstore.cosign/certificate"]; text != "" {
		f.form = keylessLegacyForm
		block, _ := pem.Decode([]byte(text))
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if ecdsa.VerifyASN1(leaf.PublicKey.(*ecdsa.PublicKey), hash[:], raw) && d.promised(t, l.Annotations["dev.sigstore.cosign/bundle"]) {
			f.key = whoIs(leaf)
		}
	}
	return f
}

// promised checks the log's promise in an annotation.
func (d *Demo) promised(t *testing.T, text string) bool {
	t.Helper()
	var b struct {
		SignedEntryTimestamp []byte
		Payload              map[string]any
	}
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	for _, number := range []string{"integratedTime", "logIndex"} {
		b.Payload[number] = int64(b.Payload[number].(float64))
	}
	promised, err := json.Marshal(b.Payload)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(promised)
	return ecdsa.VerifyASN1(&d.sigstore.signatures.key.PublicKey, hash[:], b.SignedEntryTimestamp)
}

// whoIs finds the identity that a certificate is for.
func whoIs(leaf *x509.Certificate) string {
	for name, who := range identities {
		if len(leaf.URIs) == 1 && leaf.URIs[0].String() == who.workflow || len(leaf.EmailAddresses) == 1 && leaf.EmailAddresses[0] == who.email {
			return name
		}
	}
	return ""
}

// certified is who signed a bundle with a certificate, verified down to the
// roots of the instance that issued it: certificate, its log, the signature's
// log, and the time.
func (d *Demo) certified(t *testing.T, b *sgbundle.Bundle, digest []byte) string {
	t.Helper()
	for _, instance := range []*sigstore{d.sigstore, d.elsewhere} {
		raw, err := instance.trustedRoot("test.example")
		if err != nil {
			t.Fatal(err)
		}
		trusted, err := root.NewTrustedRootFromJSON(raw)
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := verify.NewVerifier(trusted, verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
		if err != nil {
			t.Fatal(err)
		}
		result, err := verifier.Verify(b, verify.NewPolicy(verify.WithArtifactDigest("sha256", digest), verify.WithoutIdentitiesUnsafe()))
		if err != nil {
			continue
		}
		for name, who := range identities {
			if result.Signature.Certificate.SubjectAlternativeName == who.name() && result.Signature.Certificate.Issuer == who.issuer {
				if kinds := len(result.VerifiedTimestamps); who.email != "" && kinds < 2 {
					t.Errorf("%s has %d verified times, want the log's and the authority's", name, kinds)
				}
				return name
			}
		}
	}
	return ""
}

// notationMark reads a Notation signature back.
func (d *Demo) notationMark(t *testing.T, attached v1.Image) found {
	t.Helper()
	manifest, err := attached.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	layer, err := attached.LayerByDigest(manifest.Layers[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := notationsig.ParseEnvelope(string(manifest.Layers[0].MediaType), read(t, layer))
	if err != nil {
		t.Fatal(err)
	}
	content, err := envelope.Verify()
	if err != nil {
		t.Fatal(err)
	}
	var payload struct{ TargetArtifact struct{ Digest string } }
	if err := json.Unmarshal(content.Payload.Content, &payload); err != nil {
		t.Fatal(err)
	}
	f := found{form: notationForm, digest: payload.TargetArtifact.Digest, key: asJWS}
	if string(manifest.Layers[0].MediaType) == notationCOSE {
		f.key = asCOSE
	}
	if expiry := content.SignerInfo.SignedAttributes.Expiry; !expiry.IsZero() && expiry.Before(time.Now()) {
		f.key += " " + expired
	}
	if chain := content.SignerInfo.CertificateChain; !chain[len(chain)-1].Equal(d.notary.authority.certificate) {
		f.key += " " + vendor
	}
	return f
}

func (d *Demo) bundleMark(t *testing.T, attached v1.Image, on v1.Hash) found {
	t.Helper()
	manifest, err := attached.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.ArtifactType != bundleType || manifest.Subject == nil || manifest.Subject.Digest != on || manifest.Subject.Size == 0 {
		t.Errorf("odd referrer: %+v", manifest)
	}
	layer, err := attached.LayerByDigest(manifest.Layers[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	var b sgbundle.Bundle
	if err := b.UnmarshalJSON(read(t, layer)); err != nil {
		t.Fatal(err)
	}
	envelope := b.GetDsseEnvelope()
	var s statement
	if err := inventory.StrictJSON(envelope.GetPayload(), &s); err != nil {
		t.Fatal(err)
	}
	f := found{form: bundleForm, digest: "sha256:" + s.Subject[0].Digest["sha256"], predicate: s.PredicateType}
	if s.PredicateType != signPredicate {
		f.form = sbomForm
	}
	if hint := manifest.Annotations["dev.sigstore.bundle.predicateType"]; hint != s.PredicateType {
		t.Errorf("the annotation says %s, the statement %s", hint, s.PredicateType)
	}
	signed, err := hex.DecodeString(s.Subject[0].Digest["sha256"])
	if err != nil {
		t.Fatal(err)
	}
	if b.GetVerificationMaterial().GetCertificate() != nil {
		f.form = keylessForm
		if s.PredicateType != signPredicate {
			f.form = provenanceForm
		}
		f.key = d.certified(t, &b, signed)
		return f
	}
	if len(b.GetVerificationMaterial().GetTlogEntries()) > 0 {
		f.form = loggedForm
	}
	for name := range d.keys.pem {
		v, err := signature.LoadECDSAVerifier(d.public(t, name), crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		trusted := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
			return root.NewExpiringKey(v, time.Time{}, time.Time{}), nil
		})
		verifier, err := verify.NewVerifier(trusted, verify.WithNoObserverTimestamps())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verifier.Verify(&b, verify.NewPolicy(verify.WithArtifactDigest("sha256", signed), verify.WithKey())); err == nil {
			f.key = name
		}
	}
	return f
}

// public is a key as Keys hands it out, or the private ring's for the keys that
// nobody registers.
func (d *Demo) public(t *testing.T, name string) *ecdsa.PublicKey {
	t.Helper()
	block, _ := pem.Decode([]byte(d.keys.pem[name]))
	if block == nil || block.Type != "PUBLIC KEY" {
		t.Fatalf("the key %q isn't PEM", name)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*ecdsa.PublicKey)
}

func read(t *testing.T, l v1.Layer) []byte {
	t.Helper()
	r, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPush_everyImageIsWholeOverHTTP(t *testing.T) {
	d := pushed(t)
	seen := map[types.MediaType]int{}
	for _, r := range story {
		desc := d.descriptor(t, r.repository+":"+r.version)
		seen[desc.MediaType]++
		if desc.MediaType.IsIndex() {
			index, err := desc.ImageIndex()
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Index(index); err != nil {
				t.Errorf("%s:%s: %v", r.repository, r.version, err)
			}
			continue
		}
		img, err := desc.Image()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Errorf("%s:%s: %v", r.repository, r.version, err)
		}
	}
	for _, mediaType := range []types.MediaType{types.OCIManifestSchema1, types.OCIImageIndex, types.DockerManifestSchema2, types.DockerManifestList} {
		if seen[mediaType] == 0 {
			t.Errorf("no image is a %s", mediaType)
		}
	}
}

func TestPush_imagesAreTheSameAtEveryStart(t *testing.T) {
	one, two := pushed(t), pushed(t)
	digests := map[string]string{}
	for _, r := range story {
		ref := r.repository + ":" + r.version
		first, second := one.descriptor(t, ref).Digest, two.descriptor(t, ref).Digest
		if first != second {
			t.Errorf("%s is %s and then %s", ref, first, second)
		}
		if other := digests[first.String()]; other != "" {
			t.Errorf("%s is the same image as %s", ref, other)
		}
		digests[first.String()] = ref
	}
	if bytes.Equal(one.Keys()[0].PEM, two.Keys()[0].PEM) {
		t.Error("two starts share a key")
	}
}

// TestPush_signaturesAreWhatTheStorySays reads every signature back and checks
// it under every key, so that one made by the wrong key, or for the wrong
// image, or left out, is seen.
func TestPush_signaturesAreWhatTheStorySays(t *testing.T) {
	d := pushed(t)
	for _, r := range story {
		digest := d.descriptor(t, r.repository+":"+r.version).Digest
		got := map[found]int{}
		for _, f := range d.marksOn(t, r.repository, digest) {
			got[f]++
		}
		want := map[found]int{}
		for _, m := range r.marks {
			f := found{form: m.form, digest: digest.String()}
			if m.of != "" {
				f.digest = d.descriptor(t, r.repository+":"+m.of).Digest.String()
			}
			switch m.form {
			case bundleForm, loggedForm, keylessForm:
				f.predicate = signPredicate
			case sbomForm:
				f.predicate = cycloneDXPredicate
			case provenanceForm:
				f.predicate = provenancePredicate
			case notationForm:
				f.key = strings.Join(m.keys, " ")
				want[f]++
				continue
			}
			for _, f.key = range m.keys {
				want[f]++
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s:%s carries %v, want %v", r.repository, r.version, got, want)
		}
		for f, n := range want {
			if got[f] != n {
				t.Errorf("%s:%s carries %v, want %v", r.repository, r.version, got, want)
			}
		}
		for child := range d.children(t, r) {
			if marks := d.marksOn(t, r.repository, child); len(marks) > 0 {
				t.Errorf("an image of the index %s:%s is signed", r.repository, r.version)
			}
		}
	}
}

func (d *Demo) children(t *testing.T, r release) map[v1.Hash]bool {
	t.Helper()
	all := map[v1.Hash]bool{}
	desc := d.descriptor(t, r.repository+":"+r.version)
	if !desc.MediaType.IsIndex() {
		return all
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(desc.Manifest))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range index.Manifests {
		all[m.Digest] = true
	}
	return all
}

// TestStory_tellsOfEveryStatus counts what the product should come to, by the
// contract's definitions: this is the tally that story's comment promises.
func TestStory_tellsOfEveryStatus(t *testing.T) {
	standing := map[string]Key{}
	for _, k := range registered {
		standing[k.Name] = k
	}
	tally := map[inventory.Status]int{}
	for _, r := range story {
		tally[expected(t, r, standing)]++
	}
	tally[inventory.Unsigned]++ // after MoveTag
	want := map[inventory.Status]int{
		inventory.Trusted: 28, inventory.Unapproved: 8, inventory.Unverifiable: 5, inventory.Failed: 3, inventory.Unsigned: 7,
	}
	for status, n := range want {
		if tally[status] != n {
			t.Errorf("%d images are %s, want %d", tally[status], status, n)
		}
	}
}

func expected(t *testing.T, r release, keys map[string]Key) inventory.Status {
	t.Helper()
	best := inventory.Unsigned
	rank := map[inventory.Status]int{inventory.Unsigned: 0, inventory.Failed: 1, inventory.Unverifiable: 2, inventory.Unapproved: 3, inventory.Trusted: 4}
	for _, m := range r.marks {
		switch m.form {
		case sbomForm, provenanceForm:
			continue
		case notationForm:
			switch {
			case slices.Contains(m.keys, vendor):
				best = inventory.Unverifiable
			case slices.Contains(m.keys, expired):
				best = inventory.Failed
			default:
				best = inventory.Trusted
			}
			continue
		case keylessForm, keylessLegacyForm:
			best = map[string]inventory.Status{edgeWorkflow: inventory.Trusted, otherWorkflow: inventory.Unverifiable}[m.keys[0]]
			if best == "" {
				best = inventory.Unapproved
			}
			continue
		}
		for _, name := range m.keys {
			status := inventory.Unapproved
			k, ok := keys[name]
			scope, err := inventory.ParseGlobs(k.Scope)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case m.of != "":
				status = inventory.Failed
			case !ok:
				status = inventory.Unverifiable
			case k.Standing == inventory.Approved && inventory.MatchAny(scope, RegistryName+"/"+r.repository):
				status = inventory.Trusted
			}
			if rank[status] > rank[best] {
				best = status
			}
		}
	}
	return best
}

func TestMoveTag_leavesTheSignedImageBehind(t *testing.T) {
	d := pushed(t)
	before := d.descriptor(t, "payments/gateway:"+movedTag).Digest
	if err := d.MoveTag(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := d.descriptor(t, "payments/gateway:"+movedTag).Digest
	if before == after {
		t.Fatal("the tag didn't move")
	}
	if d.descriptor(t, "payments/gateway:5.4.0").Digest != before {
		t.Error("the signed build lost its own tag")
	}
	if len(d.marksOn(t, "payments/gateway", before)) == 0 {
		t.Error("the build it moved from isn't signed")
	}
	if marks := d.marksOn(t, "payments/gateway", after); len(marks) > 0 {
		t.Errorf("the build it moved to carries %v", marks)
	}
}

func TestKeys_sayWhatTheReviewerNeeds(t *testing.T) {
	d := started(t)
	seen := map[inventory.Standing]bool{}
	for _, k := range d.Keys() {
		seen[k.Standing] = true
		if _, err := inventory.ParseGlobs(k.Scope); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
		decided := k.Standing != inventory.Pending
		if decided != (k.Reason != "") || decided != (len(k.Scope) > 0) {
			t.Errorf("%s is %s with reason %q and scope %v", k.Name, k.Standing, k.Reason, k.Scope)
		}
		if (k.Standing == inventory.Revoked) != (k.RevokeReason != "") {
			t.Errorf("%s is %s with the revocation's reason %q", k.Name, k.Standing, k.RevokeReason)
		}
		if block, _ := pem.Decode(k.PEM); block == nil {
			t.Errorf("%s is no PEM", k.Name)
		}
		if k.Name == contractorKey || k.Name == unknownKey {
			t.Errorf("%s is registered", k.Name)
		}
	}
	for _, s := range []inventory.Standing{inventory.Approved, inventory.Pending, inventory.Revoked} {
		if !seen[s] {
			t.Errorf("no key is %s", s)
		}
	}
}

func TestTeams_leaveSomeRepositoriesToNobody(t *testing.T) {
	d := started(t)
	owned, orphans := 0, 0
	for _, r := range story {
		n := 0
		for _, team := range d.Teams() {
			for _, g := range team.Repositories {
				if _, err := inventory.ParseGlob(string(g)); err != nil {
					t.Fatal(err)
				}
			}
			if team.Owns(RegistryName + "/" + r.repository) {
				n++
			}
		}
		switch n {
		case 0:
			orphans++
		case 1:
			owned++
		default:
			t.Errorf("%d teams own %s", n, r.repository)
		}
	}
	if owned != 41 || orphans != 9 {
		t.Errorf("%d images have a team and %d have none, want 41 and 9", owned, orphans)
	}
}

func TestPush_stopsWhenItsContextEnds(t *testing.T) {
	d := started(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Push(ctx); err == nil {
		t.Error("it pushed all the same")
	}
}
