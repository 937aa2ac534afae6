package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk is an empty file system of some size. Where none can be mounted, the
// test isn't run, and says so.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("signboard-e2e", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("NOT TESTED: what happens when the disk is full. It needs a small file system, and mounting one takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	return dir
}

// fill takes all the room that is left on a disk, and returns what gives it back.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return func() { must(t, os.Remove(name)) }
}

// answer is what an address is answered with.
func answer(t *testing.T, method, address string, form url.Values) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 60 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	must(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r, err := client.Do(request)
	must(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	must(t, err)
	return r.StatusCode, string(text)
}

// decide approves the key, or revokes that, and returns the answer.
func decide(t *testing.T, s *site, base, verb string) (int, string) {
	t.Helper()
	id := ask(t, s, "select id from signers where registered_at is not null")
	form := url.Values{"decision": {verb}, "reason": {"Our own key."},
		"revision": {ask(t, s, "select cast(revision as text) from signers where registered_at is not null")}}
	if verb == "approve" {
		form.Set("repositories", "**")
	}
	return answer(t, http.MethodPost, base+"/signers/"+url.PathEscape(id)+"/decisions", form)
}

// TestDisk_full fills the disk under a running server: pages are shown, what has
// to be written is refused with a sentence and leaves nothing half done, and once
// there is room it goes on by itself.
func TestDisk_full(t *testing.T) {
	w := newWorlds(t, "sqlite")
	disk := smallDisk(t, "12m")
	s := &site{t: t, dir: t.TempDir(), dsn: "sqlite:" + filepath.Join(disk, "signboard.db")}
	w.synced.copyTo(s.file())
	s.configure(w.before.serving(t).url, "nobody", "")
	p := s.serve(crashBinary(t), crashLease)
	base := s.base(p)
	s.settles("a sync")

	empty := fill(t, disk)
	verbs, made, refused := []string{"approve", "revoke"}, 0, ""
	for n := range 400 { // what the write-ahead log has room for succeeds
		status, text := decide(t, s, base, verbs[n%2])
		if status == http.StatusSeeOther {
			made++
			continue
		}
		if status != http.StatusServiceUnavailable {
			t.Fatalf("a decision on a full disk is answered with %d:\n%s", status, text)
		}
		refused = text
		break
	}
	if refused == "" {
		t.Fatalf("%d decisions were made on a full disk", made)
	}
	t.Logf("%d decisions were made before one was refused", made)
	for _, says := range []string{"The disk that holds", "is full: nothing could be written, and nothing was lost"} {
		if !strings.Contains(refused, says) {
			t.Errorf("the refusal doesn't say %q:\n%s", says, refused)
		}
	}
	if got := ask(t, s, "select cast(count(*) as text) from decisions"); got != fmt.Sprint(made) {
		t.Errorf("%s decisions are stored, and %d were answered", got, made)
	}
	for _, path := range []string{"/", "/images", "/signers", "/audit", "/registries", "/healthz", "/readyz"} {
		if status, text := answer(t, http.MethodGet, base+path, nil); status != http.StatusOK {
			t.Errorf("%s on a full disk is answered with %d:\n%s", path, status, text)
		}
	}
	if status, text := answer(t, http.MethodPost, base+"/registries/local/sync", nil); status == http.StatusServiceUnavailable && !strings.Contains(text, "is full") {
		t.Errorf("a sync on a full disk is refused with:\n%s", text)
	}
	out, code := run(t, s.dir, "", "sync", "--progress", "none")
	if code == 0 || !strings.Contains(out, "The disk that holds") {
		t.Errorf("signboard sync on a full disk ends with %d:\n%s", code, out)
	}
	out, code = run(t, s.dir, "", "backup", filepath.Join(disk, "copy.db"))
	if code == 0 || !strings.Contains(out, "is full") {
		t.Errorf("signboard backup onto a full disk ends with %d:\n%s", code, out)
	}
	if names, _ := filepath.Glob(filepath.Join(disk, "copy.db*")); len(names) > 0 {
		t.Errorf("a backup that failed left %v", names)
	}

	empty()
	status, text := decide(t, s, base, verbs[made%2])
	if status != http.StatusSeeOther {
		t.Errorf("with room again, a decision is answered with %d:\n%s", status, text)
	}
	if status, text = answer(t, http.MethodPost, base+"/registries/local/sync", nil); status != http.StatusSeeOther {
		t.Errorf("with room again, a sync is answered with %d:\n%s", status, text)
	}
	s.settles("with room again")
	s.sound("after a full disk")
	must(t, p.stop())
	if strings.Contains(p.printed(), "panic") {
		t.Errorf("it panicked:\n%s", p.printed())
	}
}

// TestDisk_readOnly starts on a file system that can't be written to, with a
// write-ahead log beside the database that a killed process left.
func TestDisk_readOnly(t *testing.T) {
	w := newWorlds(t, "sqlite")
	disk := smallDisk(t, "12m")
	s := &site{t: t, dir: t.TempDir(), dsn: "sqlite:" + filepath.Join(disk, "signboard.db")}
	w.approved.copyTo(s.file())
	s.configure(w.before.serving(t).url, "nobody", "")
	p := s.serve(binary)
	s.base(p)
	s.settles("a sync")
	p.kill()
	if info, err := os.Stat(s.file() + "-wal"); err != nil || info.Size() == 0 {
		t.Fatalf("the killed process left no write-ahead log: %v", err)
	}
	must(t, syscall.Mount("signboard-e2e", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=12m"))
	out, code := run(t, s.dir, "", "serve")
	if code == 0 || !strings.Contains(out, s.file()) || !strings.Contains(out, "read-only file system") || strings.Contains(out, "panic") {
		t.Errorf("serve on a read-only disk ends with %d:\n%s", code, out)
	}
	must(t, syscall.Mount("signboard-e2e", disk, "tmpfs", syscall.MS_REMOUNT, "size=12m"))
	p = s.serve(binary)
	s.base(p)
	s.settles("once it can be written to")
	s.sound("once it can be written to")
	must(t, p.stop())
	if names, _ := filepath.Glob(filepath.Join(disk, "*-wal")); len(names) > 0 {
		t.Errorf("after an orderly end, %v is left", names)
	}
}

// TestDatabase_goesAway stops PostgreSQL under a running server, starts it again,
// makes it refuse writes, and breaks connections off while a sync goes on: pages
// say what is the matter, nothing is half done, and each time the server recovers
// by itself.
func TestDatabase_goesAway(t *testing.T) {
	pg, err := newPostgres()
	if err != nil && os.Getenv("SIGNBOARD_TEST_POSTGRES") != "" {
		t.Skipf("NOT TESTED: what happens when PostgreSQL goes away. It needs a server that the test may stop: %v", err)
	}
	must(t, err)
	t.Cleanup(pg.remove)
	w := newWorlds(t, "sqlite") // for the registries' content
	s := &site{t: t, dir: t.TempDir(), dsn: pg.database(t, ""), pg: pg}
	c := w.before.serving(t)
	s.configure(c.url, "nobody", "")
	s.key(binary, w.key)
	p := s.serve(crashBinary(t), crashLease)
	base := s.base(p)
	s.settles("a first sync")

	pg.stop()
	for _, path := range []string{"/", "/images", "/signers"} {
		status, text := answer(t, http.MethodGet, base+path, nil)
		if status != http.StatusServiceUnavailable || !strings.Contains(text, "PostgreSQL at") || !strings.Contains(text, "be reached") {
			t.Errorf("without PostgreSQL, %s is answered with %d:\n%s", path, status, text)
		}
	}
	if status, _ := answer(t, http.MethodGet, base+"/healthz", nil); status != http.StatusOK {
		t.Errorf("without PostgreSQL, /healthz is answered with %d", status)
	}
	if status, _ := answer(t, http.MethodGet, base+"/readyz", nil); status != http.StatusServiceUnavailable {
		t.Errorf("without PostgreSQL, /readyz is answered with %d", status)
	}
	if out, code := run(t, s.dir, "", "sync", "--progress", "none"); code == 0 || !strings.Contains(out, "PostgreSQL at") {
		t.Errorf("without PostgreSQL, signboard sync ends with %d:\n%s", code, out)
	}

	must(t, pg.start())
	for _, path := range []string{"/", "/images", "/signers", "/readyz"} {
		if status, text := answer(t, http.MethodGet, base+path, nil); status != http.StatusOK {
			t.Errorf("once PostgreSQL is back, %s is answered with %d:\n%s", path, status, text)
		}
	}
	if status, text := decide(t, s, base, "approve"); status != http.StatusSeeOther {
		t.Errorf("once PostgreSQL is back, a decision is answered with %d:\n%s", status, text)
	}
	s.settles("an approval")

	breakOff := func() {
		pg.exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", pg.name(s.dsn))
	}
	pg.exec(t, "alter database "+pg.name(s.dsn)+" set default_transaction_read_only = on")
	breakOff()
	if status, text := answer(t, http.MethodGet, base+"/images", nil); status != http.StatusOK {
		t.Errorf("of a read-only PostgreSQL, /images is answered with %d:\n%s", status, text)
	}
	if status, text := decide(t, s, base, "revoke"); status != http.StatusServiceUnavailable || !strings.Contains(text, "takes no writes at the moment") {
		t.Errorf("on a read-only PostgreSQL, a decision is answered with %d:\n%s", status, text)
	}
	if out, code := run(t, s.dir, "", "sync", "--progress", "none"); code == 0 || !strings.Contains(out, "takes no writes at the moment") {
		t.Errorf("on a read-only PostgreSQL, signboard sync ends with %d:\n%s", code, out)
	}
	pg.exec(t, "alter database "+pg.name(s.dsn)+" reset default_transaction_read_only")
	breakOff()
	if got := ask(t, s, "select cast(count(*) as text) from decisions"); got != "1" {
		t.Errorf("%s decisions are stored, want the one that was answered", got)
	}
	s.sound("after PostgreSQL was read-only")

	// Connections break off again and again while two syncs go on.
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for range 30 {
			<-tick.C
			breakOff()
		}
	}()
	for n := 0; ; n++ {
		select {
		case <-done:
		default:
			if status, text := answer(t, http.MethodPost, base+"/registries/local/sync", nil); status != http.StatusSeeOther && !strings.Contains(strings.ToLower(text), "try again") {
				t.Errorf("while connections break off, a sync is answered with %d:\n%s", status, text)
			}
			if status, text := answer(t, http.MethodGet, base+"/images", nil); status != http.StatusOK && !strings.Contains(strings.ToLower(text), "try again") {
				t.Errorf("while connections break off, /images is answered with %d:\n%s", status, text)
			}
			continue
		}
		t.Logf("%d syncs were asked for meanwhile", n)
		break
	}
	s.settles("a sync with connections that broke off")
	s.sound("after connections broke off")
	must(t, p.stop())
	if out := p.printed(); strings.Contains(out, "panic") {
		t.Errorf("it panicked:\n%s", out)
	}
}
