//go:build peers

package peers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"signboard/e2e/browser"
)

// door is a running Signboard whose people sign in through dex, with an image
// that waits for a signer's approval.
type door struct {
	*testing.T
	base    string // of Signboard
	dex     *service
	program *service
	dir     string // of the program
	issuer  string
	signer  string // the path of its page
	image   string
	browser context.Context
}

var (
	vera = user{"vera", []string{"payments"}}             // sees
	rhea = user{"rhea", []string{"payments", "security"}} // decides
	ada  = user{"ada", []string{"platform"}}              // administers
	stan = user{"stan", []string{"sales"}}                // has no role
)

func newDoor(t *testing.T) *door {
	t.Helper()
	r := lone(t, "zot")
	s := &stage{t, peers, r, "payments/api"}
	i := s.image()
	s.signKey(3, "rsa", i)

	o := newOperator(t, peers, []*registry{r}, nil, "")
	d := &door{T: t, base: "http://" + o.listen}
	d.issuer, d.dex = newDex(t, peers, d.base, vera, rhea, ada, stan)
	if err := d.dex.start(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.dex.stop() })
	o.configure([]*registry{r}, nil, fmt.Sprintf(`
oidc:
  issuer_url: %s
  client_id: signboard
  client_secret: %q
  roles: {viewer: [payments], reviewer: [security], admin: [platform]}
teams:
  - {name: another, groups: [another], repositories: ["*/another/**"]}
  - {name: payments, groups: [payments], repositories: ["*/payments/**"]}
`, d.issuer, clientSecret))
	o.signboard(0, "key", "add", "--name", "release pipeline", peers.keys.public("rsa"))
	o.signboard(0, "sync", "--progress", "none")

	d.dir = o.dir
	d.program = &service{name: "signboard", path: o.path, args: []string{"serve", "--config", "signboard.yaml"}, ready: answers(d.base + "/readyz")}
	if err := d.program.start(t.Context(), d.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.program.stop() })
	var stop func()
	var err error
	if d.browser, stop, err = browser.Start(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	d.image = "/images/" + i.digest + "?repository=" + url.QueryEscape(r.name+"/"+i.repository)
	return d
}

// as has a step fail the test it belongs to, and gives it a tab of its own.
func (d *door) as(t *testing.T) *person {
	t.Helper()
	return &person{browser.NewTab(t, d.browser, d.base), d}
}

// person is a browser tab, and who sits before it.
type person struct {
	*browser.Tab
	door *door
}

// asks goes to a page that leads to dex's login form.
func (p *person) asks(path string) {
	p.Helper()
	p.Open(path)
	p.Until(`location.pathname === "/signin"`)
	p.Click("main a[href^='/auth/start']")
	p.Until(fmt.Sprintf(`location.href.startsWith(%q) && document.readyState === "complete" && document.querySelector("#login")`, p.door.issuer))
}

// answers fills dex's login form in.
func (p *person) answers(u user, with string) {
	p.Helper()
	p.Fill("#login", u.email())
	p.Fill("#password", with)
	p.Click("#submit-login")
}

// signIn signs in through dex and comes back to where it began.
func (p *person) signIn(u user, path string) {
	p.Helper()
	p.asks(path)
	p.answers(u, password)
	p.Until(fmt.Sprintf(`location.href === %q && document.readyState === "complete"`, p.door.base+path))
}

// signOut presses the button on the person's card.
func (p *person) signOut() {
	p.Helper()
	p.Click("details.person summary")
	p.Press("details.person button", "Sign out")
	p.Until(fmt.Sprintf(`location.href.startsWith(%q) && document.readyState === "complete"`, p.door.base+"/signin"))
}

// posts sends a form as a script of the page would, and answers the status.
func (p *person) posts(path string, form string) int {
	p.Helper()
	return browser.Eval[int](p.Tab, fmt.Sprintf(`fetch(%q, {method: "POST", body: new URLSearchParams(%q), redirect: "manual"}).then(r => r.status)`, path, form))
}

