package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// office is a Signboard at which several people sign in, and the registry it is
// about.
type office struct {
	*site
	registry *owner
	provider *provider
	program  *program
	base     string
	keys     map[string]*owner // who signs, by the name their key is registered under
}

var (
	maya = colleague{"Maya Okafor", []string{"managers"}}    // sees
	rhea = colleague{"Rhea Lindqvist", []string{"security"}} // decide
	ravi = colleague{"Ravi Anand", []string{"security"}}
)

// newOffice registers keys by their names and starts with an empty registry.
func newOffice(t *testing.T, kind, more string, keys ...string) *office {
	t.Helper()
	o := &office{site: newSite(t, kind, nil), registry: newOwner(t), provider: newProvider(t, maya, rhea, ravi), keys: map[string]*owner{}}
	listen := freeAddress(t)
	o.write(fmt.Sprintf(`
listen: %s
base_url: http://%[1]s
database: %q
registries:
  - {name: local, url: 'http://%s', allow_private: true}
oidc:
  issuer_url: %s
  client_id: signboard
  client_secret: %q
  roles: {viewer: ["*"], reviewer: [security]}
teams:
  - {name: payments, groups: [payments-dev], repositories: ["local/payments/**"]}
  - {name: platform, groups: [platform], repositories: ["local/platform/**"]}
%s`, listen, o.dsn, o.registry.registry, o.provider.url, providerSecret, more))
	for _, name := range keys {
		o.keys[name] = o.signer(name)
	}
	return o
}

func (o *office) write(text string) {
	o.t.Helper()
	(&owner{t: o.t, dir: o.dir}).write("signboard.yaml", text)
}

