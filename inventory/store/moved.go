package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// MovedTags lists tags that moved from one image to another since a moment and
// still point where they moved to, the latest first, at most most.
func (d *DB) MovedTags(ctx context.Context, since time.Time, most int) ([]inventory.MovedTag, error) {
	var list []inventory.MovedTag
	err := d.sql.Read(ctx, func(q database.Querier) error {
		type pair struct{ old, new int64 }
		var ids []pair
		err := database.Each(ctx, q, `
			with moved as (
			  select id, repository_id, tag, from_digest, to_digest, at
			  from tag_moves
			  where from_digest <> '' and to_digest <> '' and id >= $1
			  order by id desc
			  limit $2)
			select g.name, r.name, m.tag, m.at, m.from_digest, m.to_digest, old.status, new.status, old.id, new.id
			from moved m
			join repositories r on r.id = m.repository_id
			join registries g on g.id = r.registry_id
			join tags t on t.repository_id = m.repository_id and t.name = m.tag and t.digest = m.to_digest
			join images new on new.id = t.image_id
			join images old on old.repository_id = m.repository_id and old.digest = m.from_digest
			where not g.removed
			order by m.id desc`, func(rows *sql.Rows) error {
			var t inventory.MovedTag
			var at int64
			var of pair
			err := rows.Scan(&t.Registry, &t.Repository, &t.Tag, &at, &t.From, &t.To, &t.Before, &t.After, &of.old, &of.new)
			t.At = timeOf(at)
			list, ids = append(list, t), append(ids, of)
			return err
		}, firstID(since), most)
		if err != nil {
			return err
		}
		var all []beside
		for n, of := range ids {
			all = append(all, beside{of.old, &list[n].Before}, beside{of.new, &list[n].After})
		}
		return d.renew(ctx, q, all, d.clock())
	})
	if err != nil {
		return nil, fmt.Errorf("listing tags that moved: %w", err)
	}
	return list, nil
}
