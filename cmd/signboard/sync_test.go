package main

import (
	"bytes"
	"testing"
	"time"

	"signboard/inventory"
	"signboard/inventory/syncer"
)

func TestConclude_saysWhatItCost(t *testing.T) {
	one := inventory.Progress{Registry: "eu", Done: 3, Verified: 2, Traffic: inventory.Traffic{Requests: 9, Retried: 1, Saved: 20}}
	two := inventory.Progress{Registry: "us", Done: 1, Traffic: inventory.Traffic{Requests: 1, Saved: 3}}
	tests := map[string]struct {
		summary syncer.Summary
		want    string
	}{
		"one registry": {
			syncer.Summary{Progress: one, Registries: []inventory.Progress{one}, Repositories: 1, Took: time.Second},
			"3 tags in 1 repository looked at, 2 signatures checked, in 1s\n" +
				"9 requests made, 20 saved, 1 retried\n",
		},
		"several, and images that needed none": {
			syncer.Summary{Progress: one.Add(two), Registries: []inventory.Progress{one, two}, Repositories: 2, Reverified: 5, Took: time.Second},
			"4 tags in 2 repositories looked at, 2 signatures checked, in 1s\n" +
				"5 images checked again from what was kept of them, without the registry\n" +
				"10 requests made, 23 saved, 1 retried\n" +
				"  eu: 9 requests made, 20 saved, 1 retried\n" +
				"  us: 1 request made, 3 saved, 0 retried\n",
		},
	}
	for name, test := range tests {
		var out bytes.Buffer
		if err := conclude(environment{stdout: &out, stderr: &out}, test.summary); err != nil || out.String() != test.want {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
}