// signer makes a key and registers it.
func (o *office) signer(name string) *owner {
	o.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	o.must(err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	o.must(err)
	who := *o.registry
	who.key, who.dir = key, o.dir
	who.write(name+".pub", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	if out, code := run(o.t, o.dir, "", "key", "add", "--name", name, name+".pub"); code != 0 {
		o.t.Fatalf("key add ends with %d:\n%s", code, out)
	}
	return &who
}

// push pushes an image that somebody signs, or nobody when who is empty, and
// returns the path of its page.
func (o *office) push(who, repository, tag string) string {
	o.t.Helper()
	digest := o.registry.image(repository, tag)
	if who != "" {
		o.keys[who].sign(repository, digest, digest)
	}
	return "/images/" + digest.String() + "?repository=" + url.QueryEscape("local/"+repository)
}

// opens syncs once and starts serving.
func (o *office) opens() {
	o.t.Helper()
	o.syncs()
	o.program = o.serve(binary)
	o.base = o.site.base(o.program)
}

// syncs reads the registry with the command, beside the server when that runs.
func (o *office) syncs() {
	o.t.Helper()
	if out, code := run(o.t, o.dir, "", "sync", "--progress", "none"); code != 0 {
		o.t.Fatalf("sync ends with %d:\n%s", code, out)
	}
}

// at is a browser that somebody sits before.
type at struct {
	*tab
	office *office
}

// welcome opens a browser and signs somebody in.
func (o *office) welcome(who colleague, path string) at {
	o.t.Helper()
	a := at{newTab(o.t), o}
	a.wear(looks[0])
	a.opens(path)
	a.until(`location.pathname === "/signin" && document.readyState === "complete"`)
	a.click("main a[href^='/auth/start']")
	a.until(fmt.Sprintf(`location.origin === %q && document.readyState === "complete"`, o.provider.url))
	a.press("a", who.name)
	a.until(fmt.Sprintf(`location.href === %q && document.readyState === "complete"`, o.base+path))
	return a
}

func (a at) opens(path string) {
	a.t.Helper()
	a.open(a.office.base + path)
	a.until(`document.readyState === "complete"`)
}

// says fails the test unless the page says all of the words.
func (a at) says(words ...string) {
	a.t.Helper()
	text := plain(a.text())
	for _, w := range words {
		if !strings.Contains(text, w) {
			a.t.Errorf("%s does not say %q:\n%s", a.path(), w, text)
		}
	}
}

// plain is a text with a blank for each run of blanks and lines.
func plain(text string) string { return strings.Join(strings.Fields(text), " ") }

// becomes opens a page until it says something.
func (a at) becomes(path, words string) {
	a.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		a.opens(path)
		if strings.Contains(plain(a.text()), words) {
			return
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("%s never says %q:\n%s", path, words, a.text())
		}
	}
}

// leads presses something that leads to another page, or to the same again, and
// waits until that is there.
func (a at) leads(kind, words string) {
	a.t.Helper()
	eval[bool](a.tab, `window.left = true`)
	a.press(kind, words)
	a.until(`window.left === undefined && document.readyState === "complete"`)
}

// fills fills in the form that decides.
func (a at) fills(verb, scope, reason string) {
	a.t.Helper()
	const form = "form[action$='/decisions'] "
	a.do(chromedp.Click(form + "[name=decision][value=" + verb + "]"))
	a.sets(form+"[name=repositories]", scope)
	a.sets(form+"[name=reason]", reason)
}

// sets writes into a field, as soon as it is to be seen. Parts of a page may be
// replaced while it is read, so the field is looked for anew each time.
func (a at) sets(field, value string) {
	a.t.Helper()
	a.until(fmt.Sprintf(`(e => { if (!e || e.getClientRects().length === 0) return false; e.value = %q; return e.value === %[1]q })(document.querySelector(%[2]q))`, value, field))
}

// previews asks what the decision in the form would change, and waits for the
// answer.
func (a at) previews() {
	a.t.Helper()
	a.leads("form[action$='/decisions'] button", "Show what changes")
	a.until(`document.querySelector("#impact")`)
}

// impact is what the page says that would change.
func (a at) impact() string {
	a.t.Helper()
	return plain(eval[string](a.tab, `document.querySelector("#impact").innerText`))
}

func (a at) records() {
	a.t.Helper()
	a.leads("form[action$='/decisions'] button", "Record the decision")
}

// signerPath is the path of the page of a signer by its name.
func (a at) signerPath(name string) string {
	a.t.Helper()
	return eval[string](a.tab, fmt.Sprintf(`[...document.querySelectorAll("main a[href^='/signers/key']")].find(e => e.textContent.includes(%q)).getAttribute("href")`, name))
}

// audits runs signboard audit verify.
func (o *office) audits() (string, int) {
	o.t.Helper()
	return run(o.t, o.dir, "", "audit", "verify", "--config", "signboard.yaml")
}

// TestDecision_fromTheInboxToTheAudit walks the whole way of trust, on each
// database and as different people: a reviewer signs in, opens the inbox, reads
// the chain, previews and approves with a scope; the team's images turn trusted,
// and a manager's overview shows it; a second reviewer revokes; an image is
// quarantined and released; the log verifies, and stops verifying when a row of it
// is edited.
func TestDecision_fromTheInboxToTheAudit(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			o := newOffice(t, kind, "", "payments pipeline", "contractor")
			image := o.push("payments pipeline", "payments/api", "v1")
			o.push("payments pipeline", "payments/web", "v1")
			outside := o.push("payments pipeline", "platform/base", "v1")
			o.push("contractor", "platform/tool", "v1")
			o.push("", "platform/plain", "v1")
			o.opens()

			// A reviewer signs in and opens the inbox: those with the most images first.
			rheas := o.welcome(rhea, "/signers")
			rheas.says("2 signers wait for a decision.", rhea.name)
			names := plain(eval[string](rheas.tab, `[...document.querySelectorAll("main tbody a[href^='/signers/key']")].map(e => e.textContent).join(" ")`))
			if first, second := strings.Index(names, "payments pipeline"), strings.Index(names, "contractor"); first < 0 || second < first {
				t.Errorf("the inbox lists %q", names)
			}
			signer := rheas.signerPath("payments pipeline")
			rheas.opens(signer)

			// They read the chain of one of its images: from the image to the key.
			rheas.opens(image)
			rheas.says("nobody has approved")
			chain := eval[[]string](rheas.tab, `[...document.querySelectorAll("ol.chain > li, ol[class*=chain] > li")].map(e => e.innerText)`)
			if len(chain) < 3 || !strings.Contains(strings.ToLower(chain[0]), "image") || !strings.Contains(strings.ToLower(strings.Join(chain, " ")), "key") {
				t.Errorf("the chain reads %q", chain)
			}

			// They preview, and nothing changes by that.
			rheas.opens(signer)
			rheas.fills("approve", "local/payments/**", "Compared in person.")
			rheas.previews()
			if says := rheas.impact(); !strings.Contains(says, "2 images") || !strings.Contains(says, "payments") {
				t.Errorf("the impact is %q", says)
			}
			rheas.axe("a preview")
			if n := ask(t, o.site, "select cast(count(*) as text) from decisions"); n != "0" {
				t.Fatalf("a preview made %s decisions", n)
			}
			// They approve, and the team's images turn trusted; the image outside doesn't.
			rheas.records()
			rheas.says("Approved.")
			rheas.opens(signer)
			rheas.says("Compared in person.")
			rheas.becomes(image, "We trust this image")
			rheas.becomes("/teams/payments", "2 of 2 images are trusted")
			rheas.opens(outside)
			rheas.says("not for this repository")

			// A manager's overview shows it, and offers no decision.
			mayas := o.welcome(maya, "/")
			mayas.says("2 of 5 images are trusted")
			mayas.opens(signer)
			mayas.says("Compared in person.", rhea.name)
			if eval[bool](mayas.tab, `!!document.querySelector("form[action$='/decisions']")`) {
				t.Error("a manager is offered to decide")
			}

			// A second reviewer revokes.
			ravis := o.welcome(ravi, signer)
			ravis.fills("revoke", "", "The pipeline was taken over.")
			ravis.previews()
			if says := ravis.impact(); !strings.Contains(says, "2 images") {
				t.Errorf("the impact of revoking is %q", says)
			}
			ravis.records()
			ravis.says("Revoked.")
			ravis.opens(signer)
			ravis.says("The pipeline was taken over.", ravi.name)
			ravis.becomes(image, "revoked")
			mayas.becomes("/", "0 of 5 images are trusted")

			// An image is quarantined and released.
			ravis.quarantines(image, "Found something odd.")
			mayas.opens("/images?status=quarantined")
			mayas.says("payments/api")
			mayas.opens(image)
			mayas.says("Found something odd.")
			ravis.releases("False alarm.")
			mayas.opens("/quarantine")
			mayas.says("False alarm.", "Nothing is held back.")

			mayas.opens("/audit")
			mayas.says("Compared in person.", "The pipeline was taken over.", "Found something odd.", "False alarm.", rhea.name, ravi.name)
			for _, a := range []at{rheas, mayas, ravis} {
				a.clean("the way of trust")
			}
			o.edited("Compared in person.")
		})
	}
}

