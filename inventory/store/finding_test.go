package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

func TestRecordImages_showsWhatWasFound(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api")
		w.look("local", "pay/api", signed(1, inventory.Unapproved, []int{7}, "v1", "latest"), unsigned(2, "v0"))

		i := w.image("local", "pay/api", digest(1))
		if i.Status != inventory.Unapproved || i.Reason != inventory.ReasonSignerNotApproved || i.Message == "" {
			t.Errorf("the verdict is %s, %s, %q", i.Status, i.Reason, i.Message)
		}
		if len(i.Tags) != 2 || i.Tags[0] != "latest" || i.Tags[1] != "v1" {
			t.Errorf("tags are %v", i.Tags)
		}
		if len(i.Signatures) != 1 || i.Signatures[0].Signer.ID != keyID(7) || i.Signatures[0].Signer.Standing != inventory.Pending || len(i.Signatures[0].Checks) != 1 {
			t.Errorf("signatures are %+v", i.Signatures)
		}
		if len(i.Teams) != 1 || i.Teams[0] != "payments" {
			t.Errorf("teams are %v", i.Teams)
		}
		if len(i.History) != 1 || i.History[0].From != inventory.Unknown || i.History[0].To != inventory.Unapproved {
			t.Errorf("history is %+v", i.History)
		}
		if i.CheckedAt == nil || !i.CheckedAt.Equal(noon) || i.Stale {
			t.Errorf("checked at %v, stale %v", i.CheckedAt, i.Stale)
		}
		c := w.counts("payments")
		if c.Images != 2 || c.Of(inventory.Unapproved) != 1 || c.Of(inventory.Unsigned) != 1 {
			t.Errorf("counts are %+v", c)
		}
		w.noDrift()
	})
}

func TestRecordImages_tagMovesOn(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", unsigned(1, "latest"))
		w.after(time.Hour)
		w.look("local", "app", unsigned(2, "latest"))

		if l := w.images(inventory.ImageFilter{}); len(l.Images) != 1 || l.Images[0].Digest != digest(2) || l.Total != 1 {
			t.Errorf("the list is %+v", l)
		}
		old := w.image("local", "app", digest(1))
		if len(old.Tags) != 0 || len(old.TagMoves) != 2 || old.TagMoves[0].To != digest(2) || old.TagMoves[0].From != digest(1) {
			t.Errorf("the old image has tags %v and moves %+v", old.Tags, old.TagMoves)
		}
		w.after(time.Hour)
		w.look("local", "app")
		if c := w.counts(""); c.Images != 0 {
			t.Errorf("without a tag there are %d images", c.Images)
		}
		w.noDrift()
	})
}

func TestRecordImages_refusesWhenLeaseLost(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		first := w.claim("local", "app")
		w.after(2 * time.Minute) // longer than the lease
		w.claim("local", "app")
		if err := w.db.RecordImages(t.Context(), first, w.judged(unsigned(1, "v1")), w.now); !errors.Is(err, inventory.ErrLeaseLost) {
			t.Errorf("storing says %v", err)
		}
		if err := w.db.FinishRepository(t.Context(), first, nil, w.now, w.now); !errors.Is(err, inventory.ErrLeaseLost) {
			t.Errorf("finishing says %v", err)
		}
		if err := w.db.RenewRepository(t.Context(), first, w.now, time.Minute); !errors.Is(err, inventory.ErrLeaseLost) {
			t.Errorf("renewing says %v", err)
		}
		if err := w.db.FailRepository(t.Context(), first, outage, verdict(inventory.Unknown), w.now, w.now); !errors.Is(err, inventory.ErrLeaseLost) {
			t.Errorf("failing says %v", err)
		}
		if c := w.counts(""); c.Images != 0 {
			t.Errorf("%d images were stored all the same", c.Images)
		}
	})
}

func TestRecordImages_refusesVerdictsOlderThanDecision(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Unapproved, []int{7}, "v1"))
		work := w.claim("local", "app")
		findings := w.judged(signed(2, inventory.Unapproved, []int{7}, "v2"))
		w.decide(7, inventory.Approve, nil)
		if err := w.db.RecordImages(t.Context(), work, findings, w.now); !errors.Is(err, inventory.ErrRejudge) {
			t.Fatalf("storing says %v", err)
		}
		w.must(w.db.RecordImages(t.Context(), work, w.judged(findings...), w.now))
	})
}

