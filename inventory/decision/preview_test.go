package decision_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/inventory/policy"
	"signboard/inventory/store"
	"signboard/inventory/syncer"
)

func keySigner(n int) inventory.SignerID {
	return inventory.KeyID(inventory.DigestOf(fmt.Appendf(nil, "key %d", n)))
}

// found is an image with verified signatures.
func found(n int, signatures ...inventory.Signature) inventory.ImageFinding {
	return inventory.ImageFinding{
		Digest: inventory.DigestOf(fmt.Appendf(nil, "image %d", n)), Kind: inventory.SingleImage, MediaType: inventory.MediaTypeOCIManifest, Size: 1,
		Tags: []string{fmt.Sprint("v", n)}, TrustRevision: 1,
		Evidence: inventory.Evidence{Fingerprint: inventory.DigestOf(fmt.Appendf(nil, "attached %d", n)), Signatures: signatures},
	}
}

func by(key int, until *time.Time) inventory.Signature {
	s := inventory.Signature{Format: inventory.FormatSimpleSigning, Outcome: inventory.OutcomeVerified, Reason: inventory.ReasonOK,
		Signer: &inventory.Signer{ID: keySigner(key), Kind: inventory.KeySigner, Name: fmt.Sprint("key ", key)}}
	if until != nil {
		s.Expires = &inventory.Expiry{At: *until, Reason: inventory.ReasonSignatureExpired, Message: "It ran out."}
	}
	return s
}

// stock is a desk over an inventory of images.
type stock struct {
	*desk
	clock  time.Time
	syncer *syncer.Syncer
}

func newStock(t testing.TB, approvers int, repositories ...string) *stock {
	t.Helper()
	s := &stock{desk: newDesk(t, approvers), clock: now}
	s.Door.Impact = s.store
	s.Door.Clock = func() time.Time { return s.clock }
	s.syncer = syncer.New(s.store, nil, syncer.Options{Clock: s.Door.Clock})
	s.configure(inventory.Team{Name: "payments", Repositories: []inventory.Glob{"local/pay/**"}}, inventory.Team{Name: "shop", Repositories: []inventory.Glob{"local/shop/**"}})
	scope := inventory.SyncScope{Registry: "local"}
	w, err := s.store.ClaimRegistry(t.Context(), "test", scope, s.clock, time.Minute)
	if err != nil || w == nil {
		t.Fatal(w, err)
	}
	if err := s.store.RecordCatalog(t.Context(), w, repositories, true, s.clock); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stock) configure(teams ...inventory.Team) {
	s.t.Helper()
	err := s.store.ApplyConfig(s.t.Context(),
		[]inventory.Registry{{Name: "local", URL: "https://registry.test", Interval: time.Hour, Repositories: []inventory.Glob{"**"}, Tags: []inventory.Glob{"**"}}}, teams, s.clock)
	if err != nil {
		s.t.Fatal(err)
	}
}

// fail stores a look at images of a repository that failed.
func (s *stock) fail(repository string, images ...int) {
	s.t.Helper()
	var list []inventory.ImageFinding
	for _, n := range images {
		f := found(n)
		f.Failure = &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "It doesn't answer."}
		list = append(list, f)
	}
	s.look(repository, list...)
}