// quarantines holds an image back from its page.
func (a at) quarantines(image, reason string) {
	a.t.Helper()
	a.opens(image)
	a.press("summary", "Hold this image back")
	a.leads("form[action='/quarantine/new'] button", "See what would be held")
	a.says("would be held")
	a.sets("form[action='/quarantine'] [name=reason]", reason)
	a.leads("form[action='/quarantine'] button", "uarantine")
	a.says("Quarantined.")
}

// releases releases the one thing that is held.
func (a at) releases(reason string) {
	a.t.Helper()
	a.opens("/quarantine")
	a.leads("a", "Release or change")
	a.sets("form[action$='/release'] [name=reason]", reason)
	a.leads("form[action$='/release'] button", "elease")
	a.says("Released.")
}

// edited holds that the audit log verifies, and that it stops to when somebody
// with access to the database writes another reason into one row: the command
// names it. The row put right, the log verifies again.
func (o *office) edited(reason string) {
	o.t.Helper()
	if out, code := o.audits(); code != 0 {
		o.t.Fatalf("audit verify ends with %d:\n%s", code, out)
	}
	index := ask(o.t, o.site, "select cast(min(idx) as text) from audit_entries where reason = '"+reason+"'")
	db := o.open()
	defer db.Close()
	write := func(was, is string) {
		o.t.Helper()
		done, err := db.Exec("update audit_entries set reason = $1 where idx = cast($2 as integer) and reason = $3", is, index, was)
		o.must(err)
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			o.t.Fatalf("%d rows were edited: %v", n, err)
		}
	}
	write(reason, "Nobody asked.")
	out, code := o.audits()
	if code != 1 || !strings.Contains(out, "Entry "+index+" ") {
		o.t.Errorf("with entry %s edited, audit verify ends with %d:\n%s", index, code, out)
	}
	write("Nobody asked.", reason)
	if out, code := o.audits(); code != 0 {
		o.t.Errorf("with the entry put right, audit verify ends with %d:\n%s", code, out)
	}
}

