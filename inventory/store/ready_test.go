package store

import (
	"context"
	"testing"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// TestReady_asksForTheDatabaseAndItsSchema holds what a load balancer goes by.
func TestReady_asksForTheDatabaseAndItsSchema(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		db, err := Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Ready(t.Context()); err != nil {
			t.Errorf("just opened: %v", err)
		}
		err = db.sql.Write(t.Context(), func(tx database.Querier) error {
			_, err := tx.ExecContext(t.Context(), "insert into goose_db_version (version_id, is_applied) values (9999, true)")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Ready(t.Context()); inventory.KindOf(err) != inventory.Invalid {
			t.Errorf("with a newer schema: %v", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := db.Ready(gone); err == nil {
			t.Error("nobody waits for an answer, and there is one")
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Ready(t.Context()); err == nil || inventory.KindOf(err) == inventory.Invalid {
			t.Errorf("closed: %v", err)
		}
	})
}
