package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"signboard/inventory"
)

var (
	errDeadline = errors.New("the request took too long")
	errListing  = errors.New("the listing took too long")
	errScheme   = errors.New("not the scheme the registry is configured with")
	errSilent   = errors.New("the registry stopped answering")
	errMissing  = errors.New("the list is missing")
)

// requestError is a request that got no answer, or not all of it.
type requestError struct {
	host     string
	timedOut bool
	reading  bool // the answer had begun
	err      error
}

func (e *requestError) Error() string { return e.host + ": " + e.err.Error() }
func (e *requestError) Unwrap() error { return e.err }

// statusError is an answer without which nothing else can be asked.
type statusError struct {
	answer
	to request
}

func (e *statusError) Error() string { return describe(e.answer) }

// tokenError is a failure to authenticate.
type tokenError struct {
	err  error
	with bool // credentials were there
}

// Error leaves out what go-containerregistry says: it quotes the token service's
// answer, which may hold a token.
func (e *tokenError) Error() string {
	if inner, ok := errors.AsType[*requestError](e.err); ok {
		return "authenticating: " + inner.Error()
	}
	if status, _ := statusOf(e.err); status != 0 {
		return fmt.Sprintf("authenticating: status %d from the token service", status)
	}
	return "authenticating: no token that can be used"
}

func (e *tokenError) Unwrap() error { return e.err }

// ours reports whether an error is one that we made ourselves, and says all.
func ours(err error) bool {
	switch err.(type) {
	case *inventory.LookError, *addressError, *requestError, *statusError, *throttledError:
		return true
	}
	return false
}

// statusOf finds the answer behind an error; 0 when there was none.
func statusOf(err error) (int, http.Header) {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status, e.header
	}
	if e, ok := errors.AsType[*transport.Error](err); ok {
		return e.StatusCode, nil
	}
	return 0, nil
}

// temporary reports whether asking again may help.
func temporary(err error) bool {
	if _, ok := errors.AsType[*inventory.LookError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*addressError](err); ok {
		return false
	}
	if status, _ := statusOf(err); status != 0 {
		return temporaryStatus(status)
	}
	if e, ok := errors.AsType[*proxyError](err); ok {
		return e.status == 0 && !certificate(e.err) || temporaryStatus(e.status)
	}
	e, ok := errors.AsType[*requestError](err)
	switch {
	case !ok || e.timedOut: // a host that was slow once costs a whole deadline each time
		return false
	case certificate(e.err), plainHTTP(e.err), clientCertificateProblem(e.err) != "":
		return false
	}
	dns, ok := errors.AsType[*net.DNSError](e.err)
	return !ok || !dns.IsNotFound
}

func certificate(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	return unknown || name
}

// failure puts a request without an answer into words.
func (c *Client) failure(q request, err error) *inventory.LookError {
	if e, ok := errors.AsType[*inventory.LookError](err); ok {
		return e
	}
	me, unreachable := c.origin.Host, inventory.ReasonRegistryUnreachable
	if e, ok := errors.AsType[*throttledError](err); ok {
		return look(inventory.ReasonRegistryThrottled, err, "%s asks its clients to slow down; %s will be read later.", e.host, q.what)
	}
	if e, ok := errors.AsType[*addressError](err); ok {
		return look(unreachable, err, "Reading %s from %s led to the address %s, which was not contacted: it %s.", q.what, me, e.address, e.why)
	}
	if e, ok := errors.AsType[*proxyError](err); ok {
		return look(unreachable, err, "%s.", e.say(me))
	}
	token, authenticating := errors.AsType[*tokenError](err)
	if status, header := statusOf(err); status != 0 {
		if e, ok := errors.AsType[*statusError](err); ok {
			return c.refusal(e.to, e.answer)
		}
		if !authenticating || status != http.StatusUnauthorized && status != http.StatusForbidden && status != http.StatusBadRequest {
			return c.refusal(q, answer{status: status, header: header})
		}
		if token.with {
			return look(inventory.ReasonRegistryDenied, err, "The token service of %s refused the credentials (%d): check username and password.", me, status)
		}
		return look(inventory.ReasonRegistryDenied, err, "The token service of %s gives nothing to clients without credentials (%d): configure username and password, or sign in with docker login.", me, status)
	}

	host := me
	e, ok := errors.AsType[*requestError](err)
	if ok && e.host != me {
		host = fmt.Sprintf("%s, where %s sends its clients,", inventory.Visible(clip(e.host)), me)
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, errListing):
		return look(inventory.ReasonTooMany, err, "Reading %s from %s took longer than %s and was stopped: what was read is incomplete.", q.what, me, c.limits.ListingTimeout)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && !ok:
		return look(unreachable, err, "Reading %s from %s was stopped before it ended.", q.what, me)
	case ok && e.timedOut && e.reading:
		return look(unreachable, err, "%s did not finish sending %s within %s.", host, q.what, c.limits.RequestTimeout)
	case ok && e.timedOut:
		return look(unreachable, err, "%s did not answer within %s when asked for %s.", host, c.limits.RequestTimeout, q.what)
	case isDNS && dns.IsNotFound:
		return look(unreachable, err, "The name of %s can't be resolved: check %s, or the DNS.", host, c.address)
	case isDNS:
		return look(unreachable, err, "The name of %s can't be resolved at the moment: the DNS doesn't answer.", host)
	case plainHTTP(err):
		return look(unreachable, err, "%s speaks plain HTTP where https was expected: if that is meant, write its url with http://.", host)
	case certificate(err):
		return look(unreachable, err, "The TLS certificate of %s can't be trusted (%s): %s.", host, certificateProblem(err), certificateAdvice(err))
	case clientCertificateProblem(err) != "":
		return look(unreachable, err, "%s %s.", host, clientCertificateProblem(err))
	case errors.Is(err, syscall.ECONNREFUSED):
		return look(unreachable, err, "%s refused the connection when asked for %s: check that it is running, and the host and port of %s.", host, q.what, c.address)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return look(unreachable, err, "There is no network route to %s.", host)
	case ok && e.reading:
		return look(unreachable, err, "%s broke off while sending %s.", host, q.what)
	case ok:
		return look(unreachable, err, "%s broke the connection when asked for %s.", host, q.what)
	case authenticating:
		return look(inventory.ReasonRegistryDenied, err, "Authenticating to %s failed: its token service gives no token that can be used.", me)
	}
	return look(unreachable, err, "Reading %s from %s failed.", q.what, me)
}

