package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBackup_whileSyncing copies a SQLite database while a sync goes on. Each
// copy is whole, is as the inventory was at one moment, and a second Signboard
// serves it and syncs on from there.
func TestBackup_whileSyncing(t *testing.T) {
	const repositories, copies = 150, 4
	key := newOwner(t)
	content := many(t, key, repositories)
	s := newSite(t, "sqlite", nil)
	c := content.serving(t)
	s.configure(c.url, "nobody", "")
	s.key(binary, key)
	p := s.serve(crashBinary(t), crashLease)
	base := s.base(p)
	var backups []string
	for n := range copies {
		file := filepath.Join(s.dir, fmt.Sprint("copy-", n, ".db"))
		if out, code := run(t, s.dir, "", "backup", file); code != 0 || !strings.Contains(out, "copied to "+file) {
			t.Fatalf("backup while syncing ends with %d:\n%s", code, out)
		}
		backups = append(backups, file)
	}
	want := s.settles("the sync that was backed up")
	if status, text := decide(t, s, base, "approve"); status != 303 {
		t.Fatalf("a decision beside backups is answered with %d:\n%s", status, text)
	}
	out, code := run(t, s.dir, "", "backup", backups[0])
	if code != 2 || !strings.Contains(out, "exists already") {
		t.Errorf("a backup over another ends with %d:\n%s", code, out)
	}
	must(t, p.stop())
	quiet(t, "the server beside backups", p)

	partly := 0
	for i, file := range backups {
		r := newSite(t, "sqlite", nil)
		text, err := os.ReadFile(file)
		must(t, err)
		must(t, os.WriteFile(r.file(), text, 0o600))
		r.sound(fmt.Sprint("copy ", i))
		db := r.open()
		n := 0
		must(t, db.QueryRow("select count(*) from images").Scan(&n))
		db.Close()
		if n < 2*repositories {
			partly++
		}
		r.configure(c.url, "nobody", "")
		if diff := difference(r.until(crashBinary(t), "a restored copy", crashLease), want); diff != "" {
			t.Errorf("copy %d, restored and synced, is another inventory:\n%s", i, diff)
		}
		r.sound(fmt.Sprint("copy ", i, ", restored and synced"))
	}
	t.Logf("%d of %d copies were made of an inventory half read", partly, copies)
	if partly == 0 {
		t.Error("no copy was made while the sync went on")
	}
}

// TestBackup_killed kills a backup half-way, over and over: a file that has the
// name of the copy is the whole copy.
func TestBackup_killed(t *testing.T) {
	w := newWorlds(t, "sqlite")
	s := newSite(t, "sqlite", w.approved)
	s.configure(w.before.serving(t).url, "nobody", "")
	killed := 0
	for n := range 20 {
		file := filepath.Join(s.dir, fmt.Sprint("copy-", n, ".db"))
		b, err := launch(binary, s.dir, nil, "backup", file)
		must(t, err)
		timer := time.AfterFunc(time.Duration(20+rand.IntN(150))*time.Millisecond, func() { b.cmd.Process.Kill() })
		<-b.end
		timer.Stop()
		b.cmd.Wait()
		if !b.cmd.ProcessState.Success() {
			killed++
		}
		if _, err := os.Stat(file); err != nil {
			if _, err := os.Stat(file + ".part"); err == nil { // the next one says what lies there
				if out, code := run(t, s.dir, "", "backup", file); code != 2 || !strings.Contains(out, "another backup is being written, or one was cut short") {
					t.Errorf("a backup after one that was killed ends with %d:\n%s", code, out)
				}
			}
			continue
		}
		r := newSite(t, "sqlite", nil)
		must(t, os.Rename(file, r.file()))
		r.sound("a backup that was killed, or not")
		if got := ask(t, r, "select cast(count(*) as text) from images"); got != fmt.Sprint(crashRepositories*crashTags) {
			t.Errorf("a copy has %s images", got)
		}
	}
	t.Logf("%d of 20 backups were killed", killed)
	if killed == 0 {
		t.Error("no backup was killed")
	}
}

// TestBackup_postgres holds what the documentation says: signboard backup names
// pg_dump, whose dump of a database that a sync is writing to can be restored
// and served.
func TestBackup_postgres(t *testing.T) {
	const repositories = 150
	key := newOwner(t)
	content := many(t, key, repositories)
	s := newSite(t, "postgres", nil)
	if s.pg.bin == "" {
		t.Skip("NOT TESTED: pg_dump and its restore. They need PostgreSQL's programs on this machine.")
	}
	c := content.serving(t)
	s.configure(c.url, "nobody", "")
	s.key(binary, key)
	if out, code := run(t, s.dir, "", "backup", "copy.db"); code != 2 || !strings.Contains(out, "pg_dump") {
		t.Errorf("backup of PostgreSQL ends with %d:\n%s", code, out)
	}
	p := s.serve(crashBinary(t), crashLease)
	s.base(p)
	dump, err := exec.Command(filepath.Join(s.pg.bin, "pg_dump"), "--format=custom", s.dsn).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	want := s.settles("the sync that was dumped")
	must(t, p.stop())
	quiet(t, "the server beside pg_dump", p)

	r := newSite(t, "postgres", nil)
	restore := exec.Command(filepath.Join(s.pg.bin, "pg_restore"), "--no-owner", "--dbname", r.dsn)
	restore.Stdin = bytes.NewReader(dump)
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("pg_restore: %v\n%s", err, out)
	}
	r.sound("restored")
	r.configure(c.url, "nobody", "")
	if diff := difference(r.until(crashBinary(t), "the restored database", crashLease), want); diff != "" {
		t.Errorf("restored and synced, it is another inventory:\n%s", diff)
	}
	r.sound("restored and synced")
}
