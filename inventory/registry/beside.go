package registry

import (
	"net/http"
	"strconv"
	"time"
)

// beside carries requests to another host than the registry's: they count as
// the registry's, and the ways in which such services ask for a pause are
// translated into the one that pace knows.
type beside struct {
	inner   http.RoundTripper
	counted *guard
	now     func() time.Time
}

func (b *beside) RoundTrip(r *http.Request) (*http.Response, error) {
	b.counted.requests.Add(1)
	resp, err := b.inner.RoundTrip(r)
	if err == nil {
		b.translate(resp)
	}
	return resp, err
}

// translate reads GitHub's limits (REST API, "Rate limits": 403 or 429, with
// Retry-After, or with no requests remaining and the time of the reset in
// seconds since 1970) and Docker Hub's (API, "Rate limiting": 429 with such a
// time in X-Retry-After).
func (b *beside) translate(resp *http.Response) {
	h, until := resp.Header, ""
	switch {
	case resp.StatusCode == http.StatusTooManyRequests && h.Get("X-Retry-After") != "":
		until = h.Get("X-Retry-After")
	case (resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusTooManyRequests) && h.Get("X-RateLimit-Remaining") == "0":
		until = h.Get("X-RateLimit-Reset")
		resp.StatusCode = http.StatusTooManyRequests
	case resp.StatusCode == http.StatusForbidden && h.Get("Retry-After") != "":
		resp.StatusCode = http.StatusTooManyRequests
	}
	seconds, err := strconv.ParseInt(until, 10, 64)
	if err != nil || h.Get("Retry-After") != "" {
		return
	}
	if left := time.Unix(seconds, 0).Sub(b.now()); left > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(left/time.Second)+1, 10))
	}
}
