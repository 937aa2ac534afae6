//go:build shots

package views

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"signboard/static"
)

// TestKeys tries what pages gain with JavaScript, in a real browser under the
// real policy.
func TestKeys(t *testing.T) {
	themes := make(chan string, 4)
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	mux.HandleFunc("/theme", func(w http.ResponseWriter, r *http.Request) {
		themes <- r.PostFormValue("theme")
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		s := page(t, map[string]string{"": "overview"}[name]+name)
		if r.URL.RawQuery != "" && name == "images" {
			s = page(t, "images-narrowed")
		}
		w.Header().Set("Content-Security-Policy", contentPolicy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = s.page.Render(r.Context(), w)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	browser, cancel := chromedp.NewContext(allocator)
	defer cancel()
	browser, cancel = context.WithTimeout(browser, time.Minute)
	defer cancel()
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(browser, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	eventually := func(what, expression string) {
		t.Helper()
		ok, err := chromedp.Run(browser, chromedp.Evaluate[bool](`new Promise(done => { let n = 0; const look = () => (`+expression+`) ? done(true) : n++ > 100 ? done(false) : requestAnimationFrame(look); look(); })`, chromedp.EvalAwaitPromise))
		if err != nil || !ok {
			got, _ := chromedp.Run(browser, chromedp.Evaluate[string](`location.href + " " + document.activeElement.outerHTML.slice(0, 200)`))
			t.Errorf("%s: %s isn't so (%v); at %s", what, expression, err, got)
		}
	}
	messages := chromedp.Console(browser)
	do("open", chromedp.EmulateViewport(1280, 800), chromedp.Navigate(server.URL+"/images"))
	do("slash", chromedp.KeyEvent("/"))
	eventually("slash", `document.activeElement.id === "q"`)
	do("leave", chromedp.Blur("#q"))
	do("j", chromedp.KeyEvent("j"), chromedp.KeyEvent("j"), chromedp.KeyEvent("k"))
	eventually("rows", `document.activeElement === document.querySelectorAll("main [data-row]")[0]`)
	do("facet", script(`window.kept = document.querySelector("header"); document.querySelector("#facet-status-unsigned").focus()`), chromedp.Click("#facet-status-unsigned"))
	eventually("facet", `location.search === "?status=unsigned" && document.querySelector(".chips") !== null && document.querySelector("header") === window.kept`)
	eventually("focus stays", `document.activeElement.id === "facet-status-unsigned"`)
	eventually("said", `document.querySelector("#say").textContent !== ""`)
	do("back", chromedp.NavigateBack())
	do("back reloads", chromedp.WaitNotPresent(".chips"), chromedp.WaitReady("#facet-status-unsigned"))
	eventually("back", `location.search === ""`)
	do("theme", chromedp.Click(`.theme button[value=dark]`))
	eventually("theme", `document.documentElement.dataset.theme === "dark"`)
	if got := <-themes; got != "dark" {
		t.Errorf("saved %q", got)
	}
	do("palette", script(`document.dispatchEvent(new KeyboardEvent("keydown", {key: "k", ctrlKey: true, bubbles: true}))`))
	eventually("palette", `document.querySelector("#palette").open && document.activeElement.id === "palette-q"`)
	do("type", chromedp.KeyEvent("api"))
	eventually("found", `document.querySelector("#palette-found").textContent.includes("team-payments")`)
	do("escape", chromedp.KeyEvent("\x1b"))
	eventually("closed", `!document.querySelector("#palette").open`)
	cancel()
	for m, err := range messages {
		if err != nil {
			break
		}
		if m.Type == chromedp.ConsoleError || m.IsException() {
			t.Errorf("the console says %s", m)
		}
	}
}

// script runs a statement for what it does.
func script(statement string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[int](statement+"; 0")(ctx, target)
		return err
	})
}
