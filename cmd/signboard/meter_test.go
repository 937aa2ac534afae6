package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"signboard/inventory"
	"signboard/inventory/syncer"
)

// reported is a gauge that was told something once a second.
func reported(reports ...inventory.Progress) *gauge {
	g, at := &gauge{}, time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for i, p := range reports {
		g.set(p, at.Add(time.Duration(i)*time.Second))
	}
	return g
}

// steadily are reports of a sync that looks at so many images a second.
func steadily(seconds, perSecond int, p inventory.Progress) (list []inventory.Progress) {
	start := p.Done - seconds*perSecond
	for i := range seconds + 1 {
		p.Done = start + i*perSecond
		list = append(list, p)
	}
	return list
}

func TestGauge_saysHowFarHowFastHowLongAndWhere(t *testing.T) {
	p := inventory.Progress{Registry: "local", Repository: "team-a/api", Repositories: 20, Listed: 40, Done: 500, Known: 1000, Failed: 3}
	line := reported(steadily(20, 10, p)...).line(8, 140)
	for _, want := range []string{"local    ████████████░░░░░░░░░░░░  50%", "500 of 1,000 images", "10/s", "50s left", "20 of 40 repositories", "3 failed", "team-a/api"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q does not say %q", line, want)
		}
	}
}

func TestGauge_rateIsOfTheLastSeconds(t *testing.T) {
	p := inventory.Progress{Registry: "local", Listed: 2, Done: 60000, Known: 100000}
	fast := steadily(60, 1000, p)
	p.Done += 200
	g := reported(append(fast, steadily(20, 10, p)[1:]...)...)
	if rate, ok := g.rate(); !ok || rate != 10 {
		t.Errorf("after 20 seconds of 10/s the rate is %.1f, %v", rate, ok)
	}
}

func TestGauge_estimatesOnlyWhatItCanKnow(t *testing.T) {
	for name, test := range map[string]struct {
		g    *gauge
		want string
	}{
		"one report":                     {reported(inventory.Progress{Listed: 10, Known: 100, Done: 10}), "estimating"},
		"nothing is listed":              {reported(inventory.Progress{}), "listing"},
		"everything is read":             {reported(steadily(5, 10, inventory.Progress{Repositories: 10, Listed: 10, Known: 150, Done: 150})...), "done"},
		"two seconds":                    {reported(steadily(2, 10, inventory.Progress{Listed: 10, Known: 100, Done: 50})...), "estimating"},
		"all images are known":           {reported(steadily(5, 10, inventory.Progress{Listed: 10, Known: 150, Done: 50})...), "10s left"},
		"nothing moves":                  {reported(steadily(30, 0, inventory.Progress{Listed: 10, Known: 150, Done: 50})...), "estimating"},
		"two repositories of many":       {reported(steadily(5, 10, inventory.Progress{Repositories: 2, Listed: 100, Unread: 98, Known: 60, Done: 50})...), "estimating"},
		"a tenth of them, ten images in": {reported(steadily(5, 10, inventory.Progress{Repositories: 10, Listed: 100, Unread: 90, Known: 100, Done: 100})...), "1m30s left"},
	} {
		parts := strings.Join(test.g.parts(), "|")
		if strings.Contains(test.want, "left") != strings.Contains(parts, "left") || !strings.Contains(parts, test.want) {
			t.Errorf("%s: %q does not say %q", name, parts, test.want)
		}
	}
}

func TestGauge_fitsTheTerminal(t *testing.T) {
	p := inventory.Progress{Registry: "local\x1b[2J", Repository: strings.Repeat("long/", 50) + "\x1b[31m\u202e", Repositories: 1, Listed: 3, Done: 1, Known: 3, Failed: 1}
	for _, width := range []int{1, 5, 20, 40, 80, 400} {
		line := reported(steadily(5, 1, p)...).line(min(12, width/4), width)
		if n := utf8.RuneCountInString(line); n > width {
			t.Errorf("the line is %d wide on a terminal of %d: %q", n, width, line)
		}
		if strings.ContainsAny(line, "\x1b\u202e") {
			t.Errorf("a name writes to the terminal: %q", line)
		}
	}
}

