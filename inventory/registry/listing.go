package registry

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"signboard/inventory"
)

const (
	pageSize      = "1000" // distribution refuses more
	maxLinkLength = 8 << 10
)

// Repositories calls page with the repositories that the configuration asks
// for, a page of the catalog at a time; no name comes twice. Names without a
// wildcard are passed on without asking, and when all are such, so is the whole
// listing. It returns nil only when the catalog was read to its end; an error
// of page ends it and is returned as it is.
func (c *Client) Repositories(ctx context.Context, page func(names []string) error) error {
	var plain, patterns []string
	seen := map[string]bool{}
	for _, g := range c.globs {
		switch {
		case g.Wild():
			patterns = append(patterns, string(g))
		case !seen[string(g)]:
			seen[string(g)] = true
			plain = append(plain, string(g))
		}
	}
	if len(plain) > 0 {
		if err := page(plain); err != nil {
			return err
		}
	}
	if len(patterns) == 0 {
		return nil
	}

	q := request{
		method: http.MethodGet, url: c.url("/v2/_catalog", url.Values{"n": {pageSize}}), scope: catalogScope,
		accept: "application/json", max: c.limits.ListingBytes, what: "the list of its repositories",
	}
	return c.pages(ctx, q, c.limits.Entries, func(a answer) (int, error) {
		switch a.status {
		case http.StatusOK:
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
			if web(a) {
				return 0, c.notRegistry(q)
			}
			return 0, look(inventory.ReasonRegistryDenied, &statusError{answer: a, to: q},
				"%s doesn't list its repositories for us (%d): write their plain names under repositories of this registry, instead of patterns, or say under listing whose API lists them.", c.origin.Host, a.status)
		default:
			return 0, c.refusal(q, a)
		}
		names, err := parseNames(a.body, "repositories")
		if err != nil {
			return 0, c.malformed(q, a, err)
		}
		var fresh []string
		odd := 0
		for _, n := range names {
			switch {
			case !inventory.ValidRepository(n):
				odd++
			case !seen[n]:
				seen[n] = true
				if inventory.MatchAny(c.globs, n) {
					fresh = append(fresh, n)
				}
			}
		}
		c.warnOdd(q, odd)
		if len(fresh) == 0 {
			return len(names), nil
		}
		return len(names), page(fresh)
	})
}

// Tags returns every tag of a repository, companion tags included, each once
// and in the registry's order. With an error it returns what was read before.
func (c *Client) Tags(ctx context.Context, repository string) ([]string, error) {
	if err := c.checkName(repository, ""); err != nil {
		return nil, err
	}
	var tags []string
	seen := map[string]bool{}
	q := request{
		method: http.MethodGet, url: c.url("/v2/"+repository+"/tags/list", url.Values{"n": {pageSize}}), scope: pullScope(repository),
		accept: "application/json", max: c.limits.ListingBytes, what: "the tags of " + repository,
	}
	err := c.pages(ctx, q, c.limits.Entries, func(a answer) (int, error) {
		if a.status != http.StatusOK {
			return 0, c.refusal(q, a)
		}
		names, err := parseNames(a.body, "tags")
		if err != nil {
			return 0, c.malformed(q, a, err)
		}
		odd := 0
		for _, n := range names {
			switch {
			case !inventory.ValidTag(n):
				odd++
			case !seen[n]:
				seen[n] = true
				tags = append(tags, n)
			}
		}
		c.warnOdd(q, odd)
		return len(names), nil
	})
	return tags, err
}

// pages reads a listing of the distribution API from its first page to its last,
// or to a limit. take reads one page and says how many entries it had.
func (c *Client) pages(ctx context.Context, q request, most int, take func(answer) (int, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limits.ListingTimeout, errListing)
	defer cancel()
	return c.walk(ctx, q, &budget{pages: c.limits.Pages, entries: most}, func(a answer) (page, error) {
		got, err := take(a)
		next, problem := nextPage(a.header.Values("Link"), a.url)
		return page{entries: got, next: next, problem: problem}, err
	})
}

// page is what one page of a listing came to.
type page struct {
	entries int
	next    *url.URL // nil after the last
	problem string   // why the next page can't be found
}

// budget is what may still be read, and what was.
type budget struct {
	pages, entries         int
	readPages, readEntries int
}

