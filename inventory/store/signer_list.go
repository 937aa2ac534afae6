package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// signerWalk is how many signers a list looks at for one page where no index
// knows which of them its filter selects. A page that is full of misses ends
// early and has a next one all the same.
const signerWalk = 1000

// listedSigner is a signer and the cursor of what comes after it.
type listedSigner struct {
	inventory.Signer
	cursor string
}

// Signers lists the signers that a filter selects, as they stand at now: those
// with the most images waiting first, then by id; those whose approvals end soon,
// by when. Decisions are left out. A page can be shorter than asked for and still
// have a next.
func (d *DB) Signers(ctx context.Context, f inventory.SignerFilter, p inventory.Page, now time.Time) ([]inventory.Signer, string, error) {
	if _, _, err := cursorPair(p.Cursor); err != nil {
		return nil, "", err
	}
	d.refresh(ctx, now)
	var list []*inventory.Signer
	next := ""
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		list, next, err = d.listSigners(ctx, q, f, p, now)
		if err == nil && !f.Unusual { // and otherwise it was
			err = d.surround(ctx, q, list, now)
		}
		return err
	})
	signers := make([]inventory.Signer, 0, len(list))
	for _, s := range list {
		signers = append(signers, *s)
	}
	return signers, next, err
}

func (d *DB) listSigners(ctx context.Context, q database.Querier, f inventory.SignerFilter, p inventory.Page, now time.Time) (list []*inventory.Signer, next string, err error) {
	read := waitingSigners
	if f.Expiring > 0 {
		read = expiringSigners
	}
	n := p.Size() + 1
	if f.Team != "" || f.Unusual || f.Expiring > 0 {
		n = inventory.MaxPage
	}
	after, last := p.Cursor, ""
	for walked := 0; ; {
		rows, err := read(ctx, q, f, after, n, now)
		if err != nil {
			return nil, "", err
		}
		full := len(rows) == n
		if full {
			after = rows[n-1].cursor
		}
		walked += len(rows)
		if rows, err = d.selectSigners(ctx, q, f, rows, now); err != nil {
			return nil, "", err
		}
		for _, r := range rows {
			if len(list) == p.Size() {
				return list, last, nil
			}
			list, last = append(list, &r.Signer), r.cursor
		}
		switch {
		case !full:
			return list, "", nil
		case walked >= signerWalk:
			return list, after, nil
		}
	}
}

// selectSigners keeps those of some signers that the filter selects and that no
// index knows, with their standing.
func (d *DB) selectSigners(ctx context.Context, q database.Querier, f inventory.SignerFilter, rows []*listedSigner, now time.Time) ([]*listedSigner, error) {
	ids, signers := make([]inventory.SignerID, 0, len(rows)), make([]*inventory.Signer, 0, len(rows))
	for _, r := range rows {
		ids, signers = append(ids, r.ID), append(signers, &r.Signer)
	}
	if err := stand(ctx, q, signers, now); err != nil {
		return nil, err
	}
	if f.Expiring > 0 {
		rows = slices.DeleteFunc(rows, func(r *listedSigner) bool { return r.EndsAt == nil || r.EndsAt.After(now.Add(f.Expiring)) })
	}
	if f.Team != "" {
		held := map[inventory.SignerID]bool{}
		err := database.EachIn(ctx, q, `
			select s.id
			from signers s
			where exists (select 1
			              from signer_repositories p
			              join team_repositories t on t.repository_id = p.repository_id
			              where p.signer_id = s.id and p.images > 0 and t.team = $1)
			  and s.id in %s`, ids, func(found *sql.Rows) error {
			var id inventory.SignerID
			err := found.Scan(&id)
			held[id] = true
			return err
		}, database.Clean(f.Team))
		if err != nil {
			return nil, err
		}
		rows = slices.DeleteFunc(rows, func(r *listedSigner) bool { return !held[r.ID] })
	}
	if f.Unusual {
		signers = signers[:0]
		for _, r := range rows {
			signers = append(signers, &r.Signer)
		}
		if err := d.surround(ctx, q, signers, now); err != nil {
			return nil, err
		}
		rows = slices.DeleteFunc(rows, func(r *listedSigner) bool { return !r.Unusual() })
	}
	return rows, nil
}

