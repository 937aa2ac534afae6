package store

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// maxFacet is how many values of a dimension are offered.
const maxFacet = 20

// Facets are the values to narrow the list of images by, with the number of
// images that have each: the most frequent first, at most twenty of each.
func (d *DB) Facets(ctx context.Context, now time.Time) (inventory.Facets, error) {
	var f inventory.Facets
	err := d.sql.Read(ctx, func(q database.Querier) error {
		c, err := counts(ctx, q, countAll, "")
		if err != nil {
			return err
		}
		if err := d.adjust(ctx, q, scope{}, &c, now); err != nil {
			return err
		}
		for _, s := range append(slices.Clone(inventory.Statuses), inventory.Quarantined) {
			if n := c.Of(s); n > 0 {
				f.Status = append(f.Status, inventory.Facet{Value: string(s), Label: string(s), Count: n})
			}
		}
		registries := map[string]string{}
		type named struct {
			id   int64
			name string
		}
		var names []named
		err = database.Each(ctx, q, "select id, name from registries where not removed", database.ScanInto(&names, func(n *named) []any { return []any{&n.id, &n.name} }))
		if err != nil {
			return err
		}
		for _, n := range names {
			registries[strconv.FormatInt(n.id, 10)] = n.name
		}
		if f.Registry, err = facet(ctx, q, countRegistry, registries); err != nil {
			return err
		}
		if f.Team, err = facet(ctx, q, countTeam, nil); err != nil {
			return err
		}
		if f.Format, err = facet(ctx, q, countFormat, nil); err != nil {
			return err
		}
		if f.Reason, err = facet(ctx, q, countReason, nil); err != nil {
			return err
		}
		// Signers can be many, and have their counts in a row of their own.
		return database.Each(ctx, q, "select id, name, images from signers where images > 0 order by images desc, id limit "+strconv.Itoa(maxFacet),
			database.ScanInto(&f.Signer, func(s *inventory.Facet) []any { return []any{&s.Value, &s.Label, &s.Count} }))
	})
	sortFacets(f.Status)
	return f, err
}

// facet reads a dimension that has few values. names translates values that are
// ids; without it they are their own name.
func facet(ctx context.Context, q database.Querier, kind string, names map[string]string) ([]inventory.Facet, error) {
	var list []inventory.Facet
	err := database.Each(ctx, q, `
		select value, sum(n)
		from counters
		where kind = $1 and status not in ('quarantined', 'stale')
		group by value
		having sum(n) > 0
		order by value`, database.ScanInto(&list, func(f *inventory.Facet) []any { return []any{&f.Value, &f.Count} }), kind)
	for i := range list {
		if names != nil {
			list[i].Value = names[list[i].Value]
		}
		list[i].Label = list[i].Value
		if kind == countTeam && list[i].Value == inventory.NoTeam {
			list[i].Label = "no team"
		}
	}
	sortFacets(list)
	return list[:min(len(list), maxFacet)], err
}

func sortFacets(list []inventory.Facet) {
	slices.SortStableFunc(list, func(a, b inventory.Facet) int { return cmp.Compare(b.Count, a.Count) })
}
