package database

import (
	"os"
	"testing"

	"signboard/inventory/store/database/databasetest"
)

func TestMain(m *testing.M) { os.Exit(databasetest.Run(m)) }

func open(t *testing.T, dsn string) *DB {
	t.Helper()
	db, err := Open(t.Context(), dsn)
	if err != nil {
		t.Fatalf("opening the database: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return db
}
