package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"signboard/inventory"
	"signboard/inventory/syncer"
)

func TestBar_saysHowFarHowFastAndWhere(t *testing.T) {
	p := inventory.Progress{Registry: "local", Repository: "team-a/api", Done: 500, Known: 1000}
	line := bar(p, 2*time.Second, 120)
	for _, want := range []string{"500 of 1000 images", "250/s", "local/team-a/api", "████████████░░░░░░░░░░░░"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q does not say %q", line, want)
		}
	}
}

func TestBar_fitsTheTerminal(t *testing.T) {
	p := inventory.Progress{Registry: "local", Repository: strings.Repeat("long/", 50) + "\x1b[31m\u202e", Done: 1, Known: 3}
	for _, width := range []int{1, 20, 40, 80, 400} {
		line := bar(p, time.Second, width)
		if n := utf8.RuneCountInString(line); n >= width && width > 1 {
			t.Errorf("the line is %d wide on a terminal of %d", n, width)
		}
		if strings.ContainsAny(line, "\x1b\u202e") {
			t.Errorf("a repository's name writes to the terminal: %q", line)
		}
	}
}

func TestMeter_plainIsALinePerRepository(t *testing.T) {
	var out bytes.Buffer
	m := progress("auto", environment{stderr: &out}) // a buffer is no terminal
	m.show(syncer.Event{Progress: inventory.Progress{Done: 1, Known: 2}})
	m.show(syncer.Event{Progress: inventory.Progress{Done: 2, Known: 2}, Finished: "local/app"})
	m.end()
	if got := out.String(); got != "local/app: done (2 of 2 images so far)\n" {
		t.Errorf("it prints %q", got)
	}
}

func TestConclude_exitsWithThreeWhenSomethingCouldNotBeChecked(t *testing.T) {
	var out, errs bytes.Buffer
	e := environment{stdout: &out, stderr: &errs}
	if err := conclude(e, syncer.Summary{Repositories: 2}); err != nil {
		t.Errorf("a complete sync ends with %v", err)
	}
	s := syncer.Summary{Progress: inventory.Progress{Failed: 1}, Failures: []syncer.Problem{{Where: "local", Reason: inventory.ReasonRegistryUnreachable, Message: "It is down."}}}
	if code := report(conclude(e, s), &errs, nil); code != exitUndecided {
		t.Errorf("the exit status is %d", code)
	}
	if !strings.Contains(errs.String(), "local: It is down. (registry_unreachable)") {
		t.Errorf("the failure isn't named: %s", errs.String())
	}
}
