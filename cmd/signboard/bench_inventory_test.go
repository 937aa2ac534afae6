//go:build bench

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/inventory/policy"
)

// The made-up organisation. What grows with the number of images is what would
// grow: repositories, signers, decisions. What people keep short doesn't: its
// registries, teams, quarantines, repositories that can't be read. Every list is
// as long as a page at either size, so that a page shows as much at both and
// the ratio speaks of the inventory alone.
const (
	historyDays   = 90
	benchInterval = 48 * time.Hour // nothing is due while pages are measured
	inRegistryA   = 6              // of ten repositories; then 3 in the second, 1 in the third
	together      = 250            // repositories that are filled side by side
	atOnce        = 100            // images stored in one transaction, as a sync does
)

var (
	benchRegistries = []string{"harbor", "mirror", "edge"}
	benchTeams      = []string{"payments", "platform", "storefront", "data"}
	benchServices   = []string{"ledger", "gateway", "worker", "scheduler", "web", "report"}
)

// landmarks are places in an inventory that pages are asked for.
type landmarks struct {
	approved, pending inventory.SignerID // those with the most images
	image             inventory.Digest   // a trusted one, with one signature
	repository        string             // where it is: registry/repository
	listed            int
	gone              int // of which their repository vanished
}

// filler makes an inventory through the store's own methods: the same one for
// the same size, apart from the moment it is made.
type filler struct {
	*app
	n         int
	now       time.Time
	rand      *rand.Rand
	approved  []inventory.Signer
	pending   []inventory.Signer
	decisions inventory.Decisions
	marks     landmarks
	names     map[string][]string // of repositories, by registry
}

func benchConfig(database string) *Config {
	c := &Config{Listen: "127.0.0.1:8080", Database: database, Review: ReviewConfig{Approvers: 1}}
	for i, name := range benchRegistries {
		c.Registries = append(c.Registries, RegistryConfig{Name: name, URL: fmt.Sprintf("http://127.0.0.1:%d", i+1), AllowPrivate: true, Interval: benchInterval})
	}
	for _, name := range benchTeams {
		c.Teams = append(c.Teams, TeamConfig{Name: name, Repositories: []string{"*/" + name + "/**"}})
	}
	return c
}

// fill makes n images in use.
func fill(ctx context.Context, a *app, n int) (landmarks, error) {
	f := &filler{app: a, n: n, now: time.Now().UTC().Truncate(time.Millisecond), rand: rand.New(rand.NewPCG(1, uint64(n)))}
	for _, step := range []func(context.Context) error{f.sign, f.catalog, f.repositories, f.change, f.vanish, f.hold} {
		if err := step(ctx); err != nil {
			return landmarks{}, err
		}
	}
	return f.marks, nil
}

// sign makes the signers: keys that are registered and approved, some of which
// fell from grace, and identities that nobody has decided about.
func (f *filler) sign(ctx context.Context) error {
	for i := range 60 + f.n/1000 {
		s, err := f.registerKey(ctx, local, fmt.Sprintf("release pipeline %d", i), benchKey(i))
		if err != nil {
			return err
		}
		scope := []inventory.Glob{"**"}
		if i%10 == 9 {
			scope = []inventory.Glob{inventory.Glob("*/" + benchTeams[i%len(benchTeams)] + "/**")}
		}
		made, err := f.door.Decide(ctx, local, decision.SignerRequest{
			Signer: s.ID, Verb: inventory.Approve, Repositories: scope, Reason: "Fingerprint compared in person.", Revision: s.Revision,
		})
		if err != nil {
			return err
		}
		if i%20 == 19 {
			_, err = f.door.Decide(ctx, local, decision.SignerRequest{Signer: s.ID, Verb: inventory.Revoke, Reason: "The key was on a lost laptop.", Revision: made.Revision})
			if err != nil {
				return err
			}
		}
		f.approved = append(f.approved, s)
	}
	for i := range 60 + f.n/500 {
		name := fmt.Sprintf("https://git.example.com/%s/%s-%d/.github/workflows/release.yml@refs/heads/main", benchTeams[i%len(benchTeams)], benchServices[i%len(benchServices)], i)
		f.pending = append(f.pending, inventory.Signer{
			ID: inventory.KeylessID("https://issuer.example.com", name), Kind: inventory.KeylessSigner, Name: name,
			Facts: []inventory.Fact{{Name: "Issuer", Value: "https://issuer.example.com"}},
		})
	}
	f.marks.approved, f.marks.pending = f.approved[0].ID, f.pending[0].ID
	var ids []inventory.SignerID
	for _, s := range f.approved {
		ids = append(ids, s.ID)
	}
	var err error
	f.decisions, err = f.store.Decisions(ctx, ids)
	return err
}