// TestDecision_showsWhatChangedMeanwhile previews an approval, has a sync find
// more images before it is recorded, and holds that the reviewer is shown the
// difference instead of being surprised; with what they saw last it is recorded.
func TestDecision_showsWhatChangedMeanwhile(t *testing.T) {
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts %v", scripts), func(t *testing.T) {
			o := newOffice(t, "sqlite", "", "payments pipeline")
			o.push("payments pipeline", "payments/api", "v1")
			o.opens()
			rheas := o.welcome(rhea, "/signers")
			rheas.opens(rheas.signerPath("payments pipeline"))
			if !scripts {
				rheas.scripts(false)
			}
			rheas.fills("approve", "local/**", "Compared in person.")
			rheas.previews()
			if says := rheas.impact(); !strings.Contains(says, "1 image") {
				t.Fatalf("the impact is %q", says)
			}
			o.push("payments pipeline", "payments/api", "v2")
			o.push("payments pipeline", "platform/base", "v1")
			o.syncs()

			rheas.expected = "status of 409"
			rheas.records()
			if n := ask(t, o.site, "select cast(count(*) as text) from decisions"); n != "0" {
				t.Fatalf("%s decisions were made by somebody who saw something else", n)
			}
			if says := rheas.impact(); !strings.Contains(says, "3 images") || !strings.Contains(says, "platform") {
				t.Errorf("after the inventory changed, the page says %q", says)
			}
			rheas.says("When you looked") // and the form is as it was
			typed := eval[string](rheas.tab, `document.querySelector("form[action$='/decisions'] [name=reason]").value + " | " + document.querySelector("form[action$='/decisions'] [name=repositories]").value`)
			if typed != "Compared in person. | local/**" {
				t.Errorf("the form holds %q", typed)
			}
			rheas.records()
			rheas.says("Approved.")
			if n := ask(t, o.site, "select cast(count(*) as text) from decisions"); n != "1" {
				t.Errorf("%s decisions were made", n)
			}
			rheas.clean("deciding about something that changes")
		})
	}
}

// TestDecision_emptiesAnInboxByKeyboard has a reviewer decide about every signer
// of an inbox with nothing but a keyboard: rows by j, pages by Enter, fields by
// Tab.
func TestDecision_emptiesAnInboxByKeyboard(t *testing.T) {
	names := []string{"alpha", "bravo", "charlie", "delta"}
	o := newOffice(t, "sqlite", "", names...)
	for i, name := range names {
		for n := range i + 1 {
			o.push(name, "payments/"+name, fmt.Sprint("v", n))
		}
	}
	o.opens()
	rheas := o.welcome(rhea, "/signers")
	for left := len(names); left > 0; left-- {
		rheas.opens("/signers")
		rheas.says(fmt.Sprintf("%d signer", left))
		rheas.key("j")
		rheas.until(`document.activeElement.matches("a[href^='/signers/key']")`)
		name := plain(eval[string](rheas.tab, `document.activeElement.textContent`))
		if !strings.Contains(name, names[left-1]) {
			t.Errorf("the first of the inbox is %q, and most images wait for %s", name, names[left-1])
		}
		rheas.followed(kb.Enter)
		rheas.tabTo(`document.activeElement.name === "decision"`)
		verb := "approve"
		if left == 2 { // one of them is rejected
			verb = "reject"
			rheas.types(kb.ArrowDown)
		} else {
			rheas.types(" ")
		}
		rheas.until(fmt.Sprintf(`document.querySelector("[name=decision]:checked")?.value === %q`, verb))
		rheas.tabTo(`document.activeElement.name === "reason"`)
		rheas.types("Known to us: " + names[left-1] + ".")
		rheas.tabTo(`document.activeElement.matches("form[action$='/decisions'] button") && document.activeElement.textContent.includes("Record the decision")`)
		rheas.followed(kb.Enter)
		if eval[bool](rheas.tab, `!!document.querySelector("#impact")`) { // asked once more, with the impact in view
			rheas.tabTo(`document.activeElement.matches("form[action$='/decisions'] button") && document.activeElement.textContent.includes("Record the decision")`)
			rheas.followed(kb.Enter)
		}
		rheas.says(map[string]string{"approve": "Approved.", "reject": "Rejected."}[verb])
	}
	rheas.opens("/signers")
	rheas.says("No signer waits for a decision.")
	rheas.becomes("/", fmt.Sprintf("%d of %d images are trusted", 10-2, 10))
	rheas.opens("/audit")
	for _, name := range names {
		rheas.says("Known to us: " + name + ".")
	}
	rheas.clean("deciding by keyboard")
	if out, code := o.audits(); code != 0 {
		t.Errorf("audit verify ends with %d:\n%s", code, out)
	}
}

func (a at) types(keys string) {
	a.t.Helper()
	a.do(chromedp.KeyEvent(keys))
}

// followed presses a key that leads to another page.
func (a at) followed(key string) {
	a.t.Helper()
	eval[bool](a.tab, `window.left = true`)
	a.types(key)
	a.until(`window.left === undefined && document.readyState === "complete"`)
}

// tabTo presses Tab until what has the focus is what an expression says.
func (a at) tabTo(expression string) {
	a.t.Helper()
	for range 150 {
		if eval[bool](a.tab, "!!("+expression+")") {
			return
		}
		a.types(kb.Tab)
	}
	a.t.Fatalf("%s: Tab never leads to %s", a.path(), expression)
}
