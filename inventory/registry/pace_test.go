package registry

import (
	"context"
	"net/http"
	"testing"
	"time"

	"signboard/inventory"
)

func TestRetryAfter_isReadInEveryForm(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]struct {
		d  time.Duration
		ok bool
	}{
		"":                              {0, false},
		"3":                             {3 * time.Second, true},
		" 3 ":                           {3 * time.Second, true},
		"0":                             {0, true},
		"Mon, 04 May 2026 12:00:07 GMT": {7 * time.Second, true},
		"Mon, 04 May 2026 11:00:00 GMT": {0, true},
		"99999999999999999999999":       {1 << 31 * time.Second, true},
		"-5":                            {0, false},
		"soon":                          {0, false},
		"1.5":                           {0, false},
	} {
		if d, ok := retryAfter(text, now); d != want.d || ok != want.ok {
			t.Errorf("%q = %s, %v; want %s, %v", text, d, ok, want.d, want.ok)
		}
	}
}

// throttling answers 429 to the first n requests.
func throttling(n int, header string, status int) http.HandlerFunc {
	asked := 0
	return func(w http.ResponseWriter, r *http.Request) {
		asked++
		if asked <= n {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(status)
			return
		}
		jsonAnswer(`{"tags":["v1"]}`)(w, r)
	}
}

func TestThrottling_isWaitedOut(t *testing.T) {
	date := newClock().Now().Add(5 * time.Second).Format(http.TimeFormat)
	for name, tt := range map[string]struct {
		header   string
		status   int
		min, max time.Duration
	}{
		"seconds":               {"3", 429, 3 * time.Second, 4 * time.Second},
		"date":                  {date, 429, 5 * time.Second, 7 * time.Second},
		"garbage":               {"<script>", 429, firstBackoff, time.Second},
		"nothing":               {"", 429, firstBackoff, time.Second},
		"zero":                  {"0", 429, firstBackoff, time.Second},
		"unavailable, and when": {"2", 503, 2 * time.Second, 3 * time.Second},
		"unavailable":           {"", 503, firstBackoff, time.Second},
		"an error":              {"", 500, firstBackoff, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := serve(t, map[string]http.HandlerFunc{"/v2/a/tags/list": throttling(1, tt.header, tt.status)})
			c, clk := client(t, server)
			if tags, err := c.Tags(context.Background(), "a"); err != nil || len(tags) != 1 {
				t.Fatalf("Tags = %v, %v", tags, err)
			}
			if w := clk.waited(); w < tt.min || w > tt.max {
				t.Errorf("waited %s, want %s to %s", w, tt.min, tt.max)
			}
		})
	}
}

func TestThrottling_absurdPauseIsClampedAndNotWaitedFor(t *testing.T) {
	for _, header := range []string{"31536000", "999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		server, asked := serve(t, map[string]http.HandlerFunc{"/v2/a/tags/list": throttling(1, header, 429)})
		c, clk := client(t, server)
		ctx := context.Background()
		for range 3 { // the host is left alone meanwhile
			_, err := c.Tags(ctx, "a")
			wantLook(t, err, inventory.ReasonRegistryThrottled, "slow down")
		}
		if n := asked.count("/v2/a/"); n != 1 {
			t.Errorf("%q: asked %d times during the pause", header, n)
		}
		clk.advance(DefaultMaxPause * 5 / 4)
		if _, err := c.Tags(ctx, "a"); err != nil {
			t.Errorf("%q: after the longest pause: %v", header, err)
		}
	}
}

func TestThrottling_endsAfterABoundedTime(t *testing.T) {
	for name, tt := range map[string]struct {
		header string
		status int
		reason inventory.Reason
		most   int
	}{
		"429":                  {"", 429, inventory.ReasonRegistryThrottled, throttledAttempts},
		"429, 7 seconds":       {"7", 429, inventory.ReasonRegistryThrottled, throttledAttempts},
		"500":                  {"", 500, inventory.ReasonRegistryUnreachable, DefaultAttempts},
		"503":                  {"", 503, inventory.ReasonRegistryUnreachable, DefaultAttempts},
		"503 with Retry-After": {"5", 503, inventory.ReasonRegistryUnreachable, throttledAttempts},
	} {
		t.Run(name, func(t *testing.T) {
			server, asked := serve(t, map[string]http.HandlerFunc{"/v2/a/tags/list": throttling(1<<30, tt.header, tt.status)})
			c, clk := client(t, server)
			_, err := c.Tags(context.Background(), "a")
			wantLook(t, err, tt.reason)
			if n := asked.count("/v2/a/"); n > tt.most || n < 2 {
				t.Errorf("asked %d times", n)
			}
			if w := clk.waited(); w > DefaultRetryTime+DefaultMaxWait {
				t.Errorf("waited %s", w)
			}
		})
	}
}

func TestThrottling_ofTheTokenServiceIsWaitedOut(t *testing.T) {
	asked := 0
	tokens, _ := serve(t, map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			w.Header().Set("Retry-After", "4")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		jsonAnswer(`{"token":"token-late"}`)(w, r)
	}})
	server, _ := serve(t, bearerRoutes(func() string { return tokens.URL + "/token" }, map[string]http.HandlerFunc{"/v2/a/tags/list": jsonAnswer(`{"tags":[]}`)}))
	c, clk := client(t, server, func(cfg *Config) { cfg.TokenHosts = []string{"127.0.0.1"} })
	if _, err := c.Tags(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	if w := clk.waited(); w < 4*time.Second {
		t.Errorf("waited %s", w)
	}
}

func TestPace_aPauseIsTheHostsOwn(t *testing.T) {
	clk := newClock()
	p := newPace(Limits{}.withDefaults(true), clk.Now, clk.Wait)
	p.note("slow:443", &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"60"}}})
	if err := p.wait(context.Background(), "slow:443"); err == nil {
		t.Error("the paused host was asked")
	}
	if err := p.wait(context.Background(), "quick:443"); err != nil {
		t.Errorf("another host pauses too: %v", err)
	}
	for i := range 10 * maxHosts {
		p.host(string(rune('a' + i)))
	}
	if len(p.hosts) > maxHosts {
		t.Errorf("%d hosts are remembered", len(p.hosts))
	}
}

func TestConcurrency_isBounded(t *testing.T) {
	server, asked := serve(t, map[string]http.HandlerFunc{"/v2/a/tags/list": jsonAnswer(`{"tags":[]}`)})
	c, _ := client(t, server, func(cfg *Config) { cfg.Limits.Concurrent = 2 })
	for range 3 { // permits are given back, after failures too
		for _, repository := range []string{"a", "none", "UPPER"} {
			_, _ = c.Tags(context.Background(), repository)
		}
	}
	before := len(asked.all())
	c.permits <- struct{}{}
	c.permits <- struct{}{} // two requests in flight
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Tags(ctx, "a")
	wantLook(t, err, inventory.ReasonRegistryUnreachable, "stopped")
	if n := len(asked.all()); n != before {
		t.Error("a third request was sent")
	}
	<-c.permits
	if _, err := c.Tags(context.Background(), "a"); err != nil {
		t.Error(err)
	}
}
