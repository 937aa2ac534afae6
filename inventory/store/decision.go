package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// decider is an inventory.Decider as it is stored: with the subject.
type decider struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	At      int64  `json:"at"`
}

const decisionColumns = "id, signer_id, verb, repositories, reason, expires_at, state, decided_by, revision"

// decisions reads all decisions about some signers, newest first each.
func decisions(ctx context.Context, q database.Querier, signers []inventory.SignerID) (map[inventory.SignerID][]inventory.Decision, error) {
	signers = slices.Clone(signers)
	slices.Sort(signers)
	all := map[inventory.SignerID][]inventory.Decision{}
	err := database.EachIn(ctx, q, "select "+decisionColumns+" from decisions where signer_id in %s order by signer_id, revision desc", slices.Compact(signers),
		func(rows *sql.Rows) error {
			var (
				d           inventory.Decision
				expires     sql.NullInt64
				globs, text string
				by          []decider
			)
			if err := rows.Scan(&d.ID, &d.Signer, &d.Verb, &globs, &d.Reason, &expires, &d.State, &text, &d.Revision); err != nil {
				return err
			}
			d.ExpiresAt = timeOrNil(expires)
			if err := fromJSON(globs, &d.Repositories); err != nil {
				return err
			}
			if err := fromJSON(text, &by); err != nil {
				return err
			}
			for _, b := range by {
				d.DecidedBy = append(d.DecidedBy, inventory.Decider{Name: b.Name, Subject: b.Subject, At: timeOf(b.At)})
			}
			all[d.Signer] = append(all[d.Signer], d)
			return nil
		})
	return all, err
}

// Decisions returns all decisions about some signers, newest first each, and
// the revision of the decisions about everybody.
func (d *DB) Decisions(ctx context.Context, signers []inventory.SignerID) (inventory.Decisions, error) {
	var answer inventory.Decisions
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		if answer.Revision, err = database.Value[int64](ctx, q, "select value from revisions where name = 'decisions'"); err != nil {
			return err
		}
		answer.BySigner, err = decisions(ctx, q, signers)
		return err
	})
	return answer, err
}

// RecordDecision stores a decision about a signer with its audit entry, ends
// the decisions listed, and has every image that the signer signed judged
// again, in one transaction of bounded length. It fails with Conflict when the
// signer's revision is no longer the one that was seen, and with NotFound when
// nobody has seen or registered the signer.
func (d *DB) RecordDecision(ctx context.Context, dec inventory.Decision, seen int64, ended []string, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		revision, err := bump(ctx, tx, "decisions")
		if err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `
			update signers
			set revision = revision + 1, decided_revision = $1, rejudge = true
			where id = $2 and revision = $3`, revision, dec.Signer, seen)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return refuseDecision(ctx, tx, dec.Signer)
		}
		err = database.ExecIn(ctx, tx, "update decisions set state = $1 where signer_id = $2 and id in %s", ended, inventory.StateRevoked, dec.Signer)
		if err != nil {
			return err
		}
		by := make([]decider, 0, len(dec.DecidedBy))
		for _, b := range dec.DecidedBy {
			by = append(by, decider{b.Name, b.Subject, ms(b.At)})
		}
		err = database.Insert(ctx, tx, "insert into decisions ("+decisionColumns+")", [][]any{{
			dec.ID, dec.Signer, dec.Verb, jsonOf(dec.Repositories), dec.Reason, msOrNull(dec.ExpiresAt), dec.State, jsonOf(by), seen + 1}},
			"on conflict (id) do update set state = excluded.state, decided_by = excluded.decided_by, revision = excluded.revision")
		if err != nil {
			return err
		}
		moved := deltas{}
		if err := d.restand(ctx, tx, dec.Signer, entry.At, moved); err != nil {
			return err
		}
		if err := moved.apply(ctx, d, tx, entry.At); err != nil {
			return err
		}
		return d.appendAudit(ctx, tx, entry)
	})
	if err != nil {
		return fmt.Errorf("storing a decision about %s: %w", dec.Signer, err)
	}
	return nil
}

func refuseDecision(ctx context.Context, tx database.Querier, id inventory.SignerID) error {
	n, err := database.Value[int](ctx, tx, "select count(*) from signers where id = $1", id)
	switch {
	case err != nil:
		return err
	case n == 0:
		return inventory.Errorf(inventory.NotFound, "This signer isn't known here.")
	}
	return inventory.Errorf(inventory.Conflict, "This signer changed while you were reading. Look again, then decide.")
}

// restand derives the standing that lists of signers go by, and the time it
// holds: an approval's end on either side changes it.
func (d *DB) restand(ctx context.Context, tx database.Querier, id inventory.SignerID, now time.Time, moved deltas) error {
	was, err := database.Value[inventory.Standing](ctx, tx, "select standing from signers where id = $1"+d.sql.ForUpdate, id)
	if err != nil {
		return err
	}
	of, err := decisions(ctx, tx, []inventory.SignerID{id})
	if err != nil {
		return err
	}
	from, until := int64(0), int64(math.MaxInt64)
	for _, d := range of[id] {
		if d.ExpiresAt == nil {
			continue
		}
		if end := ms(*d.ExpiresAt); end <= ms(now) {
			from = max(from, end)
		} else {
			until = min(until, end)
		}
	}
	is := inventory.StandingAt(of[id], now)
	moved[counterKey{countStanding, string(was), ""}]--
	moved[counterKey{countStanding, string(is), ""}]++
	_, err = tx.ExecContext(ctx, `
		update signers
		set standing = $1, standing_from = $2, standing_until = $3
		where id = $4`, is, from, until, id)
	return err
}

// overtaken are the signers whose standing time has overtaken, some twice: with
// "union" SQLite would walk all signers instead of the two indexes.
const overtaken = `
	select id from signers where standing_until <= $1
	union all
	select id from signers where standing_from > $1
	limit 1000`

// freshen derives standings again that time has overtaken, whichever way the
// clock was moved.
func (d *DB) freshen(ctx context.Context, now time.Time) error {
	ids, err := database.Column[inventory.SignerID](ctx, d.sql.Reader, overtaken, ms(now))
	if err != nil || len(ids) == 0 {
		return d.sql.Explain(err)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return d.sql.Write(ctx, func(tx database.Querier) error {
		moved := deltas{}
		for _, id := range ids {
			if err := d.restand(ctx, tx, id, now, moved); err != nil {
				return err
			}
		}
		return moved.apply(ctx, d, tx, now)
	})
}
