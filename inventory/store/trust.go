package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// TrustRoot is what was last fetched of a root of trust, and when; nil and the
// zero time when nothing was.
func (d *DB) TrustRoot(ctx context.Context, name string) ([]byte, time.Time, error) {
	if err := storableName(name); err != nil {
		return nil, time.Time{}, err
	}
	var raw []byte
	var at int64
	err := database.Row(ctx, d.sql.Reader, "select body, obtained_at from trust_roots where name = $1", []any{name}, &raw, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, d.sql.Explain(fmt.Errorf("reading the root of trust %q: %w", name, err))
	}
	return raw, timeOf(at), nil
}

// KeepTrustRoot keeps what was fetched of a root of trust at a moment. What was
// fetched earlier than what is there changes nothing.
func (d *DB) KeepTrustRoot(ctx context.Context, name string, raw []byte, at time.Time) error {
	if err := storableName(name); err != nil {
		return err
	}
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		before, err := database.Value[[]byte](ctx, tx, "select body from trust_roots where name = $1", name)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		n, err := database.Changed(tx.ExecContext(ctx, `
			insert into trust_roots (name, obtained_at, body)
			values ($1, $2, $3)
			on conflict (name) do update set obtained_at = excluded.obtained_at, body = excluded.body
			where excluded.obtained_at >= trust_roots.obtained_at`, name, ms(at), bytesOf(raw)))
		if was, is := trustedRoot(before), trustedRoot(raw); err != nil || n == 0 || was == is {
			return err
		} else {
			e := incident("trust.update", name, "The root of trust that was fetched is another one than before.", map[string]any{"digest": is}, at)
			if before != nil {
				e.Before = jsonOf(map[string]any{"digest": was})
			}
			return d.appendAudit(ctx, tx, e)
		}
	})
	if err != nil {
		return fmt.Errorf("keeping the root of trust %q: %w", name, err)
	}
	return nil
}

// trustedRoot is the digest of the root itself in what was fetched, without the
// metadata around it, which is new each day.
func trustedRoot(raw []byte) inventory.Digest {
	var held struct {
		TrustedRoot []byte `json:"trusted_root"`
	}
	if err := json.Unmarshal(raw, &held); err == nil && len(held.TrustedRoot) > 0 {
		raw = held.TrustedRoot
	}
	return inventory.DigestOf(raw)
}

// TUF is the state that was last kept of a collection of Docker Content Trust,
// by its globally unique name; nil when there is none.
func (d *DB) TUF(ctx context.Context, gun string) ([]byte, error) {
	if err := storableName(gun); err != nil {
		return nil, err
	}
	state, err := database.Value[[]byte](ctx, d.sql.Reader, "select body from tuf_states where gun = $1", gun)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, d.sql.Explain(fmt.Errorf("reading the state of %s: %w", gun, err))
	}
	return state, nil
}

// KeepTUF keeps a state in place of the one before. It is on the disk when
// KeepTUF returns: forgetting it would let the server go back.
func (d *DB) KeepTUF(ctx context.Context, gun string, state []byte) error {
	if err := storableName(gun); err != nil {
		return err
	}
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		_, err := tx.ExecContext(ctx, `
			insert into tuf_states (gun, body)
			values ($1, $2)
			on conflict (gun) do update set body = excluded.body`, gun, bytesOf(state))
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping the state of %s: %w", gun, err)
	}
	return nil
}

// storableName refuses a name that would be stored as another one: two of them
// must never share a row.
func storableName(name string) error {
	if !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0 {
		return inventory.Errorf(inventory.Invalid, "The name %q can't be stored.", inventory.Visible(strings.ToValidUTF8(name, "\uFFFD")))
	}
	return nil
}

// bytesOf makes empty content storable: nil would be null.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
