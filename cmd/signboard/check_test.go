package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ggcrname "github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"signboard/handlers/api"
	"signboard/inventory"
)

// command runs the program.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

func entry(reference string, decided, allowed bool, s inventory.Status, r inventory.Reason) api.ImageAnswer {
	return api.ImageAnswer{Reference: reference, Digest: aDigest, Decided: decided, Allowed: allowed, Status: s, Reason: r, Message: "It is so."}
}

func passes(reference string) api.ImageAnswer {
	return entry(reference, true, true, inventory.Trusted, inventory.ReasonOK)
}

func refusedBy(reference string) api.ImageAnswer {
	return entry(reference, true, false, inventory.Unsigned, inventory.ReasonNoSignature)
}

func unsure(reference string) api.ImageAnswer {
	return entry(reference, false, false, inventory.Unknown, inventory.ReasonRegistryUnreachable)
}

// answerOf is what a server says about images.
func answerOf(images ...api.ImageAnswer) api.Answer {
	a := inventory.Answer{}
	for _, i := range images {
		a.Images = append(a.Images, inventory.ImageAnswer(i))
	}
	return api.NewAnswer(inventory.NewAnswer(a.Images))
}

// stand is a server that answers with what it is given, and its token's file.
func stand(t *testing.T, h http.HandlerFunc) (address, token string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	token = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("sgb_secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.URL, token
}

func says(a any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(a)
	}
}

func TestCheck_exitStatusSaysWhatPolicyDoes(t *testing.T) {
	for name, c := range map[string]struct {
		images []api.ImageAnswer
		code   int
	}{
		"all pass":                   {[]api.ImageAnswer{passes("a"), passes("b")}, 0},
		"one is refused":             {[]api.ImageAnswer{passes("a"), refusedBy("b")}, 1},
		"one is undecided":           {[]api.ImageAnswer{passes("a"), unsure("b")}, 3},
		"refused beats undecided":    {[]api.ImageAnswer{unsure("a"), refusedBy("b")}, 1},
		"a trusted one is held back": {[]api.ImageAnswer{entry("a", true, false, inventory.Trusted, inventory.ReasonQuarantined)}, 1},
	} {
		address, token := stand(t, says(answerOf(c.images...)))
		for _, format := range []string{"table", "json", "sarif"} {
			args := []string{"check", "--server", address, "--token-file", token, "--format", format}
			for _, i := range c.images {
				args = append(args, i.Reference)
			}
			code, stdout, stderr := command(t, args...)
			if code != c.code || stdout == "" || (code == 0) != (stderr == "") {
				t.Errorf("%s as %s: %d, %q, %q", name, format, code, stdout, stderr)
			}
			if format == "json" {
				var got api.Answer
				if err := json.Unmarshal([]byte(stdout), &got); err != nil || len(got.Images) != len(c.images) || got.Allowed != (c.code == 0) {
					t.Errorf("%s: %s, %v", name, stdout, err)
				}
			}
		}
	}
}

func TestCheck_sendsTheTokenWhereItBelongsAndNowhereElse(t *testing.T) {
	var asked []string
	elsewhere, _ := stand(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Authorization"))
		says(answerOf(passes("a")))(w, r)
	})
	address, token := stand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sgb_secret" || r.URL.Path != "/base/api/v1/check" || r.Method != http.MethodPost {
			t.Errorf("%s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
		}
		http.Redirect(w, r, elsewhere+r.URL.Path, http.StatusTemporaryRedirect)
	})
	code, _, stderr := command(t, "check", "--server", address+"/base/", "--token-file", token, "a")
	if code != 3 || !strings.Contains(stderr, "leads on to "+elsewhere) || len(asked) > 0 {
		t.Errorf("%d %q; the other was asked with %q", code, stderr, asked)
	}
	if strings.Contains(stderr, "sgb_secret") {
		t.Errorf("the token is shown: %s", stderr)
	}
	for _, c := range []struct{ address, says string }{
		{"http://signboard.example.com", "readable by everybody"},
		{"http://10.0.0.1:8080", "readable by everybody"},
		{"http://localhost.example.com", "readable by everybody"},
		{"ftp://127.0.0.1", "https://"},
		{"signboard.example.com", "https://"},
		{"https://user:pass@signboard.example.com", "leave out"},
		{"https://signboard.example.com/?x=y", "leave out"},
	} {
		if code, _, stderr := command(t, "check", "--server", c.address, "--token-file", token, "a"); code != 2 || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: %d %q", c.address, code, stderr)
		}
	}
}

