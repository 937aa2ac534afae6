package e2e

import (
	"context"
	cryptorand "crypto/rand"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestCrash_killedAnywhere kills the program with SIGKILL at random moments of
// its syncs, over and over, and then lets one end: it starts, carries on, and
// what it counts is what is there.
func TestCrash_killedAnywhere(t *testing.T) {
	const repositories, unsigned, kills = 12, 24, 30
	o := newOwner(t)
	for n := range repositories {
		o.push(fmt.Sprintf("team/app-%d", n), "signed", true)
		for i := range unsigned {
			ref, err := name.ParseReference(fmt.Sprintf("%s/team/app-%d:v%d", o.registry, n, i))
			o.must(err)
			image, err := random.Image(32, 1)
			o.must(err)
			o.must(remote.Write(ref, image))
		}
	}
	if out, code := run(t, o.dir, "", "key", "add", "--name", "release", "cosign.pub"); code != 0 {
		t.Fatalf("key add ends with %d:\n%s", code, out)
	}

	const most = repositories * (unsigned + 1)
	killed := 0
	for range kills {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond+rand.N(400*time.Millisecond))
		cmd := exec.CommandContext(ctx, binary, "sync", "--progress", "none") // CommandContext ends it with SIGKILL
		cmd.Dir = o.dir
		cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
		err := cmd.Run()
		if ctx.Err() != nil && err != nil {
			killed++
		} else if err != nil {
			t.Errorf("a sync after a kill: %v", err)
		}
		cancel()
		if n := o.count("select count(*) from images i join tags g on g.image_id = i.id where i.status not in ('unsigned', 'unapproved')"); n > 0 {
			t.Fatalf("%d images are half written", n)
		}
	}
	if killed < kills/3 {
		t.Errorf("only %d of %d syncs were killed", killed, kills)
	}

	out, code := run(t, o.dir, "", "sync", "--progress", "none")
	if code != 0 || !strings.Contains(out, fmt.Sprintf("in %d repositories", repositories)) {
		t.Errorf("the last sync ends with %d:\n%s", code, out)
	}
	for query, want := range map[string]int{
		"select count(*) from images":                                                                   most,
		"select count(*) from images where listed":                                                      most,
		"select count(*) from tags":                                                                     most,
		"select count(*) from tag_moves":                                                                most,
		"select count(*) from verdict_history":                                                          most,
		"select count(*) from images where status = 'unapproved'":                                       repositories,
		"select count(*) from signatures where body like '%\"outcome\":\"verified\"%'":                  repositories,
		"select count(*) from images where status = 'unsigned'":                                         most - repositories,
		"select coalesce(sum(n), 0) from counters where kind = 'all' and status = 'unapproved'":         repositories,
		"select coalesce(sum(n), 0) from counters where kind = 'all' and status = 'unsigned'":           most - repositories,
		"select coalesce(sum(n), 0) from counters where kind = 'all' and status in ('unknown','stale')": 0,
		"select count(*) from repositories where next_due_at > 0 and synced_at is not null":             repositories,
	} {
		if got := o.count(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

// count asks the database behind the program's back.
func (o *owner) count(query string) (n int) {
	o.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(o.dir, "signboard.db"))
	o.must(err)
	defer db.Close()
	if err := db.QueryRow(query).Scan(&n); err != nil && !strings.Contains(err.Error(), "no such table") {
		o.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// worlds are the two contents that the registry of the crash tests has, one
// after the other, and an inventory of the first.
type worlds struct {
	kind          string
	key           *owner
	before, after *shelf
	synced        *site // of before, with the key registered
	approved      *site // that one with the key approved
}

const (
	crashRepositories = 8
	crashTags         = 4
)

func newWorlds(t *testing.T, kind string) *worlds {
	w := &worlds{kind: kind, key: newOwner(t)}
	w.before, w.after = newShelf(t, w.key), newShelf(t, w.key)
	for n := range crashRepositories {
		for i := range crashTags {
			w.before.put(fmt.Sprint("team/app-", n), fmt.Sprint("v", i), 10*n+i, i == 0)
		}
	}
	for n := range crashRepositories + 1 {
		for i := range crashTags {
			repository, tag, image, signed := fmt.Sprint("team/app-", n), fmt.Sprint("v", i), 10*n+i, i == 0
			switch {
			case n == 0: // the repository is gone
				continue
			case n == 1 && i == 2: // a tag is gone
				continue
			case n == 2 && i == 2: // a tag was moved to a new image
				image = 1000
			case n == 3 && i == 2: // a tag was moved to an image that is there
				image = 10*n + 1
			case n == 4 && i == 0: // a signature is gone
				signed = false
			case n == 5 && i == 1: // a signature has come
				signed = true
			}
			w.after.put(repository, tag, image, signed)
		}
	}
	w.synced = newSite(t, kind, nil)
	w.synced.configure(w.before.serving(t).url, "nobody", "")
	w.synced.key(binary, w.key)
	w.synced.until(binary, "a first sync")
	w.approved = newSite(t, kind, w.synced)
	w.approved.configure(w.before.serving(t).url, "nobody", "")
	p := w.approved.serve(binary)
	approveKey(t, w.approved, w.approved.base(p))
	w.approved.settles("an approval")
	p.kill()
	return w
}

// key registers the owner's key.
func (s *site) key(binary string, o *owner, env ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), binary, "key", "add", "--name", "release", filepath.Join(o.dir, "cosign.pub"))
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil && len(env) == 0 {
		s.t.Fatalf("key add: %v\n%s", err, out)
	}
	return string(out)
}

// until runs the program until nothing is left to do, kills it, and returns what
// is there.
func (s *site) until(binary, what string, env ...string) []string {
	s.t.Helper()
	p := s.serve(binary, env...)
	s.base(p)
	lines := s.settles(what)
	p.kill()
	quiet(s.t, what, p)
	return lines
}

// act is what a person does, at most once: whether it was done is asked of the
// database.
type act struct {
	is string // counts it
	do func(t *testing.T, s *site, base string)
}

func send(t *testing.T, address string, form url.Values) {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.PostForm(address, form)
	if err != nil {
		return // it was killed before it answered
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusSeeOther {
		body, _ := io.ReadAll(r.Body)
		t.Errorf("POST %s is answered with %s:\n%s", address, r.Status, body)
	}
}

func ask(t *testing.T, s *site, query string) (text string) {
	t.Helper()
	db := s.open()
	defer db.Close()
	s.must(db.QueryRow(query).Scan(&text))
	return text
}

func approveKey(t *testing.T, s *site, base string) {
	id := ask(t, s, "select id from signers where registered_at is not null")
	send(t, base+"/signers/"+url.PathEscape(id)+"/decisions", url.Values{
		"decision": {"approve"}, "repositories": {"**"}, "reason": {"Our own key."},
		"revision": {ask(t, s, "select cast(revision as text) from signers where registered_at is not null")},
	})
}

func rejectKey(t *testing.T, s *site, base string) {
	id := ask(t, s, "select id from signers where registered_at is not null")
	send(t, base+"/signers/"+url.PathEscape(id)+"/decisions", url.Values{
		"decision": {"reject"}, "reason": {"Not ours."},
		"revision": {ask(t, s, "select cast(revision as text) from signers where registered_at is not null")},
	})
}

// makeToken isn't led anywhere: the answer shows the token.
func makeToken(t *testing.T, _ *site, base string) {
	client := http.Client{Timeout: 20 * time.Second}
	r, err := client.PostForm(base+"/tokens", url.Values{"name": {"pipeline"}, "role": {"viewer"}, "lasts": {"30d"},
		"form": {strings.ToLower(cryptorand.Text())}})
	if err != nil {
		return // it was killed before it answered
	}
	defer r.Body.Close()
	if r.StatusCode >= http.StatusBadRequest {
		body, _ := io.ReadAll(r.Body)
		t.Errorf("POST /tokens is answered with %s:\n%s", r.Status, body)
	}
}

func quarantineImage(t *testing.T, s *site, base string) {
	send(t, base+"/quarantine", url.Values{
		"digest":     {ask(t, s, "select t.digest from tags t join repositories r on r.id = t.repository_id where r.name = 'team/app-3' and t.name = 'v0'")},
		"repository": {"local/team/app-3"}, "reason": {"It crashes."},
	})
}

func releaseImage(t *testing.T, s *site, base string) {
	if ask(t, s, "select cast(count(*) as text) from quarantines") == "0" {
		quarantineImage(t, s, base)
	}
	send(t, base+"/quarantine/"+ask(t, s, "select id from quarantines")+"/release", url.Values{"reason": {"It doesn't any more."}})
}

// journey is something that a program does and is killed in.
type journey struct {
	from  func(*worlds) *site // nil: an empty database
	after bool                // the registry has its later content
	act   *act
}

var journeys = map[string]journey{
	"first sync":  {},
	"later sync":  {from: func(w *worlds) *site { return w.approved }, after: true},
	"approval":    {from: func(w *worlds) *site { return w.synced }, act: &act{"select count(*) from decisions", approveKey}},
	"rejection":   {from: func(w *worlds) *site { return w.approved }, act: &act{"select count(*) from decisions where verb = 'reject'", rejectKey}},
	"token":       {from: func(w *worlds) *site { return w.synced }, act: &act{"select count(*) from tokens", makeToken}},
	"quarantine":  {from: func(w *worlds) *site { return w.approved }, act: &act{"select count(*) from quarantines", quarantineImage}},
	"release":     {from: func(w *worlds) *site { return w.approved }, act: &act{"select count(*) from quarantines where released_at is not null", releaseImage}},
	"approval in": {from: func(w *worlds) *site { return w.synced }, after: true, act: &act{"select count(*) from decisions", approveKey}},
}

// death is one run: a journey, and where in it the program is killed.
type death struct {
	journey string
	at      string        // METHOD:MOMENT:N, empty for a random time
	within  time.Duration // that random time
}

func deaths() []death {
	var list []death
	for _, moment := range []string{"begun", "committing", "committed"} {
		for _, in := range []struct {
			journey, method string
			n               []int
		}{
			{"first sync", "BeginConfig", []int{1}},
			{"first sync", "ClaimRegistry", []int{1}},
			{"first sync", "RecordCatalog", []int{1, 2}},
			{"first sync", "ClaimRepository", []int{1, 5}},
			{"first sync", "RecordImages", []int{1, 6}},
			{"first sync", "FinishRepository", []int{1, 7}},
			{"first sync", "RecordProgress", []int{1}},
			{"later sync", "RecordCatalog", []int{1, 2, 3}},
			{"later sync", "RecordImages", []int{2, 7}},
			{"later sync", "FinishRepository", []int{1, 4}},
			{"approval", "RecordDecision", []int{1}},
			{"approval", "RecordVerdicts", []int{1}},
			{"rejection", "RecordDecision", []int{1}},
			{"rejection", "RecordVerdicts", []int{1}},
			{"token", "RecordToken", []int{1}},
			{"quarantine", "RecordQuarantine", []int{1}},
			{"release", "RecordRelease", []int{1}},
		} {
			for _, n := range in.n {
				list = append(list, death{journey: in.journey, at: fmt.Sprintf("%s:%s:%d", in.method, moment, n)})
			}
		}
	}
	for n := range 100 - len(list) - 5 { // and five in migrations
		list = append(list, death{
			journey: []string{"first sync", "later sync", "approval in"}[n%3], within: time.Duration(40+rand.N(900)) * time.Millisecond,
		})
	}
	return list
}

// TestCrash_killedAtNamedPoints kills the program, a hundred times on each
// database, at named moments of its transactions and at random ones: of a first
// sync, of one that finds changes, of decisions, of the schema's migrations.
// What the dead process left contradicts nothing; a new one carries on where it
// was, without reading again what was read, and comes to exactly what a process
// that nobody killed comes to.
func TestCrash_killedAtNamedPoints(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorlds(t, kind)
			undisturbed := map[string][]string{}
			for name, j := range journeys {
				s, _ := w.begin(t, j)
				p := s.serve(binary)
				if base := s.base(p); j.act != nil {
					j.act.do(t, s, base)
				}
				undisturbed[name] = s.settles(name)
				p.kill()
				s.sound(name + ", undisturbed")
			}
			for i, d := range deaths() {
				name := fmt.Sprintf("%s %d at %s", d.journey, i, d.at)
				if d.at == "" {
					name = fmt.Sprintf("%s %d after %v", d.journey, i, d.within)
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					w.die(t, d, undisturbed[d.journey])
				})
			}
			for n := range 5 {
				t.Run(fmt.Sprint("migration ", n+1), func(t *testing.T) {
					t.Parallel()
					w.dieMigrating(t, n+1, undisturbed["first sync"])
				})
			}
		})
	}
}

