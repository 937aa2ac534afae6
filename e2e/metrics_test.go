package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMetrics_onTheirOwnAddress scrapes a running server: what it found in its
// registry and what it did there are numbers, and nothing else is answered.
func TestMetrics_onTheirOwnAddress(t *testing.T) {
	o := newOwner(t)
	o.push("team/api", "v1", true)
	o.push("team/web", "v1", false)
	address := freeAddress(t)
	config, err := os.ReadFile(filepath.Join(o.dir, "signboard.yaml"))
	o.must(err)
	o.write("signboard.yaml", "metrics_listen: "+address+"\n"+string(config))
	if out, code := run(t, o.dir, "", "key", "add", "--config", "signboard.yaml", "--name", "pipeline", "cosign.pub"); code != 0 {
		t.Fatalf("key add: %d\n%s", code, out)
	}
	p, err := launch(binary, o.dir, nil, "serve", "--config", "signboard.yaml")
	o.must(err)
	defer p.stop()

	var text string
	eventually(t, "the numbers of a complete sync", func() (string, bool) {
		var status int
		status, text = numbers("http://" + address + "/metrics")
		return fmt.Sprint(status), status == http.StatusOK && !strings.Contains(text, `signboard_sync_age_seconds{registry="local"} +Inf`) &&
			strings.Contains(text, `signboard_sync_age_seconds{registry="local"}`)
	})
	for _, want := range []string{
		`signboard_up 1`, `signboard_images{registry="local",status="unapproved"} 1`, `signboard_images{registry="local",status="unsigned"} 1`,
		`signboard_repositories{registry="local"} 2`, `signboard_registry_failing{registry="local"} 0`, `signboard_sync_interval_seconds{registry="local"} 900`,
		`signboard_signers{standing="pending"} 1`, `signboard_verification_duration_seconds_count{format="cosign-simplesigning",outcome="verified"} 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	if !regexp.MustCompile(`\nsignboard_registry_requests_total\{registry="local"\} [1-9]`).MatchString(text) {
		t.Error("no request to the registry is counted")
	}
	for _, path := range []string{"/", "/images", "/healthz", "/debug/pprof/"} {
		if status, _ := numbers("http://" + address + path); status != http.StatusNotFound {
			t.Errorf("where metrics are, %s is answered with %d", path, status)
		}
	}
	base := "http://" + regexp.MustCompile(`(?m)^listen: (\S+)`).FindStringSubmatch(string(config))[1]
	if status, _ := numbers(base + "/metrics"); status != http.StatusNotFound {
		t.Errorf("where the pages are, metrics are answered with %d", status)
	}

	// An address that is taken is said at the start, by the key's name.
	o.write("second.yaml", fmt.Sprintf("listen: %s\nmetrics_listen: %s\n", freeAddress(t), address))
	if out, code := run(t, o.dir, "", "serve", "--config", "second.yaml"); code != 2 || !strings.Contains(out, "metrics_listen: Another program listens on "+address) {
		t.Errorf("a second server ends with %d:\n%s", code, out)
	}
}

// numbers is what an address answers.
func numbers(address string) (status int, text string) {
	response, err := http.Get(address)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	var b strings.Builder
	if err := response.Write(&b); err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, b.String()
}
