package syncer_test

import (
	"testing"
	"time"

	"signboard/inventory"
)

// TestRun_aClockThatIsPutBack: an approval that had seemed to have run out
// counts again, and so does the next look.
func TestRun_aClockThatIsPutBack(t *testing.T) {
	w := newWorld(t)
	d := w.push("app:v1")
	w.sign("app", d, d, w.key)
	until := w.clock().Add(24 * time.Hour)
	w.decide(inventory.Approve, "**", &until)
	w.sync()
	w.expect("app", d, inventory.Trusted, inventory.ReasonOK)

	late := false
	w.run(func() bool {
		switch status := w.image("app", d).Status; {
		case !late && status == inventory.Trusted:
			w.pass(time.Hour) // until it has run out
		case !late && status == inventory.Unapproved:
			late = true
			w.pass(until.Add(-20 * time.Hour).Sub(w.clock()))
		}
		return late && w.image("app", d).Status == inventory.Trusted
	}, w.syncer)
	w.sync()
	w.expect("app", d, inventory.Trusted, inventory.ReasonOK)
}
