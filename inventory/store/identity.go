package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// lending finds the approvals of other signers whose patterns match some
// signers, for each the newest first: active ones, and those that ran out or were
// revoked. Patterns are few, a handful for each organisation: they are read
// together, once for all of the signers.
func lending(ctx context.Context, q database.Querier, signers []inventory.SignerID) (map[inventory.SignerID][]inventory.Decision, error) {
	if !slices.ContainsFunc(signers, func(id inventory.SignerID) bool { return id.Kind() == inventory.KeylessSigner }) {
		return nil, nil
	}
	patterns, err := patterns(ctx, q)
	if err != nil || len(patterns) == 0 {
		return nil, err
	}
	lent := map[inventory.SignerID][]inventory.Decision{}
	for _, id := range signers {
		if _, met := lent[id]; !met {
			lent[id] = lentTo(id, patterns)
		}
	}
	return lent, nil
}

// lentTo are those of the patterns that count for a signer.
func lentTo(id inventory.SignerID, patterns []inventory.Decision) []inventory.Decision {
	var list []inventory.Decision
	for _, d := range patterns {
		if d.Lends(id) && d.Matches(id) {
			list = append(list, d)
		}
	}
	return list
}

// patterns are all approvals with a pattern that count or counted, newest first.
func patterns(ctx context.Context, q database.Querier) ([]inventory.Decision, error) {
	var list []inventory.Decision
	err := database.Each(ctx, q, "select "+decisionColumns+" from decisions where identities <> '' and verb = 'approve' and state in ('active', 'revoked', 'expired')",
		func(rows *sql.Rows) error {
			d, err := scanDecision(rows)
			list = append(list, d)
			return err
		})
	slices.SortFunc(list, func(a, b inventory.Decision) int {
		return cmp.Or(decidedAt(b).Compare(decidedAt(a)), cmp.Compare(a.ID, b.ID))
	})
	return list, err
}

// decidedAt is when a decision was made, by the last who took part in it.
func decidedAt(d inventory.Decision) time.Time {
	if len(d.DecidedBy) == 0 {
		return time.Time{}
	}
	return d.DecidedBy[len(d.DecidedBy)-1].At
}
