//go:build bench

package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgres is a PostgreSQL to measure on: the database that
// SIGNBOARD_TEST_POSTGRES names, whose content is lost, or a cluster of our own
// that vanishes with the test. Each inventory lives in a schema of its own.
type postgres struct {
	dsn     string
	admin   *pgx.Conn
	version string
}

func newPostgres(ctx context.Context, t *testing.T) *postgres {
	t.Helper()
	dsn := os.Getenv("SIGNBOARD_TEST_POSTGRES")
	if dsn == "" {
		dsn = startCluster(ctx, t)
	}
	p := &postgres{dsn: dsn}
	var err error
	if p.admin, err = pgx.Connect(ctx, dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.admin.Close(context.Background()) })
	if err := p.admin.QueryRow(ctx, "show server_version").Scan(&p.version); err != nil {
		t.Fatal(err)
	}
	p.version, _, _ = strings.Cut(p.version, " ")
	return p
}

func (p *postgres) engine() engine {
	return engine{name: "PostgreSQL", database: func(name string) string {
		schema := pgx.Identifier{p.schema(name)}.Sanitize()
		for _, statement := range []string{"drop schema if exists " + schema + " cascade", "create schema " + schema} {
			if _, err := p.admin.Exec(context.Background(), statement); err != nil {
				panic(fmt.Sprintf("bench: %s: %v", statement, err))
			}
		}
		u, err := url.Parse(p.dsn)
		if err != nil {
			panic("bench: " + err.Error())
		}
		q := u.Query()
		q.Set("search_path", p.schema(name))
		u.RawQuery = q.Encode()
		return u.String()
	}}
}

func (p *postgres) schema(name string) string { return "bench_" + strings.ToLower(name) }

// vacuum does what the server does by itself a while after many writes.
func (p *postgres) vacuum(ctx context.Context) error {
	_, err := p.admin.Exec(ctx, "vacuum analyze")
	return err
}

// rowsRead is how many rows the server has read of each table of a schema so
// far: those of sequential scans, and the entries that its indexes gave. The
// connections of the program have to be closed, which is when the server
// accounts for what they did.
func (p *postgres) rowsRead(ctx context.Context, schema string) (map[string]int64, error) {
	for {
		var connected int
		err := p.admin.QueryRow(ctx, "select count(*) from pg_stat_activity where application_name = 'signboard' and datname = current_database()").Scan(&connected)
		if err != nil {
			return nil, err
		}
		if connected == 0 {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	rows, err := p.admin.Query(ctx, `
		select t.relname, t.seq_tup_read
		       + coalesce((select sum(i.idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid), 0)::bigint
		from pg_stat_user_tables t
		where t.schemaname = $1`, schema)
	if err != nil {
		return nil, err
	}
	read := map[string]int64{}
	var name string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error { read[name] = n; return nil })
	return read, err
}

// startCluster makes a PostgreSQL in a temporary directory that only this
// machine reaches, fast rather than safe, and stops it with the test.
func startCluster(ctx context.Context, t *testing.T) string {
	t.Helper()
	bin := postgresBin(t)
	dir, err := os.MkdirTemp("", "signboard-bench-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 { // the server refuses to run as root
		attributes.Credential = serverUser(t)
		if err := os.Chown(dir, int(attributes.Credential.Uid), int(attributes.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir, c.SysProcAttr = dir, attributes
		c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
		return c
	}
	if out, err := command("initdb", "-D", data, "-U", "signboard", "-A", "trust", "-E", "UTF8", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	server := command("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "autovacuum=off",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_wal_size=4GB")
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Wait() }()
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT) // fast shutdown
		<-stopped
	})
	dsn := "postgres://signboard@/postgres?host=" + url.QueryEscape(dir)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		conn, err := pgx.Connect(ctx, dsn)
		if err == nil {
			conn.Close(ctx)
			return dsn
		}
		select {
		case <-poll.C:
		case err := <-stopped:
			stopped <- err
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("PostgreSQL stopped at its start: %v\n%s", err, said)
		case <-ctx.Done():
			t.Fatalf("PostgreSQL doesn't answer: %v", err)
		}
	}
}

func postgresBin(t *testing.T) string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb"} {
		matches, _ := filepath.Glob(pattern)
		found = append(found, matches...)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		t.Fatal("The pages are measured on PostgreSQL too, and there is none here. Install it (Debian, Ubuntu: apt-get install postgresql), or name a database whose content may be lost: SIGNBOARD_TEST_POSTGRES=postgres://USER@HOST/DATABASE")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

func serverUser(t *testing.T) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("PostgreSQL doesn't run as root, and there is no user postgres here: %v", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
