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

// unsettled is no dimension that is counted: it notes the signers of images that
// changed in a way that what a decision would do depends on.
const unsettled = "unsettled"

// unsettle notes the signers of an image whose impact on a decision may be
// another one now. The status isn't asked: an impact is worked out from what the
// status is worked out from, so that settling it changes nothing.
func (ds deltas) unsettle(before, after *imageRow) {
	if !before.Listed && !after.Listed || before.weighs(after) {
		return
	}
	for _, r := range []*imageRow{before, after} {
		for _, signer := range r.signers {
			ds[counterKey{unsettled, string(signer), ""}] = 1
		}
	}
}

// weighs reports whether an image has the same part in every impact as it had.
func (r *imageRow) weighs(s *imageRow) bool {
	return r.Listed == s.Listed && r.CheckedAt.Valid == s.CheckedAt.Valid && !s.replaced &&
		r.FailureReason == s.FailureReason && r.FailureWhole == s.FailureWhole && r.RecheckFailed == s.RecheckFailed &&
		r.Quarantine == s.Quarantine && slices.Equal(r.signers, s.signers) && slices.Equal(r.teams, s.teams)
}

// Footing is what an impact on the images of some signers rests on at now.
func (d *DB) Footing(ctx context.Context, signers []inventory.SignerID, now time.Time) (inventory.Footing, error) {
	var f inventory.Footing
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		f, err = footing(ctx, q, signers, now)
		return err
	})
	return f, err
}

func footing(ctx context.Context, q database.Querier, signers []inventory.SignerID, now time.Time) (f inventory.Footing, err error) {
	if f.Decisions, err = database.Value[int64](ctx, q, "select value from revisions where name = 'decisions'"); err != nil {
		return f, err
	}
	err = database.EachIn(ctx, q, "select images_revision from signers where id in %s", signers, func(rows *sql.Rows) error {
		var revision int64
		err := rows.Scan(&revision)
		f.Images += revision // each only grows, and so the sum tells whether one has
		return err
	})
	if err != nil {
		return f, err
	}
	ends, err := database.Value[sql.NullInt64](ctx, q, "select min(expires_at) from quarantines where expires_at > $1 and released_at is null and not lapsed", ms(now))
	f.Until = timeOrNil(ends)
	return f, err
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
			root   string
		)
		err := database.Each(ctx, q, `
			select i.id, i.repository_id, i.checked_at is not null, i.failure_reason, i.failure_whole or i.recheck_failed,
			       q.id is not null, s.signer_id, s.holds_until, s.root
			from (select image_id
			      from image_facets
			      where kind = $1 and value = $2 and image_id < $3
			      order by image_id desc
			      limit $4) as f
			join images i on i.id = f.image_id
			join image_signers s on s.image_id = f.image_id
			left join quarantines q on q.id = i.quarantine_id and q.released_at is null and (q.expires_at is null or q.expires_at > $5)
			order by f.image_id desc, s.signer_id`, func(rows *sql.Rows) error {
			if err := rows.Scan(&i.ImageID, &i.RepositoryID, &i.Checked, &reason, &whole, &i.Held, &signer, &until, &root); err != nil {
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
				s := inventory.Signature{Outcome: inventory.OutcomeVerified, Signer: signers[signer], Domain: root}
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

// TeamsOf are the teams that own each of the repositories, sorted; a repository
// that nobody owns belongs to NoTeam.
func (d *DB) TeamsOf(ctx context.Context, repositories []int64) (map[int64][]string, error) {
	repositories = slices.Sorted(slices.Values(repositories))
	teams := make(map[int64][]string, len(repositories))
	err := d.sql.Read(ctx, func(q database.Querier) error {
		return database.EachIn(ctx, q, "select repository_id, team from team_repositories where repository_id in %s", repositories, func(rows *sql.Rows) error {
			var id int64
			var team string
			err := rows.Scan(&id, &team)
			teams[id] = append(teams[id], team)
			return err
		})
	})
	for _, list := range teams {
		slices.Sort(list)
	}
	return teams, err
}