// begin is a database and a registry for a journey.
func (w *worlds) begin(t *testing.T, j journey) (*site, *counter) {
	t.Helper()
	var template *site
	if j.from != nil {
		template = j.from(w)
	}
	s := newSite(t, w.kind, template)
	content := w.before
	if j.after {
		content = w.after
	}
	c := content.serving(t)
	s.configure(c.url, "nobody", "audit: {checkpoint_file: checkpoint.txt}\n")
	s.published = filepath.Join(s.dir, "checkpoint.txt")
	return s, c
}

// leases are short in these tests: what a dead process held is taken over that
// much later.
const crashLease = "SIGNBOARD_TEST_LEASE=600ms"

func (w *worlds) die(t *testing.T, d death, want []string) {
	j := journeys[d.journey]
	s, asked := w.begin(t, j)
	began := time.Now()
	env := []string{crashLease}
	if d.at != "" {
		env = append(env, "SIGNBOARD_TEST_CRASH="+d.at)
	}
	p := s.serve(crashBinary(t), env...)
	end := p.end
	if d.at == "" {
		timer := time.AfterFunc(d.within, func() { p.cmd.Process.Kill() })
		defer timer.Stop()
	}
	if j.act != nil {
		if match, err := p.wait(serving); err == nil {
			j.act.do(t, s, match[1])
		}
	}
	select {
	case <-end:
	case <-time.After(30 * time.Second):
		t.Fatalf("it lives:\n%s", p.printed())
	}
	p.kill()
	quiet(t, "the program that was killed", p)
	w.resume(t, d, s, asked, began, want)
}

