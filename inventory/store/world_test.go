package store

import (
	"fmt"
	"testing"
	"time"

	"signboard/inventory"
)

// noon is when the world of a test begins.
var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// world is a database with a clock, a configuration and shorthands.
type world struct {
	*testing.T
	db         *DB
	now        time.Time
	registries []inventory.Registry
	teams      []inventory.Team
}

func newWorld(t *testing.T, dsn string) *world {
	w := &world{T: t, db: open(t, dsn), now: noon}
	w.db.clock = func() time.Time { return w.now }
	for _, name := range []string{"local", "other"} {
		w.registries = append(w.registries, inventory.Registry{
			Name: name, URL: "http://" + name + ".test", Interval: time.Hour, Repositories: []inventory.Glob{"**"}, Tags: []inventory.Glob{"**"},
		})
	}
	w.teams = []inventory.Team{
		{Name: "payments", Repositories: []inventory.Glob{"local/pay/**"}},
		{Name: "platform", Repositories: []inventory.Glob{"*/base", "local/pay/shared"}},
	}
	w.configure()
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) after(d time.Duration) { w.now = w.now.Add(d) }

func (w *world) configure() {
	w.Helper()
	w.must(w.db.ApplyConfig(w.Context(), w.registries, w.teams, w.now))
}

// list stores a complete listing of a registry.
func (w *world) list(registry string, names ...string) {
	w.Helper()
	w.must(w.db.MakeDue(w.Context(), inventory.SyncScope{Registry: registry}, w.now))
	work, err := w.db.ClaimRegistry(w.Context(), "test", inventory.SyncScope{Registry: registry}, w.now, time.Minute)
	w.must(err)
	if work == nil {
		w.Fatalf("registry %s isn't due", registry)
	}
	w.must(w.db.RecordCatalog(w.Context(), work, names, true, w.now))
}

// claim leases one repository, making it due first.
func (w *world) claim(registry, repository string) *inventory.RepositoryWork {
	w.Helper()
	scope := inventory.SyncScope{Registry: registry, Repository: inventory.Glob(repository)}
	w.must(w.db.MakeDue(w.Context(), scope, w.now))
	work, err := w.db.ClaimRepository(w.Context(), "test", scope, w.now, time.Minute)
	w.must(err)
	if work == nil {
		w.Fatalf("repository %s/%s isn't due", registry, repository)
	}
	return work
}

// look stores one complete look at a repository: the tags it found are those of
// the findings.
func (w *world) look(registry, repository string, findings ...inventory.ImageFinding) {
	w.Helper()
	work := w.claim(registry, repository)
	w.must(w.db.RecordImages(w.Context(), work, w.judged(findings...), w.now))
	var tags []string
	for _, f := range findings {
		tags = append(tags, f.Tags...)
	}
	w.must(w.db.FinishRepository(w.Context(), work, tags, w.now.Add(time.Hour), w.now))
}

// judged notes the present revision of the decisions on findings.
func (w *world) judged(findings ...inventory.ImageFinding) []inventory.ImageFinding {
	w.Helper()
	d, err := w.db.Decisions(w.Context(), nil)
	w.must(err)
	for i := range findings {
		findings[i].JudgedAt = d.Revision
	}
	return findings
}

func (w *world) image(registry, repository string, d inventory.Digest) inventory.Image {
	w.Helper()
	i, err := w.db.Image(w.Context(), registry, repository, d, w.now)
	w.must(err)
	return i
}

func (w *world) images(f inventory.ImageFilter) inventory.ImageList {
	w.Helper()
	l, err := w.db.Images(w.Context(), f, inventory.Page{}, w.now)
	w.must(err)
	return l
}

func (w *world) counts(team string) inventory.Counts {
	w.Helper()
	c, err := w.db.Counts(w.Context(), inventory.Scope{Team: team})
	w.must(err)
	return c
}

func (w *world) noDrift() {
	w.Helper()
	drift, err := w.db.Recount(w.Context(), w.db.clock())
	w.must(err)
	for _, line := range drift {
		w.Error(line)
	}
}

func digest(n int) inventory.Digest { return inventory.DigestOf(fmt.Appendf(nil, "image %d", n)) }

func keyID(n int) inventory.SignerID {
	return inventory.KeyID(inventory.DigestOf(fmt.Appendf(nil, "key %d", n)))
}

func verdict(s inventory.Status) inventory.Verdict {
	reasons := map[inventory.Status]inventory.Reason{
		inventory.Trusted: inventory.ReasonOK, inventory.Unapproved: inventory.ReasonSignerNotApproved,
		inventory.Unverifiable: inventory.ReasonKeyUnknown, inventory.Failed: inventory.ReasonSignatureMismatch,
		inventory.Unsigned: inventory.ReasonNoSignature, inventory.Unknown: inventory.ReasonRegistryUnreachable,
	}
	return inventory.Verdict{Status: s, Reason: reasons[s], Message: "It is " + string(s) + "."}
}

// unsigned, signed and failed are findings.
func unsigned(n int, tags ...string) inventory.ImageFinding {
	return inventory.ImageFinding{
		Digest: digest(n), Kind: inventory.SingleImage, MediaType: inventory.MediaTypeOCIManifest, Size: 100, Tags: tags,
		Evidence: inventory.Evidence{Fingerprint: inventory.DigestOf(nil)}, Verdict: verdict(inventory.Unsigned), TrustRevision: 1,
	}
}

func signed(n int, status inventory.Status, by []int, tags ...string) inventory.ImageFinding {
	f := unsigned(n, tags...)
	f.Verdict = verdict(status)
	for i, key := range by {
		f.Evidence.Signatures = append(f.Evidence.Signatures, inventory.Signature{
			Format: inventory.Formats[(n+i)%2], Manifest: digest(1000 + n), Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK,
			Signer: &inventory.Signer{ID: keyID(key), Kind: inventory.KeySigner, Name: fmt.Sprintf("key %d", key)},
			Checks: []inventory.Check{{Name: "signature", Result: inventory.Pass, Message: "The signature holds."}},
		})
	}
	f.Evidence.Fingerprint = digest(2000 + n)
	f.Evidence.Material = fmt.Appendf(nil, "material %d\x00\xff", n)
	return f
}

var outage = &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "The registry doesn't answer."}

func failed(n int, tags ...string) inventory.ImageFinding {
	return inventory.ImageFinding{Digest: digest(n), Tags: tags, Failure: outage, Verdict: verdict(inventory.Unknown)}
}

func (w *world) entry(action string) inventory.AuditEntry {
	return inventory.AuditEntry{At: w.now, Action: action, Actor: inventory.Actor{Kind: inventory.UserActor, Name: "Dana", Role: inventory.Reviewer}, Object: "it", Reason: "because"}
}

func (w *world) decide(key int, verb inventory.Verb, until *time.Time, ended ...string) {
	w.Helper()
	s, err := w.db.Signer(w.Context(), keyID(key), w.now)
	w.must(err)
	w.must(w.db.RecordDecision(w.Context(), inventory.Decision{
		ID: fmt.Sprintf("d-%d-%d", key, s.Revision), Signer: s.ID, Verb: verb, Repositories: []inventory.Glob{"**"}, Reason: "because",
		State: inventory.StateActive, ExpiresAt: until, DecidedBy: []inventory.Decider{{Name: "Dana", Subject: "i|d", At: w.now}},
	}, s.Revision, ended, w.entry("signer."+string(verb))))
}
