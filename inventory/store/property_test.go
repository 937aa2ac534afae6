package store

import (
	"flag"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signboard/inventory/audit"
)

var (
	taleSeed = flag.Uint64("tale.seed", 0, "tell the one tale of this seed")
	taleTime = flag.Duration("tale.time", 0, "tell tales of new seeds for so long on each database")
	taleLong = flag.Int("tale.steps", 60, "how many steps a tale has")
)

// TestTales tells random tales: images are pushed, signed and deleted, registries
// fail and recover, keys are registered, people decide about signers, one or two
// at a time, hold images and release them, processes sync, die at any moment and
// get in each other's way, and time goes by. After each step every count is what
// a recount counts, and the audit log has exactly one entry for each thing that
// was done; whenever the work is done each verdict is what policy.Judge says of
// the evidence and the decisions, each overlay what follows from the quarantines,
// each standing what follows from the decisions, and the log is whole; and once
// the world is calm and was read, all of it is what the world is.
//
// A tale that goes wrong is told again with fewer steps, for as long as it still
// does. -tale.seed tells one again, -tale.time tells others.
func TestTales(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			key, _, err := audit.OpenKey(filepath.Join(t.TempDir(), "key"), "signboard.test")
			if err != nil {
				t.Fatal(err)
			}
			keys, err := audit.Keys(key.Public())
			if err != nil {
				t.Fatal(err)
			}
			tell := func(seed uint64) bool {
				approvers := 1 + int(seed%3)/2
				all := steps(rand.New(rand.NewPCG(seed, 0)), *taleLong)
				told, err := play(t.Context(), emptyDatabase(t, kind), key, keys, all, approvers)
				if err == nil {
					return true
				}
				few := shrink(all, func(list []step) bool {
					again, e := play(t.Context(), emptyDatabase(t, kind), key, keys, list, approvers)
					if e != nil {
						told, err = again, e
					}
					return e != nil
				}, time.Now().Add(time.Minute))
				t.Errorf("go test ./inventory/store -run TestTales/%s -tale.seed %d -tale.steps %d (approvals take %d)\n%v\nin %d steps:\n%s",
					kind, seed, *taleLong, approvers, err, len(few), strings.Join(told, "\n"))
				return false
			}
			switch {
			case *taleSeed != 0:
				tell(*taleSeed)
			case *taleTime > 0:
				told, began := 0, time.Now()
				for ; time.Since(began) < *taleTime && tell(rand.Uint64()); told++ {
				}
				t.Logf("%d tales of %d steps", told, *taleLong)
			default:
				tales := uint64(6)
				if kind == "postgres" { // where one takes longer
					tales = 3
				}
				for seed := range tales {
					if !tell(seed + 1) {
						break
					}
				}
			}
		})
	}
}
