package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"signboard/inventory"
)

// RetentionConfig says how long what is over is kept. Nothing means the
// default.
type RetentionConfig struct {
	History age `koanf:"history"`
	Gone    age `koanf:"gone"`
}

// age is a length of time in nanoseconds that may be written in days, or as
// forever.
type age time.Duration

const (
	forever        = age(math.MaxInt64)
	defaultHistory = age(365 * 24 * time.Hour)
	defaultGone    = age(90 * 24 * time.Hour)
	leastAge       = age(24 * time.Hour)
)

// parseAge reads 8760h, 365d or forever; 0 is the default.
func parseAge(value any) (age, error) {
	s := strings.TrimSpace(fmt.Sprint(value))
	refuse := fmt.Errorf("expected how long to keep it, as 365d, 8760h or forever, found %q", s)
	switch days, inDays := strings.CutSuffix(s, "d"); {
	case s == "forever":
		return forever, nil
	case s == "0":
		return 0, nil
	case inDays:
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n < 0 || n > 100_000 {
			return 0, refuse
		}
		return age(time.Duration(n) * 24 * time.Hour), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, refuse
	}
	return age(d), nil
}

// check refuses lengths that would remove what was only just seen, and fills in
// the defaults.
func (r *RetentionConfig) check() error {
	for _, k := range []struct {
		name     string
		length   *age
		standard age
	}{{"history", &r.History, defaultHistory}, {"gone", &r.Gone, defaultGone}} {
		if *k.length == 0 {
			*k.length = k.standard
		}
		if *k.length < leastAge {
			return fmt.Errorf("retention.%s: expected at least 1d, found %s", k.name, time.Duration(*k.length))
		}
	}
	return nil
}

// retention is what the store goes by.
func (r RetentionConfig) retention() inventory.Retention {
	length := func(a age) time.Duration {
		if a == forever {
			return 0
		}
		return time.Duration(a)
	}
	return inventory.Retention{History: length(r.History), Gone: length(r.Gone)}
}

// pruneTick is how often a process asks whether it is time to remove something;
// it is a few times a day, for all processes together.
const pruneTick = 10 * time.Minute

// retain removes what is kept no longer, until ctx ends.
func (a *app) retain(ctx context.Context) {
	tick := time.NewTicker(pruneTick)
	defer tick.Stop()
	for {
		if warning := a.clockWarning(); warning != "" {
			a.log.Warn("nothing is removed while the clock may be wrong", "why", warning)
			if !wait(ctx, tick.C) {
				return
			}
			continue
		}
		p, err := a.store.Prune(ctx, a.config.Retention.retention(), time.Now())
		if err != nil && ctx.Err() == nil {
			a.log.Warn("what is kept no longer could not be removed, will try again", "error", err)
		}
		if !p.Empty() {
			a.log.Info("removed what is kept no longer", "images", p.Images, "repositories", p.Repositories,
				"verdicts", p.Verdicts, "events", p.Events, "tag_moves", p.Moves)
		}
		if !wait(ctx, tick.C) {
			return
		}
	}
}

// wait waits for a tick; false is the end of ctx.
func wait(ctx context.Context, tick <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-tick:
		return true
	}
}