// resume looks at what a dead process left, and has another one carry on.
func (w *worlds) resume(t *testing.T, d death, s *site, asked *counter, began time.Time, want []string) {
	j := journeys[d.journey]
	rest := s.aside()
	rest.sound("after the kill")
	db := rest.open()
	defer db.Close()
	finished := map[string]bool{}
	if exists(db, "repositories") {
		rows, err := db.Query("select name from repositories where not gone and synced_at >= $1 and next_due_at > $2 and lease_until = 0",
			began.UnixMilli(), time.Now().UnixMilli())
		s.must(err)
		for rows.Next() {
			var name string
			s.must(rows.Scan(&name))
			finished[name] = true
		}
		s.must(rows.Err())
	}
	done := 0
	if j.act != nil {
		s.must(db.QueryRow(j.act.is).Scan(&done))
		if moment := strings.Split(d.at+"::", ":"); strings.HasPrefix(moment[0], "Record") && moment[0] != "RecordVerdicts" && done != map[string]int{"committed": 1}[moment[1]] {
			t.Errorf("killed at %s it was done %d times", d.at, done)
		}
	}
	db.Close()

	before := len(asked.all(0))
	started := time.Now()
	p := s.serve(crashBinary(t), crashLease)
	base := s.base(p)
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("it took %v to start", took)
	}
	if j.act != nil && done == 0 {
		j.act.do(t, s, base) // nobody was told that it is done
	}
	have := s.settles("the work that was left")
	if d.journey == "approval in" { // what came first, the look or the decision, is another matter each time
		for _, follows := range []string{"verdict ", "audit signature.vanish "} {
			have, want = without(have, follows), without(want, follows)
		}
	}
	p.kill()
	quiet(t, "the program that carried on", p)
	if diff := difference(have, want); diff != "" {
		t.Errorf("it came to something else than a process that nobody killed:\n%s", diff)
	}
	for _, r := range asked.all(before) {
		if name, ok := strings.CutPrefix(r.path, "/v2/"); ok {
			for repository := range finished {
				if strings.HasPrefix(name, repository+"/") {
					t.Errorf("%s was finished, and is read again: %s %s", repository, r.method, r.path)
				}
			}
		}
	}
	s.aside().sound("in the end")
}

