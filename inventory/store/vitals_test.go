package store

import (
	"testing"
	"time"

	"signboard/inventory"
)

// TestVitals_areWhatThePagesSay follows the numbers through a look, a failure
// and decisions, and holds them against what the pages read.
func TestVitals_areWhatThePagesSay(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		vitals := func() inventory.Vitals {
			t.Helper()
			v, err := w.db.Vitals(t.Context(), w.now)
			w.must(err)
			return v
		}
		v := vitals()
		if len(v.Registries) != 2 || v.Registries[0].Name != "local" || v.Registries[0].Counts.Images != 0 || v.Registries[0].State.LastCompleteAt != nil || v.NextExpiry != nil {
			t.Errorf("before anything was read: %+v", v)
		}

		w.list("local", "pay/api", "ops/base")
		w.list("other", "x")
		w.look("local", "pay/api", signed(1, inventory.Unapproved, []int{1}, "v1"), signed(2, inventory.Unapproved, []int{2}, "v2"))
		w.look("local", "ops/base", unsigned(3, "v1"))
		w.look("other", "x", unsigned(4, "v1"))
		w.must(w.db.FailRepository(t.Context(), w.claim("local", "ops/base"), &inventory.LookError{Reason: inventory.ReasonRegistryDenied, Message: "No."},
			inventory.Verdict{}, w.now.Add(time.Hour), w.now))
		soon, later := w.now.Add(time.Hour), w.now.Add(2*time.Hour)
		w.decide(1, inventory.Approve, &later)
		w.decide(2, inventory.Approve, &soon)

		v = vitals()
		local, other := v.Registries[0], v.Registries[1]
		counts, err := w.db.Counts(t.Context(), inventory.Scope{Registry: "local"})
		w.must(err)
		if local.Counts.Images != 3 || local.Counts.Of(inventory.Unapproved) != 2 || local.Counts.Of(inventory.Unsigned) != 1 || counts.Images != 3 || other.Counts.Images != 1 {
			t.Errorf("images: local %+v (its page says %+v), other %+v", local.Counts, counts, other.Counts)
		}
		if local.State.FailingRepos != 1 || other.State.FailingRepos != 0 {
			t.Errorf("%d and %d repositories fail", local.State.FailingRepos, other.State.FailingRepos)
		}
		standings, err := w.db.Standings(t.Context(), w.now)
		w.must(err)
		if v.Signers[inventory.Approved] != 2 || standings[inventory.Approved] != 2 {
			t.Errorf("signers: %v, their page says %v", v.Signers, standings)
		}
		if v.Decisions[inventory.Approve] != 2 || v.NextExpiry == nil || !v.NextExpiry.Equal(soon) {
			t.Errorf("decisions %v, the next to run out at %v", v.Decisions, v.NextExpiry)
		}
		entries, _, err := w.db.AuditEntries(t.Context(), inventory.Page{Limit: inventory.MaxPage})
		w.must(err)
		if len(entries) == 0 || v.AuditEntries != int64(len(entries)) {
			t.Errorf("%d audit entries, the page has %d", v.AuditEntries, len(entries))
		}

		w.after(90 * time.Minute)
		if v = vitals(); v.NextExpiry == nil || !v.NextExpiry.Equal(later) {
			t.Errorf("when the first has run out, the next is %v", v.NextExpiry)
		}
		w.after(time.Hour)
		if v = vitals(); v.NextExpiry != nil {
			t.Errorf("when all have run out, the next is %v", v.NextExpiry)
		}
	})
}

// TestPools_countWhatIsOpen holds that each database says what it has open.
func TestPools_countWhatIsOpen(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		pools := db.Pools()
		if len(pools) == 0 {
			t.Fatal("there are none")
		}
		for name, p := range pools {
			if p.OpenConnections < 1 || p.MaxOpenConnections < 1 {
				t.Errorf("%s: %+v", name, p)
			}
		}
	})
}
