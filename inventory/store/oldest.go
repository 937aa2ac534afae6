package store

import (
	"context"
	"slices"
	"strconv"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// OldestImages lists one page of a team's images in use (inventory.NoTeam's: of
// those that no team owns) that have a status, those that were first seen first.
// Quarantined is no status here. A team that isn't configured has none. next is
// the cursor of the next page, empty on the last.
//
// An image's id grows with time, so the index that ends in it (image_facets_status)
// is read from its other end than by Images.
func (d *DB) OldestImages(ctx context.Context, team string, status inventory.Status, p inventory.Page, now time.Time) (list []inventory.Image, next string, err error) {
	after, err := parseUpward(p.Cursor)
	if err != nil {
		return nil, "", err
	}
	err = d.sql.Read(ctx, func(q database.Querier) error {
		ids, err := database.Column[int64](ctx, q, `
			select image_id
			from image_facets
			where kind = $1 and value = $2 and status = $3 and image_id > $4
			order by image_id
			limit $5`, countTeam, database.Clean(team), status, after, p.Size()+1)
		if err != nil {
			return err
		}
		if len(ids) > p.Size() {
			ids = ids[:p.Size()]
			next = strconv.FormatInt(ids[len(ids)-1], 10)
		}
		rows, err := imageRows(ctx, q, "id in %s", ids)
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b *imageRow) int { return int(max(-1, min(1, a.ID-b.ID))) })
		list, err = d.shown(ctx, q, rows, now)
		return err
	})
	return list, next, err
}

// parseUpward reads the number that a list went up to; there is none below that
// of the first page.
func parseUpward(cursor string) (int64, error) {
	if cursor == "" {
		return -1, nil
	}
	return parseCursor(cursor)
}

// RepositoriesOf are names, each "registry/repository", of what a team (or
// inventory.NoTeam) owns, in order: of the thousand that were known first, up to
// most that their registry still lists.
func (d *DB) RepositoriesOf(ctx context.Context, team string, most int) ([]string, error) {
	var names []string
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		names, err = database.Column[string](ctx, q, `
			select r.full_name
			from (select repository_id from team_repositories where team = $1 order by repository_id limit $2) as first
			join repositories r on r.id = first.repository_id
			where not r.gone
			order by r.id
			limit $3`, database.Clean(team), countWalk, most)
		return err
	})
	slices.Sort(names)
	return names, err
}