// TestCheck_neverPassesWithoutAnAnswer: whatever a server says that isn't one is
// exit status 3, with a sentence.
func TestCheck_neverPassesWithoutAnAnswer(t *testing.T) {
	problem := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"status":%d,"detail":"Something \u001b[31mred."}`, status)
		}
	}
	twisted := answerOf(passes("a"))
	twisted.Decided = false
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"401":    {problem(401), "doesn't accept the token"},
		"403":    {problem(403), "of a viewer"},
		"404":    {problem(404), "new enough"},
		"422":    {problem(422), "status 422. It says: Something ⟨U+001B⟩[31mred."},
		"500":    {problem(500), "status 500"},
		"a page": {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>hello") }, "not as a Signboard does"},
		"no JSON": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"allowed":true`)
		}, "can't be read"},
		"nothing":               {says(map[string]any{}), "0 images"},
		"only the sum":          {says(map[string]any{"allowed": true, "decided": true, "images": []any{}}), "0 images"},
		"about another":         {says(answerOf(passes("b"))), "other images"},
		"about more":            {says(answerOf(passes("a"), passes("b"))), "2 images"},
		"a sum that isn't one":  {says(twisted), "contradicts itself"},
		"allowed but undecided": {says(answerOf(entry("a", false, true, inventory.Trusted, inventory.ReasonOK))), "contradicts itself about a"},
		"allowed but unsigned":  {says(answerOf(entry("a", true, true, inventory.Unsigned, inventory.ReasonOK))), "contradicts itself about a"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write(bytes.Repeat([]byte(" "), maxAnswer+10))
		}, "not as a Signboard does"},
		"broken off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("{"))
		}, "broke off"},
	} {
		address, token := stand(t, c.handler)
		code, stdout, stderr := command(t, "check", "--server", address, "--token-file", token, "a")
		if code != 3 || stdout != "" || !strings.Contains(stderr, c.says) || strings.Contains(stderr, "\x1b") {
			t.Errorf("%s: %d %q %q, want %q", name, code, stdout, stderr, c.says)
		}
	}
	address, token := stand(t, says(answerOf(passes("a"))))
	gone := httptest.NewServer(nil)
	gone.Close()
	if code, _, stderr := command(t, "check", "--server", gone.URL, "--token-file", token, "a"); code != 3 || !strings.Contains(stderr, "can't be reached") {
		t.Errorf("%d %q", code, stderr)
	}
	for content, want := range map[string]string{"": "is empty", "two words": "one word", "sgb_\x00": "one word"} {
		if err := os.WriteFile(token, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := command(t, "check", "--server", address, "--token-file", token, "a"); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("a token of %q: %d %q", content, code, stderr)
		}
	}
	if code, _, stderr := command(t, "check", "--server", address, "--token-file", token+".none", "a"); code != 2 || !strings.Contains(stderr, "can't be read") {
		t.Errorf("%d %q", code, stderr)
	}
}

func TestCheck_comesBackWhenTheServerAsksTo(t *testing.T) {
	calls := 0
	address, token := stand(t, func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls < 3 {
			w.Header().Set("Retry-After", []string{"7", "garbage"}[max(calls, 1)-1])
			w.WriteHeader([]int{429, 503}[max(calls, 1)-1])
			return
		}
		says(answerOf(passes("a")))(w, r)
	})
	s, err := newServer(address, token)
	if err != nil {
		t.Fatal(err)
	}
	var waits []time.Duration
	s.wait = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	if a, err := s.check(t.Context(), []string{"a"}); err != nil || !a.Allowed || !slices.Equal(waits, []time.Duration{7 * time.Second, time.Second}) {
		t.Errorf("%+v, %v after %v", a, err, waits)
	}
	calls, waits = -100, nil
	if _, err := s.check(t.Context(), []string{"a"}); err == nil || len(waits) != tries-1 {
		t.Errorf("%v after %v", err, waits)
	}
}

