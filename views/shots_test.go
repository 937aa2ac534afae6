//go:build shots

package views

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"signboard/static"
)

var (
	shots = flag.String("shots", "", "folder for the pictures; empty takes none")
	only  = flag.String("only", "", "only samples whose name begins so")
	whole = flag.Bool("whole", false, "whole pages, not the first screen")
	looks = flag.String("looks", "light,dark,narrow", "which looks to take")
)

const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// TestShots looks at every sample in a real browser, under the real policy: no
// error on the console, nothing that axe finds, nothing wider than the window.
// go test -tags shots ./views -run Shots -shots /some/folder
func TestShots(t *testing.T) {
	axe, err := os.ReadFile("../static/vendor/axe-core-4.14.1/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]sample{}
	for _, s := range samples() {
		pages[s.name] = s
	}
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	mux.HandleFunc("/reevaluating", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/theme", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "" {
			name = "overview"
		}
		s, ok := pages[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", contentPolicy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := s.page.Render(r.Context(), w); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = log.New(os.Stderr, "", 0)
	server.Listener.Close()
	if server.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	server.Start()
	defer server.Close()

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	browser, cancel := chromedp.NewContext(allocator)
	defer cancel()
	browser, cancel = context.WithTimeout(browser, 8*time.Minute)
	defer cancel()

	var mu sync.Mutex
	var said []string
	messages := chromedp.Console(browser)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning || m.IsException() {
				mu.Lock()
				said = append(said, m.String())
				mu.Unlock()
			}
		}
	}()
	for _, look := range []struct {
		name, theme   string
		width, height int64
	}{{"light", "light", 1280, 800}, {"dark", "dark", 1280, 800}, {"narrow", "light", 360, 740}} {
		if !strings.Contains(*looks, look.name) {
			continue
		}
		for _, s := range samples() {
			if !strings.HasPrefix(s.name, *only) {
				continue
			}
			mobile := func(*emulation.SetDeviceMetricsOverrideParams, *emulation.SetTouchEmulationEnabledParams) {}
			if look.name == "narrow" {
				mobile = chromedp.EmulateMobile
			}
			must := func(err error) {
				if err != nil {
					t.Fatalf("%s, %s: %v", s.name, look.name, err)
				}
			}
			must(chromedp.Do(browser, chromedp.EmulateViewport(look.width, look.height, mobile)))
			_, err := chromedp.Call(browser, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.theme}}})
			must(err)
			must(chromedp.Do(browser, chromedp.Navigate(server.URL+"/"+s.name)))
			wide, err := chromedp.Run(browser, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
			must(err)
			_, err = chromedp.Run(browser, chromedp.Evaluate[int](string(axe)+";0"))
			must(err)
			result, err := chromedp.Run(browser, chromedp.Evaluate[string](`axe.run({runOnly: ["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 4).map(n => n.html.slice(0, 160) + " ⇒ " + (n.failureSummary || "").slice(0, 300))}))))`, chromedp.EvalAwaitPromise))
			must(err)
			var picture []byte
			if *shots != "" {
				if *whole {
					picture, err = chromedp.Run(browser, chromedp.FullScreenshot(100))
				} else {
					picture, err = chromedp.Run(browser, chromedp.CaptureScreenshot())
				}
				must(err)
			}
			var violations []struct {
				ID, Help string
				Nodes    []string
			}
			if err := json.Unmarshal([]byte(result), &violations); err != nil {
				t.Fatal(err)
			}
			for _, v := range violations {
				t.Errorf("%s, %s: axe: %s (%s)\n  %s", s.name, look.name, v.ID, v.Help, strings.Join(v.Nodes, "\n  "))
			}
			if wide > 0 {
				culprits, err := chromedp.Run(browser, chromedp.Evaluate[string](`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).slice(0, 6).map(e => e.outerHTML.slice(0, 120)).join("\n  ")`))
				must(err)
				t.Errorf("%s, %s: %d pixels wider than the window:\n  %s", s.name, look.name, wide, culprits)
			}
			mu.Lock()
			for _, line := range said {
				t.Errorf("%s, %s: the console says %s", s.name, look.name, line)
			}
			said = nil
			mu.Unlock()
			if *shots != "" {
				if err := os.WriteFile(filepath.Join(*shots, s.name+"-"+look.name+".png"), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
