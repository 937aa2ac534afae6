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

const decisionColumns = "id, signer_id, verb, repositories, reason, expires_at, state, decided_by, revision, identities, roots, replaces, replaced_until"

func scanDecision(row interface{ Scan(...any) error }) (inventory.Decision, error) {
	var (
		d                  inventory.Decision
		expires, replaced  sql.NullInt64
		globs, text, roots string
		by                 []decider
	)
	err := row.Scan(&d.ID, &d.Signer, &d.Verb, &globs, &d.Reason, &expires, &d.State, &text, &d.Revision, &d.Identities, &roots, &d.Replaces, &replaced)
	if err != nil {
		return d, err
	}
	d.ExpiresAt, d.ReplacedUntil = timeOrNil(expires), timeOrNil(replaced)
	if err := fromJSON(globs, &d.Repositories); err != nil {
		return d, err
	}
	if err := fromJSON(roots, &d.Roots); err != nil {
		return d, err
	}
	if err := fromJSON(text, &by); err != nil {
		return d, err
	}
	for _, b := range by {
		d.DecidedBy = append(d.DecidedBy, inventory.Decider{Name: b.Name, Subject: b.Subject, At: timeOf(b.At)})
	}
	return d, nil
}

// decisions reads the decisions about some signers, newest first each.
func decisions(ctx context.Context, q database.Querier, signers []inventory.SignerID) (map[inventory.SignerID][]inventory.Decision, error) {
	signers = slices.Clone(signers)
	slices.Sort(signers)
	all := map[inventory.SignerID][]inventory.Decision{}
	err := database.EachIn(ctx, q, "select "+decisionColumns+" from decisions where signer_id in %s order by signer_id, revision desc", slices.Compact(signers),
		func(rows *sql.Rows) error {
			d, err := scanDecision(rows)
			all[d.Signer] = append(all[d.Signer], d)
			return err
		})
	return all, err
}

// counting reads the decisions that count for some signers: for each its own,
// newest first, and then the approvals that others lend it.
func counting(ctx context.Context, q database.Querier, signers []inventory.SignerID) (map[inventory.SignerID][]inventory.Decision, error) {
	all, err := decisions(ctx, q, signers)
	if err != nil {
		return nil, err
	}
	lent, err := lending(ctx, q, signers)
	for id, more := range lent {
		all[id] = append(all[id], more...)
	}
	return all, err
}

// Decisions returns all decisions that count for some signers, and the revision
// of the decisions about everybody.
func (d *DB) Decisions(ctx context.Context, signers []inventory.SignerID) (inventory.Decisions, error) {
	var answer inventory.Decisions
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		if answer.Revision, err = database.Value[int64](ctx, q, "select value from revisions where name = 'decisions'"); err != nil {
			return err
		}
		answer.BySigner, err = counting(ctx, q, signers)
		return err
	})
	return answer, err
}

// RecordDecision stores a decision about a signer with its audit entry, ends
// the decisions listed, and has every image judged again that the signer signed,
// or others did for whom the decision or what it ends counts by its pattern, in
// one transaction. It fails with Conflict when the
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
		widened, err := endingPatterns(ctx, tx, dec.Signer, ended)
		if err != nil {
			return err
		}
		// A proposal that a rejection ends was never an approval.
		unconfirmed := inventory.StateRejected
		if dec.Verb == inventory.Approve {
			unconfirmed = inventory.StateRevoked
		}
		err = database.ExecIn(ctx, tx, "update decisions set state = case when state = 'proposed' then $1 else $2 end where signer_id = $3 and id in %s", ended,
			unconfirmed, inventory.StateRevoked, dec.Signer)
		if err != nil {
			return err
		}
		by := make([]decider, 0, len(dec.DecidedBy))
		for _, b := range dec.DecidedBy {
			by = append(by, decider{b.Name, b.Subject, ms(b.At)})
		}
		err = database.Insert(ctx, tx, "insert into decisions ("+decisionColumns+")", [][]any{{
			dec.ID, dec.Signer, dec.Verb, jsonOf(dec.Repositories), dec.Reason, msOrNull(dec.ExpiresAt), dec.State, jsonOf(by), seen + 1, dec.Identities, rootsOf(dec),
			dec.Replaces, msOrNull(dec.ReplacedUntil)}},
			"on conflict (id) do update set state = excluded.state, decided_by = excluded.decided_by, revision = excluded.revision")
		if err != nil {
			return err
		}
		covered, err := coveredBy(ctx, tx, append(widened, dec)...)
		if err != nil {
			return err
		}
		if covered, err = replacing(ctx, tx, dec, covered, entry.At); err != nil {
			return err
		}
		err = database.ExecIn(ctx, tx, "update signers set revision = revision + 1, decided_revision = $1, rejudge = true where id in %s", covered, revision)
		if err != nil {
			return err
		}
		moved := deltas{}
		if err := d.restand(ctx, tx, append(covered, dec.Signer), entry.At, moved); err != nil {
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

func rootsOf(d inventory.Decision) string {
	if len(d.Roots) == 0 {
		return ""
	}
	return jsonOf(d.Roots)
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
func (d *DB) restand(ctx context.Context, tx database.Querier, ids []inventory.SignerID, now time.Time, moved deltas) error {
	was := map[inventory.SignerID]inventory.Standing{}
	err := database.EachIn(ctx, tx, "select id, standing from signers where id in %s order by id"+d.sql.ForUpdate, ids, func(rows *sql.Rows) error {
		var id inventory.SignerID
		var standing inventory.Standing
		err := rows.Scan(&id, &standing)
		was[id] = standing
		return err
	})
	if err != nil {
		return err
	}
	of, err := counting(ctx, tx, ids)
	if err != nil {
		return err
	}
	same := map[period][]inventory.SignerID{} // many get the same: one pattern holds them all
	for id, before := range was {
		p := periodAt(of[id], now)
		same[p] = append(same[p], id)
		moved[counterKey{countStanding, string(before), ""}]--
		moved[counterKey{countStanding, string(p.standing), ""}]++
	}
	for p, ids := range same {
		slices.Sort(ids)
		err := database.ExecIn(ctx, tx, "update signers set standing = $1, standing_from = $2, standing_until = $3 where id in %s", ids, p.standing, p.from, p.until)
		if err != nil {
			return err
		}
	}
	return nil
}

// period is a standing and the time it holds, in milliseconds.
type period struct {
	standing    inventory.Standing
	from, until int64
}

// periodAt is the standing that decisions come to at a moment, and for how long.
func periodAt(decisions []inventory.Decision, now time.Time) period {
	p := period{inventory.StandingAt(decisions, now), 0, math.MaxInt64}
	for _, d := range decisions {
		if d.ExpiresAt == nil {
			continue
		}
		if end := ms(*d.ExpiresAt); end <= ms(now) {
			p.from = max(p.from, end)
		} else {
			p.until = min(p.until, end)
		}
	}
	return p
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
		if err := d.restand(ctx, tx, ids, now, moved); err != nil {
			return err
		}
		return moved.apply(ctx, d, tx, now)
	})
}
