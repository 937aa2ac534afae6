package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"golang.org/x/sync/errgroup"
)

// release is one image of the organisation: what was built, how it is tagged
// and what was attached to it.
type release struct {
	repository string
	version    string
	also       []string // further tags
	flavour    flavour
	platforms  []v1.Platform // more than one: an index, whose images carry no signatures of their own
	marks      []mark
}

// mark is something attached to a release.
type mark struct {
	form form
	keys []string // or the identity that signs
	// of is the version, in the same repository, that was really signed; empty
	// for the release itself.
	of string
}

type form int

const (
	legacyForm        form = iota // a tag sha256-….sig with a layer for each key
	bundleForm                    // a Sigstore bundle as a referrer
	sbomForm                      // a bundle too, over a CycloneDX document: an attestation, no signature
	loggedForm                    // a bundle by a key, in the transparency log
	keylessForm                   // a bundle with a certificate, in the transparency log
	keylessLegacyForm             // the same in the older form
	provenanceForm                // a bundle with a certificate, over a SLSA provenance: an attestation
	notationForm                  // a Notation signature
)

// What a Notation mark's keys say.
const (
	asJWS   = "jws"
	asCOSE  = "cose"
	expired = "expired"
	vendor  = "vendor" // by a certificate of an authority that nobody knows
)

func logged(key string) mark        { return mark{form: loggedForm, keys: []string{key}} }
func keyless(who string) mark       { return mark{form: keylessForm, keys: []string{who}} }
func keylessLegacy(who string) mark { return mark{form: keylessLegacyForm, keys: []string{who}} }
func provenance(who string) mark    { return mark{form: provenanceForm, keys: []string{who}} }
func notation(how ...string) mark   { return mark{form: notationForm, keys: how} }

func legacy(keys ...string) mark         { return mark{form: legacyForm, keys: keys} }
func bundle(key string) mark             { return mark{form: bundleForm, keys: []string{key}} }
func attested(key string) mark           { return mark{form: sbomForm, keys: []string{key}} }
func (m mark) copiedFrom(of string) mark { m.of = of; return m }

var (
	arm64    = v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	s390x    = v1.Platform{OS: "linux", Architecture: "s390x"}
	everyday = []v1.Platform{linuxAMD64, arm64}
	wide     = []v1.Platform{linuxAMD64, arm64, s390x}
)