// plainHTTP reports whether the answer to our TLS was HTTP.
func plainHTTP(err error) bool {
	record, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok && string(record.RecordHeader[:]) == "HTTP/"
}

func certificateProblem(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its authority isn't known here"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "it is for another name"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "it has expired or isn't valid yet"
	}
	return "it doesn't verify"
}

// certificateAdvice is what to do about it.
func certificateAdvice(err error) string {
	if e, ok := errors.AsType[x509.HostnameError](err); ok && e.Certificate != nil {
		return "check the name in the registry's url"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "it has to be renewed, or this machine's clock is wrong"
	}
	return "name its CA under ca of this registry, or install it on this machine"
}

// refusal puts an answer that isn't a success into words.
func (c *Client) refusal(q request, a answer) *inventory.LookError {
	me, cause := c.origin.Host, errors.New(describe(a))
	switch {
	case (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden) && !c.auth.found.Load():
		return look(inventory.ReasonRegistryDenied, cause, "%s shows %s only to clients with credentials (%d), and there are none for it: configure username and password, or sign in with docker login.", me, q.what, a.status)
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return look(inventory.ReasonRegistryDenied, cause, "%s refused to show %s (%d): check the credentials configured for this registry, and that they may pull.", me, q.what, a.status)
	case a.status == http.StatusTooManyRequests:
		return look(inventory.ReasonRegistryThrottled, cause, "%s asks its clients to slow down (429); %s will be read later.", me, q.what)
	case a.status >= 500:
		return look(inventory.ReasonRegistryUnreachable, cause, "%s failed to show %s: it answers %d %s.", me, q.what, a.status, http.StatusText(a.status))
	case web(a):
		return c.notRegistry(q)
	case a.status == http.StatusNotFound && q.plain:
		return look(inventory.ReasonRegistryInconsistent, cause, "%s has no registry API at /v2/ (404): check the registry's url.", me)
	case a.status == http.StatusNotFound:
		return look(inventory.ReasonRegistryInconsistent, fmt.Errorf("%w: %w", inventory.ErrNotFound, cause), "%s doesn't have %s.", me, q.what)
	case a.status == http.StatusBadRequest && strings.Contains(string(a.body), "HTTP request to an HTTPS server"):
		return look(inventory.ReasonRegistryUnreachable, cause, "%s speaks TLS: write its url with https://.", me)
	case a.status >= 300 && a.status < 400:
		return look(inventory.ReasonRegistryInconsistent, cause, "%s redirects to another host when asked for %s; that isn't followed. Check %s.", me, q.what, c.address)
	}
	return look(inventory.ReasonRegistryInconsistent, cause, "%s answers %d when asked for %s.", me, a.status, q.what)
}

func (c *Client) notRegistry(q request) *inventory.LookError {
	return look(inventory.ReasonRegistryInconsistent, nil, "%s answered with a web page when asked for %s, where a registry API was expected: check %s.", c.origin.Host, q.what, c.address)
}

// web reports whether an answer is a page for browsers. Only a body that can be
// nothing else is believed over a Content-Type.
func web(a answer) bool {
	start := strings.TrimSpace(string(a.body[:min(len(a.body), 64)]))
	if strings.HasPrefix(start, "{") {
		return false
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	kind = strings.TrimSpace(kind)
	return strings.EqualFold(kind, "text/html") || strings.EqualFold(kind, "application/xhtml+xml") ||
		strings.HasPrefix(start, "<")
}

// codes are the error codes in an answer (distribution specification, "Error
// Codes").
func (a answer) codes() []string {
	var doc struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	_ = json.Unmarshal(a.body, &doc) // an answer without codes is fine
	var codes []string
	for _, e := range doc.Errors {
		codes = append(codes, e.Code)
	}
	return codes
}

// describe is an answer for the log.
func describe(a answer) string {
	return fmt.Sprintf("status %d: %q", a.status, clip(string(a.body)))
}

// clip keeps what a stranger sent short enough for a sentence.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func size(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
