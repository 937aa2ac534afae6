package database

import (
	"context"
	"fmt"

	"github.com/pressly/goose/v3"

	"signboard/inventory"
	"signboard/migrations"
)

// migrate brings the schema up to date, or refuses a database from the future.
func (d *DB) migrate(ctx context.Context) error {
	options, err := d.migrationOptions()
	if err != nil {
		return fmt.Errorf("preparing migrations: %w", err)
	}
	provider, err := goose.NewProvider(d.goose, d.bulk.DB, migrations.FS, append(options, d.goMigrations())...)
	if err != nil {
		return fmt.Errorf("reading the embedded migrations: %w", err)
	}
	sources := provider.ListSources()
	known := sources[len(sources)-1].Version

	var failed error
	for range 5 {
		found := d.schemaVersion(ctx)
		if found > known {
			return inventory.Errorf(inventory.Invalid,
				"The database %s was made by a newer Signboard (schema %d, this program knows %d). Start that version, or restore a backup that this one made.",
				d.where, found, known)
		}
		if found == known {
			return nil
		}
		// On SQLite another process may be doing the same: then this fails, and
		// the next look finds it done.
		if _, failed = provider.Up(ctx); failed == nil {
			return nil
		}
	}
	return d.Explain(fmt.Errorf("bringing the schema of %s up to date: %w", d.where, failed))
}

// schemaVersion is the version the database is at, 0 while it has none. What
// keeps it from being read will keep the migrations from running, which say so.
func (d *DB) schemaVersion(ctx context.Context) int64 {
	var version int64
	err := d.bulk.QueryRowContext(ctx, "select max(version_id) from goose_db_version where is_applied").Scan(&version)
	if err != nil {
		return 0
	}
	return version
}
