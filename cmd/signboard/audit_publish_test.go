package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"

	"signboard/inventory/audit"
)

// witness is a receiver of checkpoints.
type witness struct {
	mu     sync.Mutex
	got    []string
	bad    []string
	status int
}

const secret = "a secret of both sides"

func (w *witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
	if r.Method != http.MethodPost || r.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		w.bad = append(w.bad, fmt.Sprint(r.Method, r.Header))
	}
	if w.status != 0 {
		out.WriteHeader(w.status)
		return
	}
	w.got = append(w.got, string(body))
}

// opened is the office's program, not serving.
func (o office) opened() *app {
	o.Helper()
	c, err := loadConfig(o.path("signboard.yaml"), nil)
	if err != nil {
		o.Fatal(err)
	}
	a, err := open(o.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		o.Fatal(err)
	}
	return a
}

func (o office) configure(audit, rest string) {
	o.write("signboard.yaml", fmt.Sprintf("listen: 127.0.0.1:0\nbase_url: http://localhost:8080\ndatabase: sqlite:%s\naudit: %s\n%s", o.path("board.db"), audit, rest))
}

func TestWebhook_getsEachCheckpointSigned(t *testing.T) {
	o, w := newOffice(t), &witness{}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	o.write("secret", secret+"\n")
	o.configure(fmt.Sprintf("{webhook: {url: %q, secret_file: %q, allow_private: true}}", server.URL+"/log?key=k", o.path("secret")), "")
	o.token("first")
	a := o.opened()
	defer a.close()
	p := a.published[0]
	if strings.Contains(p.where, "key=") {
		t.Errorf("the page would show %s", p.where)
	}
	try := func(want string) {
		t.Helper()
		err := a.publishOnce(t.Context(), p)
		p.note(err, time.Now())
		if got := p.shown().Problem; got != want {
			t.Errorf("the problem is %q (%v), want %q", got, err, want)
		}
	}
	try("")
	try("") // nothing new
	o.token("second")
	w.status = 503
	try("It answers with status 503.")
	w.status = 302
	try("It answers with status 302.")
	w.status = 0
	try("")
	if len(w.bad) != 0 || len(w.got) != 2 || !strings.HasPrefix(w.got[0], "localhost:8080\n2\n") || !strings.HasPrefix(w.got[1], "localhost:8080\n3\n") {
		t.Errorf("it got %q, and %q that aren't signed", w.got, w.bad)
	}
	if _, err := audit.OpenCheckpoint([]byte(w.got[1]), a.auditKeys); err != nil {
		t.Error(err)
	}
	server.Close()
	o.token("third")
	try("It can't be reached.")
	if s := p.shown(); s.Size != 3 || s.Since == nil {
		t.Errorf("the place stands as %+v", s)
	}
	if places := a.auditPlaces(); places["webhook"] {
		t.Errorf("the numbers say %v", places)
	}
}

func TestWebhook_staysOffPrivateAddressesUnlessAllowed(t *testing.T) {
	o, w := newOffice(t), &witness{}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	o.configure(fmt.Sprintf("{webhook: {url: %q, secret: %q}}", server.URL, secret), "")
	o.token("first")
	a := o.opened()
	defer a.close()
	if err := a.publishOnce(t.Context(), a.published[0]); err == nil || len(w.got)+len(w.bad) > 0 {
		t.Errorf("a loopback address was spoken to: %v, %q", err, w.got)
	}
}