// look stores a complete look at a repository.
func (s *stock) look(repository string, findings ...inventory.ImageFinding) {
	s.t.Helper()
	ctx := s.t.Context()
	scope := inventory.SyncScope{Registry: "local", Repository: inventory.Glob(repository)}
	if err := s.store.MakeDue(ctx, scope, s.clock); err != nil {
		s.t.Fatal(err)
	}
	w, err := s.store.ClaimRepository(ctx, "test", scope, s.clock, time.Minute)
	if err != nil || w == nil {
		s.t.Fatal(w, err)
	}
	var ids []inventory.SignerID
	var tags []string
	for _, f := range findings {
		tags = append(tags, f.Tags...)
		for _, sig := range f.Evidence.Signatures {
			if sig.Signer != nil {
				ids = append(ids, sig.Signer.ID)
			}
		}
	}
	decisions, err := s.store.Decisions(ctx, ids)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range findings {
		f := &findings[i]
		f.JudgedAt = decisions.Revision
		f.Verdict = policy.Judge(policy.Facts{Repository: "local/" + repository, Checked: true, Failure: f.Failure, Signatures: f.Evidence.Signatures, Decisions: decisions.BySigner}, s.clock)
	}
	for part := range slices.Chunk(findings, 500) {
		if err := s.store.RecordImages(ctx, w, part, s.clock); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.store.FinishRepository(ctx, w, tags, s.clock.Add(time.Hour), s.clock); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stock) statuses() map[inventory.Status]int {
	s.t.Helper()
	counts, err := s.store.Counts(s.t.Context(), inventory.Scope{})
	if err != nil {
		s.t.Fatal(err)
	}
	maps.DeleteFunc(counts.ByStatus, func(_ inventory.Status, n int) bool { return n == 0 })
	return counts.ByStatus
}

func (s *stock) request(key int, verb inventory.Verb, scope ...inventory.Glob) decision.SignerRequest {
	s.t.Helper()
	signer, err := s.store.Signer(s.t.Context(), keySigner(key), s.clock)
	if err != nil {
		s.t.Fatal(err)
	}
	return decision.SignerRequest{Signer: signer.ID, Verb: verb, Repositories: scope, Reason: "why", Revision: signer.Revision}
}

func (s *stock) preview(actor inventory.Actor, r decision.SignerRequest) inventory.Impact {
	s.t.Helper()
	impact, err := s.Preview(s.t.Context(), actor, r)
	if err != nil {
		s.t.Fatal(err)
	}
	return impact
}

func TestPreview_countsWhatChangesWithTeamsAndWhatStaysHeld(t *testing.T) {
	s := newStock(t, 1, "app", "pay/api", "pay/web", "shop/cart")
	s.look("app", found(1, by(1, nil)), found(2, by(1, nil)))
	s.look("pay/api", found(3, by(1, nil)), found(4, by(2, nil)))
	s.look("pay/web", found(5, by(1, nil), by(2, nil)))
	s.look("shop/cart", found(6, by(1, nil)))
	if _, err := s.Quarantine(t.Context(), dana, decision.QuarantineRequest{Digest: found(3).Digest, Reason: "bad"}); err != nil {
		t.Fatal(err)
	}
	before := len(s.entries())

	impact := s.preview(dana, s.request(1, inventory.Approve, "local/app", "local/pay/**"))
	images, held := impact.Changed()
	if impact.Images != 5 || images != 4 || held != 1 || len(impact.Changes) != 1 || impact.Revision != 0 || impact.State != inventory.StateActive ||
		impact.Changes[0] != (inventory.Change{From: inventory.Unapproved, To: inventory.Trusted, Images: 4, Held: 1}) {
		t.Errorf("%+v", impact)
	}
	if !slices.Equal(impact.Teams, []string{inventory.NoTeam, "payments"}) {
		t.Errorf("teams %q", impact.Teams)
	}
	var examples []string
	for _, e := range impact.Examples {
		examples = append(examples, fmt.Sprintf("%s%v %v %s %s", e.Image.FullRepository(), e.Image.Teams, e.Image.Quarantine != nil, e.From, e.To))
	}
	want := []string{ // the newest of each repository
		"local/pay/web[payments] false unapproved trusted", "local/pay/api[payments] true unapproved trusted", "local/app[] false unapproved trusted"}
	if !slices.Equal(examples, want) {
		t.Errorf("examples %q", examples)
	}
	if len(s.entries()) != before || s.statuses()[inventory.Trusted] != 0 {
		t.Errorf("looking ahead changed something: %v, %+v", s.statuses(), s.entries()[0])
	}
	// A rejection takes trust from what nobody else is trusted for.
	if _, err := s.decide(dana, s.request(1, inventory.Approve, "**")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.decide(dana, s.request(2, inventory.Approve, "local/pay/web")); err != nil {
		t.Fatal(err)
	}
	impact = s.preview(dana, s.request(1, inventory.Revoke))
	if impact.Revision != 1 || len(impact.Changes) != 1 || impact.Changes[0].To != inventory.Unapproved || impact.Changes[0].Images != 4 {
		t.Errorf("%+v", impact)
	}
}

func TestPreview_isForWhoeverMaySee(t *testing.T) {
	s := newStock(t, 1, "app")
	s.look("app", found(1, by(1, nil)))
	if got := s.preview(vera, s.request(1, inventory.Approve, "**")); len(got.Changes) != 1 {
		t.Errorf("%+v", got)
	}
	_, err := s.Preview(t.Context(), inventory.Actor{Name: "nobody"}, s.request(1, inventory.Approve, "**"))
	s.refuse(err, inventory.Unauthorized, "Sign in")
	if e := s.entries()[0]; e.Action != "access.refused" || e.Object != string(keySigner(1)) {
		t.Errorf("the refusal is written down as %+v", e)
	}
	_, err = s.Preview(t.Context(), vera, decision.SignerRequest{Signer: keySigner(99), Verb: inventory.Reject})
	s.refuse(err, inventory.NotFound, "isn't known")
	_, err = s.Preview(t.Context(), vera, s.request(1, inventory.Approve))
	s.refuse(err, inventory.Invalid, "which repositories")
	_, err = s.Preview(t.Context(), vera, s.request(1, inventory.Revoke))
	s.refuse(err, inventory.Conflict, "no approval")
}

// TestPreview_saysWhetherSomebodyElseHasToConfirm: what it counts is what
// follows once the decision counts.
func TestPreview_saysWhetherSomebodyElseHasToConfirm(t *testing.T) {
	s := newStock(t, 2, "app")
	s.look("app", found(1, by(1, nil)))
	approve := func() decision.SignerRequest { return s.request(1, inventory.Approve, "local/app") }
	if got := s.preview(dana, approve()); got.State != inventory.StateProposed || len(got.Changes) != 1 {
		t.Errorf("before anybody proposed: %+v", got)
	}
	if _, err := s.decide(dana, approve()); err != nil {
		t.Fatal(err)
	}
	if got := s.preview(dana, approve()); got.State != inventory.StateProposed || len(got.Changes) != 1 {
		t.Errorf("to the one who proposed: %+v", got)
	}
	if got := s.preview(eric, approve()); got.State != inventory.StateActive || len(got.Changes) != 1 {
		t.Errorf("to the second: %+v", got)
	}
	if got := s.preview(eric, s.request(1, inventory.Reject)); got.State != inventory.StateActive || len(got.Changes) != 0 {
		t.Errorf("a rejection: %+v", got)
	}
}

// forgetful is an inventory from before the ends of signatures were kept beside
// who made them.
type forgetful struct{ *store.DB }

func (f forgetful) SignedImages(ctx context.Context, id inventory.SignerID, before int64, limit int, now time.Time) ([]inventory.SignedImage, error) {
	list, err := f.DB.SignedImages(ctx, id, before, limit, now)
	for i := range list {
		list[i].Partial, list[i].Signatures = list[i].Failure == nil, nil
	}
	return list, err
}

// TestPreview_isWhatHappens makes many inventories and decisions, and compares
// what was said before with what came of it.
func TestPreview_isWhatHappens(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 5))
		repositories := []string{"app", "pay/api", "pay/web", "shop/cart"}
		s := newStock(t, 1, repositories...)
		soon, late := now.Add(time.Hour), now.Add(10*time.Hour)
		ends := []*time.Time{nil, nil, &soon, &late}
		n := 0
		for _, repository := range repositories {
			var list []inventory.ImageFinding
			for range 12 {
				n++
				var signatures []inventory.Signature
				for range r.IntN(4) {
					switch r.IntN(6) {
					case 0:
						signatures = append(signatures, inventory.Signature{Format: inventory.FormatSimpleSigning, Outcome: inventory.OutcomeInvalid, Reason: inventory.ReasonDigestMismatch})
					case 1:
						signatures = append(signatures, inventory.Signature{Format: inventory.FormatSimpleSigning, Outcome: inventory.OutcomeUnverifiable, Reason: inventory.ReasonKeyUnknown})
					default:
						signatures = append(signatures, by(1+r.IntN(3), ends[r.IntN(len(ends))]))
					}
				}
				list = append(list, found(n, signatures...))
			}
			s.look(repository, list...)
			if r.IntN(3) == 0 { // an outage
				for i := range list[:6] {
					list[i] = inventory.ImageFinding{Digest: list[i].Digest, Tags: list[i].Tags, Failure: &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: "Down."}}
				}
				s.look(repository, list...)
			}
		}
		globs := []inventory.Glob{"**", "local/app", "local/pay/*", "local/shop/**", "elsewhere/**"}
		for step := range 8 {
			if r.IntN(4) == 0 {
				s.clock = s.clock.Add(40 * time.Minute)
			}
			if _, err := s.syncer.Rejudge(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := s.statuses()
			ask := s.request(1+r.IntN(3), []inventory.Verb{inventory.Approve, inventory.Approve, inventory.Reject, inventory.Revoke}[r.IntN(4)], globs[r.IntN(len(globs))])
			if ask.Verb == inventory.Approve && r.IntN(2) == 0 {
				until := s.clock.Add(time.Duration(1+r.IntN(100)) * time.Minute)
				ask.ExpiresAt = &until
			}
			impact, err := s.Preview(t.Context(), dana, ask)
			older := s.Door
			older.Impact = forgetful{s.store}
			old, _ := older.Preview(t.Context(), dana, ask)
			_, decided := s.Decide(t.Context(), dana, ask)
			if (err == nil) != (decided == nil) {
				t.Fatalf("the preview says %v, the decision %v", err, decided)
			}
			if err != nil {
				continue
			}
			impact.Basis, old.Basis = "", "" // which holds for as long as the last signature, or the first
			if !reflect.DeepEqual(impact, old) {
				t.Fatalf("seed %d, step %d: without the ends kept it is\n%+v, with them\n%+v", seed, step, old, impact)
			}
			if _, err := s.syncer.Rejudge(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := maps.Clone(before)
			for _, c := range impact.Changes {
				want[c.From] -= c.Images
				want[c.To] += c.Images
			}
			maps.DeleteFunc(want, func(_ inventory.Status, n int) bool { return n == 0 })
			if got := s.statuses(); !maps.Equal(got, want) {
				t.Fatalf("seed %d, step %d: %+v\nfrom %v\nthe preview says %v\nbut it is      %v", seed, step, ask, before, want, got)
			}
			for _, e := range impact.Examples {
				is, err := s.store.Image(t.Context(), e.Image.Registry, e.Image.Repository, e.Image.Digest, s.clock)
				if err != nil || is.Status != e.To || e.Image.Status != e.From {
					t.Fatalf("seed %d, step %d: an example went from %s to %s, %v; it was to go from %s to %s", seed, step, e.Image.Status, is.Status, err, e.From, e.To)
				}
			}
		}
	}
}

