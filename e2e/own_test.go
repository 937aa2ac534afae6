package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	_ "modernc.org/sqlite"
)

// owner has a registry, a key and a folder of their own.
type owner struct {
	t        *testing.T
	dir      string
	registry string // host:port
	stop     func() // ends the registry
	key      *ecdsa.PrivateKey
}

func newOwner(t *testing.T) *owner {
	t.Helper()
	server := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	o := &owner{t: t, dir: t.TempDir(), registry: strings.TrimPrefix(server.URL, "http://"), stop: server.Close}
	var err error
	o.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	o.must(err)
	der, err := x509.MarshalPKIXPublicKey(o.key.Public())
	o.must(err)
	o.write("cosign.pub", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	o.write("signboard.yaml", fmt.Sprintf("listen: %s\nregistries:\n  - {name: local, url: 'http://%s', allow_private: true}\n", freeAddress(t), o.registry))
	return o
}

func (o *owner) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *owner) write(file, text string) {
	o.t.Helper()
	o.must(os.WriteFile(filepath.Join(o.dir, file), []byte(text), 0o600))
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// push pushes an image and, unless it is to stay unsigned, signs it as cosign
// does with a key.
func (o *owner) push(repository, tag string, signed bool) {
	o.t.Helper()
	digest := o.image(repository, tag)
	if signed {
		o.sign(repository, digest, digest)
	}
}

func (o *owner) ref(repository, tag string) name.Reference {
	o.t.Helper()
	r, err := name.ParseReference(o.registry + "/" + repository + ":" + tag)
	o.must(err)
	return r
}

// image pushes an image that nobody signed.
func (o *owner) image(repository, tag string) v1.Hash {
	o.t.Helper()
	image, err := random.Image(128, 1)
	o.must(err)
	o.must(remote.Write(o.ref(repository, tag), image))
	digest, err := image.Digest()
	o.must(err)
	return digest
}

// sign attaches a signature of one digest to another; in honest hands the two
// are the same.
func (o *owner) sign(repository string, at, of v1.Hash) {
	o.t.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"%s/%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}`, o.registry, repository, of)
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, o.key, sum[:])
	o.must(err)
	sig, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), mutate.Addendum{
		Layer:       static.NewLayer(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)},
	})
	o.must(err)
	o.must(remote.Write(o.ref(repository, strings.Replace(at.String(), ":", "-", 1)+".sig"), sig))
}

// TestOwnRegistry follows the README: a registry and a key of one's own, from
// the first sync to a page that says who signed the image and that they are
// trusted.
func TestOwnRegistry(t *testing.T) {
	o := newOwner(t)
	o.push("team-a/api", "v1", true)
	o.push("team-a/web", "v1", false)
	out, code := run(t, o.dir, "", "sync")
	if code != 0 || !strings.Contains(out, "local/team-a/api: done") || !strings.Contains(out, "2 tags in 2 repositories looked at") {
		t.Fatalf("sync ends with %d:\n%s", code, out)
	}
	if out, code = run(t, o.dir, "", "key", "add", "--name", "release", "cosign.pub"); code != 0 || !strings.Contains(out, "standing: pending") {
		t.Fatalf("key add ends with %d:\n%s", code, out)
	}
	if out, code = run(t, o.dir, "", "key", "add", "--name", "again", "cosign.pub"); code != 1 || !strings.Contains(out, "registered already") {
		t.Errorf("the same key again ends with %d:\n%s", code, out)
	}
	p, err := start("serve", "--config", filepath.Join(o.dir, "signboard.yaml"))
	o.must(err)
	t.Cleanup(func() { p.stop() })
	match, err := p.wait(regexp.MustCompile(`msg=serving address=(\S+)`))
	o.must(err)

	// The server's own folder is empty: its database is another one, and fills
	// by itself.
	tb := newTab(t)
	tb.wear(looks[0])
	base := match[1]
	tb.eventuallyListed(base+"/images?q=api", "Unverifiable")
	config := filepath.Join(p.cmd.Dir, "signboard.yaml")
	text, err := os.ReadFile(filepath.Join(o.dir, "signboard.yaml"))
	o.must(err)
	o.must(os.WriteFile(config, text, 0o600))
	if out, code = run(t, p.cmd.Dir, "", "key", "add", "--name", "release", filepath.Join(o.dir, "cosign.pub")); code != 0 {
		t.Fatalf("key add beside a running server ends with %d:\n%s", code, out)
	}
	tb.eventuallyListed(base+"/images?q=api", "Unapproved")
	tb.open(base + "/signers")
	tb.open(base + tb.first("main a[href^='/signers/key']"))
	tb.do(
		chromedp.Click("form[action$='/decisions'] [name=decision][value=approve]"),
		chromedp.SetValue("form[action$='/decisions'] [name=reason]", "My own key."),
	)
	tb.record()
	tb.until(`document.body.innerText.includes("Approved.")`)
	tb.eventuallyListed(base+"/images?q=api", "Trusted")
	tb.clean("one's own registry")
}

