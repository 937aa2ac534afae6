package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const signerColumns = `id, kind, name, facts, public_key, registered_at, registered_by,
	first_seen, last_seen, images, waiting, revision`

func scanSigner(row interface{ Scan(...any) error }) (s inventory.Signer, err error) {
	var facts string
	var registered, firstSeen, lastSeen sql.NullInt64
	err = row.Scan(&s.ID, &s.Kind, &s.Name, &facts, &s.PublicKey, &registered, &s.RegisteredBy,
		&firstSeen, &lastSeen, &s.Images, &s.Waiting, &s.Revision)
	if err != nil {
		return s, err
	}
	s.Standing = inventory.Pending
	s.RegisteredAt, s.FirstSeen, s.LastSeen = timeOrNil(registered), timeOrNil(firstSeen), timeOrNil(lastSeen)
	return s, fromJSON(facts, &s.Facts)
}

// Signer returns a signer with its decisions, newest first, and its standing at
// now, or NotFound.
func (d *DB) Signer(ctx context.Context, id inventory.SignerID, now time.Time) (inventory.Signer, error) {
	var s inventory.Signer
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		s, err = scanSigner(q.QueryRowContext(ctx, "select "+signerColumns+" from signers where id = $1", database.Clean(id)))
		if errors.Is(err, sql.ErrNoRows) {
			return inventory.Errorf(inventory.NotFound, "This signer isn't known here.")
		}
		if err != nil {
			return err
		}
		of, err := decisions(ctx, q, []inventory.SignerID{id})
		if err != nil {
			return err
		}
		s.Decisions = of[id]
		lent, err := lending(ctx, q, []inventory.SignerID{id})
		s.Lent = lent[id]
		if err != nil {
			return err
		}
		s.Standing = inventory.StandingAt(s.Counting(), now)
		s.EndsAt = inventory.EndsAt(s.Counting(), now)
		if s.Roots, err = rootsOfSigner(ctx, q, s.ID); err != nil {
			return err
		}
		return d.surround(ctx, q, []*inventory.Signer{&s}, now)
	})
	return s, err
}

// standings derives the standing of some signers, and finds the names they are
// known by.
func standings(ctx context.Context, q database.Querier, ids []inventory.SignerID, now time.Time) (map[inventory.SignerID]inventory.Signer, error) {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	of, err := counting(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	known := map[inventory.SignerID]inventory.Signer{}
	err = database.EachIn(ctx, q, "select id, kind, name from signers where id in %s", ids, func(rows *sql.Rows) error {
		var s inventory.Signer
		err := rows.Scan(&s.ID, &s.Kind, &s.Name)
		s.Standing = inventory.StandingAt(of[s.ID], now)
		known[s.ID] = s
		return err
	})
	return known, err
}

// Standings says how many signers have each standing at now.
func (d *DB) Standings(ctx context.Context, now time.Time) (map[inventory.Standing]int, error) {
	d.refresh(ctx, now)
	found := make(map[inventory.Standing]int, len(inventory.Standings))
	err := database.Each(ctx, d.sql.Reader, "select value, n from counters where kind = $1 and n > 0", func(rows *sql.Rows) error {
		var s inventory.Standing
		var n int
		err := rows.Scan(&s, &n)
		found[s] = n
		return err
	}, countStanding)
	return found, d.sql.Explain(err)
}

// refresh is freshen for readers: what it writes is only derived, and a
// database that can't be written to must still be readable.
func (d *DB) refresh(ctx context.Context, now time.Time) { _ = d.freshen(ctx, now) }

// SignerTeams are the teams that have images in use with a verified signature
// of the signer, sorted; at most 100. It looks at no more than the signer's
// newest images.
func (d *DB) SignerTeams(ctx context.Context, id inventory.SignerID) ([]string, error) {
	const newest = 200
	var teams []string
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		teams, err = database.Column[string](ctx, q, `
			select distinct t.team
			from (select image_id
			      from image_facets
			      where kind = 'signer' and value = $1
			      order by image_id desc
			      limit $2) as f
			join images i on i.id = f.image_id
			join team_repositories t on t.repository_id = i.repository_id
			where t.team <> $3`, database.Clean(id), newest, inventory.NoTeam)
		return err
	})
	slices.Sort(teams)
	return teams[:min(len(teams), 100)], err
}

