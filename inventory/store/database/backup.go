package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"signboard/inventory"
)

// Backup writes a consistent copy of a SQLite database to a file that must not
// exist yet, while others go on reading and writing. Only a whole copy gets the
// file's name. PostgreSQL has pg_dump for that, and the error says so.
func (d *DB) Backup(ctx context.Context, file string) error {
	if d.Postgres() {
		return inventory.Errorf(inventory.Invalid, "This inventory is in PostgreSQL at %s: back it up with pg_dump.", d.where)
	}
	if _, err := os.Lstat(file); err == nil {
		return inventory.Errorf(inventory.Invalid, "%s exists already. Name a file that doesn't, so that no older backup is overwritten.", file)
	}
	part := file + ".part"
	made, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return inventory.Errorf(inventory.Invalid, "%s exists: another backup is being written, or one was cut short. Remove it if no backup is running.", part)
	}
	if err != nil {
		return inventory.Errorf(inventory.Invalid, "The backup %s can't be written: %v.", file, cause(err))
	}
	defer os.Remove(part)
	defer made.Close()
	if err := d.copyInto(ctx, part); err != nil {
		return fmt.Errorf("writing the backup %s: %w", file, d.Explain(err))
	}
	if err := made.Sync(); err != nil {
		return fmt.Errorf("writing the backup %s: %w", file, err)
	}
	// A link, unlike a rename, never replaces a file; not every disk has them.
	if err := os.Link(part, file); err == nil {
		return nil
	}
	if err := os.Rename(part, file); err != nil {
		return fmt.Errorf("naming the backup %s: %w", file, err)
	}
	return nil
}
