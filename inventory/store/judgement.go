package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// StaleVerdicts returns up to limit images whose verdict has to be judged
// again: a decision about one of their signers was made, an approval they rest
// on ran out, or an outage is over. It is also the moment at which what time
// alone ends is tidied away.
func (d *DB) StaleVerdicts(ctx context.Context, now time.Time, limit int) ([]int64, error) {
	if err := d.lapse(ctx, now); err != nil {
		return nil, fmt.Errorf("tidying quarantines away: %w", err)
	}
	if err := d.freshen(ctx, now); err != nil {
		return nil, fmt.Errorf("tidying approvals away: %w", err)
	}
	var ids []int64
	type decided struct {
		id       inventory.SignerID
		revision int64
	}
	var through []decided
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		ids, err = database.Column[int64](ctx, q, `
			select id
			from images
			where review_at <= $1
			order by review_at, id
			limit $2`, ms(now), limit)
		if err != nil {
			return err
		}
		var signers []decided
		err = database.Each(ctx, q, "select id, decided_revision from signers where rejudge order by id limit 100",
			database.ScanInto(&signers, func(s *decided) []any { return []any{&s.id, &s.revision} }))
		if err != nil {
			return err
		}
		for _, s := range signers {
			if len(ids) >= limit {
				break
			}
			more, err := database.Column[int64](ctx, q, `
				select image_id
				from image_signers
				where signer_id = $1 and judged < $2
				order by judged, image_id
				limit $3`, s.id, s.revision, limit-len(ids))
			if err != nil {
				return err
			}
			if len(more) == 0 {
				through = append(through, s)
			}
			ids = append(ids, more...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(through) > 0 {
		err = d.sql.Write(ctx, func(tx database.Querier) error {
			for _, s := range through {
				_, err := tx.ExecContext(ctx, `
					update signers
					set rejudge = false
					where id = $1 and decided_revision = $2
					  and not exists (select 1 from image_signers where signer_id = $1 and judged < $2)`, s.id, s.revision)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// ClaimJudging has a process be the one that judges again, for the length of a
// lease, or for no longer when that is 0: two would only do the same work twice.
// It says whether the process is. What it does is right without the lease, too.
func (d *DB) ClaimJudging(ctx context.Context, owner string, now time.Time, lease time.Duration) (bool, error) {
	mine := false
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		n, err := database.Changed(tx.ExecContext(ctx, `
			update chores
			set lease_owner = $1, lease_until = $2
			where name = 'judging' and (lease_owner = $1 or lease_until <= $3)`, owner, ms(now.Add(lease)), ms(now)))
		mine = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("taking the lease of judging again: %w", err)
	}
	return mine, nil
}

// RecordVerdicts stores verdicts that were judged again at a revision of the
// decisions, or fails with ErrRejudge when that has moved on. An image that was
// looked at meanwhile keeps the newer verdict: only what StaleVerdicts would
// still return is changed.
func (d *DB) RecordVerdicts(ctx context.Context, verdicts map[int64]inventory.Verdict, revision int64, now time.Time) error {
	ids := make([]int64, 0, len(verdicts))
	for id := range verdicts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		if is, err := d.decisionsRevision(ctx, tx); err != nil {
			return err
		} else if is != revision {
			return inventory.ErrRejudge
		}
		c := d.changes(tx, now)
		if err := load(ctx, c, "id in %s", ids); err != nil {
			return err
		}
		decided := map[int64]decidedSigner{} // by the latest decision
		err := database.EachIn(ctx, tx, `
			select i.image_id, s.id, s.name, s.decided_revision
			from image_signers i
			join signers s on s.id = i.signer_id
			where i.judged < s.decided_revision and i.image_id in %s`, ids, func(rows *sql.Rows) error {
			var id int64
			var s decidedSigner
			err := rows.Scan(&id, &s.ID, &s.Name, &s.revision)
			if s.revision > decided[id].revision {
				decided[id] = s
			}
			return err
		})
		if err != nil {
			return err
		}
		var judged []int64
		for _, id := range c.order {
			r := c.rows[id]
			if decided[id].revision > 0 || r.ReviewAt.Valid && r.ReviewAt.Int64 <= ms(now) {
				c.judge(r, verdicts[id], inventory.Cause{Kind: inventory.CauseTime})
				judged = append(judged, id)
			}
		}
		if err := c.explainJudgements(ctx, decided); err != nil {
			return err
		}
		if err := database.ExecIn(ctx, tx, "update image_signers set judged = $1 where image_id in %s", judged, revision); err != nil {
			return err
		}
		return c.save(ctx)
	})
	if err != nil {
		return fmt.Errorf("storing verdicts: %w", err)
	}
	return nil
}
