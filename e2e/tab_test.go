package e2e

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a browser tab with cookies of its own. Whatever the page reports as an
// error, the content security policy's reports among them, fails the test.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
	expected string // a status that a navigation may answer besides 200
	requests int
}

func newTab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	tb := &tab{t: t, ctx: ctx}
	tb.must(chromedp.Do(ctx))
	tb.must(chromedp.Listen(ctx, tb.hear))
	return tb
}

// hear collects what must not happen.
func (tb *tab) hear(event any) {
	problem := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity {
			problem = fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var args []string
			for _, a := range e.Args {
				args = append(args, string(a.Value)+a.Description)
			}
			problem = fmt.Sprintf("console.%s: %s", e.Type, strings.Join(args, " "))
		}
	case *runtime.EventExceptionThrown:
		problem = "exception: " + e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			problem += " " + x.Description
		}
	case *network.EventRequestWillBeSent:
		tb.mu.Lock()
		tb.requests++
		tb.mu.Unlock()
	}
	if problem == "" {
		return
	}
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.expected != "" && strings.Contains(problem, tb.expected) {
		return
	}
	tb.problems = append(tb.problems, problem)
}

func (tb *tab) must(err error) {
	tb.t.Helper()
	if err != nil {
		tb.t.Fatal(err)
	}
}

// do runs steps within a bounded time.
func (tb *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, 20*time.Second)
	defer cancel()
	tb.must(chromedp.Do(ctx, steps...))
}

// open goes to a path of the demo, or to a whole address.
func (tb *tab) open(path string) {
	tb.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = demoURL + path
	}
	tb.do(chromedp.Navigate(path))
}

// eval evaluates an expression, promises included.
func eval[T any](tb *tab, expression string) T {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tb.t.Fatalf("evaluating %.80s: %v", expression, err)
	}
	return v
}

// text is the page's text, as a person sees it.
func (tb *tab) text() string {
	tb.t.Helper()
	return eval[string](tb, `document.body.innerText`)
}

// path is where the tab is.
func (tb *tab) path() string {
	tb.t.Helper()
	return eval[string](tb, `location.pathname + location.search`)
}

// until waits for an expression to be true. The page may change meanwhile, so
// an evaluation that fails is tried again.
func (tb *tab) until(expression string) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, 15*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err == nil && ok {
			return
		}
		select {
		case <-ctx.Done():
			tb.t.Fatalf("never came true on %s: %s: %v\n%s", tb.path(), expression, err, tb.text())
		case <-tick.C:
		}
	}
}

// clean fails the test with what the page reported.
func (tb *tab) clean(where string) {
	tb.t.Helper()
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, p := range tb.problems {
		tb.t.Errorf("%s: %s", where, p)
	}
	tb.problems = nil
}

// scripts switches the page's own scripts on or off, from the next page on.
func (tb *tab) scripts(on bool) {
	tb.t.Helper()
	_, err := chromedp.Call(tb.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
	tb.must(err)
}

// look is how a page is looked at.
type look struct {
	name          string
	dark          bool
	width, height int64
}

var looks = []look{
	{"light", false, 1280, 800},
	{"dark", true, 1280, 800},
	{"narrow", false, 360, 740},
}

func (tb *tab) wear(l look) {
	tb.t.Helper()
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	tb.do(chromedp.EmulateViewport(l.width, l.height))
	_, err := chromedp.Call(tb.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	tb.must(err)
}

// shoot leaves a picture of the whole page.
func (tb *tab) shoot(name string) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, 20*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	tb.must(err)
	tb.must(os.WriteFile(filepath.Join(shots, name+".png"), png, 0o644))
}

// axe runs axe-core with the rules of WCAG 2.2 level A and AA and its best
// practices, and fails on every violation.
func (tb *tab) axe(where string) {
	tb.t.Helper()
	source, err := axeSource()
	tb.must(err)
	tb.do(void(chromedp.Evaluate[json.RawMessage](source + "; 1")))
	result := eval[string](tb, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v =>
		v.id + ": " + v.help + "\n    " + v.nodes.slice(0, 5).map(n => n.target.join(" ") + " — " + (n.any.concat(n.all, n.none)[0] || {}).message).join("\n    ")).join("\n"))`)
	if result != "" {
		tb.t.Errorf("%s: axe-core finds\n%s", where, result)
	}
}

// void drops an action's value.
func void[T any](a chromedp.Action[T]) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := a(ctx, t)
		return err
	})
}

var axeSource = sync.OnceValues(func() (string, error) {
	found, err := filepath.Glob("../static/vendor/axe-core-*/axe.min.js")
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("axe-core is not where it should be: %v, %v", found, err)
	}
	b, err := os.ReadFile(found[0])
	return string(b), err
})

// signIn signs in to the demo as one of its people and comes back to path.
func (tb *tab) signIn(person, path string) {
	tb.t.Helper()
	tb.open(path)
	if !strings.HasPrefix(tb.path(), "/signin") {
		return
	}
	tb.click("main a[href^='/auth/start']")
	tb.until(`!location.pathname.startsWith("/signin") && document.readyState === "complete"`)
	tb.press("button", person)
	tb.until(fmt.Sprintf(`location.origin === %q && document.readyState === "complete"`, demoURL))
}

// click clicks the first element of a selector and waits for what follows.
func (tb *tab) click(selector string) {
	tb.t.Helper()
	tb.do(chromedp.Click(selector, chromedp.NodeVisible))
}

// press clicks the element of a kind whose text holds the words.
func (tb *tab) press(kind, words string) {
	tb.t.Helper()
	mark := fmt.Sprintf(`(() => { const e = [...document.querySelectorAll(%q)].find(e => e.textContent.includes(%q) && e.offsetParent !== null);
		if (!e) return false; document.querySelectorAll("[data-e2e]").forEach(x => x.removeAttribute("data-e2e")); e.setAttribute("data-e2e", "1"); return true })()`, kind, words)
	if !eval[bool](tb, mark) {
		tb.t.Fatalf("%s has no %s that says %q:\n%s", tb.path(), kind, words, tb.text())
	}
	tb.click("[data-e2e]")
}