// BenchmarkPreview is an approval, in half of 2,000 repositories, of somebody who
// signed every image; of every tenth somebody else did, too.
// SIGNBOARD_PREVIEW_IMAGES says how many there are.
func BenchmarkPreview(b *testing.B) {
	images := 10_000
	if n, err := strconv.Atoi(os.Getenv("SIGNBOARD_PREVIEW_IMAGES")); err == nil {
		images = n
	}
	const each = 50
	var names []string
	for n := range images / each {
		names = append(names, fmt.Sprintf("%s/app-%d", []string{"pay", "shop"}[n%2], n))
	}
	s := newStock(b, 1, names...)
	bulk := strings.Repeat("what a certificate says ", 150)
	for n, name := range names {
		var list []inventory.ImageFinding
		for i := range each {
			signatures := []inventory.Signature{by(1, nil)}
			if i%10 == 0 {
				signatures = append(signatures, by(2, nil))
			}
			signatures[0].Chain = []inventory.Link{{Name: bulk}}
			list = append(list, found(n*each+i, signatures...))
		}
		s.look(name, list...)
	}
	for b.Loop() {
		impact := s.preview(dana, s.request(1, inventory.Approve, "local/pay/**"))
		if images, _ := impact.Changed(); images < impact.Images/3 || impact.Images != len(names)*each {
			b.Fatalf("%+v", impact)
		}
	}
}
