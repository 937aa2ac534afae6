package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"signboard/inventory"
)

// The world of a tale: registries with images and signatures in them, in memory.
// What is fetched and checked over a network elsewhere is only told here; all
// that follows from it is the program's own.

// harbour is a registry of a tale, and what is wrong with it.
type harbour struct {
	mu     *sync.Mutex
	name   string
	berths map[string]*berth
	down   bool // it doesn't answer
}

// berth is a repository.
type berth struct {
	tags     map[string]inventory.Digest
	marks    map[inventory.Digest][]mark
	denied   bool   // its tags aren't shown
	unsteady string // a tag that can't be resolved
	fogged   bool   // not every place where signatures could be is readable
}

// mark is a signature as it lies in a registry: whose, whether it is sound, until
// when, and which root of trust vouches for it.
type mark struct {
	By     int    `json:"by"`
	Broken bool   `json:"broken"`
	Ends   int64  `json:"ends"` // unix milliseconds; 0 is never
	Domain string `json:"domain"`
}

func (m mark) digest(of inventory.Digest) inventory.Digest {
	return inventory.DigestOf(fmt.Appendf(nil, "%s %+v", of, m))
}

// crew are those who sign in tales: keys first, then identities of one issuer.
const keysOfCrew, crew = 3, 7

func crewKind(n int) inventory.SignerKind { return crewID(n).Kind() }

const crewIssuer = "https://issuer.test"

func crewID(n int) inventory.SignerID {
	switch {
	case n < keysOfCrew:
		return keyID(n)
	case n == crew-1:
		return inventory.KeylessID(crewIssuer, "https://github.com/acme/web/.github/workflows/release.yml@refs/heads/main")
	}
	return inventory.KeylessID(crewIssuer, fmt.Sprintf("https://github.com/acme/api/.github/workflows/release.yml@refs/tags/v%d", n))
}

var fog = &inventory.LookError{Reason: inventory.ReasonRegistryThrottled, Message: "The registry is busy."}

// signatures is what checking marks comes to for somebody who knows some keys.
func signatures(marks []mark, of inventory.Digest, known map[inventory.SignerID]bool, now time.Time) []inventory.Signature {
	var list []inventory.Signature
	for _, m := range marks {
		s := inventory.Signature{
			Format: inventory.Formats[m.By%3], Manifest: m.digest(of), Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK, Message: "It holds.",
			Signer: &inventory.Signer{ID: crewID(m.By), Kind: crewKind(m.By), Name: fmt.Sprint("signer ", m.By)},
			Domain: m.Domain,
		}
		if m.Ends > 0 {
			s.Expires = &inventory.Expiry{At: timeOf(m.Ends), Reason: inventory.ReasonSignatureExpired, Message: "It ran out."}
		}
		switch {
		case m.By < keysOfCrew && !known[crewID(m.By)]:
			s = inventory.Signature{Format: s.Format, Manifest: s.Manifest, Outcome: inventory.OutcomeUnverifiable, Reason: inventory.ReasonKeyUnknown, Message: "Its key isn't known."}
		case m.Broken:
			s = inventory.Signature{Format: s.Format, Manifest: s.Manifest, Outcome: inventory.OutcomeInvalid, Reason: inventory.ReasonSignatureMismatch, Message: "It doesn't match."}
		}
		list = append(list, s.At(now))
	}
	return list
}

func (h *harbour) berth(name string) (*berth, error) {
	if h.down {
		return nil, outage
	}
	b := h.berths[name]
	if b == nil {
		return nil, fmt.Errorf("%w: %w", inventory.ErrNotFound, &inventory.LookError{Reason: inventory.ReasonRegistryInconsistent, Message: "There is no such repository."})
	}
	return b, nil
}

// lookout is a process's view of a harbour: its client and its inspector.
type lookout struct {
	*harbour
	p *hand
}

func (l lookout) Repositories(_ context.Context, page func([]string) error) error {
	l.p.moment()
	l.mu.Lock()
	names := slices.Sorted(maps.Keys(l.berths))
	down := l.down
	l.mu.Unlock()
	if down {
		return outage
	}
	return page(names)
}

func (l lookout) Tags(_ context.Context, repository string) ([]string, error) {
	l.p.moment()
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.berth(repository)
	if err != nil {
		return nil, err
	}
	if b.denied {
		return nil, &inventory.LookError{Reason: inventory.ReasonRegistryDenied, Message: "The registry doesn't show the tags."}
	}
	return slices.Sorted(maps.Keys(b.tags)), nil
}

