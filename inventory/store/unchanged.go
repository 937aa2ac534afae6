package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// recordUnchanged stores the findings that say of an image nothing but that it
// was looked at again, which in most syncs are nearly all, and returns the
// others. Two columns that no index holds are written, and nothing else is.
//
// An image that is unknown is no such image: that it could be looked at makes its
// stored evidence count again.
func (d *DB) recordUnchanged(ctx context.Context, tx database.Querier, repositoryID int64, findings []inventory.ImageFinding, now time.Time) ([]inventory.ImageFinding, error) {
	var digests []inventory.Digest
	var names []string
	for _, f := range findings {
		if f.Unchanged {
			digests = append(digests, f.Digest)
			names = append(names, f.Tags...)
		}
	}
	if len(digests) == 0 {
		return findings, nil
	}
	known := map[inventory.Digest]int64{}
	err := database.EachIn(ctx, tx, "select id, digest from images where repository_id = $1 and status <> $2 and digest in %s", digests, func(rows *sql.Rows) error {
		var id int64
		var digest inventory.Digest
		err := rows.Scan(&id, &digest)
		known[digest] = id
		return err
	}, repositoryID, inventory.Unknown)
	if err != nil {
		return nil, err
	}
	pointsAt := map[string]int64{}
	err = database.EachIn(ctx, tx, "select name, image_id from tags where repository_id = $1 and name in %s", names, func(rows *sql.Rows) error {
		var name string
		var id int64
		err := rows.Scan(&name, &id)
		pointsAt[name] = id
		return err
	}, repositoryID)
	if err != nil {
		return nil, err
	}
	var still []int64
	var rest []inventory.ImageFinding
	for _, f := range findings {
		id := known[f.Digest]
		if f.Unchanged && id != 0 && !slices.ContainsFunc(f.Tags, func(tag string) bool { return pointsAt[tag] != id }) {
			still = append(still, id)
		} else {
			rest = append(rest, f)
		}
	}
	slices.Sort(still)
	return rest, database.ExecIn(ctx, tx, "update images set last_seen = $1, checked_at = $1 where id in %s", still, ms(now))
}