// story is Larkfield's registry: 50 images. With Keys and Identities decided as
// they say, and the tag moved, there are 51: 28 trusted, 8 unapproved, 5
// unverifiable, 3 invalid, 7 unsigned.
var story = []release{
	// Payments sign everything that ships; the two slips are at the end.
	{repository: "payments/ledger", version: "4.12.0", flavour: docker, marks: []mark{legacy(paymentsKey)}},
	{repository: "payments/ledger", version: "4.12.1", flavour: oci, marks: []mark{bundle(paymentsKey)}},
	{repository: "payments/ledger", version: "4.13.0", also: []string{"latest"}, flavour: oci, marks: []mark{bundle(paymentsKey), attested(paymentsKey)}},
	{repository: "payments/api", version: "2.31.0", flavour: oci, platforms: everyday, marks: []mark{bundle(paymentsKey)}},
	{repository: "payments/api", version: "2.32.0", also: []string{"latest"}, flavour: oci, platforms: everyday, marks: []mark{bundle(paymentsKey)}},
	{repository: "payments/gateway", version: "5.3.2", flavour: oci, marks: []mark{legacy(paymentsKey)}},
	{repository: "payments/gateway", version: "5.4.0", also: []string{movedTag}, flavour: oci, marks: []mark{bundle(paymentsKey)}},
	{repository: "payments/fraud-scoring", version: "0.9.2", flavour: oci, marks: []mark{bundle(paymentsKey), bundle(dataKey)}},
	{repository: "payments/settlement", version: "3.0.7", flavour: docker, marks: []mark{legacy(paymentsKey, contractorKey)}},
	{repository: "payments/checkout", version: "1.8.4", flavour: oci, marks: []mark{legacy(paymentsKey)}},
	{repository: "payments/checkout", version: "1.8.5", flavour: oci, marks: []mark{legacy(paymentsKey).copiedFrom("1.8.4")}},
	{repository: "payments/settlement", version: "3.1.0-rc.2", flavour: oci},

	// Platform: base images and agents; two still carry only the old key.
	{repository: "platform/base-go", version: "1.26.1", flavour: oci, marks: []mark{bundle(platformKey)}},
	{repository: "platform/base-java", version: "21.0.4", flavour: docker, marks: []mark{legacy(platformKey)}},
	{repository: "platform/ingress", version: "1.14.2", flavour: docker, platforms: wide, marks: []mark{bundle(platformKey)}},
	{repository: "platform/ingress", version: "1.13.9", flavour: oci, marks: []mark{legacy(legacyKey)}},
	{repository: "platform/vault-agent", version: "1.9.0", flavour: oci, marks: []mark{bundle(platformKey), attested(platformKey)}},
	{repository: "platform/cert-rotator", version: "0.6.0", flavour: oci, marks: []mark{legacy(platformKey), bundle(platformKey)}},
	{repository: "platform/log-shipper", version: "2.7.1", flavour: oci, marks: []mark{legacy(legacyKey)}},
	{repository: "platform/node-agent", version: "1.2.0", flavour: oci, marks: []mark{attested(platformKey)}},
	{repository: "platform/edge-cache", version: "3.2.0", flavour: oci, marks: []mark{keyless(edgeWorkflow)}},
	{repository: "platform/edge-cache", version: "3.3.0", also: []string{"latest"}, flavour: oci, platforms: everyday,
		marks: []mark{keyless(edgeWorkflow), provenance(edgeWorkflow)}},

	// Storefront changed its key last week; nobody has decided about the new one.
	{repository: "storefront/web", version: "2026.44.0", flavour: oci, marks: []mark{bundle(storefrontKey)}},
	{repository: "storefront/web", version: "2026.45.0", flavour: oci, marks: []mark{bundle(rotatedKey)}},
	{repository: "storefront/web", version: "2026.46.0", also: []string{"latest"}, flavour: oci, marks: []mark{bundle(rotatedKey)}},
	{repository: "storefront/search", version: "7.2.0", flavour: oci, marks: []mark{legacy(storefrontKey)}},
	{repository: "storefront/search", version: "7.3.0", flavour: oci, marks: []mark{bundle(rotatedKey)}},
	{repository: "storefront/cart", version: "3.3.1", flavour: docker, marks: []mark{legacy(storefrontKey)}},
	{repository: "storefront/cart", version: "3.4.0", flavour: oci, marks: []mark{bundle(storefrontKey)}},
	{repository: "storefront/recommendations", version: "1.0.3", flavour: oci, marks: []mark{bundle(storefrontKey)}},
	{repository: "storefront/recommendations", version: "1.0.4", flavour: oci, marks: []mark{bundle(storefrontKey).copiedFrom("1.0.3")}},
	{repository: "storefront/checkout-ui", version: "2026.46.0", flavour: oci, marks: []mark{keylessLegacy(webWorkflow)}},

	// Data borrowed the payments key once, and a contractor signed with his own.
	{repository: "data/ingest", version: "12.0.4", flavour: oci, marks: []mark{legacy(dataKey)}},
	{repository: "data/ingest", version: "12.1.0", flavour: oci, marks: []mark{bundle(dataKey)}},
	{repository: "data/warehouse-sync", version: "5.5.0", flavour: oci, marks: []mark{bundle(dataKey), attested(dataKey)}},
	{repository: "data/scheduler", version: "2.2.0", flavour: docker, marks: []mark{legacy(dataKey)}},
	{repository: "data/feature-store", version: "0.21.0", flavour: oci, marks: []mark{bundle(paymentsKey)}},
	{repository: "data/notebook", version: "2026.10", flavour: oci, marks: []mark{legacy(contractorKey)}},
	{repository: "data/notebook", version: "2026.11", flavour: oci, marks: []mark{bundle(contractorKey)}},
	{repository: "data/notebook", version: "2026.12", flavour: oci, marks: []mark{keyless(analyst)}},
	{repository: "data/reports", version: "4.4.0", flavour: oci, marks: []mark{provenance(reports), attested(dataKey)}},

	// Partners sign with certificates.
	{repository: "partners/payroll", version: "7.9.0", flavour: oci, marks: []mark{notation(asJWS, expired)}},
	{repository: "partners/payroll", version: "8.0.0", flavour: docker, marks: []mark{notation(asJWS)}},
	{repository: "partners/payroll", version: "8.1.0", also: []string{"latest"}, flavour: oci, platforms: everyday, marks: []mark{notation(asCOSE)}},
	{repository: "partners/badge-printer", version: "2.0.0", flavour: oci, marks: []mark{notation(asCOSE, vendor)}},

	// What nobody owns.
	{repository: "legacy/report-printer", version: "1.0.11", flavour: docker},
	{repository: "legacy/ftp-bridge", version: "2.4.0", flavour: docker},
	{repository: "sandbox/hello", version: "latest", flavour: oci},
	{repository: "tools/load-generator", version: "0.3.0", flavour: oci, marks: []mark{logged(unknownKey)}},
	{repository: "tools/mirror", version: "1.0.2", flavour: oci, marks: []mark{keyless(otherWorkflow)}},
}

