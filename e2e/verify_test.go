package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// seen is what a program reads of an image.
type seen struct {
	Registry, Repository, Digest, Status, Reason, Message string
	Tags                                                  []string
	LastGood                                              *struct{ Status string } `json:"last_good"`
	Signatures                                            []struct {
		Outcome, Reproduce string
		Signer             *struct{ Name, Standing string }
	}
}

// verify runs signboard verify and returns what it printed where.
func (o *owner) verify(stdin string, args ...string) (stdout, stderr string, code int) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append([]string{"verify"}, args...)...)
	var out, err bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = o.dir, strings.NewReader(stdin), &out, &err
	if failure := cmd.Run(); failure != nil && cmd.ProcessState == nil {
		o.t.Fatal(failure)
	}
	if strings.Contains(err.String(), "goroutine ") {
		o.t.Errorf("it panicked:\n%s", err.String())
	}
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}

// looks is verify for a program: standard output is one JSON array and nothing
// else.
func (o *owner) looks(want int, images ...string) []seen {
	o.t.Helper()
	out, stderr, code := o.verify("", append([]string{"--format", "json"}, images...)...)
	if code != want {
		o.t.Errorf("verify %v ends with %d, want %d:\n%s%s", images, code, want, out, stderr)
	}
	var list []seen
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != len(images) {
		o.t.Fatalf("verify %v prints no array of %d images: %v\n%s%s", images, len(images), err, out, stderr)
	}
	return list
}

// status looks at one image and holds its status.
func (o *owner) status(image, want string) seen {
	o.t.Helper()
	i := o.looks(0, image)[0]
	if i.Status != want {
		o.t.Errorf("%s is %s (%s), want %s", image, i.Status, i.Message, want)
	}
	return i
}

// approve approves the owner's key everywhere, through a running server.
func (o *owner) approve(base, id string) {
	o.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.PostForm(base+"/signers/"+url.PathEscape(id)+"/decisions", url.Values{
		"decision": {"approve"}, "repositories": {"local/**"}, "reason": {"My own key."}, "revision": {"0"}})
	o.must(err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther {
		o.t.Fatalf("approving ends with %s", answer.Status)
	}
}

// TestVerify_fromAnUnknownKeyToATrustedImage looks at one registry from before
// there is an inventory until it can't be reached any more.
func TestVerify_fromAnUnknownKeyToATrustedImage(t *testing.T) {
	o := newOwner(t)
	o.push("team-a/api", "v1", true)
	o.push("team-a/api", "v2", false)
	copied := o.image("team-a/api", "v3")
	o.sign("team-a/api", copied, o.image("team-a/api", "v4"))
	const v1 = "local/team-a/api:v1"
	config, err := os.ReadFile(filepath.Join(o.dir, "signboard.yaml"))
	o.must(err)
	o.write("signboard.yaml", "database: sqlite:"+filepath.Join(o.dir, "signboard.db")+"\n"+string(config)) // wherever it is run

	o.status(v1, "unverifiable")
	if files, err := os.ReadDir(o.dir); err != nil || len(files) != 2 {
		t.Errorf("looking left something behind: %v, %v", files, err)
	}
	out, code := run(t, o.dir, "", "key", "add", "--name", "release", "cosign.pub")
	id := regexp.MustCompile(`key:sha256:[0-9a-f]{64}`).FindString(out)
	if code != 0 || id == "" {
		t.Fatalf("key add ends with %d:\n%s", code, out)
	}
	i := o.status(v1, "unapproved")
	if len(i.Signatures) != 1 || i.Signatures[0].Outcome != "verified" || i.Signatures[0].Signer == nil || i.Signatures[0].Signer.Name != "release" || i.Signatures[0].Signer.Standing != "pending" {
		t.Errorf("its signatures are %+v", i.Signatures)
	}
	before := o.count("select count(*) from audit_entries")
	if n := o.count("select count(*) from images"); n != 0 {
		t.Errorf("looking stored %d images", n)
	}

	p, err := start("serve", "--config", filepath.Join(o.dir, "signboard.yaml"))
	o.must(err)
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			p.stop()
		}
	})
	base, err := p.wait(regexp.MustCompile(`msg=serving address=(\S+)`))
	o.must(err)
	o.approve(base[1], id)
	i = o.status(v1, "trusted")
	if i.Signatures[0].Signer.Standing != "approved" {
		t.Errorf("the signer stands as %+v", i.Signatures[0].Signer)
	}
	if c := i.Signatures[0].Reproduce; !strings.Contains(c, "cosign verify") || !strings.Contains(c, o.registry+"/team-a/api@"+i.Digest) || !strings.Contains(c, "--key release.pub") {
		t.Errorf("to repeat the check it says %s", c)
	}
	if n := o.count("select count(*) from audit_entries"); n != before+1 {
		t.Errorf("beside the approval, %d entries were added to the audit log", n-before-1)
	}
	o.must(p.stop())
	stopped = true

	list := o.looks(0, o.registry+"/team-a/api:v2", v1, "local/team-a/api:v3", o.registry+"/team-a/api@"+i.Digest)
	for n, want := range []string{"unsigned no_signature", "trusted ok", "invalid digest_mismatch", "trusted ok"} {
		if got := list[n].Status + " " + list[n].Reason; got != want {
			t.Errorf("image %d is %s, want %s", n+1, got, want)
		}
	}
	if !(len(list[1].Tags) == 1 && list[1].Tags[0] == "v1") || list[3].Digest != list[1].Digest {
		t.Errorf("by tag it is %+v, and by digest %+v", list[1], list[3])
	}

	if out, code := run(t, o.dir, "", "sync"); code != 0 {
		t.Fatalf("sync ends with %d:\n%s", code, out)
	}
	images := o.count("select count(*) from images")
	o.stop()
	down := o.looks(3, v1, "local/team-a/api:v9")
	if d := down[0]; d.Status != "unknown" || d.Reason != "registry_unreachable" || d.LastGood == nil || d.LastGood.Status != "trusted" || d.Digest != i.Digest || len(d.Signatures) > 0 {
		t.Errorf("with the registry down it is %+v", d)
	}
	if d := down[1]; d.Status != "unknown" || d.LastGood != nil || d.Digest != "" {
		t.Errorf("with the registry down, a tag that nobody ever saw is %+v", d)
	}
	if n := o.count("select count(*) from images where status = 'unknown'"); n != 0 || o.count("select count(*) from images") != images {
		t.Errorf("looking at a registry that is down changed %d images", n)
	}
}

