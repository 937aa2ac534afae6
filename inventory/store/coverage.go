package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const dayFormat = "2006-01-02"

// recordDay carries the present counts of some dimensions into the rows of the
// day, and those of every team and registry with the day's first write: a day on
// which nothing changed has its rows all the same.
func (d *DB) recordDay(ctx context.Context, tx database.Querier, changed []dimension, now time.Time) error {
	day := now.UTC().Format(dayFormat)
	d.dayMu.Lock()
	first := day > d.day
	d.dayMu.Unlock()
	if first {
		_, err := tx.ExecContext(ctx, `
			insert into daily_counters (day, kind, value, status, n)
			select $1, kind, value, status, n
			from counters
			where kind in ('all', 'team', 'registry')
			on conflict (kind, value, day, status) do update set n = excluded.n`, day)
		if err != nil {
			return err
		}
		// Should the transaction fail, the row is still complete: each change
		// writes all statuses of what it touches, and a gap is read as "as before".
		d.dayMu.Lock()
		d.day = day
		d.dayMu.Unlock()
		return nil
	}
	for part := range slices.Chunk(changed, database.MaxParams/2-1) {
		args := []any{day}
		var which []string
		for _, c := range part {
			which = append(which, fmt.Sprintf("(kind = $%d and value = $%d)", len(args)+1, len(args)+2))
			args = append(args, c.kind, database.Clean(c.value))
		}
		_, err := tx.ExecContext(ctx, `
			insert into daily_counters (day, kind, value, status, n)
			select $1, kind, value, status, n
			from counters
			where `+strings.Join(which, " or ")+`
			on conflict (kind, value, day, status) do update set n = excluded.n`, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// Coverage is one Day for each of the last days UTC days, oldest first and
// today last, of a scope, or NotFound when it names a registry that isn't
// configured. A day without a write is as the day before; days before the first
// known one are left out.
func (d *DB) Coverage(ctx context.Context, of inventory.Scope, days int, now time.Time) ([]inventory.Day, error) {
	today := now.UTC().Format(dayFormat)
	start := now.UTC().AddDate(0, 0, 1-max(days, 1)).Format(dayFormat)
	var list []inventory.Day
	err := d.sql.Read(ctx, func(q database.Querier) error {
		type row struct {
			day string
			counted
		}
		var rows []row
		s, err := scopeOf(ctx, q, of)
		if err != nil {
			return err
		}
		err = database.Each(ctx, q, `
			select day, status, n
			from daily_counters
			where kind = $1 and value = $2 and day <= $3
			  and day >= coalesce((select max(day) from daily_counters where kind = $1 and value = $2 and day <= $4), '')
			order by day`,
			database.ScanInto(&rows, func(r *row) []any { return []any{&r.day, &r.status, &r.n} }), s.kind, database.Clean(s.value), today, start)
		if err != nil {
			return err
		}
		byDay := map[string][]counted{}
		var last inventory.Counts
		known := false
		for _, r := range rows {
			byDay[r.day] = append(byDay[r.day], r.counted)
			if r.day < start {
				known = true
			}
		}
		for day, of := range byDay {
			if day < start { // the one before the first
				last = countsOf(of)
			}
		}
		for t := now.UTC().AddDate(0, 0, 1-max(days, 1)); ; t = t.AddDate(0, 0, 1) {
			date := t.Format(dayFormat)
			if date == today {
				break
			}
			if of, ok := byDay[date]; ok {
				last, known = countsOf(of), true
			}
			if known {
				list = append(list, inventory.Day{Date: date, Counts: last})
			}
		}
		if last, err = counts(ctx, q, s.kind, s.value); err != nil {
			return err
		}
		if err := d.adjust(ctx, q, s, &last, now); err != nil {
			return err
		}
		list = append(list, inventory.Day{Date: today, Counts: last})
		return nil
	})
	return list, err
}
