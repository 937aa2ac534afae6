package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"signboard/inventory"
)

// serviceScope keeps a service that doesn't answer apart from the repositories
// of the registry on the same host. Nothing asks for a token with it.
const serviceScope = "service"

// Service is another HTTP API of a registry product, such as the one it lists
// its repositories with, at the registry's own host or at another. It is asked
// over what the registry itself is asked over: checked addresses, deadlines,
// caps, each host's pace, and Client.Traffic counts it. What it is shown as
// credentials is its caller's business; they go to its host and nowhere else,
// and the registry's own go to no other host than the registry's.
type Service struct {
	client *Client // of the service's host
	base   *url.URL
	own    bool
}

// Question is one request to a Service. It may be sent more than once.
type Question struct {
	Method string
	URL    *url.URL    // made by Service.URL, or a next page
	Header http.Header // sent to the service's host only
	Body   []byte
	What   string // for a person: "the repositories of the project team-a"
}

// Answer is what a Service said, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte   // of a success as a whole, otherwise its beginning
	URL    *url.URL // where it came from, after redirects on the same host
}

// Service makes a service at an address: scheme, host and port, and perhaps a
// path that everything of the service is below. An empty address is the
// registry's own. It fails with an inventory.Error and contacts nobody.
func (c *Client) Service(address string) (*Service, error) {
	base, err := ParseServiceURL(address)
	switch {
	case address == "":
		base = &url.URL{Scheme: c.origin.Scheme, Host: c.origin.Host}
	case err != nil:
		return nil, err
	}
	if base.Scheme == c.origin.Scheme && authority(base) == authority(c.origin) {
		return &Service{client: c, base: base, own: true}, nil
	}
	cfg := c.config
	cfg.URL, cfg.Username, cfg.Password, cfg.TokenHosts = base.Scheme+"://"+base.Host, "", "", nil
	cfg.ClientCertificate, cfg.Token, cfg.ReadSecret = nil, "", nil
	other, err := newClient(cfg, c.dialer)
	if err != nil {
		return nil, err
	}
	other.address = "listing_url of this registry"
	other.permits, other.retried = c.permits, c.retried
	other.guard.pace = c.guard.pace
	other.guard.inner = &beside{inner: other.guard.inner, counted: c.guard, now: c.now}
	return &Service{client: other, base: base}, nil
}

// ParseServiceURL reads the address of a service.
func ParseServiceURL(address string) (*url.URL, error) {
	refuse := func(why string) error {
		return inventory.Errorf(inventory.Invalid, "the address %q %s; it looks like https://gitlab.example.com", inventory.Visible(clip(address)), why)
	}
	u, err := url.Parse(strings.TrimSpace(address))
	switch {
	case err != nil:
		return nil, inventory.Errorf(inventory.Invalid, "the address can't be read; it looks like https://gitlab.example.com")
	case u.User != nil:
		return nil, inventory.Errorf(inventory.Invalid, "the address holds credentials: write them as listing_username and listing_token_file")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, refuse("has to begin with https:// or http://")
	case u.Hostname() == "":
		return nil, refuse("names no host")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, refuse("may not hold ? or #")
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: strings.TrimRight(u.Path, "/")}, nil
}

// Host is the service's host, with its port when it has one.
func (s *Service) Host() string { return s.base.Host }

// Own reports whether the service is at the registry's own host.
func (s *Service) Own() bool { return s.own }

// URL is an address of the service. Each segment is escaped as a whole: a slash
// within it doesn't divide the path.
func (s *Service) URL(query url.Values, segments ...string) *url.URL {
	u := *s.base
	raw := u.EscapedPath()
	for _, segment := range segments {
		u.Path += "/" + segment
		raw += "/" + url.PathEscape(segment)
	}
	u.RawPath, u.RawQuery = raw, query.Encode()
	return &u
}

// Credentials are the registry's own, empty when there are none and when the
// service isn't at the registry's own host.
func (s *Service) Credentials(ctx context.Context) (username, password string, err error) {
	if !s.own {
		return "", "", nil
	}
	found, err := s.client.auth.credentials(ctx)
	if err != nil {
		return "", "", err
	}
	config, err := found.Authorization()
	if err != nil {
		return "", "", look(inventory.ReasonRegistryDenied, err, "The credentials for %s can't be read.", s.Host())
	}
	return config.Username, config.Password, nil
}

// TokenService is what the token service is called that the registry sends its
// clients to ("service" in its challenge, distribution's "Token Authentication
// Specification"); "" while nothing has been asked of the registry, and for one
// that hands out no tokens.
func (c *Client) TokenService() string {
	c.auth.mu.Lock()
	defer c.auth.mu.Unlock()
	if c.auth.challenge == nil {
		return ""
	}
	for _, value := range c.auth.challenge.header.Values("WWW-Authenticate") {
		if found := serviceParameter.FindStringSubmatch(value); found != nil && isBearer(value) {
			return found[1]
		}
	}
	return ""
}

var serviceParameter = regexp.MustCompile(`(?i)[\s,]service="([^"]*)"`)

// Ask asks until there is an answer or no sense in asking again; any status is
// an answer. A redirect to another host isn't followed. err is a LookError.
func (s *Service) Ask(ctx context.Context, q Question) (Answer, error) {
	a, err := s.client.do(ctx, s.request(q))
	if err != nil {
		return Answer{}, err
	}
	return q.answer(a), nil
}

