package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// Whatever happens in whatever order, a recount of everything finds what was
// kept up along the way.
func TestRecount_findsNoDriftAfterAnything(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		w := newWorld(t, dsn)
		repositories := []string{"pay/api", "pay/shared", "base", "web"}
		present := map[string][]string{"local": repositories, "other": repositories}
		configured, teams := w.registries, w.teams
		w.list("local", repositories...)
		w.list("other", repositories...)
		standing := []string{}
		pick := func() (registry, repository string) {
			registry = w.registries[r.IntN(len(w.registries))].Name
			if len(present[registry]) == 0 {
				return registry, ""
			}
			return registry, present[registry][r.IntN(len(present[registry]))]
		}
		finding := func(tag string) inventory.ImageFinding {
			n := r.IntN(12)
			switch r.IntN(6) {
			case 0:
				return unsigned(n, tag)
			case 5:
				return inventory.ImageFinding{Digest: digest(n), Unchanged: true, Tags: []string{tag}}
			case 1:
				return failed(n, tag)
			case 2:
				return signed(n, inventory.Trusted, []int{r.IntN(3)}, tag)
			case 3:
				return signed(n, inventory.Failed, nil, tag)
			}
			return signed(n, inventory.Unapproved, []int{r.IntN(3), 3}, tag)
		}
		for step := range 200 {
			w.after(time.Duration(r.IntN(120)) * time.Minute)
			switch action := r.IntN(18); action {
			case 0, 1, 2, 3, 4:
				registry, repository := pick()
				if repository == "" {
					continue
				}
				var findings []inventory.ImageFinding
				seen := map[inventory.Digest]bool{}
				for tag := range r.IntN(5) {
					if f := finding(fmt.Sprint("t", tag)); !seen[f.Digest] {
						seen[f.Digest] = true
						findings = append(findings, f)
					}
				}
				w.look(registry, repository, findings...)
			case 5:
				if registry, repository := pick(); repository != "" {
					w.must(w.db.FailRepository(t.Context(), w.claim(registry, repository), outage, verdict(inventory.Unknown), w.now, w.now))
				}
			case 6:
				if s, err := w.db.Signer(t.Context(), keyID(r.IntN(3)), w.now); err == nil {
					until := w.now.Add(time.Duration(r.IntN(96)) * time.Hour)
					w.must(w.db.RecordDecision(t.Context(), inventory.Decision{
						ID: fmt.Sprint("d", step), Signer: s.ID, Verb: inventory.Approve, State: inventory.StateActive, Repositories: []inventory.Glob{"**"}, ExpiresAt: &until,
					}, s.Revision, nil, w.entry("signer.approve")))
				}
				if _, err := w.db.Standings(t.Context(), w.now); err != nil {
					t.Error(err)
				}
			case 7:
				ids, err := w.db.StaleVerdicts(t.Context(), w.now, 5)
				w.must(err)
				verdicts := map[int64]inventory.Verdict{}
				for _, id := range ids {
					verdicts[id] = verdict(inventory.Statuses[r.IntN(len(inventory.Statuses))])
				}
				d, err := w.db.Decisions(t.Context(), nil)
				w.must(err)
				w.must(w.db.RecordVerdicts(t.Context(), verdicts, d.Revision, w.now))
			case 8:
				id, until := fmt.Sprint("q", step), w.now.Add(time.Duration(r.IntN(20*24))*time.Hour)
				if w.quarantines(id, inventory.Quarantine{Digest: digest(r.IntN(12)), ExpiresAt: &until}) {
					standing = append(standing, id)
				}
			case 9:
				id := fmt.Sprint("q", step)
				if w.quarantines(id, inventory.Quarantine{Repository: "local/web", Tag: fmt.Sprint("t", r.IntN(5))}) {
					standing = append(standing, id)
				}
			case 10:
				if len(standing) > 0 {
					q, err := w.db.Quarantine(t.Context(), standing[0])
					w.must(err)
					if standing = standing[1:]; q.StandsAt(w.now) {
						w.release(q.ID)
					}
				}
			case 11:
				registry := w.registries[r.IntN(len(w.registries))].Name
				names := repositories[:r.IntN(len(repositories)+1)]
				w.list(registry, names...)
				present[registry] = names
			case 12:
				w.registries = configured[r.IntN(2):]
				w.configure()
				for _, c := range configured[:2-len(w.registries)] {
					present[c.Name] = nil // whatever is left of it shows with the next listing
				}
			case 14, 15:
				stale, err := w.db.StaleMaterial(t.Context(), w.registries[0].Name, int64(r.IntN(3)), w.now, 1+r.IntN(5))
				w.must(err)
				var list []inventory.Reverified
				for _, m := range stale {
					f := finding("")
					for f.Failure != nil || len(f.Evidence.Signatures) == 0 {
						f = finding("")
					}
					v := inventory.Reverified{Was: m, Evidence: f.Evidence, Verdict: f.Verdict, Unproven: verdict(inventory.Unknown), TrustRevision: int64(r.IntN(3))}
					if r.IntN(3) == 0 {
						v.Evidence.Incomplete, v.Evidence.Fingerprint = outage, ""
					}
					list = append(list, v)
				}
				w.reverified(list...)
			case 16:
				stale, err := w.db.StaleMaterial(t.Context(), w.registries[0].Name, 0, w.now, 1)
				w.must(err)
				w.must(w.db.DiscardMaterial(t.Context(), stale, w.now))
			case 17:
				w.prune(inventory.Retention{History: day, Gone: time.Duration(1+r.IntN(20)) * time.Hour})
			case 13:
				w.teams = teams[:r.IntN(len(teams)+1)]
				w.configure()
			}
			if w.noDrift(); t.Failed() {
				t.Fatalf("after step %d", step)
			}
		}
	})
}

