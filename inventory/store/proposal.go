package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// maxProposals bounds how many proposals are read at once. They are a handful:
// each waits for a person.
const maxProposals = 1000

// Proposals lists approvals that wait for a second reviewer, those that wait
// longest first.
func (d *DB) Proposals(ctx context.Context, now time.Time) ([]inventory.Proposal, error) {
	var list []inventory.Proposal
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		list, err = withSigners(ctx, q, `
			select `+decisionColumns+`
			from decisions
			where state = 'proposed' and (expires_at is null or expires_at > $1)
			limit $2`, ms(now), maxProposals)
		return err
	})
	slices.SortFunc(list, func(a, b inventory.Proposal) int {
		return cmp.Or(a.Decision.DecidedAt().Compare(b.Decision.DecidedAt()), cmp.Compare(a.Decision.Signer, b.Decision.Signer), cmp.Compare(a.Decision.Revision, b.Decision.Revision))
	})
	return list, err
}

// withSigners reads decisions, each with whom it is about.
func withSigners(ctx context.Context, q database.Querier, query string, args ...any) ([]inventory.Proposal, error) {
	var list []inventory.Proposal
	var ids []inventory.SignerID
	err := database.Each(ctx, q, query, func(rows *sql.Rows) error {
		dec, err := scanDecision(rows)
		list = append(list, inventory.Proposal{Decision: dec})
		ids = append(ids, dec.Signer)
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	known := map[inventory.SignerID]inventory.Signer{}
	slices.Sort(ids)
	err = database.EachIn(ctx, q, "select "+signerColumns+" from signers where id in %s", slices.Compact(ids), func(rows *sql.Rows) error {
		s, err := scanSigner(rows)
		known[s.ID] = s
		return err
	})
	for i := range list {
		list[i].Signer = known[list[i].Decision.Signer]
	}
	return list, err
}

// RecordProposalEnd ends a proposal without its having counted, with its audit
// entry, in one transaction. It fails with Conflict when the signer's revision is
// no longer the one that was seen, or the proposal no longer waits.
func (d *DB) RecordProposalEnd(ctx context.Context, dec inventory.Decision, seen int64, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		n, err := database.Changed(tx.ExecContext(ctx, "update signers set revision = revision + 1 where id = $1 and revision = $2", dec.Signer, seen))
		if err != nil {
			return err
		}
		if n == 0 {
			return refuseDecision(ctx, tx, dec.Signer)
		}
		n, err = database.Changed(tx.ExecContext(ctx, "update decisions set state = $1 where id = $2 and signer_id = $3 and state = 'proposed'",
			inventory.StateRejected, dec.ID, dec.Signer))
		if err != nil {
			return err
		}
		if n == 0 {
			return inventory.Errorf(inventory.Conflict, "This proposal no longer waits for anybody.")
		}
		return d.appendAudit(ctx, tx, entry)
	})
	if err != nil {
		return fmt.Errorf("ending a proposal about %s: %w", dec.Signer, err)
	}
	return nil
}