// RecordKey registers a public key as a signer, with its audit entry, in one
// transaction, and moves the trust revision on. Images that wait for a key turn
// up in StaleMaterial; the repositories of those that nothing was kept of become
// due at once. The same key twice is a Conflict.
func (d *DB) RecordKey(ctx context.Context, s inventory.Signer, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		if _, err := bump(ctx, tx, "trust"); err != nil {
			return err
		}
		registered := entry.At
		if s.RegisteredAt != nil {
			registered = *s.RegisteredAt
		}
		const into = "insert into signers (id, kind, name, facts, public_key, registered_at, registered_by, standing)"
		row := [][]any{{s.ID, s.ID.Kind(), s.Name, jsonOf(s.Facts), s.PublicKey, ms(registered), s.RegisteredBy, inventory.Pending}}
		fresh, err := database.Inserted(ctx, tx, into, row, "on conflict (id) do nothing")
		if err != nil {
			return err
		}
		if fresh == 0 {
			seen, err := database.Inserted(ctx, tx, into, row, `
				on conflict (id) do update set
				  name = excluded.name, facts = excluded.facts, public_key = excluded.public_key,
				  registered_at = excluded.registered_at, registered_by = excluded.registered_by
				where signers.registered_at is null`)
			if err != nil {
				return err
			}
			if seen == 0 {
				return inventory.Errorf(inventory.Conflict, "This key is registered already.")
			}
		}
		if err := (deltas{{countStanding, string(inventory.Pending), ""}: int64(fresh)}).apply(ctx, d, tx, entry.At); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			update repositories
			set next_due_at = $1
			where next_due_at > $1 and not gone
			  and id in (select repository_id
			             from images
			             where reason = $2 and listed
			               and not exists (select 1 from materials where image_id = images.id))`,
			ms(entry.At), inventory.ReasonKeyUnknown)
		if err != nil {
			return err
		}
		return d.appendAudit(ctx, tx, entry)
	})
	if err != nil {
		return fmt.Errorf("registering a key: %w", err)
	}
	return nil
}

// Keys lists the registered public keys by id, and the revision of the trust
// material, which each registration moves on.
func (d *DB) Keys(ctx context.Context) ([]inventory.Signer, int64, error) {
	var list []inventory.Signer
	var revision int64
	err := d.sql.Read(ctx, func(q database.Querier) (err error) {
		if revision, err = database.Value[int64](ctx, q, "select value from revisions where name = 'trust'"); err != nil {
			return err
		}
		err = database.Each(ctx, q, "select "+signerColumns+" from signers where registered_at is not null order by id", func(rows *sql.Rows) error {
			s, err := scanSigner(rows)
			list = append(list, s)
			return err
		})
		if err != nil {
			return err
		}
		return standIn(ctx, q, list, d.clock())
	})
	return list, revision, err
}

// KeysRevision is the revision that Keys would answer. Asking for it costs the
// same however many keys there are.
func (d *DB) KeysRevision(ctx context.Context) (int64, error) {
	revision, err := database.Value[int64](ctx, d.sql.Reader, "select value from revisions where name = 'trust'")
	return revision, d.sql.Explain(err)
}

// SearchSigners finds up to most signers whose name or id contains q, whatever
// its case: those with the most images first.
func (d *DB) SearchSigners(ctx context.Context, q string, most int) ([]inventory.Signer, error) {
	q = strings.ToLower(strings.TrimSpace(q))
	if q == "" {
		return nil, nil
	}
	var list []inventory.Signer
	err := d.sql.Read(ctx, func(tx database.Querier) error {
		// Signers are thousands, not millions; the walk ends with the first
		// matches, and where there are none at a bound.
		var ids []inventory.SignerID
		err := database.Each(ctx, tx, "select id, name from signers order by images desc, id limit 20000", func(rows *sql.Rows) error {
			if len(ids) >= most {
				return errEnough
			}
			var id, name string
			err := rows.Scan(&id, &name)
			if strings.Contains(strings.ToLower(name), q) || strings.Contains(strings.ToLower(id), q) {
				ids = append(ids, inventory.SignerID(id))
			}
			return err
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
		err = database.EachIn(ctx, tx, "select "+signerColumns+" from signers where id in %s", ids, func(rows *sql.Rows) error {
			s, err := scanSigner(rows)
			list = append(list, s)
			return err
		})
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b inventory.Signer) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
		return standIn(ctx, tx, list, d.clock())
	})
	return list, err
}

// errEnough ends a walk early.
var errEnough = errors.New("enough")
