package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// pointTags writes which tags were seen on which images, keeps a record of
// those that moved, and returns the images that gained or lost one.
func (c *changeSet) pointTags(ctx context.Context, repository inventory.Repository, findings []inventory.ImageFinding, byDigest map[inventory.Digest]*imageRow) ([]int64, error) {
	var names []string
	to := map[string]*imageRow{}
	for _, f := range findings {
		for _, tag := range f.Tags {
			if to[tag] == nil {
				names = append(names, tag)
			}
			to[tag] = byDigest[f.Digest]
		}
	}
	type pointer struct {
		image  int64
		digest inventory.Digest
	}
	now := map[string]pointer{}
	c.pointed = map[string]inventory.Digest{}
	err := database.EachIn(ctx, c.tx, "select name, image_id, digest from tags where repository_id = $1 and name in %s", names,
		func(rows *sql.Rows) error {
			var name string
			var p pointer
			err := rows.Scan(&name, &p.image, &p.digest)
			now[name] = p
			return err
		}, repository.ID)
	if err != nil {
		return nil, err
	}
	var touched, strangers []int64
	var tags, moves [][]any
	for _, name := range names {
		r, was := to[name], now[name]
		if was.image == r.ID {
			continue
		}
		tags = append(tags, []any{repository.ID, name, r.ID, r.Digest, ms(c.now)})
		moves = append(moves, []any{c.d.ids.next(c.now), repository.ID, name, was.digest, r.Digest, ms(c.now)})
		touched = append(touched, r.ID)
		c.pointed[name] = r.Digest
		if was.image != 0 {
			touched = append(touched, was.image)
			if c.rows[was.image] == nil {
				strangers = append(strangers, was.image)
			}
		}
	}
	err = database.Insert(ctx, c.tx, "insert into tags (repository_id, name, image_id, digest, since)", tags,
		"on conflict (repository_id, name) do update set image_id = excluded.image_id, digest = excluded.digest, since = excluded.since")
	if err != nil {
		return nil, err
	}
	if err := c.recordMoves(ctx, moves); err != nil {
		return nil, err
	}
	slices.Sort(touched)
	return slices.Compact(touched), load(ctx, c, "id in %s", strangers)
}

func (c *changeSet) recordMoves(ctx context.Context, moves [][]any) error {
	return database.Insert(ctx, c.tx, "insert into tag_moves (id, repository_id, tag, from_digest, to_digest, at)", moves, "")
}

// dropTags removes the tags of a repository that gone says are, and takes
// images that no tag points at any more out of the lists.
func (d *DB) dropTags(ctx context.Context, tx database.Querier, repositoryID int64, gone func(tag string) bool, active bool, now time.Time) error {
	type tag struct {
		name   string
		image  int64
		digest inventory.Digest
	}
	var all []tag
	err := database.Each(ctx, tx, "select name, image_id, digest from tags where repository_id = $1 order by name",
		database.ScanInto(&all, func(t *tag) []any { return []any{&t.name, &t.image, &t.digest} }), repositoryID)
	if err != nil {
		return err
	}
	c := d.changes(tx, now)
	var names []string
	var touched []int64
	var moves [][]any
	for _, t := range all {
		if !gone(t.name) {
			continue
		}
		names = append(names, t.name)
		touched = append(touched, t.image)
		moves = append(moves, []any{d.ids.next(now), repositoryID, t.name, t.digest, "", ms(now)})
	}
	if len(names) == 0 {
		return nil
	}
	if err := database.ExecIn(ctx, tx, "delete from tags where repository_id = $1 and name in %s", names, repositoryID); err != nil {
		return err
	}
	if err := c.recordMoves(ctx, moves); err != nil {
		return err
	}
	slices.Sort(touched)
	touched = slices.Compact(touched)
	if err := load(ctx, c, "id in %s", touched); err != nil {
		return err
	}
	if err := c.relist(ctx, touched, active); err != nil {
		return err
	}
	return c.save(ctx)
}
