package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestHook_fromPushToPage: while a server reads all of a slow registry, an image
// is pushed and the registry says so. It is on the page within five seconds, and
// the sync of everything isn't done for long.
func TestHook_fromPushToPage(t *testing.T) {
	const repositories, within = 60, 5 * time.Second
	o := newOwner(t)
	for n := range repositories {
		o.image(fmt.Sprintf("old/app-%d", n), "v1")
	}
	// The server reads the registry by way of a proxy that lets it have one list
	// of tags of the old repositories a second.
	target, err := url.Parse("http://" + o.registry)
	o.must(err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	turn := time.NewTicker(time.Second)
	t.Cleanup(turn.Stop)
	var read atomic.Int64
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/old/") && strings.HasSuffix(r.URL.Path, "/tags/list") {
			select {
			case <-turn.C:
				read.Add(1)
			case <-r.Context().Done():
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(slow.Close)

	address := freeAddress(t)
	o.write("hook-secret", "correct-horse-battery-staple\n")
	o.write("signboard.yaml", fmt.Sprintf("listen: %s\nregistries:\n  - {name: local, url: '%s', allow_private: true, hook_secret_file: '%s'}\n",
		address, slow.URL, filepath.Join(o.dir, "hook-secret")))
	p, err := start("serve", "--config", filepath.Join(o.dir, "signboard.yaml"))
	o.must(err)
	defer p.stop()
	_, err = p.wait(regexp.MustCompile(`msg=serving`))
	o.must(err)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); read.Load() == 0; <-tick.C {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("the sync of everything doesn't begin:\n%s", p.printed())
		}
	}

	post := func(secret, body string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/hooks/local?secret="+secret, strings.NewReader(body))
		o.must(err)
		answer, err := http.DefaultClient.Do(r)
		o.must(err)
		answer.Body.Close()
		return answer.StatusCode
	}
	page := func() string {
		answer, err := http.Get("http://" + address + "/images?repository=fresh/app")
		o.must(err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		o.must(err)
		return string(body)
	}
	for _, tag := range []string{"first-push", "second-push"} {
		o.push("fresh/app", tag, true)
		event := fmt.Sprintf(`{"events":[{"action":"push","target":{"mediaType":"application/vnd.oci.image.manifest.v1+json","repository":"fresh/app","tag":%q}}]}`, tag)
		if code := post("wrong", event); code != http.StatusUnauthorized {
			t.Errorf("a wrong secret is answered %d", code)
		}
		start := time.Now()
		if code := post("correct-horse-battery-staple", event); code != http.StatusAccepted {
			t.Fatalf("the event is answered %d", code)
		}
		for !strings.Contains(page(), tag) {
			if time.Since(start) > within {
				t.Fatalf("after %s the page doesn't show %s:\n%s", within, tag, p.printed())
			}
			<-tick.C
		}
		t.Logf("%s is on the page %s after the event", tag, time.Since(start).Round(10*time.Millisecond))
	}
	if n := read.Load(); n > repositories/2 {
		t.Errorf("%d of %d repositories were read meanwhile: the registry wasn't slow", n, repositories)
	}
	if strings.Contains(p.printed(), "correct-horse") {
		t.Errorf("the log shows the secret:\n%s", p.printed())
	}
}
