package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"signboard/inventory"
	"signboard/inventory/syncer"
	"signboard/views/ui"
)

// meter shows how far a sync is: on a terminal a line per registry that is
// redrawn in place, elsewhere a line per repository.
type meter struct {
	out   io.Writer
	how   string                   // bar, plain or none
	size  func() (width, rows int) // of the terminal, which may change
	clock func() time.Time

	mu      sync.Mutex
	gauges  []*gauge
	drawn   []string  // the lines on the terminal
	last    time.Time // when something was shown
	lines   int       // of plain, those left out included
	skipped int       // repositories that plain has not named
}

// How often the terminal is redrawn, and how often plain prints a line after the
// first few.
const (
	redrawEvery = 100 * time.Millisecond
	plainEvery  = 200 * time.Millisecond
	plainFirst  = 20
)

// show takes how far a sync is; several goroutines call it.
func (m *meter) show(e syncer.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	switch m.how {
	case "plain":
		if e.Finished == "" {
			return
		}
		if m.lines++; m.lines > plainFirst && now.Sub(m.last) < plainEvery {
			m.skipped++
			return
		}
		m.last = now
		others := ""
		if m.skipped > 0 {
			others = fmt.Sprintf(" and %d more", m.skipped)
			m.skipped = 0
		}
		fmt.Fprintf(m.out, "%s%s: done (%s so far)\n", inventory.Visible(e.Finished), others, reached(e.Registry))
	case "bar":
		m.gauge(e.Registry.Registry).set(e.Registry, now)
		if now.Sub(m.last) >= redrawEvery {
			m.last = now
			m.draw()
		}
	}
}

// end leaves the terminal as it was.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.how == "bar":
		fmt.Fprint(m.out, m.erase())
		m.drawn = nil
	case m.how == "plain" && m.skipped > 0:
		fmt.Fprintf(m.out, "… and %s more\n", plural(m.skipped, "repository"))
	}
	m.how = "none" // whoever still reports is late
}

func (m *meter) gauge(registry string) *gauge {
	for _, g := range m.gauges {
		if g.p.Registry == registry {
			return g
		}
	}
	m.gauges = append(m.gauges, &gauge{p: inventory.Progress{Registry: registry}})
	return m.gauges[len(m.gauges)-1]
}

// draw puts the lines where those drawn last are.
func (m *meter) draw() {
	width, rows := m.size()
	names := 0
	for _, g := range m.gauges {
		names = min(max(names, utf8.RuneCountInString(inventory.Visible(g.p.Registry))), width/4)
	}
	var lines []string
	for i, g := range m.gauges {
		if i == rows-2 && i < len(m.gauges)-1 {
			lines = append(lines, cut(fmt.Sprintf("… and %d more", len(m.gauges)-i), width-1))
			break
		}
		lines = append(lines, g.line(names, width-1))
	}
	fmt.Fprint(m.out, m.erase(), strings.Join(lines, "\r\n"), "\r\n")
	m.drawn = lines
}

// erase goes back to where the drawn lines begin and clears them. A terminal
// that has become narrower has wrapped them.
func (m *meter) erase() string {
	if len(m.drawn) == 0 {
		return ""
	}
	width, _ := m.size()
	up := 0
	for _, line := range m.drawn {
		up += max(1, (utf8.RuneCountInString(line)+width-1)/width)
	}
	return fmt.Sprintf("\r\x1b[%dA\x1b[J", up)
}

// gauge is the sync of one registry.
type gauge struct {
	p       inventory.Progress
	samples []sample // of the last seconds, oldest first
}

type sample struct {
	at   time.Time
	done int
}

// window is the time that a rate is of: long enough to be steady, short enough
// to follow what happens.
const window = 10 * time.Second

func (g *gauge) set(p inventory.Progress, now time.Time) {
	if p.Done < g.p.Done { // a new listing: everything is due again
		g.samples = nil
	}
	g.p = p
	g.samples = append(g.samples, sample{now, p.Done})
	for len(g.samples) > 2 && now.Sub(g.samples[1].at) >= window {
		g.samples = g.samples[1:]
	}
}

