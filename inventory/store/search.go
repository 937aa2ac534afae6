package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// SearchRepositories finds up to most repositories whose "registry/repository"
// has every word of q in it, whatever its case, in the order of their names.
func (d *DB) SearchRepositories(ctx context.Context, q string, most int) ([]inventory.Repository, error) {
	words := strings.Fields(strings.ToLower(q))
	if len(words) == 0 {
		return nil, nil
	}
	var list []inventory.Repository
	err := d.sql.Read(ctx, func(tx database.Querier) error {
		names, err := d.repositoryNames(ctx, tx)
		if err != nil {
			return err
		}
		var ids []int64
		for _, r := range names {
			if len(ids) < most && hasAll(r.lower, words) {
				ids = append(ids, r.id)
			}
		}
		err = database.EachIn(ctx, tx, "select "+repositoryColumns+" from repositories where id in %s", ids, func(rows *sql.Rows) error {
			r, _, err := scanRepository(rows)
			list = append(list, r)
			return err
		})
		slices.SortFunc(list, func(a, b inventory.Repository) int { return strings.Compare(a.FullName(), b.FullName()) })
		return err
	})
	return list, err
}

// SearchImages finds up to most images in use by the beginning of their digest;
// of a digest without its algorithm at least six digits are needed.
func (d *DB) SearchImages(ctx context.Context, digestStart string, most int) ([]inventory.Image, error) {
	prefix := strings.ToLower(strings.TrimSpace(digestStart))
	if !strings.Contains(prefix, ":") && len(prefix) >= 6 {
		prefix = "sha256:" + prefix
	}
	if prefix = digestPrefix(prefix); prefix == "" {
		return nil, nil
	}
	var list []inventory.Image
	err := d.sql.Read(ctx, func(q database.Querier) error {
		ids, err := digestRange(ctx, q, prefix, most)
		if err != nil {
			return err
		}
		rows, err := imageRows(ctx, q, "id in %s order by id desc", ids)
		if err != nil {
			return err
		}
		list, err = d.shown(ctx, q, rows, d.clock())
		return err
	})
	return list, err
}