// answer is what was said to a question. The body of a refusal goes into logs:
// what was shown as credentials is taken out, should it be repeated there.
func (q Question) answer(a answer) Answer {
	body := a.body
	if a.status != http.StatusOK {
		if q.Body != nil { // it may hold a password
			body = nil
		}
		for _, value := range q.Header.Values("Authorization") {
			_, credentials, _ := strings.Cut(value, " ")
			secrets := []string{credentials}
			if plain, err := base64.StdEncoding.DecodeString(credentials); err == nil {
				_, password, _ := strings.Cut(string(plain), ":")
				secrets = append(secrets, password)
			}
			for _, s := range secrets {
				if s != "" {
					body = bytes.ReplaceAll(body, []byte(s), []byte("…"))
				}
			}
		}
	}
	return Answer{Status: a.status, Header: a.header, Body: body, URL: a.url}
}

func (s *Service) request(q Question) request {
	return request{
		method: q.Method, url: q.URL, header: q.Header, body: q.Body, accept: cmp.Or(q.Header.Get("Accept"), "application/json"), scope: serviceScope,
		plain: true, stay: true, max: s.client.limits.ListingBytes, what: q.What,
	}
}

// Refusal puts an answer that isn't a success into words, as far as they don't
// depend on whose service it is.
func (s *Service) Refusal(q Question, a Answer) *inventory.LookError {
	answer := answer{status: a.Status, header: a.Header, body: a.Body, url: a.URL}
	if web(answer) && a.Status < http.StatusInternalServerError && a.Status != http.StatusTooManyRequests {
		return s.client.notRegistry(s.request(q))
	}
	switch a.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return look(inventory.ReasonRegistryDenied, &statusError{answer: answer, to: s.request(q)}, "%s refused to show %s (%d).", s.Host(), q.What, a.Status)
	case http.StatusNotFound:
		return look(inventory.ReasonRegistryDenied, &statusError{answer: answer, to: s.request(q)}, "%s doesn't have %s, or doesn't show it to us (404).", s.Host(), q.What)
	}
	return s.client.refusal(s.request(q), answer)
}

// Malformed puts a success that can't be read into words.
func (s *Service) Malformed(q Question, a Answer, err error) error {
	return s.client.malformed(s.request(q), answer{status: a.Status, header: a.Header, body: a.Body, url: a.URL}, err)
}

// Denied makes the LookError of an answer that needs somebody to do something.
func (s *Service) Denied(q Question, a Answer, message string) *inventory.LookError {
	cause := &statusError{answer: answer{status: a.Status, header: a.Header, body: a.Body, url: a.URL}, to: s.request(q)}
	return &inventory.LookError{Reason: inventory.ReasonRegistryDenied, Message: message, Err: cause}
}

// Inconsistent makes the LookError of answers that contradict each other.
func (s *Service) Inconsistent(format string, args ...any) *inventory.LookError {
	return look(inventory.ReasonRegistryInconsistent, nil, format, args...)
}

// WarnOdd says in the log that names were left out.
func (s *Service) WarnOdd(what string, n int) {
	s.client.warnOdd(request{what: what}, n)
}

// Page is what one page of a listing came to.
type Page struct {
	Entries int
	Next    *url.URL // nil after the last
	Problem string   // why the next page can't be found: "where the next page is can't be understood"
}

// Walk bounds one listing of a service, however many lists it takes: its entries,
// the time it has, and the pages of all lists together beyond each one's first, so
// that many short lists aren't taken for one without an end.
type Walk struct {
	service *Service
	budget  budget
}

// Walk begins a listing. The context it returns ends when its time is up;
// cancel has to be called.
func (s *Service) Walk(ctx context.Context) (walk *Walk, within context.Context, cancel context.CancelFunc) {
	within, cancel = context.WithTimeoutCause(ctx, s.client.limits.ListingTimeout, errListing)
	return &Walk{service: s, budget: budget{pages: s.client.limits.Pages, entries: s.client.limits.Entries}}, within, cancel
}

// Pages reads pages from q on to the last, or to a limit of the walk; take reads
// one. It returns nil only when the last page was read. Next pages are asked for
// at the service's own host only.
func (w *Walk) Pages(ctx context.Context, q Question, take func(Answer) (Page, error)) error {
	w.budget.pages++
	return w.service.client.walk(ctx, w.service.request(q), &w.budget, func(a answer) (page, error) {
		p, err := take(q.answer(a))
		return page{entries: p.Entries, next: p.Next, problem: p.Problem}, err
	})
}

// NextLink finds the next page in an answer's Link headers (RFC 8288).
func NextLink(a Answer) (next *url.URL, problem string) {
	return nextPage(a.Header.Values("Link"), a.URL)
}

// NextAddress reads the address of the next page out of an answer's body.
func NextAddress(a Answer, address string) (next *url.URL, problem string) {
	u, err := a.URL.Parse(address)
	if err != nil || len(address) > maxLinkLength || u.Host == "" || u.Opaque != "" {
		return nil, "where the next page is can't be understood"
	}
	u.User, u.Fragment = nil, ""
	return u, ""
}
