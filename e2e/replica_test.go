package e2e

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// replicaLease is short, so that the tests needn't wait: what a replica that
// froze or died held is taken over that much later. It is 20 seconds in the
// program that people run.
const replicaLease = 8 * time.Second

// idleFor has the database end sooner what a frozen process left open, in
// proportion to those leases.
const idleFor = "&idle_in_transaction_session_timeout=1000"

// replicas are processes on one PostgreSQL database, each with a name that the
// registry sees.
type replicas struct {
	t     *testing.T
	asked *counter
	sites []*site
	procs []*program
	bases []string
}

func newReplicas(t *testing.T, content *shelf, n int) *replicas {
	t.Helper()
	first := newSite(t, "postgres", nil)
	first.dsn += idleFor
	r := &replicas{t: t, asked: content.serving(t)}
	for i := range n {
		s := &site{t: t, dir: t.TempDir(), dsn: first.dsn, pg: first.pg}
		s.configure(r.asked.url, fmt.Sprint("replica-", i), "")
		r.sites = append(r.sites, s)
	}
	return r
}

// start starts all of them at once, as a deployment does: one of them makes the
// schema. The registry answers once each has asked for something. end is where
// the first of them is to freeze or die.
func (r *replicas) start(end string) {
	r.t.Helper()
	r.asked.gate = together(len(r.sites))
	for i, s := range r.sites {
		env := []string{"SIGNBOARD_TEST_LEASE=" + replicaLease.String(), "SIGNBOARD_TEST_OWNER=" + fmt.Sprint("replica-", i)}
		if i == 0 && end != "" {
			env = append(env, "SIGNBOARD_TEST_CRASH="+end)
		}
		r.procs = append(r.procs, s.serve(crashBinary(r.t), env...))
	}
	for i, s := range r.sites {
		r.bases = append(r.bases, s.base(r.procs[i]))
	}
}

// together holds everybody back until n have come.
func together(n int) func(context.Context, string) {
	var mu sync.Mutex
	here, all := map[string]bool{}, make(chan struct{})
	return func(ctx context.Context, who string) {
		mu.Lock()
		if here[who] = true; len(here) == n {
			select {
			case <-all:
			default:
				close(all)
			}
		}
		mu.Unlock()
		select {
		case <-all:
		case <-ctx.Done():
		}
	}
}

func (r *replicas) end() {
	r.t.Helper()
	for i, p := range r.procs {
		if p == nil {
			continue
		}
		if err := p.stop(); err != nil {
			r.t.Errorf("replica %d ends with %v:\n%s", i, err, p.printed())
		}
		quiet(r.t, fmt.Sprint("replica ", i), p)
	}
}

var tagList = regexp.MustCompile(`^/v2/(.+)/tags/list$`)

// listed is how often each repository's tags were listed, and by whom.
func (r *replicas) listed() (times map[string]int, by map[string][]string) {
	times, by = map[string]int{}, map[string][]string{}
	for _, a := range r.asked.all(0) {
		if m := tagList.FindStringSubmatch(a.path); m != nil {
			times[m[1]]++
			by[a.who] = append(by[a.who], m[1])
		}
	}
	return times, by
}

// many is a registry of n repositories with two images each, one in ten signed.
func many(t *testing.T, key *owner, n int) *shelf {
	t.Helper()
	s := newShelf(t, key)
	for i := range n {
		for tag := range 2 {
			s.put(fmt.Sprintf("team-%d/app-%d", i%5, i), fmt.Sprint("v", tag), 2*i+tag, i%10 == 0)
		}
	}
	return s
}

var varies = regexp.MustCompile(`nonce="[^"]*"|\d+ (seconds?|minutes?) ago|just now|datetime="[^"]*"|title="[^"]*"|[\d-]+ [\d:]+ UTC`)

// fetch is a page's text without what a second changes.
func fetch(t *testing.T, address string) string {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second}
	r, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%s is answered with %s:\n%s", address, r.Status, text)
	}
	return varies.ReplaceAllString(string(text), "")
}

