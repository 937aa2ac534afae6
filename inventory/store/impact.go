package store

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// forGood is a holds_until that never comes.
const forGood = math.MaxInt64

// holdsUntil is when the last of a signer's signatures stops to hold: until is
// that of the others, s is one more.
func holdsUntil(until int64, s inventory.Signature) int64 {
	if s.Expires == nil {
		return forGood
	}
	return max(until, ms(s.Expires.At))
}

// SignedImages lists images in use that carry a verified signature of the
// signer, newest first: up to limit of those older than before, from the newest
// on when that is 0. It reads no evidence.
func (d *DB) SignedImages(ctx context.Context, id inventory.SignerID, before int64, limit int, now time.Time) ([]inventory.SignedImage, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	var list []inventory.SignedImage
	err := d.sql.Read(ctx, func(q database.Querier) error {
		signers := map[string]*inventory.Signer{}
		names := map[int64]string{}
		var (
			i      inventory.SignedImage
			last   int64
			reason inventory.Reason
			whole  bool
			signer string
			until  int64
		)
		err := database.Each(ctx, q, `
			select i.id, i.repository_id, i.checked_at is not null, i.failure_reason, i.failure_whole or i.recheck_failed,
			       q.id is not null, s.signer_id, s.holds_until
			from (select image_id
			      from image_facets
			      where kind = $1 and value = $2 and image_id < $3
			      order by image_id desc
			      limit $4) as f
			join images i on i.id = f.image_id
			join image_signers s on s.image_id = f.image_id
			left join quarantines q on q.id = i.quarantine_id and q.released_at is null and (q.expires_at is null or q.expires_at > $5)
			order by f.image_id desc, s.signer_id`, func(rows *sql.Rows) error {
			if err := rows.Scan(&i.ImageID, &i.RepositoryID, &i.Checked, &reason, &whole, &i.Held, &signer, &until); err != nil {
				return err
			}
			if i.ImageID != last {
				last = i.ImageID
				one := i
				if failure := (&inventory.LookError{Reason: reason}); whole {
					one.Failure = failure
				} else if reason != "" {
					one.Incomplete = failure
				}
				list = append(list, one)
				names[i.RepositoryID] = ""
			}
			one := &list[len(list)-1]
			switch {
			case whole: // stored signatures don't count
			case until == 0:
				one.Partial, one.Signatures = true, nil
			case !one.Partial:
				if signers[signer] == nil {
					signers[signer] = &inventory.Signer{ID: inventory.SignerID(signer)}
				}
				s := inventory.Signature{Outcome: inventory.OutcomeVerified, Signer: signers[signer]}
				if until != forGood {
					s.Expires = &inventory.Expiry{At: timeOf(until)}
				}
				one.Signatures = append(one.Signatures, s)
			}
			return nil
		}, countSigner, database.Clean(id), before, limit, ms(now))
		if err != nil {
			return err
		}
		ids := make([]int64, 0, len(names))
		for id := range names {
			ids = append(ids, id)
		}
		err = database.EachIn(ctx, q, "select id, full_name from repositories where id in %s", ids, func(rows *sql.Rows) error {
			var id int64
			var name string
			err := rows.Scan(&id, &name)
			names[id] = name
			return err
		})
		for n := range list {
			list[n].Repository = names[list[n].RepositoryID]
		}
		return err
	})
	return list, err
}

// ImagesByID shows images as lists do, in the order of the ids. Ids that aren't
// there are left out.
func (d *DB) ImagesByID(ctx context.Context, ids []int64, now time.Time) ([]inventory.Image, error) {
	var list []inventory.Image
	err := d.sql.Read(ctx, func(q database.Querier) error {
		rows, err := imageRows(ctx, q, "id in %s", ids)
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b *imageRow) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
		list, err = d.shown(ctx, q, rows, now)
		return err
	})
	return list, err
}

// TeamsOf are the teams that own one of the repositories, sorted; NoTeam is among
// them when nobody owns one.
func (d *DB) TeamsOf(ctx context.Context, repositories []int64) ([]string, error) {
	repositories = slices.Sorted(slices.Values(repositories))
	var teams []string
	err := d.sql.Read(ctx, func(q database.Querier) error {
		seen := map[string]bool{}
		return database.EachIn(ctx, q, "select distinct team from team_repositories where repository_id in %s", repositories, func(rows *sql.Rows) error {
			var team string
			err := rows.Scan(&team)
			if err == nil && !seen[team] {
				seen[team] = true
				teams = append(teams, team)
			}
			return err
		})
	})
	slices.Sort(teams)
	return teams, err
}
