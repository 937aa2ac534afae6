package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"signboard/handlers/api"
	"signboard/inventory"
	"signboard/inventory/check"
)

// server is a running Signboard that is asked about images.
type server struct {
	home      string // its address
	tokenFile string
	client    *http.Client
	wait      func(context.Context, time.Duration) error // between two tries
}

const (
	maxAnswer   = 8 << 20 // bytes
	maxToken    = 4 << 10
	perRequest  = 45 * time.Second // the server itself gives up after 30
	tries       = 4
	longestWait = 30 * time.Second
)

// newServer checks an address. A token goes over https, or to this machine.
func newServer(address, tokenFile string) (*server, error) {
	bad := func(format string, args ...any) error {
		return exit{exitUsage, fmt.Sprintf("--server %s: ", inventory.Visible(shorten(address))) + fmt.Sprintf(format, args...)}
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, bad("write it as https://signboard.example.com.")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, bad("leave out names, passwords and everything after a ? or #.")
	case u.Scheme == "http" && !thisMachine(u.Hostname()):
		return nil, bad("the token would travel readable by everybody on the way. Use https.")
	}
	return &server{
		home: strings.TrimSuffix(u.String(), "/"), tokenFile: tokenFile, wait: sleep,
		client: &http.Client{
			Timeout: perRequest,
			// A token goes nowhere but to the address it was given for.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func thisMachine(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// token reads the token, each time it is used: it may have been replaced.
func (s *server) token() (string, error) {
	f, err := os.Open(s.tokenFile)
	if err != nil {
		return "", exit{exitUsage, fmt.Sprintf("The token can't be read: %v.", err)}
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		return "", exit{exitUsage, fmt.Sprintf("The token can't be read: %v.", err)}
	}
	token := strings.TrimSpace(string(raw))
	switch {
	case token == "":
		return "", exit{exitUsage, fmt.Sprintf("The token file %s is empty.", s.tokenFile)}
	case len(raw) == maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", exit{exitUsage, fmt.Sprintf("The file %s doesn't hold a token, which is one word: sgb_….", s.tokenFile)}
	}
	return token, nil
}

// check asks about images, as many at once as the server takes.
func (s *server) check(ctx context.Context, images []string) (api.Answer, error) {
	all := inventory.Answer{}
	for part := range slices.Chunk(images, check.MaxImages) {
		answer, err := s.ask(ctx, part)
		if err != nil {
			return api.Answer{}, err
		}
		for _, i := range answer.Images {
			all.Images = append(all.Images, inventory.ImageAnswer(i))
		}
	}
	return api.NewAnswer(inventory.NewAnswer(all.Images)), nil
}

// ask makes one call, again when the server asks to come back later.
func (s *server) ask(ctx context.Context, images []string) (api.Answer, error) {
	for try := 1; ; try++ {
		answer, after, err := s.once(ctx, images)
		if err == nil || after < 0 || try == tries {
			return answer, err
		}
		if err := s.wait(ctx, min(max(after, time.Second), longestWait)); err != nil {
			return answer, err
		}
	}
}

// once makes one call. after is when to try again, negative for never.
func (s *server) once(ctx context.Context, images []string) (answer api.Answer, after time.Duration, err error) {
	token, err := s.token()
	if err != nil {
		return answer, -1, err
	}
	body, err := json.Marshal(map[string]any{"images": images})
	if err != nil {
		return answer, -1, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.home+api.Root+"/check", bytes.NewReader(body))
	if err != nil {
		return answer, -1, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", userAgent())
	response, err := s.client.Do(r)
	if err != nil {
		return answer, -1, s.said("%s", reachable(err))
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer, -1, s.said("its answer broke off: %s", reachable(err))
	}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	detail := ""
	var problem api.Problem
	if kind == "application/problem+json" && json.Unmarshal(raw, &problem) == nil {
		detail = " It says: " + shorten(problem.Detail)
	}
	switch status := response.StatusCode; {
	case status == http.StatusOK && kind == "application/json" && len(raw) <= maxAnswer:
		if answer, err = s.read(raw, images); err != nil {
			return api.Answer{}, -1, err
		}
		return answer, 0, nil
	case status == http.StatusOK:
		return answer, -1, s.said("it answers, but not as a Signboard does (%s). Is the address right?", shorten(kind))
	case status >= 300 && status < 400:
		return answer, -1, s.said("it leads on to %s, and the token isn't sent there. If that is the Signboard, give its address.", shorten(response.Header.Get("Location")))
	case status == http.StatusUnauthorized:
		return answer, -1, s.said("it doesn't accept the token: expired, revoked, or of another Signboard.%s", detail)
	case status == http.StatusForbidden:
		return answer, -1, s.said("the token may not ask this; that of a viewer may.%s", detail)
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return answer, -1, s.said("there is no %s/check (status %d). Is the address right, and that Signboard new enough?%s", api.Root, status, detail)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable, status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return answer, time.Duration(max(0, min(seconds, 3600))) * time.Second, s.said("it can't answer at this moment (status %d).%s", status, detail)
	default:
		return answer, -1, s.said("it answers with status %d.%s", status, detail)
	}
}

// read takes an answer only when it is one about the images that were asked for,
// and agrees with itself: an image passes because each part of the answer says so.
func (s *server) read(raw []byte, images []string) (api.Answer, error) {
	var answer api.Answer
	if err := json.Unmarshal(raw, &answer); err != nil {
		return answer, s.said("its answer can't be read as JSON.")
	}
	if len(answer.Images) != len(images) {
		return answer, s.said("its answer is about %d images, and %d were asked for.", len(answer.Images), len(images))
	}
	sum := inventory.Answer{}
	for n, i := range answer.Images {
		if i.Reference != images[n] {
			return answer, s.said("its answer is about other images than were asked for.")
		}
		if i.Allowed && (!i.Decided || i.Status != inventory.Trusted || i.Digest == "") {
			return answer, s.said("its answer contradicts itself about %s.", shorten(i.Reference))
		}
		sum.Images = append(sum.Images, inventory.ImageAnswer(i))
	}
	if sum = inventory.NewAnswer(sum.Images); sum.Allowed != answer.Allowed || sum.Decided != answer.Decided {
		return answer, s.said("its answer contradicts itself.")
	}
	return answer, nil
}

// said is what is wrong with the server, as the end of the check.
func (s *server) said(format string, args ...any) error {
	return exit{exitUndecided, inventory.Visible(fmt.Sprintf("Nothing could be decided. %s: ", s.home) + fmt.Sprintf(format, args...))}
}

// reachable is why a request got no answer, without the address again.
func reachable(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "it didn't answer in time."
	}
	return "it can't be reached: " + err.Error() + "."
}
