package store

import (
	"fmt"
	"slices"
	"testing"

	"signboard/inventory"
)

// Lists of many repositories are read in two ways, one after the other: a walk
// through the newest images of all, and each repository's own newest.
func TestImages_ofManyRepositories(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/signboard.db")
	const ours, others, each, eachOther = 130, 25, 10, 50
	if others*eachOther <= sieveWalk || ours*each <= countWalk {
		t.Fatal("too few images to go beyond the walk")
	}
	var names []string
	// The others are newer than all but three of ours, of which the walk comes to
	// one at its end.
	isOurs := func(r int) bool { return r < ours-3 || r == ours+2 || r >= ours+others-2 }
	for r := range ours + others {
		names = append(names, fmt.Sprintf("%s/%03d", map[bool]string{true: "app", false: "tool"}[isOurs(r)], r))
	}
	w.list("local", names...)
	for r, name := range names {
		n := each
		if !isOurs(r) {
			n = eachOther
		}
		var findings []inventory.ImageFinding
		for i := range n {
			if i%2 == 0 {
				findings = append(findings, unsigned(r*100+i, fmt.Sprint("v", i)))
			} else {
				findings = append(findings, signed(r*100+i, inventory.Trusted, []int{1}, fmt.Sprint("v", i)))
			}
		}
		w.look("local", name, findings...)
	}
	all, _ := w.pages(inventory.ImageFilter{}, 200)
	for _, c := range []struct {
		filter inventory.ImageFilter
		capped bool
	}{
		{inventory.ImageFilter{Q: "app"}, true},
		{inventory.ImageFilter{Repository: "app/*"}, true},
		{inventory.ImageFilter{Q: "local"}, true},
		{inventory.ImageFilter{Q: "tool"}, false}, // few enough to count
		{inventory.ImageFilter{Q: "app", Status: inventory.Trusted}, false},
		{inventory.ImageFilter{Q: "local", Status: inventory.Unsigned}, false},
		{inventory.ImageFilter{Q: "app", Reason: inventory.ReasonOK}, false},
		{inventory.ImageFilter{Q: "app", Tag: "v3"}, false},
		{inventory.ImageFilter{Q: "app 00"}, false},
	} {
		var want []int64
		for _, i := range all {
			if selects(c.filter, i) {
				want = append(want, i.ID)
			}
		}
		images, first := w.pages(c.filter, 70)
		var have []int64
		for _, i := range images {
			have = append(have, i.ID)
		}
		if !slices.Equal(have, want) {
			t.Errorf("%+v lists %d images, and should %d", c.filter, len(have), len(want))
		}
		if len(first.Images) != min(70, len(want)) {
			t.Errorf("%+v: the first page has %d images", c.filter, len(first.Images))
		}
		if c.capped && (!first.Capped || first.Total != countWalk) || !c.capped && !first.Capped && first.Total != len(want) {
			t.Errorf("%+v says a total of %d (capped: %v), and it is %d", c.filter, first.Total, first.Capped, len(want))
		}
	}
}