// TestVerify_readsAsAPersonWants holds what stands where in the answer for a
// person.
func TestVerify_readsAsAPersonWants(t *testing.T) {
	o := newOwner(t)
	o.push("team-a/api", "v1", true)
	o.push("team-a/api", "v2", false)
	config := fmt.Sprintf("base_url: https://signboard.example.com\nregistries:\n  - {name: local, url: 'http://%s', allow_private: true}\n  - {name: gone, url: 'http://127.0.0.1:1', allow_private: true}\n", o.registry)
	out, stderr, code := o.verify(config, "--config", "-", o.registry+"/team-a/api:v1", "gone/a", "local/team-a/api:v2")
	if code != 3 {
		t.Errorf("it ends with %d", code)
	}
	at := 0
	for _, want := range []string{
		"unverifiable  " + o.registry + "/team-a/api:v1\n", "key_unknown, see https://signboard.example.com/learn/key_unknown", "digest     sha256:",
		"signature 1 of 1", "checks\n", "pass  payload_digest:", "chain", "cosign verify", "--key KEY.pub",
		"\nunknown  gone/a\n", "registry_unreachable, see https://signboard.example.com/learn/registry_unreachable",
		"\nunsigned  local/team-a/api:v2\n", "no_signature",
	} {
		n := strings.Index(out[at:], want)
		if n < 0 {
			t.Fatalf("after %d bytes it does not say %q:\n%s", at, want, out)
		}
		at += n
	}
	if strings.ContainsAny(out, "\x1b\r\t") {
		t.Errorf("it has more than text: %q", out)
	}
	for _, want := range []string{"gone/a:latest: ", "registry_unreachable", "1 image of 3 could not be checked"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("on standard error it does not say %q:\n%s", want, stderr)
		}
	}
}

func TestVerify_refusesBeforeItLooks(t *testing.T) {
	o := newOwner(t)
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"no image":                        {nil, "image"},
		"a registry that isn't there":     {[]string{"local/a", "elsewhere.example.com/a"}, "Configured: local (" + o.registry + ")"},
		"a name that can't be one":        {[]string{"local/A:v1"}, "can't be the name of an image"},
		"a digest that is none":           {[]string{"local/a@sha256:12"}, "is not a digest"},
		"a format that isn't there":       {[]string{"--format", "yaml", "local/a"}, "table"},
		"a configuration that isn't":      {[]string{"--config", "nowhere.yaml", "local/a"}, "nowhere.yaml"},
		"a flag that isn't there":         {[]string{"--bogus", "local/a"}, "--bogus"},
		"a short name without Docker Hub": {[]string{"nginx"}, "is in no configured registry"},
	} {
		t.Run(name, func(t *testing.T) {
			out, stderr, code := o.verify("", test.args...)
			if code != 2 || out != "" || !strings.Contains(stderr, test.says) {
				t.Errorf("it ends with %d and says\n%s%s", code, out, stderr)
			}
		})
	}
	if out, _, code := o.verify("", "--help"); code != 0 || !strings.Contains(out, "Exit status: 0") || !strings.Contains(out, "3 when") {
		t.Errorf("--help ends with %d:\n%s", code, out)
	}
}
