package store

import (
	"os"
	"testing"

	"signboard/inventory/store/database/databasetest"
)

func TestMain(m *testing.M) { os.Exit(databasetest.Run(m)) }

// onBoth runs a test on an empty database of each kind.
func onBoth(t *testing.T, test func(t *testing.T, dsn string)) { databasetest.OnBoth(t, test) }

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