// walk reads a listing from its first page to its last, or to the end of the
// budget.
func (c *Client) walk(ctx context.Context, q request, b *budget, take func(answer) (page, error)) error {
	seen := map[[sha256.Size]byte]bool{}
	for first := true; ; first = false {
		switch { // what earlier walks on the same budget have left
		case b.readPages >= b.pages:
			return c.incomplete(q, b, "it has too many pages")
		case b.readEntries >= b.entries:
			return c.incomplete(q, b, "it has too many entries")
		}
		b.readPages++
		seen[sha256.Sum256([]byte(q.url.String()))] = true
		a, err := c.do(ctx, q)
		if err != nil {
			return err
		}
		if first && !q.plain && a.status == http.StatusBadRequest && q.url.RawQuery != "" && !web(a) {
			// It wants smaller pages than we asked for, and gets to choose.
			q.url = c.url(q.url.Path, nil)
			if a, err = c.do(ctx, q); err != nil {
				return err
			}
		}
		p, err := take(a)
		if err != nil {
			return err
		}
		b.readEntries += p.entries

		problem := p.problem
		switch {
		case problem != "":
		case p.next == nil:
			return nil
		case authority(p.next) != authority(c.origin) || p.next.Scheme != c.origin.Scheme:
			problem = "the next page is said to be on another host"
		case seen[sha256.Sum256([]byte(p.next.String()))]:
			problem = "the pages go round in a circle"
		case b.readPages >= b.pages:
			problem = "it has too many pages"
		case b.readEntries >= b.entries:
			problem = "it has too many entries"
		}
		if problem != "" {
			return c.incomplete(q, b, problem)
		}
		q.url = p.next
	}
}

// incomplete says that a listing wasn't read to its end.
func (c *Client) incomplete(q request, b *budget, problem string) error {
	return look(inventory.ReasonTooMany, nil,
		"%s could not be read from %s to the end: %s. What was read is incomplete (pages: %d, entries: %d).",
		upperFirst(q.what), c.origin.Host, problem, b.readPages, b.readEntries)
}

// nextPage finds the next page in Link headers (RFC 8288; distribution
// specification, "Listing Tags"), nil when there is none. problem is set when
// there seems to be one that can't be understood: the listing isn't complete
// then.
func nextPage(values []string, from *url.URL) (next *url.URL, problem string) {
	for _, value := range values {
		rest := strings.TrimSpace(value)
		for rest != "" {
			target, params, remaining, ok := cutLink(rest)
			if !ok {
				if strings.Contains(strings.ToLower(rest), "next") {
					return nil, "where the next page is can't be understood"
				}
				break
			}
			rest = remaining
			if !hasNext(params) {
				continue
			}
			u, err := from.Parse(target)
			if err != nil || len(target) > maxLinkLength || u.Host == "" || u.Opaque != "" {
				return nil, "where the next page is can't be understood"
			}
			u.User, u.Fragment = nil, ""
			return u, ""
		}
	}
	return nil, ""
}

// cutLink cuts the first <target>; params off a Link header. zot leaves out the
// angle brackets, and is understood all the same.
func cutLink(s string) (target, params, rest string, ok bool) {
	s = strings.TrimLeft(s, ", \t")
	switch {
	case strings.HasPrefix(s, "<"):
		target, s, ok = strings.Cut(s[1:], ">")
	case strings.HasPrefix(s, "/"):
		if target, s, ok = strings.Cut(s, ";"); strings.ContainsAny(target, "<>") {
			return "", "", "", false
		}
	}
	if !ok {
		return "", "", "", false
	}
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return strings.TrimSpace(target), s[:i], s[i+1:], true
		}
	}
	return strings.TrimSpace(target), s, "", true
}

func hasNext(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(key), "rel") {
			continue
		}
		for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
			if strings.EqualFold(rel, "next") {
				return true
			}
		}
	}
	return false
}

// parseNames reads the list of strings under a key. The key has to be there: an
// answer without it says nothing, not that there is nothing. null is an empty
// list, as distribution writes it.
func parseNames(body []byte, key string) ([]string, error) {
	var doc map[string]json.RawMessage
	if err := inventory.StrictJSON(body, &doc); err != nil {
		return nil, err
	}
	raw, ok := doc[key]
	if !ok {
		return nil, errMissing
	}
	var names []string
	if err := json.Unmarshal(raw, &names); err != nil {
		return nil, err
	}
	return names, nil
}

// malformed puts a successful answer that can't be read into words.
func (c *Client) malformed(q request, a answer, err error) error {
	if web(a) {
		return c.notRegistry(q)
	}
	return look(inventory.ReasonPayloadMalformed, err, "What %s sent for %s is not what the registry API prescribes.", c.origin.Host, q.what)
}

func (c *Client) warnOdd(q request, n int) {
	if n > 0 {
		c.log.Warn("the registry lists names that can't be asked for; they are left out", "registry", c.name, "in", q.what, "names", n)
	}
}

// checkName refuses what can't be a repository or a reference, before it
// becomes part of a URL. An empty reference isn't looked at.
func (c *Client) checkName(repository, reference string) error {
	if !inventory.ValidRepository(repository) {
		return look(inventory.ReasonPayloadMalformed, nil, "%q can't be the name of a repository.", clip(repository))
	}
	if reference == "" || inventory.ValidTag(reference) {
		return nil
	}
	if _, err := inventory.ParseDigest(reference); err != nil {
		return look(inventory.ReasonPayloadMalformed, nil, "%q can't be a tag or a digest.", clip(reference))
	}
	return nil
}

// ValidName reports whether a repository, and in it a tag or a digest, can be
// called so (distribution specification, "Pulling manifests").
func ValidName(repository, reference string) bool {
	var c *Client
	return reference != "" && c.checkName(repository, reference) == nil
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