// screen is what a terminal shows after what was written to it: enough of one
// for the words that the meter uses, with lines wrapped at its width.
func screen(width int, written string) []string {
	lines, at := []string{""}, 0
	for _, word := range regexp.MustCompile(`\x1b\[\d*[AJ]|\r\n|\r|[^\r\x1b]+`).FindAllString(written, -1) {
		var n int
		switch {
		case strings.HasSuffix(word, "A") && word[0] == 0x1b:
			fmt.Sscanf(word, "\x1b[%dA", &n)
			at = max(0, at-n)
		case word == "\x1b[J":
			lines = append(lines[:at], "")
		case word == "\r\n":
			if at++; at == len(lines) {
				lines = append(lines, "")
			}
		case word == "\r":
		default:
			for r := []rune(word); len(r) > 0; {
				n := min(width, len(r))
				lines[at] = string(r[:n])
				if r = r[n:]; len(r) > 0 {
					at++
					lines = append(lines[:at], "")
				}
			}
		}
	}
	return lines
}

func TestMeter_drawsALinePerRegistryInPlace(t *testing.T) {
	var out bytes.Buffer
	at, width, rows := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), 80, 24
	m := &meter{out: &out, how: "bar", size: func() (int, int) { return width, rows }, clock: func() time.Time { return at }}
	show := func(registry string, done int) {
		at = at.Add(time.Second)
		m.show(syncer.Event{Registry: inventory.Progress{Registry: registry, Listed: 2, Done: done, Known: 100}})
	}
	show("first", 10)
	show("second", 20)
	show("first", 30)
	if got := screen(width, out.String()); len(got) != 3 || !strings.HasPrefix(got[0], "first  ") || !strings.Contains(got[0], "30 of 100") || !strings.HasPrefix(got[1], "second ") || got[2] != "" {
		t.Errorf("the terminal shows %q", got)
	}

	// A terminal that became narrower has wrapped what it showed.
	before := out.Len()
	width = 30
	wrapped := strings.Join(m.drawn, "\r\n") + "\r\n"
	show("first", 40)
	if got := screen(width, wrapped+out.String()[before:]); len(got) != 3 || !strings.HasPrefix(got[0], "first") || !strings.HasPrefix(got[1], "second") {
		t.Errorf("after it became narrower the terminal shows %q", got)
	}

	rows = 4
	for i := range 5 {
		show(fmt.Sprintf("registry-%d", i), 1)
	}
	if len(m.drawn) != 3 || m.drawn[2] != "… and 5 more" {
		t.Errorf("on four rows it draws %q", m.drawn)
	}

	m.end()
	if got := screen(width, out.String()); got[len(got)-1] != "" {
		t.Errorf("it leaves %q", got)
	}
	done := out.Len()
	show("first", 50)
	if out.Len() != done {
		t.Error("it draws after its end")
	}
}

func TestMeter_plainIsALinePerRepository(t *testing.T) {
	var out bytes.Buffer
	m := progress("auto", environment{stderr: &out}) // a buffer is no terminal
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	m.clock = func() time.Time { return at }
	m.lines = plainFirst - 1
	m.show(syncer.Event{Registry: inventory.Progress{Done: 1, Known: 2}})
	m.show(syncer.Event{Registry: inventory.Progress{Done: 2, Known: 2}, Finished: "local/app"})
	for range 1000 { // all at once
		m.show(syncer.Event{Registry: inventory.Progress{Done: 2, Known: 2}, Finished: "local/other"})
	}
	at = at.Add(time.Second)
	m.show(syncer.Event{Registry: inventory.Progress{Repositories: 3, Listed: 9, Done: 8, Known: 20}, Finished: "local/web"})
	m.show(syncer.Event{Registry: inventory.Progress{Repositories: 4, Listed: 9, Done: 8, Known: 20}, Finished: "local/last"})
	m.end()
	if got, want := out.String(), "local/app: done (2 of 2 images so far)\nlocal/web and 1000 more: done (3 of 9 repositories, 8 of 20 images so far)\n… and 1 repository more\n"; got != want {
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
