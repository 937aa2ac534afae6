package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// shared is the PostgreSQL of all tests that don't stop theirs: the one that
// SIGNBOARD_TEST_POSTGRES names, or a throwaway one. With neither the tests
// fail; none is skipped.
var shared struct {
	once sync.Once
	pg   *postgres
	err  error
}

func sharedPostgres(t *testing.T) *postgres {
	t.Helper()
	shared.once.Do(func() {
		if dsn := os.Getenv("SIGNBOARD_TEST_POSTGRES"); dsn != "" {
			shared.pg = &postgres{dsn: dsn}
			return
		}
		shared.pg, shared.err = newPostgres()
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.pg
}

// postgres is a PostgreSQL server on a Unix socket in a folder of its own.
type postgres struct {
	dsn  string // of its database postgres
	dir  string
	bin  string
	attr syscall.SysProcAttr
	cmd  *exec.Cmd
	done chan error
}

// newPostgres makes and starts a server. Who calls it stops it.
func newPostgres() (*postgres, error) {
	p := &postgres{}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian keeps them out of PATH
	slices.SortFunc(found, func(a, b string) int { return pgVersion(b) - pgVersion(a) })
	if len(found) > 0 {
		p.bin = filepath.Dir(found[0])
	} else if path, err := exec.LookPath("initdb"); err == nil {
		p.bin = filepath.Dir(path)
	} else {
		return nil, fmt.Errorf("PostgreSQL isn't installed, and these tests have to run on it: apt-get install postgresql, or name a database of your own in SIGNBOARD_TEST_POSTGRES")
	}
	var err error
	if p.dir, err = os.MkdirTemp("", "signboard-e2e-pg-"); err != nil { // short: the path of a socket has to be
		return nil, err
	}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			if u, err = user.Lookup("nobody"); err != nil {
				return nil, fmt.Errorf("PostgreSQL doesn't run as root, and there is no user postgres or nobody: %w", err)
			}
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		p.attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(p.dir, uid, gid); err != nil {
			return nil, err
		}
	}
	initdb := exec.Command(filepath.Join(p.bin, "initdb"), "-D", filepath.Join(p.dir, "data"), "-U", "signboard", "-A", "trust", "-E", "UTF8",
		"--no-sync", "--locale=C", "--locale-provider=icu", "--icu-locale=en")
	initdb.SysProcAttr, initdb.Dir = &p.attr, p.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	p.dsn = "postgres://signboard@/postgres?host=" + url.QueryEscape(p.dir)
	return p, p.start()
}

func pgVersion(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}

// start starts the server and waits until it answers.
func (p *postgres) start() error {
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(filepath.Join(p.bin, "postgres"), "-D", filepath.Join(p.dir, "data"), "-k", p.dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200")
	attr := p.attr
	attr.Pdeathsig = syscall.SIGQUIT // also when the test run is killed
	p.cmd.SysProcAttr, p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = &attr, p.dir, log, log
	p.done = make(chan error, 1)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is about the thread that started it
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.done <- p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting postgres: %w", err)
	}
	db, err := sql.Open("pgx", p.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case end := <-p.done:
			text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
			return fmt.Errorf("postgres ended: %v\n%s", end, text)
		case <-ctx.Done():
			return fmt.Errorf("postgres doesn't answer: %w", err)
		}
	}
}

// stop ends the server and everybody's connections to it.
func (p *postgres) stop() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGINT) // fast shutdown
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill()
		<-p.done
	}
	p.cmd = nil
}

// remove ends the server for good.
func (p *postgres) remove() {
	p.stop()
	if p.dir != "" {
		os.RemoveAll(p.dir)
	}
}

var databases atomic.Int64

// database makes an empty database, or a copy of a template that nobody is
// connected to, and returns its address. It is dropped after the test.
func (p *postgres) database(t *testing.T, template string) string {
	t.Helper()
	name := fmt.Sprintf("e2e_%d_%d", os.Getpid(), databases.Add(1))
	statement := "create database " + name
	if template != "" {
		statement += " template " + p.name(template)
	}
	p.exec(t, statement)
	t.Cleanup(func() {
		if db, err := sql.Open("pgx", p.dsn); err == nil {
			db.Exec("drop database " + name + " with (force)")
			db.Close()
		}
	})
	u, err := url.Parse(p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// name is the name of the database that an address leads to.
func (p *postgres) name(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		panic(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

// exec runs a statement as the server's owner.
func (p *postgres) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("pgx", p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// alone waits until nobody is connected to a database: a process that was
// killed may have left a statement behind that its server still works on.
func (p *postgres) alone(t *testing.T, dsn string) {
	t.Helper()
	db, err := sql.Open("pgx", p.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	eventually(t, "the killed process's connections end", func() (string, bool) {
		var n int
		err := db.QueryRow("select count(*) from pg_stat_activity where datname = $1", p.name(dsn)).Scan(&n)
		return fmt.Sprint(n, " are left, ", err), err == nil && n == 0
	})
}

// eventually waits until something holds; is says how it is instead.
func eventually(t *testing.T, what string, holds func() (is string, ok bool)) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		is, ok := holds()
		if ok {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: not within a minute: %s", what, is)
		case <-tick.C:
		}
	}
}
