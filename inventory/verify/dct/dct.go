// Package dct checks what Docker Content Trust says of images: Notary v1, an
// early form of The Update Framework, kept by a server beside the registry. It
// only reads, and nothing else knows of it: deleting the feature is deleting
// this folder.
//
// A repository's metadata is a chain of files. The root names the keys of all
// other roles; the timestamp says which snapshot is the newest; the snapshot
// says which files belong together; the role targets lists tags with the digest
// they stand for, and may delegate that to roles below itself. An image is
// signed by each role whose list holds its digest. Signatures are verified, and
// files are read, by the notary project's own tuf/data and tuf/signed. What
// follows from them is decided here, and not by its RepoBuilder, which knows
// only the clock of the machine, gives errors nothing can be told apart by, and
// goes on after them.
//
// # What is remembered
//
// A root that isn't pinned is taken on trust when it is first seen, and said to
// be. Memory holds the last root and the highest version seen of each file,
// written only after all of it was verified: a later root has to be signed by
// the one before it, link by link, and no version may go down.
//
// # Findings and failures
//
// That the server can't be asked is a failure, and says nothing of any image.
// Files that don't hold are a finding about the images they list: a signature
// that is invalid. Of an image that such files don't list nothing is known, since
// files that hold might list it: that is a failure too, never "no signature". The
// reasons:
//
//   - signature_mismatch: a file isn't signed by the keys that it has to be, or
//     isn't the one that the others name;
//   - signature_expired: the list that holds the image ran out; its signer has to
//     sign it again;
//   - trust_root_stale: the root, the snapshot or the timestamp ran out, or
//     something is older than what was seen before. The signer may be in order;
//     somebody keeps newer files back;
//   - root_unknown: another root than the one that is pinned here;
//   - certificate_invalid, certificate_expired: a root whose certificate is for
//     another name; a certificate of a root or a delegate that ran out. The
//     reference client doesn't look at a delegate's dates. Here they count, as
//     for every other format, since nothing shows that the signature is older;
//   - digest_mismatch: the entry has this image's digest and another length.
package dct

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"signboard/inventory"
)

// Server is the server that keeps the signatures of one registry.
type Server struct {
	Registry string // the registry's configured name
	Host     string // the registry as users write it in image names: docker.io, registry.example.com:5000
	URL      string
	Client   *http.Client // guarded: it decides which addresses may be spoken to
	Pins     []Pin
}

// Pin says which roots are good for some repositories. With several pins for a
// repository, one that is met suffices; with none, the root is taken on trust
// when it is first seen.
type Pin struct {
	Repositories []inventory.Glob // over "registry/repository", or over the repository's own name
	RootKeyIDs   []string         // as root.json, "docker trust inspect" or "notary key list" has them: 64 hexadecimal characters
	CA           []*x509.Certificate
}

// Memory keeps what was seen of each repository, by its globally unique name
// (GUN). The state is this package's own.
type Memory interface {
	TUF(ctx context.Context, gun string) ([]byte, error) // nil when nothing is remembered
	KeepTUF(ctx context.Context, gun string, state []byte) error
}

// Place is the verify.Outside of one registry. It is safe for use by several
// goroutines.
type Place struct {
	server   Server
	memory   Memory
	now      func() time.Time
	revision string
	remote   *remote
	shelf    shelf

	mu       sync.Mutex
	obtained time.Time // the last metadata that was found good
	failed   *inventory.LookError
}

// New makes a Place. A nil memory lasts as long as the Place; a nil now is the
// machine's clock.
func New(s Server, m Memory, now func() time.Time) *Place {
	if m == nil {
		m = &brief{states: map[string][]byte{}}
	}
	if now == nil {
		now = time.Now
	}
	p := &Place{server: s, memory: m, now: now, remote: newRemote(s.URL, s.Client)}
	p.revision = revision(s)
	return p
}

// rules is the number of this package's rules: to be raised when they change.
const rules = 1

func revision(s Server) string {
	var pins []string
	for _, pin := range s.Pins {
		var parts []string
		for _, g := range pin.Repositories {
			parts = append(parts, "for "+string(g))
		}
		for _, id := range pin.RootKeyIDs {
			parts = append(parts, "key "+strings.ToLower(id))
		}
		for _, c := range pin.CA {
			parts = append(parts, "ca "+string(inventory.DigestOf(c.Raw)))
		}
		slices.Sort(parts)
		pins = append(pins, fmt.Sprintf("%q", parts))
	}
	slices.Sort(pins)
	return fmt.Sprintf("dct %d: %s", rules, inventory.DigestOf(fmt.Appendf(nil, "%q %q %q %q", s.Registry, s.Host, s.URL, pins)).Hex())
}

// Revision names the rules, the server and the pins.
func (p *Place) Revision() string { return p.revision }

// Look finds and checks what the server says of the image. Several images of
// one repository, looked at within a minute, cost one reading of its metadata.
func (p *Place) Look(ctx context.Context, s inventory.Subject) (inventory.Outlying, error) {
	gun, err := p.gun(s.Repository)
	if err != nil {
		return inventory.Outlying{}, err
	}
	v, err := p.view(ctx, gun)
	if err != nil {
		return inventory.Outlying{}, err
	}
	return p.about(v, s)
}

// gun is the repository's globally unique name, as the Docker client makes it.
func (p *Place) gun(repository string) (string, error) {
	if !inventory.ValidRepository(repository) { // anything else could make a path of another repository
		return "", &inventory.LookError{Reason: inventory.ReasonRegistryInconsistent,
			Message: fmt.Sprintf("%q is no repository name that Docker Content Trust could know.", shown(repository))}
	}
	if p.server.Host == "docker.io" && !strings.Contains(repository, "/") {
		repository = "library/" + repository
	}
	return p.server.Host + "/" + repository, nil
}

// pins are the pins for a repository.
func (p *Place) pins(gun string) []Pin {
	repository := strings.TrimPrefix(gun, p.server.Host+"/")
	var pins []Pin
	for _, pin := range p.server.Pins {
		if inventory.MatchAny(pin.Repositories, repository) || inventory.MatchAny(pin.Repositories, p.server.Registry+"/"+repository) {
			pins = append(pins, pin)
		}
	}
	return pins
}

// brief is a Memory for those who have none.
type brief struct {
	mu     sync.Mutex
	states map[string][]byte
}

func (b *brief) TUF(_ context.Context, gun string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.states[gun], nil
}

func (b *brief) KeepTUF(_ context.Context, gun string, state []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.states[gun] = state
	return nil
}

// shown makes untrusted text fit for a message.
func shown(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return inventory.Visible(s)
}

// short is the beginning of a key's id, enough to tell it by.
func short(keyID string) string {
	if _, err := hex.DecodeString(keyID); err != nil || len(keyID) <= 12 {
		return shown(keyID)
	}
	return keyID[:12] + "…"
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }
