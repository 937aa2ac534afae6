package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// tallies count the images in use from the rows themselves, by dimension.
var tallies = []struct{ kind, value, join string }{
	{countAll, "''", ""},
	{countRegistry, "cast(i.registry_id as text)", ""},
	{countRepository, "cast(i.repository_id as text)", ""},
	{countReason, "i.reason", ""},
	{countTeam, "x.team", "join team_repositories x on x.repository_id = i.repository_id"},
	{countSigner, "x.signer_id", "join image_signers x on x.image_id = i.id"},
	{countFormat, "x.format", "join (select distinct image_id, format from signatures) x on x.image_id = i.id"},
}

func tally(ctx context.Context, q database.Querier) (deltas, error) {
	ds := deltas{}
	for _, t := range tallies {
		err := database.Each(ctx, q, `
			select `+t.value+`, i.status, count(*),
			  sum(case when i.quarantine_id is not null then 1 else 0 end),
			  sum(case when i.last_good_status <> '' then 1 else 0 end)
			from images i `+t.join+`
			where i.listed
			group by 1, 2`, func(rows *sql.Rows) error {
			var value, status string
			var n, held, stale int64
			if err := rows.Scan(&value, &status, &n, &held, &stale); err != nil {
				return err
			}
			ds[counterKey{t.kind, value, status}] += n
			ds[counterKey{t.kind, value, overlayHeld}] += held
			ds[counterKey{t.kind, value, overlayStale}] += stale
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	err := database.Each(ctx, q, "select standing, count(*) from signers group by standing", func(rows *sql.Rows) error {
		var standing string
		var n int64
		err := rows.Scan(&standing, &n)
		ds[counterKey{countStanding, standing, ""}] = n
		return err
	})
	if err != nil {
		return nil, err
	}
	return ds, database.Each(ctx, q, "select registry_id, count(*) from repositories where not gone group by registry_id", func(rows *sql.Rows) error {
		var registry, n int64
		err := rows.Scan(&registry, &n)
		ds[counterKey{countRepositories, strconv.FormatInt(registry, 10), ""}] = n
		return err
	})
}

// inUse is what listed has to be: a present tag points at the image, and its
// repository is there.
const inUse = `(exists (select 1 from tags t where t.image_id = images.id)
	and exists (select 1 from repositories r where r.id = images.repository_id and not r.gone))`

// drift compares everything that is kept up along the way with the rows that it
// is derived from.
func drift(ctx context.Context, q database.Querier, now time.Time) ([]string, error) {
	var found []string
	report := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	ids, err := database.Column[int64](ctx, q, "select id from images where listed <> "+inUse+" order by id limit 20")
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		report("image %d is in the lists and should not be, or the other way round", id)
	}

	want, err := tally(ctx, q)
	if err != nil {
		return nil, err
	}
	have := deltas{}
	err = database.Each(ctx, q, "select kind, value, status, n from counters", func(rows *sql.Rows) error {
		var k counterKey
		var n int64
		err := rows.Scan(&k.kind, &k.value, &k.status, &n)
		have[k] = n
		return err
	})
	if err != nil {
		return nil, err
	}
	compare := func(what string, have, want deltas) {
		var keys []counterKey
		for k, n := range want {
			if n != have[k] {
				keys = append(keys, k)
			}
		}
		for k, n := range have {
			if _, ok := want[k]; !ok && n != 0 {
				keys = append(keys, k)
			}
		}
		slices.SortFunc(keys, func(a, b counterKey) int {
			return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.value, b.value), cmp.Compare(a.status, b.status))
		})
		for _, k := range keys {
			report("%s of %s %q, %s: %d, and the rows say %d", what, k.kind, k.value, k.status, have[k], want[k])
		}
	}
	compare("counter", have, want)
	if err := driftOfDay(ctx, q, want, now, compare); err != nil {
		return nil, err
	}

	if err := driftOfSigned(ctx, q, report); err != nil {
		return nil, err
	}

	facets, byStatus := deltas{}, deltas{}
	for k, n := range want {
		if (k.kind == countTeam || k.kind == countSigner || k.kind == countFormat) && k.status != overlayHeld && k.status != overlayStale {
			byStatus[k] = n
		}
	}
	err = database.Each(ctx, q, "select kind, value, status, count(*) from image_facets group by kind, value, status", func(rows *sql.Rows) error {
		var k counterKey
		var n int64
		err := rows.Scan(&k.kind, &k.value, &k.status, &n)
		facets[k] = n
		return err
	})
	if err != nil {
		return nil, err
	}
	compare("facets", facets, byStatus)
	wrong, err := database.Value[int](ctx, q, `
		select count(*)
		from image_facets f
		left join images i on i.id = f.image_id
		where i.id is null or not i.listed or i.status <> f.status`)
	if err != nil {
		return nil, err
	}
	if wrong > 0 {
		report("%d facets say another status than their image", wrong)
	}

	err = database.Each(ctx, q, "select id, images, waiting from signers order by id", func(rows *sql.Rows) error {
		var id string
		var images, waiting int64
		if err := rows.Scan(&id, &images, &waiting); err != nil {
			return err
		}
		total := int64(0)
		for _, s := range inventory.Statuses {
			total += want[counterKey{countSigner, id, string(s)}]
		}
		if is := want[counterKey{countSigner, id, string(inventory.Unapproved)}]; images != total || waiting != is {
			report("signer %s: %d images with %d waiting, and the rows say %d with %d", id, images, waiting, total, is)
		}
		return nil
	})
	return found, err
}

