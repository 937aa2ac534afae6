package database

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/inventory/store/database/databasetest"
)

func TestOpenReading_makesNoDatabase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signboard.db")
	for range 2 { // without the file, and with an empty one
		if _, err := OpenReading(t.Context(), "sqlite:"+file); inventory.KindOf(err) != inventory.NotFound || !strings.Contains(err.Error(), file) {
			t.Errorf("it says %v", err)
		}
		if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) > 1 {
			t.Errorf("it left %v behind, %v", entries, err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenReading(t.Context(), databasetest.PostgresSchema(t)); inventory.KindOf(err) != inventory.NotFound {
		t.Errorf("of a schema without tables it says %v", err)
	}
}

func TestOpenReading_leavesTheFileAsItIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signboard.db")
	db, err := Open(t.Context(), "sqlite:"+file)
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	sum := func() [32]byte {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(b)
	}
	before := sum()
	read, err := OpenReading(t.Context(), "sqlite:"+file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Value[int](t.Context(), read.Reader, "select count(*) from images"); err != nil {
		t.Error(err)
	}
	if err := read.Close(); err != nil {
		t.Error(err)
	}
	if sum() != before {
		t.Error("the database is another after it was read")
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("beside the database it left %v, %v", entries, err)
	}
}

func TestOpenReading_refusesAnotherVersionsSchema(t *testing.T) {
	databasetest.OnBoth(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		for version, says := range map[string]string{"4711": "newer Signboard", "1": "older Signboard"} {
			if _, err := db.durable.ExecContext(t.Context(), "update goose_db_version set version_id = "+version+" where version_id >= 1"); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenReading(t.Context(), dsn); inventory.KindOf(err) != inventory.Invalid || !strings.Contains(err.Error(), says) {
				t.Errorf("of schema %s it says %v", version, err)
			}
		}
	})
	garbage := filepath.Join(t.TempDir(), "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("garbage ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenReading(t.Context(), "sqlite:"+garbage)
	if e, ok := errors.AsType[*inventory.Error](err); !ok || e.Kind == inventory.NotFound || !strings.Contains(e.Message, "not a Signboard database") {
		t.Errorf("of garbage it says %v", err)
	}
}
