package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/pressly/goose/v3"

	"signboard/inventory"
	"signboard/migrations"
)

// OpenReading opens a database for reading alone: it creates nothing, leaves
// the schema as it is, and whatever would write fails. Others may read and write
// meanwhile. A database that isn't there, or that nothing was ever stored in, is
// NotFound; one whose schema is another version's is refused.
func OpenReading(ctx context.Context, dsn string) (*DB, error) {
	d, err := connectReading(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if err := d.Current(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func connectReading(ctx context.Context, dsn string) (*DB, error) {
	refused := Pool{DB: sql.OpenDB(refusal{})}
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		d, err := connect(ctx, dsn)
		if err == nil {
			d.bulk, d.durable = refused, refused
		}
		return d, err
	}
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, nothing(path)
	} else if err == nil && info.IsDir() {
		return nil, checkFile(path)
	}
	kind := Dialect{goose: goose.DialectSQLite3, where: path}
	return &DB{
		Dialect: kind,
		Reader:  Pool{sqlitePool(path, "mode=rw&_pragma=busy_timeout(10000)&_pragma=temp_store(memory)&_query_only=1", 4), kind, make(chan struct{}, 4)},
		bulk:    refused, durable: refused,
	}, nil
}

func nothing(where string) error {
	return inventory.Errorf(inventory.NotFound, "There is no inventory at %s yet: nothing was synced into it.", where)
}

// Current holds that the schema is the one this program knows. One of another
// version is Invalid, none at all NotFound.
func (d *DB) Current(ctx context.Context) error {
	var found int64
	err := d.Reader.QueryRowContext(ctx, "select max(version_id) from goose_db_version where is_applied").Scan(&found)
	if err != nil {
		if err := d.Explain(err); inventory.KindOf(err) != inventory.Internal {
			return err
		}
		return nothing(d.where) // there is no such table
	}
	provider, err := goose.NewProvider(d.goose, d.Reader.DB, migrations.FS, d.goMigrations())
	if err != nil {
		return fmt.Errorf("reading the embedded migrations: %w", err)
	}
	sources := provider.ListSources()
	switch known := sources[len(sources)-1].Version; {
	case found > known:
		return inventory.Errorf(inventory.Invalid,
			"The database %s was made by a newer Signboard (schema %d, this program knows %d). Use that version.", d.where, found, known)
	case found < known:
		return inventory.Errorf(inventory.Invalid,
			"The database %s was made by an older Signboard (schema %d, this program knows %d). Start this version's serve or sync once, which brings it up to date.",
			d.where, found, known)
	}
	return nil
}

// refusal stands in for the connections of a database that isn't written to.
type refusal struct{}

func (refusal) Connect(context.Context) (driver.Conn, error) {
	return nil, errors.New("the database was opened for reading alone")
}

func (refusal) Driver() driver.Driver { return nil }