// driftOfDay compares the rows of the day with what was counted, as far as
// anything was written today.
func driftOfDay(ctx context.Context, q database.Querier, want deltas, now time.Time, compare func(what string, have, want deltas)) error {
	have, written := deltas{}, map[dimension]bool{}
	err := database.Each(ctx, q, "select kind, value, status, n from daily_counters where day = $1", func(rows *sql.Rows) error {
		var k counterKey
		var n int64
		err := rows.Scan(&k.kind, &k.value, &k.status, &n)
		have[k], written[dimension{k.kind, k.value}] = n, true
		return err
	}, now.UTC().Format(dayFormat))
	today := deltas{}
	for k, n := range want {
		if written[dimension{k.kind, k.value}] {
			today[k] = n
		}
	}
	compare("today's count", have, today)
	return err
}

// Recount counts everything again from the rows and reports, a line each, what
// is kept otherwise; nothing when all is well. now says which day's counts are
// those of the present. It reads the whole inventory.
func (d *DB) Recount(ctx context.Context, now time.Time) ([]string, error) {
	var found []string
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		found, err = drift(ctx, q, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("recounting: %w", err)
	}
	return found, nil
}

// Repair puts right what Recount reports and returns that report. It writes in
// one transaction, which in a large inventory takes a while.
func (d *DB) Repair(ctx context.Context, now time.Time) ([]string, error) {
	var found []string
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) (err error) {
		if _, err := lockRevision(ctx, d, tx, "decisions"); err != nil {
			return err
		}
		if found, err = drift(ctx, tx, now); err != nil || len(found) == 0 {
			return err
		}
		day := now.UTC().Format(dayFormat)
		if _, err := tx.ExecContext(ctx, "delete from daily_counters where day = $1", day); err != nil {
			return err
		}
		for _, statement := range []string{
			"update images set listed = not listed where listed <> " + inUse,
			"delete from image_facets",
			"insert into image_facets (image_id, kind, value, status) select i.id, 'team', t.team, i.status from images i join team_repositories t on t.repository_id = i.repository_id where i.listed",
			"insert into image_facets (image_id, kind, value, status) select i.id, 'signer', s.signer_id, i.status from images i join image_signers s on s.image_id = i.id where i.listed",
			"insert into image_facets (image_id, kind, value, status) select distinct i.id, 'format', s.format, i.status from images i join signatures s on s.image_id = i.id where i.listed",
			"delete from counters",
			"update signers set images = 0, waiting = 0",
		} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		if err := d.repairSigned(ctx, tx, now); err != nil {
			return err
		}
		want, err := tally(ctx, tx)
		if err != nil {
			return err
		}
		return want.apply(ctx, d, tx, now)
	})
	if err != nil {
		return nil, fmt.Errorf("repairing counts: %w", err)
	}
	return found, nil
}
