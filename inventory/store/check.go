package store

import (
	"context"
	"database/sql"
	"errors"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// Sighting says when an image was looked at, and with which keys and roots, or
// fails with NotFound. repository is "registry/repository".
func (d *DB) Sighting(ctx context.Context, repository string, digest inventory.Digest) (inventory.Sighting, error) {
	var s inventory.Sighting
	err := d.sql.Read(ctx, func(q database.Querier) error {
		var checked sql.NullInt64
		err := q.QueryRowContext(ctx, `
			select i.id, i.checked_at, i.trust_revision
			from images i
			join repositories r on r.id = i.repository_id
			join registries g on g.id = r.registry_id
			where r.full_name = $1 and i.digest = $2 and not g.removed`, database.Clean(repository), digest).Scan(&s.ImageID, &checked, &s.TrustRevision)
		if errors.Is(err, sql.ErrNoRows) {
			return inventory.Errorf(inventory.NotFound, "There is no image %s in %s, as far as Signboard has seen.", digest.Short(), inventory.Visible(repository))
		}
		s.CheckedAt = timeOrNil(checked)
		return err
	})
	return s, err
}