// TestReplicas_shareTheWork holds that two and three processes on one database
// start together, share the work, do nothing twice, show the same, and see each
// other's decisions at once.
func TestReplicas_shareTheWork(t *testing.T) {
	const repositories = 200
	key := newOwner(t)
	content := many(t, key, repositories)
	for _, n := range []int{2, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := newReplicas(t, content, n)
			r.start("")
			began := time.Now()
			lines := r.sites[0].settles("the first sync")
			t.Logf("%d replicas read %d repositories in %v", n, repositories, time.Since(began).Round(time.Millisecond))

			times, by := r.listed()
			if len(times) != repositories {
				t.Errorf("%d repositories were read", len(times))
			}
			for repository, n := range times {
				if n != 1 {
					t.Errorf("%s was read %d times", repository, n)
				}
			}
			for i := range n {
				did := len(by[fmt.Sprint("replica-", i)])
				t.Logf("replica %d read %d", i, did)
				if did < repositories/n/3 {
					t.Errorf("replica %d read only %d of %d repositories", i, did, repositories)
				}
			}
			catalogs := 0
			for _, a := range r.asked.all(0) {
				if a.path == "/v2/_catalog" {
					catalogs++
				}
			}
			if catalogs > 2 { // pages of one listing
				t.Errorf("the registry was listed %d times", catalogs)
			}
			for kind, want := range map[string]int{"image ": 2 * repositories, "move ": 2 * repositories, "verdict ": 2 * repositories, "repository ": repositories} {
				if got := len(lines) - len(without(lines, kind)); got != want {
					t.Errorf("%d lines say %q, want %d", got, kind, want)
				}
			}
			r.sites[0].sound("after the first sync")

			r.alike()

			// A key comes in on the command line of one machine, is approved on
			// another, and an image held back on a third.
			if out, err := r.keyAdd(key); err != nil {
				t.Fatalf("key add: %v\n%s", err, out)
			}
			r.everywhere("/signers", "release")
			approveKey(t, r.sites[0], r.bases[n-1])
			for _, base := range r.bases {
				if !strings.Contains(fetch(t, base+"/audit"), "Our own key.") {
					t.Errorf("%s doesn't show a decision that was answered", base)
				}
			}
			eventually(t, "the approval counts", func() (string, bool) {
				n := strings.Count(strings.Join(r.state(), "\n"), " trusted ok  1")
				return fmt.Sprint(n, " images are trusted"), n == repositories/5
			})
			r.sites[0].settles("the approval")
			r.alike()
			r.sites[0].sound("after the approval")
			r.end()
		})
	}
}

func (r *replicas) keyAdd(key *owner) ([]byte, error) {
	cmd := exec.CommandContext(r.t.Context(), binary, "key", "add", "--name", "release", key.dir+"/cosign.pub")
	cmd.Dir = r.sites[0].dir
	return cmd.CombinedOutput()
}

// everywhere waits until a page says something on every replica.
func (r *replicas) everywhere(path, says string) {
	r.t.Helper()
	for i, base := range r.bases {
		eventually(r.t, fmt.Sprintf("%s on replica %d says %s", path, i, says), func() (string, bool) {
			text := fetch(r.t, base+path)
			return text, strings.Contains(text, says)
		})
	}
}

// alike holds that all replicas show the same pages.
func (r *replicas) alike() {
	r.t.Helper()
	for _, path := range []string{"/", "/images", "/images?status=trusted", "/signers", "/registries", "/audit"} {
		want := fetch(r.t, r.bases[0]+path)
		for i, base := range r.bases[1:] {
			if got := strings.ReplaceAll(fetch(r.t, base+path), base, r.bases[0]); got != want {
				r.t.Errorf("%s is another page on replica %d: %s", path, i+1, firstDifference(got, want))
			}
		}
	}
}

func firstDifference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			at := 0
			for at < min(len(as[i]), len(bs[i])) && as[i][at] == bs[i][at] {
				at++
			}
			cut := func(s string) string { return s[max(0, at-60):min(len(s), at+60)] }
			return fmt.Sprintf("%q instead of %q", cut(as[i]), cut(bs[i]))
		}
	}
	return "one is longer"
}