// rate is how many images were looked at per second lately; false until there
// is a second to go by.
func (g *gauge) rate() (float64, bool) {
	if len(g.samples) < 2 {
		return 0, false
	}
	first, last := g.samples[0], g.samples[len(g.samples)-1]
	took := last.at.Sub(first.at)
	if took < time.Second {
		return 0, false
	}
	return float64(last.done-first.done) / took.Seconds(), true
}

// left is how long the rest will take at the present rate; false while that
// can't honestly be said: for the repositories never read before, what those
// read so far hold has to stand, and that takes a few of them.
func (g *gauge) left() (time.Duration, bool) {
	rate, ok := g.rate()
	if !ok || rate <= 0 || g.samples[len(g.samples)-1].at.Sub(g.samples[0].at) < 3*time.Second {
		return 0, false
	}
	images := float64(g.p.Known - g.p.Done)
	if g.p.Unread > 0 {
		read := g.p.Listed - g.p.Unread
		if read < 5 || read*20 < g.p.Listed {
			return 0, false
		}
		images += float64(g.p.Unread) * float64(g.p.Known) / float64(read)
	}
	return time.Duration(images / rate * float64(time.Second)), true
}

// share is how much is done, from 0 to 1: of the images where all are known, of
// the repositories otherwise.
func (g *gauge) share() float64 {
	switch {
	case g.p.Unread == 0 && g.p.Known > 0:
		return float64(g.p.Done) / float64(g.p.Known)
	case g.p.Listed > 0:
		return float64(g.p.Repositories) / float64(g.p.Listed)
	}
	return 0
}

// line is the gauge in at most width columns, with the registry's name in names
// of them. What finds no room is left out, the least important first.
func (g *gauge) line(names, width int) string {
	name := cut(inventory.Visible(g.p.Registry), names)
	name += strings.Repeat(" ", max(0, names-utf8.RuneCountInString(name)))
	share := min(max(g.share(), 0), 1)
	line := fmt.Sprintf("%s %3.0f%%", name, 100*share)
	if cells := min(24, width/5); cells >= 8 {
		filled := int(share * float64(cells))
		line = fmt.Sprintf("%s %s%s %3.0f%%", name, strings.Repeat("█", filled), strings.Repeat("░", cells-filled), 100*share)
	}
	for _, part := range g.parts() {
		if part == "" {
			continue
		}
		if longer := line + "  " + part; utf8.RuneCountInString(longer) <= width {
			line = longer
		}
	}
	if rest := width - utf8.RuneCountInString(line) - 2; g.p.Repository != "" && rest >= 12 {
		line += "  " + cut(inventory.Visible(g.p.Repository), rest)
	}
	return cut(line, width)
}

// parts are what a line says, the most important first.
func (g *gauge) parts() []string {
	left, rate, failed := "estimating", "", ""
	if per, ok := g.rate(); ok {
		rate = fmt.Sprintf("%s/s", ui.Number(int(per+0.5)))
	}
	if d, ok := g.left(); ok {
		left = span(d) + " left"
	}
	switch {
	case g.p.Listed == 0:
		left, rate = "listing", ""
	case g.p.Repositories >= g.p.Listed:
		left, rate = "done", ""
	}
	if g.p.Failed > 0 {
		failed = ui.Number(g.p.Failed) + " failed"
	}
	images := fmt.Sprintf("%s of %s images", ui.Number(g.p.Done), ui.Number(g.p.Known))
	if g.p.Unread > 0 {
		images = ui.Number(g.p.Done) + " images"
	}
	repositories := ""
	if g.p.Listed > 0 {
		repositories = fmt.Sprintf("%s of %s", ui.Number(g.p.Repositories), ui.Count(g.p.Listed, "repository", "repositories"))
	}
	return []string{images, left, failed, rate, repositories}
}

// reached says how far a sync is, for a line that stays.
func reached(p inventory.Progress) string {
	images := fmt.Sprintf("%d of %d images", p.Done, max(p.Known, p.Done))
	if p.Listed == 0 {
		return images
	}
	return fmt.Sprintf("%d of %s, %s", p.Repositories, plural(p.Listed, "repository"), images)
}

// span is a duration in the units a person waits in.
func span(d time.Duration) string {
	d = max(d.Round(time.Second), time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// cut shortens a text to so many columns.
func cut(s string, columns int) string {
	if columns <= 0 {
		return ""
	}
	if r := []rune(s); len(r) > columns {
		return string(r[:columns-1]) + "…"
	}
	return s
}
