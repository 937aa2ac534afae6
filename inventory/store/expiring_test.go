package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"signboard/inventory"
)

func TestExpiring_areThoseThatRunOutUnrenewed(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.list("local", "app")
		w.look("local", "app", signed(1, inventory.Trusted, []int{1}, "v1"), signed(2, inventory.Trusted, []int{1, 2}, "v2"), signed(3, inventory.Unapproved, []int{2, 3, 4, 5}, "v3"))
		in := func(d time.Duration) *time.Time { at := w.now.Add(d); return &at }
		w.decide(1, inventory.Approve, in(inventory.ExpiringAtOnce))
		w.decide(2, inventory.Approve, in(6*24*time.Hour))
		w.decide(3, inventory.Approve, in(time.Hour)) // and renewed
		w.decide(3, inventory.Approve, in(90*24*time.Hour))
		w.decide(4, inventory.Approve, in(time.Hour)) // and revoked
		w.decide(4, inventory.Revoke, nil, "d-4-0")
		w.decide(5, inventory.Approve, nil)
		check := func(within time.Duration, now time.Time, want ...string) {
			t.Helper()
			list, err := w.db.Expiring(t.Context(), within, now)
			w.must(err)
			var got []string
			for _, e := range list {
				got = append(got, fmt.Sprintf("%s %d", e.Signer.Name, e.Trusted))
			}
			if !slices.Equal(got, want) {
				t.Errorf("within %s: %q, want %q", within, got, want)
			}
		}
		check(inventory.ExpiringAtOnce, w.now, "key 1 2")
		check(inventory.ExpiringNext, w.now, "key 1 2", "key 2 1")
		check(inventory.ExpiringSoon, *in(inventory.ExpiringAtOnce), "key 2 1")
		check(time.Hour, w.now)
		v, err := w.db.Vitals(t.Context(), w.now)
		if err != nil || fmt.Sprint(v.Expiring) != fmt.Sprint(map[time.Duration]int{inventory.ExpiringAtOnce: 1, inventory.ExpiringNext: 2, inventory.ExpiringSoon: 2}) {
			t.Errorf("%+v, %v", v.Expiring, err)
		}
	})
}