func TestCheck_asksAboutManyInParts(t *testing.T) {
	var sizes []int
	address, token := stand(t, func(w http.ResponseWriter, r *http.Request) {
		var ask struct{ Images []string }
		json.NewDecoder(r.Body).Decode(&ask)
		sizes = append(sizes, len(ask.Images))
		var list []api.ImageAnswer
		for _, i := range ask.Images {
			list = append(list, passes(i))
		}
		says(answerOf(list...))(w, r)
	})
	args := []string{"check", "--server", address, "--token-file", token}
	for n := range 120 {
		args = append(args, fmt.Sprint("local/app:v", n))
	}
	if code, stdout, stderr := command(t, args...); code != 0 || strings.Count(stdout, " passes: ") != 120 || !slices.Equal(sizes, []int{50, 50, 20}) {
		t.Errorf("%d %q after %v", code, stderr, sizes)
	}
}

func TestCheck_showsHostileNamesWithoutObeyingThem(t *testing.T) {
	const odd = "a\n\x1b[31m\u202eb"
	bad := refusedBy(odd)
	bad.Message, bad.Reason = odd, "odd\u202e"
	a := answerOf(bad)
	var table bytes.Buffer
	if err := writeAnswer(&table, a, "https://signboard.test"); err != nil {
		t.Fatal(err)
	}
	var scan bytes.Buffer
	if err := writeJSON(&scan, newSARIF(a, "https://signboard.test")); err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{table.String(), scan.String()} {
		if strings.ContainsAny(shown, "\x1b\u202e") || strings.Contains(shown, "a\n") {
			t.Errorf("%q", shown)
		}
	}
}

// TestCheck_SARIFHoldsToItsStandard: what SARIF 2.1.0 asks of the parts that are
// written, by its sections.
func TestCheck_SARIFHoldsToItsStandard(t *testing.T) {
	held := entry("127.0.0.1:5000/team a/x@"+aDigest, true, false, inventory.Trusted, inventory.ReasonQuarantined)
	log := newSARIF(answerOf(passes("local/ok:v1"), refusedBy("local/app:v1"), refusedBy("local/app:v2"), refusedBy("local/other"), unsure("local/app:v3"), held), "https://signboard.test/")
	var b bytes.Buffer
	if err := writeJSON(&b, log); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID, HelpURI          string
						ShortDescription     struct{ Text string }
						DefaultConfiguration struct{ Level string }
					}
				}
			}
			Invocations []struct{ ExecutionSuccessful *bool }
			Results     []struct {
				RuleID    string
				RuleIndex *int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
					LogicalLocations []struct{ FullyQualifiedName string }
				}
				PartialFingerprints map[string]string
			}
		}
	}
	decoder := json.NewDecoder(&b)
	if err := decoder.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.Version != "2.1.0" || !strings.HasSuffix(doc.Schema, "sarif-2.1.0.json") || len(doc.Runs) != 1 { // 3.13.2, 3.13.4
		t.Fatalf("%+v", doc)
	}
	r := doc.Runs[0]
	if r.Tool.Driver.Name == "" || len(r.Invocations) != 1 || r.Invocations[0].ExecutionSuccessful == nil || *r.Invocations[0].ExecutionSuccessful { // 3.19.8, 3.20.14
		t.Errorf("%+v", r)
	}
	seen := map[string]bool{}
	for _, rule := range r.Tool.Driver.Rules { // 3.49
		help, err := url.Parse(rule.HelpURI)
		if err != nil || !help.IsAbs() || help.Path != "/learn/"+rule.ID || rule.ShortDescription.Text == "" || rule.DefaultConfiguration.Level != "error" || seen[rule.ID] {
			t.Errorf("%+v, %v", rule, err)
		}
		seen[rule.ID] = true
	}
	if len(seen) != 3 || len(r.Results) != 5 {
		t.Errorf("%d rules, %d results", len(seen), len(r.Results))
	}
	prints := map[string]int{}
	for _, result := range r.Results { // 3.27
		if result.RuleIndex == nil || r.Tool.Driver.Rules[*result.RuleIndex].ID != result.RuleID || result.Message.Text == "" || len(result.Locations) != 1 {
			t.Errorf("%+v", result)
		}
		if want := map[bool]string{true: "warning", false: "error"}[result.RuleID == "registry_unreachable"]; result.Level != want {
			t.Errorf("%+v", result)
		}
		at := result.Locations[0].PhysicalLocation
		if u, err := url.Parse(at.ArtifactLocation.URI); err != nil || u.IsAbs() || u.Path == "" || strings.HasPrefix(u.Path, "/") || at.Region.StartLine != 1 || len(result.Locations[0].LogicalLocations) != 1 { // 3.4.3
			t.Errorf("%+v, %v", at, err)
		}
		for _, print := range result.PartialFingerprints {
			prints[print]++
		}
	}
	// Two tags of a repository with the same reason are one finding to a scanner.
	if len(prints) != 4 || prints[fingerprint("local/app", inventory.ReasonNoSignature)] != 2 {
		t.Errorf("%v", prints)
	}
	if got := r.Results[4].Locations[0].PhysicalLocation.ArtifactLocation.URI; got != "127.0.0.1%3A5000/team%20a/x" {
		t.Errorf("the place of the last is %s", got)
	}
}

