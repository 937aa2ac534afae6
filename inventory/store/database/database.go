// Package database is how SQLite and PostgreSQL are reached: connections and
// pools, transactions and when they run again, the schema and its migrations,
// statements for many rows, and what an operator is told when it fails. What the
// two databases differ in is in dialect.go, and nowhere else.
//
// It knows no noun of the inventory. Which questions are asked, and what is kept
// in which table, is inventory/store's to say.
package database

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"signboard/inventory"
)

// DB is an open database. Its methods may be called from any number of
// goroutines, and from several processes at once.
type DB struct {
	Dialect
	// Reader answers single queries. Queries that have to agree with one another
	// belong in Read.
	Reader Pool
	// bulk takes what a sync finds: after a power cut the last moments of it may
	// be gone, and the registry still has them. durable takes decisions and the
	// audit log, which nobody has but us. On PostgreSQL both are the reader's
	// pool.
	bulk, durable Pool
	// turn is held by the one goroutine that writes to SQLite, and by the few that
	// write to PostgreSQL. Waiting here is fair and ends with the context; waiting
	// for SQLite's own lock is neither.
	turn chan struct{}
}

// Querier is what pools and transactions have in common. What is written for
// many rows at once has a text for each database.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	Postgres() bool
	// wait returns once it is the caller's turn to ask, or ctx ends.
	wait(ctx context.Context) (done func(), err error)
}

// Pool is connections of one kind. Each, Column, Value, Row and DB.Read wait in
// line for one. Its own methods don't: where many ask at once, database/sql gives a
// connection that becomes free to any of them, and some wait for very long.
type Pool struct {
	*sql.DB
	Dialect
	line chan struct{} // as many as there are connections; nil: nobody waits
}

func (p Pool) wait(ctx context.Context) (func(), error) {
	if p.line == nil {
		return func() {}, nil
	}
	select { // who waits to send is served in order
	case p.line <- struct{}{}:
		return func() { <-p.line }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type transaction struct {
	*sql.Tx
	Dialect
}

func (transaction) wait(context.Context) (func(), error) { return func() {}, nil }

// Open opens the database that dsn names, sqlite:PATH or postgres://…, creating
// a SQLite file that isn't there, and brings its schema up to date. Several
// processes may do so at once. An error a person can do something about is an
// inventory.Error that says what.
func Open(ctx context.Context, dsn string) (*DB, error) {
	d, err := connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if err := d.migrate(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close waits for the writes that are going on and closes the database.
func (d *DB) Close() error {
	for range cap(d.turn) {
		d.turn <- struct{}{}
		defer func() { <-d.turn }()
	}
	var first error
	for _, db := range []Pool{d.bulk, d.durable, d.Reader} {
		if err := db.Close(); err != nil && first == nil {
			first = fmt.Errorf("closing the database: %w", err)
		}
	}
	return first
}

// Read runs f on one consistent state of the database. What it and the writes
// below return has been through Explain.
func (d *DB) Read(ctx context.Context, f func(q Querier) error) error {
	done, err := d.Reader.wait(ctx)
	if err != nil {
		return err
	}
	defer done()
	tx, err := d.Reader.BeginTx(ctx, d.snapshot())
	for range connections { // those that a server closed when it restarted
		if !d.lost(err) || ctx.Err() != nil {
			break
		}
		tx, err = d.Reader.BeginTx(ctx, d.snapshot())
	}
	if err != nil {
		return d.Explain(err)
	}
	defer tx.Rollback()
	return d.Explain(f(transaction{tx, d.Dialect}))
}

// Write runs f in a transaction whose loss in a power cut a sync repairs.
// f may run more than once and must start from nothing each time.
func (d *DB) Write(ctx context.Context, f func(tx Querier) error) error {
	return d.transact(ctx, d.bulk, f)
}

// WriteDurably runs f in a transaction that is on the disk before it returns.
// f may run more than once and must start from nothing each time.
func (d *DB) WriteDurably(ctx context.Context, f func(tx Querier) error) error {
	return d.transact(ctx, d.durable, f)
}

// patience is how long a write waits for writers of other processes.
const patience = time.Minute

func (d *DB) transact(ctx context.Context, db Pool, f func(tx Querier) error) error {
	if d.turn != nil { // one that only reads has none, and is refused by the database
		select {
		case d.turn <- struct{}{}:
			defer func() { <-d.turn }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	deadline, losses := time.Now().Add(patience), 0
	for {
		committing, err := once(ctx, db, f)
		again := d.again(err)
		if d.lost(err) && (!committing || pgconn.SafeToRetry(err)) {
			// The server has rolled it back. A lost answer to the commit may mean
			// that it is done: who asked has to look.
			losses++
			again = losses <= connections
		}
		if err == nil || ctx.Err() != nil || !again {
			return d.Explain(err)
		}
		if time.Now().After(deadline) {
			return &inventory.Error{Kind: inventory.Unavailable, Err: err,
				Message: "The database is busy: something else has been writing to it for more than a minute. Try again."}
		}
		select {
		case <-time.After(time.Duration(5+rand.IntN(45)) * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// once runs f in a transaction and says how far it came.
func once(ctx context.Context, db Pool, f func(tx Querier) error) (committing bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	moment("begun")
	if err := f(transaction{tx, db.Dialect}); err != nil {
		return false, err
	}
	moment("committing")
	if err := tx.Commit(); err != nil {
		return true, err
	}
	moment("committed")
	return true, nil
}
