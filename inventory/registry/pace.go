package registry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 10 * time.Second
	maxHosts     = 64
)

// pace keeps each host's rate, and the pause that a host asked for.
type pace struct {
	rate     rate.Limit
	maxWait  time.Duration
	maxPause time.Duration
	now      func() time.Time
	sleep    func(context.Context, time.Duration) error

	mu    sync.Mutex
	hosts map[string]*host
}

type host struct {
	limiter *rate.Limiter

	mu     sync.Mutex
	paused time.Time // until then
	series int       // throttled answers since the last good one
}

func newPace(limits Limits, now func() time.Time, sleep func(context.Context, time.Duration) error) *pace {
	return &pace{
		rate: rate.Limit(limits.RequestsPerSecond), maxWait: limits.MaxWait, maxPause: limits.MaxPause,
		now: now, sleep: sleep, hosts: map[string]*host{},
	}
}

func (p *pace) host(name string) *host {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hosts[name]
	if h == nil {
		if len(p.hosts) >= maxHosts { // a registry that redirects to ever new hosts
			clear(p.hosts)
		}
		h = &host{limiter: rate.NewLimiter(p.rate, max(1, int(p.rate)/4))}
		p.hosts[name] = h
	}
	return h
}

// wait returns when a request may be sent to the host, or fails at once with a
// throttledError when that would take too long.
func (p *pace) wait(ctx context.Context, name string) error {
	h := p.host(name)
	for {
		h.mu.Lock()
		left := h.paused.Sub(p.now())
		h.mu.Unlock()
		if left <= 0 {
			return h.limiter.Wait(ctx)
		}
		if left > p.maxWait {
			return &throttledError{host: name, left: left}
		}
		if err := p.sleep(ctx, left); err != nil {
			return err
		}
	}
}

// note learns from an answer. Only 429, and 503 with a Retry-After, speak for
// the host as a whole; other failures are the request's own.
func (p *pace) note(name string, resp *http.Response) {
	h := p.host(name)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !throttled(resp.StatusCode, resp.Header) {
		if resp.StatusCode < 400 {
			h.series = 0
		}
		return
	}
	h.series++
	pause := backoff(h.series)
	if asked, ok := retryAfter(resp.Header.Get("Retry-After"), p.now()); ok && asked > 0 {
		pause = max(jitter(min(asked, p.maxPause)), pause)
	}
	if until := p.now().Add(pause); until.After(h.paused) {
		h.paused = until
	}
}

func throttled(status int, header http.Header) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable && header.Get("Retry-After") != ""
}

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3): seconds or a
// date. ok is false when it is neither.
func retryAfter(s string, now time.Time) (d time.Duration, ok bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, false
	}
	if strings.Trim(s, "0123456789") == "" {
		seconds, err := strconv.ParseInt(s, 10, 32)
		if err != nil { // more than a long is a long time
			return 1 << 31 * time.Second, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0, false
	}
	return max(0, at.Sub(now)), true
}

// backoff doubles from firstBackoff to maxBackoff; n is 1 for the first.
func backoff(n int) time.Duration {
	return jitter(min(maxBackoff, firstBackoff<<min(n-1, 10)))
}

// jitter adds up to a quarter, so that many clients don't come back together.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// throttledError says that a host asked for a pause too long to wait for.
type throttledError struct {
	host string
	left time.Duration
}

func (e *throttledError) Error() string {
	return fmt.Sprintf("%s asks not to be asked again for another %s", e.host, e.left.Round(time.Second))
}