func TestCheck_asksTheRegistriesFromHere(t *testing.T) {
	server := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	ref, err := ggcrname.ParseReference(host + "/team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	image, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "signboard.yaml")
	err = os.WriteFile(config, fmt.Appendf(nil, "database: sqlite:%s/test.db\nregistries:\n  - {name: local, url: '%s', allow_private: true, repositories: ['team/**']}\n", dir, server.URL), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(images ...string) (int, string) {
		t.Helper()
		code, stdout, stderr := command(t, append([]string{"check", "--config", config}, images...)...)
		return code, stdout + stderr
	}
	app := host + "/team/app:v1"
	if code, said := ask(app); code != 3 || !strings.Contains(said, "Nothing could be decided") {
		t.Errorf("without a database: %d %s", code, said)
	}
	c, err := loadConfig(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a.close()
	for _, c := range []struct {
		images []string
		code   int
		says   string
	}{
		{[]string{app}, 1, "is refused: unsigned (no_signature)"},
		{[]string{"local/team/app:v1"}, 1, "/learn/no_signature"},
		{[]string{host + "/team/app:v2"}, 3, "is undecided: unknown"},
		{[]string{app, host + "/team/app:v2"}, 1, "is undecided: unknown"},
		{[]string{host + "/other/app:v1"}, 3, "in none of the repositories"},
		{[]string{"elsewhere.test/app"}, 3, "in no configured registry"},
		{[]string{"UPPER/case:" + strings.Repeat("x", 300)}, 3, "not_checked"},
	} {
		if code, said := ask(c.images...); code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("%v: %d %s", c.images, code, said)
		}
	}
	server.Close()
	if code, said := ask(app); code != 3 || !strings.Contains(said, "registry_unreachable") {
		t.Errorf("a registry that is down: %d %s", code, said)
	}
	for _, args := range [][]string{
		{"check"}, {"check", "--config", config}, {"check", "--config", config + ".none", "a"}, {"check", "--config", config, "--server", "https://x.test", "--token-file", "t", "a"},
		{"check", "--server", "https://x.test", "a"}, {"check", "--config", config, "--token-file", "t", "a"}, {"check", "--config", config, "--format", "xml", "a"},
		{"check", "--config", config, "--timeout", "0s", "a"},
	} {
		if code, _, stderr := command(t, args...); code != 2 || stderr == "" {
			t.Errorf("%v: %d %q", args, code, stderr)
		}
	}
}
