package store

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

const tokenColumns = "id, name, role, subject, created_at, created_by, expires_at, last_used_at, last_used_from, revoked_at, revoked_by"

var errNoToken = inventory.Errorf(inventory.NotFound, "There is no such token.")

// scanToken reads tokenColumns, and what more was asked for after them.
func scanToken(scan func(...any) error, more ...any) (inventory.Token, error) {
	var (
		t                      inventory.Token
		role                   string
		created                int64
		expires, used, revoked sql.NullInt64
	)
	err := scan(append([]any{&t.ID, &t.Name, &role, &t.Subject, &created, &t.CreatedBy, &expires, &used, &t.LastUsedFrom, &revoked, &t.RevokedBy}, more...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return inventory.Token{}, errNoToken
	}
	if err != nil {
		return inventory.Token{}, err
	}
	if t.Role, err = inventory.ParseRole(role); err != nil {
		// Not an error for a person: a role that this version doesn't know
		// lets nobody in.
		return inventory.Token{}, fmt.Errorf("token %s has the role %q", t.ID, role)
	}
	t.CreatedAt, t.ExpiresAt, t.LastUsedAt, t.RevokedAt = timeOf(created), timeOrNil(expires), timeOrNil(used), timeOrNil(revoked)
	return t, nil
}

// RecordToken stores a new token, by the hash of its secret, with its audit
// entry. It fails with Conflict when a live token has the name already, or any
// token the id.
func (d *DB) RecordToken(ctx context.Context, t inventory.Token, hash string, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		// First, since this is where writers take turns: of two that give away the
		// same name, the later one sees the earlier one's token.
		if err := d.appendAudit(ctx, tx, entry); err != nil {
			return err
		}
		switch n, err := database.Value[int](ctx, tx, "select count(*) from tokens where id = $1", t.ID); {
		case err != nil:
			return err
		case n > 0:
			return inventory.Errorf(inventory.Conflict, "This form has made its token already, and a token is shown only once. If nobody kept it, revoke it and make another one.")
		}
		switch n, err := database.Value[int](ctx, tx, `
			select count(*)
			from tokens
			where name = $1 and revoked_at is null and (expires_at is null or expires_at > $2)`, t.Name, ms(t.CreatedAt)); {
		case err != nil:
			return err
		case n > 0:
			return inventory.Errorf(inventory.Conflict, "There is a live token called %s already. Choose another name, or revoke that one first.", inventory.Visible(t.Name))
		}
		return database.Insert(ctx, tx, "insert into tokens (hash, "+tokenColumns+")", [][]any{{
			hash, t.ID, t.Name, t.Role.String(), t.Subject, ms(t.CreatedAt), t.CreatedBy, msOrNull(t.ExpiresAt),
			msOrNull(t.LastUsedAt), t.LastUsedFrom, msOrNull(t.RevokedAt), t.RevokedBy}}, "")
	})
	if err != nil {
		return fmt.Errorf("storing a token: %w", err)
	}
	return nil
}

// RecordTokenRevocation ends a token: RevokedAt and RevokedBy of t are stored
// with the audit entry. It fails with Conflict when it was revoked before. A
// token that has expired can be revoked too.
func (d *DB) RecordTokenRevocation(ctx context.Context, t inventory.Token, entry inventory.AuditEntry) error {
	err := d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		n, err := database.Changed(tx.ExecContext(ctx, `
			update tokens
			set revoked_at = $1, revoked_by = $2
			where id = $3 and revoked_at is null`, msOrNull(t.RevokedAt), t.RevokedBy, t.ID))
		if err != nil {
			return err
		}
		if n == 0 {
			return inventory.Errorf(inventory.Conflict, "This token has been revoked already.")
		}
		return d.appendAudit(ctx, tx, entry)
	})
	if err != nil {
		return fmt.Errorf("revoking a token: %w", err)
	}
	return nil
}

// Token returns the token with an id, or else the live one with that name, or
// fails with NotFound.
func (d *DB) Token(ctx context.Context, idOrName string, now time.Time) (inventory.Token, error) {
	t, err := scanToken(func(into ...any) error {
		return database.Row(ctx, d.sql.Reader, `
			select `+tokenColumns+`
			from tokens
			where id = $1 or name = $1 and revoked_at is null and (expires_at is null or expires_at > $2)
			order by case when id = $1 then 0 else 1 end
			limit 1`, []any{database.Clean(idOrName), ms(now)}, into...)
	})
	return t, d.sql.Explain(err)
}

// TokenByHash returns the token whose secret has the hash, in whatever state it
// is, or fails with NotFound. How long the index takes says something about
// hashes, which nobody can choose the beginning of; that the answer is the right
// one is compared in constant time.
func (d *DB) TokenByHash(ctx context.Context, hash string) (inventory.Token, error) {
	var stored string
	t, err := scanToken(func(into ...any) error {
		return database.Row(ctx, d.sql.Reader, "select "+tokenColumns+", hash from tokens where hash = $1", []any{hash}, into...)
	}, &stored)
	if err != nil {
		return inventory.Token{}, d.sql.Explain(err)
	}
	if subtle.ConstantTimeCompare([]byte(stored), []byte(hash)) != 1 {
		return inventory.Token{}, errNoToken
	}
	return t, nil
}

// TokenUseEvery is how much time lies at least between two writes of when a
// token was last used.
const TokenUseEvery = time.Minute

// RecordTokenUse notes that a token was used, unless that was noted less than
// TokenUseEvery ago. An older use never replaces a newer one.
func (d *DB) RecordTokenUse(ctx context.Context, id string, at time.Time, address string) error {
	return d.sql.Write(ctx, func(tx database.Querier) error {
		_, err := tx.ExecContext(ctx, `
			update tokens
			set last_used_at = $1, last_used_from = $2
			where id = $3 and (last_used_at is null or last_used_at <= $4)`, ms(at), database.Clean(address), id, ms(at.Add(-TokenUseEvery)))
		return err
	})
}

// Tokens lists those that are live, or those that are over; both newest first.
func (d *DB) Tokens(ctx context.Context, live bool, p inventory.Page, now time.Time) ([]inventory.Token, string, error) {
	before, last, err := cursorPair(p.Cursor)
	if err != nil {
		return nil, "", err
	}
	which := "revoked_at is null and (expires_at is null or expires_at > $1)"
	if !live {
		which = "(revoked_at is not null or expires_at <= $1)"
	}
	var list []inventory.Token
	err = d.sql.Read(ctx, func(q database.Querier) error {
		list = nil
		return database.Each(ctx, q, `
			select `+tokenColumns+`
			from tokens
			where `+which+` and (created_at, id) < ($2, $3)
			order by created_at desc, id desc
			limit $4`, func(rows *sql.Rows) error {
			t, err := scanToken(rows.Scan)
			list = append(list, t)
			return err
		}, ms(now), before, database.Clean(last), p.Size()+1)
	})
	if err != nil || len(list) <= p.Size() {
		return list, "", err
	}
	list = list[:p.Size()]
	end := list[len(list)-1]
	return list, pairCursor(ms(end.CreatedAt), end.ID), nil
}
