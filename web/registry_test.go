package web_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signboard/inventory"
)

func TestTry_saysEachStepAndChangesNothing(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	w.cookie(admin)
	before := w.snapshot()
	a := w.post(admin, "/registries/local/test", nil)
	if a.StatusCode != http.StatusOK || !a.says("The registry answers.") || !a.says("It may not list <b>.") || strings.Contains(a.body, "list <b>") {
		t.Errorf("%d: %s", a.StatusCode, text(a.body))
	}
	if strings.Contains(a.body, `http-equiv="refresh"`) || !strings.Contains(a.body, `name="return" value="/registries"`) {
		t.Error("the answer to a form is loaded again, or returned to")
	}
	w.unchanged(before, "trying a registry")
	if a := w.post(admin, "/registries/none/test", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown registry: %d", a.StatusCode)
	}
	for person, status := range map[string]int{reviewer: 403, viewer: 403, stranger: 403, nobody: 401} {
		if person != nobody {
			w.cookie(person)
		}
		entries := len(w.entries())
		if a := w.post(person, "/registries/local/test", nil); a.StatusCode != status || a.says("The registry answers.") {
			t.Errorf("%s: %d", person, a.StatusCode)
		}
		if person == reviewer && (len(w.entries()) != entries+1 || w.entries()[0].Action != "access.refused") {
			t.Error("the refusal is not written down")
		}
	}
	if !strings.Contains(w.get(admin, "/registries").body, `action="/registries/local/test"`) || strings.Contains(w.get(reviewer, "/registries").body, "local/test") {
		t.Error("the button is offered to the wrong people")
	}
}

func TestCancel_withNothingToCancelIsAConflict(t *testing.T) {
	w := newWorld(t, plan{})
	w.look("pay/web", found(3, inventory.Unsigned, inventory.ReasonNoSignature, "There is no signature.", []string{"v1"}))
	w.cookie(reviewer)
	before := w.snapshot()
	if a := w.post(reviewer, "/registries/local/cancel", nil); a.StatusCode != http.StatusConflict || !a.says("No sync of local is running") {
		t.Errorf("%d: %s", a.StatusCode, text(a.body))
	}
	if a := w.post(reviewer, "/registries/none/cancel", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown registry: %d", a.StatusCode)
	}
	w.unchanged(before, "a cancellation of nothing")
}

// sync has a process say how far the sync of local is.
func (w *world) sync(running bool, repository string) {
	w.Helper()
	_, err := w.db.RecordProgress(w.Context(), inventory.SyncReport{
		Registry: "local", Owner: "test", Running: running, Progress: inventory.Progress{Repository: repository},
	}, noon)
	w.must(err)
}

func TestRegistries_refreshesWithoutJavaScriptWhileASyncRuns(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	refreshes := func() bool {
		return strings.Contains(w.get(viewer, "/registries").body, `<noscript><meta http-equiv="refresh" content="10"></noscript>`)
	}
	if refreshes() {
		t.Error("it refreshes though nothing runs")
	}
	w.sync(true, "pay/api")
	if a := w.get(reviewer, "/registries"); !refreshes() || !a.says("Reading pay/api") || !strings.Contains(a.body, "local/cancel") || strings.Contains(a.body, "local/sync") {
		t.Errorf("while it runs the page says %s", text(a.body))
	}
	w.post(reviewer, "/registries/local/cancel", nil)
	if a := w.get(viewer, "/registries"); refreshes() || !a.says("Dana cancelled the sync") || !a.says("when 1 of 4 repositories were read") {
		t.Errorf("cancelled, the page says %s", text(a.body))
	}
}

// follower reads a stream of events.
type follower struct {
	*http.Response
	lines *bufio.Scanner
	stop  context.CancelFunc
}

func (w *world) follow(server *httptest.Server, person string) *follower {
	w.Helper()
	ctx, stop := context.WithTimeout(w.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/registries/events", nil)
	w.must(err)
	r.Host = "signboard.test"
	if person != nobody {
		r.AddCookie(w.cookie(person))
	}
	client := *server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a, err := client.Do(r)
	w.must(err)
	f := &follower{a, bufio.NewScanner(a.Body), stop}
	w.Cleanup(func() { stop(); a.Body.Close() })
	return f
}

// until reads events until one's data holds all the words; false is the end.
func (f *follower) until(words ...string) (data string, ok bool) {
	for f.lines.Scan() {
		line, is := strings.CutPrefix(f.lines.Text(), "data: ")
		if is {
			data += line
			continue
		}
		found := data != ""
		for _, word := range words {
			found = found && strings.Contains(data, word)
		}
		if found {
			return data, true
		}
		data = ""
	}
	return "", false
}

func TestEvents_sayWhatChanges(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	run, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.live.Run(run) }()
	t.Cleanup(func() { stop(); <-ended })

	f := w.follow(server, viewer)
	if got := f.Header.Get("Content-Type"); f.StatusCode != http.StatusOK || got != "text/event-stream" || f.Header.Get("Content-Encoding") != "" || f.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, %v", f.StatusCode, f.Header)
	}
	if _, ok := f.until(`<li class="registry`, `id="registry-local"`); !ok {
		t.Fatal("it does not begin with how things are")
	}
	w.sync(true, "pay/<b>")
	data, ok := f.until(`id="registry-local"`, "<progress")
	if !ok || !strings.Contains(data, "pay/&lt;b&gt;") || strings.Contains(data, "<form") {
		t.Errorf("a viewer is told %s", data)
	}
	dana := w.follow(server, reviewer)
	if _, ok := dana.until("local/cancel"); !ok {
		t.Error("a reviewer's part lacks the button")
	}
	w.sync(false, "")
	if _, ok := f.until(`id="registries-head"`, "No sync is running."); !ok {
		t.Error("the end of the sync isn't said")
	}

	stop()
	if _, ok := f.until("never said"); ok {
		t.Error("a stream goes on after the program's end")
	}
	if late := w.follow(server, viewer); late.StatusCode != http.StatusTooManyRequests {
		t.Errorf("after the end: %d", late.StatusCode)
	}
}

func TestEvents_areForThoseWhoMaySee(t *testing.T) {
	w := newWorld(t, plan{})
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	if f := w.follow(server, nobody); f.StatusCode != http.StatusSeeOther {
		t.Errorf("not signed in: %d", f.StatusCode)
	}
	if f := w.follow(server, stranger); f.StatusCode != http.StatusForbidden {
		t.Errorf("without a role: %d", f.StatusCode)
	}
}

func TestEvents_areBounded(t *testing.T) {
	w := newWorld(t, plan{})
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	var open []*follower
	for range 4 {
		f := w.follow(server, viewer)
		if open = append(open, f); f.StatusCode != http.StatusOK {
			t.Fatalf("%d", f.StatusCode)
		}
	}
	if f := w.follow(server, viewer); f.StatusCode != http.StatusTooManyRequests || f.Header.Get("Retry-After") == "" {
		t.Errorf("the fifth of one session: %d", f.StatusCode)
	}
	if f := w.follow(server, reviewer); f.StatusCode != http.StatusOK {
		t.Errorf("another session: %d", f.StatusCode)
	}
	open[0].stop()
	open[0].Body.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		f := w.follow(server, viewer)
		if f.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a closed stream keeps its place")
		}
	}
}
