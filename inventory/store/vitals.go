package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// Vitals reads what monitoring follows. It costs a few rows for each registry,
// however large the inventory is, and writes nothing.
func (d *DB) Vitals(ctx context.Context, now time.Time) (inventory.Vitals, error) {
	registries, err := d.Registries(ctx)
	if err != nil {
		return inventory.Vitals{}, fmt.Errorf("reading the registries: %w", err)
	}
	left, err := d.Reevaluation(ctx, now)
	if err != nil {
		return inventory.Vitals{}, fmt.Errorf("counting what is left to judge again: %w", err)
	}
	var v inventory.Vitals
	err = d.sql.Read(ctx, func(q database.Querier) error {
		v = inventory.Vitals{Reevaluating: left.Images, Signers: map[inventory.Standing]int{}, Decisions: map[inventory.Verb]int{}}
		of := map[string][]counted{}
		err := database.Each(ctx, q, "select kind, value, status, n from counters where kind in ($1, $2)", func(rows *sql.Rows) error {
			var kind string
			var c counted
			if err := rows.Scan(&kind, &c.value, &c.status, &c.n); err != nil {
				return err
			}
			if kind == countStanding {
				v.Signers[inventory.Standing(c.value)] = c.n
			} else {
				of[c.value] = append(of[c.value], c)
			}
			return nil
		}, countRegistry, countStanding)
		if err != nil {
			return err
		}
		for _, r := range registries {
			v.Registries = append(v.Registries, inventory.RegistryVitals{Registry: r, Counts: countsOf(of[strconv.FormatInt(r.ID, 10)])})
		}
		err = database.Each(ctx, q, `
			select verb, count(*), min(case when verb = $1 and state = $2 and expires_at > $3 then expires_at end)
			from decisions
			where state <> $4
			group by verb`, func(rows *sql.Rows) error {
			var verb inventory.Verb
			var n int
			var expires sql.NullInt64
			if err := rows.Scan(&verb, &n, &expires); err != nil {
				return err
			}
			v.Decisions[verb] = n
			if expires.Valid {
				v.NextExpiry = timeOrNil(expires)
			}
			return nil
		}, inventory.Approve, inventory.StateActive, ms(now), inventory.StateProposed)
		if err != nil {
			return err
		}
		ending, err := expiring(ctx, q, inventory.ExpiringSoon, now)
		if err != nil {
			return err
		}
		v.Expiring = map[time.Duration]int{inventory.ExpiringSoon: len(ending), inventory.ExpiringNext: 0, inventory.ExpiringAtOnce: 0}
		for _, e := range ending {
			for within := range v.Expiring {
				if within < inventory.ExpiringSoon && !e.Decision.ExpiresAt.After(now.Add(within)) {
					v.Expiring[within]++
				}
			}
		}
		v.AuditEntries, err = database.Value[int64](ctx, q, "select value from revisions where name = 'audit'")
		return err
	})
	if err != nil {
		return inventory.Vitals{}, fmt.Errorf("reading what monitoring follows: %w", err)
	}
	return v, nil
}

// Pools says how busy the connections to the database are, by what they are for.
func (d *DB) Pools() map[string]sql.DBStats { return d.sql.Pools() }
