package store

import (
	"slices"
	"testing"
	"time"

	"signboard/inventory"
)

func TestRotations_sayHowFarItIs(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app", "pay/api", "base")
		w.look("local", "app", signed(1, inventory.Trusted, []int{1}, "v1"), signed(2, inventory.Trusted, []int{1, 2}, "v2"))
		w.look("local", "pay/api", signed(3, inventory.Trusted, []int{1}, "v1"))
		w.look("local", "base", signed(4, inventory.Unapproved, []int{2, 3}, "v1"))
		w.decide(1, inventory.Approve, nil)
		until := w.now.Add(time.Hour)
		replace := func(old int) error {
			s, err := w.db.Signer(t.Context(), keyID(2), w.now)
			w.must(err)
			return w.db.RecordDecision(t.Context(), inventory.Decision{
				ID: "rotation", Signer: s.ID, Verb: inventory.Approve, Repositories: []inventory.Glob{"**"}, Reason: "because", State: inventory.StateActive,
				DecidedBy: []inventory.Decider{{Name: "Dana", Subject: "i|d", At: w.now}}, Replaces: keyID(old), ReplacedUntil: &until,
			}, s.Revision, nil, w.entry("signer.rotate"))
		}
		if err := replace(3); inventory.KindOf(err) != inventory.Conflict {
			t.Errorf("one without an approval: %v", err)
		}
		w.must(replace(1))
		old, err := w.db.Signer(t.Context(), keyID(1), w.now)
		w.must(err)
		if old.Revision != 2 || !old.Decisions[0].ExpiresAt.Equal(until) {
			t.Errorf("%+v", old)
		}
		list, err := w.db.Rotations(t.Context(), keyID(1), w.now)
		w.must(err)
		if len(list) != 1 || list[0].Images != 4 || list[0].Moved != 2 || list[0].Repositories != 3 || list[0].MovedRepositories != 2 || !slices.Equal(list[0].Left, []string{"local/pay/api"}) ||
			list[0].Decision.Replaces != keyID(1) || !list[0].Decision.ReplacedUntil.Equal(until) || list[0].New.Name != "key 2" {
			t.Errorf("%+v", list)
		}
		if list, err := w.db.Rotations(t.Context(), keyID(3), w.now); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		// The standing follows the end by itself, and images are judged again.
		ids, err := w.db.StaleVerdicts(t.Context(), w.now, 100)
		if err != nil || len(ids) != 4 {
			t.Errorf("%d images are judged again, %v", len(ids), err)
		}
		standings, err := w.db.Standings(t.Context(), until)
		if err != nil || standings[inventory.Expired] != 1 {
			t.Errorf("%v, %v", standings, err)
		}
		successors, err := w.db.Successors(t.Context(), keyID(3), w.now)
		if err != nil || len(successors) != 1 || successors[0].ID != keyID(2) {
			t.Errorf("%+v, %v", successors, err)
		}
		w.noDrift()
	})
}
