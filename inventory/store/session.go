package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// Browser sessions are stored by the sha256 of their token, and what the provider
// handed out is sealed by its caller: whoever reads the database can't take a
// session over, nor become the person at the provider.

const sessionColumns = "token_hash, subject, name, groups, data, sealed, address, agent, created_at, last_seen_at, expires_at, renew_at"

var errNoSession = inventory.Errorf(inventory.NotFound, "There is no such session of yours, or it has ended already.")

func scanSession(scan func(...any) error) (inventory.Session, error) {
	var (
		s                      inventory.Session
		groups, data           string
		created, seen, expires int64
		renew                  sql.NullInt64
	)
	err := scan(&s.ID, &s.Subject, &s.Name, &groups, &data, &s.Sealed, &s.Address, &s.Agent, &created, &seen, &expires, &renew)
	if errors.Is(err, sql.ErrNoRows) {
		return inventory.Session{}, errNoSession
	}
	if err != nil {
		return inventory.Session{}, err
	}
	if s.Data, err = base64.StdEncoding.DecodeString(data); err != nil {
		return inventory.Session{}, fmt.Errorf("reading a session: %w", err)
	}
	s.CreatedAt, s.LastSeenAt, s.ExpiresAt, s.RenewAt = timeOf(created), timeOf(seen), timeOf(expires), timeOrNil(renew)
	return s, fromJSON(groups, &s.Groups)
}

// Session returns a session that hasn't expired, or fails with NotFound.
func (d *DB) Session(ctx context.Context, id string, now time.Time) (inventory.Session, error) {
	s, err := scanSession(d.sql.Reader.QueryRowContext(ctx, "select "+sessionColumns+" from sessions where token_hash = $1 and expires_at > $2", id, ms(now)).Scan)
	return s, d.sql.Explain(err)
}

// StartSession stores a new session with its audit entry. It takes some that have
// expired away, and those of the person that are more than MaxSessions.
func (d *DB) StartSession(ctx context.Context, s inventory.Session, entry inventory.AuditEntry) error {
	err := d.sql.Write(ctx, func(tx database.Querier) error {
		if err := d.appendAudit(ctx, tx, entry); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `
			delete from sessions
			where token_hash in (select token_hash from sessions where expires_at <= $1 order by expires_at limit 100)`, ms(s.CreatedAt)); err != nil {
			return err
		}
		err := database.Insert(ctx, tx, "insert into sessions ("+sessionColumns+")", [][]any{{
			s.ID, s.Subject, s.Name, jsonOf(s.Groups), base64.StdEncoding.EncodeToString(s.Data), s.Sealed, s.Address, s.Agent,
			ms(s.CreatedAt), ms(s.LastSeenAt), ms(s.ExpiresAt), msOrNull(s.RenewAt)}}, "")
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			delete from sessions
			where subject = $1 and token_hash not in (
				select token_hash
				from sessions
				where subject = $1
				order by last_seen_at desc, created_at desc
				limit $2)`, s.Subject, inventory.MaxSessions)
		return err
	})
	if err != nil {
		return fmt.Errorf("storing a session: %w", err)
	}
	return nil
}

// UseSession notes that a session was used: Data, LastSeenAt, ExpiresAt, Address
// and Agent of s are stored. One that has ended meanwhile stays ended.
func (d *DB) UseSession(ctx context.Context, s inventory.Session) error {
	return d.sql.Write(ctx, func(tx database.Querier) error {
		_, err := tx.ExecContext(ctx, `
			update sessions
			set data = $1, last_seen_at = $2, expires_at = $3, address = $4, agent = $5
			where token_hash = $6`,
			base64.StdEncoding.EncodeToString(s.Data), ms(s.LastSeenAt), ms(s.ExpiresAt), database.Clean(s.Address), database.Clean(s.Agent), s.ID)
		return err
	})
}

// ClaimRenewal moves the time at which a session is to be renewed from s.RenewAt
// to until, and reports whether that was done here: of several that want to renew
// a session, one does.
func (d *DB) ClaimRenewal(ctx context.Context, s inventory.Session, until time.Time) (bool, error) {
	n := 0
	err := d.sql.Write(ctx, func(tx database.Querier) (err error) {
		n, err = database.Changed(tx.ExecContext(ctx, "update sessions set renew_at = $1 where token_hash = $2 and renew_at = $3", ms(until), s.ID, msOrNull(s.RenewAt)))
		return err
	})
	return n == 1, err
}

// RenewSession stores what the provider says about a person now: Name, Groups,
// Sealed and RenewAt of s. It fails with NotFound when the session has ended
// meanwhile.
func (d *DB) RenewSession(ctx context.Context, s inventory.Session) error {
	return d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		n, err := database.Changed(tx.ExecContext(ctx, `
			update sessions
			set name = $1, groups = $2, sealed = $3, renew_at = $4
			where token_hash = $5`, database.Clean(s.Name), jsonOf(s.Groups), s.Sealed, msOrNull(s.RenewAt), s.ID))
		if err == nil && n == 0 {
			return errNoSession
		}
		return err
	})
}

// EndSession ends a session of a person, with its audit entry. It fails with
// NotFound when there is no such session, or when it is somebody else's.
func (d *DB) EndSession(ctx context.Context, id, subject string, entry inventory.AuditEntry) error {
	_, err := d.endSessions(ctx, entry, "token_hash = $1 and subject = $2", id, subject)
	return err
}

// EndOtherSessions ends all sessions of a person but one, with their audit entry,
// and returns how many there were. It fails with NotFound when there are none.
func (d *DB) EndOtherSessions(ctx context.Context, keep, subject string, entry inventory.AuditEntry) (int, error) {
	return d.endSessions(ctx, entry, "token_hash <> $1 and subject = $2", keep, subject)
}

func (d *DB) endSessions(ctx context.Context, entry inventory.AuditEntry, which string, args ...any) (n int, err error) {
	// Durably: a session that was ended must not be back after a power cut.
	err = d.sql.WriteDurably(ctx, func(tx database.Querier) error {
		if n, err = database.Changed(tx.ExecContext(ctx, "delete from sessions where "+which, args...)); err != nil {
			return err
		}
		if n == 0 {
			return errNoSession
		}
		return d.appendAudit(ctx, tx, entry)
	})
	return n, err
}

// SessionsOf lists a person's sessions that haven't expired, the one used last
// first. There are at most MaxSessions.
func (d *DB) SessionsOf(ctx context.Context, subject string, now time.Time) ([]inventory.Session, error) {
	var list []inventory.Session
	err := d.sql.Read(ctx, func(q database.Querier) error {
		list = nil
		return database.Each(ctx, q, `
			select `+sessionColumns+`
			from sessions
			where subject = $1 and expires_at > $2
			order by last_seen_at desc, token_hash
			limit $3`, func(rows *sql.Rows) error {
			s, err := scanSession(rows.Scan)
			list = append(list, s)
			return err
		}, subject, ms(now), inventory.MaxSessions)
	})
	return list, err
}
