package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signboard/inventory"
)

const (
	maxErrorBytes     = 8 << 10 // of an answer that isn't a success
	maxLocationLength = 8 << 10
	throttledAttempts = 10
)

// request is one question to the registry.
type request struct {
	method string
	url    *url.URL
	accept string
	scope  string      // what a token is asked for
	header http.Header // for the registry's own host only
	body   []byte
	plain  bool   // without authentication
	stay   bool   // a redirect to another host is an answer, not followed
	max    int64  // bytes of a body that is worth reading
	what   string // for a person: "the tags of team-a/api"
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
	length int64    // Content-Length, -1 when it wasn't said
	url    *url.URL // where it came from, after redirects
}

// do asks until there is an answer or no sense in asking again. Only what changes
// nothing travels this way, so each attempt may repeat the one before. An answer
// that isn't a success is returned as it is; err is a LookError.
func (c *Client) do(ctx context.Context, q request) (answer, error) {
	var (
		start   = c.now()
		renewed bool
		slow    int // attempts that the host asked to slow down
	)
	for attempt := 1; ; attempt++ {
		if c.silence.holds(q.scope) {
			return answer{}, look(inventory.ReasonRegistryUnreachable, errSilent,
				"%s left several requests in a row without an answer, so it wasn't asked for %s; it will be asked again later.", c.origin.Host, q.what)
		}
		a, err := c.once(ctx, q)
		if ctx.Err() != nil {
			return answer{}, c.failure(q, context.Cause(ctx))
		}
		c.silence.note(q.scope, timedOut(err))
		refused := err == nil && a.status == http.StatusUnauthorized && !q.plain && authority(a.url) == authority(c.origin) || tokenRefused(err)
		if refused && !renewed && c.auth.renew(q.scope, a.header) {
			renewed = true
			c.retried.Add(1)
			continue
		}
		status, header := a.status, a.header
		if err != nil {
			status, header = statusOf(err)
		}
		switch {
		case err == nil && !temporaryStatus(status):
			return a, nil
		case err != nil && !temporary(err):
			return answer{}, c.failure(q, err)
		}

		spent := c.now().Sub(start)
		wait := time.Duration(0) // where the host as a whole pauses, pace waits
		if throttled(status, header) {
			slow++
		} else {
			wait = backoff(attempt - slow)
		}
		if attempt-slow >= c.limits.Attempts || slow >= throttledAttempts || spent+wait > c.limits.RetryTime {
			if err != nil {
				return answer{}, c.failure(q, err)
			}
			return a, nil
		}
		c.log.WarnContext(ctx, "asking the registry again", "registry", c.name, "for", q.what, "attempt", attempt, "status", status, "error", err)
		if wait > 0 {
			if err := c.sleep(ctx, wait); err != nil {
				return answer{}, c.failure(q, err)
			}
		}
		c.retried.Add(1)
	}
}

// once asks once, following redirects. Credentials are attached by the
// authenticated transport, which sees only requests to the registry's own host.
func (c *Client) once(ctx context.Context, q request) (answer, error) {
	var transport http.RoundTripper = c.guard
	if !q.plain {
		var err error
		if transport, err = c.auth.session(ctx, q.scope); err != nil {
			return answer{}, err
		}
	}
	select {
	case c.permits <- struct{}{}:
		defer func() { <-c.permits }()
	case <-ctx.Done():
		return answer{}, context.Cause(ctx)
	}

	target := q.url
	for hop := 0; ; hop++ {
		req, err := http.NewRequestWithContext(ctx, q.method, target.String(), bytes.NewReader(q.body))
		if err != nil {
			return answer{}, err
		}
		if authority(target) == authority(c.origin) {
			maps.Copy(req.Header, q.header)
		}
		if q.accept != "" {
			req.Header.Set("Accept", q.accept)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return answer{}, err
		}
		next, err := c.redirect(q, target, resp)
		if err != nil {
			discard(resp)
			return answer{}, err
		}
		if next == nil || q.stay && authority(next) != authority(c.origin) {
			return c.read(q, target, resp)
		}
		discard(resp)
		if hop >= c.limits.Redirects {
			return answer{}, look(inventory.ReasonRegistryInconsistent, nil,
				"The registry %s redirected %d times while reading %s, and would again; a registry does so at most once or twice.", c.origin.Host, hop, q.what)
		}
		if authority(next) != authority(c.origin) {
			// From here on nothing is ours to show credentials to, not even a
			// redirect back.
			transport, ctx = c.guard, context.WithValue(ctx, elsewhere, true)
		}
		target = next
	}
}

// redirect is where a response sends us, nil when it doesn't.
func (c *Client) redirect(q request, from *url.URL, resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	location := resp.Header.Get("Location")
	next, err := from.Parse(location)
	if location == "" || len(location) > maxLocationLength || err != nil || next.Host == "" {
		return nil, look(inventory.ReasonRegistryInconsistent, nil,
			"The registry %s answered with a redirect to nowhere while reading %s.", c.origin.Host, q.what)
	}
	next.User, next.Fragment = nil, ""
	if from.Scheme == "https" && next.Scheme == "http" { // guard sees it too late: go-containerregistry puts our own host back on https
		return nil, c.guard.downgrade(next)
	}
	return next, nil
}

// read reads a response to its end, as far as it is worth it, and closes it.
func (c *Client) read(q request, from *url.URL, resp *http.Response) (answer, error) {
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header, length: resp.ContentLength, url: from}
	if q.method == http.MethodHead {
		return a, nil
	}
	if resp.StatusCode != http.StatusOK {
		a.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
		return a, nil
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return answer{}, look(inventory.ReasonRegistryInconsistent, nil,
			"The registry %s sent %s compressed, though it was asked not to.", c.origin.Host, q.what)
	}
	if a.length > q.max {
		return answer{}, c.tooLarge(q)
	}
	body := bytes.NewBuffer(make([]byte, 0, max(512, a.length+bytes.MinRead)))
	if _, err := body.ReadFrom(io.LimitReader(resp.Body, q.max+1)); err != nil {
		return answer{}, err
	}
	if int64(body.Len()) > q.max {
		return answer{}, c.tooLarge(q)
	}
	a.body = body.Bytes()
	return a, nil
}

// tokenRefused reports whether the token service didn't take the credentials:
// others may have taken their place.
func tokenRefused(err error) bool {
	e, ok := errors.AsType[*tokenError](err)
	status, _ := statusOf(err)
	return ok && e.with && (status == http.StatusUnauthorized || status == http.StatusForbidden)
}

// timedOut reports whether a request ended at its deadline.
func timedOut(err error) bool {
	e, ok := errors.AsType[*requestError](err)
	return ok && e.timedOut
}

func (c *Client) tooLarge(q request) error {
	return look(inventory.ReasonTooLarge, nil, "The registry %s sends more than %s for %s; reading stopped there.", c.origin.Host, size(q.max), q.what)
}

// discard empties a small body, so that its connection can be used again.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBytes)
	resp.Body.Close()
}

func temporaryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
