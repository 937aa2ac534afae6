package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

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

// Holding is the quarantine that holds an image at now, nil when none does: one
// of the digest, of the tag it is asked for by, or of a tag that pointed at it
// when its repository was last read. digest or tag may be empty; repository is
// "registry/repository".
func (d *DB) Holding(ctx context.Context, repository string, digest inventory.Digest, tag string, now time.Time) (*inventory.Quarantine, error) {
	const standing = "released_at is null and not lapsed and "
	var held *inventory.Quarantine
	err := d.sql.Read(ctx, func(q database.Querier) error {
		var list []inventory.Quarantine
		var tags []string
		if tag != "" {
			tags = append(tags, tag)
		}
		if digest != "" {
			pointing, err := database.Column[string](ctx, q, `
				select t.name
				from images i
				join tags t on t.image_id = i.id
				join repositories r on r.id = i.repository_id
				where i.digest = $1 and r.full_name = $2`, digest, database.Clean(repository))
			if err != nil {
				return err
			}
			tags = append(tags, pointing...)
			if list, err = quarantines(ctx, q, standing+"digest in %s", []inventory.Digest{digest}); err != nil {
				return err
			}
		}
		tagged, err := quarantines(ctx, q, standing+"repository = $1 and tag in %s", tags, database.Clean(repository))
		for _, one := range append(list, tagged...) {
			if one.StandsAt(now) {
				held = longer(held, &one, now)
			}
		}
		return err
	})
	return held, err
}
