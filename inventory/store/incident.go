package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// quietFor is how long nothing more is written down about something that comes and
// goes: an incident that flaps a thousand times an hour is one beginning and one end.
const quietFor = time.Hour

// program is who writes down what nobody asked for.
var program = inventory.Actor{Kind: inventory.SystemActor, Name: "signboard"}

// incident is the entry of something that happened by itself.
func incident(action, object, reason string, after any, now time.Time) inventory.AuditEntry {
	e := inventory.AuditEntry{At: now, Actor: program, Action: action, Object: object, Reason: reason}
	if after != nil {
		e.After = jsonOf(after)
	}
	return e
}

// registryFails writes down that a registry can't be read: when that begins, and
// not sooner than an hour after the last time that it began.
func (d *DB) registryFails(ctx context.Context, tx database.Querier, id int64, name string, failure *inventory.LookError, now time.Time) error {
	n, err := database.Changed(tx.ExecContext(ctx, `
		update registries
		set incident = true, incident_at = $1
		where id = $2 and not incident and incident_at <= $3`, ms(now), id, ms(now.Add(-quietFor))))
	if err != nil || n == 0 {
		return err
	}
	return d.appendAudit(ctx, tx, incident("registry.fail", name, failure.Message, map[string]any{"reason": failure.Reason}, now))
}

// registryAnswers writes down that a registry can be read again, when it is written
// down that it couldn't.
func (d *DB) registryAnswers(ctx context.Context, tx database.Querier, id int64, name string, now time.Time) error {
	n, err := database.Changed(tx.ExecContext(ctx, "update registries set incident = false where id = $1 and incident", id))
	if err != nil || n == 0 {
		return err
	}
	return d.appendAudit(ctx, tx, incident("registry.recover", name, "The registry can be read again.", nil, now))
}

// lately reports whether an entry of an action about an object was written within
// the last hour.
func lately(ctx context.Context, q database.Querier, action, object string, now time.Time) (bool, error) {
	return database.Value[bool](ctx, q, "select exists (select 1 from audit_entries where object = $1 and at > $2 and at <= $3 and action = $4)",
		object, ms(now.Add(-quietFor)), ms(now), action)
}

// maxVanished is how many images an entry about removed signatures names.
const maxVanished = 20

// signaturesVanished writes down that images are no longer trusted since a
// signature was removed from the registry: once for a repository in an hour.
func (d *DB) signaturesVanished(ctx context.Context, tx database.Querier, flagged map[int64][]inventory.Digest, now time.Time) error {
	for id, digests := range flagged {
		name, err := database.Value[string](ctx, tx, "select full_name from repositories where id = $1", id)
		if err != nil {
			return err
		}
		if known, err := lately(ctx, tx, "signature.vanish", name, now); err != nil || known {
			if err != nil {
				return err
			}
			continue
		}
		why := fmt.Sprintf("A signature that was trusted is gone from the registry: %d images of the repository are no longer trusted.", len(digests))
		if len(digests) == 1 {
			why = "A signature that was trusted is gone from the registry: an image of the repository is no longer trusted."
		}
		err = d.appendAudit(ctx, tx, incident("signature.vanish", name, why, map[string]any{"images": digests[:min(len(digests), maxVanished)], "count": len(digests)}, now))
		if err != nil {
			return err
		}
	}
	return nil
}

// clockRewound writes down that what a clock left that was ahead was taken back.
func (d *DB) clockRewound(ctx context.Context, judged int, now time.Time) error {
	return d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		if known, err := lately(ctx, tx, "clock.rewind", "clock", now); err != nil || known {
			return err
		}
		return d.appendAudit(ctx, tx, incident("clock.rewind", "clock", "This machine's clock was put back. What was judged in what is the future now is judged again.", map[string]any{"images": judged}, now))
	})
}

// Settings are parts of the configuration by name, each as JSON.
type Settings map[string]json.RawMessage

// RecordSettings keeps the configuration that is in force from now on, with the
// entries that say in what it differs from the one before; changed makes those. The
// first time there is no one before: it is given nil.
func (d *DB) RecordSettings(ctx context.Context, is Settings, changed func(before Settings) []inventory.AuditEntry) error {
	same := func(q database.Querier) (before Settings, same bool, err error) {
		var rows [][2]string
		err = database.Each(ctx, q, "select name, body from config_parts", database.ScanInto(&rows, func(r *[2]string) []any { return []any{&r[0], &r[1]} }))
		if err != nil || len(rows) == 0 {
			return nil, false, err
		}
		before = Settings{}
		same = len(rows) == len(is)
		for _, r := range rows {
			before[r[0]] = json.RawMessage(r[1])
			same = same && string(is[r[0]]) == r[1]
		}
		return before, same, nil
	}
	if _, is, err := same(d.sql.Reader); err == nil && is { // as at most starts
		return nil
	}
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		if _, err := lockRevision(ctx, d, tx, "audit"); err != nil { // of several that start at once, one writes
			return err
		}
		before, known, err := same(tx)
		if err != nil || known {
			return err
		}
		if _, err := tx.ExecContext(ctx, "delete from config_parts"); err != nil {
			return err
		}
		var rows [][]any
		for name, body := range is {
			rows = append(rows, []any{name, string(body)})
		}
		if err := database.Insert(ctx, tx, "insert into config_parts (name, body)", rows, ""); err != nil {
			return err
		}
		for _, e := range changed(before) {
			if err := d.appendAudit(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keeping the configuration: %w", err)
	}
	return nil
}
