package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"time"

	"signboard/inventory/store/database"
)

// Sessions keeps browser sessions for alexedwards/scs, whose Store and CtxStore
// it implements. What is stored is the sha256 of a session's token, never the
// token: whoever reads the database can't take a session over.
type Sessions struct{ db *DB }

// Sessions is where browser sessions are kept.
func (d *DB) Sessions() *Sessions { return &Sessions{d} }

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// FindCtx returns the data of a session that hasn't expired.
func (s *Sessions) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	text, err := database.Value[string](ctx, s.db.sql.Reader, `
		select data
		from sessions
		where token_hash = $1 and expires_at > $2`, hashToken(token), ms(s.db.clock()))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, s.db.sql.Explain(err)
	}
	data, err := base64.StdEncoding.DecodeString(text)
	return data, err == nil, err
}

// slack is how much later a session may expire without being stored again.
const slack = time.Minute

// CommitCtx stores a session until expiry, in place of an older state of it, and
// removes some that have expired. When nothing but the expiry moved, and by less
// than slack, nothing is written: reading a page doesn't wait for a writer.
func (s *Sessions) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	same, err := database.Value[int](ctx, s.db.sql.Reader, `
		select count(*)
		from sessions
		where token_hash = $1 and data = $2 and expires_at > $3 and expires_at <= $4`,
		hashToken(token), base64.StdEncoding.EncodeToString(b), ms(expiry.Add(-slack)), ms(expiry))
	if err != nil {
		return s.db.sql.Explain(err)
	}
	if same > 0 {
		return nil
	}
	return s.db.sql.Write(ctx, func(tx database.Querier) error {
		_, err := tx.ExecContext(ctx, `
			delete from sessions
			where token_hash in (select token_hash from sessions where expires_at <= $1 order by expires_at limit 100)`, ms(s.db.clock()))
		if err != nil {
			return err
		}
		return database.Insert(ctx, tx, "insert into sessions (token_hash, data, expires_at)",
			[][]any{{hashToken(token), base64.StdEncoding.EncodeToString(b), ms(expiry)}},
			"on conflict (token_hash) do update set data = excluded.data, expires_at = excluded.expires_at")
	})
}

// DeleteCtx ends a session; one that isn't there is fine.
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error {
	return s.db.sql.Write(ctx, func(tx database.Querier) error {
		_, err := tx.ExecContext(ctx, "delete from sessions where token_hash = $1", hashToken(token))
		return err
	})
}

// Find is FindCtx without a context.
func (s *Sessions) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a context.
func (s *Sessions) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

// Delete is DeleteCtx without a context.
func (s *Sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }
