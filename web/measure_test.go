package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"signboard/inventory"
	"signboard/views"
	"signboard/web"
	"signboard/web/metrics"
)

// scraped are the lines of /metrics that hold the words.
func (w *world) scraped(words string) string {
	w.Helper()
	a := w.get(viewer, "/metrics")
	if a.StatusCode != http.StatusOK {
		w.Fatalf("/metrics: %d: %s", a.StatusCode, a.body)
	}
	var lines []string
	for line := range strings.Lines(a.body) {
		if strings.Contains(line, words) && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestMetrics_nameNoAddress holds that what is asked for is counted under the
// pattern of its route: addresses are anybody's to choose, and name repositories.
func TestMetrics_nameNoAddress(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	w.get(viewer, views.ImageURL("local/pay/api", digest(1)))
	w.get(viewer, "/images/"+string(digest(99)))
	w.get(nobody, "/wp-login.php")
	w.get(viewer, "/api/v1/images/"+string(digest(1))+"?repository=local/pay/api")
	w.get(viewer, "/api/v1/secret-call")
	w.ask(nobody, "BREW", "/images", nil)
	w.post(nobody, "/hooks/secret-project", nil)
	w.get(nobody, "/auth/callback?state=x&code=y")

	text := w.scraped("signboard_")
	for _, want := range []string{
		`signboard_http_request_duration_seconds_count{code="2xx",method="GET",route="/images/{digest}"} 1`,
		`signboard_http_request_duration_seconds_count{code="4xx",method="GET",route="/images/{digest}"} 1`,
		`signboard_http_request_duration_seconds_count{code="2xx",method="GET",route="/api/v1/images/{digest}"} 1`,
		`signboard_http_request_duration_seconds_count{code="4xx",method="POST",route="/hooks/{registry}"} 1`,
		`signboard_sign_ins_total{result="failed"} 1`,
		`signboard_sign_ins_total{result="ok"} 1`, // the viewer's
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing:\n%s", want, text)
		}
	}
	for _, never := range []string{"wp-login", "BREW", "secret-project", "secret-call", string(digest(1)), string(digest(99)), "pay/api"} {
		if strings.Contains(text, never) {
			t.Errorf("the numbers name %s:\n%s", never, text)
		}
	}
}

// TestMetrics_areForThoseWhoMaySee holds who is answered on the pages' address,
// and that nobody is when metrics have one of their own.
func TestMetrics_areForThoseWhoMaySee(t *testing.T) {
	w := newWorld(t, plan{})
	for person, want := range map[string]int{nobody: 401, stranger: 403, viewer: 200, reviewer: 200, admin: 200} {
		a := w.get(person, "/metrics")
		if a.StatusCode != want || strings.Contains(a.body, "signboard_up") != (want == 200) {
			t.Errorf("%q is answered with %d, want %d: %.200s", person, a.StatusCode, want, a.body)
		}
		if want == 401 && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%q is told to authenticate by %q", person, a.Header.Get("WWW-Authenticate"))
		}
	}
	if a := w.get(nobody, "/metrics", "Authorization", "Bearer "+w.tokenOf(inventory.Viewer)); a.StatusCode != 200 || !strings.Contains(a.body, "signboard_up 1") {
		t.Errorf("a viewer's token is answered with %d: %.200s", a.StatusCode, a.body)
	}
	w = newWorld(t, plan{change: func(r *web.Routes) { r.Scrapes = false }})
	if a := w.get(viewer, "/metrics"); a.StatusCode != http.StatusNotFound {
		t.Errorf("beside an address of their own, metrics are answered with %d", a.StatusCode)
	}
}

// TestMetrics_onTheirOwnAddress holds that there is nothing else, and that
// without a sign-in no other name leads there.
func TestMetrics_onTheirOwnAddress(t *testing.T) {
	w := newWorld(t, plan{})
	m := metrics.New(metrics.Config{Vitals: w.db.Vitals})
	for _, c := range []struct {
		hosts  []string
		target string
		want   int
	}{
		{nil, "http://10.1.2.3:9090/metrics", 200},
		{nil, "http://10.1.2.3:9090/", 404},
		{nil, "http://10.1.2.3:9090/images", 404},
		{web.LocalHosts("http://127.0.0.1:9090"), "http://localhost:9090/metrics", 200},
		{web.LocalHosts("http://127.0.0.1:9090"), "http://evil.test:9090/metrics", 421},
	} {
		answer := httptest.NewRecorder()
		web.Scrapes(m, c.hosts).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, c.target, nil))
		if answer.Code != c.want || strings.Contains(answer.Body.String(), "signboard_up") != (c.want == 200) {
			t.Errorf("%s is answered with %d, want %d", c.target, answer.Code, c.want)
		}
	}
}

// TestMetrics_countEvents holds that a registry's events are counted under its
// name, and those of none that is configured under no name.
func TestMetrics_countEvents(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	r := httptest.NewRequest(http.MethodPost, "/hooks/local?secret="+url.QueryEscape(hookSecret), strings.NewReader(
		`{"events":[{"action":"push","target":{"mediaType":"`+inventory.MediaTypeOCIManifest+`","repository":"pay/api","tag":"v1","digest":"`+string(digest(1))+`"}}]}`))
	r.Header.Set("Authorization", "Bearer "+hookSecret)
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	if answer.Code != http.StatusAccepted {
		t.Fatalf("the event is answered with %d: %s", answer.Code, answer.Body)
	}
	w.post(nobody, "/hooks/nothing", nil)
	text := w.scraped("signboard_hook_")
	for _, want := range []string{
		`signboard_hook_requests_total{code="202",registry="local"} 1`, `signboard_hook_requests_total{code="401",registry=""} 1`,
		`signboard_hook_repositories_total{registry="local"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing:\n%s", want, text)
		}
	}
}
