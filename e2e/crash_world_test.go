package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// shelf is the content of a registry, for any number of servers.
type shelf struct {
	http.Handler
	o *owner // signs, and pushes to a server of its own
}

func newShelf(t *testing.T, key *owner) *shelf {
	t.Helper()
	s := &shelf{Handler: ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	o := *key
	o.registry = strings.TrimPrefix(server.URL, "http://")
	s.o = &o
	return s
}

// put pushes image number n, which is the same on every shelf, and signs it.
func (s *shelf) put(repository, tag string, n int, signed bool) {
	s.o.t.Helper()
	ref, err := name.ParseReference(s.o.registry + "/" + repository + ":" + tag)
	s.o.must(err)
	image, err := random.Image(32, 1, random.WithSource(rand.NewSource(int64(n))))
	s.o.must(err)
	s.o.must(remote.Write(ref, image))
	if signed {
		digest, err := image.Digest()
		s.o.must(err)
		s.o.sign(repository, digest, digest)
	}
}

// counter is a registry that writes down what it was asked for.
type counter struct {
	url string
	// gate, when not nil, is called before a list of tags is answered, and may
	// hold it back until ctx ends.
	gate func(ctx context.Context, who string)

	mu    sync.Mutex
	asked []asked
}

type asked struct{ who, method, path string }

// serving serves a shelf. Whoever asks has to say who they are: any name does.
func (s *shelf) serving(t *testing.T) *counter {
	t.Helper()
	c := &counter{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _, ok := r.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		c.mu.Lock()
		c.asked = append(c.asked, asked{who, r.Method, r.URL.Path})
		c.mu.Unlock()
		if c.gate != nil && strings.HasSuffix(r.URL.Path, "/tags/list") {
			c.gate(r.Context(), who)
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// all is what was asked for since the first n requests.
func (c *counter) all(n int) []asked {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked[n:])
}

// site is a database and a folder with a configuration that names it.
type site struct {
	t   *testing.T
	dir string
	dsn string
	pg  *postgres // nil: the database is a SQLite file

	published string // the file that checkpoints of the audit log are published to, if any
}

// newSite makes one with an empty database, or with a copy of another's.
func newSite(t *testing.T, kind string, template *site) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	if kind == "sqlite" {
		s.dsn = "sqlite:" + filepath.Join(s.dir, "signboard.db")
		if template != nil {
			template.copyTo(s.file())
		}
		return s
	}
	s.pg = sharedPostgres(t)
	from := ""
	if template != nil {
		from = template.dsn
		s.pg.alone(t, from)
	}
	s.dsn = s.pg.database(t, from)
	return s
}

func (s *site) file() string { return strings.TrimPrefix(s.dsn, "sqlite:") }

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// configure writes the configuration and returns where it will listen.
func (s *site) configure(registry, who, more string) {
	s.t.Helper()
	text := fmt.Sprintf("listen: %s\ndatabase: %q\nregistries:\n  - {name: local, url: %q, allow_private: true, username: %s, password: x}\n%s",
		freeAddress(s.t), s.dsn, registry, who, more)
	s.must(os.WriteFile(filepath.Join(s.dir, "signboard.yaml"), []byte(text), 0o600))
}

// serve starts the program.
func (s *site) serve(binary string, env ...string) *program {
	s.t.Helper()
	p, err := launch(binary, s.dir, env, "serve")
	s.must(err)
	s.t.Cleanup(p.kill)
	return p
}

var serving = regexp.MustCompile(`msg=serving address=(\S+)`)

// base waits until the program serves and returns its address.
func (s *site) base(p *program) string {
	s.t.Helper()
	match, err := p.wait(serving)
	s.must(err)
	return match[1]
}

// open opens the database beside the program.
func (s *site) open() *sql.DB {
	s.t.Helper()
	driver, dsn := "pgx", s.dsn
	if s.pg == nil {
		driver, dsn = "sqlite", "file:"+s.file()+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, dsn)
	s.must(err)
	s.t.Cleanup(func() { db.Close() })
	return db
}

// copyTo copies a SQLite database that nobody writes to, as it is on the disk:
// with its write-ahead log.
func (s *site) copyTo(file string) {
	s.t.Helper()
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(s.file() + end)
		if os.IsNotExist(err) {
			continue // it was killed before there was one
		}
		s.must(err)
		s.must(os.WriteFile(file+end, data, 0o600))
	}
}

// aside is the database as a dead process left it. Of SQLite's file it is a
// copy: recovering it is the program's work, not the test's.
func (s *site) aside() *site {
	s.t.Helper()
	if s.pg != nil {
		s.pg.alone(s.t, s.dsn)
		return s
	}
	c := &site{t: s.t, dir: s.t.TempDir(), published: s.published}
	c.dsn = "sqlite:" + filepath.Join(c.dir, "signboard.db")
	s.copyTo(c.file())
	return c
}

// sound holds that nothing in the database contradicts anything else in it: the
// file is whole, counters equal a recount, each decision has its entry in the
// audit log, and each entry its decision, and the log is as it was signed.
func (s *site) sound(when string) {
	s.t.Helper()
	db := s.open()
	defer db.Close()
	if s.pg == nil {
		if _, err := os.Stat(s.file()); err != nil {
			return
		}
		var says string
		s.must(db.QueryRow("pragma integrity_check").Scan(&says))
		if says != "ok" {
			s.t.Fatalf("%s: integrity_check: %s", when, says)
		}
	}
	if !exists(db, "audit_entries") {
		return // killed before there was a schema
	}
	for what, query := range map[string]string{
		"images have a tag and no verdict":               "select count(*) from images i join tags g on g.image_id = i.id where i.checked_at is null",
		"tags point at no image":                         "select count(*) from tags where image_id not in (select id from images)",
		"signatures belong to no image":                  "select count(*) from signatures where image_id not in (select id from images)",
		"images have no history":                         "select count(*) from images where id not in (select image_id from verdict_history)",
		"decisions and their entries don't match":        "select abs((select count(*) from decisions) - (select count(*) from audit_entries where action like 'signer.%'))",
		"keys and their entries don't match":             "select abs((select count(*) from signers where registered_at is not null) - (select count(*) from audit_entries where action = 'key.register'))",
		"entries say quarantined, and nothing is":        "select abs((select count(*) from audit_entries where action = 'image.quarantine') - (select count(*) from quarantines))",
		"entries say released, and nothing is":           "select abs((select count(*) from audit_entries where action = 'image.release') - (select count(*) from quarantines where released_at is not null))",
		"tokens and their entries don't match":           "select abs((select count(*) from tokens) - (select count(*) from audit_entries where action = 'token.create'))",
		"the log's indexes have gaps":                    "select coalesce(max(idx) + 1, 0) - count(*) from audit_entries",
		"the log is longer or shorter than its revision": "select (select count(*) from audit_entries) - (select value from revisions where name = 'audit')",
	} {
		var n int
		if err := db.QueryRow(query).Scan(&n); err != nil {
			if !strings.Contains(err.Error(), "no such table") && !strings.Contains(err.Error(), "does not exist") {
				s.t.Fatalf("%s: %s: %v", when, query, err)
			}
			continue // killed between two migrations
		}
		if n != 0 {
			s.t.Errorf("%s: %d %s", when, n, what)
		}
	}
	db.Close()
	cmd := exec.Command(crashBinary(s.t))
	cmd.Env = append(os.Environ(), "SIGNBOARD_TEST_RECOUNT="+s.dsn)
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "older Signboard") && !strings.Contains(string(out), "no inventory") {
		s.t.Errorf("%s: counting again: %v\n%s", when, err, out)
	}
	cmd = exec.Command(binary, "audit", "verify", "--config", "-")
	cmd.Dir, cmd.Stdin = s.dir, strings.NewReader(fmt.Sprintf("database: %q\naudit: {checkpoint_file: %q}\n", s.dsn, s.published))
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "older Signboard") && !strings.Contains(string(out), "no inventory") {
		s.t.Errorf("%s: the audit log: %v\n%s", when, err, out)
	}
}