// movedTag is the tag of payments/gateway that MoveTag points elsewhere.
const movedTag = "stable"

// Push fills the registry with everything as it was yesterday. Call it once:
// a second call would sign everything a second time.
func (d *Demo) Push(ctx context.Context) error {
	made := make(map[string]image, len(story))
	for _, r := range story {
		i, err := newImage(r.repository, r.version, r.flavour, r.platforms...)
		if err != nil {
			return err
		}
		made[r.repository+":"+r.version] = i
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pushers)
	for _, r := range story {
		group.Go(func() error {
			self := made[r.repository+":"+r.version]
			if err := d.push.image(ctx, r.repository, self, append([]string{r.version}, r.also...)...); err != nil {
				return err
			}
			for _, m := range r.marks {
				signed := self
				if m.of != "" {
					signed = made[r.repository+":"+m.of]
				}
				if err := d.attach(ctx, r, m, self.descriptor(), signed.digest); err != nil {
					return fmt.Errorf("attaching to %s:%s: %w", r.repository, r.version, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (d *Demo) attach(ctx context.Context, r release, m mark, on v1.Descriptor, signed v1.Hash) error {
	var (
		manifest  v1.Manifest
		blobs     [][]byte
		reference string // empty: by digest
		err       error
	)
	service := r.repository[strings.LastIndex(r.repository, "/")+1:]
	withKey := sign.BundleOptions{Context: ctx}
	switch m.form {
	case legacyForm:
		reference = on.Digest.Algorithm + "-" + on.Digest.Hex + ".sig"
		manifest, blobs, err = d.signLegacy(ctx, r.repository, signed, m.keys...)
	case keylessLegacyForm:
		reference = on.Digest.Algorithm + "-" + on.Digest.Hex + ".sig"
		manifest, blobs, err = d.signKeylessLegacy(ctx, r.repository, signed, m.keys[0])
	case bundleForm:
		manifest, blobs, err = signBundle(on, signed, d.keys.pair[m.keys[0]], withKey, signPredicate, struct{}{})
	case loggedForm:
		withKey.TransparencyLogs = d.sigstore.logs()
		manifest, blobs, err = signBundle(on, signed, d.keys.pair[m.keys[0]], withKey, signPredicate, struct{}{})
	case sbomForm:
		manifest, blobs, err = signBundle(on, signed, d.keys.pair[m.keys[0]], withKey, cycloneDXPredicate, sbom(service, r.version))
	case keylessForm, provenanceForm:
		predicateType, predicate := signPredicate, any(struct{}{})
		if m.form == provenanceForm {
			predicateType, predicate = provenancePredicate, identities[m.keys[0]].provenance()
		}
		pair, failure := sign.NewEphemeralKeypair(nil)
		if failure != nil {
			return failure
		}
		manifest, blobs, err = signBundle(on, signed, pair, d.keyless(ctx, m.keys[0]), predicateType, predicate)
	case notationForm:
		by, mediaType := d.notary.release, notationJWS
		if slices.Contains(m.keys, vendor) {
			by = d.notary.vendor
		}
		if slices.Contains(m.keys, asCOSE) {
			mediaType = notationCOSE
		}
		manifest, blobs, err = d.notary.sign(ctx, on, by, mediaType, slices.Contains(m.keys, expired))
	}
	if err != nil {
		return err
	}
	return d.push.attach(ctx, r.repository, reference, manifest, blobs...)
}

// MoveTag is what happened since: payments/gateway:stable, which pointed at the
// signed 5.4.0, points at a build that nobody signed.
func (d *Demo) MoveTag(ctx context.Context) error {
	hotfix, err := newImage("payments/gateway", "5.4.1-hotfix", oci)
	if err != nil {
		return err
	}
	return d.push.image(ctx, "payments/gateway", hotfix, movedTag)
}
