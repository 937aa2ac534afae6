// Package store keeps the inventory in SQLite or PostgreSQL. All SQL of the
// program is here, one text for both databases; what differs is in dialect.go.
// It stores facts and verdicts and keeps the counts of them true. It never
// judges: which status follows from which evidence is inventory/policy's to
// say, and who may decide is inventory/decision's.
//
// Three rules hold everywhere. Counters change in the transaction of what they
// count. A decision, its audit entry and the mark on the images it concerns
// are one transaction. A page costs what the page shows, not what the
// inventory holds.
package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"signboard/inventory"
)

// DB is an open database. Its methods may be called from any number of
// goroutines, and from several processes at once.
type DB struct {
	dialect dialect
	reader  pool
	// bulk takes what a sync finds: after a power cut the last moments of it may
	// be gone, and the registry still has them. durable takes decisions and the
	// audit log, which nobody has but us. On PostgreSQL both are the reader's
	// pool.
	bulk, durable pool
	// turn is held by the one goroutine that writes to SQLite, and by the few that
	// write to PostgreSQL. Waiting here is fair and ends with the context; waiting
	// for SQLite's own lock is neither.
	turn chan struct{}
	ids  idSource
	// clock is for the few reads that aren't given the time.
	clock func() time.Time

	names repositoryNames

	overdueMu   sync.Mutex
	overdueKept map[overdueKey]overdueCount

	dayMu sync.Mutex
	day   string // the latest UTC day whose first write was seen
}

// querier is what pools and transactions have in common. What is written for
// many rows at once has a text for each database.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	postgres() bool
}

type pool struct {
	*sql.DB
	dialect
}

type transaction struct {
	*sql.Tx
	dialect
}

// Open opens the database that dsn names, sqlite:PATH or postgres://…, creating
// a SQLite file that isn't there, and brings its schema up to date. Several
// processes may do so at once. An error a person can do something about is an
// inventory.Error that says what.
func Open(ctx context.Context, dsn string) (*DB, error) {
	d, err := connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	d.clock = time.Now
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
	for _, db := range []pool{d.bulk, d.durable, d.reader} {
		if err := db.Close(); err != nil && first == nil {
			first = fmt.Errorf("closing the database: %w", err)
		}
	}
	return first
}

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	var one int
	return d.explain(d.reader.QueryRowContext(ctx, "select 1 from revisions where name = 'decisions'").Scan(&one))
}

// read runs f on one consistent state of the database.
func (d *DB) read(ctx context.Context, f func(q querier) error) error {
	tx, err := d.reader.BeginTx(ctx, d.dialect.snapshot())
	for range connections { // those that a server closed when it restarted
		if !d.dialect.lost(err) || ctx.Err() != nil {
			break
		}
		tx, err = d.reader.BeginTx(ctx, d.dialect.snapshot())
	}
	if err != nil {
		return d.explain(err)
	}
	defer tx.Rollback()
	return d.explain(f(transaction{tx, d.dialect}))
}

// write runs f in a transaction whose loss in a power cut a sync repairs.
// f may run more than once and must start from nothing each time.
func (d *DB) write(ctx context.Context, f func(tx querier) error) error {
	return d.transact(ctx, d.bulk, f)
}

// writeDurably runs f in a transaction that is on the disk before it returns.
// f may run more than once and must start from nothing each time.
func (d *DB) writeDurably(ctx context.Context, f func(tx querier) error) error {
	return d.transact(ctx, d.durable, f)
}

// patience is how long a write waits for writers of other processes.
const patience = time.Minute

func (d *DB) transact(ctx context.Context, db pool, f func(tx querier) error) error {
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
		again := d.dialect.again(err)
		if d.dialect.lost(err) && (!committing || pgconn.SafeToRetry(err)) {
			// The server has rolled it back. A lost answer to the commit may mean
			// that it is done: who asked has to look.
			losses++
			again = losses <= connections
		}
		if err == nil || ctx.Err() != nil || !again {
			return d.explain(err)
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
func once(ctx context.Context, db pool, f func(tx querier) error) (committing bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	moment("begun")
	if err := f(transaction{tx, db.dialect}); err != nil {
		return false, err
	}
	moment("committing")
	if err := tx.Commit(); err != nil {
		return true, err
	}
	moment("committed")
	return true, nil
}

// idSource makes ids that grow with time: 41 bits of milliseconds, then 22 bits
// that start anywhere in each millisecond, so that ids of several processes
// hardly ever meet; when they do, the primary key says so and the transaction
// runs again.
type idSource struct {
	mu   sync.Mutex
	last int64
}

// epoch is 2024-01-01: ids made this way last until 2093.
const epoch = 1704067200000

func (s *idSource) next(now time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := (now.UnixMilli()-epoch)<<22 | rand.Int64N(1<<21)
	if id>>22 <= s.last>>22 { // the same millisecond, or the clock went back
		id = s.last + 1
	}
	s.last = id
	return id
}

// firstID is where the ids of rows made since a moment begin.
func firstID(since time.Time) int64 { return max(0, since.UnixMilli()-epoch) << 22 }
