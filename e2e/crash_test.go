package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
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
