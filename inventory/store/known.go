package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// Known fills in what is known here of an image that was just looked at and
// isn't stored: the tags that point at it, the standing and the names of its
// signers, and the quarantine that holds it. An image that is unknown gets its
// last good verdict, and, when only its tag is known, the digest that the tag
// had when it was last read.
func (d *DB) Known(ctx context.Context, i *inventory.Image, now time.Time) error {
	return d.sql.Read(ctx, func(q database.Querier) error {
		if err := recall(ctx, q, i); err != nil {
			return err
		}
		if err := standEvidence(ctx, q, i, now); err != nil {
			return err
		}
		held, err := holds(ctx, q, i.FullRepository(), i.Digest, i.Tags, i.Platforms, now)
		i.Quarantine = longest(held, now)
		return err
	})
}

// recall fills in what an earlier sync stored of an image.
func recall(ctx context.Context, q database.Querier, i *inventory.Image) error {
	repository, err := database.Value[int64](ctx, q, `
		select r.id
		from repositories r
		join registries g on g.id = r.registry_id
		where g.name = $1 and r.name = $2 and not g.removed`, database.Clean(i.Registry), database.Clean(i.Repository))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if i.Digest == "" && len(i.Tags) > 0 {
		i.Digest, err = database.Value[inventory.Digest](ctx, q, `
			select i.digest
			from tags t
			join images i on i.id = t.image_id
			where t.repository_id = $1 and t.name = $2`, repository, database.Clean(i.Tags[0]))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	rows, err := imageRows(ctx, q, "repository_id = $1 and digest in %s", []inventory.Digest{i.Digest}, repository)
	if err != nil || len(rows) == 0 {
		return err
	}
	r := rows[0]
	tags, err := tagsOf(ctx, q, []int64{r.ID})
	if err != nil {
		return err
	}
	i.Tags = append(i.Tags, tags[r.ID]...)
	slices.Sort(i.Tags)
	i.Tags = slices.Compact(i.Tags)
	if i.MediaType == "" {
		i.Kind, i.MediaType, i.Size = r.Kind, r.MediaType, r.Size
	}
	if i.Status != inventory.Unknown {
		return nil
	}
	switch {
	case r.Status != inventory.Unknown && r.CheckedAt.Valid:
		i.LastGood = &inventory.LastGood{Status: r.Status, CheckedAt: timeOf(r.CheckedAt.Int64)}
	case r.LastGoodStatus != "" && r.LastGoodAt.Valid:
		i.LastGood = &inventory.LastGood{Status: r.LastGoodStatus, CheckedAt: timeOf(r.LastGoodAt.Int64)}
	}
	i.Stale = i.LastGood != nil
	return nil
}
