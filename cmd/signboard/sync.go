package main

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"

	"signboard/inventory"
	"signboard/inventory/syncer"
)

type syncCommand struct {
	Config     string `help:"The configuration file, - for standard input." default:"signboard.yaml" placeholder:"FILE"`
	Registry   string `help:"Only this registry." placeholder:"NAME"`
	Repository string `help:"Only repositories that match, as team-a/** or local/team-a/**." placeholder:"GLOB"`
	Resume     bool   `help:"Carry on where a sync that was stopped left off, instead of reading everything again."`
	Progress   string `help:"How to show progress: a bar on a terminal (auto), a line per repository (plain), or not at all (none)." enum:"auto,plain,none" default:"auto"`
}

// Run syncs once and says what it came to.
func (c syncCommand) Run(e environment) error {
	config, err := loadConfig(c.Config, e.stdin)
	if err != nil {
		return err
	}
	scope := inventory.SyncScope{Registry: c.Registry}
	if c.Repository != "" {
		if scope.Repository, err = inventory.ParseGlob(c.Repository); err != nil {
			return err
		}
	}
	if len(config.Registries) == 0 {
		return inventory.Errorf(inventory.Invalid, "%s: no registry is configured; add one under registries.", c.Config)
	}
	known := c.Registry == ""
	for _, r := range config.Registries {
		known = known || r.Name == c.Registry
	}
	if !known {
		return inventory.Errorf(inventory.Invalid, "%s: no registry is called %q.", c.Config, c.Registry)
	}
	log := e.log
	if c.Progress != "none" {
		// The summary names every failure; log lines would only tear the bar.
		log = slog.New(slog.DiscardHandler)
	}
	a, err := open(e.ctx, config, log)
	if err != nil {
		return err
	}
	defer a.close()
	a.trust.refresh(e.ctx, e.log)

	bar := progress(c.Progress, e)
	run := a.syncer.Sync
	if c.Resume {
		run = a.syncer.Resume
	}
	summary, err := run(e.ctx, scope, bar.show)
	bar.end()
	if err != nil && e.ctx.Err() != nil {
		return interrupted(e, summary)
	}
	if err != nil {
		return err
	}
	return conclude(e, summary)
}

// interrupted prints what was done until somebody stopped the sync. Nothing is
// decided about the rest.
func interrupted(e environment, s syncer.Summary) error {
	_ = conclude(e, s) // its status is of a sync that came to its end
	return exit{exitUndecided, "stopped; what was read is stored, and signboard sync --resume carries on with the rest"}
}

// conclude prints the summary and turns it into the exit status.
func conclude(e environment, s syncer.Summary) error {
	fmt.Fprintf(e.stdout, "%s in %s looked at, %s checked, in %s\n",
		plural(s.Done, "tag"), plural(s.Repositories, "repository"), plural(s.Verified, "signature"), s.Took.Round(time.Millisecond))
	if s.Reverified > 0 {
		fmt.Fprintf(e.stdout, "%s checked again from what was kept of them, without the registry\n", plural(s.Reverified, "image"))
	}
	fmt.Fprintln(e.stdout, traffic(s.Traffic))
	if len(s.Registries) > 1 {
		for _, r := range s.Registries {
			fmt.Fprintf(e.stdout, "  %s: %s\n", inventory.Visible(r.Registry), traffic(r.Traffic))
		}
	}
	if s.Complete() {
		return nil
	}
	for i, p := range s.Failures {
		if i == 20 {
			fmt.Fprintf(e.stderr, "  … and %d more\n", len(s.Failures)-i)
			break
		}
		fmt.Fprintf(e.stderr, "  %s: %s (%s)\n", p.Where, inventory.Visible(p.Message), p.Reason)
	}
	return exit{exitUndecided, fmt.Sprintf("%s could not be checked; what was known of them stays, with its age", plural(s.Failed, "thing"))}
}

// traffic is what a sync cost a registry.
func traffic(t inventory.Traffic) string {
	return fmt.Sprintf("%s made, %d saved, %d retried", plural(int(t.Requests), "request"), t.Saved, t.Retried)
}

func plural(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case noun == "repository":
		return fmt.Sprintf("%d repositories", n)
	case noun == "entry":
		return fmt.Sprintf("%d entries", n)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// progress chooses how to show a sync.
func progress(how string, e environment) *meter {
	m := &meter{out: e.stderr, clock: time.Now, how: how}
	if how == "auto" {
		m.how = "plain"
		if f, ok := e.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			m.how = "bar"
			m.size = func() (int, int) {
				width, rows, err := term.GetSize(int(f.Fd()))
				if err != nil || width <= 0 || rows <= 0 {
					return 80, 24
				}
				return width, rows
			}
		}
	}
	return m
}
