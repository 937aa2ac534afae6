package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Tab is a tab with cookies of its own. What it is told to do and can't within a
// bounded time fails the test.
type Tab struct {
	testing.TB
	base string
	ctx  context.Context
}

// NewTab opens a tab; paths are below base.
func NewTab(t testing.TB, browser context.Context, base string) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	tab := &Tab{t, base, ctx}
	tab.must(chromedp.Do(ctx))
	return tab
}

func (t *Tab) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Do runs steps.
func (t *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, 30*time.Second)
	defer cancel()
	t.must(chromedp.Do(ctx, steps...))
}

// Run runs one step that answers something.
func Run[V any](t *Tab, step chromedp.Action[V]) (V, error) {
	ctx, cancel := context.WithTimeout(t.ctx, 30*time.Second)
	defer cancel()
	return chromedp.Run(ctx, step)
}

// Open goes to a path, or to a whole address.
func (t *Tab) Open(path string) {
	t.Helper()
	if strings.HasPrefix(path, "/") {
		path = t.base + path
	}
	t.Do(chromedp.Navigate(path))
}

// Eval evaluates an expression, promises included.
func Eval[V any](t *Tab, expression string) V {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[V](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("evaluating %.80s: %v", expression, err)
	}
	return v
}

// Text is the page's text, as a person sees it.
func (t *Tab) Text() string {
	t.Helper()
	return Eval[string](t, `document.body.innerText`)
}

// Where is the tab's whole address.
func (t *Tab) Where() string {
	t.Helper()
	return Eval[string](t, `location.href`)
}

// Has reports whether the page has an element.
func (t *Tab) Has(selector string) bool {
	t.Helper()
	return Eval[bool](t, fmt.Sprintf(`!!document.querySelector(%q)`, selector))
}

// Until waits for an expression to be true. The page may change meanwhile, so an
// evaluation that fails is tried again.
func (t *Tab) Until(expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, 30*time.Second)
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
			t.Fatalf("never came true at %s: %s: %v\n%s", t.Where(), expression, err, t.Text())
		case <-tick.C:
		}
	}
}

// Fill writes into the first field of a selector once it is to be seen, on a page
// that is there as a whole: the page before could still be taken for it.
func (t *Tab) Fill(selector, value string) {
	t.Helper()
	text, err := json.Marshal(value)
	t.must(err)
	t.Until(fmt.Sprintf(`document.readyState === "complete" && (e => {
		if (!e || e.getClientRects().length === 0 || e.disabled) return false;
		e.value = %s;
		for (const kind of ["input", "change"]) e.dispatchEvent(new Event(kind, {bubbles: true}));
		return true;
	})(document.querySelector(%q))`, text, selector))
}

// Click clicks the first element of a selector once it is to be seen.
func (t *Tab) Click(selector string) {
	t.Helper()
	t.click(fmt.Sprintf(`document.querySelector(%q)`, selector))
}

// Press clicks the element of a kind whose text holds the words, once it is to be
// seen.
func (t *Tab) Press(kind, words string) {
	t.Helper()
	t.click(fmt.Sprintf(`[...document.querySelectorAll(%q)].find(e => e.textContent.includes(%q) && e.getClientRects().length > 0)`, kind, words))
}

// click clicks what an expression finds. It is looked for anew each time, since
// parts of a page are replaced while it is read. The page does it itself, and
// whether it answers isn't waited for: a click may lead away from the page before
// it has. What comes of it is Until's to say.
func (t *Tab) click(element string) {
	t.Helper()
	t.Until(fmt.Sprintf(`(e => e && e.getClientRects().length > 0 && !e.disabled)(%s)`, element))
	ctx, cancel := context.WithTimeout(t.ctx, 30*time.Second)
	defer cancel()
	_, _ = chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(`setTimeout(() => (%s).click()), true`, element)))
}
