// Package databasetest gives tests an empty database of each kind: SQLite, and a
// real PostgreSQL, which is the one that SIGNBOARD_TEST_POSTGRES names, or a
// throwaway cluster on a Unix socket. With neither a test fails; portability that
// isn't run is only a hope.
package databasetest

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

// Run runs a package's tests and ends the PostgreSQL that they used, if any. It is
// for TestMain, which exits with what it returns.
func Run(m *testing.M) int {
	defer cluster.stop()
	return m.Run()
}

// OnBoth runs a test on an empty database of each kind.
func OnBoth(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "signboard.db")) })
	t.Run("postgres", func(t *testing.T) { test(t, PostgresSchema(t)) })
}

var schemas atomic.Int64

// PostgresSchema makes an empty schema and returns the address that uses it.
func PostgresSchema(t *testing.T) string {
	t.Helper()
	base := Postgres(t)
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1))
	db, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("create schema " + name); err != nil {
		t.Fatalf("making a schema: %v", err)
	}
	t.Cleanup(func() {
		db, err := sql.Open("pgx", base)
		if err == nil {
			db.Exec("drop schema " + name + " cascade")
			db.Close()
		}
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// Postgres is the address of the PostgreSQL, without a schema of the test's own.
func Postgres(t *testing.T) string {
	t.Helper()
	base, err := cluster.address()
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// cluster is a PostgreSQL for the length of a test run.
var cluster throwaway

type throwaway struct {
	once sync.Once
	dsn  string
	err  error
	dir  string
	cmd  *exec.Cmd
	done chan error
}

func (c *throwaway) address() (string, error) {
	c.once.Do(func() {
		if c.dsn = os.Getenv("SIGNBOARD_TEST_POSTGRES"); c.dsn == "" {
			c.err = c.start()
		}
	})
	return c.dsn, c.err
}

func (c *throwaway) start() error {
	bin, err := postgresBinaries()
	if err != nil {
		return err
	}
	// PostgreSQL refuses to run as root.
	attr := &syscall.SysProcAttr{}
	if c.dir, err = os.MkdirTemp("", "signboard-pg-"); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		uid, gid, err := ordinaryUser()
		if err != nil {
			return err
		}
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
		if err := os.Chown(c.dir, int(uid), int(gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(c.dir, "data")
	// A linguistic collation, as many installations have: nothing may depend on
	// text being sorted by its bytes.
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "signboard", "-A", "trust", "-E", "UTF8", "--no-sync",
		"--locale=C", "--locale-provider=icu", "--icu-locale=en")
	initdb.SysProcAttr, initdb.Dir = attr, c.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(c.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	c.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", c.dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=100")
	serverAttr := *attr
	serverAttr.Pdeathsig = syscall.SIGQUIT // also when the test run is killed
	c.cmd.SysProcAttr, c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = &serverAttr, c.dir, log, log
	c.done = make(chan error, 1)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is about the thread that started it
		if err := c.cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		c.done <- c.cmd.Wait()
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting postgres: %w", err)
	}
	c.dsn = "postgres://signboard@/postgres?host=" + url.QueryEscape(c.dir)
	return c.ready()
}

// ready waits until the server answers.
func (c *throwaway) ready() error {
	db, err := sql.Open("pgx", c.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case exit := <-c.done:
			log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			return fmt.Errorf("postgres ended: %v\n%s", exit, log)
		case <-ctx.Done():
			return fmt.Errorf("postgres doesn't answer: %w", err)
		}
	}
}

func (c *throwaway) stop() {
	if c.cmd != nil && c.cmd.Process != nil {
		c.cmd.Process.Signal(syscall.SIGINT) // fast shutdown
		select {
		case <-c.done:
		case <-time.After(10 * time.Second):
			c.cmd.Process.Kill()
		}
	}
	if c.dir != "" {
		os.RemoveAll(c.dir)
	}
}

// postgresBinaries is the folder of initdb and postgres: Debian keeps them out
// of PATH, one folder for each version.
func postgresBinaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	return "", fmt.Errorf("PostgreSQL isn't installed, and this suite has to run on it: apt-get install postgresql, or name a database of your own in SIGNBOARD_TEST_POSTGRES")
}

func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}

func ordinaryUser() (uid, gid uint32, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, lookup := user.Lookup(name)
		if lookup != nil {
			err = lookup
			continue
		}
		id, _ := strconv.ParseUint(u.Uid, 10, 32)
		group, _ := strconv.ParseUint(u.Gid, 10, 32)
		return uint32(id), uint32(group), nil
	}
	return 0, 0, fmt.Errorf("PostgreSQL doesn't run as root, and there is no user postgres or nobody: %w", err)
}
