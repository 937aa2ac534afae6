package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// The dimensions that are counted, each by status. A value is a registry's or
// repository's id, a name, or empty for all.
const (
	countAll        = "all"
	countRegistry   = "registry"
	countRepository = "repository"
	countTeam       = "team"
	countSigner     = "signer"
	countFormat     = "format"
	countReason     = "reason"
)

// countRepositories counts repositories that aren't gone, not images: a value is
// a registry's id, and there is no status.
const countRepositories = "repositories"

// countStanding counts signers by the standing in their row; there is no status.
const countStanding = "standing"

// The overlays: images with one of them are counted under their status too.
const (
	overlayHeld  = string(inventory.Quarantined)
	overlayStale = "stale" // unknown, with a last good verdict behind it
)

type counterKey struct{ kind, value, status string }

// deltas are changes of counters, gathered in a transaction and applied at its
// end: on PostgreSQL everybody waits for the row of countAll, so it is taken
// last and held briefly.
type deltas map[counterKey]int64

// count adds (sign 1) or takes away (-1) an image.
func (ds deltas) count(r *imageRow, sign int64) {
	if !r.Listed {
		return
	}
	for _, k := range r.dimensions() {
		ds[counterKey{k.kind, k.value, string(r.Status)}] += sign
		if r.Quarantine.Valid {
			ds[counterKey{k.kind, k.value, overlayHeld}] += sign
		}
		if r.LastGoodStatus != "" {
			ds[counterKey{k.kind, k.value, overlayStale}] += sign
		}
	}
}

type dimension struct{ kind, value string }

// dimensions are what an image is counted under.
func (r *imageRow) dimensions() []dimension {
	list := []dimension{
		{countAll, ""},
		{countRegistry, strconv.FormatInt(r.RegistryID, 10)},
		{countRepository, strconv.FormatInt(r.RepositoryID, 10)},
		{countReason, string(r.Reason)},
	}
	return append(list, r.facets()...)
}

// facets are the dimensions of which an image can have several values.
func (r *imageRow) facets() []dimension {
	var list []dimension
	for _, team := range r.teams {
		list = append(list, dimension{countTeam, team})
	}
	for _, signer := range r.signers {
		list = append(list, dimension{countSigner, string(signer)})
	}
	for _, format := range r.formats {
		list = append(list, dimension{countFormat, string(format)})
	}
	return list
}

// apply writes the changes, in one order everywhere so that two transactions
// can't wait for each other, and carries them into the signers' own counts and
// the day's.
func (ds deltas) apply(ctx context.Context, d *DB, tx database.Querier, now time.Time) error {
	keys := make([]counterKey, 0, len(ds))
	for k, n := range ds {
		if n != 0 {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b counterKey) int {
		return cmp.Or(cmp.Compare(b.kind, a.kind), cmp.Compare(a.value, b.value), cmp.Compare(a.status, b.status))
	})
	type counts struct{ images, waiting, revision int64 }
	var (
		rows    [][]any
		signers []string
		ofOne   = map[string]*counts{}
		daily   []dimension
	)
	of := func(signer string) *counts {
		c := ofOne[signer]
		if c == nil {
			c = &counts{}
			ofOne[signer] = c
			signers = append(signers, signer)
		}
		return c
	}
	for _, k := range keys {
		if k.kind == unsettled {
			of(k.value).revision = 1
			continue
		}
		rows = append(rows, []any{k.kind, k.value, k.status, ds[k]})
		switch k.kind {
		case countSigner:
			c := of(k.value)
			if k.status != overlayHeld && k.status != overlayStale {
				c.images += ds[k]
			}
			if k.status == string(inventory.Unapproved) {
				c.waiting += ds[k]
			}
		case countAll, countTeam, countRegistry:
			if one := (dimension{k.kind, k.value}); !slices.Contains(daily, one) {
				daily = append(daily, one)
			}
		}
	}
	slices.Sort(signers)
	var changes [][]any
	for _, id := range signers {
		if c := *ofOne[id]; c != (counts{}) {
			changes = append(changes, []any{id, c.images, c.waiting, c.revision})
		}
	}
	if err := database.AddTo(ctx, tx, "signers", "id", []string{"images", "waiting", "images_revision"}, changes); err != nil {
		return err
	}
	err := database.Insert(ctx, tx, "insert into counters (kind, value, status, n)", rows,
		"on conflict (kind, value, status) do update set n = counters.n + excluded.n")
	if err != nil {
		return err
	}
	return d.recordDay(ctx, tx, daily, now)
}

// counts reads one dimension's counts, without what time alone changes.
func counts(ctx context.Context, q database.Querier, kind, value string) (inventory.Counts, error) {
	var rows []counted
	err := database.Each(ctx, q, `
		select status, n
		from counters
		where kind = $1 and value = $2`,
		database.ScanInto(&rows, func(c *counted) []any { return []any{&c.status, &c.n} }), kind, value)
	return countsOf(rows), err
}