// benchKey is the public half of a key that depends on i alone.
func benchKey(i int) []byte {
	secret := sha256.Sum256(fmt.Appendf(nil, "key %d", i))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret[:])
	if err != nil {
		panic(err) // one in 2^32 numbers is no key
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// catalog lists the repositories, in no particular order and each registry's a
// few at a time: what is new in an organisation isn't sorted by name.
func (f *filler) catalog(ctx context.Context) error {
	type repository struct{ registry, name string }
	var all []repository
	for i := range repositoryCount(f.n) {
		registry := benchRegistries[2]
		switch d := i / (len(benchTeams) + 1) * 7 % 10; {
		case d < inRegistryA:
			registry = benchRegistries[0]
		case d < 9:
			registry = benchRegistries[1]
		}
		team := "sandbox" // nobody's
		if t := i % (len(benchTeams) + 1); t < len(benchTeams) {
			team = benchTeams[t]
		}
		all = append(all, repository{registry, fmt.Sprintf("%s/%s-%d", team, benchServices[i%len(benchServices)], i)})
	}
	f.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	f.names = map[string][]string{}
	for part := range slices.Chunk(all, together) {
		names := map[string][]string{}
		for _, r := range part {
			names[r.registry] = append(names[r.registry], r.name)
			f.names[r.registry] = append(f.names[r.registry], r.name)
		}
		for _, registry := range benchRegistries {
			scope := inventory.SyncScope{Registry: registry}
			if err := f.store.MakeDue(ctx, scope, f.now); err != nil {
				return err
			}
			w, err := f.store.ClaimRegistry(ctx, "bench", scope, f.now, time.Hour)
			if err != nil {
				return err
			}
			if err := f.store.RecordCatalog(ctx, w, names[registry], false, f.now); err != nil {
				return err
			}
		}
	}
	return nil
}

// repositoryCount is how many repositories hold n images: 20,000 hold a million.
func repositoryCount(n int) int { return min(n/20, 20_000) }

// sizes are how many images each repository has: a few have thousands, most a
// handful, n in all. They are in no order.
func (f *filler) sizes() []int {
	sizes := make([]int, repositoryCount(f.n))
	total := 0.0
	weight := func(i int) float64 { return math.Pow(float64(i+3), -0.8) }
	for i := range sizes {
		total += weight(i)
	}
	left := f.n
	for i := range sizes {
		sizes[i] = max(1, int(float64(f.n-len(sizes))*weight(i)/total))
		left -= sizes[i]
	}
	for i := 0; left != 0; i = (i + 1) % len(sizes) { // what rounding left over
		step := 1
		if left < 0 {
			step = -1
		}
		if sizes[i]+step > 0 {
			sizes[i] += step
			left -= step
		}
	}
	f.rand.Shuffle(len(sizes), func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
	return sizes
}

// held is a repository that is being filled.
type held struct {
	work   *inventory.RepositoryWork
	number int
	size   int
	images int // found so far
	tags   []string
}

// repositories finds the images over the last days, in an order in which those
// of a few hundred repositories are mixed.
func (f *filler) repositories(ctx context.Context) error {
	sizes := f.sizes()
	for first := 0; first < len(sizes); first += together {
		var window []*held
		var turns []*held
		for number := first; number < min(first+together, len(sizes)); number++ {
			w, err := f.store.ClaimRepository(ctx, "bench", inventory.SyncScope{}, f.now.Add(time.Second), time.Hour)
			if err != nil {
				return err
			}
			h := &held{work: w, number: number, size: sizes[number]}
			window = append(window, h)
			for range (h.size + atOnce - 1) / atOnce {
				turns = append(turns, h)
			}
		}
		f.rand.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
		for _, h := range turns {
			at := f.now.Add(-time.Duration(float64(historyDays*24*time.Hour) * (1 - float64(f.marks.listed)/float64(f.n))))
			var findings []inventory.ImageFinding
			for range min(atOnce, h.size-h.images) {
				findings = append(findings, f.image(h, at)...)
			}
			if err := f.store.RecordImages(ctx, h.work, findings, at); err != nil {
				return err
			}
		}
		for _, h := range window {
			if err := f.finish(ctx, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// change looks once more at a few repositories of each registry, where tags moved
// and an image got another verdict.
func (f *filler) change(ctx context.Context) error {
	const changed = 40
	for _, registry := range benchRegistries {
		for i := range min(changed, len(f.names[registry])/4) {
			scope := inventory.SyncScope{Registry: registry, Repository: inventory.Glob(f.names[registry][i])}
			if err := f.store.MakeDue(ctx, scope, f.now); err != nil {
				return err
			}
			w, err := f.store.ClaimRepository(ctx, "bench", scope, f.now, time.Hour)
			if err != nil {
				return err
			}
			if w == nil {
				return fmt.Errorf("%s/%s can't be claimed", registry, scope.Repository)
			}
			var tags []string
			for tag := range w.Tags {
				tags = append(tags, tag)
			}
			slices.Sort(tags)
			if len(tags) < 2 || w.Repository.Failing != nil {
				if err := f.store.RenewRepository(ctx, w, f.now, 0); err != nil {
					return err
				}
				continue
			}
			finding := inventory.ImageFinding{
				Digest: w.Tags[tags[0]], Kind: inventory.SingleImage, MediaType: inventory.MediaTypeOCIManifest, Size: 1200,
				TrustRevision: 1, JudgedAt: f.decisions.Revision, Tags: []string{tags[0], "stable"},
			}
			f.signed(&finding, f.pick(f.pending), f.now)
			finding.Evidence.Fingerprint = attachedTo(finding.Digest).Fingerprint()
			finding.Verdict = policy.Judge(policy.Facts{
				Repository: w.Repository.FullName(), Checked: true, Signatures: finding.Evidence.Signatures, Decisions: f.decisions.BySigner,
			}, f.now)
			if err := f.store.RecordImages(ctx, w, []inventory.ImageFinding{finding}, f.now); err != nil {
				return err
			}
			if err := f.store.FinishRepository(ctx, w, append(tags, "stable"), f.now.Add(benchInterval), f.now); err != nil {
				return err
			}
		}
	}
	return nil
}

// vanish lists each registry to its end, without the repositories that it lost.
func (f *filler) vanish(ctx context.Context) error {
	before, err := f.store.Counts(ctx, inventory.Scope{})
	if err != nil {
		return err
	}
	if before.Images != f.n {
		return fmt.Errorf("there are %d images in use, and should be %d", before.Images, f.n)
	}
	for _, registry := range benchRegistries {
		scope := inventory.SyncScope{Registry: registry}
		if err := f.store.MakeDue(ctx, scope, f.now); err != nil {
			return err
		}
		w, err := f.store.ClaimRegistry(ctx, "bench", scope, f.now, time.Hour)
		if err != nil {
			return err
		}
		names := f.names[registry]
		lost := min(30, len(names)/20)
		if err := f.store.RecordCatalog(ctx, w, names[:len(names)-lost], true, f.now); err != nil {
			return err
		}
	}
	after, err := f.store.Counts(ctx, inventory.Scope{})
	f.marks.gone = before.Images - after.Images
	f.marks.listed = after.Images
	return err
}

// finish ends the look at a repository. A few can't be read any more.
func (f *filler) finish(ctx context.Context, h *held) error {
	if h.number%8 != 0 || h.number >= 48 {
		return f.store.FinishRepository(ctx, h.work, h.tags, f.now.Add(benchInterval), f.now)
	}
	failure := &inventory.LookError{Reason: inventory.ReasonRegistryDenied, Message: "The registry refused to list the tags."}
	v := policy.Judge(policy.Facts{Checked: true, Failure: failure}, f.now)
	return f.store.FailRepository(ctx, h.work, failure, v, f.now.Add(benchInterval), f.now)
}

// image is one image in use with what was found on it; one in twenty is an
// index with two platforms.
func (f *filler) image(h *held, at time.Time) []inventory.ImageFinding {
	i, k := f.marks.listed, h.images
	f.marks.listed++
	h.images++
	self := inventory.ImageFinding{
		Digest: inventory.DigestOf(fmt.Appendf(nil, "image %d", i)), Kind: inventory.SingleImage, MediaType: inventory.MediaTypeOCIManifest,
		Size: 1200, TrustRevision: 1, JudgedAt: f.decisions.Revision, Tags: []string{fmt.Sprintf("1.%d.0", k)},
	}
	if k == 0 && h.number%10 == 0 { // a base image that five repositories share
		self.Digest = inventory.DigestOf(fmt.Appendf(nil, "base %d", h.number/50))
	}
	if k == h.size-1 {
		self.Tags = append(self.Tags, "latest")
	}
	if k%4 == 3 {
		self.Tags = append(self.Tags, fmt.Sprintf("build-%d", 1000+k))
	}
	h.tags = append(h.tags, self.Tags...)
	full := h.work.Repository.FullName()
	f.evidence(&self, full, at)
	findings := []inventory.ImageFinding{self}
	if i%20 != 0 {
		if self.Verdict.Status == inventory.Trusted && len(self.Evidence.Signatures) == 1 && len(self.Tags) == 1 && k > 50 {
			f.marks.image, f.marks.repository = self.Digest, full
		}
		return findings
	}
	findings[0].Kind, findings[0].MediaType = inventory.IndexImage, inventory.MediaTypeOCIIndex
	for _, platform := range []string{"linux/amd64", "linux/arm64/v8"} {
		child := inventory.ImageFinding{
			Digest: inventory.DigestOf(fmt.Appendf(nil, "image %d %s", i, platform)), Kind: inventory.SingleImage,
			MediaType: inventory.MediaTypeOCIManifest, Size: 900, TrustRevision: 1, JudgedAt: f.decisions.Revision,
		}
		child.Evidence.Fingerprint = attachedTo(child.Digest).Fingerprint()
		child.Verdict = policy.Judge(policy.Facts{Repository: full, Checked: true}, at)
		findings[0].Platforms = append(findings[0].Platforms, inventory.Platform{Platform: platform, Digest: child.Digest, MediaType: child.MediaType, Size: child.Size})
		findings = append(findings, child)
	}
	return findings
}

// hold quarantines some images and releases others, and ends the syncs.
func (f *filler) hold(ctx context.Context) error {
	const held = 120
	for i := range held {
		digest := inventory.DigestOf(fmt.Appendf(nil, "image %d", i*(f.n/held)+7))
		q, err := f.door.Quarantine(ctx, local, decision.QuarantineRequest{Digest: digest, Reason: "Carries a library with a known hole; see the advisory."})
		if err != nil {
			return err
		}
		if i%2 == 1 {
			if err := f.door.Release(ctx, local, q.ID, "Rebuilt and checked."); err != nil {
				return err
			}
		}
	}
	registries, err := f.store.Registries(ctx)
	for _, r := range registries {
		_, problem := f.store.RecordProgress(ctx, inventory.SyncReport{Registry: r.Name, Owner: "bench"}, f.now)
		err = errors.Join(err, problem)
	}
	return err
}
