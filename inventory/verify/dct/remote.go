package dct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"signboard/inventory"
)

// errAbsent says that the server answered, and doesn't have the file.
var errAbsent = errors.New("not on the server")

const (
	// patience is how long reading the metadata of one repository may take, and
	// what is waited for one file of it.
	patience     = 60 * time.Second
	filePatience = 20 * time.Second
	// silence is how long a server that can't be reached isn't asked again, so
	// that a thousand repositories don't each wait for it.
	silence = 30 * time.Second
	// longestSilence bounds what a server that is asked too often can ask for.
	longestSilence = 10 * time.Minute
)

// remote is the server.
type remote struct {
	base   *url.URL
	client *http.Client
	err    error // the address is none
	wait   time.Duration

	mu     sync.Mutex
	proven bool // it showed that it is a notary server
	quiet  time.Time
	why    error
}

func newRemote(address string, client *http.Client) *remote {
	r := &remote{wait: filePatience}
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || client == nil {
		r.err = &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable,
			Message: fmt.Sprintf("%q is no address of a server of Docker Content Trust.", shown(address)), Err: err}
		return r
	}
	base.User, base.RawQuery, base.Fragment = nil, "", ""
	own := *client
	own.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if first := via[0].URL; len(via) > 3 || next.URL.Host != first.Host || next.URL.Scheme != first.Scheme {
			return r.look(inventory.ReasonRegistryInconsistent, nil, "redirects to another one; that isn't followed")
		}
		return nil
	}
	r.base, r.client = base, &own
	return r
}

func (r *remote) look(reason inventory.Reason, err error, format string, args ...any) *inventory.LookError {
	return &inventory.LookError{Reason: reason, Err: err,
		Message: fmt.Sprintf("The signing server %s %s.", shown(r.base.Host), fmt.Sprintf(format, args...))}
}

// session reads the files of one repository: a budget, and the token that the
// server may have asked for.
type session struct {
	*remote
	gun   string
	left  int64
	token string
}

func (r *remote) session(gun string) *session {
	return &session{remote: r, gun: gun, left: maxRepository}
}

// file reads a file of at most max bytes. errAbsent when there is none; every
// other error has a LookError.
func (s *session) file(ctx context.Context, name string, max int64) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	if max > s.left {
		max = s.left
	}
	at := s.base.JoinPath("v2", s.gun, "_trust/tuf", name+".json")
	b, status, err := s.get(ctx, at, max)
	if err != nil {
		return nil, err
	}
	s.left -= int64(len(b))
	switch status {
	case http.StatusOK:
		return b, nil
	case http.StatusNotFound:
		return nil, s.absent(ctx, b)
	}
	return nil, s.refusal(status)
}

// absent tells a server that doesn't have a file from something else at its
// address that has no files at all: a wrong address must not read as "nobody
// signed this".
func (s *session) absent(ctx context.Context, body []byte) error {
	s.mu.Lock()
	proven := s.proven
	s.mu.Unlock()
	if !proven && !strings.Contains(string(body), "METADATA_NOT_FOUND") {
		_, status, err := s.get(ctx, s.base.JoinPath("v2/"), 64<<10)
		if err != nil {
			return err
		}
		if status == http.StatusNotFound {
			return s.look(inventory.ReasonRegistryInconsistent, nil, "doesn't answer as one of Docker Content Trust: is its address right?")
		}
	}
	s.mu.Lock()
	s.proven = true
	s.mu.Unlock()
	return errAbsent
}

func (r *remote) refusal(status int) error {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return r.look(inventory.ReasonRegistryDenied, nil, "doesn't let us read this repository's signatures (status %d)", status)
	case status == http.StatusTooManyRequests:
		return r.look(inventory.ReasonRegistryThrottled, nil, "was asked too often")
	case status >= 500:
		return r.look(inventory.ReasonRegistryUnreachable, nil, "answers with an error (status %d)", status)
	}
	return r.look(inventory.ReasonRegistryInconsistent, nil, "answers with status %d", status)
}

// get asks once, and once more with a token when one is demanded.
func (s *session) get(ctx context.Context, at *url.URL, max int64) ([]byte, int, error) {
	if err := s.silent(); err != nil {
		return nil, 0, err
	}
	b, status, header, err := s.ask(ctx, at, s.token, max)
	if err == nil && status == http.StatusUnauthorized && s.token == "" {
		if token, ok := s.anonymous(ctx, header.Get("Www-Authenticate")); ok {
			s.token = token
			b, status, header, err = s.ask(ctx, at, token, max)
		}
	}
	if err != nil {
		return nil, 0, err
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		s.hush(retryAfter(header.Get("Retry-After")), s.refusal(status))
	}
	return b, status, nil
}

func (r *remote) ask(ctx context.Context, at *url.URL, token string, max int64) ([]byte, int, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("asking %s: %w", r.base.Host, err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Cache-Control", "no-cache")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, 0, nil, r.failure(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, max+1))
	if err != nil {
		return nil, 0, nil, r.failure(err)
	}
	if int64(len(b)) > max {
		return nil, 0, nil, r.look(inventory.ReasonTooLarge, nil, "sent more than the %d bytes that are read of a file, or of all files together", max)
	}
	return b, response.StatusCode, response.Header, nil
}

// failure names why nothing was read. A server that can't be reached is left
// alone for a while.
func (r *remote) failure(err error) error {
	if known, ok := errors.AsType[*inventory.LookError](err); ok {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	what := "could not be reached"
	if errors.Is(err, context.DeadlineExceeded) {
		what = "doesn't answer in time"
	}
	look := r.look(inventory.ReasonRegistryUnreachable, err, "%s", what)
	r.hush(silence, look)
	return look
}

func (r *remote) hush(d time.Duration, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quiet, r.why = time.Now().Add(d), why
}

func (r *remote) silent() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.quiet) {
		return r.why
	}
	return nil
}

func retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, longestSilence)
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, min(time.Until(at), longestSilence))
	}
	return silence
}
