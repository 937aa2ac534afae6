package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"signboard/inventory"
	"signboard/inventory/store/database/databasetest"
)

// refused opens a database that can't be opened and returns what a person is
// told.
func refused(t *testing.T, dsn string, words ...string) {
	t.Helper()
	db, err := Open(t.Context(), dsn)
	if err == nil {
		db.Close()
		t.Fatalf("%s was opened", dsn)
	}
	e, ok := errors.AsType[*inventory.Error](err)
	if !ok {
		t.Fatalf("not an error for people: %v", err)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("the message doesn't say %q: %s", w, e.Message)
		}
	}
}

func TestOpen_saysWhatIsWrongAndWhatToDo(t *testing.T) {
	dir := t.TempDir()
	refused(t, "mysql:x", "sqlite:PATH", "postgres://")
	refused(t, "sqlite:", "path of a file")
	refused(t, "sqlite:"+dir, dir, "is a folder", "Name a file in it")
	refused(t, "sqlite:"+dir+"/no/x.db", dir+"/no", "doesn't exist", "Create it")
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, "sqlite:"+text, text, "not a Signboard database")
	refused(t, "sqlite:"+text+"/x.db", text, "not a folder")
	refused(t, "postgres://%zz", "postgres://user:password@host:5432/name")
}

func TestOpen_refusesFolderItCannotWriteTo(t *testing.T) {
	dir := t.TempDir()
	for path := dir; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		os.Chmod(path, 0o755)
	}
	file := filepath.Join(dir, "old.db")
	open(t, "sqlite:"+file)
	for path, mode := range map[string]os.FileMode{dir: 0o555, file: 0o444} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	if os.Getuid() == 0 { // whom no permission stops; on this thread somebody else looks at files
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		syscall.Setfsuid(65534)
		defer syscall.Setfsuid(0)
	}
	refused(t, "sqlite:"+filepath.Join(dir, "new.db"), dir, "permission denied", "Let this user write")
	refused(t, "sqlite:"+file, file, "permission denied", "Let this user write")
}

func TestOpen_refusesDatabaseOfNewerVersion(t *testing.T) {
	databasetest.OnBoth(t, func(t *testing.T, dsn string) {
		db := open(t, dsn)
		known := db.schemaVersion(t.Context())
		if _, err := db.bulk.Exec("insert into goose_db_version (version_id, is_applied) values ($1, true)", known+4); err != nil {
			t.Fatal(err)
		}
		refused(t, dsn, fmt.Sprintf("made by a newer Signboard (schema %d, this program knows %d)", known+4, known), "restore a backup")
	})
}

func TestOpen_unreachablePostgres(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close() // nobody listens there now
	refused(t, "postgres://dana:secret@"+address+"/signboard", address, "can't be reached", "refused", "Start it")
	_, err = Open(t.Context(), "postgres://dana:secret@"+address+"/signboard")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the password is in the message: %v", err)
	}
	refused(t, strings.Replace(databasetest.Postgres(t), "/postgres", "/nosuch", 1), "no such database", "Create it")
}

func TestOpen_severalAtOnce(t *testing.T) {
	databasetest.OnBoth(t, func(t *testing.T, dsn string) {
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				db, err := Open(t.Context(), dsn)
				if err != nil {
					t.Errorf("opening: %v", err)
					return
				}
				if _, err := Value[int](t.Context(), db.Reader, "select 1 from revisions where name = 'decisions'"); err != nil {
					t.Errorf("reading: %v", err)
				}
				if err := db.Close(); err != nil {
					t.Errorf("closing: %v", err)
				}
			})
		}
		all.Wait()
	})
}

func TestOpen_pathIsTakenLiterally(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a?b#c %d.db")
	open(t, "sqlite:"+file)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
}

func TestWrite_endsWithItsContext(t *testing.T) {
	db := open(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	release, held := make(chan struct{}), make(chan struct{})
	go db.Write(t.Context(), func(Querier) error { close(held); <-release; return nil })
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.WriteDurably(ctx, func(Querier) error { t.Error("it ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled write says %v", err)
	}
	close(release)
}
