package e2e

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
)

// TestServe_endsInOrder tells the server to end while it has its hands full: 50
// people are in the middle of a request, a page follows a sync, and the sync goes
// on. Nobody new gets in, the page's stream and the sync end at once, everybody
// gets their answer, and the process ends with status 0.
func TestServe_endsInOrder(t *testing.T) {
	o := newOwner(t)
	content := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	fast, slow := httptest.NewServer(content), httptest.NewServer(slowly{content, 250 * time.Millisecond})
	t.Cleanup(fast.Close)
	t.Cleanup(slow.Close)
	o.registry = strings.TrimPrefix(fast.URL, "http://")
	for n := range 60 {
		o.image(fmt.Sprintf("team/app-%02d", n), "v1")
	}
	address, file := freeAddress(t), filepath.Join(o.dir, "signboard.db")
	o.write("signboard.yaml", fmt.Sprintf("listen: %s\nbase_url: http://%[1]s\ndatabase: sqlite:%s\nregistries:\n  - {name: local, url: '%s', allow_private: true}\n", address, file, slow.URL))
	p, err := start("serve", "--config", filepath.Join(o.dir, "signboard.yaml"))
	o.must(err)
	t.Cleanup(func() { p.kill() })
	if _, err := p.wait(regexp.MustCompile(`msg=serving`)); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=query_only(1)")
	o.must(err)
	defer db.Close()
	count := func(query string, args ...any) (n int) {
		o.must(db.QueryRow(query, args...).Scan(&n))
		return n
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); count("select count(*) from images") == 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("no sync began:\n%s", p.printed())
		}
	}

	events, err := http.Get("http://" + address + "/registries/events")
	o.must(err)
	defer events.Body.Close()
	stream := bufio.NewReader(events.Body)
	if line, err := stream.ReadString('\n'); err != nil || events.StatusCode != http.StatusOK {
		t.Fatalf("the stream begins with %q, %s, %v", line, events.Status, err)
	}
	streamed := make(chan time.Time, 1)
	go func() {
		_, _ = io.Copy(io.Discard, stream)
		streamed <- time.Now()
	}()

	const half, rest = "theme=", "dark"
	type person struct {
		net.Conn
		hears *bufio.Reader
	}
	var people []person
	for range 50 {
		c, err := net.Dial("tcp", address)
		o.must(err)
		defer c.Close()
		o.must(c.SetDeadline(time.Now().Add(time.Minute)))
		_, err = fmt.Fprintf(c, "POST /theme HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n", address, len(half+rest))
		o.must(err)
		people = append(people, person{c, bufio.NewReader(c)})
	}
	for n, c := range people {
		// It wants the body: the request is being handled (RFC 9110, section 10.1.1).
		if a, err := http.ReadResponse(c.hears, nil); err != nil || a.StatusCode != http.StatusContinue {
			t.Fatalf("person %d: %v", n, err)
		}
		_, err := io.WriteString(c, half)
		o.must(err)
	}

	told := time.Now()
	o.must(p.cmd.Process.Signal(syscall.SIGTERM))
	for {
		c, err := net.Dial("tcp", address)
		if errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		if err == nil {
			c.Close()
		}
		if time.Since(told) > 5*time.Second {
			t.Fatalf("five seconds later somebody still listens: %v", err)
		}
	}
	select {
	case <-streamed:
	case <-time.After(5 * time.Second):
		t.Error("the stream doesn't end")
	}
	select {
	case <-p.end:
		t.Fatalf("it ended before those who ask had their answers:\n%s", p.printed())
	default:
	}
	for n, c := range people {
		if _, err := io.WriteString(c, rest); err != nil {
			t.Fatalf("person %d: %v", n, err)
		}
		a, err := http.ReadResponse(c.hears, nil)
		if err != nil {
			t.Fatalf("person %d has no answer: %v\n%s", n, err, p.printed())
		}
		if a.StatusCode != http.StatusSeeOther {
			t.Errorf("person %d was answered %s", n, a.Status)
		}
	}
	select {
	case <-p.end:
	case <-time.After(10 * time.Second):
		t.Fatalf("it doesn't end:\n%s", p.printed())
	}
	if err := p.cmd.Wait(); err != nil || strings.Contains(p.printed(), "level=ERROR") {
		t.Errorf("it ended with %v:\n%s", err, p.printed())
	}
	t.Logf("it ended %v after it was told to", time.Since(told).Round(time.Millisecond))

	// The sync was under way, and what it was reading is anybody's at once.
	if done := count("select count(*) from repositories where synced_at > 0"); done == 60 {
		t.Error("the sync was over: this test shows nothing")
	}
	if held := count("select count(*) from repositories where lease_until > $1", time.Now().UnixMilli()); held > 0 {
		t.Errorf("%d repositories are still held", held)
	}
	o.write("signboard.yaml", fmt.Sprintf("database: sqlite:%s\nregistries:\n  - {name: local, url: '%s', allow_private: true}\n", file, fast.URL))
	if out, code := run(t, o.dir, "", "sync", "--config", filepath.Join(o.dir, "signboard.yaml")); code != 0 || count("select count(*) from images") != 60 {
		t.Errorf("the next sync ends with %d:\n%s", code, out)
	}
}