type counted struct {
	value, status string
	n             int
}

func countsOf(rows []counted) inventory.Counts {
	c := inventory.Counts{ByStatus: make(map[inventory.Status]int, len(inventory.Statuses))}
	for _, r := range rows {
		switch r.status {
		case overlayHeld:
			c.Quarantined = r.n
		case overlayStale:
			c.Stale = r.n
		default:
			c.ByStatus[inventory.Status(r.status)] = r.n
			c.Images += r.n
		}
	}
	return c
}

// scope is an inventory.Scope as the counters know it.
type scope struct {
	dimension
	team     string
	registry int64 // 0 for any
}

// scopeOf finds what a scope is counted under; NotFound when there is no such
// registry. A team that isn't configured has no images.
func scopeOf(ctx context.Context, q database.Querier, s inventory.Scope) (scope, error) {
	switch {
	case s.Team != "" && s.Registry != "":
		return scope{}, inventory.Errorf(inventory.Invalid, "Choose a team or a registry: the images of one team in one registry are not counted.")
	case s.Team != "":
		team := fmt.Sprint(database.Clean(s.Team))
		return scope{dimension: dimension{countTeam, team}, team: team}, nil
	case s.Registry != "":
		id, err := database.Value[int64](ctx, q, "select id from registries where name = $1 and not removed", database.Clean(s.Registry))
		if errors.Is(err, sql.ErrNoRows) {
			err = inventory.Errorf(inventory.NotFound, "There is no registry called %q.", inventory.Visible(s.Registry))
		}
		return scope{dimension: dimension{countRegistry, strconv.FormatInt(id, 10)}, registry: id}, err
	}
	return scope{dimension: dimension{countAll, ""}}, nil
}

// Counts is the coverage of a scope, or NotFound when it names a registry that
// isn't configured. The clock decides which quarantines still stand and what is
// stale.
func (d *DB) Counts(ctx context.Context, of inventory.Scope) (inventory.Counts, error) {
	var c inventory.Counts
	err := d.sql.Read(ctx, func(q database.Querier) error {
		s, err := scopeOf(ctx, q, of)
		if err != nil {
			return err
		}
		if c, err = counts(ctx, q, s.kind, s.value); err != nil {
			return err
		}
		return d.adjust(ctx, q, s, &c, d.clock())
	})
	return c, err
}

// adjust takes the quarantines out that ran out a short while ago, and adds
// what is stale because its repository wasn't read for too long.
func (d *DB) adjust(ctx context.Context, q database.Querier, s scope, c *inventory.Counts, now time.Time) error {
	ended, err := database.Column[string](ctx, q, `
		select id
		from quarantines
		where expires_at <= $1 and released_at is null and not lapsed`, ms(now))
	if err != nil {
		return err
	}
	for _, id := range ended {
		n, err := database.Value[int](ctx, q, `
			select count(*)
			from images i
			where i.quarantine_id = $1 and i.listed
			  and ($2 = '' or exists (select 1 from team_repositories t where t.repository_id = i.repository_id and t.team = $2))
			  and (cast($3 as bigint) = 0 or i.registry_id = $3)`, id, s.team, s.registry)
		if err != nil {
			return err
		}
		c.Quarantined -= n
	}
	overdue, err := d.overdueImages(ctx, q, s, c.Images, now)
	c.Stale = min(c.Stale+overdue, c.Images)
	return err
}

// TeamCounts is the coverage of every configured team, and of NoTeam when any
// image belongs to none.
func (d *DB) TeamCounts(ctx context.Context) ([]inventory.TeamCounts, error) {
	var list []inventory.TeamCounts
	err := d.sql.Read(ctx, func(q database.Querier) error {
		teams, err := database.Column[string](ctx, q, "select name from teams order by position")
		if err != nil {
			return err
		}
		var rows []counted
		err = database.Each(ctx, q, `
			select value, status, n
			from counters
			where kind = $1`,
			database.ScanInto(&rows, func(c *counted) []any { return []any{&c.value, &c.status, &c.n} }), countTeam)
		if err != nil {
			return err
		}
		byTeam := map[string][]counted{}
		for _, r := range rows {
			byTeam[r.value] = append(byTeam[r.value], r)
		}
		for _, team := range append(teams, inventory.NoTeam) {
			c := countsOf(byTeam[team])
			if team == inventory.NoTeam && c.Images == 0 {
				continue
			}
			if err := d.adjust(ctx, q, scope{team: team}, &c, d.clock()); err != nil {
				return err
			}
			list = append(list, inventory.TeamCounts{Team: team, Counts: c})
		}
		return nil
	})
	return list, err
}
