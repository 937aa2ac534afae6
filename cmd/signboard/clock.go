package main

import (
	"fmt"
	"time"
)

// tolerated is how far clocks may be apart: as far as tokens and certificates
// commonly are forgiven.
const tolerated = 5 * time.Minute

// clockWarning says that this machine's clock seems wrong: every registry that
// tells its time disagrees with it, and in the same direction. One registry
// alone among others can't cause it. It is empty otherwise.
func (a *app) clockWarning() string {
	var least time.Duration
	told := 0
	for _, peer := range a.peers {
		ahead, known := peer.Skew()
		if !known {
			continue
		}
		if ahead.Abs() < tolerated || told > 0 && (ahead > 0) != (least > 0) {
			return ""
		}
		if told++; told == 1 || ahead.Abs() < least.Abs() {
			least = ahead
		}
	}
	if told == 0 {
		return ""
	}
	how := "behind"
	if least < 0 {
		how = "ahead of"
	}
	whose := "its registry's"
	if told > 1 {
		whose = fmt.Sprintf("those of all %d registries that tell the time", told)
	}
	return fmt.Sprintf("This machine's clock is %s %s %s. Approvals, quarantines and certificates begin and end by it: set it right. "+
		"Until then nothing old is removed; what seemed to have run out holds again once the clock is right.", lasting(least.Abs()), how, whose)
}

// lasting is a duration in words, in its largest unit.
func lasting(d time.Duration) string {
	for _, unit := range []struct {
		name string
		long time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := int((d + unit.long/2) / unit.long); d >= unit.long-unit.long/20 {
			return plural(n, unit.name)
		}
	}
	return "a moment"
}
