// Package store keeps the inventory in SQLite or PostgreSQL. All SQL of the
// program is here, one text for both databases; how a database is reached and in
// what the two differ is the room beneath's, store/database.
// It stores facts and verdicts and keeps the counts of them true. It never
// judges, but asks a Judge where a stored verdict was overtaken: which status follows from which evidence is inventory/policy's to
// say, and who may decide is inventory/decision's.
//
// Three rules hold everywhere. Counters change in the transaction of what they
// count. A decision, its audit entry and the mark on the images it concerns
// are one transaction. A page costs what the page shows, not what the
// inventory holds.
package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"signboard/inventory/store/database"
)

// DB is an inventory in an open database. Its methods may be called from any
// number of goroutines, and from several processes at once.
type DB struct {
	sql *database.DB
	ids idSource
	// clock is for the few reads that aren't given the time.
	clock func() time.Time

	judge Judge // nil: what is stored is shown
	left  atomic.Pointer[leftToJudge]

	seal *seal // of the audit log; nil: it isn't signed

	names     repositoryNames
	familiars familiarSigners

	overdueMu   sync.Mutex
	overdueKept map[overdueKey]overdueCount

	dayMu sync.Mutex
	day   string // the latest UTC day whose first write was seen
}

// Open opens the database that dsn names, sqlite:PATH or postgres://…, creating
// a SQLite file that isn't there, and brings its schema up to date. Several
// processes may do so at once. An error a person can do something about is an
// inventory.Error that says what.
func Open(ctx context.Context, dsn string) (*DB, error) {
	return opened(database.Open(ctx, dsn))
}

// OpenReading opens a database for reading alone: it creates nothing, leaves
// the schema as it is, and whatever would write fails. Others may read and write
// meanwhile. A database that isn't there, or that nothing was ever stored in, is
// NotFound; one whose schema is another version's is refused.
func OpenReading(ctx context.Context, dsn string) (*DB, error) {
	return opened(database.OpenReading(ctx, dsn))
}

func opened(d *database.DB, err error) (*DB, error) {
	if err != nil {
		return nil, err
	}
	return &DB{sql: d, clock: time.Now, overdueKept: map[overdueKey]overdueCount{}}, nil
}

// Close waits for the writes that are going on and closes the database.
func (d *DB) Close() error { return d.sql.Close() }

// Ready reports whether the database answers and its schema is this program's:
// a newer version may have changed it meanwhile, which is Invalid.
func (d *DB) Ready(ctx context.Context) error {
	if _, err := database.Value[int](ctx, d.sql.Reader, "select 1 from revisions where name = 'decisions'"); err != nil {
		return d.sql.Explain(err)
	}
	return d.sql.Current(ctx)
}

// Backup writes a consistent copy of a SQLite database to a file that must not
// exist yet, while others go on reading and writing. Only a whole copy gets the
// file's name. PostgreSQL has pg_dump for that, and the error says so.
func (d *DB) Backup(ctx context.Context, file string) error { return d.sql.Backup(ctx, file) }