func without(lines []string, start string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.HasPrefix(l, start) })
}

// dieMigrating kills the program in the n-th migration of an empty database, or
// after it when there are fewer.
func (w *worlds) dieMigrating(t *testing.T, n int, want []string) {
	d := death{journey: "first sync", at: fmt.Sprintf("*:hooked:%d", n)}
	if w.kind == "sqlite" {
		w.die(t, d, want)
		return
	}
	// PostgreSQL stalls in the transaction, at a table of each migration in turn.
	s, asked := w.begin(t, journeys[d.journey])
	table := []string{"registries", "images", "sessions", "materials", "tuf_states"}[n-1]
	db := s.open()
	defer db.Close()
	for _, statement := range []string{
		`create function stall() returns event_trigger language plpgsql as $$
			begin
			  if exists (select from pg_event_trigger_ddl_commands() where object_identity like '%.` + table + `') then perform pg_sleep(300); end if;
			end $$`,
		"create event trigger stall on ddl_command_end execute function stall()",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	p := s.serve(binary)
	eventually(t, "the migration stalls", func() (string, bool) {
		var pid int
		err := db.QueryRow("select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'").Scan(&pid)
		return fmt.Sprint(err, p.printed()), err == nil
	})
	p.kill()
	// The server would notice that the client is gone when it next speaks to it.
	for _, statement := range []string{
		"select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
		"drop event trigger stall", "drop function stall",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	w.resume(t, d, s, asked, began, want)
}
