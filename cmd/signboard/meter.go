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
)

// meter shows how far a sync is: a bar that redraws itself on a terminal, a
// line per repository elsewhere.
type meter struct {
	out   io.Writer
	how   string // bar, plain or none
	width func() int
	start time.Time

	mu    sync.Mutex
	drawn time.Time
	last  inventory.Progress
}

// show takes the counts so far; several goroutines call it.
func (m *meter) show(e syncer.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = e.Progress
	switch m.how {
	case "plain":
		if e.Finished != "" {
			fmt.Fprintf(m.out, "%s: done (%d of %d images so far)\n", inventory.Visible(e.Finished), e.Progress.Done, e.Progress.Known)
		}
	case "bar":
		if now := time.Now(); now.Sub(m.drawn) >= 100*time.Millisecond {
			m.drawn = now
			fmt.Fprint(m.out, "\r\x1b[K", bar(e.Progress, now.Sub(m.start), m.width()))
		}
	}
}

// end leaves the terminal as it was.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.how == "bar" {
		fmt.Fprint(m.out, "\r\x1b[K")
	}
}

// bar is one line of at most width columns: images done of known, rate, the
// repository being read.
func bar(p inventory.Progress, took time.Duration, width int) string {
	const cells = 24
	filled := 0
	if p.Known > 0 {
		filled = min(cells, p.Done*cells/p.Known)
	}
	rate := float64(p.Done) / max(took.Seconds(), 0.001)
	line := fmt.Sprintf("[%s%s] %d of %d images, %.0f/s  %s", strings.Repeat("█", filled), strings.Repeat("░", cells-filled),
		p.Done, p.Known, rate, inventory.Visible(p.Registry+"/"+p.Repository))
	if p.Repository == "" {
		line = strings.TrimSuffix(line, "/")
	}
	if utf8.RuneCountInString(line) >= width {
		runes := []rune(line)
		line = string(runes[:max(width-2, 0)]) + "…"
	}
	return line
}
