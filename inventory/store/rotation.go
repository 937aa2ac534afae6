package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// replacing carries out what an approval says about the signer whose place it
// takes: its approvals end no later than the decision says. It fails with Conflict
// when that signer has no approval any more, and adds to the signers whose images
// are judged again those for whom something ends.
func replacing(ctx context.Context, tx database.Querier, dec inventory.Decision, signers []inventory.SignerID, now time.Time) ([]inventory.SignerID, error) {
	if dec.Replaces == "" {
		return signers, nil
	}
	of, err := decisions(ctx, tx, []inventory.SignerID{dec.Replaces})
	if err != nil {
		return nil, err
	}
	var ending []inventory.Decision
	var ids []string
	holds := false
	for _, d := range of[dec.Replaces] {
		if d.Verb != inventory.Approve || d.StateAt(now) != inventory.StateActive {
			continue
		}
		holds = true
		if until := dec.ReplacedUntil; until != nil && (d.ExpiresAt == nil || d.ExpiresAt.After(*until)) {
			ending = append(ending, d)
			ids = append(ids, d.ID)
		}
	}
	if !holds {
		return nil, inventory.Errorf(inventory.Conflict, "The signer that is to be replaced has no approval any more. Look again, then decide.")
	}
	if dec.State != inventory.StateActive || len(ids) == 0 {
		return signers, nil
	}
	if err := database.ExecIn(ctx, tx, "update decisions set expires_at = $1 where id in %s", ids, ms(*dec.ReplacedUntil)); err != nil {
		return nil, err
	}
	more, err := coveredBy(ctx, tx, ending...)
	if err != nil {
		return nil, err
	}
	signers = append(append(signers, more...), dec.Replaces)
	slices.Sort(signers)
	return slices.DeleteFunc(slices.Compact(signers), func(id inventory.SignerID) bool { return id == dec.Signer }), nil
}

// Rotations are the replacements that a signer takes part in, on either side, the
// newest first, with how far the images in use have moved over. One whose old
// signer has no approval left is over, and left out.
func (d *DB) Rotations(ctx context.Context, id inventory.SignerID, now time.Time) ([]inventory.Rotation, error) {
	var list []inventory.Rotation
	err := d.sql.Read(ctx, func(q database.Querier) error {
		var found []inventory.Decision
		err := database.Each(ctx, q, `
			select `+decisionColumns+`
			from decisions
			where replaces <> '' and state = 'active' and (replaces = $1 or signer_id = $1)
			order by revision desc
			limit 10`, func(rows *sql.Rows) error {
			dec, err := scanDecision(rows)
			found = append(found, dec)
			return err
		}, database.Clean(id))
		if err != nil {
			return err
		}
		for _, dec := range found {
			if slices.ContainsFunc(list, func(r inventory.Rotation) bool { return r.Old.ID == dec.Replaces && r.New.ID == dec.Signer }) {
				continue
			}
			r, err := rotation(ctx, q, dec, now)
			if err != nil {
				return err
			}
			if r.Old.Standing == inventory.Approved {
				list = append(list, r)
			}
		}
		return nil
	})
	return list, err
}

func rotation(ctx context.Context, q database.Querier, dec inventory.Decision, now time.Time) (r inventory.Rotation, err error) {
	known, err := standings(ctx, q, []inventory.SignerID{dec.Replaces, dec.Signer}, now)
	if err != nil {
		return r, err
	}
	r.Decision, r.Old, r.New = dec, known[dec.Replaces], known[dec.Signer]
	var old, fresh int
	err = database.EachIn(ctx, q, "select id, images from signers where id in %s", []inventory.SignerID{dec.Replaces, dec.Signer}, func(rows *sql.Rows) error {
		var id inventory.SignerID
		var n int
		err := rows.Scan(&id, &n)
		if id == dec.Replaces {
			old = n
		} else {
			fresh = n
		}
		return err
	})
	if err != nil {
		return r, err
	}
	both, err := database.Value[int](ctx, q, `
		select count(*)
		from image_facets a
		join image_facets b on b.image_id = a.image_id and b.kind = a.kind and b.value = $2
		where a.kind = $3 and a.value = $1`, dec.Replaces, dec.Signer, countSigner)
	if err != nil {
		return r, err
	}
	r.Images, r.Moved = old+fresh-both, fresh
	err = database.Row(ctx, q, `
		select count(distinct repository_id), count(distinct case when signer_id = $2 then repository_id end)
		from signer_repositories
		where signer_id in ($1, $2) and images > 0`, []any{dec.Replaces, dec.Signer}, &r.Repositories, &r.MovedRepositories)
	if err != nil {
		return r, err
	}
	err = database.Each(ctx, q, `
		select r.full_name
		from signer_repositories o
		join repositories r on r.id = o.repository_id
		where o.signer_id = $1 and o.images > 0
		  and not exists (select 1 from signer_repositories n where n.signer_id = $2 and n.repository_id = o.repository_id and n.images > 0)
		order by r.full_name
		limit 20`, database.ScanInto(&r.Left, func(s *string) []any { return []any{s} }), dec.Replaces, dec.Signer)
	return r, err
}

// Successors are signers that may be what takes the place of another: those seen
// in the same repositories, the most of them first, and then registered keys;
// at most 20. Rejected and revoked ones are left out.
func (d *DB) Successors(ctx context.Context, id inventory.SignerID, now time.Time) ([]inventory.Signer, error) {
	const most = 20
	var list []inventory.Signer
	err := d.sql.Read(ctx, func(q database.Querier) error {
		ids, err := database.Column[inventory.SignerID](ctx, q, `
			select n.signer_id
			from (select repository_id from signer_repositories where signer_id = $1 and images > 0 order by repository_id limit 1000) as o
			join signer_repositories n on n.repository_id = o.repository_id
			where n.signer_id <> $1 and n.images > 0
			group by n.signer_id
			order by count(*) desc, max(n.since) desc, n.signer_id
			limit $2`, database.Clean(id), most)
		if err != nil {
			return err
		}
		keys, err := database.Column[inventory.SignerID](ctx, q, "select id from signers where registered_at is not null and id <> $1 order by registered_at desc limit $2", database.Clean(id), most)
		if err != nil {
			return err
		}
		known, err := standings(ctx, q, slices.Concat(ids, keys), now)
		for _, one := range slices.Concat(ids, keys) {
			s := known[one]
			if len(list) < most && s.Standing != inventory.Rejected && s.Standing != inventory.Revoked &&
				!slices.ContainsFunc(list, func(l inventory.Signer) bool { return l.ID == one }) {
				list = append(list, s)
			}
		}
		return err
	})
	return list, err
}