func TestRepair_putsRightWhatRecountFinds(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api")
		w.look("local", "pay/api", signed(1, inventory.Unapproved, []int{7}, "v1"), unsigned(2, "v2"))
		want := w.counts("payments")
		for _, damage := range []string{
			"update counters set n = n + 1 where kind = 'team'",
			"delete from image_facets where kind = 'format'",
			"update images set listed = false where status = 'unsigned'",
			"update signers set waiting = 5",
			"update signer_repositories set images = 9",
			"delete from signer_repositories",
			"update daily_counters set n = n + 1 where kind = 'registry'",
		} {
			w.must(w.db.sql.Write(t.Context(), func(tx database.Querier) error { _, err := tx.ExecContext(t.Context(), damage); return err }))
			if drift, err := w.db.Recount(t.Context(), w.db.clock()); err != nil || len(drift) == 0 {
				t.Errorf("%s: a recount says %v, %v", damage, drift, err)
			}
			if _, err := w.db.Repair(t.Context(), w.db.clock()); err != nil {
				t.Fatal(err)
			}
			w.noDrift()
		}
		if c := w.counts("payments"); c.Images != want.Images || c.Of(inventory.Unapproved) != want.Of(inventory.Unapproved) {
			t.Errorf("repaired counts are %+v", c)
		}
	})
}

func TestCoverage_fillsDaysWithoutAWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api")
		w.look("local", "pay/api", unsigned(1, "v1"))
		w.after(72 * time.Hour)
		w.look("local", "pay/api", unsigned(1, "v1"), signed(2, inventory.Trusted, []int{7}, "v2"))
		w.after(24 * time.Hour)
		for _, scope := range []inventory.Scope{{}, {Team: "payments"}, {Registry: "local"}} {
			days, err := w.db.Coverage(t.Context(), scope, 7, w.now)
			w.must(err)
			want := map[string]int{"2026-03-10": 1, "2026-03-11": 1, "2026-03-12": 1, "2026-03-13": 2, "2026-03-14": 2}
			if len(days) != len(want) {
				t.Errorf("days are %+v", days)
			}
			for _, d := range days {
				if d.Counts.Images != want[d.Date] {
					t.Errorf("on %s there were %d images", d.Date, d.Counts.Images)
				}
			}
			if days, err = w.db.Coverage(t.Context(), scope, 2, w.now); err != nil || len(days) != 2 || days[0].Counts.Images != 2 || days[0].Counts.Of(inventory.Trusted) != 1 {
				t.Errorf("two days are %+v, %v", days, err)
			}
		}
	})
}

func TestCounts_staleWhenNotReadForLong(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api", "web")
		w.look("local", "pay/api", unsigned(1, "v1"), unsigned(2, "v2"))
		w.look("local", "web", unsigned(3, "v1"))
		w.after(150 * time.Minute) // the interval is an hour
		if c := w.counts(""); c.Stale != 3 {
			t.Errorf("%d are stale", c.Stale)
		}
		w.look("local", "web", unsigned(3, "v1"))
		if c, team := w.counts(""), w.counts("payments"); c.Stale != 2 || team.Stale != 2 {
			t.Errorf("%d are stale, and %d of the team's", c.Stale, team.Stale)
		}
		if i := w.image("local", "pay/api", digest(1)); !i.Stale {
			t.Error("the image doesn't say so")
		}
	})
}

