package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// maxExpiring bounds how many approvals that run out are read at once.
const maxExpiring = 1000

// Expiring lists approvals that hold at now and run out within a time, the first
// to do so first, at most 1,000. Those that were renewed are left out.
func (d *DB) Expiring(ctx context.Context, within time.Duration, now time.Time) ([]inventory.Expiring, error) {
	var list []inventory.Expiring
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		list, err = expiring(ctx, q, within, now)
		return err
	})
	return list, err
}

func expiring(ctx context.Context, q database.Querier, within time.Duration, now time.Time) ([]inventory.Expiring, error) {
	ending, err := withSigners(ctx, q, `
		select `+decisionColumns+`
		from decisions
		where state = 'active' and expires_at > $1 and expires_at <= $2
		order by expires_at, id
		limit $3`, ms(now), ms(now.Add(within)), maxExpiring)
	if err != nil || len(ending) == 0 {
		return nil, err
	}
	var ids []inventory.SignerID
	for _, one := range ending {
		ids = append(ids, one.Signer.ID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	all, err := decisions(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	trusted := map[inventory.SignerID]int{}
	err = database.EachIn(ctx, q, "select value, n from counters where kind = $1 and status = $2 and value in %s", ids, func(rows *sql.Rows) error {
		var id inventory.SignerID
		var n int
		err := rows.Scan(&id, &n)
		trusted[id] = n
		return err
	}, countSigner, inventory.Trusted)
	var list []inventory.Expiring
	for _, one := range ending {
		if one.Decision.Verb == inventory.Approve && !one.Decision.Renewed(all[one.Signer.ID]) {
			list = append(list, inventory.Expiring{Signer: one.Signer, Decision: one.Decision, Trusted: trusted[one.Signer.ID]})
		}
	}
	return list, err
}