func exists(db *sql.DB, table string) bool {
	var n int
	return db.QueryRow("select count(*) from "+table).Scan(&n) == nil
}

// told is everything about an inventory that doesn't depend on when it came
// about, and in which order.
func told(db *sql.DB) ([]string, error) {
	var lines []string
	for _, query := range []string{
		"select 'repository', full_name, gone, failing_reason, '' from repositories",
		"select 'image', r.full_name || '@' || i.digest, i.status || ' ' || i.reason || ' ' || i.last_good_status, i.listed, coalesce(q.reason, '') from images i join repositories r on r.id = i.repository_id left join quarantines q on q.id = i.quarantine_id",
		"select 'tag', r.full_name, t.name, t.digest, i.digest from tags t join repositories r on r.id = t.repository_id join images i on i.id = t.image_id",
		"select 'move', r.full_name, t.tag, t.from_digest, t.to_digest from tag_moves t join repositories r on r.id = t.repository_id",
		"select 'verdict', r.full_name || '@' || i.digest, v.from_status, v.to_status, v.reason from verdict_history v join images i on i.id = v.image_id join repositories r on r.id = i.repository_id",
		"select 'signatures', r.full_name || '@' || i.digest, count(*), '', '' from signatures g join images i on i.id = g.image_id join repositories r on r.id = i.repository_id group by r.full_name, i.digest",
		"select 'signer', standing, images, waiting, revision from signers",
		"select 'decision', verb, state, revision, reason from decisions",
		"select 'quarantine', q.repository, q.tag, q.digest, case when q.released_at is null then 'stands' else 'released' end from quarantines q",
		"select 'audit', action, reason, count(*), '' from audit_entries where action <> 'config.change' group by action, reason", // a restored copy is configured anew
		"select 'day', kind, value, status, n from daily_counters d where n > 0 and day = (select max(day) from daily_counters) and kind = 'all'",
	} {
		rows, err := db.Query(query)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var f [5]any
			if err := rows.Scan(&f[0], &f[1], &f[2], &f[3], &f[4]); err != nil {
				return nil, err
			}
			for i, v := range f {
				switch v := v.(type) {
				case []byte:
					f[i] = string(v)
				case bool: // SQLite has numbers for them
					f[i] = 0
					if v {
						f[i] = 1
					}
				}
			}
			lines = append(lines, strings.TrimSpace(fmt.Sprintln(f[:]...)))
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	slices.Sort(lines)
	return lines, nil
}

// left is how much is still to do: due, leased, or to be judged again.
func left(db *sql.DB) (n int, err error) {
	now := time.Now().Add(time.Minute).UnixMilli() // what becomes due while we ask is due
	err = db.QueryRow(`
		select (select count(*) from registries where not removed and (next_due_at <= $1 or lease_until > 0))
		  + (select count(*) from repositories where not gone and (next_due_at <= $1 or lease_until > 0))
		  + (select count(*) from images where review_at <= $1)
		  + (select count(*) from signers where rejudge)`, now).Scan(&n)
	return n, err
}

// settles waits until nothing is left to do, and returns what is there then.
func (s *site) settles(what string) []string {
	s.t.Helper()
	db := s.open()
	defer db.Close()
	var lines []string
	eventually(s.t, what+": the work ends", func() (string, bool) {
		n, err := left(db)
		if err != nil || n > 0 {
			var which []string
			for _, table := range []string{"registries", "repositories"} {
				var name string
				var due, lease int64
				if db.QueryRow("select name, next_due_at, lease_until from "+table+" where lease_until > 0 or next_due_at <= $1 limit 1", time.Now().UnixMilli()).Scan(&name, &due, &lease) == nil {
					which = append(which, fmt.Sprintf("of %s %s, due in %d ms, leased for %d ms", table, name, due-time.Now().UnixMilli(), lease-time.Now().UnixMilli()))
				}
			}
			return fmt.Sprint(n, " things are left ", which, ", ", err), false
		}
		if lines, err = told(db); err != nil {
			return err.Error(), false
		}
		return fmt.Sprint(len(lines), " lines, none of a repository"), slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "repository") })
	})
	return lines
}