func TestCounts_ofARegistry(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "pay/api")
		w.list("other", "base")
		w.look("local", "pay/api", unsigned(1, "v1"), unsigned(2, "v2"))
		w.look("other", "base", signed(3, inventory.Trusted, []int{7}, "v1"))
		of := func(s inventory.Scope) inventory.Counts {
			t.Helper()
			c, err := w.db.Counts(t.Context(), s)
			w.must(err)
			return c
		}
		local, other := inventory.Scope{Registry: "local"}, inventory.Scope{Registry: "other"}
		if c := of(local); c.Images != 2 || c.Of(inventory.Unsigned) != 2 || c.Stale != 0 {
			t.Errorf("local has %+v", c)
		}
		if c := of(other); c.Images != 1 || c.Of(inventory.Trusted) != 1 {
			t.Errorf("other has %+v", c)
		}
		soon := w.now.Add(time.Hour)
		w.quarantine("q", inventory.Quarantine{Digest: digest(1), ExpiresAt: &soon})
		if a, b := of(local), of(other); a.Quarantined != 1 || b.Quarantined != 0 {
			t.Errorf("held are %d and %d", a.Quarantined, b.Quarantined)
		}
		w.after(150 * time.Minute) // more than two intervals
		w.look("other", "base", signed(3, inventory.Trusted, []int{7}, "v1"))
		if a, b := of(local), of(other); a.Quarantined != 0 || a.Stale != 2 || b.Stale != 0 {
			t.Errorf("later they have %+v and %+v", a, b)
		}
		w.after(24 * time.Hour)
		w.look("local", "pay/api", signed(1, inventory.Trusted, []int{7}, "v1"))
		days, err := w.db.Coverage(t.Context(), local, 7, w.now)
		w.must(err)
		if len(days) != 2 || days[0].Counts.Images != 2 || days[1].Counts.Images != 1 || days[1].Counts.Of(inventory.Trusted) != 1 {
			t.Errorf("days are %+v", days)
		}
		if _, err := w.db.Counts(t.Context(), inventory.Scope{Registry: "nowhere"}); inventory.KindOf(err) != inventory.NotFound {
			t.Errorf("of a registry that isn't there: %v", err)
		}
		if _, err := w.db.Counts(t.Context(), inventory.Scope{Registry: "local", Team: "payments"}); inventory.KindOf(err) != inventory.Invalid {
			t.Errorf("of both at once: %v", err)
		}
		w.noDrift()
	})
}

func TestBeginConfig_leavesWhatTakesLongForLater(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		for _, registry := range []string{"local", "other"} {
			w.list(registry, "pay/api", "web")
			w.look(registry, "pay/api", unsigned(1, "v1"), unsigned(2, "v2"))
			w.look(registry, "web", unsigned(3, "v1"))
		}
		teams := append(slices.Clone(w.teams), inventory.Team{Name: "shop", Repositories: []inventory.Glob{"*/web"}})
		rest, err := w.db.BeginConfig(t.Context(), w.registries[:1], teams, w.now)
		w.must(err)
		if rest == nil {
			t.Fatal("nothing is left to do")
		}
		if l := w.images(inventory.ImageFilter{Team: "shop"}); l.Total != 0 {
			t.Errorf("%d images are the new team's before", l.Total)
		}
		w.noDrift()
		// Whoever is cut short begins again.
		if rest, err = w.db.BeginConfig(t.Context(), w.registries[:1], teams, w.now); err != nil || rest == nil {
			t.Fatalf("there is nothing left: %v", err)
		}
		w.must(rest(t.Context()))
		if l := w.images(inventory.ImageFilter{Team: "shop"}); l.Total != 1 {
			t.Errorf("%d images are the new team's", l.Total)
		}
		if l := w.images(inventory.ImageFilter{}); l.Total != 3 {
			t.Errorf("%d images are in lists", l.Total)
		}
		w.noDrift()
		if rest, err = w.db.BeginConfig(t.Context(), w.registries, teams, w.now); err != nil || rest == nil {
			t.Fatalf("a registry that comes back leaves nothing to do: %v", err)
		}
		w.must(rest(t.Context()))
		if l := w.images(inventory.ImageFilter{}); l.Total != 6 {
			t.Errorf("%d images are in lists after the registry came back", l.Total)
		}
		w.noDrift()
	})
}
