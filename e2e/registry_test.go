package e2e

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
)

// slowly holds up each answer, as a registry that is far away does.
type slowly struct {
	http.Handler
	by time.Duration
}

func (s slowly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	timer := time.NewTimer(s.by)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return
	}
	s.Handler.ServeHTTP(w, r)
}

// TestRegistries_followASync opens the page once, and sees a sync go on, with a
// button under the focus that stays there; cancels it; and tries the
// credentials. A browser without JavaScript loads the page again by itself.
func TestRegistries_followASync(t *testing.T) {
	o := newOwner(t)
	content := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	fast, slow := httptest.NewServer(content), httptest.NewServer(slowly{content, 250 * time.Millisecond})
	t.Cleanup(fast.Close)
	t.Cleanup(slow.Close)
	o.registry = strings.TrimPrefix(fast.URL, "http://")
	for n := range 60 {
		o.image(fmt.Sprintf("team-%d/app-%02d", n%3, n), "v1")
	}
	o.write("signboard.yaml", fmt.Sprintf("listen: %s\nregistries:\n  - {name: local, url: '%s', allow_private: true}\n", freeAddress(t), slow.URL))
	p, err := start("serve", "--config", filepath.Join(o.dir, "signboard.yaml"))
	o.must(err)
	t.Cleanup(func() { p.stop() })
	match, err := p.wait(regexp.MustCompile(`msg=serving address=(\S+)`))
	o.must(err)
	page := match[1] + "/registries"

	tb := newTab(t)
	tb.wear(looks[0])
	tb.open(page)
	eval[bool](tb, `globalThis.same = true`)
	tb.until(`document.querySelector("progress")?.value > 0`)
	eval[bool](tb, `document.querySelector("form[action$='/cancel'] button").focus() || true`)
	at := eval[float64](tb, `document.querySelector("progress").value`)
	tb.until(fmt.Sprintf(`document.querySelector("progress").value > %v`, at))
	if !eval[bool](tb, `same && document.activeElement.closest("form")?.action.endsWith("/cancel")`) {
		t.Error("the page was loaded again, or the focus was lost")
	}
	if said := eval[string](tb, `document.querySelector("#registries-head [role=status]").innerText`); said != "Reading local now." {
		t.Errorf("what is announced while it goes on: %q", said)
	}
	tb.axe("registries, while a sync goes on")
	for _, l := range looks {
		tb.wear(l)
		tb.shoot("registries-syncing-" + l.name)
		if wide := eval[int](tb, `document.documentElement.scrollWidth`); wide > int(l.width) {
			t.Errorf("%s: %d pixels wide in a window of %d", l.name, wide, l.width)
		}
	}
	tb.wear(looks[0])

	plain := newTab(t)
	plain.scripts(false)
	plain.open(page)
	plain.scripts(true)
	if seconds := eval[string](plain, `document.querySelector("noscript meta[http-equiv=refresh]")?.content ?? ""`); seconds != "10" {
		t.Errorf("without JavaScript the page is loaded again after %q seconds", seconds)
	}

	tb.press("form[action$='/cancel'] button", "Cancel")
	tb.until(`document.body.innerText.includes("local operator cancelled the sync")`)
	tb.until(`document.body.innerText.includes("No sync is running.") && !document.querySelector("progress")`)
	tb.axe("registries, cancelled")
	tb.shoot("registries-cancelled")
	tb.press("form[action$='/test'] button", "Test the credentials")
	tb.until(`document.body.innerText.includes("The registry lists its repositories.") && document.body.innerText.includes("shows 1 tag.")`)
	tb.axe("registries, tried")
	tb.shoot("registries-tried")
	tb.clean("registries")
}