// TestPublish_neverWritesOverAnotherLog keeps the evidence of a log that was
// exchanged, in a file and in a registry.
func TestPublish_neverWritesOverAnotherLog(t *testing.T) {
	server := httptest.NewServer(ggcr.New(ggcr.Logger(slog.NewLogLogger(slog.DiscardHandler, 0))))
	t.Cleanup(server.Close)
	o := newOffice(t)
	o.configure(fmt.Sprintf("{checkpoint_file: %q, registry: {name: local, repository: audit/log}}", o.path("checkpoint.txt")),
		fmt.Sprintf("registries: [{name: local, url: %q, allow_private: true, repositories: [app]}]\n", server.URL))
	o.token("first")
	o.token("second")
	a := o.opened()
	for _, p := range a.published {
		if err := a.publishOnce(t.Context(), p); err != nil {
			t.Fatalf("%s: %v", p.where, err)
		}
	}
	note, err := a.peers[0].Note(t.Context(), "audit/log", "latest")
	if err != nil || string(note) != o.read("checkpoint.txt") {
		t.Fatalf("the registry holds %q, %v", note, err)
	}
	size, _, _, err := a.store.AuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := a.peers[0].Note(t.Context(), "audit/log", fmt.Sprint("size-", size)); err != nil || string(kept) != string(note) {
		t.Errorf("under its size there is %q, %v", kept, err)
	}
	a.close()

	// The database begins anew, with the same key; nobody can tell but by what was
	// published.
	for _, end := range []string{"", "-wal", "-shm"} {
		os.Remove(o.path("board.db" + end))
	}
	before := o.read("checkpoint.txt")
	if err := os.Rename(o.path("checkpoint.txt"), filepath.Join(o.dir, "kept.txt")); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		o.token(fmt.Sprint("another-", i))
	}
	a = o.opened()
	defer a.close()
	o.write("checkpoint.txt", before)
	for _, p := range a.published {
		err := a.publishOnce(t.Context(), p)
		p.note(err, time.Now())
		if problem := p.shown().Problem; problem == "" {
			t.Errorf("%s was written over", p.where)
		}
	}
	if o.read("checkpoint.txt") != before {
		t.Error("the file is another")
	}
	if again, err := a.peers[0].Note(t.Context(), "audit/log", "latest"); err != nil || string(again) != before {
		t.Errorf("the registry holds %q, %v", again, err)
	}
}

func TestAuditConfig_refusesWhatCannotBePublishedTo(t *testing.T) {
	for text, want := range map[string]string{
		`{webhook: {url: "ftp://x", secret: "0123456789abcdef"}}`:                         "audit.webhook.url",
		`{webhook: {url: "https://user@x.test", secret: "0123456789abcdef"}}`:             "audit.webhook.url",
		`{webhook: {url: "https://x.test"}}`:                                              "audit.webhook.secret",
		`{webhook: {url: "https://x.test", secret: "short"}}`:                             "audit.webhook.secret",
		`{webhook: {url: "https://x.test", secret: "whsec_0123456789abcdef0"}}`:           "audit.webhook.secret",
		`{webhook: {url: "https://x.test", secret: "0123456789abcdef", ca: nowhere.pem}}`: "audit.webhook.ca",
		`{registry: {name: none, repository: audit}}`:                                     "audit.registry.name",
		`{registry: {name: local, repository: "A B"}}`:                                    "audit.registry.repository",
		`{webhook: {adress: x}}`:                                                          "adress",
	} {
		o := newOffice(t)
		o.configure(text, "registries: [{name: local, url: \"http://127.0.0.1:1\"}]\n")
		o.expect(2, want, "audit", "verify")
	}
}

func TestWatch_findsWhatWasChanged(t *testing.T) {
	o := newOffice(t)
	for i := range 3 {
		o.token(fmt.Sprint("pipeline-", i))
	}
	a := o.opened()
	defer a.close()
	if check := a.checkAudit(t.Context(), time.Now); !check.Whole() || check.Size < 3 {
		t.Errorf("a whole log: %+v", check)
	}
	o.byHand("update audit_entries set reason = 'as agreed' where idx = 1")
	check := a.checkAudit(t.Context(), time.Now)
	if check.Whole() || check.Bad == nil || *check.Bad != 1 || !strings.Contains(check.Message, "Entry 1 was changed") {
		t.Errorf("an edited log: %+v", check)
	}
	o.byHand("update audit_entries set reason = '' where idx = 1")
	if check := a.checkAudit(t.Context(), time.Now); !check.Whole() {
		t.Errorf("put back: %+v", check)
	}
}