// difference names the lines that only one of two lists has.
func difference(have, want []string) string {
	var b strings.Builder
	count := map[string]int{}
	for _, l := range have {
		count[l]++
	}
	for _, l := range want {
		count[l]--
	}
	for l, n := range count {
		switch {
		case n > 0:
			fmt.Fprintf(&b, "too much  (%d) %s\n", n, l)
		case n < 0:
			fmt.Fprintf(&b, "not there (%d) %s\n", -n, l)
		}
	}
	return b.String()
}

// quiet holds that a program logged nothing that somebody must act on, and
// nothing that the databases say of each other's transactions.
func quiet(t *testing.T, what string, p *program) {
	t.Helper()
	for line := range strings.Lines(p.printed()) {
		low := strings.ToLower(line)
		for _, word := range []string{"level=error", "panic", "deadlock", "serializ", "database is locked", "is busy", "sqlstate"} {
			if strings.Contains(low, word) {
				t.Errorf("%s logs: %s", what, line)
				break
			}
		}
	}
}

var crashing = sync.OnceValues(func() (string, error) {
	file := filepath.Join(runtimeDir, "signboard-crash")
	if out, err := exec.Command("go", "build", "-tags", "crash", "-o", file, "signboard/cmd/signboard").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program to be killed: %v\n%s", err, out)
	}
	return file, nil
})

// crashBinary is the program built with the tag crash.
func crashBinary(t *testing.T) string {
	t.Helper()
	file, err := crashing()
	if err != nil {
		t.Fatal(err)
	}
	return file
}