// eventuallyListed opens a list until a row of it says something.
func (tb *tab) eventuallyListed(path, says string) {
	tb.t.Helper()
	rows := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		tb.open(path)
		rows = eval[string](tb, `[...document.querySelectorAll("main tbody")].map(b => b.innerText).join("\n")`)
		if strings.Contains(rows, says) {
			return
		}
	}
	tb.t.Fatalf("no row of %s says %q:\n%s", path, says, rows)
}

// TestCommands_refuseClearly holds that bad input gets an error that names the
// thing, the cause and what to do, and the right exit status.
func TestCommands_refuseClearly(t *testing.T) {
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<!doctype html><title>Welcome</title>")
	}))
	defer html.Close()
	newer := filepath.Join(t.TempDir(), "newer.db")
	if out, code := run(t, t.TempDir(), "database: sqlite:"+newer+"\nregistries: [{name: a, url: '"+html.URL+"', allow_private: true}]", "sync", "--config", "-"); code != 3 {
		t.Fatalf("making a database ends with %d:\n%s", code, out)
	}
	db, err := sql.Open("sqlite", newer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("insert into goose_db_version (version_id, is_applied) values (4711, 1)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	notAFolder := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notAFolder, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	for name, test := range map[string]struct {
		config string
		args   []string
		code   int
		says   []string
	}{
		"a wrong key":             {"lisen: x", []string{"serve", "--config", "-"}, 2, []string{"standard input", "lisen", "expected one of", "listen"}},
		"a registry not there":    {"registries: [{name: gone, url: 'http://127.0.0.1:1', allow_private: true}]", []string{"sync", "--config", "-"}, 3, []string{"gone", "127.0.0.1:1", "refused the connection", "registry_unreachable"}},
		"a registry of HTML":      {"registries: [{name: page, url: '" + html.URL + "', allow_private: true}]", []string{"sync", "--config", "-"}, 3, []string{"page", "web page", "check the registry's url"}},
		"a private registry":      {"registries: [{name: priv, url: '" + html.URL + "'}]", []string{"sync", "--config", "-"}, 3, []string{"priv", "loopback", "allow_private"}},
		"a port in use":           {"listen: " + taken.Addr().String(), []string{"serve", "--config", "-"}, 2, []string{taken.Addr().String(), "Another program listens", "choose another address"}},
		"a newer database":        {"database: sqlite:" + newer, []string{"serve", "--config", "-"}, 2, []string{newer, "newer Signboard", "4711"}},
		"no folder for it":        {"database: sqlite:" + notAFolder + "/a.db", []string{"serve", "--config", "-"}, 2, []string{notAFolder, "database:"}},
		"a folder as database":    {"database: sqlite:" + t.TempDir(), []string{"serve", "--config", "-"}, 2, []string{"is a folder", "Name a file in it"}},
		"a PostgreSQL not there":  {"database: postgres://nobody@127.0.0.1:1/x", []string{"serve", "--config", "-"}, 1, []string{"PostgreSQL", "127.0.0.1:1"}},
		"a file not there":        {"", []string{"serve", "--config", "nowhere.yaml"}, 2, []string{"nowhere.yaml", "no such file"}},
		"no registry at all":      {"", []string{"sync", "--config", "-"}, 2, []string{"no registry is configured"}},
		"a demo for everybody":    {"", []string{"demo", "--listen", "0.0.0.0:0"}, 2, []string{"this machine only"}},
		"an unknown flag":         {"", []string{"sync", "--bogus"}, 2, []string{"--bogus", "--help"}},
		"a registry nobody named": {"registries: [{name: a, url: 'https://x'}]", []string{"sync", "--config", "-", "--registry", "b"}, 2, []string{`no registry is called "b"`}},
	} {
		t.Run(name, func(t *testing.T) {
			out, code := run(t, t.TempDir(), test.config, test.args...)
			if code != test.code {
				t.Errorf("the exit status is %d, want %d:\n%s", code, test.code, out)
			}
			for _, want := range test.says {
				if !strings.Contains(out, want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
			if strings.Contains(out, "goroutine ") {
				t.Errorf("it panicked:\n%s", out)
			}
		})
	}
}

// TestServe_stopsWhenAsked holds that a server ends by itself, in order, when
// it is told to.
func TestServe_stopsWhenAsked(t *testing.T) {
	o := newOwner(t)
	p, err := start("serve", "--config", filepath.Join(o.dir, "signboard.yaml"))
	o.must(err)
	if _, err := p.wait(regexp.MustCompile(`msg=serving`)); err != nil {
		t.Fatal(err)
	}
	if err := p.stop(); err != nil {
		t.Errorf("it ended with %v:\n%s", err, p.printed())
	}
}