func TestRecordImages_failureKeepsEvidenceAndLastGood(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Trusted, []int{7}, "v1"))
		w.after(time.Hour)
		w.look("local", "app", failed(1, "v1"))
		w.after(time.Hour)
		w.look("local", "app", failed(1, "v1"))

		i := w.image("local", "app", digest(1))
		if i.Status != inventory.Unknown || i.Reason != inventory.ReasonRegistryUnreachable || !i.Stale {
			t.Errorf("the verdict is %s, %s, stale %v", i.Status, i.Reason, i.Stale)
		}
		if i.LastGood == nil || i.LastGood.Status != inventory.Trusted || !i.LastGood.CheckedAt.Equal(noon) {
			t.Errorf("the last good verdict is %+v", i.LastGood)
		}
		if len(i.Signatures) != 1 || i.MediaType == "" {
			t.Errorf("known facts are gone: %+v", i)
		}
		if c := w.counts(""); c.Stale != 1 || c.Of(inventory.Unknown) != 1 {
			t.Errorf("counts are %+v", c)
		}
		evidence, err := w.db.Evidence(t.Context(), []int64{i.ID})
		w.must(err)
		if len(evidence) != 1 || evidence[0].Failure == nil || len(evidence[0].Signatures) != 0 {
			t.Errorf("the stored evidence still counts: %+v", evidence)
		}
		w.noDrift()

		// The outage is over and nothing changed: the evidence counts again.
		unchanged := inventory.ImageFinding{Digest: digest(1), Tags: []string{"v1"}, Unchanged: true}
		w.look("local", "app", unchanged)
		ids, err := w.db.StaleVerdicts(t.Context(), w.now, 10)
		w.must(err)
		if len(ids) != 1 || ids[0] != i.ID {
			t.Fatalf("to judge again: %v", ids)
		}
		if evidence, err = w.db.Evidence(t.Context(), ids); err != nil || evidence[0].Failure != nil || len(evidence[0].Signatures) != 1 {
			t.Errorf("the stored evidence doesn't count: %+v, %v", evidence, err)
		}
		d, err := w.db.Decisions(t.Context(), nil)
		w.must(err)
		w.must(w.db.RecordVerdicts(t.Context(), map[int64]inventory.Verdict{i.ID: verdict(inventory.Trusted)}, d.Revision, w.now))
		if i = w.image("local", "app", digest(1)); i.Status != inventory.Trusted || i.LastGood != nil || i.Stale {
			t.Errorf("after the outage: %s, last good %v, stale %v", i.Status, i.LastGood, i.Stale)
		}
		w.noDrift()
	})
}

func TestRecordImages_incompleteLookTakesNothingAway(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Trusted, []int{7}, "v1"))
		partial := signed(1, inventory.Unknown, nil, "v1")
		partial.Evidence = inventory.Evidence{Incomplete: outage, Signatures: []inventory.Signature{{Format: inventory.FormatBundle, Outcome: inventory.OutcomeInvalid}}}
		w.look("local", "app", partial)
		i := w.image("local", "app", digest(1))
		if i.Status != inventory.Unknown || i.LastGood == nil || len(i.Signatures) != 1 || i.Signatures[0].Outcome != inventory.OutcomeVerified {
			t.Errorf("%s, last good %v, signatures %+v", i.Status, i.LastGood, i.Signatures)
		}
		w.noDrift()
	})
}

func TestFailRepository_withoutVerdictLeavesImages(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Trusted, []int{7}, "v1"))
		next := w.now.Add(5 * time.Minute)
		w.must(w.db.FailRepository(t.Context(), w.claim("local", "app"), outage, inventory.Verdict{}, next, w.now))
		if i := w.image("local", "app", digest(1)); i.Status != inventory.Trusted {
			t.Errorf("the image is %s", i.Status)
		}
		failing, err := w.db.FailingRepositories(t.Context(), 10)
		w.must(err)
		if r := failing["local"]; len(r) != 1 || r[0].Failing.Reason != outage.Reason || !r[0].NextDueAt.Equal(next) {
			t.Errorf("failing are %+v", failing)
		}
		w.must(w.db.FailRepository(t.Context(), w.claim("local", "app"), outage, verdict(inventory.Unknown), next, w.now))
		if i := w.image("local", "app", digest(1)); i.Status != inventory.Unknown || i.LastGood == nil {
			t.Errorf("the image is %s, last good %v", i.Status, i.LastGood)
		}
		w.noDrift()
	})
}

