package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"
	"testing"
	"time"
)

// TestReaders_manyAtOnce has 200 people and programs read the demo at once and
// without a pause, each over a connection of their own: nobody gets an error, and
// nobody waits for very long. How long they wait, `make bench` says.
func TestReaders_manyAtOnce(t *testing.T) {
	const readers, forTime = 200, 2 * time.Second
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: readers}}
	choice, err := client.Get(demoURL + "/auth/start")
	if err != nil {
		t.Fatal(err)
	}
	choice.Body.Close()
	in, err := client.PostForm(choice.Request.URL.String(), url.Values{"person": {"maya"}})
	if err != nil {
		t.Fatal(err)
	}
	in.Body.Close()
	if at := in.Request.URL; in.StatusCode != http.StatusOK || at.Path != "/" {
		t.Fatalf("signing in ends at %s with %s", at, in.Status)
	}

	paths := []string{
		"/", "/images", "/images?status=unsigned", "/images?q=api", "/signers", "/quarantine", "/registries", "/audit", "/search?q=api", "/?team=payments",
		"/api/v1/images", "/api/v1/images?limit=200", "/api/v1/images?team=payments", "/api/v1/signers", "/api/v1/summary", "/api/v1/registries", "/api/v1/audit",
	}
	ctx, stop := context.WithTimeout(t.Context(), forTime)
	defer stop()
	var all sync.WaitGroup
	var mu sync.Mutex
	answered, wrong := 0, []string{}
	for n := range readers {
		all.Go(func() {
			for k := n; ctx.Err() == nil; k++ {
				path := paths[k%len(paths)]
				a, err := client.Get(demoURL + path)
				if err == nil {
					var size int64
					size, err = io.Copy(io.Discard, a.Body)
					a.Body.Close()
					// Who isn't signed in is sent to the sign-in page, which answers too.
					if err == nil && (a.StatusCode != http.StatusOK || size == 0 || a.Request.URL.Path == "/signin") {
						err = fmt.Errorf("%s at %s, %d bytes", a.Status, a.Request.URL, size)
					}
				}
				mu.Lock()
				if answered++; err != nil {
					wrong = append(wrong, path+": "+err.Error())
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(wrong) > 0 {
		t.Errorf("%d of %d were not answered:\n%q", len(wrong), answered, wrong[:min(5, len(wrong))])
	}
	if answered < readers {
		t.Errorf("only %d answers for %d readers", answered, readers)
	}
}