// waitingSigners reads signers of a standing and a kind, those with the most
// images waiting first.
func waitingSigners(ctx context.Context, q database.Querier, f inventory.SignerFilter, cursor string, limit int, _ time.Time) ([]*listedSigner, error) {
	waiting, id, err := cursorPair(cursor)
	if err != nil {
		return nil, err
	}
	condition, args := signerCondition(f)
	n := len(args)
	var list []*listedSigner
	scan := func(rows *sql.Rows) error {
		s, err := scanSigner(rows)
		list = append(list, &listedSigner{s, pairCursor(int64(s.Waiting), string(s.ID))})
		return err
	}
	// One index is read in two steps: on from the cursor among those with as many
	// waiting, and then those with fewer.
	if cursor != "" {
		err := database.Each(ctx, q, fmt.Sprintf(`
			select %s
			from signers
			where %s waiting = $%d and id > $%d
			order by id
			limit $%d`, signerColumns, condition, n+1, n+2, n+3), scan, append(slices.Clone(args), waiting, id, limit)...)
		if err != nil || len(list) == limit {
			return list, err
		}
	}
	return list, database.Each(ctx, q, fmt.Sprintf(`
		select %s
		from signers
		where %s waiting < $%d
		order by waiting desc, id
		limit $%d`, signerColumns, condition, n+1, n+2), scan, append(slices.Clone(args), waiting, limit-len(list))...)
}

func signerCondition(f inventory.SignerFilter) (condition string, args []any) {
	if f.Standing != "" {
		args = append(args, f.Standing)
		condition += fmt.Sprintf("standing = $%d and ", len(args))
	}
	if f.Kind != "" {
		args = append(args, f.Kind)
		condition += fmt.Sprintf("kind = $%d and ", len(args))
	}
	return condition, args
}

// expiringSigners reads signers that stand otherwise soon, the soonest first.
func expiringSigners(ctx context.Context, q database.Querier, f inventory.SignerFilter, cursor string, limit int, now time.Time) ([]*listedSigner, error) {
	until, id := int64(-1), ""
	if cursor != "" {
		var err error
		if until, id, err = cursorPair(cursor); err != nil {
			return nil, err
		}
	}
	condition, args := signerCondition(f)
	n := len(args)
	var list []*listedSigner
	return list, database.Each(ctx, q, fmt.Sprintf(`
		select %s, standing_until
		from signers
		where %s standing_until <= $%d and standing_until >= $%d and (standing_until > $%d or id > $%d)
		order by standing_until, id
		limit $%d`, signerColumns, condition, n+1, n+2, n+2, n+3, n+4), func(rows *sql.Rows) error {
		var ends int64
		s, err := scanSigner(alsoInto{rows, &ends})
		list = append(list, &listedSigner{s, pairCursor(ends, string(s.ID))})
		return err
	}, append(args, ms(now.Add(f.Expiring)), until, id, limit)...)
}

// alsoInto scans a row that has one column more than whoever scans it knows.
type alsoInto struct {
	row  interface{ Scan(...any) error }
	last any
}

func (a alsoInto) Scan(into ...any) error { return a.row.Scan(append(into, a.last)...) }

// standIn fills in the standing of listed signers.
func standIn(ctx context.Context, q database.Querier, list []inventory.Signer, now time.Time) error {
	signers := make([]*inventory.Signer, 0, len(list))
	for i := range list {
		signers = append(signers, &list[i])
	}
	return stand(ctx, q, signers, now)
}

// stand fills in the standing of signers, and when that ends.
func stand(ctx context.Context, q database.Querier, list []*inventory.Signer, now time.Time) error {
	ids := make([]inventory.SignerID, 0, len(list))
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	of, err := counting(ctx, q, ids)
	for _, s := range list {
		s.Standing, s.EndsAt = inventory.StandingAt(of[s.ID], now), inventory.EndsAt(of[s.ID], now)
	}
	return err
}

// NextSigner is the signer that comes after another in the list that a filter
// selects, and the first of them after the last. It is nil when there is no other.
func (d *DB) NextSigner(ctx context.Context, f inventory.SignerFilter, after inventory.SignerID, now time.Time) (*inventory.Signer, error) {
	waiting, err := database.Value[int64](ctx, d.sql.Reader, "select waiting from signers where id = $1", database.Clean(after))
	cursors := []string{pairCursor(waiting, string(after)), ""}
	if errors.Is(err, sql.ErrNoRows) {
		err, cursors = nil, cursors[1:]
	}
	if err != nil {
		return nil, d.sql.Explain(err)
	}
	for _, cursor := range cursors {
		list, _, err := d.Signers(ctx, f, inventory.Page{Limit: 2, Cursor: cursor}, now)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			if s.ID != after {
				return &s, nil
			}
		}
	}
	return nil, nil
}
