package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// LostSignatures lists images in use that are no longer trusted because a
// signature was removed from the registry since a moment, the latest first, at
// most most; an image once, by its latest.
func (d *DB) LostSignatures(ctx context.Context, since time.Time, most int) ([]inventory.LostSignature, error) {
	var list []inventory.LostSignature
	err := d.sql.Read(ctx, func(q database.Querier) error {
		var ids []int64
		seen := map[int64]bool{}
		err := database.Each(ctx, q, `
			with flagged as (
			  select id, image_id, at
			  from verdict_history
			  where flagged and id >= $1
			  order by id desc
			  limit $2)
			select i.id, g.name, r.name, i.digest, i.status, f.at
			from flagged f
			join images i on i.id = f.image_id
			join repositories r on r.id = i.repository_id
			join registries g on g.id = i.registry_id
			where i.listed and i.status <> $3
			order by f.id desc`, func(rows *sql.Rows) error {
			var l inventory.LostSignature
			var id, at int64
			err := rows.Scan(&id, &l.Registry, &l.Repository, &l.Digest, &l.Status, &at)
			l.At = timeOf(at)
			if !seen[id] {
				seen[id] = true
				ids, list = append(ids, id), append(list, l)
			}
			return err
		}, firstID(since), most, inventory.Trusted)
		if err != nil {
			return err
		}
		tags, err := tagsOf(ctx, q, ids)
		for i, id := range ids {
			list[i].Tags = tags[id]
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing removed signatures: %w", err)
	}
	return list, nil
}