func TestFailRegistry_givesEveryImageTheVerdictAndWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		w.list("other", "c")
		w.look("local", "a", signed(1, inventory.Trusted, []int{7}, "v1"))
		w.look("local", "b", unsigned(2, "v1"))
		w.look("other", "c", unsigned(3, "v1"))
		w.after(2 * time.Hour)
		work, err := w.db.ClaimRegistry(t.Context(), "test", inventory.SyncScope{Registry: "local"}, w.now, time.Minute)
		w.must(err)
		next := w.now.Add(5 * time.Minute)
		w.must(w.db.FailRegistry(t.Context(), work, outage, verdict(inventory.Unknown), next, w.now))
		if c := w.counts(""); c.Of(inventory.Unknown) != 2 || c.Of(inventory.Unsigned) != 1 || c.Images != 3 {
			t.Errorf("counts are %+v", c)
		}
		if r, err := w.db.ClaimRepository(t.Context(), "test", inventory.SyncScope{Registry: "local"}, w.now, time.Minute); err != nil || r != nil {
			t.Errorf("a repository of it is due: %+v, %v", r, err)
		}
		registries, err := w.db.Registries(t.Context())
		w.must(err)
		if f := registries[0].State.Failing; f == nil || f.Reason != outage.Reason || !f.Since.Equal(w.now) {
			t.Errorf("the registry's failure is %+v", f)
		}
		w.list("local", "a", "b")
		if registries, err = w.db.Registries(t.Context()); err != nil || registries[0].State.Failing != nil || registries[0].State.RepositoryCount != 2 {
			t.Errorf("after a complete listing: %+v, %v", registries[0].State, err)
		}
		w.noDrift()
	})
}

func TestRecordCatalog_onlyCompleteListingForgets(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "a", "b")
		w.look("local", "a", unsigned(1, "v1"))
		w.look("local", "b", unsigned(2, "v1"))
		w.after(2 * time.Hour)
		work, err := w.db.ClaimRegistry(t.Context(), "test", inventory.SyncScope{Registry: "local"}, w.now, time.Minute)
		w.must(err)
		w.must(w.db.RecordCatalog(t.Context(), work, []string{"a"}, false, w.now))
		if c := w.counts(""); c.Images != 2 {
			t.Errorf("an incomplete listing left %d images", c.Images)
		}
		w.list("local", "a")
		if c := w.counts(""); c.Images != 1 {
			t.Errorf("a complete listing left %d images", c.Images)
		}
		if i := w.image("local", "b", digest(2)); len(i.TagMoves) != 2 {
			t.Errorf("the image that is gone has moves %+v", i.TagMoves)
		}
		w.list("local", "a", "b")
		w.look("local", "b", unsigned(2, "v1"))
		if c := w.counts(""); c.Images != 2 {
			t.Errorf("back again, there are %d images", c.Images)
		}
		w.noDrift()
	})
}

func TestImage_platformInheritsFromSignedIndex(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		index := signed(1, inventory.Trusted, []int{7}, "v1")
		index.Kind, index.MediaType = inventory.IndexImage, inventory.MediaTypeOCIIndex
		index.Platforms = []inventory.Platform{
			{Platform: "linux/amd64", Digest: digest(2)}, {Platform: "linux/arm64", Digest: digest(3)}, {Platform: "linux/s390x", Digest: digest(4)}}
		w.look("local", "app", index, unsigned(2), signed(3, inventory.Failed, nil))
		i := w.image("local", "app", digest(1))
		want := []inventory.Platform{
			{Platform: "linux/amd64", Digest: digest(2), Status: inventory.Trusted, Inherited: true},
			{Platform: "linux/arm64", Digest: digest(3), Status: inventory.Failed},
			{Platform: "linux/s390x", Digest: digest(4), Status: inventory.Trusted, Inherited: true}}
		if len(i.Platforms) != 3 || i.Platforms[0] != want[0] || i.Platforms[1] != want[1] || i.Platforms[2] != want[2] {
			t.Errorf("platforms are %+v", i.Platforms)
		}
		child := w.image("local", "app", digest(2))
		if child.Status != inventory.Unsigned || len(child.Parents) != 1 || child.Parents[0].Digest != digest(1) || len(child.Parents[0].Tags) != 1 {
			t.Errorf("on its own the platform is %s, reached through %+v", child.Status, child.Parents)
		}
		if c := w.counts(""); c.Images != 1 {
			t.Errorf("%d images are in use", c.Images)
		}
		w.noDrift()
	})
}

func TestApplyConfig_registryLeavesAndReturns(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api")
		w.list("other", "base")
		w.look("local", "pay/api", signed(1, inventory.Trusted, []int{7}, "v1"))
		w.look("other", "base", unsigned(2, "v1"))
		all := w.registries
		w.registries = all[1:]
		w.configure()
		if c := w.counts(""); c.Images != 1 {
			t.Errorf("without the registry there are %d images", c.Images)
		}
		if l := w.images(inventory.ImageFilter{Tag: "v1"}); len(l.Images) != 1 || l.Total != 1 {
			t.Errorf("without the registry the list is %+v", l)
		}
		if r, err := w.db.ClaimRepository(t.Context(), "test", inventory.SyncScope{}, w.now, time.Minute); err != nil || r != nil && r.Repository.Registry == "local" {
			t.Errorf("a repository of it is due: %+v, %v", r, err)
		}
		_, err := w.db.Image(t.Context(), "local", "pay/api", digest(1), w.now)
		if inventory.KindOf(err) != inventory.NotFound {
			t.Errorf("its image: %v", err)
		}
		w.noDrift()
		w.registries = all
		w.configure()
		if i := w.image("local", "pay/api", digest(1)); i.Status != inventory.Trusted || len(i.Tags) != 1 {
			t.Errorf("back again the image is %+v", i)
		}
		if c := w.counts("payments"); c.Images != 1 {
			t.Errorf("back again the team has %d images", c.Images)
		}
		w.noDrift()
	})
}