// TestReplicas_aFrozenOneIsFencedOff freezes one of three processes for longer
// than its leases last, with work in its hands: once between two transactions,
// and once inside one, with the counters of everything locked. The others do its
// work; when it wakes up it overwrites nothing, notices, and goes on with other
// work.
func TestReplicas_aFrozenOneIsFencedOff(t *testing.T) {
	const repositories = 120
	key := newOwner(t)
	content := many(t, key, repositories)
	for _, moment := range []string{"ClaimRepository:committed:9", "RecordImages:committing:9"} {
		t.Run(moment, func(t *testing.T) {
			r := newReplicas(t, content, 3)
			r.start(moment + ":stop")
			eventually(t, "it freezes", func() (string, bool) {
				text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.procs[0].cmd.Process.Pid))
				must(t, err)
				_, state, _ := strings.Cut(string(text), ") ")
				return r.procs[0].printed(), strings.HasPrefix(state, "T")
			})
			held := r.heldBy("replica-0")
			if len(held) == 0 {
				t.Fatal("it was frozen with nothing in its hands")
			}
			began := time.Now()
			r.sites[1].settles("what a frozen process had")
			t.Logf("%d repositories of a frozen process were taken over; all was done after %v", len(held), time.Since(began).Round(time.Millisecond))
			before := r.state()
			must(t, r.procs[0].cmd.Process.Signal(syscall.SIGCONT))
			// It is awake once it answers, and has dropped what it held once it says so.
			if !strings.Contains(fetch(t, r.bases[0]+"/images"), "team-") {
				t.Error("the process that woke up shows nothing")
			}
			eventually(t, "it notices", func() (string, bool) {
				return r.procs[0].printed(), strings.Contains(r.procs[0].printed(), "went to another process")
			})
			if after := r.state(); !slices.Equal(before, after) {
				t.Errorf("the process that woke up changed something:\n%s", difference(after, before))
			}
			r.sites[0].settles("everything")
			r.sites[0].sound("after a freeze")
			times, _ := r.listed()
			for repository, n := range times {
				if n > 1 && !slices.Contains(held, repository) {
					t.Errorf("%s was read %d times and wasn't in the frozen process's hands", repository, n)
				}
			}

			// It works again: what becomes due now is shared by all three.
			asked := len(r.asked.all(0))
			r.asked.gate = together(3)
			if out, code := run(t, r.sites[1].dir, "", "sync", "--progress", "none"); code != 0 {
				t.Errorf("a sync beside three servers ends with %d:\n%s", code, out)
			}
			r.sites[0].settles("a second sync")
			workers := map[string]int{}
			for _, a := range r.asked.all(asked) {
				workers[a.who]++
			}
			if workers["replica-0"] == 0 {
				t.Errorf("the process that woke up does nothing any more: %v", workers)
			}
			r.end()
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// heldBy are the repositories that a process holds leases of.
func (r *replicas) heldBy(owner string) []string {
	r.t.Helper()
	db := r.sites[0].open()
	defer db.Close()
	rows, err := db.Query("select name from repositories where lease_owner = $1 and lease_until > 0", owner)
	must(r.t, err)
	var names []string
	for rows.Next() {
		var name string
		must(r.t, rows.Scan(&name))
		names = append(names, name)
	}
	must(r.t, rows.Err())
	return names
}

// state is what is stored, times of looks included.
func (r *replicas) state() []string {
	r.t.Helper()
	db := r.sites[0].open()
	defer db.Close()
	lines, err := told(db)
	must(r.t, err)
	rows, err := db.Query("select name, synced_at, next_due_at, lease_token from repositories")
	must(r.t, err)
	for rows.Next() {
		var name string
		var synced, due, token int64
		must(r.t, rows.Scan(&name, &synced, &due, &token))
		lines = append(lines, fmt.Sprint(name, " ", synced, " ", due, " ", token))
	}
	must(r.t, rows.Err())
	return lines
}

// TestReplicas_aKilledOnesWorkIsTakenOver kills one of three processes in the
// middle of its work: the others do it once its leases have run out.
func TestReplicas_aKilledOnesWorkIsTakenOver(t *testing.T) {
	const repositories = 120
	key := newOwner(t)
	content := many(t, key, repositories)
	r := newReplicas(t, content, 3)
	r.start("ClaimRepository:committed:9")
	<-r.procs[0].end
	killed := time.Now()
	r.procs[0].kill()
	quiet(t, "the killed replica", r.procs[0])
	r.procs[0] = nil
	held := r.heldBy("replica-0")
	if len(held) == 0 {
		t.Fatal("it was killed with nothing in its hands")
	}
	db := r.sites[0].open()
	defer db.Close()
	eventually(t, "its work is taken over", func() (string, bool) {
		names := r.heldBy("replica-0")
		return fmt.Sprint(names), len(names) == 0
	})
	took := time.Since(killed)
	t.Logf("%d repositories of a killed process were taken over after %v, with leases of %v", len(held), took.Round(time.Millisecond), replicaLease)
	if took > replicaLease+5*time.Second {
		t.Errorf("taking over took %v, with leases of %v", took, replicaLease)
	}
	lines := r.sites[0].settles("everything")
	if got := len(lines) - len(without(lines, "image ")); got != 2*repositories {
		t.Errorf("%d images are known, want %d", got, 2*repositories)
	}
	times, by := r.listed()
	for repository, n := range times {
		if n > 1 && !slices.Contains(held, repository) {
			t.Errorf("%s was read %d times and wasn't in the killed process's hands", repository, n)
		}
	}
	least := slices.MinFunc([]string{"replica-1", "replica-2"}, func(a, b string) int { return cmp.Compare(len(by[a]), len(by[b])) })
	if len(by[least]) < repositories/10 {
		t.Errorf("%s read only %d repositories", least, len(by[least]))
	}
	r.sites[0].sound("after a kill")
	r.end()
}

// TestReplicas_syncsAtOnce runs two complete syncs beside a server, all at once:
// each ends well, and each has everything looked at after it was asked for.
func TestReplicas_syncsAtOnce(t *testing.T) {
	const repositories = 60
	key := newOwner(t)
	r := newReplicas(t, many(t, key, repositories), 3)
	server := r.sites[0].serve(crashBinary(t), "SIGNBOARD_TEST_LEASE="+replicaLease.String())
	r.sites[0].base(server)
	type ended struct {
		out  string
		code int
	}
	both := make(chan ended)
	for _, s := range r.sites[1:] {
		go func() {
			cmd := exec.Command(crashBinary(t), "sync", "--progress", "none")
			cmd.Dir = s.dir
			out, _ := cmd.CombinedOutput()
			both <- ended{string(out), cmd.ProcessState.ExitCode()}
		}()
	}
	for range r.sites[1:] {
		e := <-both
		if e.code != 0 {
			t.Errorf("one of two syncs at once ends with %d:\n%s", e.code, e.out)
		}
		for _, word := range []string{"level=ERROR", "SQLSTATE", "deadlock"} {
			if strings.Contains(e.out, word) {
				t.Errorf("a sync says %s:\n%s", word, e.out)
			}
		}
	}
	lines := r.sites[0].settles("two syncs")
	if got := len(lines) - len(without(lines, "verdict ")); got != 2*repositories {
		t.Errorf("%d changes of verdicts are stored, want %d", got, 2*repositories)
	}
	if got := len(lines) - len(without(lines, "move ")); got != 2*repositories {
		t.Errorf("%d moves of tags are stored, want %d", got, 2*repositories)
	}
	times, _ := r.listed()
	for repository, n := range times {
		if n > 3 {
			t.Errorf("%s was read %d times by three processes", repository, n)
		}
	}
	r.sites[0].sound("after two syncs at once")
	must(t, server.stop())
	quiet(t, "the server", server)
}