// gets is the status of a page.
func (p *person) gets(path string) int {
	p.Helper()
	return browser.Eval[int](p.Tab, fmt.Sprintf(`fetch(%q).then(r => r.status)`, path))
}

// sees opens a page and fails the test unless it says the words.
func (p *person) sees(path string, words ...string) {
	p.Helper()
	p.Open(path)
	p.says(words...)
}

func (p *person) says(words ...string) {
	p.Helper()
	text := p.Text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			p.Errorf("%s does not say %q:\n%s", p.Where(), w, text)
		}
	}
}

// cookies are those that the browser sends to Signboard.
func (p *person) cookies() []*http.Cookie {
	p.Helper()
	var list []*http.Cookie
	p.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		found, err := cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{p.door.base}})
		if err != nil {
			return err
		}
		for _, c := range found.Cookies {
			list = append(list, &http.Cookie{Name: c.Name, Value: c.Value})
		}
		return nil
	}))
	return list
}

// with is the status of a page for whoever has the cookies, redirects not
// followed.
func (d *door) with(cookies []*http.Cookie, header, path string) int {
	d.Helper()
	request, err := http.NewRequestWithContext(d.Context(), http.MethodGet, d.base+path, nil)
	if err != nil {
		d.Fatal(err)
	}
	for _, c := range cookies {
		request.AddCookie(c)
	}
	if header != "" {
		request.Header.Set("Authorization", header)
	}
	client := &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		d.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// TestPeople_comeInThroughDex has three people sign in through dex's own login
// form, each in a browser of their own, and walks what each can and cannot do.
func TestPeople_comeInThroughDex(t *testing.T) {
	d := newDoor(t)
	pages := []string{"/", "/images", d.image, "/signers", "/quarantine", "/teams", "/registries", "/trust", "/audit", "/learn", "/search?q=payments", "/help"}
	const approval = "decision=approve&repositories=**&reason=because&revision=0&role=admin"

	nobody := d.as(t)
	nobody.Open("/signers")
	if !strings.HasPrefix(nobody.Where(), d.base+"/signin?return=%2Fsigners") {
		t.Errorf("who isn't signed in is led to %s", nobody.Where())
	}
	t.Run("a viewer", func(t *testing.T) {
		p := d.as(t)
		p.asks("/signers")
		p.answers(vera, "not the "+password)
		p.Until(`document.querySelector("#login-error")`)
		if status := d.with(p.cookies(), "", "/"); status != http.StatusSeeOther {
			t.Errorf("after a wrong password the overview is answered with %d", status)
		}
		p.answers(vera, password)
		p.Until(fmt.Sprintf(`location.href === %q && document.readyState === "complete"`, d.base+"/signers"))
		p.says("vera", "release pipeline")
		d.signer = browser.Eval[string](p.Tab, `document.querySelector("main a[href^='/signers/key']").getAttribute("href")`)
		for _, path := range pages {
			if status := p.gets(path); status != http.StatusOK {
				t.Errorf("%s is answered with %d", path, status)
			}
		}
		if row := browser.Eval[string](p.Tab, `fetch("/teams").then(r => r.text()).then(t => new DOMParser().parseFromString(t, "text/html").querySelector("a[href='/teams/payments']").closest("tr").textContent)`); !strings.Contains(row, "your team") {
			t.Errorf("among the teams, the viewer's own is %q", row)
		}
		p.Open("/")
		if !p.Has("section.yours a[href='/teams/payments']") || p.Has("section.yours a[href='/teams/another']") {
			t.Errorf("the overview doesn't lead to the viewer's own team and to that alone:\n%s", p.Text())
		}
		p.sees("/teams/payments", "Your unsigned images")
		p.sees(d.image, "approved")
		p.Open(d.signer)
		if p.Has("form[action$='/decisions']") {
			t.Error("the form that decides is offered")
		}
		if p.Has("a[href='/tokens']") || p.gets("/tokens") != http.StatusForbidden {
			t.Error("the page of tokens is offered, or answered")
		}
		for path, form := range map[string]string{
			"/tokens": "name=mine&role=admin&lasts=720h", d.signer + "/decisions": approval, "/quarantine": "digest=sha256:0&reason=because", "/registries/zot/sync": "", "/registries/zot/test": "",
		} {
			if status := p.posts(path, form); status != http.StatusForbidden {
				t.Errorf("POST %s is answered with %d", path, status)
			}
		}
	})
	if d.signer == "" {
		t.Fatal("without the signer's page there is nothing to decide about")
	}
	t.Run("a reviewer", func(t *testing.T) {
		p := d.as(t)
		p.signIn(rhea, d.signer)
		p.Click("form[action$='/decisions'] [name=decision][value=approve]")
		p.Fill("form[action$='/decisions'] [name=repositories]", "zot/payments/**")
		p.Fill("form[action$='/decisions'] [name=reason]", "Compared with the team, in person.")
		p.Press("form[action$='/decisions'] button", "Record the decision")
		p.Until(`document.readyState === "complete" && document.body.innerText.includes("This is what changes. Record it?")`)
		p.Press("form[action$='/decisions'] button", "Record the decision")
		p.Until(`document.readyState === "complete" && document.body.innerText.includes("Approved.")`)
		p.Open(d.image)
		for deadline := time.Now().Add(30 * time.Second); !strings.Contains(p.Text(), "We trust this image") && time.Now().Before(deadline); {
			p.Open(d.image)
		}
		p.says("We trust this image")
		for _, path := range []string{"/registries/zot/test", "/tokens"} {
			if status := p.posts(path, "name=mine&role=admin&lasts=720h"); status != http.StatusForbidden {
				t.Errorf("POST %s is answered with %d", path, status)
			}
		}
		if status := p.gets("/tokens"); status != http.StatusForbidden {
			t.Errorf("the page of tokens is answered with %d", status)
		}
	})
	t.Run("an administrator", func(t *testing.T) {
		p := d.as(t)
		p.signIn(ada, "/registries")
		p.Press("form[action='/registries/zot/test'] button", "Test")
		p.Until(`document.readyState === "complete" && document.querySelector("section.tried")?.innerText.includes("answers")`)

		p.Open("/tokens")
		if !p.Has("details[open] #token-name") {
			p.Press("summary", "Make a token")
		}
		p.Fill("#token-name", "nightly report")
		p.Press("form[action='/tokens'] button", "Make the token")
		p.Until(`document.body.innerText.includes("sgb_") && document.readyState === "complete"`)
		secret := browser.Eval[string](p.Tab, `document.body.innerText.match(/sgb_[A-Za-z0-9_-]+/)[0]`)
		for path, want := range map[string]int{"/api/v1/images": http.StatusOK, "/metrics": http.StatusOK, "/images": http.StatusSeeOther} {
			if status := d.with(nil, "Bearer "+secret, path); status != want {
				t.Errorf("with the token, %s is answered with %d, want %d", path, status, want)
			}
		}
		p.sees("/tokens", "nightly report")
		if strings.Contains(p.Text(), secret) {
			t.Error("the secret is shown a second time")
		}
		p.posts(browser.Eval[string](p.Tab, `document.querySelector("form[action$='/revoke']").getAttribute("action")`), "")
		if status := d.with(nil, "Bearer "+secret, "/api/v1/images"); status != http.StatusUnauthorized {
			t.Errorf("with the revoked token, images are answered with %d", status)
		}
		// Who was refused what is in the audit log, under the provider's names.
		p.sees("/audit", "access.refused", "vera", "rhea", "signer.approve", "token.create", "token.revoke", "Compared with the team, in person.")
	})
	t.Run("somebody without a role", func(t *testing.T) {
		p := d.as(t)
		p.asks("/images")
		p.answers(stan, password)
		p.Until(`location.pathname === "/auth/callback" && document.readyState === "complete"`)
		p.says("stan", "none of your groups gives you a role")
		if status := d.with(p.cookies(), "", "/images"); status == http.StatusOK {
			t.Error("and is let in all the same")
		}
	})
	t.Run("signing out", func(t *testing.T) {
		p := d.as(t)
		p.signIn(vera, "/signers")
		kept := p.cookies()
		if status := d.with(kept, "", "/signers"); status != http.StatusOK {
			t.Fatalf("with the browser's cookies, the page is answered with %d", status)
		}

		// Somewhere else, too, until they end that from here.
		other := d.as(t)
		other.signIn(vera, "/images")
		p.sees("/account", "vera", "payments", "This browser")
		p.Click("form[action='/account/others/end'] button")
		p.Until(`document.readyState === "complete" && document.body && !document.querySelector("form[action='/account/others/end']")`)
		if there, here := d.with(other.cookies(), "", "/signers"), p.gets("/signers"); there != http.StatusSeeOther || here != http.StatusOK {
			t.Errorf("after the other sessions were ended, they are answered with %d, and this one with %d", there, here)
		}

		p.Open("/signers")
		p.signOut()
		p.says("You are signed out.")
		if status := d.with(kept, "", "/signers"); status != http.StatusSeeOther {
			t.Errorf("with cookies from before, the page is answered with %d", status)
		}
		// dex, too, has signed them out: it asks for the password again.
		p.asks("/signers")
		// Going back to where they were shows nothing of it.
		entries, err := browser.Run(p.Tab, chromedp.NavigationEntries())
		if err != nil {
			t.Fatal(err)
		}
		back := 0
		for _, entry := range entries.Entries {
			if !strings.HasPrefix(entry.URL, d.base) {
				continue
			}
			p.Do(chromedp.NavigateToHistoryEntry(entry.ID))
			if text := p.Text(); strings.Contains(text, "release pipeline") || !strings.Contains(text, "Sign in to Signboard") {
				t.Errorf("going back to %s shows\n%s", entry.URL, text)
			}
			back++
		}
		if back < 2 {
			t.Errorf("only %d pages are there to go back to: %+v", back, entries.Entries)
		}
	})
	t.Run("while the provider is down", func(t *testing.T) {
		p, late := d.as(t), d.as(t)
		p.signIn(rhea, "/images")
		d.dex.kill()
		p.sees("/images", "rhea", "payments/api")
		p.sees(d.signer, "release pipeline", "Compared with the team, in person.")

		// Nor does a restart, at which the provider can't be asked anything, sign
		// anybody out.
		d.program.stop()
		if err := d.program.start(t.Context(), d.dir); err != nil {
			t.Fatal(err)
		}
		p.sees("/images", "rhea", "payments/api")
		late.Open("/images")
		late.Click("main a[href^='/auth/start']")
		late.Until(`location.pathname === "/auth/start" && document.readyState === "complete"`)
		late.says("can't be reached")
		if status := d.with(late.cookies(), "", "/images"); status != http.StatusSeeOther {
			t.Errorf("who came while the provider was down is answered with %d", status)
		}

		if err := d.dex.start(t.Context(), t.TempDir()); err != nil {
			t.Fatal(err)
		}
		d.signsInSoon(late, ada, "/images")
		late.says("ada")
	})
}

// signsInSoon signs in once the provider is found to be back: a failure to reach
// it is remembered for some seconds.
func (d *door) signsInSoon(p *person, u user, path string) {
	p.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		p.Open("/auth/start?return=" + url.QueryEscape(path))
		if p.Has("#login") {
			break
		}
		if time.Now().After(deadline) {
			p.Fatalf("the provider is back, and the sign-in still says:\n%s", p.Text())
		}
	}
	p.answers(u, password)
	p.Until(fmt.Sprintf(`location.href === %q && document.readyState === "complete"`, d.base+path))
}