func TestApplyConfig_teamsChange(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api", "web")
		w.look("local", "pay/api", unsigned(1, "v1"))
		w.look("local", "web", unsigned(2, "v1"))
		w.teams = []inventory.Team{{Name: "web", Repositories: []inventory.Glob{"local/web"}}}
		w.configure()
		teams, err := w.db.TeamCounts(t.Context())
		w.must(err)
		if len(teams) != 2 || teams[0].Team != "web" || teams[0].Counts.Images != 1 || teams[1].Team != inventory.NoTeam || teams[1].Counts.Images != 1 {
			t.Errorf("teams are %+v", teams)
		}
		if l := w.images(inventory.ImageFilter{Team: "web"}); len(l.Images) != 1 || l.Images[0].Repository != "web" {
			t.Errorf("the team's images are %+v", l)
		}
		w.noDrift()
	})
}

func TestRecordImages_anUnchangedImageIsOnlySeenAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		first := w.now
		w.look("local", "app", unsigned(1, "v1"), signed(2, inventory.Trusted, []int{1}, "v2", "stable"), failed(3, "v3"))
		w.after(time.Minute)
		still := func(n int, tags ...string) inventory.ImageFinding {
			return inventory.ImageFinding{Digest: digest(n), Unchanged: true, Tags: tags}
		}
		// The second loses a tag to the first, and the third was unknown.
		w.look("local", "app", still(1, "v1", "stable"), still(2, "v2"), still(3, "v3"))
		for n, want := range map[int]string{1: "[stable v1]", 2: "[v2]", 3: "[v3]"} {
			i := w.image("local", "app", digest(n))
			if fmt.Sprint(i.Tags) != want || !i.LastSeen.Equal(w.now) || !i.CheckedAt.Equal(w.now) || !i.FirstSeen.Equal(first) {
				t.Errorf("image %d has %v, was seen from %v to %v and checked at %v", n, i.Tags, i.FirstSeen, i.LastSeen, i.CheckedAt)
			}
		}
		if i := w.image("local", "app", digest(2)); i.Status != inventory.Trusted || len(i.Signatures) != 1 || len(i.History) != 1 {
			t.Errorf("what was known of it is %+v", i)
		}
		if stale, err := w.db.StaleVerdicts(t.Context(), w.now, 10); err != nil || len(stale) != 1 {
			t.Errorf("to be judged again are %v, %v", stale, err)
		}
		w.noDrift()
	})
}

// Most of a sync is that nothing changed: that must cost next to nothing.
func TestRecordImages_unchangedImagesTouchNoIndex(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/signboard.db")
	w.list("local", "app")
	var findings []inventory.ImageFinding
	for n := range 200 {
		findings = append(findings, signed(n, inventory.Trusted, []int{1}, fmt.Sprint("v", n)))
	}
	w.look("local", "app", findings...)
	for i := range findings {
		findings[i] = inventory.ImageFinding{Digest: findings[i].Digest, Tags: findings[i].Tags, Unchanged: true}
	}
	work := w.claim("local", "app")
	var wrote []string
	w.must(w.db.sql.Write(t.Context(), func(tx database.Querier) error {
		rest, err := w.db.recordUnchanged(t.Context(), written{tx, &wrote}, work.Repository.ID, findings, w.now)
		if len(rest) != 0 {
			t.Errorf("%d findings are left", len(rest))
		}
		return err
	}))
	if len(wrote) != 1 || wrote[0] != "update images set last_seen = $1, checked_at = $1 where id in" {
		t.Errorf("it wrote %q", wrote)
	}
	columns, err := database.Column[string](t.Context(), w.db.sql.Reader, `
		select c.name
		from sqlite_master m, pragma_index_info(m.name) c
		where m.type = 'index' and m.tbl_name = 'images' and c.name in ('last_seen', 'checked_at')`)
	if err != nil || len(columns) != 0 {
		t.Errorf("an index holds %v, %v", columns, err)
	}
}

// written notes what a transaction writes.
type written struct {
	database.Querier
	statements *[]string
}

func (w written) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	begin, _, _ := strings.Cut(query, " (")
	*w.statements = append(*w.statements, begin)
	return w.Querier.ExecContext(ctx, query, args...)
}