func (l lookout) Resolve(_ context.Context, repository, tag string) (inventory.Descriptor, error) {
	l.p.moment()
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.berth(repository)
	if err != nil {
		return inventory.Descriptor{}, err
	}
	d, ok := b.tags[tag]
	switch {
	case b.unsteady == tag:
		return inventory.Descriptor{}, fog
	case !ok:
		return inventory.Descriptor{}, fmt.Errorf("%w: %w", inventory.ErrNotFound, &inventory.LookError{Reason: inventory.ReasonRegistryInconsistent, Message: "There is no such tag."})
	}
	return content(d).Descriptor(), nil
}

func (l lookout) Manifest(_ context.Context, _, reference string) (inventory.Manifest, error) {
	l.p.moment()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return inventory.Manifest{}, outage
	}
	return content(inventory.Digest(reference)), nil
}

// cargo is how many images there are in a tale; every third is an index with two
// more images in it.
const cargo = 6

func cargoDigest(n int) inventory.Digest { return digest(5000 + n) }

// content is the manifest of an image.
func content(d inventory.Digest) inventory.Manifest {
	m := inventory.Manifest{Raw: []byte(d), Digest: d, MediaType: inventory.MediaTypeOCIManifest, Config: inventory.Descriptor{MediaType: inventory.MediaTypeOCIConfig}}
	if inside := insideOf(d); inside != nil {
		m.MediaType = inventory.MediaTypeOCIIndex
		for i, p := range inside {
			m.Manifests = append(m.Manifests, inventory.Descriptor{MediaType: inventory.MediaTypeOCIManifest, Digest: p, Size: 9,
				Platform: &inventory.OCIPlatform{OS: "linux", Architecture: []string{"amd64", "arm64"}[i]}})
		}
	}
	return m
}

// insideOf are the images in an index, nil when it is none. Two indexes have
// one image in common, and one of the images is there by itself as well.
func insideOf(d inventory.Digest) []inventory.Digest {
	switch d {
	case cargoDigest(2):
		return []inventory.Digest{cargoDigest(0), cargoDigest(100)}
	case cargoDigest(5):
		return []inventory.Digest{cargoDigest(100), cargoDigest(101)}
	}
	return nil
}

func (l lookout) Discover(_ context.Context, s inventory.Subject) inventory.Attached {
	l.p.moment()
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.berth(s.Repository)
	if err != nil {
		return inventory.Attached{Incomplete: inventory.AsLookError(err)}
	}
	marks := b.marks[s.Manifest.Digest]
	var a inventory.Attached
	if b.fogged {
		marks, a.Incomplete = marks[:len(marks)/2], fog
	}
	for _, m := range marks {
		text, _ := json.Marshal(m)
		a.Attachments = append(a.Attachments, inventory.Attachment{Via: "tag", Tag: string(text), Manifest: inventory.Descriptor{Digest: m.digest(s.Manifest.Digest)}})
	}
	return a
}

func (l lookout) Verify(_ context.Context, s inventory.Subject, a inventory.Attached) inventory.Evidence {
	l.p.moment()
	var marks []mark
	for _, at := range a.Attachments {
		var m mark
		if err := json.Unmarshal([]byte(at.Tag), &m); err != nil {
			panic(err)
		}
		marks = append(marks, m)
	}
	e := l.evidence(s, marks, a.Fingerprint())
	e.Incomplete = a.Incomplete
	if a.Incomplete != nil {
		e.Material = nil
	}
	return e
}

// chest is the material of an image.
type chest struct {
	Marks       []mark
	Fingerprint inventory.Digest
}

func (l lookout) evidence(s inventory.Subject, marks []mark, fingerprint inventory.Digest) inventory.Evidence {
	now := l.p.tale.clock()
	e := inventory.Evidence{Fingerprint: fingerprint, Signatures: signatures(marks, s.Manifest.Digest, l.p.keys(), now)}
	for _, sig := range e.Signatures {
		if x := sig.Expires; x != nil && x.At.After(now) && (e.RecheckAt == nil || x.At.Before(*e.RecheckAt)) {
			e.RecheckAt = &x.At
		}
	}
	if len(marks) > 0 {
		e.Material, _ = json.Marshal(chest{marks, fingerprint})
	}
	return e
}

func (l lookout) Reverify(_ context.Context, s inventory.Subject, body []byte) (inventory.Evidence, bool) {
	l.p.moment()
	var c chest
	if json.Unmarshal(body, &c) != nil {
		return inventory.Evidence{}, false
	}
	return l.evidence(s, c.Marks, c.Fingerprint), true
}

func (l lookout) TrustRevision() int64 {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	return l.p.revision + 1
}

// refresh reads the registered keys.
func (p *hand) refresh(ctx context.Context) error {
	signers, revision, err := p.db.Keys(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.revision = map[inventory.SignerID]bool{}, revision
	for _, s := range signers {
		p.known[s.ID] = true
	}
	return nil
}

func (p *hand) keys() map[inventory.SignerID]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known
}

func (b *berth) String() string {
	return strings.Join(slices.Sorted(maps.Keys(b.tags)), ",")
}
