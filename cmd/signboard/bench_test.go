//go:build bench

package main

import (
	"bufio"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The measurements behind `make bench`. They are tests only in form: what they
// assert is that the work was really done (every image trusted, every page
// answered), and what they find is printed as tables, with the targets below
// and whether each was met. No single one fails because a machine is slow; but
// the exit status of them all says whether every target was met.
const (
	targetPageRatio   = 1.5 // a page of a large inventory against the same page at 1,000 images
	targetSearchRatio = 3.0 // a search
)

var quiet = slog.New(slog.DiscardHandler)

// table prints aligned columns: the first to the left, the others to the right.
type table struct {
	rows [][]string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) {
	var wide []int
	for _, r := range t.rows {
		for i, c := range r {
			if i == len(wide) {
				wide = append(wide, 0)
			}
			wide[i] = max(wide[i], len([]rune(c)))
		}
	}
	for _, r := range t.rows {
		var b strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", wide[i]-len([]rune(c)))
			if i == 0 {
				b.WriteString(c + pad)
			} else {
				b.WriteString("  " + pad + c)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// machine says what the numbers were measured on, and how busy it was: a load
// well above the bench's own says that they are too low.
func machine() string {
	s := fmt.Sprintf("%d cores, %s %s/%s", runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if model := cpuModel(); model != "" {
		s += ", " + model
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		s += ", load " + strings.Join(strings.Fields(string(load))[:1], " ")
	}
	return s
}

func cpuModel() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// sqliteVersion is the version of the SQLite that is compiled in.
func sqliteVersion(t *testing.T) string {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var version string
	if err := db.QueryRow("select sqlite_version()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// engine is a database to measure on.
type engine struct {
	name string
	// database is a dsn of an empty database for each name.
	database func(name string) string
}

func sqliteEngine(t *testing.T) engine {
	dir := t.TempDir()
	return engine{name: "SQLite", database: func(name string) string { return "sqlite:" + filepath.Join(dir, name+".db") }}
}

// opened is the whole program over a database, without a listener.
func opened(ctx context.Context, t *testing.T, c *Config) *app {
	t.Helper()
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	a, err := open(ctx, c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func median(of []time.Duration) time.Duration { return quantile(of, 0.5) }

func quantile(of []time.Duration, q float64) time.Duration {
	sorted := slices.Clone(of)
	slices.SortFunc(sorted, cmp.Compare)
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// processorTime is what this process has used of the processors so far. Other
// programs on the machine hardly change it, so it is the number to compare runs
// on a busy machine by.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// notMet is how many targets were missed.
var notMet int

func met(ok bool) string {
	if ok {
		return "met"
	}
	notMet++
	return "NOT MET"
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }

// TestMain makes the exit status say whether every target was met.
func TestMain(m *testing.M) {
	code := m.Run()
	if notMet > 0 {
		fmt.Printf("\n%d of the targets were NOT MET.\n", notMet)
		code = max(code, 1)
	}
	os.Exit(code)
}
